/* SPDX-License-Identifier: Apache-2.0 */
/* scribe.c - see scribe.h. */
#include "scribe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"
#include "log.h"
#include "warder/own.h"

static int open_events(const char *path, struct err *e)
{
	int fd;

	if (!strcmp(path, "-"))
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? err_set(e, errno, "open the event file %s", path) : fd;
}

int scribe_check(const struct config *c, struct err *e)
{
	auto_fd fd = open_events(c->events, e);

	return fd < 0 ? fd : 0;
}

static int serve(struct journal *j, struct err *e)
{
	sigset_t set;
	int r, sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	r = journal_start(j, e);
	if (r)
		return r;
	sigwait(&set, &sig);
	journal_finish(j);
	return 0;
}

int scribe_run(struct arena *a, const struct config *c, struct err *e)
{
	struct journal_opts jo = { .arena = a, .on_trouble = log_warn };
	struct policies *p = NULL;
	struct journal *j = NULL;
	auto_fd events = -1;
	int r;

	close_range(STDERR_FILENO + 1, ~0U, 0);
	events = open_events(c->events, e);
	r = events < 0 ? events : policies_new(a, &p, e);
	jo.fd = events;
	jo.policies = p;
	if (!r)
		r = journal_new(&jo, &j, e);
	if (!r)
		r = serve(j, e);
	journal_free(j);
	policies_free(p);
	return r;
}

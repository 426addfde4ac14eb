/* SPDX-License-Identifier: Apache-2.0 */
/* scribe.c - see scribe.h. */
#include "scribe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
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

/* Without a socket there is no API; one that cannot start leaves the events alone. */
static struct http *start_api(const struct scribe_opts *o, const struct api_ctx *api)
{
	const struct http_opts ho = { .api = api, .unix_sock = o->api, .tcp_sock = o->metrics };
	struct http *h = NULL;
	struct err e;

	if ((o->api >= 0 || o->metrics >= 0) && http_start(&ho, &h, &e))
		log_say("%s", e.msg);
	return h;
}

static int serve(const struct scribe_opts *o, struct journal *j, struct err *e)
{
	const struct api_ctx api = { .arena = o->arena };
	struct http *h;
	sigset_t set;
	int r, sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	r = journal_start(j, e);
	if (r)
		return r;
	h = start_api(o, &api);
	sigwait(&set, &sig);
	http_stop(h);
	journal_finish(j);
	return 0;
}

/* Everything but the standard ones and what was handed to us. */
static void close_others(const struct scribe_opts *o)
{
	unsigned first = STDERR_FILENO + 1;
	int low = o->api < o->metrics ? o->api : o->metrics;
	const int keep[] = { low, low == o->api ? o->metrics : o->api };

	for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
		if (keep[i] < (int)first)
			continue;
		if (keep[i] > (int)first)
			close_range(first, (unsigned)keep[i] - 1, 0);
		first = (unsigned)keep[i] + 1;
	}
	close_range(first, ~0U, 0);
}

int scribe_run(const struct scribe_opts *o, struct err *e)
{
	struct journal_opts jo = { .arena = o->arena, .on_trouble = log_warn };
	struct policies *p = NULL;
	struct journal *j = NULL;
	auto_fd events = -1;
	int r;

	close_others(o);
	events = open_events(o->config->events, e);
	r = events < 0 ? events : policies_new(o->arena, &p, e);
	jo.fd = events;
	jo.policies = p;
	if (!r)
		r = journal_new(&jo, &j, e);
	if (!r)
		r = serve(o, j, e);
	journal_free(j);
	policies_free(p);
	return r;
}

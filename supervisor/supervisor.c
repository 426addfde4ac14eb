/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor.c - see supervisor.h. */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "listener.h"
#include "log.h"
#include "warder/own.h"
#include "warder/wire.h"

#define BACKLOG 512

struct member {
	struct member *next;
	struct supervisor *sv;
	struct session *session;
	const struct compiled *compiled;
};

static void wake_main(struct supervisor *sv)
{
	eventfd_write(sv->wake, 1);
}

static void on_session_end(void *ctx)
{
	wake_main(((struct member *)ctx)->sv);
}

/* The last word of a session: the journal has read its records. */
static void on_session_free(void *ctx)
{
	struct member *m = ctx;

	compiled_put(m->compiled);
	free(m);
}

static int open_events(const char *path, struct err *e)
{
	int fd;

	if (!strcmp(path, "-"))
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? err_set(e, errno, "open the event file %s", path) : fd;
}

int supervisor_open(struct supervisor *sv, const struct config *c, struct err *e)
{
	struct journal_opts jo = { .fd = -1, .on_trouble = log_warn };
	bool returns = false;
	int r;

	*sv = (struct supervisor){ .config = c, .events = -1, .listener = -1, .wake = -1 };
	pthread_mutex_init(&sv->lock, NULL);
	r = session_probe_recv(&returns, e);
	if (r)
		return r;
	sv->poll_first = !returns;
	sv->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sv->wake < 0)
		return err_set(e, errno, "make an eventfd");
	sv->events = open_events(c->events, e);
	if (sv->events < 0)
		return sv->events;
	r = policies_new(c->policies, &sv->policies, e);
	if (r)
		return r;
	jo.fd = sv->events;
	r = journal_new(&jo, &sv->journal, e);
	if (r)
		return r;
	return wire_listen(c->socket, BACKLOG, &sv->listener, e);
}

int supervisor_add(struct supervisor *sv, const struct newcomer *n, int listener, struct err *e)
{
	struct member *m = calloc(1, sizeof *m);
	struct session_opts o = {
		.id = n->id,
		.name = n->name,
		.pod = n->pod,
		.namespace = n->namespace,
		.policy = n->policy,
		.init = n->init,
		.starting = true,
		.mode = n->mode,
		.decide = n->compiled->decide,
		.poll_first = sv->poll_first,
		.journal = sv->journal,
		.on_end = on_session_end,
		.on_free = on_session_free,
		.ctx = m,
	};
	int r;

	if (!m)
		return err_set(e, ENOMEM, "make a session");
	m->sv = sv;
	m->compiled = n->compiled;
	pthread_mutex_lock(&sv->lock);
	r = session_start(&o, listener, &m->session, e);
	if (!r) {
		m->next = sv->members;
		sv->members = m;
	}
	pthread_mutex_unlock(&sv->lock);
	if (r)
		free(m);
	return r;
}

/* Takes the sessions that have ended (or all) out of the list and lets go of them. */
static void reap(struct supervisor *sv, bool all)
{
	struct member **at, *m, *gone = NULL;

	pthread_mutex_lock(&sv->lock);
	at = &sv->members;
	while ((m = *at)) {
		if (!all && !session_ended(m->session)) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		m->next = gone;
		gone = m;
	}
	pthread_mutex_unlock(&sv->lock);
	while ((m = gone)) {
		gone = m->next;
		session_finish(m->session);
	}
}

static int signal_fd(struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_set(e, errno, "make a signalfd") : fd;
}

int supervisor_run(struct supervisor *sv, struct err *e)
{
	auto_fd signals = signal_fd(e);
	struct pollfd fds[] = { { signals, POLLIN, 0 },
				{ sv->listener, POLLIN, 0 },
				{ sv->wake, POLLIN, 0 } };
	eventfd_t n;

	if (signals < 0)
		return signals;
	for (;;) {
		fds[1].fd = listener_full(sv) ? -1 : sv->listener;
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return err_set(e, errno, "wait for work");
		if (fds[0].revents)
			break;
		if (fds[2].revents)
			eventfd_read(sv->wake, &n);
		reap(sv, false);
		listener_reap(sv);
		if (fds[1].revents)
			listener_accept(sv);
	}
	atomic_store(&sv->stop, true);
	listener_stop(sv);
	reap(sv, true);
	return 0;
}

void supervisor_close(struct supervisor *sv)
{
	journal_free(sv->journal);
	policies_free(sv->policies);
	if (sv->listener >= 0) {
		unlink(sv->config->socket);
		close(sv->listener);
	}
	if (sv->events >= 0)
		close(sv->events);
	if (sv->wake >= 0)
		close(sv->wake);
	pthread_mutex_destroy(&sv->lock);
}

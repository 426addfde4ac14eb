/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - see worker.h. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "listener.h"
#include "log.h"
#include "store.h"
#include "verbs.h"
#include "warder/notify.h"
#include "warder/own.h"

struct member {
	struct member *next;
	struct worker *worker;
	struct session *session;
	const struct compiled *compiled; /* the latest that was set */
	const struct compiled *before;   /* the session may still go by it; NULL: none */
};

static void on_session_end(void *ctx)
{
	eventfd_write(((struct member *)ctx)->worker->wake, 1);
}

/* A thread for a block that is filled and published. */
static int serve_block(struct worker *w, struct block *b, const struct compiled *c, struct err *e)
{
	struct member *m = calloc(1, sizeof *m);
	struct session_opts o = {
		.arena = w->arena,
		.block = b,
		.compiled = c,
		.poll_first = w->poll_first,
		.stand_in = w->stand_in,
		.on_end = on_session_end,
		.ctx = m,
	};
	int r;

	if (!m)
		return err_set(e, ENOMEM, "make a session");
	m->worker = w;
	m->compiled = c;
	r = session_new(&o, &m->session, e);
	if (r) {
		free(m);
		return r;
	}
	m->next = w->members;
	w->members = m;
	return 0;
}

static bool same_pid_namespace(pid_t one, pid_t other)
{
	struct stat st[2];
	const pid_t pids[2] = { one, other };
	char path[64];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pids[i]);
		if (stat(path, &st[i]))
			return false;
	}
	return st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino;
}

static bool is_container(const struct block *b, const char *id, pid_t pid)
{
	return atomic_load(&b->state) == BLOCK_LIVE && b->wiring == WIRING_NATIVE &&
	       !strcmp(b->id, id) && (!pid || same_pid_namespace(b->init, pid));
}

bool worker_kin(struct worker *w, const char *id, pid_t pid, struct kin *out)
{
	const struct block *found = NULL;

	pthread_mutex_lock(&w->lock);
	for (struct member *m = w->members; m; m = m->next) {
		const struct block *b = session_block(m->session);

		if ((!found || b->number < found->number) && is_container(b, id, pid))
			found = b;
	}
	if (found) {
		*out = (struct kin){ .found = true,
				     .policy = atomic_load(&found->policy),
				     .mode = (enum mode)atomic_load(&found->mode) };
		for (int i = 0; i < BLOCK_OVERRIDES; i++) {
			out->overrides[i].call = atomic_load(&found->overrides[i].call);
			out->overrides[i].value = atomic_load(&found->overrides[i].value);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

static void take_overrides(struct block *b, const struct kin *kin)
{
	for (int i = 0; kin && i < BLOCK_OVERRIDES; i++) {
		atomic_store(&b->overrides[i].call, atomic_load(&kin->overrides[i].call));
		atomic_store(&b->overrides[i].value, atomic_load(&kin->overrides[i].value));
	}
}

int worker_add(struct worker *w, const struct newcomer *n, struct err *e)
{
	struct block *b;
	int r;

	pthread_mutex_lock(&w->lock);
	b = arena_take(w->arena);
	if (b) {
		session_fill(b, &n->start);
		take_overrides(b, n->kin);
		b->number = atomic_fetch_add(&w->arena->handovers, 1) + 1;
		r = store_put_session(w->store, b->number, b->listener, e);
		if (r)
			log_say("container %s: %s", b->id, e->msg);
		arena_publish(b);
		arena_mark(w->arena, b);
		r = serve_block(w, b, n->compiled, e);
		if (r) {
			atomic_store(&b->state, BLOCK_ENDED);
			arena_mark(w->arena, b);
		}
	} else {
		r = err_set(e, ENOSPC, "%d sessions are alive", ARENA_SESSIONS);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

static struct member *find(struct worker *w, uint64_t number)
{
	struct member *m = w->members;

	while (m && (session_ended(m->session) || session_block(m->session)->number != number))
		m = m->next;
	return m;
}

static void view(struct member *m, struct member_view *out)
{
	const struct block *b = session_block(m->session);

	*out = (struct member_view){ .number = b->number,
				     .policy = m->compiled->index,
				     .gate = b->gate,
				     .native = b->wiring == WIRING_NATIVE,
				     .init = b->init };
	snprintf(out->id, sizeof out->id, "%s", b->id);
}

int worker_look(struct worker *w, uint64_t number, struct member_view *out)
{
	struct member *m;

	pthread_mutex_lock(&w->lock);
	m = find(w, number);
	if (m)
		view(m, out);
	pthread_mutex_unlock(&w->lock);
	return m ? 0 : -ESRCH;
}

int worker_list(struct worker *w, struct member_view *out, int max)
{
	int n = 0;

	pthread_mutex_lock(&w->lock);
	for (struct member *m = w->members; m && n < max; m = m->next)
		if (!session_ended(m->session))
			view(m, &out[n++]);
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* The one before the latest is let go of as soon as the session has taken the latest. */
static void set_policy(struct member *m, const struct compiled *c)
{
	const struct compiled *unused = session_set_policy(m->session, c);

	if (unused) {
		policies_put(m->worker->policies, unused);
	} else {
		policies_put(m->worker->policies, m->before);
		m->before = m->compiled;
	}
	m->compiled = c;
	session_block(m->session)->after_ns = c->policy->fallback_after_ns;
}

int worker_change(struct worker *w, uint64_t number, const struct compiled *c,
		  int (*change)(struct block *b, void *ctx), void *ctx)
{
	struct member *m;
	int r = -ESRCH;

	pthread_mutex_lock(&w->lock);
	m = find(w, number);
	if (m) {
		block_change_begin(session_block(m->session));
		r = change ? change(session_block(m->session), ctx) : 0;
		if (!r && c)
			set_policy(m, c);
		block_change_end(session_block(m->session));
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

/* Takes the sessions that have ended (or all) out of the list and lets go of them. */
static void reap(struct worker *w, bool all)
{
	struct member **at, *m, *gone = NULL;
	uint64_t number;
	bool keep;

	pthread_mutex_lock(&w->lock);
	at = &w->members;
	while ((m = *at)) {
		if (!all && !session_ended(m->session)) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		m->next = gone;
		gone = m;
	}
	pthread_mutex_unlock(&w->lock);
	while ((m = gone)) {
		gone = m->next;
		keep = all && !session_gone(m->session);
		number = session_block(m->session)->number;
		session_free(m->session, keep);
		if (!keep)
			store_remove_session(w->store, number);
		policies_put(w->policies, m->before);
		policies_put(w->policies, m->compiled);
		free(m);
	}
}

/* All at once: each may need to be told more than once. */
static void stop_all(struct worker *w)
{
	const struct timespec nap = { 0, 500000 };
	bool any;

	do {
		any = false;
		pthread_mutex_lock(&w->lock);
		for (struct member *m = w->members; m; m = m->next) {
			session_stop(m->session);
			any |= !session_ended(m->session);
		}
		pthread_mutex_unlock(&w->lock);
		if (any)
			nanosleep(&nap, NULL);
	} while (any);
}

/* One that cannot be served is closed, and so are its calls; the others go on. */
static void give_up(struct arena *a, struct block *b, const struct err *why)
{
	int listener = b->listener;

	log_say("container %s cannot be taken over, its notified calls fail with ENOSYS: %s", b->id,
		why->msg);
	b->listener = -1;
	close(listener);
	atomic_store(&b->state, BLOCK_ENDED);
	arena_mark(a, b);
}

/* Ends what a killed worker may have been changing. */
static void settle(struct block *b)
{
	atomic_fetch_or(&b->policies, 1ULL << atomic_load(&b->policy));
	if (atomic_load(&b->changes) & 1)
		block_change_end(b);
}

/* The sessions of the worker before this one. */
static void take_over(struct worker *w)
{
	uint32_t high = atomic_load(&w->arena->high);
	struct err e;
	int n = 0;

	for (uint32_t i = 0; i < high; i++) {
		struct block *b = &w->arena->blocks[i];
		const struct compiled *c;

		if (atomic_load(&b->state) != BLOCK_LIVE)
			continue;
		settle(b);
		if (policies_at(w->policies, b->policy, &c, &e) || serve_block(w, b, c, &e))
			give_up(w->arena, b, &e);
		else
			n++;
	}
	if (n)
		log_say("%d sessions taken over", n);
}

static int open_worker(struct worker *w, const struct worker_opts *o, struct err *e)
{
	sigset_t set;
	int r;

	*w = (struct worker){ .config = o->config,
			      .arena = o->arena,
			      .listener = o->listener,
			      .store = o->store,
			      .poll_first = o->poll_first,
			      .stand_in = o->stand_in };
	pthread_mutex_init(&w->lock, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->signals < 0 || w->wake < 0)
		return err_set(e, errno, "make a worker's descriptors");
	r = policies_new(w->arena, &w->policies, e);
	if (!r)
		take_over(w);
	return r;
}

static int loop(struct worker *w, struct err *e)
{
	struct pollfd fds[] = { { w->signals, POLLIN, 0 },
				{ w->listener, POLLIN, 0 },
				{ w->wake, POLLIN, 0 } };
	eventfd_t n;

	for (;;) {
		fds[1].fd = w->stand_in || listener_full(w) ? -1 : w->listener;
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return err_set(e, errno, "wait for work");
		if (fds[0].revents)
			return 0;
		if (fds[2].revents)
			eventfd_read(w->wake, &n);
		reap(w, false);
		listener_reap(w);
		if (fds[1].revents)
			listener_accept(w);
	}
}

int worker_run(const struct worker_opts *o, struct err *e)
{
	struct control *control = NULL;
	struct worker w;
	int r = open_worker(&w, o, e);

	if (!r && !o->stand_in && o->up >= 0)
		eventfd_write(o->up, 1);
	if (!r && !o->stand_in)
		r = control_start(w.arena, verbs_do, &w, &control, e);
	if (!r)
		r = loop(&w, e);
	if (r)
		return r;
	control_stop(control);
	listener_stop(&w);
	stop_all(&w);
	reap(&w, true);
	policies_free(w.policies);
	close(w.signals);
	close(w.wake);
	return 0;
}

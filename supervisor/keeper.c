/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.c - see keeper.h. */
#include "keeper.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "control.h"
#include "crew.h"
#include "doors.h"
#include "estate.h"
#include "isolate.h"
#include "log.h"
#include "replace.h"
#include "scribe.h"
#include "session.h"
#include "state.h"
#include "store.h"
#include "warder/clock.h"
#include "warder/failpoint.h"
#include "warder/notify.h"
#include "warder/own.h"
#include "warder/wire.h"

#define TICK_MS   500
#define SCRIBE_NS 15000000000ULL /* for the old scribe to write all it has */

struct watch { /* what the keeper saw of a block */
	uint64_t seq, since_ns;
};

struct keeper {
	const struct keeper_opts *opts;
	struct arena *arena;
	int memory; /* the arena's descriptor */
	int signals;
	int ready_fd; /* -1: none, or said */
	int heritage; /* the connection to the warderd that we replace; -1: none */
	bool handed_on;
	struct doors doors;
	struct crew crew;
	struct table table;
	struct stored stored;             /* what systemd gave us */
	uint64_t watchdog_ns, watched_ns; /* how often systemd must hear of us; when it last did */
	struct estate estate;             /* what goes to the next warderd, or came from the last */
	struct watch watches[ARENA_SESSIONS];
};

/* Has a call waited in this block, with nothing moving, for too long? */
static bool is_silent(struct keeper *k, uint32_t index, uint64_t now)
{
	struct block *b = &k->arena->blocks[index];
	struct watch *w = &k->watches[index];
	uint64_t words[LANE_N_WORDS];

	lane_read(&b->lane, words);
	if (words[LANE_seq] != w->seq || !w->since_ns ||
	    (!b->lane.slot.notif.id && notify_poll(b->listener, 0) != 1)) {
		w->seq = words[LANE_seq];
		w->since_ns = now;
		return false;
	}
	return now - w->since_ns > b->after_ns;
}

static bool watch(struct keeper *k)
{
	uint32_t high = atomic_load(&k->arena->high);
	uint64_t now = clock_mono_ns();
	bool any = false;

	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++) {
		if (atomic_load(&k->arena->blocks[i].state) != BLOCK_LIVE) {
			k->watches[i].since_ns = 0;
			continue;
		}
		any = true;
		if (!k->crew.worker.pid) {
			k->watches[i].since_ns = 0;
		} else if (is_silent(k, i, now)) {
			log_say("the worker (pid %d) is silent: a call of container %s waits; it "
				"is killed",
				(int)k->crew.worker.pid, k->arena->blocks[i].id);
			kill(k->crew.worker.pid, SIGKILL);
			memset(k->watches, 0, sizeof k->watches);
			return true;
		}
	}
	return any;
}

/* To the worker, through the API's mailbox; nobody waits for the answer. */
static void ask_reload(struct keeper *k)
{
	for (int i = 0; i < ARENA_REQUESTS; i++) {
		struct request *q = &k->arena->requests[i];
		uint32_t is_free = REQUEST_FREE;

		if (!atomic_compare_exchange_strong(&q->state, &is_free, REQUEST_FILLING))
			continue;
		q->verb = REQUEST_RELOAD;
		q->flags = REQUEST_NO_ANSWER;
		q->session = 0;
		q->asked_ns = clock_mono_ns();
		*q->text = 0;
		atomic_store(&q->state, REQUEST_ASKED);
		atomic_fetch_add(&k->arena->asked, 1);
		syscall(SYS_futex, &k->arena->asked, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
		return;
	}
	log_say("SIGHUP: too many requests wait for the worker; try again");
}

/* Signals that came: true when one of them ends us. */
static bool take_signals(struct keeper *k)
{
	struct signalfd_siginfo si;
	bool end = false;

	while (read(k->signals, &si, sizeof si) == sizeof si) {
		end |= si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT;
		if (si.ssi_signo == SIGHUP)
			ask_reload(k);
		if (si.ssi_signo == SIGUSR1 && k->crew.scribe.pid)
			kill(k->crew.scribe.pid, SIGUSR1);
	}
	crew_reap(&k->crew);
	return end;
}

/* The keeper's descriptors: no worker's. */
static int own_all(struct keeper *k, struct err *e)
{
	const int own[] = { k->memory,   k->signals,  k->crew.up,
			    k->heritage, k->ready_fd, k->crew.store };
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_LEN(own); i++)
		r = table_add(&k->table, own[i], e);
	for (int i = 0; !r && i < DOOR_COUNT; i++)
		r = table_add(&k->table, k->doors.fd[i], e);
	return r;
}

/* Closes one of them. */
static void disown(struct keeper *k, int *fd)
{
	table_remove(&k->table, *fd);
	close(take_fd(fd));
}

/* The other warderd's time for each step. */
static uint64_t step(const struct keeper *k)
{
	return wire_deadline(k->opts->config->timeout_ns);
}

/* Waits until nobody holds the other end any more: the next keeper and its worker are dead. */
static void await_end(const struct keeper *k, int sock)
{
	struct err e;

	int r;

	while ((r = replace_expect(sock, REPLACE_COUNT, step(k), &e)) == -ETIMEDOUT || r == -EPROTO)
		if (r == -ETIMEDOUT)
			log_say("the other warderd is killed, and still there");
}

/* After GO: the next one serves, or it is dead when this returns. */
static int let_serve(struct keeper *k, const struct replace_peer *next, struct err *e)
{
	int r = replace_send(next->sock, REPLACE_GO, NULL, step(k), e);

	if (!r)
		r = replace_expect(next->sock, REPLACE_SERVING, step(k), e);
	if (r) {
		pidfd_send_signal(next->pidfd, SIGKILL, NULL, 0);
		await_end(k, next->sock);
		return r;
	}
	FAILPOINT("replace.served");
	crew_end(&k->crew, &k->crew.scribe);
	return replace_send(next->sock, REPLACE_FREE, NULL, step(k), e);
}

static int bequeath(struct keeper *k, const struct replace_peer *next, struct err *e)
{
	struct err ignored;
	int r;

	crew_end(&k->crew, &k->crew.worker);
	crew_end(&k->crew, &k->crew.stand_in);
	if (k->crew.scribe.pid) /* it has time until the next one serves */
		kill(k->crew.scribe.pid, SIGTERM);
	estate_note(&k->estate, k->arena);
	k->estate.memory = k->memory;
	k->estate.doors = k->doors;
	FAILPOINT("replace.drained");
	r = replace_give(next->sock, &k->estate, step(k), e);
	FAILPOINT("replace.given");
	if (!r)
		r = replace_expect(next->sock, REPLACE_READY, step(k), e);
	if (!r)
		return let_serve(k, next, e);
	/* A connection that just ended would mean that we are dead. */
	if (r != -ENODATA &&
	    replace_send(next->sock, REPLACE_REFUSED, e->msg, wire_deadline(0), &ignored)) {
		pidfd_send_signal(next->pidfd, SIGKILL, NULL, 0);
		await_end(k, next->sock);
	}
	return r;
}

/* The next one failed; the numbers in the arena are ours again. */
static void resume(struct keeper *k)
{
	estate_settle(&k->estate, k->arena);
	atomic_store(&k->arena->pids[PROC_KEEPER], getpid());
	k->crew.stopping = false;
	k->crew.worker.start_at_ns = k->crew.scribe.start_at_ns = 0;
}

/* Somebody knocked at keeper.sock. */
static void hand_on(struct keeper *k)
{
	struct replace_peer next;
	struct err e;
	int r = replace_meet(k->doors.fd[DOOR_KEEPER], &next, &e);

	if (r) {
		if (r != -ENODATA && r != -EAGAIN)
			log_say("a replacement is refused: %s", e.msg);
		return;
	}
	k->crew.stopping = true;
	r = bequeath(k, &next, &e);
	close(next.sock);
	close(next.pidfd);
	k->handed_on = !r;
	if (!r) {
		log_say("replaced: another warderd goes on");
		return;
	}
	log_say("the replacement failed, this warderd goes on: %s", e.msg);
	resume(k);
}

/* All is well as long as worker and scribe run, and the scribe has not stopped reading. */
static void tell_watchdog(struct keeper *k)
{
	uint64_t now = clock_mono_ns();

	if (!k->watchdog_ns || now - k->watched_ns < k->watchdog_ns / 4 || !k->crew.worker.pid ||
	    !k->crew.scribe.pid)
		return;
	store_say(k->crew.store, "WATCHDOG=1");
	k->watched_ns = now;
}

static void loop(struct keeper *k)
{
	struct pollfd p[] = { { k->signals, POLLIN, 0 },
			      { k->crew.up, POLLIN, 0 },
			      { k->doors.fd[DOOR_KEEPER], POLLIN, 0 } };

	while (!k->handed_on) {
		bool sessions = watch(k);
		int ms;

		crew_start_due(&k->crew);
		ms = crew_patience(&k->crew);
		if (sessions && (ms < 0 || ms > TICK_MS))
			ms = TICK_MS;
		tell_watchdog(k);
		if (k->watchdog_ns && (ms < 0 || (uint64_t)ms > k->watchdog_ns / 4000000))
			ms = (int)(k->watchdog_ns / 4000000);
		if (poll(p, ARRAY_LEN(p), ms) < 0)
			continue;
		if (p[1].revents)
			crew_is_up(&k->crew);
		if (p[0].revents && take_signals(k))
			return;
		if (p[2].revents)
			hand_on(k);
	}
}

/* In the order of the data: nothing is recorded after the worker's end; then the scribe reads it
 * all. */
static void stop(struct keeper *k)
{
	uint32_t high = atomic_load(&k->arena->high);
	struct crew *crew = &k->crew;
	int n = 0;

	crew->stopping = true;
	store_say(crew->store, "STOPPING=1");
	crew_end(crew, &crew->worker);
	crew_end(crew, &crew->stand_in);
	crew_finish(crew);
	if (crew->store >= 0 && crew_has_sessions(crew)) {
		log_say("the containers' listeners stay in systemd's store for the next start");
		high = 0;
	}
	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++)
		if (atomic_load(&k->arena->blocks[i].state) == BLOCK_LIVE) {
			atomic_store(&k->arena->blocks[i].state, BLOCK_ENDED);
			arena_mark(k->arena, &k->arena->blocks[i]);
			n++;
		}
	if (n)
		log_say("%d containers are not supervised any more: their notified calls fail "
			"with ENOSYS",
			n);
	if (!crew->scribe.pid) /* it was in a pause; what is recorded must be read */
		crew_start(crew, &crew->scribe);
	crew_end(crew, &crew->scribe);
}

static int open_signals(int *fd, struct err *e)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR1 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		sigaddset(&set, ours[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *fd < 0 ? err_set(e, errno, "make a signalfd") : 0;
}

/* The old scribe, when its keeper has gone: it ends by itself, having written all. */
static void await_scribe(const struct arena *a)
{
	pid_t pid = atomic_load(&a->pids[PROC_SCRIBE]);
	auto_fd fd = pid > 0 ? pidfd_open(pid, 0) : -1;
	struct pollfd p = { fd, POLLIN, 0 };

	if (fd >= 0)
		poll(&p, 1, (int)(SCRIBE_NS / 1000000));
}

/* READY, then GO: or nobody says so because the old one has died, which is as good. */
static int await_go(struct keeper *k, struct err *e)
{
	int r;

	FAILPOINT("replace.attached");
	r = replace_send(k->heritage, REPLACE_READY, NULL, step(k), e);

	FAILPOINT("replace.ready");
	if (!r || r == -EPIPE)
		r = replace_expect(k->heritage, REPLACE_GO, step(k), e);
	if (r != -ENODATA)
		return r;
	log_say("the warderd before this one died: this one goes on");
	return 0;
}

/* From the running warderd, if there is one: its arena is ours when this returns 0. */
static int inherit(struct keeper *k, struct err *e)
{
	char path[DOOR_PATH_MAX];
	struct err ignored;
	int r;

	door_path(k->opts->config, DOOR_KEEPER, path);
	r = replace_ask(path, wire_deadline(k->opts->config->timeout_ns + SCRIBE_NS), &k->heritage,
			&k->estate, e);
	if (r == -ENOENT || r == -ECONNREFUSED) {
		log_say("--replace: nobody is at %s: this one starts anew", path);
		return 0;
	}
	if (!r)
		r = state_attach(k->estate.memory, &k->arena, e);
	if (!r)
		r = state_check(k->arena, e);
	if (r && k->heritage >= 0)
		replace_send(k->heritage, REPLACE_REFUSED, e->msg, step(k), &ignored);
	return r ? r : await_go(k, e);
}

/* Out of systemd's store: every process before us is dead. A state that is not ours is given up:
 * whoever holds its listeners on makes the containers hang. */
static void revive(struct keeper *k)
{
	struct err e;
	int r;

	for (int i = 0; i < DOOR_COUNT; i++)
		table_remove(&k->table, k->stored.doors.fd[i]);
	k->estate.doors = k->stored.doors;
	for (int i = 0; i < k->stored.n; i++)
		table_remove(&k->table, k->stored.sessions[i].fd);
	if (k->stored.memory < 0)
		return;
	table_remove(&k->table, k->stored.memory);
	r = state_attach(k->stored.memory, &k->arena, &e);
	if (!r)
		r = state_check(k->arena, &e);
	if (!r) {
		store_match(&k->stored, k->arena, &k->estate);
		return;
	}
	log_say("what systemd stored cannot be used, %d containers' notified calls fail with "
		"ENOSYS: %s",
		k->stored.n, e.msg);
	arena_unmap(take_ptr(k->arena));
	close(take_fd(&k->stored.memory));
	store_say(k->crew.store, "FDSTOREREMOVE=1\nFDNAME=state");
	for (int i = 0; i < k->stored.n; i++) {
		store_remove_session(k->crew.store, k->stored.sessions[i].number);
		close(k->stored.sessions[i].fd);
	}
}

/* The inheritance, and what is missing in it. Until here nothing was written to the arena. After it
 * the keeper is isolated, and may start others. */
static int enter(struct keeper *k, struct err *e)
{
	int r = 0;

	k->doors = k->estate.doors;
	doors_fit(&k->doors, k->opts->config, &k->estate.doors);
	if (k->arena) {
		k->memory = take_fd(&k->estate.memory);
		log_say("%d sessions inherited", estate_settle(&k->estate, k->arena));
	} else {
		r = state_new(&k->arena, &k->memory, e);
		if (!r)
			r = store_put_state(k->crew.store, k->memory, e);
	}
	if (!r)
		r = doors_open(&k->doors, k->opts->config, e);
	if (!r)
		r = own_all(k, e);
	k->crew.arena = k->arena;
	if (r)
		return r;
	for (int i = 0; i < PROC_COUNT; i++)
		if (k->heritage < 0)
			atomic_store(&k->arena->pids[i], 0);
	atomic_store(&k->arena->pids[PROC_KEEPER], getpid());
	return isolate_enter(PROC_KEEPER, NULL, e);
}

/* Until a worker serves; it may die, as ever. */
static int await_worker(struct keeper *k, struct err *e)
{
	struct pollfd p[] = { { k->signals, POLLIN, 0 }, { k->crew.up, POLLIN, 0 } };
	uint64_t deadline = step(k), now;

	while ((now = clock_mono_ns()) < deadline) {
		int ms = (int)((deadline - now) / 1000000) + 1, due;

		crew_start_due(&k->crew);
		due = crew_patience(&k->crew);
		if (poll(p, ARRAY_LEN(p), due >= 0 && due < ms ? due : ms) < 0)
			continue;
		if (p[1].revents)
			return 0;
		if (p[0].revents && take_signals(k))
			return err_set(e, ECANCELED, "wait for the worker");
	}
	return err_set(e, ETIMEDOUT, "wait for the worker");
}

/* The worker serves before the old warderd goes; then its scribe has written all. */
static int succeed(struct keeper *k, struct err *e)
{
	int r;

	if (k->heritage < 0)
		return 0;
	FAILPOINT("replace.going");
	k->crew.scribe.held = true;
	r = await_worker(k, e);
	if (r)
		return r;
	FAILPOINT("replace.serving");
	r = replace_send(k->heritage, REPLACE_SERVING, NULL, step(k), e);
	if (!r)
		r = replace_expect(k->heritage, REPLACE_FREE, wire_deadline(SCRIBE_NS), e);
	if (r == -ENODATA || r == -EPIPE)
		await_scribe(k->arena);
	else if (r)
		return r;
	k->crew.scribe.held = false;
	disown(k, &k->heritage);
	return 0;
}

static int open_keeper(struct keeper *k, struct err *e)
{
	const struct isolate_opts isolation = { .webhook =
							config_has(k->opts->config, SINK_webhook) };
	bool returns;
	int r;

	store_take(&k->stored);
	r = table_note(&k->table, k->ready_fd, e);
	if (!r)
		r = store_open(&k->crew.store, e);
	k->watchdog_ns = store_watchdog();

	if (!r)
		r = session_probe_recv(&returns, e);
	if (!r)
		r = scribe_check(k->opts->config, e);
	if (!r)
		r = isolate_prepare(&isolation, e);
	if (!r)
		r = open_signals(&k->signals, e);
	if (r)
		return r;
	k->crew.poll_first = !returns;
	k->crew.up = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->crew.up < 0)
		return err_set(e, errno, "make an eventfd");
	if (k->opts->replace)
		r = inherit(k, e);
	if (!r && !k->arena)
		revive(k);
	if (!r)
		r = enter(k, e);
	if (!r)
		r = succeed(k, e);
	if (!r)
		doors_drop(&k->estate.doors);
	return r;
}

static int say_ready(struct keeper *k, struct err *e)
{
	log_say("ready: listening on %s", k->opts->config->socket);
	store_say(k->crew.store, "READY=1\nMAINPID=%d\nSTATUS=serving", (int)getpid());
	if (k->ready_fd < 0)
		return 0;
	if (write(k->ready_fd, "\n", 1) != 1)
		return err_set(e, errno, "--ready-fd %d", k->ready_fd);
	disown(k, &k->ready_fd);
	return 0;
}

/* What goes on in another warderd stays as it is: the sockets' files too. */
static void close_keeper(struct keeper *k)
{
	bool remove = !k->handed_on && k->heritage < 0;
	const struct child *ours[] = { &k->crew.worker, &k->crew.stand_in };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (ours[i]->pid) /* it was to replace another one's, and that goes on */
			kill(ours[i]->pid, SIGKILL);
	doors_close(&k->doors, k->opts->config, remove);
	arena_unmap(k->arena);
	free(k);
}

int keeper_run(const struct keeper_opts *o, struct err *e)
{
	struct keeper *k = calloc(1, sizeof *k);
	int r;

	if (!k)
		return err_set(e, ENOMEM, "start");
	k->opts = o;
	k->memory = k->signals = k->heritage = -1;
	k->ready_fd = o->ready_fd;
	doors_init(&k->doors);
	estate_init(&k->estate);
	crew_init(&k->crew);
	k->crew.config = o->config;
	k->crew.doors = &k->doors;
	k->crew.table = &k->table;
	r = open_keeper(k, e);
	if (!r)
		r = say_ready(k, e);
	if (!r)
		loop(k);
	if (!r && !k->handed_on)
		stop(k);
	close_keeper(k);
	return r;
}

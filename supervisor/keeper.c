/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.c - see keeper.h. */
#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "doors.h"
#include "log.h"
#include "scribe.h"
#include "state.h"
#include "warder/notify.h"
#include "warder/own.h"
#include "worker.h"

#define TICK_MS        500
#define STEADY_NS      10000000000ULL /* a child that lived so long starts again at once */
#define FIRST_PAUSE_NS 50000000ULL
#define MAX_PAUSE_NS   10000000000ULL
#define STOP_NS        5000000000ULL /* for a child to end by itself */

struct child {
	const char *name, *comm;
	bool writes; /* the scribe: it has records to read when the keeper dies */
	pid_t pid;   /* 0: not running */
	uint64_t started_ns, start_at_ns, pause_ns;
	uint64_t progress; /* at its last death */
};

struct watch { /* what the keeper saw of a block */
	uint64_t seq, since_ns;
};

struct keeper {
	const struct config *config;
	struct arena *arena;
	int memory; /* the arena's descriptor */
	struct doors doors;
	int signals;
	bool poll_first, stopping;
	struct child worker, scribe, stand_in;
	struct watch watches[ARENA_SESSIONS];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void child_setup(const struct child *c, pid_t keeper)
{
	sigset_t set;

	prctl(PR_SET_NAME, c->comm);
	/* A stopped worker must not keep the listeners of a keeper that is gone. */
	prctl(PR_SET_PDEATHSIG, c->writes ? SIGTERM : SIGKILL);
	if (getppid() != keeper)
		_exit(1);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

static _Noreturn void worker_main(struct keeper *k, bool stand_in)
{
	struct worker_opts o = { k->config, k->arena, k->doors.fd[DOOR_LISTENER], k->poll_first,
				 stand_in };
	struct err e;
	int r = worker_run(&o, &e);

	if (r)
		log_say("%s: %s", stand_in ? "stand-in" : "worker", e.msg);
	_exit(r ? 1 : 0);
}

static _Noreturn void scribe_main(struct keeper *k)
{
	const struct scribe_opts o = { k->arena, k->config, k->doors.fd[DOOR_API],
				       k->doors.fd[DOOR_METRICS] };
	struct err e;
	int r = scribe_run(&o, &e);

	if (r)
		log_say("scribe: %s", e.msg);
	_exit(r ? 1 : 0);
}

/* clone(2) without a stack of its own: a fork that shares the descriptor table. */
static int start(struct keeper *k, struct child *c)
{
	bool is_worker = c != &k->scribe;
	pid_t keeper = getpid(),
	      pid = (pid_t)syscall(SYS_clone, SIGCHLD | (is_worker ? CLONE_FILES : 0), 0, 0, 0, 0);

	if (pid < 0) {
		log_say("start the %s: %s", c->name, strerror(errno));
		return -errno;
	}
	if (!pid) {
		child_setup(c, keeper);
		if (is_worker)
			worker_main(k, c == &k->stand_in);
		scribe_main(k);
	}
	c->pid = pid;
	c->started_ns = now_ns();
	return 0;
}

/* What the worker has done so far, of any kind. */
static uint64_t progress(const struct keeper *k)
{
	uint32_t high = atomic_load(&k->arena->high);
	uint64_t words[LANE_N_WORDS], sum = atomic_load(&k->arena->handovers);

	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++) {
		lane_read(&k->arena->blocks[i].lane, words);
		sum += words[LANE_seq];
	}
	return sum;
}

/* Sets when a dead child is to start again: at once if it lived long, or was killed from outside
 * while it did its work; otherwise each time later. */
static void schedule(struct keeper *k, struct child *c, bool killed)
{
	uint64_t now = now_ns(), done = progress(k);

	if (now - c->started_ns > STEADY_NS || (killed && done != c->progress))
		c->pause_ns = 0;
	c->progress = done;
	c->start_at_ns = now + c->pause_ns;
	if (c->pause_ns)
		log_say("the %s starts again in %llu ms", c->name,
			(unsigned long long)(c->pause_ns / 1000000));
	c->pause_ns = c->pause_ns ? c->pause_ns * 2 : FIRST_PAUSE_NS;
	if (c->pause_ns > MAX_PAUSE_NS)
		c->pause_ns = MAX_PAUSE_NS;
}

/* The calls in a dead worker's hand, by how far they had come. */
static void count_slots(const struct keeper *k, unsigned *received, unsigned *decided,
			unsigned *sent)
{
	uint32_t high = atomic_load(&k->arena->high);

	*received = *decided = *sent = 0;
	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++) {
		const struct block *b = &k->arena->blocks[i];
		uint32_t state = atomic_load(&b->lane.slot.state);

		if (atomic_load(&b->state) != BLOCK_LIVE)
			continue;
		*received += state == SLOT_FREE && b->lane.slot.notif.id;
		*decided += state == SLOT_DECIDED;
		*sent += state == SLOT_SENT;
	}
}

static void say_death(const struct keeper *k, const struct child *c, int status)
{
	unsigned received, decided, sent;
	char hand[80] = "";

	if (c == &k->worker) {
		count_slots(k, &received, &decided, &sent);
		snprintf(hand, sizeof hand, "; calls in its hand: %u received, %u decided, %u sent",
			 received, decided, sent);
	}
	if (WIFSIGNALED(status))
		log_say("the %s (pid %d) was killed by signal %d%s", c->name, (int)c->pid,
			WTERMSIG(status), hand);
	else
		log_say("the %s (pid %d) ended with status %d%s", c->name, (int)c->pid,
			WEXITSTATUS(status), hand);
}

static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = pid == k->worker.pid     ? &k->worker
				  : pid == k->scribe.pid   ? &k->scribe
				  : pid == k->stand_in.pid ? &k->stand_in
							   : NULL;

		if (!c)
			continue;
		if (!k->stopping) {
			say_death(k, c, status);
			schedule(k, c, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		}
		c->pid = 0;
		if (c == &k->worker && !k->stopping)
			atomic_fetch_add(&k->arena->restarts, 1);
	}
}

/* SIGTERM; SIGKILL for one that does not end (stopped, stuck, writing to a pipe nobody reads). */
static void end_child(struct child *c)
{
	uint64_t now = now_ns(), until = now + STOP_NS;
	int status;
	sigset_t set;

	if (!c->pid)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	kill(c->pid, SIGTERM);
	while (!waitpid(c->pid, &status, WNOHANG)) {
		const struct timespec left = { (time_t)((until - now) / 1000000000),
					       (long)((until - now) % 1000000000) };

		sigtimedwait(&set, NULL, &left);
		now = now_ns();
		if (now >= until) {
			log_say("the %s (pid %d) does not end; it is killed", c->name, (int)c->pid);
			kill(c->pid, SIGKILL);
			waitpid(c->pid, &status, 0);
			break;
		}
	}
	c->pid = 0;
}

static bool has_sessions(const struct keeper *k)
{
	uint32_t high = atomic_load(&k->arena->high);

	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++)
		if (atomic_load(&k->arena->blocks[i].state) == BLOCK_LIVE)
			return true;
	return false;
}

static bool is_due(const struct child *c)
{
	return !c->pid && now_ns() >= c->start_at_ns;
}

static void start_or_schedule(struct keeper *k, struct child *c)
{
	if (start(k, c))
		schedule(k, c, false);
}

/* Who should run and does not. In a worker's pause the stand-in answers; never both. */
static void start_due(struct keeper *k)
{
	if (is_due(&k->scribe))
		start_or_schedule(k, &k->scribe);
	if (is_due(&k->worker)) {
		end_child(&k->stand_in);
		start_or_schedule(k, &k->worker);
	} else if (!k->worker.pid && is_due(&k->stand_in) && has_sessions(k)) {
		start_or_schedule(k, &k->stand_in);
	}
}

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
	uint64_t now = now_ns();
	bool any = false;

	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++) {
		if (atomic_load(&k->arena->blocks[i].state) != BLOCK_LIVE) {
			k->watches[i].since_ns = 0;
			continue;
		}
		any = true;
		if (!k->worker.pid) {
			k->watches[i].since_ns = 0;
		} else if (is_silent(k, i, now)) {
			log_say("the worker (pid %d) is silent: a call of container %s waits; it "
				"is killed",
				(int)k->worker.pid, k->arena->blocks[i].id);
			kill(k->worker.pid, SIGKILL);
			memset(k->watches, 0, sizeof k->watches);
			return true;
		}
	}
	return any;
}

/* How long to wait for a signal: until a child is due, or the next look at the sessions. */
static int patience(const struct keeper *k, bool sessions)
{
	const struct child *all[] = { &k->scribe, &k->worker, &k->stand_in };
	uint64_t now = now_ns();
	int ms = sessions ? TICK_MS : -1;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int due;

		if (all[i]->pid || (all[i] == &k->stand_in && all[i]->start_at_ns <= now))
			continue;
		due = all[i]->start_at_ns <= now ? 0
						 : (int)((all[i]->start_at_ns - now) / 1000000) + 1;
		if (ms < 0 || due < ms)
			ms = due;
	}
	return ms;
}

/* Signals that came: true when one of them ends us. */
static bool take_signals(struct keeper *k)
{
	struct signalfd_siginfo si;
	bool end = false;

	while (read(k->signals, &si, sizeof si) == sizeof si)
		end |= si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT;
	reap(k);
	return end;
}

static void loop(struct keeper *k)
{
	struct pollfd p = { k->signals, POLLIN, 0 };

	for (;;) {
		start_due(k);
		poll(&p, 1, patience(k, watch(k)));
		if (take_signals(k))
			return;
	}
}

/* In the order of the data: nothing is recorded after the worker's end; then the scribe reads it
 * all. */
static void stop(struct keeper *k)
{
	uint32_t high = atomic_load(&k->arena->high);

	k->stopping = true;
	end_child(&k->worker);
	end_child(&k->stand_in);
	for (uint32_t i = 0; i < high; i++)
		if (atomic_load(&k->arena->blocks[i].state) == BLOCK_LIVE)
			atomic_store(&k->arena->blocks[i].state, BLOCK_ENDED);
	if (!k->scribe.pid) /* it was in a pause; what is recorded must be read */
		start(k, &k->scribe);
	end_child(&k->scribe);
}

/* Everything open now is the keeper's, and no worker closes it; but ready_fd is about to go. */
static int record_fds(struct arena *a, int ready_fd, struct err *e)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return err_set(e, errno, "open /proc/self/fd");
	a->n_fds = 0;
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd == dirfd(dir) || fd <= STDERR_FILENO ||
		    fd == ready_fd)
			continue;
		if (a->n_fds == ARENA_FDS) {
			closedir(dir);
			return err_set(e, EMFILE, "more than %d descriptors were given to warderd",
				       ARENA_FDS);
		}
		a->fds[a->n_fds++] = fd;
	}
	closedir(dir);
	return 0;
}

static int open_signals(int *fd, struct err *e)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		sigaddset(&set, ours[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *fd < 0 ? err_set(e, errno, "make a signalfd") : 0;
}

static int open_keeper(struct keeper *k, int ready_fd, struct err *e)
{
	bool returns;
	int r = session_probe_recv(&returns, e);

	if (!r)
		r = scribe_check(k->config, e);
	if (!r)
		r = state_new(&k->arena, &k->memory, e);
	if (!r)
		r = open_signals(&k->signals, e);
	if (!r)
		r = doors_open(&k->doors, k->config, e);
	if (r)
		return r;
	k->poll_first = !returns;
	return record_fds(k->arena, ready_fd, e);
}

static int say_ready(const struct config *c, int fd, struct err *e)
{
	log_say("ready: listening on %s", c->socket);
	if (fd < 0)
		return 0;
	if (write(fd, "\n", 1) != 1)
		return err_set(e, errno, "--ready-fd %d", fd);
	close(fd);
	return 0;
}

static void close_keeper(struct keeper *k)
{
	doors_close(&k->doors, k->config, true);
	if (k->signals >= 0)
		close(k->signals);
	if (k->memory >= 0)
		close(k->memory);
	arena_unmap(k->arena);
	free(k);
}

int keeper_run(const struct config *c, int ready_fd, struct err *e)
{
	struct keeper *k = calloc(1, sizeof *k);
	int r;

	if (!k)
		return err_set(e, ENOMEM, "start");
	*k = (struct keeper){
		.config = c,
		.memory = -1,
		.signals = -1,
		.worker = { .name = "worker", .comm = "warderd-worker" },
		.stand_in = { .name = "stand-in", .comm = "warderd-standin" },
		.scribe = { .name = "scribe", .comm = "warderd-scribe", .writes = true }
	};
	doors_init(&k->doors);
	r = open_keeper(k, ready_fd, e);
	if (!r)
		r = say_ready(c, ready_fd, e);
	if (!r) {
		loop(k);
		stop(k);
	}
	close_keeper(k);
	return r;
}

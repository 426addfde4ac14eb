/* SPDX-License-Identifier: Apache-2.0 */
/* crew.c - see crew.h. */
#include "crew.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "isolate.h"
#include "log.h"
#include "scribe.h"
#include "warder/clock.h"
#include "warder/own.h"
#include "worker.h"

#define STEADY_NS      10000000000ULL /* a child that lived so long starts again at once */
#define FIRST_PAUSE_NS 50000000ULL
#define MAX_PAUSE_NS   10000000000ULL
#define FINISH_TRIES   3
#define STOP_NS        5000000000ULL /* for a child to end by itself */

static void child_setup(const struct child *c, pid_t keeper)
{
	sigset_t set;

	prctl(PR_SET_NAME, c->comm);
	/* A stopped worker must not keep the listeners of a keeper that is gone. */
	prctl(PR_SET_PDEATHSIG, c->proc == PROC_SCRIBE ? SIGTERM : SIGKILL);
	if (getppid() != keeper)
		_exit(1);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

static _Noreturn void worker_main(struct crew *crew, bool stand_in)
{
	const struct worker_opts o = { .config = crew->config,
				       .arena = crew->arena,
				       .listener = crew->doors->fd[DOOR_LISTENER],
				       .store = crew->store,
				       .up = crew->up,
				       .poll_first = crew->poll_first,
				       .stand_in = stand_in };
	struct err e;
	int r = isolate_enter(stand_in ? PROC_STAND_IN : PROC_WORKER, NULL, &e);

	if (!r)
		r = worker_run(&o, &e);
	if (r)
		log_say("%s: %s", stand_in ? "stand-in" : "worker", e.msg);
	_exit(r ? 1 : 0);
}

static _Noreturn void scribe_main(struct crew *crew)
{
	const struct scribe_opts o = { crew->arena, crew->config, crew->doors->fd[DOOR_API],
				       crew->doors->fd[DOOR_METRICS] };
	const char *writable[ARENA_SINKS + 1] = { NULL };
	struct err e;
	int n = 0, r;

	for (int i = 0; i < crew->config->n_sinks; i++)
		if (crew->config->sinks[i].path)
			writable[n++] = crew->config->sinks[i].path;
	r = isolate_enter(PROC_SCRIBE, writable, &e);
	if (!r)
		r = scribe_run(&o, &e);
	if (r)
		log_say("scribe: %s", e.msg);
	_exit(r ? 1 : 0);
}

static void set_pid(struct crew *crew, struct child *c, pid_t pid)
{
	c->pid = pid;
	atomic_store(&crew->arena->pids[c->proc], pid);
}

/* clone(2) without a stack of its own: a fork that shares the descriptor table. */
int crew_start(struct crew *crew, struct child *c)
{
	bool is_worker = c != &crew->scribe;
	pid_t keeper = getpid(), pid;
	struct err e;
	int r = is_worker ? table_tidy(crew->table, crew->arena, &e) : 0;

	if (r) {
		log_say("start the %s: %s", c->name, e.msg);
		return r;
	}
	pid = (pid_t)syscall(SYS_clone, SIGCHLD | (is_worker ? CLONE_FILES : 0), 0, 0, 0, 0);
	if (pid < 0) {
		log_say("start the %s: %s", c->name, strerror(errno));
		return -errno;
	}
	if (!pid) {
		child_setup(c, keeper);
		if (is_worker)
			worker_main(crew, c == &crew->stand_in);
		scribe_main(crew);
	}
	set_pid(crew, c, pid);
	c->started_ns = clock_mono_ns();
	return 0;
}

/* What the worker has done so far, of any kind. */
static uint64_t progress(const struct crew *crew)
{
	uint32_t high = atomic_load(&crew->arena->high);
	uint64_t words[LANE_N_WORDS], sum = atomic_load(&crew->arena->handovers);

	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++) {
		lane_read(&crew->arena->blocks[i].lane, words);
		sum += words[LANE_seq];
	}
	return sum;
}

/* Sets when a dead child is to start again: at once if it lived long, or was killed from outside
 * while it did its work; otherwise each time later. */
static void schedule(struct crew *crew, struct child *c, bool killed)
{
	uint64_t now = clock_mono_ns(), done = progress(crew);

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
static void count_slots(const struct crew *crew, unsigned *received, unsigned *decided,
			unsigned *sent)
{
	uint32_t high = atomic_load(&crew->arena->high);

	*received = *decided = *sent = 0;
	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++) {
		const struct block *b = &crew->arena->blocks[i];
		uint32_t state = atomic_load(&b->lane.slot.state);

		if (atomic_load(&b->state) != BLOCK_LIVE)
			continue;
		*received += state == SLOT_FREE && b->lane.slot.notif.id;
		*decided += state == SLOT_DECIDED;
		*sent += state == SLOT_SENT;
	}
}

/* A worker that was killed as it was to end left calls in its hand. */
static bool has_calls(const struct crew *crew)
{
	unsigned received, decided, sent;

	count_slots(crew, &received, &decided, &sent);
	return received || decided || sent;
}

static void say_death(const struct crew *crew, const struct child *c, int status)
{
	unsigned received, decided, sent;
	char hand[80] = "";

	if (c == &crew->worker) {
		count_slots(crew, &received, &decided, &sent);
		snprintf(hand, sizeof hand, "; calls in its hand: %u received, %u decided, %u sent",
			 received, decided, sent);
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_say("the %s (pid %d) was killed: it made a forbidden system call (warderd(8), "
			"ISOLATION)%s",
			c->name, (int)c->pid, hand);
	else if (WIFSIGNALED(status))
		log_say("the %s (pid %d) was killed by signal %d%s", c->name, (int)c->pid,
			WTERMSIG(status), hand);
	else
		log_say("the %s (pid %d) ended with status %d%s", c->name, (int)c->pid,
			WEXITSTATUS(status), hand);
}

void crew_reap(struct crew *crew)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = pid == crew->worker.pid     ? &crew->worker
				  : pid == crew->scribe.pid   ? &crew->scribe
				  : pid == crew->stand_in.pid ? &crew->stand_in
							      : NULL;

		if (!c)
			continue;
		if (!crew->stopping) {
			say_death(crew, c, status);
			schedule(crew, c, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		}
		set_pid(crew, c, 0);
		if (c == &crew->worker && !crew->stopping) {
			atomic_fetch_add(&crew->arena->restarts, 1);
			if (!crew->died_ns)
				crew->died_ns = clock_mono_ns();
		}
	}
}

void crew_end(struct crew *crew, struct child *c)
{
	uint64_t now = clock_mono_ns(), until = now + STOP_NS;
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
		now = clock_mono_ns();
		if (now >= until) {
			log_say("the %s (pid %d) does not end; it is killed", c->name, (int)c->pid);
			kill(c->pid, SIGKILL);
			waitpid(c->pid, &status, 0);
			break;
		}
	}
	if (WIFSIGNALED(status))
		say_death(crew, c, status);
	set_pid(crew, c, 0);
}

void crew_finish(struct crew *crew)
{
	for (int i = 0; i < FINISH_TRIES && has_calls(crew); i++) {
		if (crew_start(crew, &crew->worker))
			return;
		crew_end(crew, &crew->worker);
	}
}

bool crew_has_sessions(const struct crew *crew)
{
	uint32_t high = atomic_load(&crew->arena->high);

	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++)
		if (atomic_load(&crew->arena->blocks[i].state) == BLOCK_LIVE)
			return true;
	return false;
}

static bool is_due(const struct child *c)
{
	return !c->pid && !c->held && clock_mono_ns() >= c->start_at_ns;
}

static void start_or_schedule(struct crew *crew, struct child *c)
{
	if (crew_start(crew, c))
		schedule(crew, c, false);
}

void crew_start_due(struct crew *crew)
{
	if (is_due(&crew->scribe))
		start_or_schedule(crew, &crew->scribe);
	if (is_due(&crew->worker)) {
		crew_end(crew, &crew->stand_in);
		start_or_schedule(crew, &crew->worker);
	} else if (!crew->worker.pid && is_due(&crew->stand_in) && crew_has_sessions(crew)) {
		start_or_schedule(crew, &crew->stand_in);
	}
}

int crew_patience(const struct crew *crew)
{
	const struct child *all[] = { &crew->scribe, &crew->worker, &crew->stand_in };
	uint64_t now = clock_mono_ns();
	int ms = -1;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int due;

		if (all[i]->pid || all[i]->held ||
		    (all[i] == &crew->stand_in && all[i]->start_at_ns <= now))
			continue;
		due = all[i]->start_at_ns <= now ? 0
						 : (int)((all[i]->start_at_ns - now) / 1000000) + 1;
		if (ms < 0 || due < ms)
			ms = due;
	}
	return ms;
}

void crew_is_up(struct crew *crew)
{
	eventfd_t n;

	if (eventfd_read(crew->up, &n) || !crew->died_ns)
		return;
	log_say("the worker (pid %d) serves, %llu ms after the last one's end",
		(int)crew->worker.pid,
		(unsigned long long)((clock_mono_ns() - crew->died_ns) / 1000000));
	crew->died_ns = 0;
}

void crew_init(struct crew *crew)
{
	*crew = (struct crew){
		.store = -1,
		.up = -1,
		.worker = { .name = "worker", .comm = "warderd-worker", .proc = PROC_WORKER },
		.stand_in = { .name = "stand-in",
			      .comm = "warderd-standin",
			      .proc = PROC_STAND_IN },
		.scribe = { .name = "scribe", .comm = "warderd-scribe", .proc = PROC_SCRIBE },
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - see session.h. */
#include "session.h"

#include <errno.h>
#include <linux/filter.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "pace.h"
#include "warder/bpf.h"
#include "warder/clock.h"
#include "warder/failpoint.h"
#include "warder/filter.h"
#include "warder/notify.h"
#include "warder/own.h"

#define STACK_SIZE   (64UL * 1024)
#define IDENT_TTL_NS 100000000ULL /* comm and exe are read again after this */
#define INIT_THREADS 64
#define EXEC_NS      1000000000ULL /* an exec that was let through has happened by then */

struct ident { /* what the hot path needs of an identity; the rest has gone through the ring */
	pid_t tid;
	uint64_t until_ns;
};

#define EXEC_KEYS 8

struct session {
	int listener;
	struct block *block;
	struct arena *arena;
	const struct compiled *compiled;
	_Atomic(const struct compiled *) next; /* set, not taken yet */
	uint32_t changes; /* of the block, as far as this thread goes by them */
	int n_overrides;
	struct live {
		uint64_t call;
		uint32_t value;
	} overrides[BLOCK_OVERRIDES];
	struct pace pace;
	bool paced; /* the kernel has the choice */
	bool poll_first, stand_in;
	int n_exec_keys;
	uint64_t exec_keys[EXEC_KEYS]; /* (architecture, number) of execve and execveat */
	uint32_t reader;               /* the journal that knows `idents` */
	int n_siblings; /* of the init's exec: the runtime's other threads, until the exec ends them
			 */
	struct sibling {
		pid_t tid;
		uint64_t start_time;
	} siblings[INIT_THREADS];
	int n_init_threads;
	pid_t init_threads[INIT_THREADS];
	struct ident idents[SESSION_IDENTS];
	pid_t execing; /* this number is about to be another program's: not cached */
	uint64_t execing_until_ns;
	pthread_t thread;
	_Atomic bool stop, done;
	bool gone; /* valid when done */
	void (*on_end)(void *ctx);
	void *ctx;
};

static uint64_t call_key(uint32_t audit_arch, int nr)
{
	return (uint64_t)audit_arch << 32 | (uint32_t)nr;
}

static void init_exec_keys(struct session *s)
{
	static const enum arch abis[] = { ARCH_X86_64, ARCH_X86, ARCH_X32, ARCH_AARCH64, ARCH_ARM };
	enum arch native = names_native_arch();
	bool x86 = native == ARCH_X86_64 || native == ARCH_X86;

	for (size_t i = 0; i < ARRAY_LEN(abis); i++) {
		bool is_x86 = abis[i] <= ARCH_X32;

		for (int j = 0; is_x86 == x86 && names_always_notified[j]; j++) {
			int nr = names_syscall(abis[i], names_always_notified[j]);

			if (nr >= 0 && s->n_exec_keys < EXEC_KEYS)
				s->exec_keys[s->n_exec_keys++] =
					call_key(names_arch_audit(abis[i]), nr);
		}
	}
}

static bool is_exec(const struct session *s, const struct seccomp_data *d)
{
	uint64_t key = call_key(d->arch, d->nr);

	for (int i = 0; i < s->n_exec_keys; i++)
		if (s->exec_keys[i] == key)
			return true;
	return false;
}

/* Is the caller a thread of the container's init? Only asked while starting. */
static bool is_init(struct session *s, pid_t tid)
{
	pid_t tgid;

	for (int i = 0; i < s->n_init_threads; i++)
		if (s->init_threads[i] == tid)
			return true;
	tgid = target_tgid(tid);
	if ((s->block->init && tgid != s->block->init) ||
	    notify_valid(s->listener, s->block->lane.slot.notif.id))
		return false;
	if (!s->block->init && tgid > 0) /* not told, but nobody else has the filter yet */
		s->block->init = tgid;
	if (s->n_init_threads < INIT_THREADS)
		s->init_threads[s->n_init_threads++] = tid;
	return true;
}

/* The init's root, if the init has not entered the container's yet: it still is its parent's, the
 * runtime's. A native runtime hands over later than that, when no createContainer hook is left. */
static bool outside_root(pid_t init, struct target_root *root)
{
	struct target_root of_init, of_parent;
	struct identity id;

	if (target_identity(init, 0, &id) || !id.n_parents || target_root(init, &of_init) ||
	    target_root(id.parents[0], &of_parent) || of_init.dev != of_parent.dev ||
	    of_init.ino != of_parent.ino)
		return false;
	*root = of_init;
	return true;
}

/* A process that has not entered the container's root yet: a createContainer hook. */
static bool is_outside(struct session *s, pid_t tid)
{
	struct target_root root;

	return s->block->has_start_root && !target_root(tid, &root) &&
	       root.dev == s->block->start_root.dev && root.ino == s->block->start_root.ino &&
	       !notify_valid(s->listener, s->block->lane.slot.notif.id);
}

/* The init is about to exec: its other threads (of a runtime written in Go) go on calling until the
 * kernel ends them. The leader is left out: another thread that execs becomes it. */
static void note_siblings(struct session *s, pid_t caller)
{
	pid_t tids[INIT_THREADS];
	int n = target_threads(s->block->init, tids, INIT_THREADS);

	for (int i = 0; i < n; i++) {
		struct sibling *sibling = &s->siblings[s->n_siblings];

		sibling->tid = tids[i];
		if (tids[i] != caller && tids[i] != s->block->init &&
		    !target_start_time(tids[i], &sibling->start_time))
			s->n_siblings++;
	}
}

/* One of them, still the same thread? The leader's next call means that the exec is over. */
static bool is_sibling(struct session *s, pid_t tid)
{
	uint64_t start_time;

	if (tid == s->block->init)
		s->n_siblings = 0;
	for (int i = 0; i < s->n_siblings; i++)
		if (s->siblings[i].tid == tid)
			return !target_start_time(tid, &start_time) &&
			       start_time == s->siblings[i].start_time &&
			       !notify_valid(s->listener, s->block->lane.slot.notif.id);
	return false;
}

/* Is this call the runtime's own? The phase ends at the init's first exec, on receipt. */
static bool runtime_call(struct session *s, const struct seccomp_notif *n)
{
	pid_t tid = (pid_t)n->pid;

	if (!atomic_load_explicit(&s->block->starting, memory_order_relaxed))
		return s->n_siblings && is_sibling(s, tid);
	if (!is_init(s, tid))
		return is_outside(s, tid);
	if (!is_exec(s, &n->data))
		return true;
	note_siblings(s, tid);
	atomic_store(&s->block->starting, 0);
	return false;
}

/* Gives the reader a new identity for a slot; false: no room. */
static bool put_identity(struct session *s, struct commit *next, uint8_t ident,
			 const struct identity *id)
{
	size_t size = offsetof(struct identity, exe) + strlen(id->exe) + 1;
	struct record_identity *r =
		lane_reserve(&s->block->lane, next, RECORD_IDENTITY,
			     (uint32_t)(offsetof(struct record_identity, identity) + size));

	if (!r)
		return false;
	r->ident = ident;
	r->unused = 0;
	memcpy(&r->identity, id, size);
	return true;
}

/* Reads who calls, for slot->ident, and gives it to the reader. Apart from identify(): what it
 * keeps on the stack is cleared on the way in, and most calls need none of it. */
static __attribute__((noinline)) void read_identity(struct session *s, struct slot *slot,
						    struct commit *next)
{
	pid_t tid = (pid_t)slot->notif.pid;
	struct ident *ident = &s->idents[slot->ident];
	struct identity id;

	FAILPOINT("session.identify");
	ident->tid = 0;
	if (target_identity(tid, s->block->init, &id)) {
		slot->flags |= RECORD_NO_IDENTITY;
		return;
	}
	if (notify_valid(s->listener, slot->notif.id))
		slot->flags |= RECORD_LATE;
	if (!put_identity(s, next, slot->ident, &id)) {
		slot->flags |= RECORD_NO_IDENTITY;
	} else if (!slot->flags && (tid != s->execing || slot->time_ns > s->execing_until_ns)) {
		ident->tid = tid;
		ident->until_ns = slot->time_ns + IDENT_TTL_NS;
	}
}

/* Sees to it that slot->ident holds the caller's identity: read now if it is new, has exec'd or is
 * older than IDENT_TTL_NS (a number may be another task's by then). slot->flags tells how far to
 * trust it. */
static void identify(struct session *s, struct slot *slot, struct commit *next)
{
	pid_t tid = (pid_t)slot->notif.pid;
	const struct ident *ident;

	slot->ident = (uint8_t)(tid % SESSION_IDENTS);
	ident = &s->idents[slot->ident];
	if (s->stand_in) {
		slot->flags |= RECORD_NO_IDENTITY;
		return;
	}
	if (s->reader != atomic_load_explicit(&s->arena->readers, memory_order_relaxed)) {
		memset(s->idents, 0, sizeof s->idents);
		s->reader = atomic_load(&s->arena->readers);
	}
	if (ident->tid == tid && slot->time_ns < ident->until_ns)
		return;
	/* Nothing is read for a reader that is behind: its record would be dropped, call after
	 * call. */
	if (lane_room(&s->block->lane, next) < 2 * sizeof(struct record_identity))
		slot->flags |= RECORD_NO_IDENTITY;
	else
		read_identity(s, slot, next);
}

/* SIGKILL to the caller's thread group: the number is held by a pidfd before the id is checked, so
 * that it cannot be another process's. */
static enum done kill_caller(struct session *s, const struct seccomp_notif *n)
{
	pid_t tgid = target_tgid((pid_t)n->pid);
	auto_fd fd = -1;

	if (tgid <= 0)
		return DONE_GONE;
	fd = pidfd_open(tgid, 0);
	if (fd < 0 || notify_valid(s->listener, n->id))
		return DONE_GONE;
	if (pidfd_send_signal(fd, SIGKILL, NULL, 0))
		return DONE_ERRNO;
	notify_reply(s->listener, n->id, EPERM, 0);
	return DONE_KILL_PROCESS;
}

static enum done let_through(struct session *s, uint64_t id)
{
	return notify_continue(s->listener, id) ? DONE_GONE : DONE_CONTINUE;
}

static enum done refuse(struct session *s, uint64_t id, int error)
{
	return notify_reply(s->listener, id, error, 0) ? DONE_GONE : DONE_ERRNO;
}

/* The one place that blocks a call. TRAP and TRACE stay in the kernel where the filter is ours;
 * from a runtime's own NOTIFY filter they arrive here and get what the kernel gives without a
 * tracer. */
static enum done block_call(struct session *s, const struct seccomp_notif *n, struct verdict v)
{
	enum done done;

	if (v.act == ACT_ERRNO)
		return refuse(s, n->id, v.errnum);
	if (v.act != ACT_KILL_THREAD && v.act != ACT_KILL_PROCESS)
		return refuse(s, n->id, ENOSYS);
	done = kill_caller(s, n);
	return done == DONE_ERRNO ? refuse(s, n->id, EPERM) : done;
}

static bool lets_through(struct verdict v)
{
	return v.act == ACT_ALLOW || v.act == ACT_LOG || v.act == ACT_NOTIFY;
}

static bool is_blocked(const struct slot *slot)
{
	if (!slot->notif.pid)
		return true;
	return (slot->mode == MODE_ENFORCE || slot->verdict.why == WHY_LIVE) &&
	       !(slot->flags & RECORD_STARTING) && !lets_through(slot->verdict);
}

/* What the slot says, done. The single reply point. */
static enum done answer(struct session *s, const struct slot *slot)
{
	return is_blocked(slot) ? block_call(s, &slot->notif, slot->verdict)
				: let_through(s, slot->notif.id);
}

static enum lane_word counter_of(const struct slot *slot)
{
	if (slot->flags & RECORD_STARTING)
		return LANE_starting;
	switch ((int)slot->done) {
	case DONE_CONTINUE:
		return lets_through(slot->verdict) ? LANE_allowed : LANE_audited;
	case DONE_ERRNO:
		return LANE_denied;
	case DONE_KILL_PROCESS:
		return LANE_killed;
	default:
		return LANE_stale;
	}
}

static void put_call(struct session *s, const struct slot *slot, struct commit *next)
{
	struct record_call *r = lane_reserve(&s->block->lane, next, RECORD_CALL, sizeof *r);

	lane_add(next, LANE_events, 1);
	if (!r) {
		lane_add(next, LANE_dropped, 1);
		return;
	}
	r->time_ns = slot->time_ns;
	r->latency_ns = clock_mono_ns() - slot->time_ns;
	r->seq = lane_word(next, LANE_events);
	r->data = slot->notif.data;
	r->verdict = slot->verdict;
	r->tid = (int32_t)slot->notif.pid;
	r->ident = slot->ident;
	r->done = slot->done;
	r->mode = slot->mode;
	r->flags = slot->flags;
}

static bool is_event(const struct slot *slot)
{
	return slot->verdict.act != ACT_ALLOW && !(slot->flags & RECORD_STARTING);
}

/* A thread that execs becomes the leader, which may make calls until then. */
static void note_exec(struct session *s, pid_t tid)
{
	pid_t tgid = target_tgid(tid);

	if (tgid > 0 && tgid != tid) {
		s->execing = tgid;
		s->execing_until_ns = clock_mono_ns() + EXEC_NS;
	}
}

/* The live decisions as they are at one value of `changes`, which is returned; a change under way
 * is waited for: its writer is a thread of this process. */
static uint32_t copy_overrides(const struct block *b, struct live live[BLOCK_OVERRIDES], int *n)
{
	uint32_t changes;

	do {
		while ((changes = atomic_load(&b->changes)) & 1)
			sched_yield();
		*n = 0;
		for (int i = 0; i < BLOCK_OVERRIDES; i++) {
			live[*n].call = atomic_load(&b->overrides[i].call);
			live[*n].value = atomic_load(&b->overrides[i].value);
			*n += (live[*n].value & OVERRIDE_USED) != 0;
		}
	} while (atomic_load(&b->changes) != changes);
	return changes;
}

/* Takes what has been changed since: policy and live decisions. */
static void catch_up(struct session *s)
{
	const struct compiled *next;

	s->changes = copy_overrides(s->block, s->overrides, &s->n_overrides);
	next = atomic_exchange(&s->next, NULL);
	if (next)
		s->compiled = next;
	atomic_store(&s->block->seen, s->changes);
}

const struct compiled *session_set_policy(struct session *s, const struct compiled *c)
{
	const struct compiled *unused = atomic_exchange(&s->next, c);

	atomic_store(&s->block->policy, c->index);
	atomic_fetch_or(&s->block->policies, 1ULL << c->index);
	return unused;
}

static struct override *find_override(struct block *b, uint64_t call)
{
	for (int i = 0; i < BLOCK_OVERRIDES; i++)
		if (atomic_load(&b->overrides[i].value) &&
		    atomic_load(&b->overrides[i].call) == call)
			return &b->overrides[i];
	return NULL;
}

int session_override(struct block *b, uint32_t audit_arch, int nr, uint16_t errnum)
{
	uint64_t call = call_key(audit_arch, nr);
	struct override *o = find_override(b, call);

	for (int i = 0; !o && i < BLOCK_OVERRIDES; i++)
		if (!atomic_load(&b->overrides[i].value))
			o = &b->overrides[i];
	if (!o)
		return -ENOSPC;
	atomic_store(&o->call, call);
	atomic_store(&o->value, OVERRIDE_USED | errnum);
	return 0;
}

int session_lift(struct block *b, uint32_t audit_arch, int nr)
{
	struct override *o = find_override(b, call_key(audit_arch, nr));

	if (!o)
		return -ENOENT;
	atomic_store(&o->value, 0);
	return 0;
}

/* Policy, and over it what was decided live. A call that is let through so makes an event. */
static struct verdict decide_live(const struct session *s, const struct seccomp_data *call)
{
	uint64_t key = call_key(call->arch, call->nr);
	struct verdict v = { .act = ACT_LOG, .why = WHY_LIVE };

	for (int i = 0; i < s->n_overrides; i++) {
		if (s->overrides[i].call != key)
			continue;
		v.errnum = (uint16_t)s->overrides[i].value;
		if (v.errnum)
			v.act = ACT_ERRNO;
		return v;
	}
	return decide(s->compiled->decide, call);
}

/* The policy's word for the time without a worker; without one the decision stands as it is. */
static void fall_back(const struct session *s, struct slot *slot)
{
	enum fallback fallback = (enum fallback)s->compiled->policy->fallback;

	if (slot->verdict.act == ACT_ALLOW || (slot->flags & RECORD_STARTING))
		return;
	if (fallback == FALLBACK_ALLOW)
		slot->mode = MODE_AUDIT;
	if (fallback != FALLBACK_DENY)
		return;
	slot->mode = MODE_ENFORCE;
	if (slot->verdict.act != ACT_ERRNO)
		slot->verdict.errnum = EPERM;
	slot->verdict.act = ACT_ERRNO;
}

/* Fills the slot from the received call: verdict and all that the answer and the record need. */
static void decide_call(struct session *s, struct slot *slot, struct commit *next)
{
	const struct seccomp_notif *n = &slot->notif;

	if (atomic_load_explicit(&s->block->changes, memory_order_acquire) != s->changes)
		catch_up(s);
	slot->seq = lane_word(next, LANE_seq) + 1;
	slot->flags = 0;
	slot->mode = (uint8_t)atomic_load_explicit(&s->block->mode, memory_order_relaxed);
	slot->verdict = (struct verdict){ .act = ACT_ERRNO, .errnum = EPERM, .why = WHY_UNKNOWN };
	if (!n->pid)
		slot->flags = RECORD_NO_IDENTITY;
	else if (runtime_call(s, n))
		slot->flags = RECORD_STARTING;
	else
		slot->verdict = decide_live(s, &n->data);
	slot->verdict.policy = (uint16_t)s->compiled->index;
	if (s->stand_in)
		fall_back(s, slot);
	if (is_event(slot)) {
		slot->time_ns = clock_mono_ns();
		if (n->pid)
			identify(s, slot, next);
	}
	if (!is_exec(s, &n->data))
		return;
	note_exec(s, (pid_t)n->pid);
	memset(s->idents, 0, sizeof s->idents); /* who calls next may be another program */
}

static void clear_slot(struct slot *slot)
{
	slot->notif.id = 0;
	atomic_store_explicit(&slot->state, SLOT_FREE, memory_order_release);
}

/* Makes an answered call true for everyone else: record, counters, sequence, with one store. */
static void commit_call(struct session *s, struct slot *slot, struct commit *next)
{
	bool event = is_event(slot);

	if (event)
		put_call(s, slot, next);
	lane_add(next, LANE_seq, 1);
	lane_add(next, LANE_received, 1);
	lane_add(next, counter_of(slot), 1);
	lane_commit(&s->block->lane);
	FAILPOINT("slot.committed");
	if (event)
		arena_mark(s->arena, s->block);
	clear_slot(slot);
	FAILPOINT("slot.free");
}

/* One received notification: decide, answer, record. The order of the stores is the contract of
 * lane.h. */
static void serve(struct session *s, struct slot *slot)
{
	struct commit *next = lane_begin(&s->block->lane);

	decide_call(s, slot, next);
	atomic_store_explicit(&slot->state, SLOT_DECIDED, memory_order_release);
	FAILPOINT("slot.decided");
	slot->done = (uint8_t)answer(s, slot);
	FAILPOINT("slot.answered");
	atomic_store_explicit(&slot->state, SLOT_SENT, memory_order_release);
	FAILPOINT("slot.sent");
	commit_call(s, slot, next);
}

/* What an answer that arrived would have done. */
static enum done expected(const struct slot *slot)
{
	if (!is_blocked(slot))
		return DONE_CONTINUE;
	return slot->verdict.act == ACT_KILL_THREAD || slot->verdict.act == ACT_KILL_PROCESS
		       ? DONE_KILL_PROCESS
		       : DONE_ERRNO;
}

/* Finishes the call that was in a dead worker's hand. Decided but perhaps not answered: it is
 * answered again; when the kernel no longer knows the id, the answer has most likely arrived, and
 * the event says that this is not known. */
static void recover(struct session *s, struct slot *slot)
{
	struct commit *next = lane_begin(&s->block->lane);
	uint32_t state = atomic_load(&slot->state);

	if (state != SLOT_FREE && slot->seq <= lane_word(next, LANE_seq)) {
		clear_slot(slot);
		return;
	}
	if (state == SLOT_FREE) {
		if (slot->notif.id)
			serve(s, slot);
		return;
	}
	if (is_event(slot) && slot->notif.pid) { /* what was read of the caller is not committed */
		slot->flags &= (uint8_t) ~(RECORD_LATE | RECORD_NO_IDENTITY);
		identify(s, slot, next);
	}
	if (state == SLOT_DECIDED) {
		slot->done = (uint8_t)answer(s, slot);
		if (slot->done == DONE_GONE) {
			slot->done = (uint8_t)expected(slot);
			slot->flags |= RECORD_UNKNOWN;
		}
		atomic_store(&slot->state, SLOT_SENT);
	}
	commit_call(s, slot, next);
}

/* The next call. -EINTR, -ENOENT (a caller that is gone): try again; anything else ends the
 * session: -EPIPE when all tasks have gone. */
static int receive(struct session *s, struct seccomp_notif *n)
{
	int r = s->poll_first ? notify_poll(s->listener, -1) : 1;

	if (r < 0)
		return r;
	r = notify_recv(s->listener, n);
	return r == -ENOENT && notify_poll(s->listener, 0) == -EPIPE ? -EPIPE : r;
}

/* Of all signals only the one that ends a blocked RECV is for this thread, whatever mask it got;
 * and SIGSYS, which the kernel sends to who made the call (isolate.h). */
static void take_wake_signal_only(void)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGUSR2);
	sigdelset(&set, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static void *run(void *arg)
{
	struct session *s = arg;
	struct slot *slot = &s->block->lane.slot;
	pid_t tid;
	int r = 0;

	take_wake_signal_only();
	recover(s, slot);
	while (!atomic_load(&s->stop) && (!r || r == -EINTR || r == -ENOENT)) {
		r = receive(s, &slot->notif);
		if (r)
			continue;
		FAILPOINT("slot.received");
		tid = (pid_t)slot->notif.pid;
		serve(s, slot);
		if (s->paced && pace_call(&s->pace, tid) && pace_turn(&s->pace, clock_mono_ns()))
			notify_set_sync(s->listener, s->pace.sync);
	}
	s->gone = r && r != -EINTR && r != -ENOENT;
	atomic_store(&s->done, true);
	if (s->on_end)
		s->on_end(s->ctx);
	return NULL;
}

static int start_thread(struct session *s, struct err *e)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (!r)
		r = pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (!r)
		r = pthread_create(&s->thread, &attr, run, s);
	pthread_attr_destroy(&attr);
	return r ? err_set(e, r, "start a session's thread") : 0;
}

static void copy_text(char *to, const char *from)
{
	snprintf(to, ARENA_TEXT, "%s", from ? from : "");
}

void session_fill(struct block *b, const struct session_start *s)
{
	b->start_ns = clock_ns(CLOCK_REALTIME);
	copy_text(b->id, s->id);
	copy_text(b->name, s->name);
	copy_text(b->pod, s->pod);
	copy_text(b->namespace, s->namespace);
	atomic_store(&b->policy, s->policy);
	b->gate = s->policy;
	b->wiring = (uint32_t)s->wiring;
	atomic_store(&b->policies, 1ULL << s->policy);
	b->init = s->init;
	b->listener = s->listener;
	b->after_ns = s->after_ns;
	atomic_store(&b->mode, (uint32_t)s->mode);
	atomic_store(&b->starting, s->starting);
	b->has_start_root = s->starting && s->init > 0 && outside_root(s->init, &b->start_root);
}

/* An empty handler without SA_RESTART: the signal's only work is to end a blocked RECV. */
static void wake_handler(int sig)
{
	(void)sig;
}

static void prepare_wake_signal(void)
{
	struct sigaction sa = { .sa_handler = wake_handler };

	sigaction(SIGUSR2, &sa, NULL);
}

int session_new(const struct session_opts *o, struct session **out, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct session *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return err_set(e, ENOMEM, "make a session");
	pthread_once(&once, prepare_wake_signal);
	s->arena = o->arena;
	s->block = o->block;
	s->listener = o->block->listener;
	s->compiled = o->compiled;
	s->changes = ~0U; /* the first call looks at them all */
	s->poll_first = o->poll_first;
	s->stand_in = o->stand_in;
	s->on_end = o->on_end;
	s->ctx = o->ctx;
	init_exec_keys(s);
	pace_init(&s->pace);
	s->paced = !notify_set_sync(s->listener, s->pace.sync); /* before Linux 6.6: one way only */
	r = start_thread(s, e);
	if (r) {
		free(s);
		return r;
	}
	*out = s;
	return 0;
}

bool session_ended(const struct session *s)
{
	return atomic_load(&s->done);
}

bool session_gone(const struct session *s)
{
	return session_ended(s) && s->gone;
}

void session_stop(struct session *s)
{
	atomic_store(&s->stop, true);
	if (!session_ended(s))
		pthread_kill(s->thread, SIGUSR2);
}

void session_free(struct session *s, bool keep)
{
	struct timespec nap = { 0, 1000000 };

	session_stop(s);
	while (!session_ended(s)) {
		nanosleep(&nap, NULL);
		session_stop(s);
	}
	pthread_join(s->thread, NULL);
	if (!keep) {
		s->block->listener = -1; /* before the number can be another's */
		close(s->listener);
		atomic_store(&s->block->state, BLOCK_ENDED);
		arena_mark(s->arena, s->block);
	}
	free(s);
}

struct block *session_block(struct session *s)
{
	return s->block;
}

/* Child of the probe's child: installs a listener in the descriptor table it shares, and goes. */
static void probe_target(int to)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct bpf_prog prog = { ARRAY_LEN(insn), insn };
	struct err e;
	int fd = -1;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    filter_load(&prog, SECCOMP_FILTER_FLAG_NEW_LISTENER, &fd, &e))
		_exit(1);
	if (write(to, &fd, sizeof fd) != sizeof fd)
		_exit(1);
	_exit(0);
}

static void probe_child(void)
{
	struct itimerval limit = { .it_value = { .tv_usec = 300000 } };
	struct seccomp_notif n;
	int to[2], fd = -1, status = 0;
	pid_t pid;

	if (pipe(to))
		_exit(2);
	pid = (pid_t)syscall(__NR_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		probe_target(to[1]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status ||
	    read(to[0], &fd, sizeof fd) != sizeof fd)
		_exit(2);
	signal(SIGALRM, SIG_DFL);
	setitimer(ITIMER_REAL, &limit, NULL);
	_exit(notify_recv(fd, &n) == -ENOENT ? 0 : 1);
}

int session_probe_recv(bool *returns, struct err *e)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return err_set(e, errno, "fork a probe");
	if (!pid)
		probe_child();
	if (waitpid(pid, &status, 0) != pid)
		return err_set(e, errno, "wait for a probe");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		return err_set(e, ENOTSUP, "seccomp notification does not work here");
	*returns = WIFEXITED(status) && !WEXITSTATUS(status);
	return 0;
}

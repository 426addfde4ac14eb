/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - see journal.h. */
#include "journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "session.h"
#include "warder/names.h"
#include "warder/own.h"

#define BATCH_SIZE (64UL * 1024)

struct source { /* one session, as the reader sees it */
	struct block *block;
	const struct compiled *compiled; /* NULL: its policy cannot be read any more */
	uint64_t cursor;
	bool ended; /* all of it is in the batch */
	struct identity *idents[SESSION_IDENTS];
};

struct journal {
	struct journal_opts opts;
	pthread_t thread;
	struct source *sources[ARENA_SESSIONS];
	_Atomic bool stop;
	uint64_t lost, lost_said;
	bool torn; /* the last write ended in the middle of a line */
	size_t used;
	char batch[BATCH_SIZE];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void trouble(struct journal *j, const char *line)
{
	if (j->opts.on_trouble)
		j->opts.on_trouble(j->opts.ctx, line);
}

static size_t write_all(int fd, const char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* Counts the lines that did not get out whole; says so once per trouble. */
static void count_lost(struct journal *j, size_t done)
{
	char line[128];

	if (j->lost == j->lost_said) {
		snprintf(line, sizeof line, "events cannot be written: %s", strerror(errno));
		trouble(j, line);
	}
	j->torn |= done && j->batch[done - 1] != '\n'; /* keeps what it was if nothing got out */
	for (size_t i = done; i < j->used; i++)
		if (j->batch[i] == '\n')
			j->lost++;
	atomic_store(&j->opts.arena->lost, j->lost);
}

static bool end_torn_line(struct journal *j)
{
	if (j->torn && write_all(j->opts.fd, "\n", 1) == 1)
		j->torn = false;
	return !j->torn;
}

/* Says in the events how many lines are missing before the next one; false: that failed too. */
static bool say_lost(struct journal *j)
{
	struct event ev = { .type = EVENT_LOST,
			    .time_ns = clock_ns(CLOCK_REALTIME),
			    .uid = -1,
			    .gid = -1,
			    .count = j->lost - j->lost_said };
	char line[EVENT_LINE_MAX];
	size_t n, done;

	if (!ev.count)
		return true;
	n = event_format(&ev, line, sizeof line);
	done = write_all(j->opts.fd, line, n);
	j->torn = done && done < n;
	if (done < n)
		return false;
	j->lost_said = j->lost;
	trouble(j, "events are written again");
	return true;
}

static void write_batch(struct journal *j)
{
	size_t done = 0;

	if (j->opts.fd >= 0 && j->used) {
		if (end_torn_line(j) && say_lost(j))
			done = write_all(j->opts.fd, j->batch, j->used);
		if (done < j->used)
			count_lost(j, done);
	}
	j->used = 0;
}

static void put_event(struct journal *j, const struct event *ev)
{
	size_t n;

	if (sizeof j->batch - j->used < EVENT_LINE_MAX)
		write_batch(j);
	n = event_format(ev, j->batch + j->used, sizeof j->batch - j->used);
	if (!n) {
		atomic_store(&j->opts.arena->lost, ++j->lost);
		trouble(j, "an event did not fit in a line and is lost");
		return;
	}
	if (j->opts.on_event)
		j->opts.on_event(j->opts.ctx, ev, j->batch + j->used, n);
	j->used += n;
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void event_of_source(const struct source *src, struct event *ev, enum event_type type)
{
	const struct block *b = src->block;

	memset(ev, 0, sizeof *ev);
	ev->type = (uint8_t)type;
	ev->time_ns = clock_ns(CLOCK_REALTIME);
	ev->container = or_null(b->id);
	ev->name = or_null(b->name);
	ev->pod = or_null(b->pod);
	ev->namespace = or_null(b->namespace);
	ev->policy = src->compiled ? src->compiled->policy->name : NULL;
	ev->mode = mode_word((enum mode)atomic_load(&b->mode));
	ev->pid = b->init;
	ev->uid = ev->gid = -1;
	ev->count = 1;
}

static void add_counters(struct event *ev, const struct block *b)
{
	uint64_t words[LANE_N_WORDS];

	lane_read(&b->lane, words);
#define X(counter) ev->counter = words[LANE_##counter];
	EVENT_COUNTERS(X)
#undef X
}

static void put_session_event(struct journal *j, const struct source *src, enum event_type type)
{
	struct event ev;

	event_of_source(src, &ev, type);
	if (type == EVENT_SESSION_START)
		ev.time_ns = src->block->start_ns;
	if (type == EVENT_SESSION_END)
		add_counters(&ev, src->block);
	put_event(j, &ev);
}

static const char *verdict_word(struct verdict v)
{
	switch ((int)v.act) {
	case ACT_ALLOW:
	case ACT_LOG:
	case ACT_NOTIFY:
		return "allow";
	case ACT_KILL_THREAD:
	case ACT_KILL_PROCESS:
		return "kill";
	default:
		return "deny";
	}
}

static void add_identity(struct event *ev, const struct identity *id)
{
	ev->pid = id->pid;
	ev->ns_pid = id->ns_pid;
	ev->ns_tid = id->ns_tid;
	ev->uid = (int32_t)id->uid;
	ev->gid = (int32_t)id->gid;
	ev->comm = id->comm;
	ev->exe = or_null(id->exe);
	ev->n_parents = id->n_parents < EVENT_PARENTS ? id->n_parents : EVENT_PARENTS;
	for (int i = 0; i < ev->n_parents; i++)
		ev->parents[i] = id->parents[i];
}

static const char *arch_word(const struct seccomp_data *d, char *buf, size_t size)
{
	enum arch a = names_arch_of_call(d->arch, d->nr);
	const char *scmp = a == ARCH_NONE ? NULL : names_arch_scmp(a);

	if (!scmp) {
		snprintf(buf, size, "0x%x", d->arch);
		return buf;
	}
	snprintf(buf, size, "%s", scmp + strlen("SCMP_ARCH_"));
	for (char *p = buf; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return buf;
}

/* The policy that a record rests on: a session's may be replaced while it lives. */
static void use_policy(struct journal *j, struct source *src, uint32_t index)
{
	struct err e;

	if (src->compiled && src->compiled->index == index)
		return;
	policies_put(j->opts.policies, src->compiled);
	src->compiled = NULL;
	if (policies_at(j->opts.policies, index, &src->compiled, &e))
		trouble(j, e.msg);
}

static void put_call(struct journal *j, struct source *src, const struct record_call *r)
{
	const struct identity *id = src->idents[r->ident % SESSION_IDENTS];
	enum arch a = names_arch_of_call(r->data.arch, r->data.nr);
	char arch[24];
	struct event ev;

	use_policy(j, src, r->verdict.policy);
	event_of_source(src, &ev, EVENT_CALL);
	ev.time_ns -= clock_ns(CLOCK_MONOTONIC) - r->time_ns;
	ev.seq = r->seq;
	ev.mode = mode_word((enum mode)r->mode);
	ev.pid = ev.tid = r->tid;
	if (id && id->tid == r->tid && !(r->flags & RECORD_NO_IDENTITY))
		add_identity(&ev, id);
	ev.identity_late = r->flags & (RECORD_LATE | RECORD_NO_IDENTITY);
	ev.syscall = a == ARCH_NONE ? NULL : names_syscall_name(a, r->data.nr);
	ev.nr = r->data.nr;
	ev.arch = arch_word(&r->data, arch, sizeof arch);
	for (int i = 0; i < 6; i++)
		ev.args[i] = r->data.args[i];
	ev.verdict = verdict_word(r->verdict);
	ev.asked = names_action_word((enum act)r->verdict.act);
	ev.done = r->done < DONE_COUNT ? r->done : DONE_NONE;
	if (r->verdict.act == ACT_ERRNO)
		ev.error = names_errno_name(r->verdict.errnum);
	if (src->compiled) {
		ev.rule = decide_why(src->compiled->decide, r->verdict);
		ev.message = decide_message(src->compiled->decide, r->verdict);
	}
	ev.unknown = r->flags & RECORD_UNKNOWN;
	ev.latency_ns = r->latency_ns;
	put_event(j, &ev);
}

static void keep_identity(struct source *src, const struct record_identity *r, size_t size)
{
	struct identity **kept = &src->idents[r->ident % SESSION_IDENTS];

	if (!*kept)
		*kept = malloc(sizeof **kept);
	if (*kept) {
		memset(*kept, 0, sizeof **kept);
		memcpy(*kept, &r->identity, size - offsetof(struct record_identity, identity));
		(*kept)->comm[sizeof r->identity.comm - 1] = 0;
		(*kept)->exe[sizeof r->identity.exe - 1] = 0;
	}
}

static void say_dropped(struct journal *j, struct source *src, uint64_t dropped)
{
	struct event ev;

	if (dropped == src->block->dropped_said)
		return;
	event_of_source(src, &ev, EVENT_LOST);
	ev.count = dropped - src->block->dropped_said;
	src->block->dropped_said = dropped;
	put_event(j, &ev);
}

/* All records up to a look at `seen` are read: if the session goes by its latest policy, it needs
 * no other (but its filter's). A change since then makes the exchange fail. */
static void forget_policies(struct block *b, uint32_t changes)
{
	uint64_t had = atomic_load(&b->policies);
	uint64_t keep = 1ULL << b->gate | 1ULL << atomic_load(&b->policy);

	if (atomic_load(&b->changes) == changes && (had & ~keep))
		atomic_compare_exchange_strong(&b->policies, &had, had & keep);
}

/* Reads what is there now; returns whether there was anything. */
static bool drain(struct journal *j, struct source *src)
{
	const struct lane *l = &src->block->lane;
	uint32_t changes = atomic_load(&src->block->seen); /* before the look at the records */
	uint64_t words[LANE_N_WORDS], start = src->cursor;
	const struct record *r;
	bool broken = false;

	lane_read(l, words);
	while ((r = lane_next(l, words[LANE_head], &src->cursor, &broken))) {
		uint32_t size = lane_size(l, r, src->cursor);

		if (r->type == RECORD_CALL && size == sizeof(struct record_call))
			put_call(j, src, (const struct record_call *)(const void *)r);
		else if (r->type == RECORD_IDENTITY && size >= RECORD_IDENTITY_MIN &&
			 size <= sizeof(struct record_identity))
			keep_identity(src, (const struct record_identity *)(const void *)r, size);
	}
	if (broken)
		trouble(j, "a session's ring was damaged and has been emptied");
	say_dropped(j, src, words[LANE_dropped]);
	forget_policies(src->block, changes);
	return src->cursor != start;
}

/* A block that was not there at the last pass. */
static struct source *meet(struct journal *j, struct block *b)
{
	struct source *src = calloc(1, sizeof *src);

	if (!src) {
		trouble(j, "out of memory: a session's events wait");
		return NULL;
	}
	src->block = b;
	use_policy(j, src, atomic_load(&b->policy));
	src->cursor = atomic_load(&b->lane.tail);
	if (!b->announced)
		put_session_event(j, src, EVENT_SESSION_START);
	b->announced = 1;
	return src;
}

static void part(struct journal *j, struct source *src)
{
	for (size_t i = 0; i < ARRAY_LEN(src->idents); i++)
		free(src->idents[i]);
	policies_put(j->opts.policies, src->compiled);
	arena_give(src->block);
	free(src);
}

static bool visit(struct journal *j, uint32_t index)
{
	struct block *b = &j->opts.arena->blocks[index];
	struct source **src = &j->sources[index];
	uint32_t state = atomic_load(&b->state); /* before the last look at its records */
	bool any;

	if (state != BLOCK_LIVE && state != BLOCK_ENDED)
		return false;
	if (!*src && !(*src = meet(j, b)))
		return false;
	any = drain(j, *src);
	(*src)->ended = state == BLOCK_ENDED;
	if ((*src)->ended)
		put_session_event(j, *src, EVENT_SESSION_END);
	return any || state == BLOCK_ENDED;
}

/* After the lines are written: the records' room is free, ended sessions go. */
static void settle(struct journal *j, struct source **src)
{
	if (!*src)
		return;
	lane_free_to(&(*src)->block->lane, (*src)->cursor);
	if ((*src)->ended) {
		part(j, *src);
		*src = NULL;
	}
}

/* One look at every session; returns whether there was anything. */
static bool pass(void *ctx)
{
	struct journal *j = ctx;
	uint32_t high = atomic_load(&j->opts.arena->high);
	bool any = false;

	for (uint32_t i = 0; i < high; i++)
		any |= visit(j, i);
	write_batch(j);
	for (uint32_t i = 0; any && i < high; i++)
		settle(j, &j->sources[i]);
	return any || atomic_load(&j->stop);
}

void journal_run(struct journal *j)
{
	const struct timespec nap = { 0, JOURNAL_NAP_MS * 1000000L };
	int quiet = 0;
	bool stop;

	do {
		stop = atomic_load(&j->stop);
		quiet = pass(j) ? 0 : quiet + 1;
		if (!stop && quiet * JOURNAL_NAP_MS < JOURNAL_IDLE_MS)
			nanosleep(&nap, NULL);
		if (!stop && quiet * JOURNAL_NAP_MS >= JOURNAL_IDLE_MS) {
			arena_sleep(j->opts.arena, pass, j);
			quiet = 0;
		}
	} while (!stop);
}

void journal_stop(struct journal *j)
{
	atomic_store(&j->stop, true);
	arena_wake(j->opts.arena);
}

int journal_new(const struct journal_opts *o, struct journal **out, struct err *e)
{
	struct journal *j = calloc(1, sizeof *j);

	if (!j)
		return err_set(e, ENOMEM, "make the journal");
	j->opts = *o;
	atomic_fetch_add(&o->arena->readers, 1);
	*out = j;
	return 0;
}

void journal_free(struct journal *j)
{
	for (uint32_t i = 0; j && i < ARENA_SESSIONS; i++) {
		for (size_t k = 0; j->sources[i] && k < SESSION_IDENTS; k++)
			free(j->sources[i]->idents[k]);
		if (j->sources[i])
			policies_put(j->opts.policies, j->sources[i]->compiled);
		free(j->sources[i]);
	}
	free(j);
}

static void *run_thread(void *arg)
{
	journal_run(arg);
	return NULL;
}

int journal_start(struct journal *j, struct err *e)
{
	int r = pthread_create(&j->thread, NULL, run_thread, j);

	return r ? err_set(e, r, "start the journal's thread") : 0;
}

void journal_finish(struct journal *j)
{
	journal_stop(j);
	pthread_join(j->thread, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - see journal.h. */
#include "journal.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "session.h"
#include "warder/names.h"
#include "warder/own.h"

#define BATCH_SIZE (64UL * 1024)
#define DRAIN_MAX  (LANE_RING / sizeof(struct record_call)) /* more than a ring holds */

struct source { /* one session, as the reader sees it */
	struct source *next;
	struct block *block;
	const struct decide *decide;
	void (*release)(void *ctx);
	void *ctx;
	uint64_t dropped_said, last_seq;
	struct identity *idents[SESSION_IDENTS];
};

struct journal {
	struct journal_opts opts;
	pthread_t thread;
	pthread_mutex_t lock; /* for `added`, `flushed` */
	pthread_cond_t flush;
	struct source *added; /* not seen by the thread yet */
	struct source *sources;
	uint64_t flush_asked, flushed;
	_Atomic uint32_t work; /* futex: 0: the thread sleeps until it is set */
	_Atomic bool stop;
	_Atomic uint64_t lost;
	uint64_t lost_said;
	size_t used;
	bool torn; /* the last write ended in the middle of a line */
	char batch[BATCH_SIZE];
};

static long futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

void journal_wake(struct journal *j)
{
	atomic_thread_fence(memory_order_seq_cst); /* the record before the look at `work` */
	if (atomic_load_explicit(&j->work, memory_order_relaxed))
		return;
	if (!atomic_exchange(&j->work, 1))
		futex(&j->work, FUTEX_WAKE, 1);
}

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

	if (atomic_load(&j->lost) == j->lost_said) {
		snprintf(line, sizeof line, "events cannot be written: %s", strerror(errno));
		trouble(j, line);
	}
	j->torn |= done && j->batch[done - 1] != '\n'; /* keeps what it was if nothing got out */
	for (size_t i = done; i < j->used; i++)
		if (j->batch[i] == '\n')
			atomic_fetch_add(&j->lost, 1);
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
	uint64_t lost = atomic_load(&j->lost);
	struct event ev = { .type = EVENT_LOST,
			    .time_ns = clock_ns(CLOCK_REALTIME),
			    .uid = -1,
			    .gid = -1,
			    .count = lost - j->lost_said };
	char line[EVENT_LINE_MAX];
	size_t n, done;

	if (!ev.count)
		return true;
	n = event_format(&ev, line, sizeof line);
	done = write_all(j->opts.fd, line, n);
	j->torn = done && done < n;
	if (done < n)
		return false;
	j->lost_said = lost;
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
	ev->policy = or_null(b->policy);
	ev->mode = mode_word((enum mode)atomic_load(&b->mode));
	ev->pid = b->init;
	ev->uid = ev->gid = -1;
	ev->count = 1;
}

static void put_session_event(struct journal *j, const struct source *src, enum event_type type)
{
	struct event ev;

	event_of_source(src, &ev, type);
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

static void put_call(struct journal *j, const struct source *src, const struct record_call *r)
{
	const struct identity *id = src->idents[r->ident % SESSION_IDENTS];
	enum arch a = names_arch_of_call(r->data.arch, r->data.nr);
	char arch[24];
	struct event ev;

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
	ev.done = r->done;
	if (r->verdict.act == ACT_ERRNO)
		ev.error = names_errno_name(r->verdict.errnum);
	ev.rule = decide_why(src->decide, r->verdict);
	ev.message = decide_message(src->decide, r->verdict);
	ev.latency_ns = r->latency_ns;
	put_event(j, &ev);
}

static void keep_identity(struct source *src, const struct record_identity *r)
{
	struct identity **kept = &src->idents[r->ident % SESSION_IDENTS];

	if (!*kept)
		*kept = malloc(sizeof **kept);
	if (*kept) {
		**kept = r->identity;
		(*kept)->comm[sizeof r->identity.comm - 1] = 0;
		(*kept)->exe[sizeof r->identity.exe - 1] = 0;
	}
}

static void say_dropped(struct journal *j, struct source *src)
{
	uint64_t words[LANE_N_WORDS], dropped;
	struct event ev;

	lane_read(&src->block->lane, words);
	dropped = words[LANE_dropped];
	if (dropped == src->dropped_said)
		return;
	event_of_source(src, &ev, EVENT_LOST);
	ev.count = dropped - src->dropped_said;
	src->dropped_said = dropped;
	put_event(j, &ev);
}

/* Reads at least what is there now (a busy session must not keep the others waiting), or all once
 * it has ended; returns whether there was anything. */
static bool drain(struct journal *j, struct source *src, bool ended)
{
	const struct record *h;
	bool any = false, broken = false;

	for (size_t n = 0; ended || n < DRAIN_MAX; n++) {
		h = lane_peek(&src->block->lane, &broken);
		if (!h)
			break;
		if (h->type == RECORD_CALL && h->size == sizeof(struct record_call))
			put_call(j, src, (const struct record_call *)(const void *)h);
		else if (h->type == RECORD_IDENTITY && h->size == sizeof(struct record_identity))
			keep_identity(src, (const struct record_identity *)(const void *)h);
		lane_next(&src->block->lane, h);
		any = true;
	}
	if (broken)
		trouble(j, "a session's ring was damaged and has been emptied");
	say_dropped(j, src);
	return any;
}

static void free_source(struct source *src)
{
	for (size_t i = 0; i < ARRAY_LEN(src->idents); i++)
		free(src->idents[i]);
	src->release(src->ctx);
	free(src);
}

static void take_added(struct journal *j)
{
	struct source *src, *next;

	pthread_mutex_lock(&j->lock);
	src = j->added;
	j->added = NULL;
	pthread_mutex_unlock(&j->lock);
	for (; src; src = next) {
		next = src->next;
		src->next = j->sources;
		j->sources = src;
		put_session_event(j, src, EVENT_SESSION_START);
	}
}

/* One look at every session; the ended ones go. */
static bool pass(struct journal *j)
{
	struct source **at = &j->sources, *src;
	bool any = false;

	take_added(j);
	while ((src = *at)) {
		bool ended = atomic_load(&src->block->ended); /* before the last look at the ring */

		any |= drain(j, src, ended);
		if (!ended) {
			at = &src->next;
			continue;
		}
		put_session_event(j, src, EVENT_SESSION_END);
		*at = src->next;
		free_source(src);
	}
	write_batch(j);
	return any;
}

static void tell_flushed(struct journal *j, uint64_t asked)
{
	pthread_mutex_lock(&j->lock);
	j->flushed = asked;
	pthread_cond_broadcast(&j->flush);
	pthread_mutex_unlock(&j->lock);
}

/* Is anything but records waiting? */
static bool is_wanted(struct journal *j)
{
	bool wanted;

	pthread_mutex_lock(&j->lock);
	wanted = j->added || j->flush_asked != j->flushed || atomic_load(&j->stop);
	pthread_mutex_unlock(&j->lock);
	return wanted;
}

static void *run(void *arg)
{
	struct journal *j = arg;
	struct timespec nap = { 0, JOURNAL_NAP_MS * 1000000L };
	int quiet = 0;

	for (;;) {
		bool stop = atomic_load(&j->stop);
		uint64_t asked;

		pthread_mutex_lock(&j->lock);
		asked = j->flush_asked;
		pthread_mutex_unlock(&j->lock);
		quiet = pass(j) ? 0 : quiet + 1;
		tell_flushed(j, asked);
		if (stop)
			return NULL;
		if (quiet * JOURNAL_NAP_MS < JOURNAL_IDLE_MS) {
			nanosleep(&nap, NULL);
			continue;
		}
		/* Sleep: whoever records after this store sees 0 and wakes us; what was recorded
		 * before it is seen by the pass in between. */
		atomic_store(&j->work, 0);
		atomic_thread_fence(memory_order_seq_cst);
		if (!pass(j) && !is_wanted(j))
			futex(&j->work, FUTEX_WAIT, 0);
		atomic_store(&j->work, 1);
		quiet = 0;
	}
}

int journal_new(const struct journal_opts *o, struct journal **out, struct err *e)
{
	struct journal *j = calloc(1, sizeof *j);
	int r;

	if (!j)
		return err_set(e, ENOMEM, "make the journal");
	j->opts = *o;
	atomic_store(&j->work, 1);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->flush, NULL);
	r = pthread_create(&j->thread, NULL, run, j);
	if (r) {
		free(j);
		return err_set(e, r, "start the journal's thread");
	}
	*out = j;
	return 0;
}

void journal_free(struct journal *j)
{
	struct source *src;

	if (!j)
		return;
	atomic_store(&j->stop, true);
	atomic_store(&j->work, 0);
	journal_wake(j);
	pthread_join(j->thread, NULL);
	while ((src = j->sources)) {
		j->sources = src->next;
		free_source(src);
	}
	pthread_cond_destroy(&j->flush);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

int journal_add(struct journal *j, struct block *b, const struct decide *decide,
		void (*release)(void *ctx), void *ctx, struct err *e)
{
	struct source *src = calloc(1, sizeof *src);

	if (!src)
		return err_set(e, ENOMEM, "follow a session");
	src->block = b;
	src->decide = decide;
	src->release = release;
	src->ctx = ctx;
	pthread_mutex_lock(&j->lock);
	src->next = j->added;
	j->added = src;
	pthread_mutex_unlock(&j->lock);
	journal_wake(j);
	return 0;
}

void journal_flush(struct journal *j)
{
	uint64_t mine;

	pthread_mutex_lock(&j->lock);
	mine = ++j->flush_asked;
	pthread_mutex_unlock(&j->lock);
	journal_wake(j);
	pthread_mutex_lock(&j->lock);
	while (j->flushed < mine)
		pthread_cond_wait(&j->flush, &j->lock);
	pthread_mutex_unlock(&j->lock);
}

uint64_t journal_lost(const struct journal *j)
{
	return atomic_load(&j->lost);
}

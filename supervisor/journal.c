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
#include "warder/clock.h"
#include "warder/failpoint.h"
#include "warder/names.h"
#include "warder/own.h"

struct caller {
	uint64_t who; /* a hash of it */
	struct identity identity;
};

struct source { /* one session, as the reader sees it */
	struct block *block;
	const struct compiled *compiled; /* NULL: its policy cannot be read any more */
	struct folds folds;              /* the copy that is worked on, if `open` */
	bool open;
	uint32_t changes; /* what the session went by before the last look at its records */
	struct caller *callers[SESSION_IDENTS];
};

struct journal {
	struct journal_opts opts;
	pthread_t thread;
	struct source *sources[ARENA_SESSIONS];
	_Atomic bool stop;
	bool all;                        /* the next pass looks at every block */
	uint64_t now_ns;                 /* of this pass, CLOCK_MONOTONIC */
	uint64_t to_real_ns;             /* from there to CLOCK_REALTIME */
	uint64_t next_due_ns;            /* no fold is due before */
	uint64_t due_ns[ARENA_SESSIONS]; /* 0: it has no folds */
	bool open;                       /* a pass is under way */
	struct sums sums;                /* with this pass */
	uint32_t used, n; /* of the batch; ours, for what lies in the arena may be anything */
	uint64_t calls;
	uint32_t n_touched, touched[ARENA_SESSIONS];
};

static void trouble(struct journal *j, const char *line)
{
	if (j->opts.on_trouble)
		j->opts.on_trouble(j->opts.ctx, line);
}

/* --- lines into the batch --- */

/* Is there room for one more line, whatever is in it? */
static bool has_room(const struct journal *j)
{
	return BATCH_SIZE - j->used >= EVENT_LINE_MAX && j->n < BATCH_LINES;
}

static void put_line(struct journal *j, const struct event *ev)
{
	struct batch *b = &j->opts.arena->batch;
	char *line = b->text + j->used;
	size_t n = event_format(ev, line, BATCH_SIZE - j->used);

	if (!n) {
		struct event lost = { .type = EVENT_LOST,
				      .time_ns = ev->time_ns,
				      .container = ev->container,
				      .uid = -1,
				      .gid = -1,
				      .lines = 1,
				      .count = event_calls(ev) };

		trouble(j, "an event did not fit in a line and is lost");
		atomic_fetch_add(&j->opts.arena->lost, 1);
		if (ev->type != EVENT_LOST)
			put_line(j, &lost);
		return;
	}
	if (j->opts.on_event)
		j->opts.on_event(j->opts.ctx, ev, line, n);
	if (j->opts.stream)
		stream_push(j->opts.stream, ev, line, n);
	j->used += (uint32_t)n;
	j->calls += event_calls(ev);
	b->line[j->n].end = j->used;
	b->line[j->n++].calls = event_calls(ev);
	j->sums.lines++;
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void event_of_source(const struct journal *j, const struct source *src, struct event *ev,
			    enum event_type type)
{
	const struct block *b = src->block;

	memset(ev, 0, sizeof *ev);
	ev->type = (uint8_t)type;
	ev->time_ns = j->now_ns + j->to_real_ns;
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

	event_of_source(j, src, &ev, type);
	if (type == EVENT_SESSION_START)
		ev.time_ns = src->block->start_ns;
	if (type == EVENT_SESSION_END)
		add_counters(&ev, src->block);
	put_line(j, &ev);
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

static void add_verdict(struct event *ev, const struct source *src, const struct fold_key *key)
{
	ev->verdict = verdict_word(key->verdict);
	ev->asked = names_action_word((enum act)key->verdict.act);
	ev->done = key->done < DONE_COUNT ? key->done : DONE_NONE;
	if (key->verdict.act == ACT_ERRNO)
		ev->error = names_errno_name(key->verdict.errnum);
	if (src->compiled) {
		ev->rule = decide_why(src->compiled->decide, key->verdict);
		ev->message = decide_message(src->compiled->decide, key->verdict);
	}
}

/* What one call and many of a kind have in common. */
static void add_call(struct event *ev, const struct fold_key *key, char *buf, size_t size)
{
	const struct seccomp_data data = { .nr = key->nr, .arch = key->arch };
	enum arch a = names_arch_of_call(key->arch, key->nr);

	ev->syscall = a == ARCH_NONE ? NULL : names_syscall_name(a, key->nr);
	ev->nr = key->nr;
	ev->arch = arch_word(&data, buf, size);
	ev->mode = mode_word((enum mode)key->mode);
}

/* A call, or `count` identical ones: seq, time and latency are the last one's. */
static void put_call(struct journal *j, struct source *src, const struct fold *f)
{
	const struct fold_key *key = &f->key;
	const struct caller *c = src->callers[key->ident % SESSION_IDENTS];
	struct event ev;
	char arch[24];

	use_policy(j, src, key->verdict.policy);
	event_of_source(j, src, &ev, EVENT_CALL);
	add_call(&ev, key, arch, sizeof arch);
	add_verdict(&ev, src, key);
	ev.time_ns = f->time_ns + j->to_real_ns;
	ev.seq = f->seq;
	ev.pid = ev.tid = key->tid;
	if (c && c->who == key->who && c->identity.tid == key->tid)
		add_identity(&ev, &c->identity);
	ev.identity_late = key->flags & (RECORD_LATE | RECORD_NO_IDENTITY);
	ev.unknown = key->flags & RECORD_UNKNOWN;
	memcpy(ev.args, key->args, sizeof ev.args);
	ev.latency_ns = f->latency_ns;
	ev.count = f->count;
	put_line(j, &ev);
}

/* Calls of a kind that were over the budget; of all kinds that had no place: only how many. */
static void put_suppressed(struct journal *j, struct source *src, const struct fold *f, bool rest)
{
	struct event ev;
	char arch[24];

	if (!rest)
		use_policy(j, src, f->key.verdict.policy);
	event_of_source(j, src, &ev, EVENT_SUPPRESSED);
	ev.nr = -1;
	if (!rest) {
		add_call(&ev, &f->key, arch, sizeof arch);
		add_verdict(&ev, src, &f->key);
	}
	ev.count = f->count;
	put_line(j, &ev);
}

/* --- folds --- */

static void add_to(struct fold *f, const struct fold *more)
{
	f->count += more->count;
	f->seq = more->seq;
	f->time_ns = more->time_ns;
	f->latency_ns = more->latency_ns;
}

/* A line for these calls if the budget allows it, else they are counted with their kind. There is
 * room. */
static bool put_or_suppress(struct journal *j, struct source *src, const struct fold *calls)
{
	if (fold_pay(src->folds.book, &j->opts.budget, j->now_ns)) {
		put_call(j, src, calls);
		return true;
	}
	add_to(fold_kind(&src->folds, &calls->key, j->now_ns), calls);
	j->sums.suppressed += calls->count;
	return false;
}

/* The pending ones of caller `ident` (-1: all) become lines. false: the batch is full, go on
 * later. */
static bool close_same(struct journal *j, struct source *src, int ident)
{
	const struct folds *fs = &src->folds;

	for (uint32_t i = 0; i < fs->book->n_same && i < FOLD_SAME; i++) {
		struct fold *f = fold_at(fs, i);

		if (!f->count || (ident >= 0 && f->key.ident != ident))
			continue;
		if (!has_room(j))
			return false;
		put_or_suppress(j, src, f);
		f->count = 0;
	}
	if (ident < 0)
		fold_drop_same(fs);
	return true;
}

static bool close_kinds(struct journal *j, struct source *src)
{
	const struct folds *fs = &src->folds;

	for (uint32_t i = 0; i < fs->book->n_kinds && i < FOLD_KINDS; i++) {
		struct fold *f = fold_at(fs, FOLD_SAME + i);

		if (!f->count)
			continue;
		if (!has_room(j))
			return false;
		put_suppressed(j, src, f, FOLD_SAME + i == FOLD_REST);
		f->count = 0;
	}
	fold_drop_kinds(fs);
	return true;
}

/* Records that did not fit in memory are said as the kinds are: a line a period, not one a pass. */
static bool say_dropped(struct journal *j, struct source *src, uint64_t dropped)
{
	struct book *b = src->folds.book;
	struct event ev;

	if (dropped == b->dropped)
		return true;
	if (!has_room(j))
		return false;
	event_of_source(j, src, &ev, EVENT_LOST);
	ev.count = dropped - b->dropped;
	j->sums.dropped += ev.count;
	b->dropped = dropped;
	put_line(j, &ev);
	return true;
}

/* What is due, or all of it at the session's end. */
static bool close_due(struct journal *j, struct source *src, uint64_t dropped, bool end)
{
	struct book *b = src->folds.book;

	if (b->window_ns && (end || j->now_ns >= b->window_ns) && !close_same(j, src, -1))
		return false;
	if (end || (b->period_ns && j->now_ns >= b->period_ns))
		return say_dropped(j, src, dropped) && close_kinds(j, src);
	if (dropped != b->dropped && !b->period_ns)
		b->period_ns = j->now_ns + FOLD_PERIOD_NS;
	return true;
}

/* --- records --- */

static void count_latency(struct sums *s, uint64_t ns)
{
	int bucket = ns > 1024 ? 64 - __builtin_clzll((ns - 1) >> 10) : 0;

	s->latency[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
	s->latency_ns += ns;
}

static void fold_of_record(const struct source *src, const struct record_call *r, struct fold *f)
{
	const struct caller *c = src->callers[r->ident % SESSION_IDENTS];
	bool known = c && c->identity.tid == r->tid && !(r->flags & RECORD_NO_IDENTITY);

	*f = (struct fold){ .key = { .arch = r->data.arch,
				     .nr = r->data.nr,
				     .verdict = r->verdict,
				     .who = known ? c->who : 0,
				     .tid = r->tid,
				     .ident = r->ident % SESSION_IDENTS,
				     .done = r->done,
				     .mode = r->mode,
				     .flags = r->flags },
			    .count = 1,
			    .seq = r->seq,
			    .time_ns = r->time_ns,
			    .latency_ns = r->latency_ns };
	memcpy(f->key.args, r->data.args, sizeof f->key.args);
}

static bool take_call(struct journal *j, struct source *src, const struct record_call *r)
{
	struct fold call, *same;

	fold_of_record(src, r, &call);
	same = fold_find_same(&src->folds, &call.key);
	if (!same && !has_room(j))
		return false;
	count_latency(&j->sums, call.latency_ns);
	if (same) {
		add_to(same, &call);
		j->sums.folded++;
	} else if (put_or_suppress(j, src, &call)) {
		fold_new_same(&src->folds, &call.key, j->now_ns);
	}
	return true;
}

static uint64_t hash_bytes(const void *from, size_t n)
{
	const unsigned char *p = from;
	uint64_t h = 0xcbf29ce484222325ULL;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h | 1;
}

/* Who a number is from now on. What is pending of whom it was before goes out under that name. */
static bool take_identity(struct journal *j, struct source *src, const struct record_identity *r,
			  size_t size)
{
	uint8_t n = r->ident % SESSION_IDENTS;
	struct caller **kept = &src->callers[n], fresh = { 0 };

	memcpy(&fresh.identity, &r->identity, size - offsetof(struct record_identity, identity));
	fresh.identity.comm[sizeof fresh.identity.comm - 1] = 0;
	fresh.identity.exe[sizeof fresh.identity.exe - 1] = 0;
	fresh.who = hash_bytes(&fresh.identity,
			       offsetof(struct identity, exe) + strlen(fresh.identity.exe));
	if (*kept && (*kept)->who == fresh.who)
		return true;
	if (!close_same(j, src, n))
		return false;
	if (!*kept)
		*kept = malloc(sizeof **kept);
	if (*kept)
		**kept = fresh;
	return true;
}

static bool take_record(struct journal *j, struct source *src, const struct record *r,
			uint32_t size)
{
	if (r->type == RECORD_CALL && size == sizeof(struct record_call))
		return take_call(j, src, (const struct record_call *)(const void *)r);
	if (r->type == RECORD_IDENTITY && size >= RECORD_IDENTITY_MIN &&
	    size <= sizeof(struct record_identity))
		return take_identity(j, src, (const struct record_identity *)(const void *)r, size);
	return true;
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

/* The records up to head; false: the batch is full. */
static bool drain(struct journal *j, struct source *src, uint64_t head)
{
	const struct lane *l = &src->block->lane;
	uint64_t cursor = src->folds.book->cursor;
	const struct record *r;
	bool broken = false;

	while ((r = lane_next(l, head, &cursor, &broken))) {
		if (!take_record(j, src, r, lane_size(l, r, cursor)))
			return false;
		src->folds.book->cursor = cursor;
	}
	src->folds.book->cursor = cursor;
	if (broken)
		trouble(j, "a session's ring was damaged and has been emptied");
	return true;
}

/* --- a pass --- */

/* Which half of a block's books is true; -1: none yet. */
static int true_half(const struct block *b, uint64_t pass)
{
	const uint64_t p[] = { b->books[0].pass, b->books[1].pass };
	bool first = p[0] && p[0] <= pass, second = p[1] && p[1] <= pass;

	if (first && second)
		return p[1] > p[0];
	return first ? 0 : second ? 1 : -1;
}

static struct folds half_of(struct block *b, int half)
{
	return (struct folds){ &b->books[half], b->folds, half };
}

static void open_pass(struct journal *j)
{
	struct arena *a = j->opts.arena;
	uint64_t pass = atomic_load(&a->pass);

	if (j->open)
		return;
	j->open = true;
	j->used = j->n = j->n_touched = 0;
	j->calls = 0;
	a->batch.pass = pass + 1;
	atomic_thread_fence(memory_order_release); /* from here on its text is nobody's */
	sums_read(a, &j->sums);
}

/* A copy of the source's book to work on. Its pass is set first: until arena.pass is there, the
 * copy is not true. */
static void open_source(struct journal *j, uint32_t index)
{
	struct source *src = j->sources[index];
	uint64_t pass = atomic_load(&j->opts.arena->pass);
	int half = true_half(src->block, pass);
	struct folds from = half_of(src->block, half < 0 ? 1 : half);

	if (src->open)
		return;
	src->folds = half_of(src->block, half < 0 ? 0 : !half);
	src->folds.book->pass = pass + 1;
	atomic_thread_fence(memory_order_release);
	if (half >= 0)
		fold_copy(&src->folds, &from);
	else /* a journal before us may have died over it */
		fold_clear(&src->folds);
	src->open = true;
	j->touched[j->n_touched++] = index;
}

/* A block that was not there at the last pass. */
static struct source *meet(struct journal *j, struct block *b)
{
	struct source *src = calloc(1, sizeof *src);
	uint64_t pass = atomic_load(&j->opts.arena->pass);
	int half = true_half(b, pass);
	struct err e;

	if (!src) {
		trouble(j, "out of memory: a session's events wait");
		return NULL;
	}
	if (half >= 0)
		lane_free_to(&b->lane, b->books[half].cursor);
	src->block = b;
	if (policies_at(j->opts.policies, atomic_load(&b->policy), &src->compiled, &e))
		trouble(j, e.msg);
	return src;
}

static void free_source(struct journal *j, struct source *src)
{
	for (size_t i = 0; i < ARRAY_LEN(src->callers); i++)
		free(src->callers[i]);
	policies_put(j->opts.policies, src->compiled);
	free(src);
}

/* The counters of a session that is over, once. */
static void add_totals(struct arena *a, const struct block *b)
{
	uint64_t current = atomic_load(&a->totals_current), words[LANE_N_WORDS];
	const struct totals *now = &a->totals[current & 1];
	struct totals *next = &a->totals[(current + 1) & 1];

	if (b->number && now->number == b->number)
		return;
	*next = *now;
	next->number = b->number;
	next->sessions++;
	lane_read(&b->lane, words);
	for (int w = 0; w < LANE_N_WORDS; w++)
		next->word[w] += words[w];
	atomic_store(&a->totals_current, current + 1);
}

/* After the lines are written: the records' room is free, ended sessions go. */
static void settle(struct journal *j, uint32_t index)
{
	struct source *src = j->sources[index];
	const struct book *b = src->folds.book;
	uint64_t due = fold_due_ns(b);

	lane_free_to(&src->block->lane, b->cursor);
	if (!b->n_same && !b->n_kinds) /* no line will need another */
		forget_policies(src->block, src->changes);
	src->open = false;
	j->due_ns[index] = due == UINT64_MAX ? 0 : due;
	if (due < j->next_due_ns)
		j->next_due_ns = due;
	if (!b->ended)
		return;
	add_totals(j->opts.arena, src->block);
	FAILPOINT("journal.counted");
	arena_give(src->block);
	j->due_ns[index] = 0;
	free_source(j, src);
	j->sources[index] = NULL;
}

/* Makes true, with one store, what this pass has done. */
static void close_pass(struct journal *j)
{
	struct arena *a = j->opts.arena;

	if (!j->open)
		return;
	a->batch.used = j->used;
	a->batch.n = j->n;
	a->batch.calls = j->calls;
	sums_write(a, &j->sums);
	FAILPOINT("journal.prepared");
	atomic_fetch_add(&a->pass, 1);
	FAILPOINT("journal.committed");
	if (j->n && j->opts.sinks)
		sinks_give(j->opts.sinks);
	FAILPOINT("journal.given");
	for (uint32_t i = 0; i < j->n_touched; i++)
		settle(j, j->touched[i]);
	FAILPOINT("journal.settled");
	j->open = false;
}

/* Everything of one session, as far as `words` go; false: the batch is full, close the pass and
 * come again. */
static bool work_on(struct journal *j, uint32_t index, const uint64_t *words, bool end)
{
	struct source *src = j->sources[index];
	struct book *b;

	open_pass(j);
	open_source(j, index);
	b = src->folds.book;
	if (b->ended)
		return true;
	if (!has_room(j))
		return false;
	if (!b->announced)
		put_session_event(j, src, EVENT_SESSION_START);
	b->announced = 1;
	if (!drain(j, src, words[LANE_head]) || !close_due(j, src, words[LANE_dropped], end))
		return false;
	if (!end)
		return true;
	if (!has_room(j))
		return false;
	put_session_event(j, src, EVENT_SESSION_END);
	b->ended = 1;
	return true;
}

static bool visit(struct journal *j, uint32_t index)
{
	struct block *b = &j->opts.arena->blocks[index];
	uint32_t state = atomic_load(&b->state); /* before the last look at its records */
	uint64_t words[LANE_N_WORDS];

	if (state == BLOCK_GONE && !j->sources[index])
		arena_give(b); /* a journal before us died in there */
	if (state != BLOCK_LIVE && state != BLOCK_ENDED)
		return false;
	if (!j->sources[index] && !(j->sources[index] = meet(j, b)))
		return false;
	j->sources[index]->changes = atomic_load(&b->seen); /* before the look at the records */
	lane_read(&b->lane, words); /* once: one that floods must not keep us from the others */
	while (!work_on(j, index, words, state == BLOCK_ENDED))
		close_pass(j);
	return true;
}

/* The bits of 64 blocks that are to be looked at: they say so, or a fold is due. */
static uint64_t take_bits(struct journal *j, uint32_t word, bool due)
{
	_Atomic uint64_t *dirty = &j->opts.arena->dirty[word];
	uint64_t bits = atomic_load_explicit(dirty, memory_order_relaxed);

	if (bits)
		bits = atomic_exchange(dirty, 0);
	for (uint32_t i = 0; due && i < 64; i++) {
		uint64_t at = j->due_ns[word * 64 + i];

		if (at && at <= j->now_ns)
			bits |= 1ULL << i;
		else if (at && at < j->next_due_ns)
			j->next_due_ns = at;
	}
	return j->all ? ~0ULL : bits;
}

/* One look at what there is; returns whether there was anything. */
static bool pass(void *ctx)
{
	struct journal *j = ctx;
	uint32_t high = atomic_load(&j->opts.arena->high);
	bool any = false, due;

	j->now_ns = clock_ns(CLOCK_MONOTONIC);
	j->to_real_ns = clock_ns(CLOCK_REALTIME) - j->now_ns;
	due = j->now_ns >= j->next_due_ns;
	if (due)
		j->next_due_ns = UINT64_MAX;
	for (uint32_t word = 0; word * 64 < high && high <= ARENA_SESSIONS; word++)
		for (uint64_t bits = take_bits(j, word, due); bits; bits &= bits - 1) {
			uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(bits);

			if (i < high)
				any |= visit(j, i);
		}
	close_pass(j);
	j->all = false;
	return any || atomic_load(&j->stop);
}

static uint64_t until_due(const struct journal *j, uint64_t most)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), left;

	if (j->next_due_ns == UINT64_MAX)
		return most;
	left = j->next_due_ns > now ? j->next_due_ns - now : 0;
	return left < most ? left : most;
}

/* Anything new? Only then is there a pass. */
static bool has_work(void *ctx)
{
	struct journal *j = ctx;
	uint32_t high = atomic_load(&j->opts.arena->high);

	for (uint32_t word = 0; word * 64 < high && high <= ARENA_SESSIONS; word++)
		if (atomic_load_explicit(&j->opts.arena->dirty[word], memory_order_relaxed))
			return true;
	return atomic_load(&j->stop);
}

void journal_run(struct journal *j)
{
	const uint64_t nap = JOURNAL_NAP_MS * 1000000ULL;
	uint64_t quiet = 0;
	bool stop;

	do {
		stop = atomic_load(&j->stop);
		j->all |= stop;
		quiet = pass(j) ? 0 : quiet + nap;
		if (stop)
			break;
		if (quiet < JOURNAL_IDLE_MS * 1000000ULL)
			arena_sleep(j->opts.arena, WORK_NAPS, until_due(j, nap), NULL, NULL);
		else
			arena_sleep(j->opts.arena, WORK_SLEEPS, until_due(j, UINT64_MAX), has_work,
				    j);
	} while (true);
}

void journal_stop(struct journal *j)
{
	atomic_store(&j->stop, true);
	arena_hurry(j->opts.arena);
}

/* What a journal before us did not come to make true: our pass of that number would do it. */
static void undo(struct arena *a)
{
	uint32_t high = atomic_load(&a->high);
	uint64_t pass = atomic_load(&a->pass);

	for (uint32_t i = 0; i < high && high <= ARENA_SESSIONS; i++)
		for (int half = 0; half < 2; half++)
			if (atomic_load(&a->blocks[i].state) != BLOCK_FREE &&
			    a->blocks[i].books[half].pass > pass)
				a->blocks[i].books[half].pass = 0;
}

int journal_new(const struct journal_opts *o, struct journal **out, struct err *e)
{
	struct journal *j = calloc(1, sizeof *j);

	if (!j)
		return err_set(e, ENOMEM, "make the journal");
	j->opts = *o;
	j->all = true;
	j->next_due_ns = UINT64_MAX;
	undo(o->arena);
	atomic_fetch_add(&o->arena->readers, 1);
	*out = j;
	return 0;
}

void journal_free(struct journal *j)
{
	for (uint32_t i = 0; j && i < ARENA_SESSIONS; i++)
		if (j->sources[i])
			free_source(j, j->sources[i]);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* sink.c - see sink.h. */
#include "sink.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "warder/clock.h"
#include "warder/event.h"
#include "warder/failpoint.h"
#include "warder/own.h"

#define X(word, name) [SINK_##name] = &sink_##name,
static const struct sink_kind *const kinds[SINK_TYPES] = { SINK_KINDS(X) };
#undef X

struct sinks {
	struct sinks_opts opts;
	int n;
	struct sink sink[ARENA_SINKS];
};

const char *sink_word(enum sink_type t)
{
	return kinds[t]->word;
}

int sink_parse(const char *word)
{
	for (int t = 0; t < SINK_TYPES; t++)
		if (!strcmp(kinds[t]->word, word))
			return t;
	return -1;
}

void sink_config_init(struct sink_config *c, enum sink_type type)
{
	*c = (struct sink_config){ .type = type,
				   .fd = -1,
				   .keep = SINK_KEEP,
				   .timeout_ns = 10000000000ULL,
				   .queue = SINK_QUEUE };
}

void sink_say(struct sink *s, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n = snprintf(line, sizeof line, "events: %s: ", s->name);

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
	va_end(ap);
	if (s->all->opts.on_trouble)
		s->all->opts.on_trouble(s->all->opts.ctx, line);
}

static struct timespec deadline(uint64_t ns)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ns += (uint64_t)t.tv_nsec;
	t.tv_sec += (time_t)(ns / 1000000000);
	t.tv_nsec = (long)(ns % 1000000000);
	return t;
}

/* --- the mark: changed in the half that is not current, under the sink's lock --- */

static struct sink_state *mark_begin(struct sink *s)
{
	uint64_t current = atomic_load(&s->mark->current);
	struct sink_state *next = &s->mark->half[(current + 1) & 1];

	*next = s->mark->half[current & 1];
	return next;
}

static void mark_commit(struct sink *s)
{
	atomic_fetch_add(&s->mark->current, 1);
}

static const struct sink_state *mark_now(const struct sink *s)
{
	return &s->mark->half[atomic_load(&s->mark->current) & 1];
}

void sink_intend(struct sink *s, const struct chunk *c, uint64_t dev, uint64_t ino, uint64_t offset)
{
	struct sink_state *st;

	pthread_mutex_lock(&s->lock);
	st = mark_begin(s);
	st->intent = c->pass;
	st->intent_lines = c->lines;
	st->intent_calls = c->calls;
	st->dev = dev;
	st->ino = ino;
	st->offset = offset;
	st->len = c->head_len + c->used;
	st->head_lines = c->head_lines;
	st->head_calls = c->head_calls;
	mark_commit(s);
	pthread_mutex_unlock(&s->lock);
	FAILPOINT("sink.intended");
}

/* --- the thread --- */

static size_t say_lost(uint64_t lines, uint64_t calls, char *buf, size_t size)
{
	const struct event ev = { .type = EVENT_LOST,
				  .time_ns = clock_ns(CLOCK_REALTIME),
				  .uid = -1,
				  .gid = -1,
				  .lines = lines,
				  .count = calls };

	return event_format(&ev, buf, size);
}

/* What the sink has missed so far goes before the chunk. */
static void make_head(struct sink *s, struct chunk *c)
{
	const struct sink_state *st;

	pthread_mutex_lock(&s->lock);
	st = mark_now(s);
	c->head_lines = st->lost_lines - st->said_lines;
	c->head_calls = st->lost_calls - st->said_calls;
	pthread_mutex_unlock(&s->lock);
	c->head_len = c->head_lines || c->head_calls
			      ? say_lost(c->head_lines, c->head_calls, c->head, sizeof c->head)
			      : 0;
}

/* How much of a chunk is in the first `out` bytes of head and text. */
static void measure(const struct chunk *c, size_t out, uint64_t *lines, uint64_t *calls)
{
	*lines = *calls = 0;
	if (out < c->head_len)
		return;
	out -= c->head_len;
	while (*lines < c->lines && c->line[*lines].end <= out)
		*calls += c->line[(*lines)++].calls;
}

static void settle(struct sink *s, const struct chunk *c, size_t out)
{
	uint64_t lines, calls;
	struct sink_state *st;

	measure(c, out, &lines, &calls);
	pthread_mutex_lock(&s->lock);
	st = mark_begin(s);
	st->intent = 0;
	st->out_lines += c->lines;
	st->out_calls += c->calls;
	st->lost_lines += c->lines - lines;
	st->lost_calls += c->calls - calls;
	if (c->head_len && out >= c->head_len) {
		st->said_lines += c->head_lines;
		st->said_calls += c->head_calls;
	}
	mark_commit(s);
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_add(&s->arena->lost, c->lines - lines);
}

static void set_failing(struct sink *s, bool fails, const char *why)
{
	bool was;

	pthread_mutex_lock(&s->lock);
	was = s->failing;
	s->failing = fails;
	pthread_mutex_unlock(&s->lock);
	if (fails && !was)
		sink_say(s, "events cannot be written, what is missing is counted: %s", why);
	if (!fails && was)
		sink_say(s, "events are written again");
}

void sink_fails(struct sink *s, const char *why)
{
	set_failing(s, true, why);
}

static void write_chunk(struct sink *s, struct chunk *c)
{
	struct err e;
	size_t out = 0;
	int r;

	make_head(s, c);
	r = s->kind->write(s, c, &out, &e);
	FAILPOINT("sink.written");
	settle(s, c, out);
	FAILPOINT("sink.settled");
	set_failing(s, r, r ? e.msg : "");
}

static void rotate(struct sink *s)
{
	struct err e;

	if (s->kind->rotate && s->kind->rotate(s, &e))
		sink_say(s, "cannot be opened anew: %s", e.msg);
}

static struct chunk *alloc_chunk(uint64_t lines, size_t used)
{
	struct chunk *c = malloc(sizeof *c + lines * sizeof *c->line + used);

	if (!c)
		return NULL;
	*c = (struct chunk){ .line = (struct batch_line *)(c + 1) };
	c->text = (char *)(c->line + lines);
	return c;
}

static struct chunk *pop(struct sink *s)
{
	struct chunk *c = s->first;

	s->first = c->next;
	if (!s->first)
		s->last = &s->first;
	s->queued -= c->used;
	return c;
}

/* What is queued, as one: at most a batch, or the first. */
static struct chunk *pop_many(struct sink *s)
{
	struct chunk *all;
	uint64_t lines = 0;
	size_t used = 0;

	for (const struct chunk *c = s->first; c && (!used || used + c->used <= BATCH_SIZE);
	     c = c->next) {
		lines += c->lines;
		used += c->used;
	}
	all = lines == s->first->lines ? NULL : alloc_chunk(lines, used);
	if (!all)
		return pop(s);
	while (all->lines < lines) {
		struct chunk *c = pop(s);

		for (uint64_t i = 0; i < c->lines; i++) {
			all->line[all->lines + i] = c->line[i];
			all->line[all->lines + i].end += all->used;
		}
		memcpy(all->text + all->used, c->text, c->used);
		all->used += c->used;
		all->lines += c->lines;
		all->calls += c->calls;
		all->pass = c->pass;
		free(c);
	}
	return all;
}

/* Some kinds wait a little for more. */
static void linger(struct sink *s)
{
	struct timespec until = deadline(s->kind->linger_ns);

	while (!s->stop && s->queued < BATCH_SIZE &&
	       !pthread_cond_timedwait(&s->work, &s->lock, &until))
		continue;
}

static void *run(void *arg)
{
	struct sink *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct chunk *c = NULL;
		bool turn = s->rotate;

		if (!turn && !s->first && s->stop)
			break;
		if (!turn && !s->first) {
			pthread_cond_wait(&s->work, &s->lock);
			continue;
		}
		s->rotate = false;
		if (!turn && s->kind->linger_ns)
			linger(s);
		if (!turn && s->first)
			c = s->kind->linger_ns ? pop_many(s) : pop(s);
		s->busy = c; /* not for a rotation: what comes meanwhile waits for it */
		pthread_mutex_unlock(&s->lock);
		if (turn)
			rotate(s);
		if (c)
			write_chunk(s, c);
		free(c);
		pthread_mutex_lock(&s->lock);
		s->busy = false;
		pthread_cond_broadcast(&s->idle);
	}
	s->ended = true;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- the journal's side --- */

/* The batch lies in memory that others may write to: what it says of itself is read once. */
static struct chunk *new_chunk(const struct batch *b, uint32_t n, uint32_t used)
{
	struct chunk *c = n <= BATCH_LINES && used <= BATCH_SIZE ? alloc_chunk(n, used) : NULL;

	if (!c)
		return NULL;
	c->pass = b->pass;
	c->lines = n;
	c->used = used;
	memcpy(c->line, b->line, n * sizeof *c->line);
	memcpy(c->text, b->text, used);
	for (uint32_t i = 0; i < n; i++) {
		if (c->line[i].end > used || c->line[i].end < (i ? c->line[i - 1].end : 0) + 1) {
			free(c);
			return NULL;
		}
		c->calls += c->line[i].calls;
	}
	return c;
}

/* Takes the batch, or counts it as lost when the queue has no room. again: it was offered before.
 */
static bool take(struct sink *s, const struct batch *b, bool again)
{
	bool full = s->regular ? s->busy || s->first : s->queued + b->used > s->config.queue;
	struct chunk *c = full ? NULL : new_chunk(b, b->n, b->used);
	struct sink_state *st = mark_begin(s);

	st->given = b->pass;
	if (!again) {
		st->lines += b->n;
		st->calls += b->calls;
	}
	if (c) {
		st->queued = b->pass;
	} else {
		st->out_lines += b->n;
		st->out_calls += b->calls;
		st->lost_lines += b->n;
		st->lost_calls += b->calls;
		atomic_fetch_add(&s->arena->lost, b->n);
	}
	mark_commit(s);
	if (c) {
		*s->last = c;
		s->last = &c->next;
		s->queued += c->used;
		pthread_cond_signal(&s->work);
	}
	return c;
}

static void give(struct sink *s, const struct batch *b, bool again)
{
	bool taken, was;

	pthread_mutex_lock(&s->lock);
	taken = take(s, b, again);
	was = s->failing;
	s->failing |= !taken;
	pthread_mutex_unlock(&s->lock);
	FAILPOINT("sink.given");
	if (!taken && !was)
		sink_say(s, "is too slow; what it misses is counted");
}

/* Until the thread has nothing to do, or (if it was told to stop) has ended. */
static bool wait_idle(struct sink *s, const struct timespec *until)
{
	bool done;

	pthread_mutex_lock(&s->lock);
	while ((s->stop ? !s->ended : s->busy || s->first) &&
	       !pthread_cond_timedwait(&s->idle, &s->lock, until))
		continue;
	done = s->stop ? s->ended : !s->busy && !s->first;
	pthread_mutex_unlock(&s->lock);
	return done;
}

void sinks_give(struct sinks *all)
{
	const struct batch *b = &all->opts.arena->batch;
	struct timespec until = deadline(SINK_WAIT_NS);

	for (int i = 0; i < all->n; i++)
		give(&all->sink[i], b, false);
	for (int i = 0; i < all->n; i++)
		if (all->sink[i].regular)
			wait_idle(&all->sink[i], &until);
}

void sinks_rotate(struct sinks *all)
{
	for (int i = 0; i < all->n; i++) {
		struct sink *s = &all->sink[i];

		pthread_mutex_lock(&s->lock);
		s->rotate = true;
		pthread_cond_signal(&s->work);
		pthread_mutex_unlock(&s->lock);
	}
}

bool sink_pause(struct sink *s, uint64_t ns)
{
	struct timespec until = deadline(ns);
	bool stop;

	pthread_mutex_lock(&s->lock);
	while (!s->stop && !pthread_cond_timedwait(&s->work, &s->lock, &until))
		continue;
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return !stop;
}

int sinks_status(struct sinks *all, struct sink_status out[ARENA_SINKS])
{
	for (int i = 0; i < all->n; i++) {
		struct sink *s = &all->sink[i];
		const struct sink_state *st;

		pthread_mutex_lock(&s->lock);
		st = mark_now(s);
		out[i] = (struct sink_status){ .type = s->config.type,
					       .failing = s->failing,
					       .lines = st->lines,
					       .lost_lines = st->lost_lines,
					       .queued_bytes = s->queued };
		pthread_mutex_unlock(&s->lock);
	}
	return all->n;
}

/* --- the beginning --- */

static uint64_t key_of(const struct sink_config *c)
{
	const char *const texts[] = { sink_word(c->type), c->path ? c->path : "",
				      c->url ? c->url : "" };
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a, with the texts' ends */

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (size_t k = 0; k <= strlen(texts[i]); k++)
			h = (h ^ (unsigned char)texts[i][k]) * 0x100000001b3ULL;
	return h | 1;
}

/* What the write in a dead scribe's hand came to. */
static void finish_intent(struct sink *s, struct sink_state *st)
{
	int whole = s->kind->recover ? s->kind->recover(s, st) : 0;

	if (whole == 1) {
		st->out_lines += st->intent_lines;
		st->out_calls += st->intent_calls;
		st->said_lines += st->head_lines;
		st->said_calls += st->head_calls;
	}
	st->intent = 0;
}

/* Where a dead scribe was: what it had begun to write is looked at; the last batch, if this sink
 * does not have it, is given again; what else had waited in its queue is lost, and counted. */
static void recover(struct sink *s)
{
	const struct arena *a = s->arena;
	const struct batch *b = &a->batch;
	bool true_batch = b->pass && b->pass == atomic_load(&a->pass) && b->n, again;
	struct sink_state *st = mark_begin(s);
	uint64_t lines, calls;

	if (st->intent)
		finish_intent(s, st);
	again = true_batch && st->queued == b->pass && st->lines - st->out_lines >= b->n;
	lines = st->lines - st->out_lines - (again ? b->n : 0);
	calls = st->calls - st->out_calls - (again ? b->calls : 0);
	st->out_lines += lines;
	st->out_calls += calls;
	st->lost_lines += lines;
	st->lost_calls += calls;
	mark_commit(s);
	if (lines)
		sink_say(s, "%llu lines that had waited are lost", (unsigned long long)lines);
	if (again || (true_batch && st->given < b->pass))
		give(s, b, again);
}

static void take_mark(struct sink *s, int i)
{
	s->mark = &s->arena->marks[i];
	if (s->mark->key == key_of(&s->config))
		return;
	memset(s->mark, 0, sizeof *s->mark);
	s->mark->half[0].given = atomic_load(&s->arena->pass);
	s->mark->key = key_of(&s->config);
}

static void init_sync(struct sink *s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, &attr);
	pthread_cond_init(&s->idle, &attr);
	pthread_condattr_destroy(&attr);
}

static void init_sink(struct sinks *all, int i, const struct sink_config *c)
{
	struct sink *s = &all->sink[i];
	const char *what = c->path ? c->path : c->url;

	*s = (struct sink){ .kind = kinds[c->type], .config = *c, .all = all, .fd = -1 };
	s->arena = all->opts.arena;
	s->last = &s->first;
	snprintf(s->name, sizeof s->name, "%s%s%s", sink_word(c->type), what ? " " : "",
		 what ? what : "");
	init_sync(s);
}

/* Its signals are for others; SIGSYS is isolate.h's. */
static int start_thread(struct sink *s, struct err *e)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->started = !r;
	return r ? err_set(e, r, "start a sink's thread") : 0;
}

static int open_sink(struct sinks *all, int i, struct err *e)
{
	struct sink *s = &all->sink[i];
	int r;

	take_mark(s, i);
	r = s->kind->open(s, false, e);
	if (r)
		return r;
	recover(s);
	return start_thread(s, e);
}

int sinks_open(const struct sinks_opts *o, struct sinks **out, struct err *e)
{
	struct timespec until = deadline(SINK_WAIT_NS);
	struct sinks *all = calloc(1, sizeof *all);
	int r = 0;

	if (!all)
		return err_set(e, ENOMEM, "open the outputs of events");
	all->opts = *o;
	for (int i = 0; !r && i < o->n; i++) {
		init_sink(all, i, &o->configs[i]);
		all->n++;
		r = open_sink(all, i, e);
	}
	if (r) {
		sinks_close(all);
		return r;
	}
	for (int i = 0; i < all->n; i++)
		if (all->sink[i].regular)
			wait_idle(&all->sink[i], &until);
	*out = all;
	return 0;
}

int sinks_check(int n, const struct sink_config *configs, struct err *e)
{
	struct sinks *all = calloc(1, sizeof *all);
	int r = 0;

	if (!all)
		return err_set(e, ENOMEM, "open the outputs of events");
	for (int i = 0; !r && i < n; i++) {
		init_sink(all, i, &configs[i]);
		r = all->sink[i].kind->open(&all->sink[i], true, e);
	}
	free(all);
	return r;
}

/* What it did not get, and was not told of. */
static void say_missing(struct sink *s)
{
	const struct sink_state *st = mark_now(s);
	uint64_t n = st->lines - st->out_lines + st->lost_lines - st->said_lines;

	if (n)
		sink_say(s, "%llu lines are missing in it at the end", (unsigned long long)n);
}

/* A thread that is stuck in a write stays behind; so does what it uses. */
void sinks_close(struct sinks *all)
{
	struct timespec until = deadline(SINK_STOP_NS);
	bool stuck = false;

	if (!all)
		return;
	for (int i = 0; i < all->n; i++) {
		struct sink *s = &all->sink[i];

		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_cond_signal(&s->work);
		pthread_mutex_unlock(&s->lock);
	}
	for (int i = 0; i < all->n; i++) {
		struct sink *s = &all->sink[i];

		bool ended = !s->started || wait_idle(s, &until);

		if (s->started)
			say_missing(s);
		stuck |= !ended;
		if (!ended)
			continue;
		if (s->started)
			pthread_join(s->thread, NULL);
		s->kind->close(s);
	}
	if (!stuck)
		free(all);
}

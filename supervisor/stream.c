/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c - see stream.h.
 *
 * Positions count bytes ever pushed, as in lane.h. An entry is a head, the texts that filters look
 * at and the line, contiguous; one that would wrap goes to the ring's start. A subscriber is a
 * position: what an entry that is overwritten was to each subscriber behind it is counted there and
 * then, so a push costs the same however many lines are kept. */
#include "stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "warder/own.h"

#define TEXT_MAX 256

enum text { TYPE, CONTAINER, NAME, SYSCALL, VERDICT, MODE, TEXTS };

struct entry {
	uint32_t size; /* whole; the next one follows */
	uint32_t len;  /* of the line; 0: filler up to the ring's end */
	uint64_t calls;
	uint16_t text[TEXTS]; /* where each begins, from the entry's start */
	uint32_t line;
};

struct wanted {
	char type[TEXT_MAX], container[TEXT_MAX], syscall[TEXT_MAX], verdict[TEXT_MAX],
		mode[TEXT_MAX];
};

struct subscriber {
	struct subscriber *next;
	struct stream *stream;
	struct wanted wanted; /* "": all */
	bool follow, waits;
	uint64_t pos, end; /* end: where one that does not follow stops */
	uint64_t lost_lines, lost_calls;
	void (*wake)(void *ctx);
	void *ctx;
};

struct stream {
	pthread_mutex_t lock;
	struct subscriber *subscribers;
	unsigned n_subscribers;
	uint64_t lost;
	bool ended;
	size_t size; /* of the ring */
	uint64_t head, tail;
	char *ring;
};

int stream_new(size_t bytes, struct stream **out, struct err *e)
{
	struct stream *s = calloc(1, sizeof *s);

	if (s)
		s->ring = malloc(bytes);
	if (!s || !s->ring) {
		free(s);
		return err_set(e, ENOMEM, "make the stream of events");
	}
	s->size = bytes & ~7UL;
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->ring);
	free(s);
}

static const struct entry *entry_at(const struct stream *s, uint64_t pos)
{
	return (const struct entry *)(const void *)(s->ring + pos % s->size);
}

static const char *text_of(const struct entry *en, enum text t)
{
	return (const char *)en + en->text[t];
}

static bool is_wanted(const char *wanted, const char *text)
{
	return !*wanted || !strcmp(wanted, text);
}

static bool matches(const struct subscriber *sub, const struct entry *en)
{
	const struct wanted *w = &sub->wanted;

	return en->len && is_wanted(w->type, text_of(en, TYPE)) &&
	       (is_wanted(w->container, text_of(en, CONTAINER)) ||
		is_wanted(w->container, text_of(en, NAME))) &&
	       is_wanted(w->syscall, text_of(en, SYSCALL)) &&
	       is_wanted(w->verdict, text_of(en, VERDICT)) && is_wanted(w->mode, text_of(en, MODE));
}

/* The oldest entry goes. */
static void forget_one(struct stream *s)
{
	const struct entry *en = entry_at(s, s->tail);

	for (struct subscriber *sub = s->subscribers; sub; sub = sub->next) {
		if (sub->pos != s->tail)
			continue;
		sub->pos += en->size;
		if (matches(sub, en) && (sub->follow || s->tail < sub->end)) {
			sub->lost_lines++;
			sub->lost_calls += en->calls;
			s->lost++;
		}
	}
	s->tail += en->size;
}

static struct entry *make_room(struct stream *s, size_t size)
{
	size_t to_end = s->size - s->head % s->size, filler = size > to_end ? to_end : 0;

	while (s->head + filler + size - s->tail > s->size)
		forget_one(s);
	if (filler) { /* at least 8 bytes: size and len */
		struct entry *en = (struct entry *)(void *)(s->ring + s->head % s->size);

		en->size = (uint32_t)filler;
		en->len = 0;
		s->head += filler;
	}
	return (struct entry *)(void *)(s->ring + s->head % s->size);
}

static void wake_all(struct stream *s)
{
	for (struct subscriber *sub = s->subscribers; sub; sub = sub->next) {
		if (!sub->waits)
			continue;
		sub->waits = false;
		if (sub->wake)
			sub->wake(sub->ctx);
	}
}

static void wake_matching(struct stream *s, const struct entry *en)
{
	for (struct subscriber *sub = s->subscribers; sub; sub = sub->next) {
		if (!sub->waits || !matches(sub, en))
			continue;
		sub->waits = false;
		if (sub->wake)
			sub->wake(sub->ctx);
	}
}

void stream_push(struct stream *s, const struct event *ev, const char *line, size_t len)
{
	const char *texts[TEXTS] = { [TYPE] = event_type_word(ev->type),
				     [CONTAINER] = ev->container,
				     [NAME] = ev->name,
				     [SYSCALL] = ev->syscall,
				     [VERDICT] = ev->verdict,
				     [MODE] = ev->mode };
	size_t lens[TEXTS], at = sizeof(struct entry), size;
	struct entry *en;

	for (int t = 0; t < TEXTS; t++) {
		lens[t] = texts[t] ? strnlen(texts[t], TEXT_MAX - 1) : 0;
		at += lens[t] + 1;
	}
	size = (at + len + 7) & ~7UL;
	pthread_mutex_lock(&s->lock);
	if (size <= s->size / 2) {
		en = make_room(s, size);
		*en = (struct entry){ .size = (uint32_t)size,
				      .len = (uint32_t)len,
				      .calls = event_calls(ev),
				      .line = (uint32_t)at };
		at = sizeof *en;
		for (int t = 0; t < TEXTS; t++) {
			char *to = (char *)en + at;

			en->text[t] = (uint16_t)at;
			memcpy(to, texts[t] ? texts[t] : "", lens[t]);
			to[lens[t]] = 0;
			at += lens[t] + 1;
		}
		memcpy((char *)en + en->line, line, len);
		s->head += size;
		wake_matching(s, en);
	}
	pthread_mutex_unlock(&s->lock);
}

static void want(char to[TEXT_MAX], const char *from)
{
	snprintf(to, TEXT_MAX, "%s", from ? from : "");
}

static int check_filter(const struct stream_filter *f, struct err *e)
{
	if (f->type && event_type_of(f->type) < 0)
		return err_set(e, EINVAL,
			       "type: \"%s\" is no type of event (call, suppressed, session_start, "
			       "session_end, lost)",
			       f->type);
	if (f->verdict && strcmp(f->verdict, "allow") != 0 && strcmp(f->verdict, "deny") != 0 &&
	    strcmp(f->verdict, "kill") != 0)
		return err_set(e, EINVAL, "verdict: \"%s\" is no verdict (allow, deny, kill)",
			       f->verdict);
	if (f->mode && strcmp(f->mode, "audit") != 0 && strcmp(f->mode, "enforce") != 0 &&
	    strcmp(f->mode, "record") != 0)
		return err_set(e, EINVAL, "mode: \"%s\" is no mode (audit, enforce, record)",
			       f->mode);
	return 0;
}

int stream_subscribe(struct stream *s, const struct stream_filter *f, bool follow,
		     void (*wake)(void *ctx), void *ctx, struct subscriber **out, struct err *e)
{
	struct subscriber *sub;
	int r = f ? check_filter(f, e) : 0;

	if (r)
		return r;
	sub = calloc(1, sizeof *sub);
	if (!sub)
		return err_set(e, ENOMEM, "subscribe to events");
	if (f) {
		want(sub->wanted.type, f->type);
		want(sub->wanted.container, f->container);
		want(sub->wanted.syscall, f->syscall);
		want(sub->wanted.verdict, f->verdict);
		want(sub->wanted.mode, f->mode);
	}
	sub->stream = s;
	sub->follow = follow;
	sub->wake = wake;
	sub->ctx = ctx;
	pthread_mutex_lock(&s->lock);
	if (s->n_subscribers == STREAM_SUBSCRIBERS) {
		r = err_set(e, EMFILE, "%d readers follow the events already", STREAM_SUBSCRIBERS);
		free(sub);
	} else {
		sub->pos = s->tail;
		sub->end = s->head;
		sub->next = s->subscribers;
		s->subscribers = sub;
		s->n_subscribers++;
		*out = sub;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void stream_unsubscribe(struct subscriber *sub)
{
	struct stream *s;

	if (!sub)
		return;
	s = sub->stream;
	pthread_mutex_lock(&s->lock);
	for (struct subscriber **at = &s->subscribers; *at; at = &(*at)->next)
		if (*at == sub) {
			*at = sub->next;
			s->n_subscribers--;
			break;
		}
	pthread_mutex_unlock(&s->lock);
	free(sub);
}

/* The "lost" line that stands where overtaken ones were. */
static size_t put_lost(struct subscriber *sub, char *buf, size_t size)
{
	struct timespec t;
	struct event ev = { .type = EVENT_LOST, .uid = -1, .gid = -1 };

	clock_gettime(CLOCK_REALTIME, &t);
	ev.time_ns = (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
	ev.count = sub->lost_calls;
	ev.lines = sub->lost_lines;
	sub->lost_calls = sub->lost_lines = 0;
	return event_format(&ev, buf, size);
}

static long read_locked(struct subscriber *sub, char *buf, size_t size)
{
	struct stream *s = sub->stream;
	size_t used = sub->lost_lines ? put_lost(sub, buf, size) : 0;
	uint64_t end = sub->follow ? s->head : sub->end;

	while (sub->pos < end) {
		const struct entry *en = entry_at(s, sub->pos);

		if (matches(sub, en)) {
			if (en->len > size - used)
				break;
			memcpy(buf + used, (const char *)en + en->line, en->len);
			used += en->len;
		}
		sub->pos += en->size;
	}
	if (used)
		return (long)used;
	if (!sub->follow || s->ended)
		return -1;
	sub->waits = true;
	return 0;
}

long stream_read(struct subscriber *sub, char *buf, size_t size)
{
	long n;

	pthread_mutex_lock(&sub->stream->lock);
	n = read_locked(sub, buf, size);
	pthread_mutex_unlock(&sub->stream->lock);
	return n;
}

void stream_end(struct stream *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	wake_all(s);
	pthread_mutex_unlock(&s->lock);
}

void stream_count(struct stream *s, unsigned *readers, uint64_t *lost)
{
	pthread_mutex_lock(&s->lock);
	*readers = s->n_subscribers;
	*lost = s->lost;
	pthread_mutex_unlock(&s->lock);
}

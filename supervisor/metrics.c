/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - see metrics.h. */
#include "metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"

#define TRIES 8

/* Which of a lane's words are verdicts, and how they are called in a label. */
#define VERDICTS(X) \
	X(allowed)  \
	X(audited)  \
	X(denied)   \
	X(killed)   \
	X(starting) \
	X(stale)

#define X(name) { LANE_##name, #name },
static const struct {
	enum lane_word word;
	const char *label;
} verdicts[] = { VERDICTS(X) };
#undef X

struct snapshot {
	const struct arena *arena;
	struct stream *stream;
	uint64_t words[LANE_N_WORDS]; /* of all sessions ever */
	uint64_t queued;              /* bytes of records that wait for the journal */
	uint64_t modes[MODE_COUNT];
	uint64_t living;
	struct sums sums;
};

struct family {
	const char *name, *type, *unit, *help; /* unit "": none */
	void (*put)(FILE *to, const char *name, const struct snapshot *s);
};

/* In a label only these three are special; what a container wrote there must not end it. */
static void put_label(FILE *to, const char *text, size_t size)
{
	for (size_t i = 0; i < size && text[i];) {
		size_t n = err_printable(text + i);

		if (n > size - i)
			n = 0;
		if (!n)
			fprintf(to, "\\\\x%02x", (unsigned char)text[i]);
		else if (text[i] == '"' || text[i] == '\\')
			fprintf(to, "\\%c", text[i]);
		else
			fwrite(text + i, 1, n, to);
		i += n ? n : 1;
	}
}

static void put_number(FILE *to, const char *name, const char *suffix, uint64_t n)
{
	fprintf(to, "%s%s %llu\n", name, suffix, (unsigned long long)n);
}

static void put_build(FILE *to, const char *name, const struct snapshot *s)
{
	(void)s;
	fprintf(to, "%s_info{version=\"" WARDER_VERSION "\"} 1\n", name);
}

static void put_sessions(FILE *to, const char *name, const struct snapshot *s)
{
	for (int m = 0; m < MODE_COUNT; m++)
		fprintf(to, "%s{mode=\"%s\"} %llu\n", name, mode_word((enum mode)m),
			(unsigned long long)s->modes[m]);
}

static void put_started(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "_total", atomic_load(&s->arena->handovers));
}

static void put_notifications(FILE *to, const char *name, const struct snapshot *s)
{
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		fprintf(to, "%s_total{verdict=\"%s\"} %llu\n", name, verdicts[i].label,
			(unsigned long long)s->words[verdicts[i].word]);
}

static void put_events(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "_total", s->words[LANE_events]);
}

static void put_dropped(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "_total", s->words[LANE_dropped]);
}

static void put_lost(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "_total", atomic_load(&s->arena->lost));
}

static void put_lines(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "_total", s->sums.lines);
}

static void put_folded(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "_total", s->sums.folded);
}

static void put_suppressed(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "_total", s->sums.suppressed);
}

static void put_latency(FILE *to, const char *name, const struct snapshot *s)
{
	uint64_t n = 0;

	for (int i = 0; i < LATENCY_BUCKETS; i++) {
		n += s->sums.latency[i];
		if (i < LATENCY_BUCKETS - 1)
			fprintf(to, "%s_bucket{le=\"%.9g\"} %llu\n", name,
				(double)(1ULL << (i + 10)) / 1e9, (unsigned long long)n);
	}
	fprintf(to, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)n);
	fprintf(to, "%s_count %llu\n", name, (unsigned long long)n);
	fprintf(to, "%s_sum %.9f\n", name, (double)s->sums.latency_ns / 1e9);
}

static void put_queue(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "", s->queued);
}

static void put_restarts(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "_total", atomic_load(&s->arena->restarts));
}

static void put_readers(FILE *to, const char *name, const struct snapshot *s)
{
	uint64_t lost;
	unsigned readers = 0;

	if (s->stream)
		stream_count(s->stream, &readers, &lost);
	put_number(to, name, "", readers);
}

static void put_overtaken(FILE *to, const char *name, const struct snapshot *s)
{
	uint64_t lost = 0;
	unsigned readers;

	if (s->stream)
		stream_count(s->stream, &readers, &lost);
	put_number(to, name, "_total", lost);
}

static void put_unlisted(FILE *to, const char *name, const struct snapshot *s)
{
	put_number(to, name, "", s->living > METRICS_SERIES ? s->living - METRICS_SERIES : 0);
}

static uint32_t high(const struct arena *a)
{
	uint32_t n = atomic_load(&a->high);

	return n < ARENA_SESSIONS ? n : ARENA_SESSIONS;
}

static void put_session(FILE *to, const char *name, const struct block *b)
{
	uint64_t words[LANE_N_WORDS];

	lane_read(&b->lane, words);
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		fprintf(to, "%s_total{session=\"%llu\",container=\"", name,
			(unsigned long long)b->number);
		put_label(to, b->id, sizeof b->id);
		fputs("\",namespace=\"", to);
		put_label(to, b->namespace, sizeof b->namespace);
		fputs("\",pod=\"", to);
		put_label(to, b->pod, sizeof b->pod);
		fprintf(to, "\",verdict=\"%s\"} %llu\n", verdicts[i].label,
			(unsigned long long)words[verdicts[i].word]);
	}
}

static int by_number(const void *left, const void *right)
{
	const struct block *const *l = left, *const *r = right;

	return (*l)->number < (*r)->number ? -1 : (*l)->number > (*r)->number;
}

/* The oldest ones, so that a series goes on as long as its session does. */
static void put_each(FILE *to, const char *name, const struct snapshot *s)
{
	auto_free const struct block **list = calloc(ARENA_SESSIONS, sizeof(void *));
	size_t n = 0;

	for (uint32_t i = 0; list && i < high(s->arena); i++)
		if (atomic_load(&s->arena->blocks[i].state) == BLOCK_LIVE)
			list[n++] = &s->arena->blocks[i];
	if (!n)
		return;
	qsort(list, n, sizeof(void *), by_number);
	for (size_t i = 0; i < n && i < METRICS_SERIES; i++)
		put_session(to, name, list[i]);
}

static const struct family families[] = {
	{ "warder_build", "info", "", "The version that runs.", put_build },
	{ "warder_sessions", "gauge", "", "Sessions that are alive, by mode.", put_sessions },
	{ "warder_sessions_unlisted", "gauge", "",
	  "Living sessions without series of their own, beyond the limit.", put_unlisted },
	{ "warder_sessions_started", "counter", "", "Hand-overs ever taken.", put_started },
	{ "warder_notifications", "counter", "", "Calls that were notified, by what was done.",
	  put_notifications },
	{ "warder_session_notifications", "counter", "", "The same of single sessions.", put_each },
	{ "warder_events", "counter", "", "Calls that made an event.", put_events },
	{ "warder_events_dropped", "counter", "",
	  "Of these, calls whose record found no room because the journal was behind.",
	  put_dropped },
	{ "warder_events_lost", "counter", "", "Event lines that could not be written.", put_lost },
	{ "warder_event_lines", "counter", "", "Event lines made.", put_lines },
	{ "warder_events_folded", "counter", "",
	  "Calls that share an event line with identical ones.", put_folded },
	{ "warder_events_suppressed", "counter", "",
	  "Calls that were over their session's budget of event lines.", put_suppressed },
	{ "warder_reply_latency_seconds", "histogram", "seconds",
	  "From receiving a call to answering it, of calls that made an event.", put_latency },
	{ "warder_queue_bytes", "gauge", "bytes", "Records that wait for the journal.", put_queue },
	{ "warder_stream_readers", "gauge", "", "Readers of the event stream.", put_readers },
	{ "warder_stream_lost", "counter", "",
	  "Event lines that slow readers of the stream did not get.", put_overtaken },
	{ "warder_worker_restarts", "counter", "", "Times that a worker took over from a dead one.",
	  put_restarts },
};

static void add_block(struct snapshot *s, const struct block *b, uint64_t counted)
{
	uint32_t state = atomic_load(&b->state), mode = atomic_load(&b->mode);
	uint64_t words[LANE_N_WORDS], tail;

	if (state == BLOCK_FREE || (counted && b->number == counted))
		return;
	tail = atomic_load(&b->lane.tail); /* before the head: never more read than written */
	lane_read(&b->lane, words);
	for (int w = 0; w < LANE_N_WORDS; w++)
		s->words[w] += words[w];
	s->queued += words[LANE_head] - tail;
	if (state == BLOCK_LIVE && mode < MODE_COUNT) {
		s->modes[mode]++;
		s->living++;
	}
}

/* A session that ends goes from its block to the totals: if that happened while we added up, we do
 * it again, so that it is in the sum once. */
static void add_up(struct snapshot *s)
{
	const struct arena *a = s->arena;
	uint64_t current, after = atomic_load(&a->totals_current);
	const struct totals *t;
	int tries = 0;

	do {
		current = after;
		t = &a->totals[current & 1];
		memcpy(s->words, t->word, sizeof s->words);
		memset(s->modes, 0, sizeof s->modes);
		s->queued = s->living = 0;
		for (uint32_t i = 0; i < high(a); i++)
			add_block(s, &a->blocks[i], t->number);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load(&a->totals_current);
	} while (after != current && ++tries < TRIES);
}

static void put_family(FILE *to, const struct family *f, const struct snapshot *s)
{
	fprintf(to, "# TYPE %s %s\n", f->name, f->type);
	if (*f->unit)
		fprintf(to, "# UNIT %s %s\n", f->name, f->unit);
	fprintf(to, "# HELP %s %s\n", f->name, f->help);
	f->put(to, f->name, s);
}

int metrics_text(const struct arena *a, struct stream *stream, char **text, size_t *len,
		 struct err *e)
{
	struct snapshot s = { .arena = a, .stream = stream };
	char *buf = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&buf, &n);
	bool bad;

	if (!to)
		return err_set(e, ENOMEM, "write the metrics");
	add_up(&s);
	sums_read(a, &s.sums);
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		put_family(to, &families[i], &s);
	fputs("# EOF\n", to);
	bad = ferror(to);
	if (fclose(to) || bad) {
		free(buf);
		return err_set(e, ENOMEM, "write the metrics");
	}
	*text = buf;
	*len = n;
	return 0;
}

const char *metrics_family(size_t index)
{
	return index < ARRAY_LEN(families) ? families[index].name : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c - readers of the stream: filters, order, slow ones overtaken and told, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "../../supervisor/stream.h"
#include "warder/own.h"

#define BYTES (64UL * 1024)

static struct stream *new_stream(size_t bytes)
{
	struct stream *s;
	struct err e;

	assert_int_equal(stream_new(bytes, &s, &e), 0);
	return s;
}

static void push(struct stream *s, uint64_t seq, const char *container, const char *syscall,
		 uint64_t count)
{
	struct event ev = { .type = EVENT_CALL,
			    .seq = seq,
			    .container = container,
			    .name = "pretty",
			    .mode = "enforce",
			    .syscall = syscall,
			    .verdict = "deny",
			    .uid = -1,
			    .gid = -1,
			    .count = count };
	char line[EVENT_LINE_MAX];
	size_t n = event_format(&ev, line, sizeof line);

	assert_true(n > 0);
	stream_push(s, &ev, line, n);
}

static struct subscriber *subscribe(struct stream *s, const struct stream_filter *f, bool follow)
{
	struct subscriber *sub;
	struct err e;

	assert_int_equal(stream_subscribe(s, f, follow, NULL, NULL, &sub, &e), 0);
	return sub;
}

struct got {
	long lines, order;
	uint64_t calls, last, lost_lines, lost_calls;
};

static void take_line(struct got *g, const char *line, size_t len)
{
	static char text[EVENT_LINE_MAX];
	struct event ev;
	struct err e;

	if (event_parse(line, len, &ev, text, sizeof text, &e))
		fail_msg("%s", e.msg);
	if (ev.type == EVENT_LOST) {
		g->lost_calls += ev.count;
		g->lost_lines += ev.lines;
		return;
	}
	g->lines++;
	g->calls += event_calls(&ev);
	g->order += ev.seq <= g->last;
	g->last = ev.seq;
}

/* What is there now; returns the last stream_read(). */
static long read_all(struct subscriber *sub, struct got *g)
{
	static char buf[EVENT_LINE_MAX * 2];
	long n;

	while ((n = stream_read(sub, buf, sizeof buf)) > 0) {
		for (char *end, *p = buf; p < buf + n; p = end + 1) {
			end = memchr(p, '\n', (size_t)(buf + n - p));
			assert_non_null(end);
			take_line(g, p, (size_t)(end - p) + 1);
		}
	}
	return n;
}

static void test_recent(void **state)
{
	struct stream *s = new_stream(BYTES);
	struct subscriber *sub;
	struct got g = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		push(s, i, "c1", "unshare", i);
	sub = subscribe(s, NULL, false);
	push(s, 11, "c1", "unshare", 1);
	assert_int_equal(read_all(sub, &g), -1);
	assert_int_equal(g.lines, 10);
	assert_int_equal(g.calls, 55);
	assert_int_equal(g.order, 0);
	stream_unsubscribe(sub);
	stream_free(s);
}

static void test_filters(void **state)
{
	static const struct {
		struct stream_filter f;
		long lines;
	} rows[] = {
		{ { 0 }, 4 },
		{ { .container = "c1" }, 3 },
		{ { .container = "pretty" }, 4 },
		{ { .container = "c" }, 0 },
		{ { .syscall = "mount" }, 2 },
		{ { .syscall = "mount", .container = "c2" }, 1 },
		{ { .type = "call" }, 4 },
		{ { .type = "lost" }, 0 },
		{ { .verdict = "deny" }, 4 },
		{ { .verdict = "kill" }, 0 },
		{ { .mode = "enforce" }, 4 },
		{ { .mode = "audit" }, 0 },
	};
	struct stream *s = new_stream(BYTES);

	(void)state;
	push(s, 1, "c1", "unshare", 1);
	push(s, 2, "c1", "mount", 1);
	push(s, 3, "c2", "mount", 1);
	push(s, 4, "c1", NULL, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct subscriber *sub = subscribe(s, &rows[i].f, false);
		struct got g = { 0 };

		read_all(sub, &g);
		assert_int_equal(g.lines, rows[i].lines);
		stream_unsubscribe(sub);
	}
	stream_free(s);
}

static void test_bad_filters(void **state)
{
	static const struct {
		struct stream_filter f;
		const char *says;
	} rows[] = {
		{ { .type = "calls" }, "type: \"calls\" is no type of event" },
		{ { .verdict = "no" }, "verdict: \"no\" is no verdict" },
		{ { .mode = "x" }, "mode: \"x\" is no mode" },
	};
	struct stream *s = new_stream(BYTES);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct subscriber *sub;
		struct err e;

		assert_int_equal(stream_subscribe(s, &rows[i].f, true, NULL, NULL, &sub, &e),
				 -EINVAL);
		assert_non_null(strstr(e.msg, rows[i].says));
	}
	stream_free(s);
}

static void count_wake(void *ctx)
{
	++*(_Atomic int *)ctx;
}

/* Woken once, only by what it wants, and only if it had read all. */
static void test_wakes(void **state)
{
	const struct stream_filter f = { .container = "c1" };
	struct stream *s = new_stream(BYTES);
	struct subscriber *sub;
	struct got g = { 0 };
	_Atomic int wakes = 0;
	struct err e;

	(void)state;
	assert_int_equal(stream_subscribe(s, &f, true, count_wake, &wakes, &sub, &e), 0);
	push(s, 1, "c1", "mount", 1);
	assert_int_equal(wakes, 0);
	assert_int_equal(read_all(sub, &g), 0);
	push(s, 2, "c2", "mount", 1);
	assert_int_equal(wakes, 0);
	push(s, 3, "c1", "mount", 1);
	push(s, 4, "c1", "mount", 1);
	assert_int_equal(wakes, 1);
	assert_int_equal(read_all(sub, &g), 0);
	assert_int_equal(g.lines, 3);
	stream_end(s);
	assert_int_equal(wakes, 2);
	assert_int_equal(read_all(sub, &g), -1);
	stream_unsubscribe(sub);
	stream_free(s);
}

/* A reader that stands still: what it misses is counted to the line, and said where it was. */
static void test_slow(void **state)
{
	struct stream *s = new_stream(16UL * 1024);
	const struct stream_filter f = { .container = "c1" };
	struct subscriber *all = subscribe(s, NULL, true), *some = subscribe(s, &f, true);
	struct got g = { 0 }, h = { 0 };
	uint64_t lost;
	unsigned readers;

	(void)state;
	for (uint64_t i = 1; i <= 3000; i++)
		push(s, i, i % 3 ? "c2" : "c1", "mount", 2);
	assert_int_equal(read_all(all, &g), 0);
	assert_int_equal(read_all(some, &h), 0);
	assert_int_equal(g.lines + (long)g.lost_lines, 3000);
	assert_int_equal(g.calls + g.lost_calls, 6000);
	assert_int_equal(h.lines + (long)h.lost_lines, 1000);
	assert_int_equal(h.calls + h.lost_calls, 2000);
	assert_int_equal(g.order + h.order, 0);
	assert_true(g.lost_lines > 0 && h.lost_lines > 0);
	stream_count(s, &readers, &lost);
	assert_int_equal(readers, 2);
	assert_int_equal(lost, g.lost_lines + h.lost_lines);
	stream_unsubscribe(all);
	stream_unsubscribe(some);
	stream_free(s);
}

static void test_too_many(void **state)
{
	struct stream *s = new_stream(BYTES);
	struct subscriber *subs[STREAM_SUBSCRIBERS], *more;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(subs); i++)
		subs[i] = subscribe(s, NULL, true);
	assert_int_equal(stream_subscribe(s, NULL, true, NULL, NULL, &more, &e), -EMFILE);
	for (size_t i = 0; i < ARRAY_LEN(subs); i++)
		stream_unsubscribe(subs[i]);
	stream_free(s);
}

static void *push_many(void *arg)
{
	for (uint64_t i = 1; i <= 20000; i++)
		push(arg, i, "c1", "mount", 1);
	stream_end(arg);
	return NULL;
}

static void test_threads(void **state)
{
	struct stream *s = new_stream(BYTES);
	struct subscriber *sub = subscribe(s, NULL, true);
	struct got g = { 0 };
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, push_many, s), 0);
	while (read_all(sub, &g) != -1)
		sched_yield();
	pthread_join(t, NULL);
	assert_int_equal(g.lines + (long)g.lost_lines, 20000);
	assert_int_equal(g.order, 0);
	stream_unsubscribe(sub);
	stream_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recent),      cmocka_unit_test(test_filters),
		cmocka_unit_test(test_bad_filters), cmocka_unit_test(test_wakes),
		cmocka_unit_test(test_slow),        cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}

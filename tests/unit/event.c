/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - what is written reads back; every line is clean; the manual names every field. */
#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "warder/event.h"
#include "warder/own.h"

static uint32_t seed = 1;

static uint32_t any(uint32_t n)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % n;
}

/* What a text becomes: bytes that are not printable UTF-8 become U+0000..U+00FF. */
static void mapped(const char *s, char *out)
{
	while (*s) {
		size_t n = err_printable(s);

		if (n) {
			memcpy(out, s, n);
			out += n;
			s += n;
		} else if ((unsigned char)*s < 0x80) {
			*out++ = *s++;
		} else {
			*out++ = (char)(0xc0 | (unsigned char)*s >> 6);
			*out++ = (char)(0x80 | ((unsigned char)*s++ & 0x3f));
		}
	}
	*out = 0;
}

static void random_text(char *s, size_t max)
{
	static const char *const pieces[] = {
		"a",    "\"",           "\\",       "\n",           "\033[31m", "\xc3\xa9",
		"\xff", "\xe2\x80\xae", "\xc2\x9b", "\xed\xa0\x80", "\x7f",     "\xf0\x9f\x98\x80"
	};
	size_t used = 0;

	for (uint32_t n = any(20); n && used + 8 < max; n--) {
		const char *piece = pieces[any(ARRAY_LEN(pieces))];

		strcpy(s + used, piece);
		used += strlen(piece);
	}
	s[used] = 0;
}

static void test_round_trip(void **state)
{
	char comm[200], exe[200], want[600], line[EVENT_LINE_MAX], text[EVENT_LINE_MAX];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct event ev = { .type = EVENT_CALL,
				    .time_ns = 1764000000000000000ULL + seed,
				    .seq = any(1000),
				    .comm = comm,
				    .exe = exe,
				    .syscall = "mkdir",
				    .nr = (int32_t)any(600) - 1,
				    .arch = "x86_64",
				    .mode = "audit",
				    .verdict = "deny",
				    .asked = "errno",
				    .done = (uint8_t)any(DONE_COUNT),
				    .pid = 1 + (int32_t)any(9),
				    .uid = (int32_t)any(3) - 1,
				    .gid = 0,
				    .n_parents = (int)any(EVENT_PARENTS + 1),
				    .latency_ns = any(99999),
				    .count = 1 + any(3),
				    .identity_late = any(2),
				    .unknown = any(2) };
		struct event back;
		struct err e;
		size_t n;

		random_text(comm, sizeof comm);
		random_text(exe, sizeof exe);
		for (int k = 0; k < ev.n_parents; k++)
			ev.parents[k] = (int32_t)any(32768);
		for (int k = 0; k < 6; k++)
			ev.args[k] = (uint64_t)any(1U << 24) << (any(5) * 8);
		n = event_format(&ev, line, sizeof line);
		assert_true(n > 0 && line[n - 1] == '\n');
		for (size_t k = 0; k + 1 < n; k++)
			assert_true((unsigned char)line[k] >= 0x20 && line[k] != 0x7f);
		assert_int_equal(event_parse(line, n, &back, text, sizeof text, &e), 0);
		mapped(comm, want);
		assert_string_equal(back.comm, want);
		mapped(exe, want);
		assert_string_equal(back.exe, want);
		assert_int_equal(back.time_ns, ev.time_ns);
		assert_int_equal(back.nr, ev.nr);
		assert_int_equal(back.uid, ev.uid);
		assert_int_equal(back.done, ev.done);
		assert_int_equal(back.count, ev.count);
		assert_int_equal(back.n_parents, ev.n_parents);
		assert_int_equal(back.identity_late, ev.identity_late);
		assert_int_equal(back.unknown, ev.unknown);
		assert_memory_equal(back.args, ev.args, sizeof ev.args);
		assert_memory_equal(back.parents, ev.parents,
				    sizeof(int32_t) * (size_t)ev.n_parents);
	}
}

static void test_time(void **state)
{
	static const uint64_t seconds[] = { 0,          951782400,  951868799,  1709164800,
					    1764000000, 4107542399, 16725225600 };
	char line[EVENT_LINE_MAX], want[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
		struct event ev = { .type = EVENT_LOST,
				    .time_ns = seconds[i] * 1000000000 + 5,
				    .uid = -1,
				    .gid = -1,
				    .count = 1 };
		time_t t = (time_t)seconds[i];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof want, "{\"time\":\"%Y-%m-%dT%H:%M:%S.000000005Z\"", &tm);
		assert_true(event_format(&ev, line, sizeof line) > 0);
		assert_memory_equal(line, want, strlen(want));
	}
}

static void test_long_texts_are_cut(void **state)
{
	char s[3000], line[EVENT_LINE_MAX], text[EVENT_LINE_MAX];
	struct event ev = { .type = EVENT_CALL,
			    .uid = -1,
			    .gid = -1,
			    .count = 1,
			    .comm = s,
			    .exe = s,
			    .container = s,
			    .name = s,
			    .pod = s,
			    .namespace = s,
			    .policy = s,
			    .message = s },
		     back;
	struct err e;
	size_t n;

	(void)state;
	for (size_t i = 0; i + 4 < sizeof s; i += 3)
		memcpy(s + i, "\xe2\x82\xac", 4);
	n = event_format(&ev, line, sizeof line);
	assert_true(n > 0);
	assert_int_equal(event_parse(line, n, &back, text, sizeof text, &e), 0);
	assert_true(strlen(back.comm) <= EVENT_TEXT_MAX);
	assert_string_equal(back.comm + strlen(back.comm) - 3, "...");
	assert_int_equal(event_format(&ev, line, 100), 0);
}

/* Every text as bad as it can be: the line is written all the same. */
static void test_every_event_fits(void **state)
{
	static const char *const fills[] = { "\001", "\"", "\xff", "\xe2\x80\xae", "a" };
	char s[3000], line[EVENT_LINE_MAX], text[EVENT_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		struct event ev = { .type = EVENT_CALL, .time_ns = UINT64_MAX, .seq = UINT64_MAX },
			     back;
		const char **const texts[] = { &ev.container, &ev.name, &ev.pod,     &ev.namespace,
					       &ev.policy,    &ev.mode, &ev.comm,    &ev.exe,
					       &ev.syscall,   &ev.arch, &ev.verdict, &ev.asked,
					       &ev.error,     &ev.rule, &ev.message, &ev.phase };
		struct err e;
		size_t n;

		s[0] = 0;
		while (strlen(s) + 4 < sizeof s)
			strcat(s, fills[i]);
		for (size_t k = 0; k < ARRAY_LEN(texts); k++)
			*texts[k] = s;
		memset(ev.args, 0xff, sizeof ev.args);
		ev.pid = ev.tid = ev.ns_pid = ev.ns_tid = ev.uid = ev.gid = ev.nr = INT32_MIN;
		ev.n_parents = EVENT_PARENTS;
		for (int k = 0; k < EVENT_PARENTS; k++)
			ev.parents[k] = INT32_MIN;
		ev.latency_ns = ev.count = UINT64_MAX;
		ev.identity_late = ev.unknown = true;
		n = event_format(&ev, line, sizeof line);
		assert_true(n > 0);
		assert_int_equal(event_parse(line, n, &back, text, sizeof text, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "is no time")); /* the year 2554 */
		ev.time_ns = 0;
		n = event_format(&ev, line, sizeof line);
		assert_int_equal(event_parse(line, n, &back, text, sizeof text, &e), 0);
		assert_true(strlen(back.exe) <= EVENT_TEXT_MAX);
		assert_int_equal(back.count, UINT64_MAX);
	}
}

/* One byte more than fits is cut, one that just fits is not. */
static void test_cut_at_the_limit(void **state)
{
	char s[EVENT_TEXT_MAX + 2], line[EVENT_LINE_MAX], text[EVENT_LINE_MAX];
	struct event ev = { .type = EVENT_CALL, .count = 1, .exe = s }, back;
	struct err e;
	size_t n;

	(void)state;
	for (size_t len = EVENT_TEXT_MAX - 8; len <= EVENT_TEXT_MAX + 1; len++) {
		memset(s, 'a', len);
		s[len] = 0;
		n = event_format(&ev, line, sizeof line);
		assert_int_equal(event_parse(line, n, &back, text, sizeof text, &e), 0);
		if (len <= EVENT_TEXT_MAX) {
			assert_string_equal(back.exe, s);
			continue;
		}
		assert_int_equal(strlen(back.exe), EVENT_TEXT_MAX);
		assert_string_equal(back.exe + EVENT_TEXT_MAX - 3, "...");
	}
}

/* Said in full here, since the rest asks err_printable() as the writer does. */
static void test_escapes(void **state)
{
	static const char *const rows[][2] = {
		{ "a\"b\\c/", "a\\\"b\\\\c/" },
		{ "\n\t\033[31m\177", "\\u000a\\u0009\\u001b[31m\\u007f" },
		{ "\xc3\xa9 \xf0\x9f\x98\x80", "\xc3\xa9 \xf0\x9f\x98\x80" },
		{ "\xff\xc3", "\\u00ff\\u00c3" },
		{ "\xc2\x9b", "\\u00c2\\u009b" },
		{ "\xe2\x80\xae", "\\u00e2\\u0080\\u00ae" },
		{ "\xed\xa0\x80", "\\u00ed\\u00a0\\u0080" },
		{ "\xc0\xaf", "\\u00c0\\u00af" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct event ev = { .type = EVENT_LOST, .count = 1, .container = rows[i][0] };
		char line[EVENT_LINE_MAX], want[128];
		size_t n = event_format(&ev, line, sizeof line - 1);

		line[n] = 0;
		snprintf(want, sizeof want, "\"container\":\"%s\",", rows[i][1]);
		if (!strstr(line, want))
			fail_msg("row %zu: %s", i, line);
	}
}

static void test_bad_lines(void **state)
{
	static const char *const bad[][2] = {
		{ "", "event:1:1" },
		{ "{}", "\"type\" is missing" },
		{ "[]", "must be an object" },
		{ "{\"type\":\"what\"}", "type: unknown word" },
		{ "{\"type\":\"call\",\"time\":\"yesterday\"}", "time: \"yesterday\" is no time" },
		{ "{\"type\":\"call\",\"time\":\"2026-13-01T00:00:00.000000000Z\"}", "is no time" },
		{ "{\"type\":\"call\",\"time\":\"2026-11-24T00:00:00.-23456789Z\"}", "is no time" },
		{ "{\"type\":\"call\",\"nr\":4294967296}", "nr: does not fit in 32 bits" },
		{ "{\"type\":\"call\",\"args\":[\"0x1\"]}", "args: must hold 6 numbers" },
		{ "{\"type\":\"call\",\"args\":[1,2,3,4,5,6]}", "args[0]: must be a string" },
		{ "{\"type\":\"call\",\"args\":[\"0xg\",\"0\",\"0\",\"0\",\"0\",\"0\"]}",
		  "args[0]: \"0xg\"" },
		{ "{\"type\":\"call\",\"done\":\"maybe\"}", "done: unknown word" },
		{ "{\"type\":\"call\",\"comm\":7}", "comm: must be a string" },
		{ "{\"type\":\"call\",\"parents\":7}", "parents: must be an array" },
		{ "{\"type\":\"call\",\"seq\":-1}", "seq: must be 0 or more" },
	};
	char text[EVENT_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct event ev = { .seq = 77 };
		struct err e;

		assert_int_equal(event_parse(bad[i][0], strlen(bad[i][0]), &ev, text, sizeof text,
					     &e),
				 -EINVAL);
		if (!strstr(e.msg, bad[i][1]))
			fail_msg("%s says \"%s\"", bad[i][0], e.msg);
		assert_int_equal(ev.seq, 77);
	}
}

static void test_newer_members_are_ignored(void **state)
{
	const char *line = "{\"type\":\"lost\",\"count\":3,\"newer\":{\"a\":1}}";
	char text[EVENT_LINE_MAX];
	struct event ev;
	struct err e;

	(void)state;
	assert_int_equal(event_parse(line, strlen(line), &ev, text, sizeof text, &e), 0);
	assert_int_equal(ev.count, 3);
}

static void test_cost(void **state)
{
	struct event ev = { .type = EVENT_CALL,
			    .time_ns = 1764000000000000000ULL,
			    .seq = 1,
			    .container = "c",
			    .policy = "default",
			    .mode = "enforce",
			    .comm = "unshare",
			    .exe = "/bin/busybox",
			    .syscall = "unshare",
			    .nr = 272,
			    .arch = "x86_64",
			    .verdict = "deny",
			    .asked = "errno",
			    .done = DONE_ERRNO,
			    .error = "EPERM",
			    .rule = "default",
			    .pid = 1234,
			    .tid = 1234,
			    .n_parents = 1,
			    .parents = { 1 },
			    .count = 1 };
	char line[EVENT_LINE_MAX];
	struct timespec a, b;
	size_t n = 0;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 100000; i++)
		n += event_format(&ev, line, sizeof line);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(n > 0);
	printf("# figure %.0f ns to format an event\n",
	       ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 100000);
}

static void test_manual(void **state)
{
	FILE *f = fopen("man/warder-events.7", "r");
	static char page[65536];

	(void)state;
	assert_non_null(f);
	page[fread(page, 1, sizeof page - 1, f)] = 0;
	fclose(f);
	for (const char *const *field = event_fields; *field; field++)
		if (!strstr(page, *field))
			fail_msg("man/warder-events.7 does not name \"%s\"", *field);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_every_event_fits),
		cmocka_unit_test(test_cut_at_the_limit),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_newer_members_are_ignored),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

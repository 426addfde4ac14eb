/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - sums that never go back, bounded series, labels that hold anything; the text is read
 * by a parser of OpenMetrics that is not ours (tests/openmetrics.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "state.h"
#include "warder/own.h"

static int setup(void **state)
{
	static struct arena *a;
	struct err e;

	*state = NULL;
	if (arena_new(&a, &e))
		return -1;
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	arena_unmap(*state);
	return 0;
}

static struct block *live(struct arena *a, uint64_t number, const char *id)
{
	struct block *b = arena_take(a);

	b->number = number;
	snprintf(b->id, sizeof b->id, "%s", id);
	atomic_store(&b->mode, MODE_ENFORCE);
	arena_publish(b);
	return b;
}

static void calls(struct block *b, enum lane_word w, uint64_t n)
{
	struct commit *next = lane_begin(&b->lane);

	lane_add(next, w, n);
	lane_commit(&b->lane);
}

static char *text_of(const struct arena *a)
{
	char *text;
	size_t len;
	struct err e;

	assert_int_equal(metrics_text(a, NULL, &text, &len, &e), 0);
	assert_int_equal(len, strlen(text));
	return text;
}

static uint64_t value(const struct arena *a, const char *sample)
{
	auto_free char *text = text_of(a);
	char line[256];
	char *at;

	snprintf(line, sizeof line, "\n%s ", sample);
	at = strstr(text, line);
	if (!at)
		fail_msg("no %s in %s", sample, text);
	return strtoull(at + strlen(line), NULL, 10);
}

static void test_sums(void **state)
{
	static const char denied[] = "warder_notifications_total{verdict=\"denied\"}";
	struct arena *a = *state;
	struct block *one = live(a, 1, "one"), *two = live(a, 2, "two");

	calls(one, LANE_denied, 3);
	calls(two, LANE_denied, 4);
	assert_int_equal(value(a, denied), 7);
	assert_int_equal(value(a, "warder_sessions{mode=\"enforce\"}"), 2);
	atomic_store(&one->state, BLOCK_ENDED); /* its counters are not in the totals yet */
	assert_int_equal(value(a, denied), 7);
	a->totals[1] = (struct totals){ .number = 1, .sessions = 1 };
	a->totals[1].word[LANE_denied] = 3;
	atomic_store(&a->totals_current, 1); /* now they are, and the block is not freed yet */
	assert_int_equal(value(a, denied), 7);
	arena_give(one);
	assert_int_equal(value(a, denied), 7);
	assert_int_equal(value(a, "warder_sessions{mode=\"enforce\"}"), 1);
}

static void test_latency(void **state)
{
	static const char bucket[] = "warder_reply_latency_seconds_bucket";
	struct arena *a = *state;
	char sample[128];

	for (int half = 0; half < 2; half++) {
		a->sums[half].latency[0] = 2;
		a->sums[half].latency[3] = 5;
		a->sums[half].latency[LATENCY_BUCKETS - 1] = 1;
		a->sums[half].latency_ns = 1500000000;
		a->sums[half].suppressed = 9;
	}
	snprintf(sample, sizeof sample, "%s{le=\"1.024e-06\"}", bucket);
	assert_int_equal(value(a, sample), 2);
	snprintf(sample, sizeof sample, "%s{le=\"8.192e-06\"}", bucket);
	assert_int_equal(value(a, sample), 7);
	snprintf(sample, sizeof sample, "%s{le=\"+Inf\"}", bucket);
	assert_int_equal(value(a, sample), 8);
	assert_int_equal(value(a, "warder_reply_latency_seconds_count"), 8);
	assert_int_equal(value(a, "warder_reply_latency_seconds_sum"), 1);
	assert_int_equal(value(a, "warder_events_suppressed_total"), 9);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* The oldest sessions have series; all are in the sums. */
static void test_bounded(void **state)
{
	struct arena *a = *state;
	auto_free char *text = NULL;

	for (unsigned i = 0; i < METRICS_SERIES + 10; i++)
		calls(live(a, 10000 - i, "c"), LANE_allowed, 1);
	text = text_of(a);
	assert_int_equal(count(text, "warder_session_notifications_total{session="),
			 METRICS_SERIES * 6);
	assert_int_equal(count(text, "session=\"10000\""), 0);
	assert_int_equal(value(a, "warder_sessions_unlisted"), 10);
	assert_int_equal(value(a, "warder_notifications_total{verdict=\"allowed\"}"),
			 METRICS_SERIES + 10);
}

/* Does the other parser take it? Everything a container may be called is in it. */
static void test_format(void **state)
{
	struct arena *a = *state;
	auto_free char *text = NULL;
	FILE *p;

	live(a, 1, "a\"} 1\n# EOF\nwarder_fake_total 7");
	live(a, 2, "back\\slash\\n");
	live(a, 3, "\xff\xfe\x1b[2J");
	memset(live(a, 4, "")->id, 'x', ARENA_TEXT); /* no NUL */
	text = text_of(a);
	p = popen("python3 tests/openmetrics.py", "w");
	assert_non_null(p);
	assert_true(fputs(text, p) >= 0);
	assert_int_equal(pclose(p), 0);
}

/* Each family is in warderd(8), and nothing that is called so is there and not here. */
static void test_manual(void **state)
{
	char page[64 * 1024], word[128];
	auto_file f = fopen("man/warderd.8", "re");
	size_t n, families = 0;

	(void)state;
	assert_non_null(f);
	n = fread(page, 1, sizeof page - 1, f);
	page[n] = 0;
	for (; metrics_family(families); families++) {
		snprintf(word, sizeof word, "\n.B %s\n", metrics_family(families));
		if (!strstr(page, word))
			fail_msg("%s is not in warderd(8)", metrics_family(families));
	}
	assert_int_equal(count(page, "\n.B warder_"), families);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_sums),   TEST(test_latency), TEST(test_bounded),
		TEST(test_format), TEST(test_manual),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}

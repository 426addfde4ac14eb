/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - tests of the journal on records made by hand: lines, losses, torn lines, flow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "../../supervisor/journal.h"
#include "../../supervisor/session.h"
#include "warder/names.h"
#include "warder/own.h"

static const char policy[] = "{\"defaultAction\": \"SCMP_ACT_ERRNO\"}";

struct rig {
	struct arena *arena;
	struct policies *policies;
	const struct compiled *compiled;
	struct sinks *sinks;
	struct journal *journal;
	struct budget budget;
	int fd;
	_Atomic int events; /* seen by on_event */
	_Atomic int failing, again, no_room;
};

#define NO_ROOM 4711 /* the caller whose lines do not fit */

/* Linked in its place: with EVENT_LINE_MAX the real one always fits (tests/unit/event.c). */
size_t __real_event_format(const struct event *ev, char *buf, size_t size);
size_t __wrap_event_format(const struct event *ev, char *buf, size_t size);

size_t __wrap_event_format(const struct event *ev, char *buf, size_t size)
{
	return ev->tid == NO_ROOM ? 0 : __real_event_format(ev, buf, size);
}

static void on_event(void *ctx, const struct event *ev, const char *line, size_t len)
{
	struct rig *r = ctx;

	(void)ev;
	assert_int_equal(line[len - 1], '\n');
	r->events++;
}

static void on_trouble(void *ctx, const char *line)
{
	struct rig *r = ctx;

	if (strstr(line, "cannot be written"))
		r->failing++;
	if (strstr(line, "written again"))
		r->again++;
	if (strstr(line, "did not fit"))
		r->no_room++;
}

static void journal_on(struct rig *r)
{
	struct sink_config c;
	const struct sinks_opts so = {
		.arena = r->arena, .n = 1, .configs = &c, .on_trouble = on_trouble, .ctx = r
	};
	struct journal_opts jo = { .arena = r->arena,
				   .policies = r->policies,
				   .budget = r->budget,
				   .on_event = on_event,
				   .on_trouble = on_trouble,
				   .ctx = r };
	struct err e;

	sink_config_init(&c, SINK_file);
	c.fd = r->fd;
	if (sinks_open(&so, &r->sinks, &e))
		fail_msg("%s", e.msg);
	jo.sinks = r->sinks;
	if (journal_new(&jo, &r->journal, &e) || journal_start(r->journal, &e))
		fail_msg("%s", e.msg);
}

static void journal_off(struct rig *r)
{
	journal_finish(r->journal);
	journal_free(r->journal);
	sinks_close(r->sinks);
}

static void rig_open(struct rig *r, int fd)
{
	const struct policies_key key = { .name = "test" };
	struct err e;

	memset(r, 0, sizeof *r);
	r->fd = fd;
	if (arena_new(&r->arena, &e) || policies_new(r->arena, &r->policies, &e) ||
	    policies_add(r->policies, &key, policy, strlen(policy), &r->compiled, NULL, &e))
		fail_msg("%s", e.msg);
}

static void rig_close(struct rig *r)
{
	policies_put(r->policies, r->compiled);
	policies_free(r->policies);
	arena_unmap(r->arena);
	close(r->fd);
}

static struct block *new_block(struct rig *r, const char *id)
{
	const struct session_start s = {
		.id = id, .policy = r->compiled->index, .mode = MODE_ENFORCE, .listener = -1
	};
	struct block *b = arena_take(r->arena);

	assert_non_null(b);
	session_fill(b, &s);
	arena_publish(b);
	arena_mark(r->arena, b);
	return b;
}

static void put_identity(struct block *b, pid_t tid, const char *comm)
{
	struct commit *next = lane_begin(&b->lane);
	struct record_identity *r =
		lane_reserve(&b->lane, next, RECORD_IDENTITY, sizeof(struct record_identity));

	assert_non_null(r);
	r->ident = 3;
	memset(&r->identity, 0, sizeof r->identity);
	r->identity.pid = r->identity.tid = tid;
	snprintf(r->identity.comm, sizeof r->identity.comm, "%s", comm);
	lane_commit(&b->lane);
}

/* same: one of many identical ones; otherwise its arguments are its own. */
static bool put(struct block *b, pid_t tid, int nr, bool same)
{
	struct commit *next = lane_begin(&b->lane);
	struct record_call *r =
		lane_reserve(&b->lane, next, RECORD_CALL, sizeof(struct record_call));

	lane_add(next, LANE_events, 1);
	lane_add(next, LANE_dropped, !r);
	if (r) {
		memset(&r->time_ns, 0, sizeof *r - offsetof(struct record_call, time_ns));
		r->seq = lane_word(next, LANE_events);
		r->data.arch = names_arch_audit(names_native_arch());
		r->data.nr = nr;
		r->data.args[5] = same ? 0 : r->seq;
		r->verdict = (struct verdict){ .act = ACT_ERRNO, .errnum = EPERM };
		r->tid = tid;
		r->ident = 3;
		r->done = DONE_ERRNO;
		r->mode = MODE_ENFORCE;
	}
	lane_commit(&b->lane);
	return r;
}

static bool put_call(struct block *b, pid_t tid)
{
	return put(b, tid, 0, false);
}

static void end_block(struct rig *r, struct block *b)
{
	atomic_store(&b->state, BLOCK_ENDED);
	arena_mark(r->arena, b);
}

/* What the file holds, line by line. A line that is no event is torn. */
struct tally {
	size_t calls, starts, ends, lost_lines, lost, torn, order;
	size_t sum, suppressed, suppressed_lines; /* of the counts of calls */
};

static void tally_line(struct tally *t, const char *line, size_t len, uint64_t *last)
{
	static char text[EVENT_LINE_MAX];
	struct event ev;
	struct err e;

	if (event_parse(line, len, &ev, text, sizeof text, &e)) {
		t->torn++;
		return;
	}
	t->calls += ev.type == EVENT_CALL;
	t->starts += ev.type == EVENT_SESSION_START;
	t->ends += ev.type == EVENT_SESSION_END;
	t->lost_lines += ev.type == EVENT_LOST;
	t->lost += ev.type == EVENT_LOST ? ev.count : 0;
	t->sum += ev.type == EVENT_CALL ? ev.count : 0;
	t->suppressed += ev.type == EVENT_SUPPRESSED ? ev.count : 0;
	t->suppressed_lines += ev.type == EVENT_SUPPRESSED;
	if (ev.type == EVENT_CALL) {
		t->order += ev.seq <= *last;
		*last = ev.seq;
	}
}

static struct tally tally(int fd)
{
	off_t len = lseek(fd, 0, SEEK_END);
	auto_free char *text = malloc((size_t)len + 1);
	struct tally t = { 0 };
	uint64_t last = 0;

	assert_int_equal(pread(fd, text, (size_t)len, 0), len);
	for (char *end, *p = text; p < text + len; p = end + 1) {
		end = memchr(p, '\n', (size_t)(text + len - p));
		if (!end) {
			t.torn++;
			break;
		}
		tally_line(&t, p, (size_t)(end - p) + 1, &last);
	}
	return t;
}

static void test_lines(void **state)
{
	struct tally t;
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	journal_on(&r);
	b = new_block(&r, "c1");
	put_identity(b, 77, "who");
	for (int i = 0; i < 500; i++)
		assert_true(put_call(b, 77));
	end_block(&r, b);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, 500);
	assert_int_equal(t.starts, 1);
	assert_int_equal(t.ends, 1);
	assert_int_equal(t.lost + t.torn + t.order, 0);
	assert_int_equal(r.events, 502);
	assert_int_equal(r.arena->lost, 0);
	assert_int_equal(atomic_load(&b->state), BLOCK_FREE);
	rig_close(&r);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Asleep, it is woken by the first record. */
static void test_wakes(void **state)
{
	const struct timespec nap = { 0, 5000000L };
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	journal_on(&r);
	b = new_block(&r, "c1");
	for (int i = 0; i < 3; i++) {
		int before;
		uint64_t start;

		start = now_ms();
		while (atomic_load(&r.arena->work) != WORK_SLEEPS) {
			assert_true(now_ms() - start < 5000);
			nanosleep(&nap, NULL);
		}
		before = r.events;
		start = now_ms();
		put_call(b, 1);
		arena_mark(r.arena, b);
		while (r.events == before)
			assert_true(now_ms() - start < 2000);
	}
	journal_off(&r);
	rig_close(&r);
}

/* What the reader did not get to is counted once, said once, and the room is used again. */
static void test_dropped(void **state)
{
	struct tally t;
	struct block *b;
	struct rig r;
	int in = 0, out = 0;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	b = new_block(&r, "c1");
	for (int i = 0; i < 3000; i++)
		put_call(b, 1) ? in++ : out++;
	assert_true(in > 0 && out > 0);
	journal_on(&r);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, in);
	assert_int_equal(t.lost, 0); /* it is said once a period, and at the end */
	assert_true(put_call(b, 1));
	end_block(&r, b);
	journal_on(&r);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, in + 1);
	assert_int_equal(t.lost, out);
	assert_int_equal(t.lost_lines, 1);
	assert_int_equal(t.starts, 1); /* the second journal knows it was said */
	assert_int_equal(t.ends, 1);
	rig_close(&r);
}

/* A line that cannot be made is counted, and said in its place. */
static void test_no_room(void **state)
{
	struct tally t;
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	b = new_block(&r, "c1");
	put_call(b, 1);
	put_call(b, NO_ROOM);
	put_call(b, NO_ROOM);
	put_call(b, 1);
	end_block(&r, b);
	journal_on(&r);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, 2);
	assert_int_equal(t.lost, 2);
	assert_int_equal(t.torn + t.order, 0);
	assert_int_equal(r.arena->lost, 2);
	assert_int_equal(r.events, 6);
	assert_int_equal(r.no_room, 2);
	rig_close(&r);
}

static void test_dev_full(void **state)
{
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, open("/dev/full", O_WRONLY | O_CLOEXEC));
	journal_on(&r);
	b = new_block(&r, "c1");
	for (int i = 0; i < 100; i++) {
		put_call(b, 1);
		if (i % 10 == 0)
			for (int before = r.events; r.events == before; arena_mark(r.arena, b))
				sched_yield();
	}
	end_block(&r, b);
	journal_off(&r);
	assert_int_equal(r.arena->lost, 102);
	assert_int_equal(r.failing, 1);
	assert_int_equal(r.again, 0);
	rig_close(&r);
}

static void limit_file(rlim_t size)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* The file fails in the middle of a line, twice, and gets room again: the torn line is cut off,
 * what is missing is said before the next line. */
static void test_torn(void **state)
{
	char path[] = "/tmp/warder-journal-XXXXXX";
	size_t put = 0;
	struct tally t;
	struct block *b;
	struct rig r;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	rig_open(&r, mkstemp(path));
	unlink(path);
	journal_on(&r);
	b = new_block(&r, "c1");
	for (int round = 1; round <= 2; round++) {
		limit_file((rlim_t)lseek(r.fd, 0, SEEK_END) + 1000);
		for (; r.failing < round; put++) {
			int before = r.events;

			assert_true(put_call(b, 1));
			arena_mark(r.arena, b);
			while (r.events == before)
				sched_yield();
		}
		limit_file(RLIM_INFINITY);
		for (; r.again < round; put++) {
			int before = r.events;

			assert_true(put_call(b, 1));
			arena_mark(r.arena, b);
			while (r.events == before)
				sched_yield();
		}
	}
	end_block(&r, b);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.torn, 0);
	assert_true(t.lost_lines >= 2);
	assert_true(t.lost > 0);
	assert_int_equal(t.lost, r.arena->lost);
	assert_int_equal(t.calls + t.lost, put);
	assert_int_equal(t.order, 0);
	assert_int_equal(t.ends, 1);
	rig_close(&r);
}

/* Records of a kind that is not known are passed over; damage empties the ring, and it goes on. */
static void test_damage(void **state)
{
	struct commit *next;
	struct record *odd;
	struct tally t;
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	b = new_block(&r, "c1");
	for (uint32_t type = 1; type < 100; type++) {
		next = lane_begin(&b->lane);
		odd = lane_reserve(&b->lane, next, type, 48);
		memset(odd + 1, 0xff, 40);
		lane_commit(&b->lane);
	}
	put_call(b, 1);
	next = lane_begin(&b->lane);
	odd = lane_reserve(&b->lane, next, RECORD_CALL, sizeof(struct record_call));
	odd->size = 13;
	lane_commit(&b->lane);
	journal_on(&r);
	journal_off(&r);
	put_call(b, 1);
	end_block(&r, b);
	journal_on(&r);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, 2);
	assert_int_equal(t.torn, 0);
	assert_int_equal(t.ends, 1);
	rig_close(&r);
}

/* A call whose every byte is hostile still makes one line that reads back. */
static void test_hostile_records(void **state)
{
	static const int bytes[] = { 0xff, 0x7f, 0x80, 0x01 };
	struct tally t;
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	b = new_block(&r, "c1");
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
		struct commit *next = lane_begin(&b->lane);
		struct record_identity *id = lane_reserve(&b->lane, next, RECORD_IDENTITY,
							  sizeof(struct record_identity));
		struct record_call *c =
			lane_reserve(&b->lane, next, RECORD_CALL, sizeof(struct record_call));

		memset(&id->ident, bytes[i], sizeof *id - sizeof id->head);
		memset(&c->time_ns, bytes[i], sizeof *c - sizeof c->head);
		lane_commit(&b->lane);
	}
	end_block(&r, b);
	journal_on(&r);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, ARRAY_LEN(bytes));
	assert_int_equal(t.torn, 0);
	rig_close(&r);
}

/* A session that records without end does not keep another's lines waiting. */
static void test_fairness(void **state)
{
	struct block *busy, *other;
	uint64_t start;
	struct tally t;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	busy = new_block(&r, "busy");
	other = new_block(&r, "other");
	put_call(other, 2);
	journal_on(&r);
	start = now_ms();
	while (atomic_load(&other->lane.tail) == 0) {
		put_call(busy, 1);
		arena_mark(r.arena, busy);
		assert_true(now_ms() - start < 2000);
	}
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.starts, 2);
	rig_close(&r);
}

/* The first of identical calls is a line at once, the others are one with their count. */
static void test_same(void **state)
{
	struct tally t;
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	journal_on(&r);
	b = new_block(&r, "c1");
	put_identity(b, 77, "who");
	for (int i = 0; i < 300; i++) {
		assert_true(put(b, 77, i % 3, true));
		arena_mark(r.arena, b);
	}
	while (r.events < 4) /* the first of each, long before a window's end */
		sched_yield();
	end_block(&r, b);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, 6);
	assert_int_equal(t.sum, 300);
	assert_int_equal(t.torn + t.suppressed + t.lost, 0);
	rig_close(&r);
}

/* A window ends by itself, and the journal then sleeps. */
static void test_window(void **state)
{
	struct tally t;
	struct block *b;
	struct rig r;
	uint64_t start;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	journal_on(&r);
	b = new_block(&r, "c1");
	for (int i = 0; i < 10; i++)
		put(b, 1, 0, true);
	arena_mark(r.arena, b);
	start = now_ms();
	while (r.events < 3)
		assert_true(now_ms() - start < 3000);
	assert_true(now_ms() - start >= 900);
	end_block(&r, b);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, 2);
	assert_int_equal(t.sum, 10);
	rig_close(&r);
}

/* Another program under the same number is another caller: its first call is a line of its own. */
static void test_other_caller(void **state)
{
	struct tally t;
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	b = new_block(&r, "c1");
	for (int i = 0; i < 6; i++) {
		put_identity(b, 77, i < 3 ? "first" : "second");
		put(b, 77, 0, true);
		put(b, 77, 0, true);
	}
	end_block(&r, b);
	journal_on(&r);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.calls, 4);
	assert_int_equal(t.sum, 12);
	rig_close(&r);
}

/* Over the budget: kinds with their exact counts, and all that have no place together. */
static void test_budget(void **state)
{
	struct tally t;
	struct sums sums;
	struct block *b;
	struct rig r;
	size_t in = 0;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	r.budget = (struct budget){ .rate = 1, .burst = 100 };
	b = new_block(&r, "c1");
	journal_on(&r);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 500; i++)
			in += put(b, 1, i % 100, i % 5 == 0);
		arena_mark(r.arena, b);
		while (lane_half_full(&b->lane))
			sched_yield();
	}
	end_block(&r, b);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.sum + t.suppressed + t.lost, 20 * 500);
	assert_int_equal(t.lost, 20 * 500 - in);
	assert_true(t.calls >= 100 && t.calls < 110);
	assert_int_equal(t.suppressed_lines, FOLD_KINDS);
	assert_int_equal(t.torn, 0);
	sums_read(r.arena, &sums);
	assert_int_equal(sums.suppressed, t.suppressed);
	assert_int_equal(sums.dropped, t.lost);
	assert_int_equal(sums.latency[0], in);
	rig_close(&r);
}

/* What has been folded by a journal that goes away is in the next one's lines. */
static void test_folds_stay(void **state)
{
	struct tally t;
	struct block *b;
	struct rig r;

	(void)state;
	rig_open(&r, memfd_create("events", MFD_CLOEXEC));
	r.budget = (struct budget){ .rate = 1, .burst = 2 };
	b = new_block(&r, "c1");
	for (int life = 0; life < 5; life++) {
		for (int i = 0; i < 50; i++)
			put(b, 1, i % 5, i % 2);
		journal_on(&r);
		journal_off(&r);
	}
	end_block(&r, b);
	journal_on(&r);
	journal_off(&r);
	t = tally(r.fd);
	assert_int_equal(t.starts, 1);
	assert_int_equal(t.ends, 1);
	assert_int_equal(t.sum + t.suppressed, 250);
	assert_int_equal(t.torn + t.lost, 0);
	assert_int_equal(r.arena->totals[r.arena->totals_current & 1].word[LANE_events], 250);
	assert_int_equal(r.arena->totals[r.arena->totals_current & 1].sessions, 1);
	rig_close(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),           cmocka_unit_test(test_wakes),
		cmocka_unit_test(test_dropped),         cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_dev_full),        cmocka_unit_test(test_torn),
		cmocka_unit_test(test_damage),          cmocka_unit_test(test_fairness),
		cmocka_unit_test(test_hostile_records), cmocka_unit_test(test_same),
		cmocka_unit_test(test_window),          cmocka_unit_test(test_other_caller),
		cmocka_unit_test(test_budget),          cmocka_unit_test(test_folds_stay),
	};

	names_init();
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}

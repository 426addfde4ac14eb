/* SPDX-License-Identifier: Apache-2.0 */
/* sink.c - the outputs with real files: exactly once through every death, torn tails, rotation,
 * removal, one that is full or stuck beside one that is well. */
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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../supervisor/journal.h"
#include "../../supervisor/session.h"
#include "../../supervisor/sink.h"
#include "warder/names.h"
#include "warder/own.h"

struct rig {
	struct arena *arena;
	struct sinks *sinks;
	char dir[64], path[96];
	_Atomic int troubles;
	char last[512];
};

static void on_trouble(void *ctx, const char *line)
{
	struct rig *r = ctx;

	snprintf(r->last, sizeof r->last, "%s", line);
	r->troubles++;
}

static void rig_open(struct rig *r)
{
	struct err e;

	memset(r, 0, sizeof *r);
	snprintf(r->dir, sizeof r->dir, "/tmp/warder-sink-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof r->path, "%s/events", r->dir);
	assert_int_equal(arena_new(&r->arena, &e), 0);
}

static void rig_close(struct rig *r)
{
	char command[128];

	arena_unmap(r->arena);
	snprintf(command, sizeof command, "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0);
}

static struct sink_config a_file(const char *path)
{
	struct sink_config c;

	sink_config_init(&c, SINK_file);
	c.path = path;
	return c;
}

static void open_sinks(struct rig *r, int n, const struct sink_config *configs)
{
	const struct sinks_opts o = {
		.arena = r->arena, .n = n, .configs = configs, .on_trouble = on_trouble, .ctx = r
	};
	struct err e;

	if (sinks_open(&o, &r->sinks, &e))
		fail_msg("%s", e.msg);
}

/* A batch of n lines of this size, each "k....\n", k counting on. */
static void make_batch(struct arena *a, unsigned n, unsigned size, unsigned *k)
{
	struct batch *b = &a->batch;

	b->pass = atomic_load(&a->pass) + 1;
	b->used = 0;
	for (unsigned i = 0; i < n; i++) {
		memset(b->text + b->used, '.', size - 1);
		b->text[b->used + (unsigned)snprintf(NULL, 0, "%u", *k)] = '.';
		b->used += (unsigned)sprintf(b->text + b->used, "%u", (*k)++);
		while (b->used % size != size - 1)
			b->text[b->used++] = '.';
		b->text[b->used++] = '\n';
		b->line[i].end = b->used;
		b->line[i].calls = 1;
	}
	b->n = n;
	b->calls = n;
	atomic_fetch_add(&a->pass, 1);
}

/* Reads a file's lines: how many, and how many its "lost" events tell; each number is higher than
 * the one before. */
static unsigned count_lines(const char *path, unsigned *lost)
{
	FILE *f = fopen(path, "r");
	unsigned n = 0, last = 0;
	char *line = NULL, *at;
	size_t size = 0;

	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		at = strstr(line, "\"lines\":");
		if (at) {
			*lost += (unsigned)atoi(at + 8);
			continue;
		}
		assert_true((unsigned)atoi(line) > last);
		last = (unsigned)atoi(line);
		n++;
	}
	free(line);
	fclose(f);
	return n;
}

/* The numbers of the lines in a file, which must follow on `next`; "lost" events are added up. */
static unsigned read_on(const char *path, unsigned next, unsigned *lost)
{
	FILE *f = fopen(path, "r");
	char *line = NULL, *at;
	size_t size = 0;
	ssize_t n;

	assert_non_null(f);
	while ((n = getline(&line, &size, f)) > 0) {
		assert_int_equal(line[n - 1], '\n');
		at = strstr(line, "\"lines\":");
		if (at) {
			*lost += (unsigned)atoi(at + 8);
			next += (unsigned)atoi(at + 8);
			continue;
		}
		assert_int_equal(atoi(line), next);
		next++;
	}
	free(line);
	fclose(f);
	return next;
}

static void test_plain(void **state)
{
	struct sink_config c;
	unsigned k = 1, lost = 0;
	struct rig r;

	(void)state;
	rig_open(&r);
	c = a_file(r.path);
	open_sinks(&r, 1, &c);
	for (int i = 0; i < 50; i++) {
		make_batch(r.arena, 100, 100, &k);
		sinks_give(r.sinks);
	}
	sinks_close(r.sinks);
	assert_int_equal(read_on(r.path, 1, &lost), k);
	assert_int_equal(lost, 0);
	assert_int_equal(r.troubles, 0);
	rig_close(&r);
}

/* Whatever is in the file of a batch that was begun, a new scribe makes it whole, once. */
static void test_torn(void **state)
{
	static const int cuts[] = { 0, 1, 99, 100, 101, 555, 999, 1000 };
	struct sink_config c;
	struct rig r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		unsigned k = 1, lost = 0;
		struct sink_mark *mark;
		struct sink_state *st;
		struct stat at;

		rig_open(&r);
		c = a_file(r.path);
		open_sinks(&r, 1, &c);
		make_batch(r.arena, 10, 100, &k);
		sinks_give(r.sinks);
		make_batch(r.arena, 10, 100, &k);
		sinks_give(r.sinks);
		sinks_close(r.sinks);
		/* as if it had died after so many bytes */
		assert_int_equal(stat(r.path, &at), 0);
		assert_int_equal(truncate(r.path, 1000 + cuts[i]), 0);
		mark = &r.arena->marks[0];
		st = &mark->half[mark->current & 1];
		st->intent = r.arena->batch.pass;
		st->intent_lines = st->intent_calls = 10;
		st->out_lines -= 10;
		st->out_calls -= 10;
		st->offset = 1000;
		st->len = 1000;
		st->ino = at.st_ino;
		st->dev = at.st_dev;
		open_sinks(&r, 1, &c);
		sinks_close(r.sinks);
		assert_int_equal(read_on(r.path, 1, &lost), k);
		assert_int_equal(lost, 0);
		assert_int_equal(stat(r.path, &at), 0);
		assert_int_equal(at.st_size, 2000);
		rig_close(&r);
	}
}

/* The same when the file was renamed between the death and the new scribe. */
static void test_torn_renamed(void **state)
{
	unsigned k = 1, lost = 0;
	struct sink_config c;
	struct sink_state *st;
	char other[128];
	struct stat at;
	struct rig r;

	(void)state;
	rig_open(&r);
	c = a_file(r.path);
	open_sinks(&r, 1, &c);
	make_batch(r.arena, 10, 100, &k);
	sinks_give(r.sinks);
	sinks_close(r.sinks);
	assert_int_equal(stat(r.path, &at), 0);
	st = &r.arena->marks[0].half[r.arena->marks[0].current & 1];
	st->intent = r.arena->batch.pass;
	st->intent_lines = st->intent_calls = 10;
	st->out_lines -= 10;
	st->out_calls -= 10;
	st->offset = 0;
	st->len = 1000;
	snprintf(other, sizeof other, "%s.1", r.path);
	assert_int_equal(rename(r.path, other), 0);
	open_sinks(&r, 1, &c);
	make_batch(r.arena, 10, 100, &k);
	sinks_give(r.sinks);
	sinks_close(r.sinks);
	assert_int_equal(read_on(other, 1, &lost), 11);
	assert_int_equal(read_on(r.path, 11, &lost), k);
	rig_close(&r);
}

static void test_removed(void **state)
{
	unsigned k = 1, lost = 0;
	struct sink_config c;
	struct rig r;

	(void)state;
	rig_open(&r);
	c = a_file(r.path);
	open_sinks(&r, 1, &c);
	make_batch(r.arena, 10, 100, &k);
	sinks_give(r.sinks);
	unlink(r.path);
	make_batch(r.arena, 10, 100, &k);
	sinks_give(r.sinks);
	sinks_close(r.sinks);
	assert_int_equal(read_on(r.path, 11, &lost), k);
	assert_int_equal(r.troubles, 1);
	assert_non_null(strstr(r.last, "was removed or renamed"));
	rig_close(&r);
}

static void test_rotate(void **state)
{
	unsigned k = 1, next = 1, lost = 0;
	struct sink_config c;
	char path[128];
	struct rig r;

	(void)state;
	rig_open(&r);
	c = a_file(r.path);
	c.max_size = 3500;
	c.keep = 3;
	open_sinks(&r, 1, &c);
	for (int i = 0; i < 14; i++) {
		make_batch(r.arena, 10, 100, &k);
		sinks_give(r.sinks);
	}
	sinks_close(r.sinks);
	for (int i = 3; i >= 1; i--) {
		snprintf(path, sizeof path, "%s.%d", r.path, i);
		next = read_on(path, next, &lost);
	}
	assert_int_equal(read_on(r.path, next, &lost), k);
	snprintf(path, sizeof path, "%s.4", r.path);
	assert_int_equal(access(path, F_OK), -1);
	rig_close(&r);
}

/* SIGUSR1 after logrotate has renamed it. */
static void test_reopen(void **state)
{
	unsigned k = 1, lost = 0;
	struct sink_config c;
	char other[128];
	struct rig r;

	(void)state;
	rig_open(&r);
	c = a_file(r.path);
	open_sinks(&r, 1, &c);
	make_batch(r.arena, 10, 100, &k);
	sinks_give(r.sinks);
	snprintf(other, sizeof other, "%s.old", r.path);
	assert_int_equal(rename(r.path, other), 0);
	sinks_rotate(r.sinks);
	make_batch(r.arena, 10, 100, &k);
	sinks_give(r.sinks);
	sinks_close(r.sinks);
	assert_int_equal(read_on(other, 1, &lost), 11);
	assert_int_equal(read_on(r.path, 11, &lost), k);
	assert_int_equal(r.troubles, 0);
	rig_close(&r);
}

/* A fifo whose reader has stopped, and a device that is full, beside a file: the file has all; the
 * fifo's "lost" events make up for what it misses, once it is read again. */
static void test_independent(void **state)
{
	char fifo[128], copy[128], buf[65536];
	struct sink_config c[3];
	unsigned k = 1, lost = 0, n = 0;
	auto_fd reader = -1, out = -1;
	struct rig r;
	ssize_t got;

	(void)state;
	rig_open(&r);
	snprintf(fifo, sizeof fifo, "%s/fifo", r.dir);
	snprintf(copy, sizeof copy, "%s/copy", r.dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	reader = open(fifo, O_RDONLY | O_NONBLOCK);
	c[0] = a_file(fifo);
	c[0].queue = 64 * 1024;
	c[1] = a_file("/dev/full");
	c[2] = a_file(r.path);
	open_sinks(&r, 3, c);
	for (int i = 0; i < 200; i++) {
		make_batch(r.arena, 100, 100, &k);
		sinks_give(r.sinks);
	}
	assert_int_equal(read_on(r.path, 1, &lost), k);
	assert_int_equal(lost, 0);
	out = open(copy, O_WRONLY | O_CREAT | O_EXCL, 0600);
	for (int tries = 0; tries < 2000 && n < k - 1; tries++) {
		const struct timespec nap = { 0, 1000000 };

		while ((got = read(reader, buf, sizeof buf)) > 0)
			assert_int_equal(write(out, buf, (size_t)got), got);
		nanosleep(&nap, NULL);
		if (tries == 20) { /* one more: its "lost" comes before it */
			make_batch(r.arena, 1, 100, &k);
			sinks_give(r.sinks);
		}
		lost = 0;
		n = count_lines(copy, &lost);
		n += lost;
	}
	assert_int_equal(n, k - 1);
	assert_true(lost > 0);
	sinks_close(r.sinks);
	assert_true(r.arena->lost >= k - 1);
	rig_close(&r);
}

/* A mark of another output is not gone on with. */
static void test_other_mark(void **state)
{
	struct sink_config c;
	char other[128];
	unsigned k = 1, lost = 0;
	struct rig r;

	(void)state;
	rig_open(&r);
	c = a_file(r.path);
	open_sinks(&r, 1, &c);
	make_batch(r.arena, 10, 100, &k);
	sinks_give(r.sinks);
	sinks_close(r.sinks);
	snprintf(other, sizeof other, "%s.b", r.path);
	c = a_file(other);
	open_sinks(&r, 1, &c);
	make_batch(r.arena, 10, 100, &k);
	sinks_give(r.sinks);
	sinks_close(r.sinks);
	assert_int_equal(read_on(other, 11, &lost), k);
	assert_int_equal(lost, 0);
	rig_close(&r);
}

/* --- the whole scribe, killed --- */

static const char policy[] = "{\"defaultAction\": \"SCMP_ACT_ERRNO\"}";

struct count {
	uint64_t sum, starts, ends, torn, last_seq, doubled;
	uint8_t seen[1 << 20]; /* sequence numbers */
};

static void count_line(struct count *c, const char *line, size_t len)
{
	static char text[EVENT_LINE_MAX];
	struct event ev;
	struct err e;

	if (event_parse(line, len, &ev, text, sizeof text, &e)) {
		c->torn++;
		return;
	}
	c->sum += event_calls(&ev);
	c->starts += ev.type == EVENT_SESSION_START;
	c->ends += ev.type == EVENT_SESSION_END;
	if (ev.type == EVENT_CALL && ev.seq < sizeof c->seen)
		c->doubled += c->seen[ev.seq]++ != 0;
}

static void count_file(const char *path, struct count *c)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	assert_non_null(f);
	while ((n = getline(&line, &size, f)) > 0)
		count_line(c, line, (size_t)n);
	free(line);
	fclose(f);
}

static _Noreturn void scribe(struct rig *r, const struct sink_config *c)
{
	const struct sinks_opts so = { .arena = r->arena, .n = 1, .configs = c };
	struct journal_opts jo = { .arena = r->arena, .budget = { .rate = 2000, .burst = 200 } };
	struct policies *p;
	struct journal *j;
	struct sinks *s;
	struct err e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (policies_new(r->arena, &p, &e) || sinks_open(&so, &s, &e))
		_exit(1);
	jo.sinks = s;
	jo.policies = p;
	if (journal_new(&jo, &j, &e))
		_exit(1);
	journal_run(j);
	_exit(0);
}

static void put_record(struct arena *a, struct block *b, unsigned n)
{
	struct commit *next = lane_begin(&b->lane);
	struct record_call *r = lane_reserve(&b->lane, next, RECORD_CALL, sizeof *r);

	lane_add(next, LANE_events, 1);
	lane_add(next, LANE_dropped, !r);
	if (r) {
		memset(&r->time_ns, 0, sizeof *r - offsetof(struct record_call, time_ns));
		r->seq = lane_word(next, LANE_events);
		r->data.arch = names_arch_audit(names_native_arch());
		r->data.nr = (int)(n % 7);
		r->data.args[0] = n % 3 ? n % 50 : n; /* some identical, some not */
		r->verdict = (struct verdict){ .act = ACT_ERRNO, .errnum = EPERM };
		r->tid = 5;
		r->done = DONE_ERRNO;
	}
	lane_commit(&b->lane);
	arena_mark(a, b);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* Under load, SIGKILL at any instant, again and again: what was recorded is in the file, once. */
static void test_killed(void **state)
{
	const struct policies_key key = { .name = "test" };
	const struct session_start start = { .id = "c1", .mode = MODE_ENFORCE, .listener = -1 };
	static struct count c;
	const struct compiled *compiled;
	struct sink_config config;
	struct policies *p;
	struct block *b;
	struct rig r;
	struct err e;
	unsigned n = 0;
	pid_t pid;

	(void)state;
	rig_open(&r);
	config = a_file(r.path);
	config.max_size = 1 << 20;
	config.keep = 100;
	assert_int_equal(policies_new(r.arena, &p, &e), 0);
	assert_int_equal(policies_add(p, &key, policy, strlen(policy), &compiled, NULL, &e), 0);
	b = arena_take(r.arena);
	session_fill(b, &start);
	b->number = 1;
	arena_publish(b);
	arena_mark(r.arena, b);
	for (int life = 0; life < 150; life++) {
		uint64_t until = now_ns() + 500000 + (uint64_t)(life * 7919 % 6000) * 1000;

		pid = fork();
		if (!pid)
			scribe(&r, &config);
		while (now_ns() < until)
			lane_half_full(&b->lane) ? (void)sched_yield()
						 : put_record(r.arena, b, n++);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	atomic_store(&b->state, BLOCK_ENDED);
	arena_mark(r.arena, b);
	pid = fork();
	if (!pid)
		scribe(&r, &config);
	while (atomic_load(&b->state) != BLOCK_FREE)
		sched_yield();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 100; i >= 0; i--) {
		char path[128];

		snprintf(path, sizeof path, i ? "%s.%d" : "%s", r.path, i);
		if (!access(path, F_OK))
			count_file(path, &c);
	}
	assert_int_equal(c.torn, 0);
	assert_int_equal(c.doubled, 0);
	assert_int_equal(c.starts, 1);
	assert_int_equal(c.ends, 1);
	assert_int_equal(c.sum, n);
	assert_int_equal(r.arena->totals[r.arena->totals_current & 1].word[LANE_events], n);
	printf("# figure %u records through 150 deaths of the scribe, %llu passes\n", n,
	       (unsigned long long)r.arena->pass);
	policies_put(p, compiled);
	policies_free(p);
	rig_close(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),        cmocka_unit_test(test_torn),
		cmocka_unit_test(test_torn_renamed), cmocka_unit_test(test_removed),
		cmocka_unit_test(test_rotate),       cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_independent),  cmocka_unit_test(test_other_mark),
		cmocka_unit_test(test_killed),
	};

	names_init();
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}

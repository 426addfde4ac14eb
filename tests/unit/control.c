/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - the mailbox: who owns a request, and what is left when either side dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "state.h"
#include "warder/own.h"

#define SECOND 1000000000ULL

struct rig {
	struct arena *arena;
	struct control *worker;
	_Atomic int done;
	sem_t begun, go; /* for a worker that takes its time */
	bool slow;
};

static int work(void *ctx, struct request *q, struct err *e)
{
	struct rig *r = ctx;

	if (r->slow) {
		sem_post(&r->begun);
		sem_wait(&r->go);
	}
	atomic_fetch_add(&r->done, 1);
	snprintf(q->reply, sizeof q->reply, "{\"n\":%d}", q->errnum);
	return q->errnum == 13 ? err_set(e, EBUSY, "number 13.") : 0;
}

static int setup(void **state)
{
	static struct rig r;
	struct err e;

	memset(&r, 0, sizeof r);
	sem_init(&r.begun, 0, 0);
	sem_init(&r.go, 0, 0);
	*state = &r;
	return arena_new(&r.arena, &e) || control_start(r.arena, work, &r, &r.worker, &e) ? -1 : 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	control_stop(r->worker);
	arena_unmap(r->arena);
	return 0;
}

static int ask(struct rig *r, int n, uint64_t ns, char reply[ARENA_REPLY], struct err *e)
{
	const struct control_ask q = { .verb = REQUEST_RELOAD, .errnum = n };

	return control_ask(r->arena, &q, ns, reply, e);
}

static int count(const struct rig *r, enum request_state s)
{
	int n = 0;

	for (size_t i = 0; i < ARENA_REQUESTS; i++)
		n += atomic_load(&r->arena->requests[i].state) == s;
	return n;
}

static void test_answers(void **state)
{
	static char reply[ARENA_REPLY];
	struct rig *r = *state;
	struct err e;

	for (int i = 0; i < 50; i++) {
		char want[32];

		snprintf(want, sizeof want, "{\"n\":%d}", i);
		assert_int_equal(ask(r, i, 10 * SECOND, reply, &e), i == 13 ? -EBUSY : 0);
		assert_string_equal(reply, want);
	}
	assert_int_equal(ask(r, 13, 10 * SECOND, reply, &e), -EBUSY);
	assert_string_equal(e.msg, "number 13.");
	assert_int_equal(count(r, REQUEST_FREE), ARENA_REQUESTS);
}

static void *ask_often(void *arg)
{
	struct rig *r = arg;
	char *reply = malloc(ARENA_REPLY), want[32];
	struct err e;

	for (int i = 100; i < 200; i++) {
		snprintf(want, sizeof want, "{\"n\":%d}", i);
		assert_int_equal(ask(r, i, 10 * SECOND, reply, &e), 0);
		assert_string_equal(reply, want);
	}
	free(reply);
	return NULL;
}

static void test_threads(void **state)
{
	struct rig *r = *state;
	pthread_t t[8];

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, ask_often, r), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		pthread_join(t[i], NULL);
	assert_int_equal(atomic_load(&r->done), 800);
}

/* Without a worker: taken back, it never happened. */
static void test_no_worker(void **state)
{
	static char reply[ARENA_REPLY];
	struct rig *r = *state;
	struct err e;

	control_stop(r->worker);
	r->worker = NULL;
	assert_int_equal(ask(r, 1, SECOND / 100, reply, &e), -ETIMEDOUT);
	assert_non_null(strstr(e.msg, "nothing was changed"));
	assert_int_equal(count(r, REQUEST_FREE), ARENA_REQUESTS);
	assert_int_equal(control_start(r->arena, work, r, &r->worker, &e), 0);
	assert_int_equal(ask(r, 2, 10 * SECOND, reply, &e), 0);
	assert_int_equal(atomic_load(&r->done), 1);
}

/* A worker that is slow: the asker leaves, the worker finishes and frees. */
static void test_left(void **state)
{
	static char reply[ARENA_REPLY];
	struct rig *r = *state;
	struct err e;

	r->slow = true;
	assert_int_equal(ask(r, 1, SECOND / 10, reply, &e), -ETIMEDOUT);
	assert_non_null(strstr(e.msg, "still"));
	assert_int_equal(count(r, REQUEST_LEFT), 1);
	sem_wait(&r->begun);
	r->slow = false;
	sem_post(&r->go);
	assert_int_equal(ask(r, 2, 10 * SECOND, reply, &e), 0);
	assert_string_equal(reply, "{\"n\":2}");
	assert_int_equal(count(r, REQUEST_FREE), ARENA_REQUESTS);
	assert_int_equal(atomic_load(&r->done), 2);
}

static void put(struct rig *r, int i, enum request_state s, uint32_t flags)
{
	struct request *q = &r->arena->requests[i];

	q->verb = REQUEST_RELOAD;
	q->flags = flags;
	atomic_store(&q->state, s);
}

/* What a dead worker had begun is done by the next; nothing of a dead scribe's stays. */
static void test_deaths(void **state)
{
	static char reply[ARENA_REPLY];
	struct rig *r = *state;
	struct err e;

	control_stop(r->worker);
	for (int s = REQUEST_FREE; s <= REQUEST_LEFT; s++)
		put(r, s, (enum request_state)s, 0);
	put(r, REQUEST_LEFT + 1, REQUEST_ASKED, REQUEST_NO_ANSWER);
	control_reclaim(r->arena);
	assert_int_equal(count(r, REQUEST_LEFT), 2);
	assert_int_equal(count(r, REQUEST_ASKED), 1); /* the keeper's */
	assert_int_equal(count(r, REQUEST_FREE), ARENA_REQUESTS - 3);
	assert_int_equal(control_start(r->arena, work, r, &r->worker, &e), 0);
	assert_int_equal(ask(r, 2, 10 * SECOND, reply, &e), 0);
	while (count(r, REQUEST_FREE) != ARENA_REQUESTS) /* ours may have come first */
		usleep(1000);
	assert_int_equal(atomic_load(&r->done), 4);
}

static void test_full(void **state)
{
	static char reply[ARENA_REPLY];
	struct rig *r = *state;
	struct err e;

	for (int i = 0; i < ARENA_REQUESTS; i++)
		put(r, i, REQUEST_FILLING, 0);
	assert_int_equal(ask(r, 1, SECOND, reply, &e), -EAGAIN);
	control_reclaim(r->arena);
	assert_int_equal(ask(r, 1, 10 * SECOND, reply, &e), 0);
}

/* Whatever is in the arena: it is answered, no text runs on. */
static void test_hostile(void **state)
{
	struct rig *r = *state;
	static char reply[ARENA_REPLY];
	struct err e;

	control_stop(r->worker);
	for (int i = 0; i < ARENA_REQUESTS - 1; i++) {
		memset(&r->arena->requests[i], 0xff, sizeof r->arena->requests[i]);
		r->arena->requests[i].flags = 0;
		atomic_store(&r->arena->requests[i].state, i % 2 ? REQUEST_ASKED : REQUEST_LEFT);
	}
	assert_int_equal(control_start(r->arena, work, r, &r->worker, &e), 0);
	assert_int_equal(ask(r, 1, 10 * SECOND, reply, &e), 0);
	while (count(r, REQUEST_DONE) != (ARENA_REQUESTS - 1) / 2)
		usleep(1000);
	assert_int_equal(atomic_load(&r->done), 1);
	for (int i = 1; i < ARENA_REQUESTS - 1; i += 2)
		assert_int_equal(r->arena->requests[i].result, -EINVAL);
}

/* Killed in the middle, as a process: the next one finishes it and the asker gets its answer. */
static void test_killed(void **state)
{
	static char reply[ARENA_REPLY];
	struct rig *r = *state;
	struct err e;
	pid_t asker, worker;
	int status;

	control_stop(r->worker);
	r->worker = NULL;
	worker = fork();
	if (!worker) {
		r->slow = true; /* it never ends */
		control_start(r->arena, work, r, &r->worker, &e);
		for (;;)
			pause();
	}
	asker = fork();
	if (!asker)
		_exit(ask(r, 5, 10 * SECOND, reply, &e) || strcmp(reply, "{\"n\":5}") ? 1 : 0);
	while (!count(r, REQUEST_WORKING))
		usleep(1000);
	kill(worker, SIGKILL);
	waitpid(worker, &status, 0);
	assert_int_equal(control_start(r->arena, work, r, &r->worker, &e), 0);
	assert_int_equal(waitpid(asker, &status, 0), asker);
	assert_int_equal(status, 0);
	assert_int_equal(count(r, REQUEST_FREE), ARENA_REQUESTS);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_answers), TEST(test_threads), TEST(test_no_worker), TEST(test_left),
		TEST(test_deaths),  TEST(test_full),    TEST(test_hostile),   TEST(test_killed),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}

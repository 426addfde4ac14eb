/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - see control.h. */
#include "control.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "warder/clock.h"
#include "warder/own.h"

struct control {
	struct arena *arena;
	control_fn *fn;
	void *ctx;
	pthread_t thread;
	_Atomic bool stop;
};

static void wake(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* Until the word is no longer `seen`, or the time is over (UINT64_MAX: never). */
static void wait_for(_Atomic uint32_t *word, uint32_t seen, uint64_t ns)
{
	const struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	syscall(SYS_futex, word, FUTEX_WAIT, seen, ns == UINT64_MAX ? NULL : &t, NULL, 0);
}

static bool swap(struct request *q, enum request_state from, enum request_state to)
{
	uint32_t is = from;

	return atomic_compare_exchange_strong(&q->state, &is, to);
}

/* --- the asker --- */

void control_reclaim(struct arena *a)
{
	for (size_t i = 0; i < ARENA_REQUESTS; i++) {
		struct request *q = &a->requests[i];

		if (q->flags & REQUEST_NO_ANSWER)
			continue;
		if (!swap(q, REQUEST_FILLING, REQUEST_FREE) &&
		    !swap(q, REQUEST_ASKED, REQUEST_FREE) &&
		    !swap(q, REQUEST_WORKING, REQUEST_LEFT))
			swap(q, REQUEST_DONE, REQUEST_FREE);
	}
}

static struct request *take(struct arena *a)
{
	for (size_t i = 0; i < ARENA_REQUESTS; i++)
		if (swap(&a->requests[i], REQUEST_FREE, REQUEST_FILLING))
			return &a->requests[i];
	return NULL;
}

static void fill(struct request *q, const struct control_ask *ask)
{
	q->verb = ask->verb;
	q->session = ask->session;
	q->flags = ask->flags;
	q->arch = ask->arch;
	q->mode = ask->mode;
	q->errnum = ask->errnum;
	q->asked_ns = clock_mono_ns();
	snprintf(q->text, sizeof q->text, "%s", ask->text ? ask->text : "");
	q->result = 0;
	*q->message = *q->reply = 0;
}

/* The worker wrote it: its texts are cut where they must end. */
static int read_answer(struct request *q, char reply[ARENA_REPLY], struct err *e)
{
	char message[sizeof q->message];
	int result = q->result;

	memcpy(reply, q->reply, ARENA_REPLY);
	memcpy(message, q->message, sizeof message);
	reply[ARENA_REPLY - 1] = message[sizeof message - 1] = 0;
	atomic_store(&q->state, REQUEST_FREE);
	if (!result)
		return 0;
	err_set(e, result, "%s.", message); /* the point: its words are complete */
	e->msg[strlen(e->msg) - 1] = 0;
	return -e->num;
}

static int give_up(struct request *q, struct err *e)
{
	if (swap(q, REQUEST_ASKED, REQUEST_FREE))
		return err_set(e, ETIMEDOUT,
			       "no worker answers; nothing was changed (audit works without one).");
	swap(q, REQUEST_WORKING, REQUEST_LEFT);
	return err_set(e, ETIMEDOUT, "the worker has not finished; it will still be done.");
}

int control_ask(struct arena *a, const struct control_ask *ask, uint64_t wait_ns,
		char reply[ARENA_REPLY], struct err *e)
{
	uint64_t now = clock_mono_ns(), until = now + wait_ns;
	struct request *q = take(a);

	*reply = 0;
	if (!q)
		return err_set(e, EAGAIN, "too many requests wait for the worker; try again.");
	fill(q, ask);
	atomic_store(&q->state, REQUEST_ASKED);
	wake(&a->asked);
	for (; now < until; now = clock_mono_ns()) {
		uint32_t seen = atomic_load(&a->answered);

		if (atomic_load(&q->state) == REQUEST_DONE)
			return read_answer(q, reply, e);
		wait_for(&a->answered, seen, until - now);
	}
	if (atomic_load(&q->state) == REQUEST_DONE)
		return read_answer(q, reply, e);
	return give_up(q, e);
}

/* --- the worker --- */

static void say_result(const struct request *q, const struct err *e)
{
	if (q->result)
		log_say("asked without waiting: %s", e->msg);
}

static void serve(struct control *c, struct request *q)
{
	struct err e = { 0 };
	int r;

	q->text[sizeof q->text - 1] = 0;
	*q->reply = *q->message = 0;
	r = q->verb < REQUEST_VERBS ? c->fn(c->ctx, q, &e) : err_set(&e, EINVAL, "no such request");
	q->result = r;
	snprintf(q->message, sizeof q->message, "%s", r ? e.msg : "");
	if (q->flags & REQUEST_NO_ANSWER) {
		say_result(q, &e);
		q->flags = 0;
		atomic_store(&q->state, REQUEST_FREE);
	} else if (!swap(q, REQUEST_WORKING, REQUEST_DONE)) {
		atomic_store(&q->state, REQUEST_FREE); /* LEFT */
	}
	wake(&c->arena->answered);
}

/* Ours: asked now, or begun by a worker that is dead. */
static bool is_ours(struct request *q)
{
	uint32_t state = atomic_load(&q->state);

	return state == REQUEST_WORKING || state == REQUEST_LEFT ||
	       swap(q, REQUEST_ASKED, REQUEST_WORKING);
}

static void *run(void *arg)
{
	struct control *c = arg;

	while (!atomic_load(&c->stop)) {
		uint32_t seen = atomic_load(&c->arena->asked);

		for (size_t i = 0; i < ARENA_REQUESTS && !atomic_load(&c->stop); i++)
			if (is_ours(&c->arena->requests[i]))
				serve(c, &c->arena->requests[i]);
		if (!atomic_load(&c->stop))
			wait_for(&c->arena->asked, seen, UINT64_MAX);
	}
	return NULL;
}

int control_start(struct arena *a, control_fn *fn, void *ctx, struct control **out, struct err *e)
{
	struct control *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return err_set(e, ENOMEM, "start the worker's control");
	*c = (struct control){ .arena = a, .fn = fn, .ctx = ctx };
	r = pthread_create(&c->thread, NULL, run, c);
	if (r) {
		free(c);
		return err_set(e, r, "start the worker's control");
	}
	*out = c;
	return 0;
}

void control_stop(struct control *c)
{
	if (!c)
		return;
	atomic_store(&c->stop, true);
	wake(&c->arena->asked);
	pthread_join(c->thread, NULL);
	free(c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - an arena from another process: taken when it is ours, refused in every other case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session.h"
#include "state.h"
#include "warder/event.h"
#include "warder/names.h"
#include "warder/own.h"

struct rig {
	struct arena *arena;
	int fd;
};

static int setup(void **state)
{
	static struct rig r;
	struct err e;

	*state = &r;
	return state_new(&r.arena, &r.fd, &e);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	arena_unmap(r->arena);
	return close(r->fd);
}

/* A LIVE block with a policy, as a worker leaves it. */
static struct block *fill(struct rig *r)
{
	struct block *b = arena_take(r->arena);
	struct policy_text *t = &r->arena->policies[3];

	strcpy(t->name, "web");
	strcpy(t->text, "{}");
	t->len = 2;
	t->used = 1;
	b->policy = 3;
	b->gate = 3;
	b->listener = -1;
	strcpy(b->id, "abc");
	arena_publish(b);
	return b;
}

static void test_attach(void **state)
{
	struct rig *r = *state;
	struct arena *other;
	struct err e;

	fill(r);
	assert_int_equal(state_check(r->arena, &e), 0);
	assert_int_equal(state_attach(r->fd, &other, &e), 0);
	assert_string_equal(other->blocks[0].id, "abc");
	other->blocks[0].number = 77;
	assert_int_equal(r->arena->blocks[0].number, 77);
	arena_unmap(other);
}

/* Another version or layout, or a stranger: each has its words. */
static void test_refused(void **state)
{
	struct rig *r = *state;
	struct arena_head good = r->arena->head;
	struct arena *other = NULL;
	struct err e;

	r->arena->head.version++;
	assert_int_equal(state_attach(r->fd, &other, &e), -EPROTO);
	assert_string_equal(e.msg, "the state is of version 2, this warderd's is 1.");
	r->arena->head = good;
	r->arena->head.layout ^= 1;
	assert_int_equal(state_attach(r->fd, &other, &e), -EPROTO);
	assert_string_equal(e.msg, "the state is laid out by another build of version 1.");
	r->arena->head = good;
	r->arena->head.magic[0] = 'w';
	assert_int_equal(state_attach(r->fd, &other, &e), -EPROTO);
	r->arena->head = good;
	r->arena->high = ARENA_SESSIONS + 1;
	assert_int_equal(state_attach(r->fd, &other, &e), -EINVAL);
	assert_null(other);
}

static void test_no_state(void **state)
{
	auto_fd empty = memfd_create("empty", MFD_CLOEXEC), loose = -1;
	auto_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct rig *r = *state;
	struct arena *other = NULL;
	struct err e;

	assert_int_equal(state_attach(empty, &other, &e), -EPROTO);
	assert_int_equal(state_attach(null, &other, &e), -EPROTO);
	/* the right head, but whoever holds it could take the pages away under us */
	loose = memfd_create("loose", MFD_CLOEXEC);
	assert_int_equal(ftruncate(loose, sizeof *r->arena), 0);
	assert_int_equal(pwrite(loose, &r->arena->head, sizeof r->arena->head, 0),
			 sizeof r->arena->head);
	assert_int_equal(state_attach(loose, &other, &e), -EINVAL);
	assert_null(other);
	assert_int_equal(ftruncate(r->fd, 4096), -1);
	assert_int_equal(errno, EPERM);
}

/* Each damage that a worker gone mad could have done. */
static void damage(struct arena *a, struct block *b, int which)
{
	switch (which) {
	case 0:
		b->policy = ARENA_POLICIES;
		break;
	case 1:
		b->policy = 4;
		break;
	case 2:
		b->mode = MODE_COUNT;
		break;
	case 3:
		b->state = BLOCK_GONE + 1;
		break;
	case 4:
		memset(b->id, 'x', sizeof b->id);
		break;
	case 5:
		memset(b->name, 'x', sizeof b->name);
		break;
	case 6:
		memset(b->pod, 'x', sizeof b->pod);
		break;
	case 7:
		memset(b->namespace, 'x', sizeof b->namespace);
		break;
	case 8:
		b->lane.slot.state = SLOT_SENT + 1;
		break;
	case 9:
		b->lane.slot.done = DONE_COUNT;
		break;
	case 10:
		b->lane.slot.verdict.act = ACT_COUNT;
		break;
	case 11:
		b->lane.slot.ident = SESSION_IDENTS;
		break;
	case 12:
		b->lane.slot.mode = MODE_COUNT;
		break;
	case 13:
		a->policies[3].len = sizeof a->policies[3].text;
		break;
	case 14:
		a->policies[3].text[2] = 'x';
		break;
	case 15:
		memset(a->policies[3].name, 'x', sizeof a->policies[3].name);
		break;
	case 16:
		strcpy(a->policies[3].name, "../x");
		break;
	default:
		a->high = ARENA_SESSIONS + 1;
		break;
	}
}
#define DAMAGES 18

static void test_damaged(void **state)
{
	struct rig *r = *state;
	struct err e;

	for (int i = 0; i < DAMAGES; i++) {
		struct block *b = fill(r);

		damage(r->arena, b, i);
		assert_int_equal(state_check(r->arena, &e), -EINVAL);
		memset(&r->arena->policies[3], 0, 4096);
		r->arena->policies[3].text[2] = 0;
		r->arena->high = 0;
		memset((char *)b, 0, 4096);
		memset(&b->lane.slot, 0, sizeof b->lane.slot);
		assert_int_equal(state_check(r->arena, &e), 0);
	}
}

/* A freed block gives its pages back to the system, from the memfd too. */
static void test_pages(void **state)
{
	struct rig *r = *state;
	struct block *b = fill(r);
	struct stat before, full, after;

	fstat(r->fd, &before);
	memset(b->lane.ring, 1, sizeof b->lane.ring);
	fstat(r->fd, &full);
	arena_give(b);
	fstat(r->fd, &after);
	assert_true(full.st_blocks >= before.st_blocks + LANE_RING / 512);
	assert_true(after.st_blocks <= before.st_blocks);
	assert_int_equal(b->lane.ring[7], 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = { T(attach), T(refused), T(no_state), T(damaged),
					    T(pages) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

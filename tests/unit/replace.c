/* SPDX-License-Identifier: Apache-2.0 */
/* replace.c - what goes from daemon to daemon: each message looked at, each descriptor in its
 * place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replace.h"
#include "state.h"
#include "warder/own.h"
#include "warder/wire.h"

#define SOON wire_deadline(2000000000ULL)

static void test_parse(void **state)
{
	struct replace_msg m, out;
	struct err e;

	(void)state;
	replace_msg_init(&m, REPLACE_GIVE);
	m.n = 2;
	m.items[0] = (struct replace_item){ REPLACE_SESSION, ARENA_SESSIONS - 1, 7 };
	m.items[1] = (struct replace_item){ REPLACE_DOOR, DOOR_COUNT - 1, 0 };
	assert_int_equal(replace_parse(&m, sizeof m, 2, &out, &e), 0);
	assert_int_equal(out.items[0].number, 7);
	assert_int_equal(replace_parse(&m, sizeof m - 1, 2, &out, &e), -EPROTO);
	assert_int_equal(replace_parse(&m, sizeof m, 1, &out, &e), -EPROTO);
	assert_string_equal(e.msg, "1 descriptors came along, 2 were named.");
	m.items[1].index = DOOR_COUNT;
	assert_int_equal(replace_parse(&m, sizeof m, 2, &out, &e), -EPROTO);
	m.items[1] = (struct replace_item){ REPLACE_WHATS, 0, 0 };
	assert_int_equal(replace_parse(&m, sizeof m, 2, &out, &e), -EPROTO);
	m.n = REPLACE_FDS + 1;
	assert_int_equal(replace_parse(&m, sizeof m, REPLACE_FDS + 1, &out, &e), -EPROTO);
	m.n = 0;
	m.kind = REPLACE_COUNT;
	assert_int_equal(replace_parse(&m, sizeof m, 0, &out, &e), -EPROTO);
	m.kind = REPLACE_REFUSED;
	assert_int_equal(replace_parse(&m, sizeof m, 0, &out, &e), 0);
	memset(m.text, 'x', sizeof m.text);
	assert_int_equal(replace_parse(&m, sizeof m, 0, &out, &e), -EPROTO);
	m.text[0] = 0;
	m.magic[0] = 0;
	assert_int_equal(replace_parse(&m, sizeof m, 0, &out, &e), -EPROTO);
	replace_msg_init(&m, REPLACE_GO); /* descriptors only go with GIVE */
	m.n = 1;
	assert_int_equal(replace_parse(&m, sizeof m, 1, &out, &e), -EPROTO);
}

static void test_check(void **state)
{
	struct replace_msg m;
	struct err e;

	(void)state;
	replace_msg_init(&m, REPLACE_HELLO);
	m.state = STATE_VERSION;
	m.layout = state_layout();
	assert_int_equal(replace_check(&m, &e), 0);
	m.layout++;
	assert_int_equal(replace_check(&m, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "another build"));
	m.state++;
	assert_int_equal(replace_check(&m, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "of version"));
	m.kind = REPLACE_GO;
	assert_int_equal(replace_check(&m, &e), -EPROTO);
}

struct rig {
	char dir[64], path[128];
	int door;
};

static int setup(void **state)
{
	static struct rig r;
	struct err e;

	*state = &r;
	snprintf(r.dir, sizeof r.dir, "/tmp/replace.XXXXXX");
	if (!mkdtemp(r.dir))
		return -1;
	snprintf(r.path, sizeof r.path, "%s/s", r.dir);
	return wire_listen(r.path, 8, &r.door, &e);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	close(r->door);
	unlink(r->path);
	return rmdir(r->dir);
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* As many sessions as take three messages. */
#define SESSIONS (2 * REPLACE_FDS + 5)

/* The next one, in a child: 0 when everything is in its place. */
static int next_one(const struct rig *r, ino_t memory)
{
	static struct estate got;
	auto_fd sock = -1;
	struct stat st;
	struct err e;
	int n = 0;

	estate_init(&got);
	if (replace_ask(r->path, SOON, &sock, &got, &e))
		return 1;
	for (int i = 0; i < ARENA_SESSIONS; i++)
		n += got.listeners[i] >= 0 && got.numbers[i] == (uint64_t)i * 3;
	if (n != SESSIONS || fstat(got.memory, &st) || st.st_ino != memory ||
	    got.doors.fd[DOOR_API] < 0 || !got.doors.given[DOOR_API] ||
	    got.doors.fd[DOOR_LISTENER] >= 0)
		return 2;
	estate_close(&got);
	return replace_send(sock, REPLACE_READY, NULL, SOON, &e) ||
	       replace_expect(sock, REPLACE_GO, SOON, &e);
}

static void test_give(void **state)
{
	static struct estate s;
	struct rig *r = *state;
	struct replace_peer next;
	struct err e;
	int status;
	pid_t pid;

	estate_init(&s);
	s.memory = memfd_create("m", MFD_CLOEXEC);
	for (int i = 0; i < SESSIONS; i++) {
		s.listeners[i * 7] = s.memory;
		s.numbers[i * 7] = (uint64_t)i * 21;
	}
	s.doors.fd[DOOR_API] = r->door;
	s.doors.given[DOOR_API] = true;
	pid = fork();
	if (!pid)
		_exit(next_one(r, inode(s.memory)));
	assert_int_equal(poll(&(struct pollfd){ r->door, POLLIN, 0 }, 1, 5000), 1);
	assert_int_equal(replace_meet(r->door, &next, &e), 0);
	assert_int_equal(replace_give(next.sock, &s, SOON, &e), 0);
	assert_int_equal(replace_expect(next.sock, REPLACE_READY, SOON, &e), 0);
	assert_int_equal(replace_send(next.sock, REPLACE_GO, NULL, SOON, &e), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(replace_expect(next.sock, REPLACE_SERVING, SOON, &e), -ENODATA);
	close(next.sock);
	close(next.pidfd);
	close(s.memory);
}

/* The one who knocks does not speak the language, is of another build, says nothing. */
static void test_refused(void **state)
{
	struct replace_msg hello;
	struct rig *r = *state;
	struct replace_peer next;
	char garbage[sizeof hello];
	struct err e;
	int sock;

	memset(garbage, 'x', sizeof garbage);
	assert_int_equal(wire_connect(r->path, SOON, &sock, &e), 0);
	assert_int_equal(write(sock, garbage, sizeof garbage), sizeof garbage);
	assert_int_equal(replace_meet(r->door, &next, &e), -EPROTO);
	close(sock);

	replace_msg_init(&hello, REPLACE_HELLO);
	hello.state = STATE_VERSION + 1;
	assert_int_equal(wire_connect(r->path, SOON, &sock, &e), 0);
	assert_int_equal(write(sock, &hello, sizeof hello), sizeof hello);
	assert_int_equal(replace_meet(r->door, &next, &e), -EPROTO);
	assert_int_equal(replace_expect(sock, REPLACE_GIVE, SOON, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "the other warderd refuses: the state here is of version"));
	close(sock);

	assert_int_equal(wire_connect(r->path, SOON, &sock, &e), 0);
	close(sock);
	assert_int_equal(replace_meet(r->door, &next, &e), -ENODATA);
	assert_int_equal(wire_connect(r->path, SOON, &sock, &e), 0);
	assert_int_equal(replace_meet(r->door, &next, &e), -ETIMEDOUT);
	close(sock);
}

static int any_fd(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* What the arena says and what came need not agree. */
static void test_settle(void **state)
{
	static struct estate s;
	struct arena *a;
	struct err e;
	int fds[4];

	(void)state;
	assert_int_equal(arena_new(&a, &e), 0);
	estate_init(&s);
	for (int i = 0; i < 4; i++) {
		struct block *b = arena_take(a);

		b->number = 10 + (uint64_t)i;
		b->listener = 500 + i;
		arena_publish(b);
		fds[i] = s.listeners[i] = any_fd();
		s.numbers[i] = b->number;
	}
	close(fds[0]);
	s.listeners[0] = -1;                            /* none came */
	s.numbers[1] = 99;                              /* another session's */
	atomic_store(&a->blocks[2].state, BLOCK_ENDED); /* ended meanwhile */
	assert_int_equal(estate_settle(&s, a), 1);
	assert_int_equal(a->blocks[0].state, BLOCK_ENDED);
	assert_int_equal(a->blocks[1].state, BLOCK_ENDED);
	assert_int_equal(a->blocks[2].state, BLOCK_ENDED);
	assert_int_equal(a->blocks[3].state, BLOCK_LIVE);
	assert_int_equal(a->blocks[3].listener, fds[3]);
	assert_false(is_open(fds[1]));
	assert_false(is_open(fds[2]));
	assert_true(is_open(fds[3]));
	estate_note(&s, a);
	assert_int_equal(s.listeners[3], fds[3]);
	assert_int_equal(s.listeners[1], -1);
	close(fds[3]);
	arena_unmap(a);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = { T(parse), T(check), T(give), T(refused), T(settle) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

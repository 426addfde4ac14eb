/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - what systemd gives, by its names; what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "store.h"
#include "warder/own.h"

#define FIRST 200

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void open_some(int n)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < n; i++)
		assert_int_equal(dup2(null, FIRST + i), FIRST + i);
	close(null);
}

static void test_sort(void **state)
{
	static struct stored s;

	(void)state;
	open_some(8);
	assert_int_equal(store_sort("state:session-7:api.sock:session-:session-7x:other:state",
				    FIRST, 8, &s),
			 3);
	assert_int_equal(s.memory, FIRST);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.sessions[0].fd, FIRST + 1);
	assert_int_equal(s.sessions[0].number, 7);
	assert_int_equal(s.doors.fd[DOOR_API], FIRST + 2);
	assert_true(s.doors.given[DOOR_API]);
	assert_int_equal(fcntl(FIRST + 1, F_GETFD), FD_CLOEXEC);
	for (int i = 3; i < 8; i++)
		assert_false(is_open(FIRST + i));
	close_range(FIRST, FIRST + 2, 0);
	assert_int_equal(store_sort("", FIRST, 0, &s), 0);
	assert_int_equal(s.memory, -1);
}

/* By number; one that no session has is closed. */
static void test_match(void **state)
{
	static struct stored s;
	static struct estate e;
	struct arena *a;
	struct block *b;
	struct err err;

	(void)state;
	open_some(3);
	assert_int_equal(store_sort("state:session-9:session-5", FIRST, 3, &s), 3);
	assert_int_equal(arena_new(&a, &err), 0);
	b = arena_take(a);
	b->number = 5;
	arena_publish(b);
	estate_init(&e);
	store_match(&s, a, &e);
	assert_int_equal(e.memory, FIRST);
	assert_int_equal(e.listeners[0], FIRST + 2);
	assert_int_equal(e.numbers[0], 5);
	assert_false(is_open(FIRST + 1));
	estate_close(&e);
	arena_unmap(a);
}

static void test_say(void **state)
{
	int listening = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), sock;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char got[256] = "";
	struct err e;

	(void)state;
	snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1, "warder-store-%d", (int)getpid());
	assert_int_equal(bind(listening, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
					  strlen(sa.sun_path + 1))),
			 0);
	snprintf(got, sizeof got, "@%s", sa.sun_path + 1);
	setenv("NOTIFY_SOCKET", got, 1);
	assert_int_equal(store_open(&sock, &e), 0);
	assert_true(sock >= 0);
	store_say(sock, "READY=%d", 1);
	memset(got, 0, sizeof got);
	assert_int_equal(recv(listening, got, sizeof got - 1, 0), 7);
	assert_string_equal(got, "READY=1");
	assert_int_equal(store_put_session(sock, 12, listening, &e), 0);
	memset(got, 0, sizeof got);
	assert_true(recv(listening, got, sizeof got - 1, 0) > 0);
	assert_string_equal(got, "FDSTORE=1\nFDNAME=session-12");
	close(sock);
	close(listening);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(store_open(&sock, &e), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(store_open(&sock, &e), 0);
	assert_int_equal(sock, -1);
	store_say(sock, "nothing");
	store_remove_session(sock, 1);
}

static void test_watchdog(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(store_watchdog(), 0);
	setenv("WATCHDOG_USEC", "1000", 1);
	assert_int_equal(store_watchdog(), 1000000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(store_watchdog(), 0);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(store_watchdog(), 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sort),
					    cmocka_unit_test(test_match),
					    cmocka_unit_test(test_say),
					    cmocka_unit_test(test_watchdog) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

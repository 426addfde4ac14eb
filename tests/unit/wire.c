/* SPDX-License-Identifier: Apache-2.0 */
/* wire.c - one message with descriptors; whatever is not exactly right is refused, its descriptors
 * closed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "warder/own.h"
#include "warder/wire.h"

#define SECOND 1000000000ULL

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void pair(int s[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
}

static void put(int sock, const char *text, int n_fds)
{
	int fds[253]; /* SCM_MAX_FD */
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof fds)];
	} c = { 0 };
	struct iovec v = { (char *)(uintptr_t)text, strlen(text) };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };

	for (int i = 0; i < n_fds; i++)
		fds[i] = 0;
	if (n_fds) {
		h.msg_control = c.buf;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
		c.align.cmsg_level = SOL_SOCKET;
		c.align.cmsg_type = SCM_RIGHTS;
		c.align.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
		memcpy(CMSG_DATA(&c.align), fds, sizeof(int) * (size_t)n_fds);
	}
	assert_true(sendmsg(sock, &h, 0) >= 0);
}

static void test_round_trip(void **state)
{
	const char *text = " {\"a\":\"}\\\"]\",\"b\":[{}]}\n ";
	struct wire_msg m;
	struct err e;
	int s[2], fds[2] = { 0, 1 };

	(void)state;
	pair(s);
	assert_int_equal(wire_send(s[0], wire_deadline(SECOND), text, strlen(text), fds, 2, &e), 0);
	assert_int_equal(wire_recv(s[1], wire_deadline(SECOND), &m, &e), 0);
	assert_string_equal(m.text, text);
	assert_int_equal(m.n_fds, 2);
	assert_true(fcntl(m.fds[0], F_GETFD) & FD_CLOEXEC);
	wire_fini(&m);
	close(s[0]);
	close(s[1]);
}

/* Pieces written one by one, with descriptors on each; what becomes of it. */
static void test_refusals(void **state)
{
	static const struct {
		const char *pieces[3];
		int fds[3], error;
		const char *says;
	} rows[] = {
		{ { "{\"a\":", "1}" }, { 1, 1 }, 0, NULL },
		{ { "{}" }, { 8 }, 0, NULL },
		{ { "{}" }, { 9 }, EPROTO, "more than 8 descriptors" },
		{ { "{\"a\":", "1}" }, { 5, 5 }, EPROTO, "more than 8 descriptors" },
		{ { "{\"a\":", "1", "}" }, { 1, 0, 7 }, 0, NULL },
		{ { "{", "\"a\":1", "}" }, { 3, 3, 3 }, EPROTO, "more than 8 descriptors" },
		{ { "{}" }, { 253 }, EPROTO, "descriptors" },
		{ { "{} x" }, { 1 }, EPROTO, "no single JSON object" },
		{ { "{}{}" }, { 0 }, EPROTO, "no single JSON object" },
		{ { "[1]" }, { 1 }, EPROTO, "no single JSON object" },
		{ { "hello" }, { 1 }, EPROTO, "no single JSON object" },
		{ { "{\"a\":" }, { 1 }, EPROTO, "ends in the middle" },
		{ { " " }, { 1 }, EPROTO, "ends in the middle" },
		{ { NULL }, { 0 }, ENODATA, "no message" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int before = open_fds(), s[2], r;
		struct wire_msg m = { 0 };
		struct err e = { 0 };

		pair(s);
		for (int k = 0; k < 3 && rows[i].pieces[k]; k++)
			put(s[0], rows[i].pieces[k], rows[i].fds[k]);
		close(s[0]);
		r = wire_recv(s[1], wire_deadline(SECOND), &m, &e);
		if (r != -rows[i].error || (rows[i].says && !strstr(e.msg, rows[i].says)))
			fail_msg("row %zu: %d %s", i, r, e.msg);
		if (!r)
			wire_fini(&m);
		close(s[1]);
		assert_int_equal(open_fds(), before);
	}
}

/* No room for a descriptor here: the kernel leaves it out and says MSG_CTRUNC. */
static void test_no_descriptor_left(void **state)
{
	int s[2], before, r;
	struct rlimit old, none;
	struct wire_msg m;
	struct err e;

	(void)state;
	pair(s);
	put(s[0], "{}", 3);
	before = open_fds();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	r = dup(0);
	close(r);
	none.rlim_cur = (rlim_t)r + 1; /* one of the three has room */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = wire_recv(s[1], wire_deadline(SECOND), &m, &e);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(r, -EPROTO);
	assert_non_null(strstr(e.msg, "were cut off"));
	assert_int_equal(open_fds(), before);
	close(s[0]);
	close(s[1]);
}

static void test_credentials_are_refused(void **state)
{
	int s[2], before, on = 1;
	struct wire_msg m;
	struct err e;

	(void)state;
	pair(s);
	assert_int_equal(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	before = open_fds();
	put(s[0], "{}", 2);
	assert_int_equal(wire_recv(s[1], wire_deadline(SECOND), &m, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "other than descriptors"));
	assert_int_equal(open_fds(), before);
	close(s[0]);
	close(s[1]);
}

static void test_depth(void **state)
{
	char text[200];
	struct wire_msg m;
	struct err e;
	int s[2];

	(void)state;
	memset(text, '{', sizeof text - 1);
	text[sizeof text - 1] = 0;
	pair(s);
	put(s[0], text, 0);
	assert_int_equal(wire_recv(s[1], wire_deadline(SECOND), &m, &e), -EPROTO);
	close(s[0]);
	close(s[1]);
}

struct flood {
	int sock;
	size_t size, step;
};

static void *write_flood(void *arg)
{
	struct flood *f = arg;
	char *text = malloc(f->size);

	memset(text, ' ', f->size);
	text[0] = '{';
	text[f->size - 1] = '}';
	for (size_t done = 0; done < f->size; done += f->step)
		if (send(f->sock, text + done, f->size - done < f->step ? f->size - done : f->step,
			 MSG_NOSIGNAL) < 0)
			break;
	free(text);
	return NULL;
}

/* The largest message passes, also byte by byte in little time; one byte more does not. */
static void test_size(void **state)
{
	static const struct {
		size_t size, step;
		int error;
	} rows[] = { { WIRE_MAX_SIZE, 65536, 0 },
		     { WIRE_MAX_SIZE + 1, 65536, E2BIG },
		     { WIRE_MAX_SIZE, 1, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct flood f = { .size = rows[i].size, .step = rows[i].step };
		struct wire_msg m;
		struct err e;
		pthread_t t;
		int s[2];

		pair(s);
		f.sock = s[0];
		assert_int_equal(pthread_create(&t, NULL, write_flood, &f), 0);
		assert_int_equal(wire_recv(s[1], wire_deadline(20 * SECOND), &m, &e),
				 -rows[i].error);
		close(s[1]);
		pthread_join(t, NULL);
		close(s[0]);
		if (!rows[i].error) {
			assert_int_equal(m.len, rows[i].size);
			wire_fini(&m);
		}
	}
}

static void test_deadline(void **state)
{
	struct wire_msg m;
	struct err e;
	int s[2], before;

	(void)state;
	pair(s);
	put(s[0], "{\"a\"", 1);
	before = open_fds();
	assert_int_equal(wire_recv(s[1], wire_deadline(SECOND / 20), &m, &e), -ETIMEDOUT);
	assert_int_equal(open_fds(), before);
	close(s[0]);
	close(s[1]);
	assert_true(wire_deadline(UINT64_MAX) == UINT64_MAX);
}

static void ignore(int sig)
{
	(void)sig;
}

/* A handler without SA_RESTART every millisecond changes neither the deadline nor the answer. */
static void test_signals(void **state)
{
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	struct sigaction act = { .sa_handler = ignore }, old;
	struct wire_msg m;
	struct err e;
	int s[2], r;

	(void)state;
	pair(s);
	sigaction(SIGALRM, &act, &old);
	setitimer(ITIMER_REAL, &often, NULL);
	r = wire_recv(s[1], wire_deadline(SECOND / 20), &m, &e);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	assert_int_equal(r, -ETIMEDOUT);
	close(s[0]);
	close(s[1]);
}

static void *receive_one(void *arg)
{
	int sock = *(int *)arg;
	struct wire_msg *m = calloc(1, sizeof *m);
	struct err e;

	if (wire_recv(sock, wire_deadline(20 * SECOND), m, &e))
		m->n_fds = -1;
	return m;
}

/* A message larger than the socket's buffer goes in parts, its descriptors with the first only. */
static void test_send_in_parts(void **state)
{
	char *text = malloc(WIRE_MAX_SIZE);
	const int fds[2] = { 0, 1 };
	struct wire_msg *m;
	struct err e;
	pthread_t t;
	void *got;
	int s[2];

	(void)state;
	memset(text, ' ', WIRE_MAX_SIZE);
	text[0] = '{';
	text[WIRE_MAX_SIZE - 1] = '}';
	pair(s);
	assert_int_equal(pthread_create(&t, NULL, receive_one, &s[1]), 0);
	assert_int_equal(wire_send(s[0], wire_deadline(20 * SECOND), text, WIRE_MAX_SIZE, fds, 2,
				   &e),
			 0);
	pthread_join(t, &got);
	m = got;
	assert_int_equal(m->n_fds, 2);
	assert_int_equal(m->len, WIRE_MAX_SIZE);
	assert_memory_equal(m->text, text, WIRE_MAX_SIZE);
	wire_fini(m);
	free(m);
	free(text);
	close(s[0]);
	close(s[1]);
}

static void test_send_to_nobody(void **state)
{
	static char big[1 << 20];
	struct err e;
	int s[2];

	(void)state;
	memset(big, 'a', sizeof big);
	pair(s);
	assert_int_equal(wire_send(s[0], wire_deadline(SECOND / 20), big, sizeof big, NULL, 0, &e),
			 -ETIMEDOUT);
	close(s[1]);
	assert_int_equal(wire_send(s[0], wire_deadline(SECOND), "{}", 2, NULL, 0, &e), -EPIPE);
	close(s[0]);
}

static void test_listen(void **state)
{
	char dir[] = "/tmp/warder-wire.XXXXXX", path[64], file[64], longest[200];
	struct ucred peer;
	struct stat st;
	struct err e;
	int l, other, c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	snprintf(file, sizeof file, "%s/file", dir);
	assert_int_equal(wire_connect(path, wire_deadline(SECOND), &c, &e), -ENOENT);
	assert_int_equal(wire_listen(path, 4, &l, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(wire_listen(path, 4, &other, &e), -EADDRINUSE);
	assert_int_equal(wire_connect(path, wire_deadline(SECOND), &c, &e), 0);
	assert_int_equal(wire_peer(c, &peer, &e), 0);
	assert_int_equal(peer.uid, geteuid());
	close(c);
	close(l); /* stale now */
	assert_int_equal(wire_listen(path, 4, &l, &e), 0);
	close(l);
	fclose(fopen(file, "w"));
	assert_int_equal(wire_listen(file, 4, &l, &e), -EEXIST);
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	assert_int_equal(wire_listen(longest, 4, &l, &e), -EINVAL);
	assert_int_equal(wire_connect(longest, wire_deadline(SECOND), &l, &e), -EINVAL);
	unlink(path);
	unlink(file);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_descriptor_left),
		cmocka_unit_test(test_credentials_are_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_send_in_parts),
		cmocka_unit_test(test_send_to_nobody),
		cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

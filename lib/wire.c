/* SPDX-License-Identifier: Apache-2.0 */
/* wire.c - see wire.h. */
#include "warder/wire.h"
#include "warder/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "warder/own.h"

#define WIRE_DEPTH 64

/* Where a JSON document ends: a scanner of nesting and strings, linear over all reads. */
struct scan {
	int depth;
	bool begun, in_string, escaped, done;
};

void wire_fini(struct wire_msg *m)
{
	free(m->text);
	for (int i = 0; i < m->n_fds; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	*m = (struct wire_msg){ 0 };
}

uint64_t wire_deadline(uint64_t ns_from_now)
{
	uint64_t deadline;

	return __builtin_add_overflow(clock_mono_ns(), ns_from_now, &deadline) ? UINT64_MAX
									       : deadline;
}

/* 0 when the socket is ready, -ETIMEDOUT, -errno. */
static int wait_for(int sock, short events, uint64_t deadline)
{
	for (;;) {
		struct pollfd p = { sock, events, 0 };
		uint64_t now = clock_mono_ns(), left = deadline > now ? deadline - now : 0;
		int ms = left / 1000000 >= 60000 ? 60000 : (int)((left + 999999) / 1000000);
		int n = poll(&p, 1, ms);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n && !left)
			return -ETIMEDOUT;
	}
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Eats one byte; false: it cannot belong to one JSON object and the white space around it. */
static bool scan_byte(struct scan *s, char c)
{
	if (!s->begun || s->done) {
		if (is_space(c))
			return true;
		s->begun = !s->done && c == '{';
		s->depth = 1;
		return s->begun && !s->done;
	}
	if (s->in_string) {
		if (s->escaped)
			s->escaped = false;
		else if (c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->in_string = false;
		return true;
	}
	if (c == '"')
		s->in_string = true;
	else if (c == '{' || c == '[')
		return ++s->depth <= WIRE_DEPTH;
	else if (c == '}' || c == ']')
		s->done = --s->depth == 0;
	return true;
}

/* Takes all descriptors of one read into m, the rest is closed. */
static int take_fds(struct msghdr *h, struct wire_msg *m, struct err *e)
{
	int r = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			r = err_set(e, EPROTO, "control data other than descriptors");
			continue;
		}
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (m->n_fds < WIRE_MAX_FDS) {
				m->fds[m->n_fds++] = fd;
				continue;
			}
			close(fd);
			r = err_set(e, EPROTO, "more than %d descriptors", WIRE_MAX_FDS);
		}
	}
	if (!r && (h->msg_flags & MSG_CTRUNC))
		r = err_set(e, EPROTO, "descriptors were cut off (too many, or none left here)");
	return r;
}

/* One read: what came is in buf[0..*got), its descriptors in m. 0 bytes: end-of-file. */
static int receive(int sock, uint64_t deadline, char *buf, size_t size, struct wire_msg *m,
		   size_t *got, struct err *e)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 64)];
	} control;
	struct iovec iov = { buf, size };
	ssize_t n;
	int r;

	do {
		struct msghdr h = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.buf,
				    .msg_controllen = sizeof control.buf };

		r = wait_for(sock, POLLIN, deadline);
		if (r)
			return err_set(e, r, "wait for a message");
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n >= 0) {
			*got = (size_t)n;
			return take_fds(&h, m, e);
		}
	} while (errno == EINTR || errno == EAGAIN);
	return err_set(e, errno, "receive a message");
}

static int grow(struct wire_msg *m, size_t *room, struct err *e)
{
	size_t want = *room ? *room * 2 : 4096;
	char *bigger;

	if (m->len + 1 < *room)
		return 0;
	if (m->len >= WIRE_MAX_SIZE)
		return err_set(e, E2BIG, "the message is longer than %d bytes.", WIRE_MAX_SIZE);
	want = want > WIRE_MAX_SIZE + 1 ? WIRE_MAX_SIZE + 1 : want;
	bigger = realloc(m->text, want);
	if (!bigger)
		return err_set(e, ENOMEM, "receive a message");
	m->text = bigger;
	*room = want;
	return 0;
}

static int receive_all(int sock, uint64_t deadline, struct wire_msg *m, struct err *e)
{
	struct scan scan = { 0 };
	size_t room = 0, got = 0;
	int r;

	while (!scan.done) {
		r = grow(m, &room, e);
		if (!r)
			r = receive(sock, deadline, m->text + m->len, room - 1 - m->len, m, &got,
				    e);
		if (r)
			return r;
		if (!got)
			return m->len || m->n_fds
				       ? err_set(e, EPROTO, "the message ends in the middle")
				       : err_set(e, ENODATA, "no message came");
		for (size_t i = 0; i < got; i++)
			if (!scan_byte(&scan, m->text[m->len + i]))
				return err_set(e, EPROTO, "the message is no single JSON object");
		m->len += got;
		m->text[m->len] = 0;
	}
	return 0;
}

int wire_recv(int sock, uint64_t deadline, struct wire_msg *out, struct err *e)
{
	struct wire_msg m = { 0 };
	int r = receive_all(sock, deadline, &m, e);

	if (r) {
		wire_fini(&m);
		return r;
	}
	*out = m;
	return 0;
}

static void put_fds(struct msghdr *h, char *control, const int *fds, int n)
{
	struct cmsghdr *c;

	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
	memset(control, 0, h->msg_controllen);
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
}

int wire_send(int sock, uint64_t deadline, const char *text, size_t len, const int *fds, int n_fds,
	      struct err *e)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * WIRE_MAX_FDS)];
	} control;
	size_t done = 0;

	if (n_fds > WIRE_MAX_FDS || !len)
		return err_set(e, EINVAL, "no message, or more than %d descriptors", WIRE_MAX_FDS);
	while (done < len) {
		struct iovec iov = { (char *)(uintptr_t)text + done, len - done };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;
		int r = wait_for(sock, POLLOUT, deadline);

		if (r)
			return err_set(e, r, "wait to send a message");
		if (!done && n_fds > 0)
			put_fds(&h, control.buf, fds, n_fds);
		n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_set(e, errno, "send a message");
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int wire_peer(int sock, struct ucred *out, struct err *e)
{
	socklen_t len = sizeof *out;

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, out, &len)
		       ? err_set(e, errno, "ask who the peer is")
		       : 0;
}

static int address(const char *path, struct sockaddr_un *sa, struct err *e)
{
	size_t n = strlen(path);

	if (!n || n >= sizeof sa->sun_path)
		return err_set(e, EINVAL, "\"%s\" is no path of a socket (1 to %zu bytes)", path,
			       sizeof sa->sun_path - 1);
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sa->sun_path, path, n);
	return 0;
}

/* Removes a socket that nobody listens on any more. */
static int remove_stale(const char *path, const struct sockaddr_un *sa, struct err *e)
{
	auto_fd sock = -1;
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : err_set(e, errno, "look at %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, EEXIST, "%s is there and no socket.", path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return err_set(e, errno, "make a socket");
	if (!connect(sock, (const struct sockaddr *)sa, sizeof *sa) || errno == EAGAIN)
		return err_set(e, EADDRINUSE, "%s: another warderd listens there.", path);
	if (errno != ECONNREFUSED)
		return err_set(e, errno, "look at %s", path);
	return unlink(path) && errno != ENOENT ? err_set(e, errno, "remove %s", path) : 0;
}

/* Nobody can connect before listen(): the mode is set by then. */
int wire_listen(const char *path, int backlog, int *out, struct err *e)
{
	struct sockaddr_un sa;
	auto_fd sock = -1;
	int r = address(path, &sa, e);

	if (!r)
		r = remove_stale(path, &sa, e);
	if (r)
		return r;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return err_set(e, errno, "make a socket");
	if (bind(sock, (const struct sockaddr *)&sa, sizeof sa))
		return err_set(e, errno, "bind %s", path);
	if (chmod(path, 0600) || listen(sock, backlog)) {
		r = err_set(e, errno, "listen on %s", path);
		unlink(path);
		return r;
	}
	*out = take_fd(&sock);
	return 0;
}

int wire_connect(const char *path, uint64_t deadline, int *out, struct err *e)
{
	auto_fd sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct timespec nap = { 0, 2000000 };
	struct sockaddr_un sa;
	int r = address(path, &sa, e);

	if (r)
		return r;
	if (sock < 0)
		return err_set(e, errno, "make a socket");
	while (connect(sock, (const struct sockaddr *)&sa, sizeof sa)) {
		if (errno != EAGAIN && errno != EINTR)
			return err_set(e, errno, "connect to %s", path);
		if (clock_mono_ns() >= deadline)
			return err_set(e, ETIMEDOUT, "connect to %s", path);
		nanosleep(&nap, NULL); /* the queue of a unix socket is full: there is no event */
	}
	*out = take_fd(&sock);
	return 0;
}

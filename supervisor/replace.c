/* SPDX-License-Identifier: Apache-2.0 */
/* replace.c - see replace.h. */
#include "replace.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "state.h"
#include "warder/own.h"
#include "warder/wire.h"

#define HELLO_NS 1000000000ULL

static const char magic[8] = "WARDER1";

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int) * REPLACE_FDS)];
};

/* A message and what came with it. */
struct parcel {
	struct replace_msg msg;
	int n_fds;
	int fds[REPLACE_FDS];
};

void replace_msg_init(struct replace_msg *m, enum replace_kind kind)
{
	*m = (struct replace_msg){ .kind = kind };
	memcpy(m->magic, magic, sizeof magic);
}

static bool is_item(const struct replace_item *i)
{
	static const uint32_t limits[] = { [REPLACE_MEMORY] = 1,
					   [REPLACE_DOOR] = DOOR_COUNT,
					   [REPLACE_SESSION] = ARENA_SESSIONS };

	return i->what < REPLACE_WHATS && i->index < limits[i->what];
}

int replace_parse(const void *buf, size_t len, int n_fds, struct replace_msg *out, struct err *e)
{
	struct replace_msg m;

	if (len != sizeof m)
		return err_set(e, EPROTO, "a message of %zu bytes, not %zu.", len, sizeof m);
	memcpy(&m, buf, sizeof m);
	if (memcmp(m.magic, magic, sizeof magic) != 0 || m.kind >= REPLACE_COUNT)
		return err_set(e, EPROTO, "the peer does not speak the language of keeper.sock.");
	if (m.n > REPLACE_FDS || (int)m.n != n_fds || (m.n && m.kind != REPLACE_GIVE))
		return err_set(e, EPROTO, "%d descriptors came along, %u were named.", n_fds, m.n);
	for (uint32_t i = 0; i < m.n; i++)
		if (!is_item(&m.items[i]))
			return err_set(e, EPROTO, "a descriptor for what there is not.");
	if (!memchr(m.text, 0, sizeof m.text))
		return err_set(e, EPROTO, "a text without an end.");
	*out = m;
	return 0;
}

int replace_check(const struct replace_msg *hello, struct err *e)
{
	if (hello->kind != REPLACE_HELLO)
		return err_set(e, EPROTO, "it does not say what state it understands.");
	if (hello->state != STATE_VERSION)
		return err_set(e, EPROTO,
			       "the state here is of version %d, that warderd's is %u: stop this "
			       "one and start that one.",
			       STATE_VERSION, hello->state);
	if (hello->layout != state_layout())
		return err_set(e, EPROTO,
			       "the state here is laid out by another build of version %d: stop "
			       "this one and start that one.",
			       STATE_VERSION);
	return 0;
}

/* 0 when the socket is ready, else -ETIMEDOUT, -errno. */
static int wait_for(int sock, short events, uint64_t deadline)
{
	for (;;) {
		struct pollfd p = { sock, events, 0 };
		uint64_t now = wire_deadline(0), left = deadline > now ? deadline - now : 0;
		int n = poll(&p, 1, (int)((left + 999999) / 1000000));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return -ETIMEDOUT;
	}
}

static void attach(struct msghdr *h, union control *c, const int *fds, uint32_t n)
{
	struct cmsghdr *cm;

	memset(c, 0, sizeof *c);
	h->msg_control = c->buf;
	h->msg_controllen = CMSG_SPACE(sizeof(int) * n);
	cm = CMSG_FIRSTHDR(h);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(cm), fds, sizeof(int) * n);
}

static int send_msg(int sock, const struct replace_msg *m, const int *fds, uint64_t deadline,
		    struct err *e)
{
	union control control;
	size_t done = 0;

	while (done < sizeof *m) {
		struct iovec iov = { (char *)(uintptr_t)m + done, sizeof *m - done };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
		int r = wait_for(sock, POLLOUT, deadline);
		ssize_t n;

		if (r)
			return err_set(e, r, "wait for the other warderd");
		if (!done && fds && m->n)
			attach(&h, &control, fds, m->n);
		n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_set(e, errno, "tell the other warderd");
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int take_fds(struct msghdr *h, struct parcel *p, struct err *e)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (p->n_fds < REPLACE_FDS)
				p->fds[p->n_fds++] = fd;
			else
				close(fd);
		}
	}
	return h->msg_flags & MSG_CTRUNC
		       ? err_set(e, EMFILE, "descriptors were cut off (ulimit -n)")
		       : 0;
}

static void drop(struct parcel *p)
{
	for (int i = 0; i < p->n_fds; i++)
		own_close(&p->fds[i]);
	p->n_fds = 0;
}

static int receive(int sock, uint64_t deadline, struct parcel *p, struct err *e)
{
	union control control;
	struct replace_msg raw;
	size_t done = 0;
	int r = 0;

	while (!r && done < sizeof raw) {
		struct iovec iov = { (char *)&raw + done, sizeof raw - done };
		struct msghdr h = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.buf,
				    .msg_controllen = sizeof control.buf };
		ssize_t n;

		r = wait_for(sock, POLLIN, deadline);
		if (r)
			return err_set(e, r, "wait for the other warderd");
		n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (!n)
			return err_set(e, ENODATA, "the other warderd has gone");
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return err_set(e, errno == ECONNRESET ? ENODATA : errno,
				       "hear the other warderd");
		if (n > 0)
			r = take_fds(&h, p, e);
		done += n > 0 ? (size_t)n : 0;
	}
	return r ? r : replace_parse(&raw, done, p->n_fds, &p->msg, e);
}

static int receive_parcel(int sock, uint64_t deadline, struct parcel *p, struct err *e)
{
	int r;

	p->n_fds = 0;
	p->msg.kind = REPLACE_COUNT;
	r = receive(sock, deadline, p, e);
	if (!r && p->msg.kind == REPLACE_REFUSED)
		r = err_set(e, EPROTO, "the other warderd refuses: %s", p->msg.text);
	if (r)
		drop(p);
	return r;
}

int replace_send(int sock, enum replace_kind kind, const char *text, uint64_t deadline,
		 struct err *e)
{
	struct replace_msg m;

	replace_msg_init(&m, kind);
	m.state = STATE_VERSION;
	m.layout = state_layout();
	if (text)
		strncpy(m.text, text, sizeof m.text - 1);
	return send_msg(sock, &m, NULL, deadline, e);
}

int replace_expect(int sock, enum replace_kind kind, uint64_t deadline, struct err *e)
{
	struct parcel p;
	int r = receive_parcel(sock, deadline, &p, e);

	if (r)
		return r;
	drop(&p);
	return p.msg.kind == kind ? 0 : err_set(e, EPROTO, "not what is due now.");
}

static int check_peer(int sock, struct ucred *peer, struct err *e)
{
	int r = wire_peer(sock, peer, e);

	if (r || peer->uid == 0 || peer->uid == geteuid())
		return r;
	return err_set(e, EPERM, "the peer is user %u.", (unsigned)peer->uid);
}

static int greet(int sock, struct ucred *peer, struct err *e)
{
	uint64_t deadline = wire_deadline(HELLO_NS);
	struct parcel p;
	struct err ignored;
	int r = check_peer(sock, peer, e);

	if (!r)
		r = receive_parcel(sock, deadline, &p, e);
	if (r)
		return r;
	drop(&p);
	r = replace_check(&p.msg, e);
	if (r)
		replace_send(sock, REPLACE_REFUSED, e->msg, deadline, &ignored);
	return r;
}

int replace_meet(int door, struct replace_peer *out, struct err *e)
{
	auto_fd sock = accept4(door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), pidfd = -1;
	struct ucred peer;
	int r;

	if (sock < 0)
		return err_set(e, errno, "take a connection");
	r = greet(sock, &peer, e);
	if (r)
		return r;
	pidfd = pidfd_open(peer.pid, 0);
	if (pidfd < 0)
		return err_set(e, errno, "find the other warderd");
	out->pidfd = take_fd(&pidfd);
	out->sock = take_fd(&sock);
	return 0;
}

/* Adds one to the message; sends it when it is full. */
static int give(int sock, struct parcel *p, const struct replace_item *item, int fd,
		uint64_t deadline, struct err *e)
{
	int r = 0;

	if (fd < 0)
		return 0;
	p->msg.items[p->msg.n] = *item;
	p->fds[p->msg.n++] = fd;
	if (p->msg.n == REPLACE_FDS) {
		r = send_msg(sock, &p->msg, p->fds, deadline, e);
		p->msg.n = 0;
	}
	return r;
}

int replace_give(int sock, const struct estate *s, uint64_t deadline, struct err *e)
{
	struct replace_item item = { .what = REPLACE_MEMORY };
	struct parcel p;
	int r;

	replace_msg_init(&p.msg, REPLACE_GIVE);
	r = give(sock, &p, &item, s->memory, deadline, e);
	item.what = REPLACE_DOOR;
	for (item.index = 0; !r && item.index < DOOR_COUNT; item.index++) {
		item.number = s->doors.given[item.index];
		r = give(sock, &p, &item, s->doors.fd[item.index], deadline, e);
	}
	item.what = REPLACE_SESSION;
	for (item.index = 0; !r && item.index < ARENA_SESSIONS; item.index++) {
		item.number = s->numbers[item.index];
		r = give(sock, &p, &item, s->listeners[item.index], deadline, e);
	}
	if (!r && p.msg.n)
		r = send_msg(sock, &p.msg, p.fds, deadline, e);
	return r ? r : replace_send(sock, REPLACE_GIVEN, NULL, deadline, e);
}

/* Where it belongs; a second one for the same place takes the first one's. */
static void put(struct estate *s, const struct replace_item *item, int *fd)
{
	int *place = item->what == REPLACE_MEMORY ? &s->memory
		     : item->what == REPLACE_DOOR ? &s->doors.fd[item->index]
						  : &s->listeners[item->index];

	own_close(place);
	*place = take_fd(fd);
	if (item->what == REPLACE_SESSION)
		s->numbers[item->index] = item->number;
	if (item->what == REPLACE_DOOR)
		s->doors.given[item->index] = item->number;
}

static int take_all(int sock, uint64_t deadline, struct estate *out, struct err *e)
{
	struct parcel p;
	int r;

	for (;;) {
		r = receive_parcel(sock, deadline, &p, e);
		if (r)
			return r;
		if (p.msg.kind != REPLACE_GIVE)
			break;
		for (uint32_t i = 0; i < p.msg.n; i++)
			put(out, &p.msg.items[i], &p.fds[i]);
	}
	if (p.msg.kind != REPLACE_GIVEN || out->memory < 0)
		return err_set(e, EPROTO, "the running warderd did not give its state.");
	return 0;
}

int replace_ask(const char *path, uint64_t deadline, int *sock, struct estate *out, struct err *e)
{
	struct ucred peer;
	auto_fd s = -1;
	int r = wire_connect(path, deadline, &s, e);

	if (!r)
		r = check_peer(s, &peer, e);
	if (!r)
		r = replace_send(s, REPLACE_HELLO, NULL, deadline, e);
	if (!r)
		r = take_all(s, deadline, out, e);
	if (r)
		return r;
	*sock = take_fd(&s);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - see store.h. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "warder/own.h"

#define FIRST_FD 3

int store_open(int *sock, struct err *e)
{
	const struct timeval limit = { .tv_sec = 1 };
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	auto_fd s = -1;

	*sock = -1;
	if (!n)
		return 0;
	if (n >= sizeof sa.sun_path || (*path != '/' && *path != '@'))
		return err_set(e, EINVAL, "NOTIFY_SOCKET=%s is no socket's name", path);
	memcpy(sa.sun_path, path, n);
	if (*path == '@')
		sa.sun_path[0] = 0;
	s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) ||
	    connect(s, (const struct sockaddr *)&sa,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)))
		return err_set(e, errno, "NOTIFY_SOCKET=%s", path);
	*sock = take_fd(&s);
	return 0;
}

/* fd -1: none goes along. */
static int notify(int sock, const char *text, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char *)(uintptr_t)text, strlen(text) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (sock < 0)
		return 0;
	if (fd >= 0) {
		h.msg_control = control.buf;
		h.msg_controllen = sizeof control.buf;
		*CMSG_FIRSTHDR(&h) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
						       .cmsg_level = SOL_SOCKET,
						       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), &fd, sizeof fd);
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

void store_say(int sock, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int r;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	r = notify(sock, text, -1);
	if (r)
		log_say("tell systemd: %s", strerror(-r));
}

int store_put_state(int sock, int memory, struct err *e)
{
	int r = notify(sock, "FDSTORE=1\nFDNAME=state", memory);

	return r ? err_set(e, r, "give the state to systemd's store") : 0;
}

int store_put_session(int sock, uint64_t number, int listener, struct err *e)
{
	char text[64];
	int r;

	snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=session-%" PRIu64, number);
	r = notify(sock, text, listener);
	return r ? err_set(e, r, "give a listener to systemd's store") : 0;
}

void store_remove_session(int sock, uint64_t number)
{
	if (sock >= 0)
		store_say(sock, "FDSTOREREMOVE=1\nFDNAME=session-%" PRIu64, number);
}

/* A number of the environment; 0: none. */
static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : 0;
}

uint64_t store_watchdog(void)
{
	uint64_t pid = number_of("WATCHDOG_PID");

	return pid && pid != (uint64_t)getpid() ? 0 : number_of("WATCHDOG_USEC") * 1000;
}

static bool put(struct stored *s, const char *name, int fd)
{
	uint64_t number;
	int door = door_parse(name);
	char *end;

	if (!strcmp(name, "state") && s->memory < 0) {
		s->memory = fd;
		return true;
	}
	if (door >= 0 && s->doors.fd[door] < 0) {
		s->doors.fd[door] = fd;
		s->doors.given[door] = true;
		return true;
	}
	if (strncmp(name, "session-", 8) != 0 || s->n == ARENA_SESSIONS)
		return false;
	number = strtoull(name + 8, &end, 10);
	if (*end || end == name + 8)
		return false;
	s->sessions[s->n].fd = fd;
	s->sessions[s->n++].number = number;
	return true;
}

int store_sort(const char *names, int first, int n, struct stored *out)
{
	int placed = 0;

	*out = (struct stored){ .memory = -1 };
	doors_init(&out->doors);
	for (int i = 0; i < n; i++) {
		size_t len = strcspn(names, ":");
		char name[256];

		snprintf(name, sizeof name, "%.*s", (int)len, names);
		names += len + (names[len] == ':');
		fcntl(first + i, F_SETFD, FD_CLOEXEC);
		if (put(out, name, first + i)) {
			placed++;
			continue;
		}
		log_say("a descriptor named \"%s\" was given to warderd: closed", name);
		close(first + i);
	}
	return placed;
}

void store_take(struct stored *out)
{
	static const char *const variables[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES" };
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t n = number_of("LISTEN_FDS");
	bool ours = number_of("LISTEN_PID") == (uint64_t)getpid() && n <= STORE_MAX;

	store_sort(names ? names : "", FIRST_FD, ours ? (int)n : 0, out);
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
}

void store_match(struct stored *s, const struct arena *a, struct estate *out)
{
	uint32_t high = atomic_load(&a->high);

	out->memory = s->memory;
	for (int i = 0; i < s->n; i++) {
		uint32_t b = 0;

		while (b < high && b < ARENA_SESSIONS &&
		       (atomic_load(&a->blocks[b].state) != BLOCK_LIVE || out->listeners[b] >= 0 ||
			a->blocks[b].number != s->sessions[i].number))
			b++;
		if (b >= high || b >= ARENA_SESSIONS) {
			close(s->sessions[i].fd);
			continue;
		}
		out->listeners[b] = s->sessions[i].fd;
		out->numbers[b] = s->sessions[i].number;
	}
	s->n = 0;
}

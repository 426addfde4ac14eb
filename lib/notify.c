/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - see notify.h. */
#include "warder/notify.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int notify_recv(int listener, struct seccomp_notif *n)
{
	memset(n, 0, sizeof(*n));
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, n) < 0 ? -errno : 0;
}

static int send_response(int listener, struct seccomp_notif_resp *r)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, r) < 0 ? -errno : 0;
}

int notify_continue(int listener, uint64_t id)
{
	struct seccomp_notif_resp r = {
		.id = id,
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
	};

	return send_response(listener, &r);
}

int notify_reply(int listener, uint64_t id, int error, int64_t val)
{
	struct seccomp_notif_resp r = {
		.id = id,
		.error = -error,
		.val = error ? 0 : val,
	};

	return send_response(listener, &r);
}

int notify_valid(int listener, uint64_t id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0 ? -errno : 0;
}

int notify_set_sync(int listener, bool on)
{
	unsigned long flags = on ? SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP : 0;

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags) < 0 ? -errno : 0;
}

int notify_poll(int listener, int timeout_ms)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int n = poll(&p, 1, timeout_ms);

	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	if (p.revents & POLLIN)
		return 1;
	return p.revents & POLLNVAL ? -EBADF : -EPIPE;
}

bool notify_is_listener(int fd)
{
	static const char want[] = "anon_inode:seccomp notify";
	char link[32];
	char name[sizeof(want) + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name));
	return n == (ssize_t)sizeof(want) - 1 && memcmp(name, want, sizeof(want) - 1) == 0;
}

int notify_check_sizes(void)
{
	struct seccomp_notif_sizes s;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &s) < 0)
		return -errno;
	if (s.seccomp_notif > sizeof(struct seccomp_notif) ||
	    s.seccomp_notif_resp > sizeof(struct seccomp_notif_resp) ||
	    s.seccomp_data > sizeof(struct seccomp_data))
		return -E2BIG;
	return 0;
}

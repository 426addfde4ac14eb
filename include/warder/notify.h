/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h - every seccomp-notify ioctl, and nothing else.
 *
 * Thin: negative errno is kept exactly as the kernel gave it, no words (seccomp_unotify(2)). What
 * it means: ENOENT from recv, send, valid: the caller is gone or its call was interrupted: ordinary
 * life. EINPROGRESS from send: answered already. libseccomp's wrappers are not used: they hide the
 * errno (ECANCELED) and lack the newer flags (DESIGN section 5). */
#pragma once
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

/* Blocks. *n is zeroed first, as the kernel demands. 0, -EINTR, -ENOENT, ... */
int notify_recv(int listener, struct seccomp_notif *n);
int notify_continue(int listener, uint64_t id);
/* error: positive errno for the caller; 0: the call returns val. */
int notify_reply(int listener, uint64_t id, int error, int64_t val);
/* 0 while the call is still pending, -ENOENT otherwise. */
int notify_valid(int listener, uint64_t id);
/* -EINVAL: the kernel lacks it (before 6.6). */
int notify_set_sync(int listener, bool on);
/* Waits up to timeout_ms (-1: for ever). 1: a notification is pending; 0: time over; -EPIPE: the
 * last task of the filter is gone (POLLHUP); other -errno. */
int notify_poll(int listener, int timeout_ms);
/* Is fd an "anon_inode:seccomp notify"? */
bool notify_is_listener(int fd);
/* Sizes of SECCOMP_GET_NOTIF_SIZES fit the structures we were built with? 0 or -E2BIG, -errno. */
int notify_check_sizes(void);

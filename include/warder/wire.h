/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - one JSON message with descriptors over a unix stream socket.
 *
 * A message ends where its JSON document is whole, never at end-of-file (crun waits for us then;
 * LAB.md, "The hand-over"). Descriptors are received close-on-exec. Everything that is not exactly
 * right (MSG_CTRUNC, more than WIRE_MAX_FDS descriptors, more than WIRE_MAX_SIZE bytes, bytes after
 * the document other than white space, a document nested too deep, end-of-file in the middle, the
 * deadline) closes every descriptor received and is refused with one line. Deadlines are absolute,
 * CLOCK_MONOTONIC nanoseconds (wire_deadline()). See unix(7), cmsg(3). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "warder/err.h"

#define WIRE_MAX_SIZE (1024 * 1024)
#define WIRE_MAX_FDS  8

struct wire_msg {
	char *text; /* heap, NUL-terminated; NULL when empty */
	size_t len;
	int n_fds;
	int fds[WIRE_MAX_FDS]; /* owned until taken; -1 once taken */
};
void wire_fini(struct wire_msg *m); /* frees, closes */

uint64_t wire_deadline(uint64_t ns_from_now);

/* EOF before the first byte: -ENODATA (crun connects before it makes the container; it means
 * nothing). Errors: -EPROTO (with reason), -ETIMEDOUT, -E2BIG, -errno. */
int wire_recv(int sock, uint64_t deadline, struct wire_msg *out, struct err *e);
int wire_send(int sock, uint64_t deadline, const char *text, size_t len, const int *fds, int n_fds,
	      struct err *e);

struct ucred; /* SO_PEERCRED */
int wire_peer(int sock, struct ucred *out, struct err *e);

/* A listening socket at path, mode 0600, close-on-exec, non-blocking. A stale socket file (nobody
 * accepts) is replaced, a live one is EADDRINUSE; anything that is no socket is refused. */
int wire_listen(const char *path, int backlog, int *out, struct err *e);
/* Connected, blocking reads and writes bounded by the deadlines given to wire_recv/send. */
int wire_connect(const char *path, uint64_t deadline, int *out, struct err *e);

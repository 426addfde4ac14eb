/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - what systemd does for warderd: readiness, watchdog, sockets, and the descriptor store.
 *
 * The store (sd_notify(3), FDSTORE) holds the arena ("state") and each session's listener
 * ("session-NUMBER"), so that even when every process of warderd is killed at once nothing is lost:
 * the next start finds them in LISTEN_FDS (sd_listen_fds(3)) and goes on as a new worker does. A
 * message is safe once it is sent, whether systemd has read it or not.
 *
 * The protocol is spoken here, not by libsystemd: that opens a socket for each message, which the
 * filters of worker and keeper forbid; here one is opened at the start. Without NOTIFY_SOCKET and
 * LISTEN_FDS nothing happens and every function is harmless. */
#pragma once
#include <stdint.h>

#include "estate.h"
#include "warder/err.h"

/* The socket of NOTIFY_SOCKET; *sock -1: there is none. */
int store_open(int *sock, struct err *e);
/* "READY=1" and the like. */
void store_say(int sock, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The arena; a session's listener, and away with it. */
int store_put_state(int sock, int memory, struct err *e);
int store_put_session(int sock, uint64_t number, int listener, struct err *e);
void store_remove_session(int sock, uint64_t number);

/* How often the watchdog must hear of us, in ns; 0: there is none. */
uint64_t store_watchdog(void);

#define STORE_MAX (ARENA_SESSIONS + 16)

struct stored { /* what LISTEN_FDS brought */
	int memory;
	struct doors doors;
	int n;
	struct {
		int fd;
		uint64_t number;
	} sessions[ARENA_SESSIONS];
};
/* Sorts n descriptors, first and following, by their names ("a:b:c"). Returns how many had a place;
 * the others are closed. */
int store_sort(const char *names, int first, int n, struct stored *out);
/* All that came, if it came for us; the variables are removed. */
void store_take(struct stored *out);
/* By the arena's sessions; memory and doors go along. */
void store_match(struct stored *s, const struct arena *a, struct estate *out);

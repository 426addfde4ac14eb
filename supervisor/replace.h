/* SPDX-License-Identifier: Apache-2.0 */
/* replace.h - from one warderd to the next, without losing a call.
 *
 * On keeper.sock, one connection; messages of one fixed size, each with its descriptors:
 *
 *	next -> old   HELLO      the state's version and layout that it understands
 *	old  -> next  REFUSED    one line why; or the old one drains its worker, then
 *	old  -> next  GIVE ...   descriptors, and what each is
 *	old  -> next  GIVEN      that was all
 *	next -> old   READY      mapped, checked; nothing has been written to it yet
 *	old  -> next  GO         the next one may write and serve now, the old one no more
 *	next -> old   SERVING    its worker answers calls
 *	old  -> next  FREE       the old scribe has ended: the next may start its own; the old one
 *ends
 *
 * Never may both serve. Until GO the next one touches nothing, and the old one goes on when it
 *hears READY too late or the connection's end. From GO until FREE the old one goes on only after
 *the connection's end: as the next keeper's worker shares its descriptors, that comes when both are
 * dead. A next one that is late is killed first. When the old one dies before GO, the next one goes
 * on alone, for the same reason, once it has all (GIVEN).
 *
 * Both ends are root or the user that warderd runs as. All that comes is hostile data until
 * replace_parse() has looked at it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "estate.h"
#include "warder/err.h"

#define REPLACE_FDS  64 /* in one message */
#define REPLACE_TEXT 256

enum replace_kind {
	REPLACE_HELLO,
	REPLACE_REFUSED,
	REPLACE_GIVE,
	REPLACE_GIVEN,
	REPLACE_READY,
	REPLACE_GO,
	REPLACE_SERVING,
	REPLACE_FREE,
	REPLACE_COUNT
};

/* What a descriptor is. */
enum replace_what { REPLACE_MEMORY, REPLACE_DOOR, REPLACE_SESSION, REPLACE_WHATS };

struct replace_item {
	uint32_t what;   /* enum replace_what */
	uint32_t index;  /* which door, which block */
	uint64_t number; /* of the session; of a door: its file is not ours to remove */
};

struct replace_msg {
	char magic[8];
	uint32_t kind;  /* enum replace_kind */
	uint32_t n;     /* descriptors, each with an item */
	uint32_t state; /* HELLO: STATE_VERSION */
	uint32_t unused;
	uint64_t layout; /* HELLO: state_layout() */
	struct replace_item items[REPLACE_FDS];
	char text[REPLACE_TEXT]; /* REFUSED: why */
};

void replace_msg_init(struct replace_msg *m, enum replace_kind kind);
/* Looks at what came. Errors: EPROTO. */
int replace_parse(const void *buf, size_t len, int n_fds, struct replace_msg *out, struct err *e);
/* HELLO's claim against ours. -EPROTO: with the words for REFUSED. */
int replace_check(const struct replace_msg *hello, struct err *e);

/* Deadlines as in wire.h. */
int replace_send(int sock, enum replace_kind kind, const char *text, uint64_t deadline,
		 struct err *e);
/* The next message must be of this kind (a REFUSED is an error with its text). -ENODATA: the
 * connection's end. Not for GIVE. */
int replace_expect(int sock, enum replace_kind kind, uint64_t deadline, struct err *e);

/* The old one. Accepts whoever knocks: HELLO looked at, refused if need be. */
struct replace_peer {
	int sock;
	int pidfd; /* of the next keeper */
};
int replace_meet(int door, struct replace_peer *out, struct err *e);
/* GIVE ... GIVEN; the descriptors stay ours too. */
int replace_give(int sock, const struct estate *s, uint64_t deadline, struct err *e);

/* The next one. HELLO, then all up to GIVEN. -ENOENT, -ECONNREFUSED: nobody is there. */
int replace_ask(const char *path, uint64_t deadline, int *sock, struct estate *out, struct err *e);

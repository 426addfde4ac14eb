/* SPDX-License-Identifier: Apache-2.0 */
/* doors.h - the sockets that warderd listens on.
 *
 * The keeper opens them before it starts anyone, so that they outlive worker and scribe and go to
 * the next warderd as they are: a client that connects in between waits in the kernel's queue.
 *
 *	listener.sock	hand-overs, read by the worker         ("socket")
 *	api.sock	HTTP, read by the scribe               ("api", beside the first by default)
 *	metrics		HTTP over TCP, read by the scribe      ("metrics", off by default)
 *	keeper.sock	the next warderd, read by the keeper   (beside the first)
 *
 * The unix ones have mode 0600; whoever reads them checks the peer's user too. */
#pragma once
#include <stdbool.h>

#include "config.h"
#include "warder/err.h"

#define DOORS(X)                     \
	X(LISTENER, "listener.sock") \
	X(API, "api.sock")           \
	X(METRICS, "metrics")        \
	X(KEEPER, "keeper.sock")

#define X(name, word) DOOR_##name,
enum door { DOORS(X) DOOR_COUNT };
#undef X

struct doors {
	int fd[DOOR_COUNT];     /* -1: not open */
	bool given[DOOR_COUNT]; /* by somebody who keeps the socket's file: it is not removed */
};

void doors_init(struct doors *d);
/* Those that are not open yet, as the configuration says. What was opened stays open on failure
 * (doors_close). */
int doors_open(struct doors *d, const struct config *c, struct err *e);
/* Somebody else's doors: those that are not where the configuration wants them go to misfits. */
void doors_fit(struct doors *d, const struct config *c, struct doors *misfits);
/* Closes them and removes their files. */
void doors_drop(struct doors *misfits);
/* Closes all; remove: the files of those that we made go too. */
void doors_close(struct doors *d, const struct config *c, bool remove);

/* The word of DOORS; -1: none is called so. */
int door_parse(const char *word);
const char *door_word(enum door d);

#define DOOR_PATH_MAX 128
/* Where a unix door is, "" when it is off; cut where it is too long for a socket anyway. */
void door_path(const struct config *c, enum door d, char out[DOOR_PATH_MAX]);

/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h - the most recent event lines, in memory, for whoever reads along (the API).
 *
 * One ring of STREAM_BYTES (with stream_new()'s choice) holds lines with what filters ask about.
 * The journal's thread pushes and never waits: a reader that is too slow is overtaken, and the
 * lines it would have got are counted. Such a reader finds, in their place, one "lost" event:
 * "count" the calls they stood for, "lines" how many. Safe from any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warder/err.h"
#include "warder/event.h"

#define STREAM_BYTES       (1024UL * 1024)
#define STREAM_SUBSCRIBERS 64

struct stream;
struct subscriber;

/* What a reader wants; NULL: all. Words as the event's members have them. container: the id or the
 * name. */
struct stream_filter {
	const char *type, *container, *syscall, *verdict, *mode;
};

int stream_new(size_t bytes, struct stream **out, struct err *e);
void stream_free(struct stream *s); /* nobody may be subscribed any more */

/* From the journal: one line with its newline. A line that does not fit in the ring is dropped. */
void stream_push(struct stream *s, const struct event *ev, const char *line, size_t len);

/* A reader: first the lines that are in memory, then, if it follows, those that come. wake() is
 * called once, from the pusher's thread, when there is something after stream_read() had returned
 * 0, and when the stream ends; it must not call into the stream. The filter's texts are copied
 * (cut at 255 bytes). -EMFILE: STREAM_SUBSCRIBERS are there; -EINVAL: a filter's word that no event
 * can have, named. */
int stream_subscribe(struct stream *s, const struct stream_filter *f, bool follow,
		     void (*wake)(void *ctx), void *ctx, struct subscriber **out, struct err *e);
void stream_unsubscribe(struct subscriber *sub);

/* Whole lines into buf (size at least EVENT_LINE_MAX): how many bytes. 0: nothing now; -1: nothing
 * ever again (it does not follow and has read all, or the stream has ended). */
long stream_read(struct subscriber *sub, char *buf, size_t size);
/* No line will come: readers get what is there, then -1. */
void stream_end(struct stream *s);

/* For the metrics: how many read, how many lines were lost to slow ones since the start. */
void stream_count(struct stream *s, unsigned *readers, uint64_t *lost);

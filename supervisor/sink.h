/* SPDX-License-Identifier: Apache-2.0 */
/* sink.h - where event lines go: a table of kinds, a thread for each output.
 *
 * The journal hands a batch to every sink; each has a bounded queue and writes at its own pace, so
 * that one that is slow, full, stopped or gone holds up neither the others nor the journal. What
 * it will never have is counted, said in the log once, and said in the sink itself by a "lost"
 * event when it works again.
 *
 * A regular file gets each line exactly once, whenever the scribe is killed: before a batch is
 * written, the sink's mark in the arena says which (its pass), to which file (device, inode), at
 * which offset and how long; afterwards that it is done. A new scribe that finds an intent looks at
 * the file: whole, it is done; torn, the tail is cut off and the batch, which is still in the
 * arena, written again. So the journal waits for such sinks before it makes the next batch, but
 * not longer than SINK_WAIT_NS: a file that hangs (a dead server) then loses lines, which are
 * counted, until it moves again. The other kinds may get a line twice after a scribe's death. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "warder/err.h"

#define SINK_WAIT_NS  1000000000ULL
#define SINK_STOP_NS  2000000000ULL /* at the end, for all together */
#define SINK_QUEUE    (1024UL * 1024)
#define SINK_KEEP     5
#define SINK_KEEP_MAX 1000

/* Word of the configuration, symbol. */
#define SINK_KINDS(X)           \
	X("file", file)         \
	X("stdout", stdout)     \
	X("syslog", syslog)     \
	X("journald", journald) \
	X("webhook", webhook)

#define X(word, name) SINK_##name,
enum sink_type { SINK_KINDS(X) SINK_TYPES };
#undef X

struct sink_config { /* texts are borrowed */
	enum sink_type type;
	const char *path;       /* file */
	int fd;                 /* file without a path: this descriptor (a duplicate is used) */
	uint64_t max_size;      /* file: rotated once it is so large; 0: never */
	uint64_t keep;          /* file: how many rotated ones stay */
	const char *url;        /* webhook */
	const char *ca;         /* webhook: certificates that are trusted; NULL: the system's */
	const char *token_file; /* webhook: holds what goes into "Authorization: Bearer"; or NULL */
	uint64_t timeout_ns;    /* webhook: for one request */
	uint64_t queue;         /* bytes that wait at most */
};
void sink_config_init(struct sink_config *c, enum sink_type type);
const char *sink_word(enum sink_type t);
int sink_parse(const char *word); /* enum sink_type; -1: none */

struct sinks;

struct sinks_opts {
	struct arena *arena;
	int n; /* at most ARENA_SINKS */
	const struct sink_config *configs;
	/* One line for the log; from any thread; may be NULL. */
	void (*on_trouble)(void *ctx, const char *line);
	void *ctx;
};

/* Opens all, and finishes what a scribe before us had begun. */
int sinks_open(const struct sinks_opts *o, struct sinks **out, struct err *e);
/* Could they be opened? So that warderd refuses to start rather than losing all. */
int sinks_check(int n, const struct sink_config *configs, struct err *e);
/* The batch in the arena, which has just become true, to all; returns when it may be changed. */
void sinks_give(struct sinks *s);
/* SIGUSR1: files are opened anew, for whoever has renamed them. */
void sinks_rotate(struct sinks *s);
/* Writes what is queued, for SINK_STOP_NS at most, and lets go of all. */
void sinks_close(struct sinks *s);

struct sink_status { /* for the metrics */
	enum sink_type type;
	bool failing;
	uint64_t lines, lost_lines, queued_bytes;
};
int sinks_status(struct sinks *s, struct sink_status out[ARENA_SINKS]);

/* --- for the kinds (sink_*.c) --- */

struct chunk { /* a batch on its way */
	struct chunk *next;
	uint64_t pass, lines, calls;
	size_t used;
	struct batch_line *line;
	char *text;
	char head[256]; /* a "lost" event to go before it; "" */
	size_t head_len;
	uint64_t head_lines, head_calls;
};

struct sink {
	const struct sink_kind *kind;
	struct sink_config config;
	struct sinks *all;
	struct arena *arena;
	struct sink_mark *mark;
	char name[128]; /* in messages */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	/* under the lock */
	struct chunk *first, **last;
	size_t queued;
	bool started, busy, stop, rotate, failing, ended;
	/* the kind's; its thread alone uses them, or whoever opens it before that */
	int fd;
	_Atomic bool regular; /* written exactly once; the journal asks too */
	void *own;
};

struct sink_kind {
	const char *word;
	uint64_t linger_ns; /* waits so long for more to write at once, up to a batch; 0: not */
	/* check: only whether it could be; leaves nothing behind. */
	int (*open)(struct sink *s, bool check, struct err *e);
	/* Head and text of c. *out: how many bytes of both (it may cut back to a whole line), also
	 * on failure. */
	int (*write)(struct sink *s, const struct chunk *c, size_t *out, struct err *e);
	int (*rotate)(struct sink *s, struct err *e); /* NULL: nothing to do */
	/* A write that was begun (the mark's state): 1: it is whole; 0: nothing of it is there any
	 * more. NULL: that cannot be known. */
	int (*recover)(struct sink *s, const struct sink_state *st);
	void (*close)(struct sink *s);
};

#define X(word, name) extern const struct sink_kind sink_##name;
SINK_KINDS(X)
#undef X

/* From a kind's write(): where the bytes are about to go. */
void sink_intend(struct sink *s, const struct chunk *c, uint64_t dev, uint64_t ino,
		 uint64_t offset);
void sink_say(struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* From a write() that tries again: says why, once until events are written again. */
void sink_fails(struct sink *s, const char *why);
/* Waits; false: the end has come. */
bool sink_pause(struct sink *s, uint64_t ns);

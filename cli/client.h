/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - the CLI's side of warderd's API (libcurl over api.sock): requests, deadlines, errors
 * and the stream of events, in one place.
 *
 * A request fails when there was no whole answer in time (EHOSTDOWN), when the answer is no JSON
 * (EPROTO), and when warderd said no: ENOENT for 404, EBUSY for 409, EPROTO else, with warderd's
 * words. client_fail() turns each into the exit status that all verbs share. */
#pragma once
#include <json-c/json.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"
#include "warder/err.h"
#include "warder/opt.h"

#define CLIENT_SOCKET     "/run/warder/api.sock"
#define CLIENT_TIMEOUT_NS UINT64_C(10000000000)
#define CLIENT_TIMEOUT    "10s"
#define CLIENT_REPLY_MAX  (64U << 20) /* a longer answer is refused */
#define CLIENT_LINE_MAX   65536U      /* of the stream */
#define CLIENT_PATH_MAX   2048
#define CLIENT_EXIT_STATUS                                                              \
	"Exit status: 0 done, 1 failed, 2 usage, 3 not found, 4 refused by warderd, 5 " \
	"warderd\ncannot be reached.\n"

struct client_opts {
	const char *socket;  /* NULL: $WARDER_API, else CLIENT_SOCKET */
	uint64_t timeout_ns; /* 0: CLIENT_TIMEOUT_NS */
	bool json;
};

/* The rows that all verbs over the API have; "," must follow. */
#define CLIENT_OPTS(o)                                                                               \
	{ "json", 'j', OPT_FLAG, &(o)->json, NULL, "for programs" },                                 \
		{ "socket",     0,      OPT_STR,                                                     \
		  &(o)->socket, "PATH", "warderd's API (default: $WARDER_API, " CLIENT_SOCKET ")" }, \
	{                                                                                            \
		"timeout", 0, OPT_DURATION, &(o)->timeout_ns, "TIME",                                \
			"for each answer (default " CLIENT_TIMEOUT ")"                               \
	}

struct client;
int client_open(const struct client_opts *o, struct client **out, struct err *e);
void client_close(struct client *c);
const char *client_socket(const struct client *c);

struct client_reply {
	long status;              /* of HTTP */
	struct json_object *json; /* owned */
};
/* Any status is success here: for callers to whom a refusal says more than its words. */
int client_request(struct client *c, const char *method, const char *path, struct json_object *body,
		   struct client_reply *out, struct err *e);
/* 0 if warderd said yes, else its words. */
int client_refusal(const struct client_reply *reply, struct err *e);
void client_reply_fini(struct client_reply *reply);
/* Both: *out is the answer, owned by the caller. body: borrowed, NULL for none. */
int client_call(struct client *c, const char *method, const char *path, struct json_object *body,
		struct json_object **out, struct err *e);

/* path?key=value&...; values NULL are left out. */
struct client_param {
	const char *key, *value; /* key NULL ends */
};
int client_path(struct client *c, const char *path, const struct client_param *params, char *buf,
		size_t size, struct err *e);

/* A stream of lines. take returns false when it wants no more. */
typedef bool client_line_fn(void *ctx, const char *line, size_t len);
struct client_stream;
/* follow: the answer has no end, so only connecting has a deadline. */
int client_stream_open(struct client *c, const char *path, bool follow, client_line_fn *take,
		       void *ctx, struct client_stream **out, struct err *e);
/* Waits until something came, one of fds is ready (see revents) or the time is over, and hands out
 * the lines. 1: goes on; 0: ended, by warderd or by take; else failed, as a request. */
int client_stream_wait(struct client_stream *s, struct pollfd *fds, unsigned n_fds, int timeout_ms,
		       struct err *e);
void client_stream_close(struct client_stream *s);

/* Members of an answer, of whatever type they are: "" and 0 where there is none. A path is
 * "counters.denied". Texts are warderd's, but what is in them may be a container's. */
const char *client_text(struct json_object *o, const char *key);
int64_t client_number(struct json_object *o, const char *path);
/* An array, or NULL (of which the length is 0: json_object_array_length() refuses that). */
struct json_object *client_array(struct json_object *o, const char *key, size_t *len);

/* Says it on stderr; returns the exit status. */
int client_fail(const char *program, const struct err *e);
/* The same without a word. */
int client_status(const struct err *e);

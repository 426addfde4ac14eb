/* SPDX-License-Identifier: Apache-2.0 */
/* api.h - what can be asked of a running warderd, and what it answers; no socket here (http.h).
 *
 * One table of rows (method, path, arguments, members of the body, function, what it does) routes,
 * refuses and is the documentation: man/openapi.json is held against it. Every request is checked
 * whole before anything happens: an unknown argument or member, a member of the wrong type and a
 * number that is none are errors that name it. An error is {"error": "one line"}, at times with the
 * tasks or the calls that are in the way. Texts of containers are escaped as in events (event.h).
 *
 * What changes a session goes to the worker (control.h), but for "audit", which is one store to
 * shared memory: the break-glass works without a worker. Safe from any number of threads. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "stream.h"
#include "warder/err.h"

#define API_BODY_MAX (64U * 1024)
#define API_ARGS_MAX 16

struct api_ctx { /* what answers rest on; borrowed */
	struct arena *arena;
	struct stream *stream; /* NULL: no events to read */
	uint64_t wait_ns;      /* for the worker's answer; 0: REQUEST_WAIT_NS */
};

/* What GET /v1/events asks for: its lines do not lie in one body. */
struct api_stream {
	bool follow;
	struct stream_filter filter; /* texts of the request */
};

struct api_arg {
	const char *name, *value;
};

struct api_request {
	const char *method, *path; /* path: percent signs are resolved, no query */
	int n_args;
	struct api_arg args[API_ARGS_MAX];
	const char *body;
	size_t len;
	bool metrics_only; /* it came over TCP: nothing but metrics and health is there */
};

struct api_response {
	unsigned status; /* of HTTP */
	const char *type;
	bool is_stream; /* status 200: no body, the lines of `stream` */
	struct api_stream stream;
	char *body; /* heap */
	size_t len;
};

/* Always fills *out, whatever is asked. */
void api_serve(const struct api_ctx *ctx, const struct api_request *q, struct api_response *out);
/* An error found before api_serve() could be asked. */
void api_refuse(unsigned status, const char *why, struct api_response *out);
void api_response_fini(struct api_response *r);

/* The table, for documents and tests; method NULL ends it. */
struct api_row {
	const char *method, *path, *summary;
	const char *const *args, *const *members; /* NULL-terminated; NULL: none */
};
bool api_row(size_t index, struct api_row *out);

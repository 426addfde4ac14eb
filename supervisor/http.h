/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - HTTP/1.1 on api.sock and on the metrics address: connections and limits.
 *
 * Who connects to api.sock must be root or the user warderd runs as: looked up before a byte is
 * read, others get 403. Over TCP only metrics and health are there. Nothing that a client does
 * costs a session anything: this is the scribe's process, connections are bounded (the next wait in
 * the kernel's queue), each has a thread of its own (libmicrohttpd's), a bounded memory for headers
 * and body, one request, and a deadline for all of it, so that one which sends a byte at a time, or
 * does not read, goes as well. A stream of events has none while it waits for the next event, only
 * for the client to take what there is. */
#pragma once
#include <stdint.h>

#include "api.h"
#include "warder/err.h"

#define HTTP_CONNECTIONS 64
#define HTTP_STREAMS     16 /* of these: events with follow=1 */
#define HTTP_MEMORY      (32U * 1024)
#define HTTP_REQUEST_NS  10000000000ULL

struct http;

struct http_opts {
	const struct api_ctx *api;
	int unix_sock;       /* listening, non-blocking; borrowed */
	int tcp_sock;        /* the same, -1: none */
	uint64_t request_ns; /* 0: HTTP_REQUEST_NS */
};

int http_start(const struct http_opts *o, struct http **out, struct err *e);
void http_stop(struct http *h); /* ends all connections; NULL: nothing */

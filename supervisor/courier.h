/* SPDX-License-Identifier: Apache-2.0 */
/* courier.h - the process that speaks HTTP for a webhook: a child of the scribe.
 *
 * What a server answers, and what TLS and DNS make of it, is parsed by libcurl here, where there is
 * little to take: no capability, the filter of isolate.h, no descriptor but one socket to the
 * scribe. It makes one request for each message and answers with a struct courier_reply; when the
 * socket closes it ends. The scribe itself never calls libcurl. isolate_prepare() comes before. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "sink.h"
#include "warder/err.h"

struct courier_reply {
	int32_t status; /* of HTTP; 0: there was no answer */
	char text[124]; /* why not, a line */
};

/* Can its files be read? */
int courier_check(const struct sink_config *c, struct err *e);
/* *sock: messages (SOCK_SEQPACKET) of NDJSON go in, replies come out. */
int courier_start(const struct sink_config *c, pid_t *pid, int *sock, struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/* ask.h - what our hook and warderd say to each other before the hand-over.
 *
 * On listener.sock, one connection:
 *   hook -> warderd   {"warder": 1, "ask": {...}}                      which container, its caps
 *   warderd -> hook   {"warder": 1, "ok": true, ...} + a sealed memfd  the gate program to install
 *                 or  {"warder": 1, "ok": false, "error": "one line"}
 *   hook -> warderd   ContainerProcessState + the listener             as a native runtime would
 *   warderd -> hook   {"warder": 1, "ok": true}                        now the session is served
 * A native runtime (listenerPath) sends the third alone and gets no answer.
 *
 * Why the daemon compiles: libseccomp needs 13 ms for Docker's profile on three ABIs, more than the
 * whole hook may take; the daemon caches. And hook and daemon cannot disagree about what a policy
 * meant at that moment, nor is a container touched when there is nobody to serve it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warder/bpf.h"
#include "warder/err.h"
#include "warder/oci.h"

#define ASK_VERSION 1

struct ask {                     /* the hook's question */
	struct json_object *doc; /* owns; NULL when filled by hand */
	const char *id;
	struct json_object *annotations; /* NULL: none */
	bool caps_known;
	uint64_t caps;
	const char *policy; /* from the hook's command line; NULL: the daemon's default, or
			       annotation */
	const char *mode;   /* the same */
};
int ask_format(const struct ask *a, char **text, size_t *len, struct err *e);
/* Is this text a question (has "warder" and "ask") rather than a ContainerProcessState? */
bool ask_is(const char *text, size_t len);
int ask_parse(const char *text, size_t len, struct ask *out, struct err *e);
void ask_fini(struct ask *a);

struct answer {
	struct json_object *doc;
	bool ok;
	const char *error;  /* ok false: one line */
	const char *policy; /* ok true, first answer: names for messages */
	const char *mode;
	bool exempt;       /* ok true: leave the container alone, exit 0 */
	bool syscalls_all; /* the gate notifies close, munmap too: the hook must answer itself
			      meanwhile */
};
int answer_format(const struct answer *a, char **text, size_t *len, struct err *e);
int answer_parse(const char *text, size_t len, struct answer *out, struct err *e);
void answer_fini(struct answer *a);

/* The program in a sealed memfd (F_SEAL_WRITE|SHRINK|GROW|SEAL, close-on-exec), and back: checks
 * seals, size and bpf_check(). */
int ask_put_prog(const struct bpf_prog *p, int *fd, struct err *e);
int ask_get_prog(int fd, struct bpf_prog *out, struct err *e);

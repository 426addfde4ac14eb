/* SPDX-License-Identifier: Apache-2.0 */
/* pick.h - which sessions a word of the user's means.
 *
 * A number is a session. Any other word is a container: its id or its name, whole, or else how just
 * one container's id or name begins; then all its sessions are meant, those of `exec` too, since a
 * switch that forgets one of them would be a hole. "session:7" and "container:7" say which of the
 * two, for containers that are called like a number. */
#pragma once
#include <json-c/json.h>

#include "client.h"

#define PICK_HELP                                                                             \
	"ID is a session's number, a container's id or name, or how one of these begins; a\n" \
	"container means all its sessions. session:7 and container:7 say which is meant.\n"

/* *out: an array of the API's sessions, at least one, all of one container; owned by the caller.
 * Errors: those of a request; ENOENT: there is none; ENOTUNIQ: several containers, which e lists.
 */
int pick_sessions(struct client *c, const char *word, struct json_object **out, struct err *e);

/* The same among the answer of /v1/sessions. */
int pick_among(struct json_object *answer, const char *word, struct json_object **out,
	       struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/* policies.h - the policies in use: their texts in the arena, their compiled forms in this process.
 *
 * Compiling Docker's profile takes about 13 ms, starting a container 40: so each (policy file as it
 * is now, bounding set, recording or not) is compiled once and shared by all its sessions. A file
 * that has changed is compiled anew for the containers that start from then on; running ones keep
 * what they have. The text is what survives: a new worker, and the scribe, compile it again from
 * there, so all processes mean the same by it, whatever has become of the file. Safe from any
 * thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "warder/decide.h"
#include "warder/err.h"
#include "warder/filter.h"
#include "warder/policy.h"

struct policies;

struct compiled { /* immutable */
	const struct policy *policy;
	struct filter filter;
	struct decide *decide;
	uint32_t index; /* of its text in the arena */
};

struct policies_key {
	const char *name; /* policy_name_ok() */
	bool caps_known;
	uint64_t caps;
	bool notify_all;
};

int policies_new(struct arena *a, struct policies **out, struct err *e);
void policies_free(struct policies *p); /* nothing may be held any more */

/* The installed policy DIR/NAME.json. *out is held until policies_put(). Errors: those of
 * policy_read_named, policy_parse, profile_resolve, filter_build; ENOSPC: ARENA_POLICIES are in
 * use. */
int policies_load(struct policies *p, const char *dir, const struct policies_key *key,
		  const struct compiled **out, const struct warn *w, struct err *e);
/* The same from a text (`warder run`). */
int policies_add(struct policies *p, const struct policies_key *key, const char *text, size_t len,
		 const struct compiled **out, const struct warn *w, struct err *e);
/* What is in the arena at index: another process put it there, or a worker before us. */
int policies_at(struct policies *p, uint32_t index, const struct compiled **out, struct err *e);
void policies_put(struct policies *p, const struct compiled *c);

/* SPDX-License-Identifier: Apache-2.0 */
/* policies.h - the installed policies, compiled, cached.
 *
 * Compiling Docker's profile takes about 13 ms, starting a container 40: so each (policy file as it
 * is now, bounding set, recording or not) is compiled once and shared by all its sessions. A file
 * that has changed (inode, size, times) is compiled anew for the containers that start from then
 * on; running ones keep what they have. Safe from any thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "warder/decide.h"
#include "warder/err.h"
#include "warder/filter.h"
#include "warder/policy.h"

struct policies;

struct compiled { /* immutable */
	const struct policy *policy;
	struct filter filter;
	struct decide *decide;
};

struct policies_key {
	const char *name; /* policy_name_ok() */
	bool caps_known;
	uint64_t caps;
	bool notify_all;
};

int policies_new(const char *dir, struct policies **out, struct err *e);
void policies_free(struct policies *p); /* what is still held lives on */

/* *out is the caller's until compiled_put(). Errors: those of policy_load_named, profile_resolve,
 * filter_build; nothing is cached then. */
int policies_get(struct policies *p, const struct policies_key *key, const struct compiled **out,
		 const struct warn *w, struct err *e);
const struct compiled *compiled_hold(const struct compiled *c);
void compiled_put(const struct compiled *c);

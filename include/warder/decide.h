/* SPDX-License-Identifier: Apache-2.0 */
/* decide.h - (policy, call) -> verdict. Pure: no I/O, no allocation, no lock, no clock.
 *
 * The verdict is what the kernel would choose for the same profile loaded statically by runc,
 * unless a rule of "warder" comes first. Built once per (policy, ruleset): a dense table over (ABI,
 * number) holds every verdict that does not depend on arguments (found by running the program once
 * per number); only the others run the program again. So decide() is one table look-up for most
 * calls. */
#pragma once
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "warder/err.h"
#include "warder/filter.h"
#include "warder/policy.h"
#include "warder/profile.h"

/* Why: an index into decide's list of reasons. */
enum { WHY_DEFAULT, WHY_ENOSYS_TAIL, WHY_BAD_ARCH, WHY_UNKNOWN, WHY_LIVE, WHY_FIRST };

struct verdict {
	uint8_t act; /* enum act */
	uint8_t pad;
	uint16_t errnum; /* ACT_ERRNO: 1..4095 (0 is possible: "succeed with 0"); ACT_TRACE: the
			    message */
	uint16_t why;
	uint16_t policy; /* whose decision; 0 here, the session sets it */
};

struct decide; /* immutable, shared by all sessions of one policy; reference-counted by its owner */

/* Takes what it needs from its arguments; none is kept but p (for words), which must outlive it. */
int decide_new(const struct policy *p, const struct ruleset *r, const struct filter *f,
	       struct decide **out, struct err *e);
void decide_free(struct decide *d);

struct verdict decide(const struct decide *d, const struct seccomp_data *call);

/* Does the verdict for (arch, nr) depend on the arguments? */
bool decide_needs_args(const struct decide *d, enum arch a, int nr);

/* "default", "newer than the profile", "bad architecture", "live", "syscalls[3]",
 * "warder.rules[0]"; never NULL. The attribution is by the first clause in the document that
 * matches the call and has the verdict's effect (libseccomp keeps no such record); where the
 * verdict does not depend on arguments, by the first such clause without conditions. "profile"
 * where no clause fits, as when libseccomp merged some. */
const char *decide_why(const struct decide *d, struct verdict v);
const char *decide_message(const struct decide *d, struct verdict v); /* of the rule; NULL: none */

/* SPDX-License-Identifier: Apache-2.0 */
/* cover.h - can a filter that is installed serve another policy?
 *
 * A filter is never taken off a task. So a policy can replace another in a running container only
 * where the installed gate notifies each call that the new gate would notify or block, or does
 * itself what the new one would do. Both are programs: every number and architecture that one of
 * them tells apart is tried, and for verdicts that depend on arguments one value of each class that
 * their comparisons make. That is exact for what libseccomp and our prologue emit, but for masks
 * that overlap on one argument; where it is not exact, or would be too much, the call counts as not
 * covered ("unknown"). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "warder/bpf.h"
#include "warder/err.h"

/* fn is called once for each (AUDIT_ARCH, number) that is not covered; a number that stands for
 * many that no program tells apart is the least of them. Errors: ENOMEM. */
int cover_check(const struct bpf_prog *installed, const struct bpf_prog *wanted,
		void (*fn)(void *ctx, uint32_t audit, uint32_t nr, bool unknown), void *ctx,
		struct err *e);

/* Everything that p may return for this call, whatever its arguments: bits of enum act. Errors:
 * ENOMEM, ENOTSUP (a program that is not of our kind). */
int cover_actions(const struct bpf_prog *p, uint32_t audit, uint32_t nr, unsigned *acts,
		  struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/* verbs.h - what the worker does when it is asked (control.h): modes, policies, single calls.
 *
 * All of it is checked before anything changes, and says in one line why not. A policy replaces
 * another only where the installed filter notifies what the new one needs (cover.h); of a native
 * runtime's filter that is not known: what arrives is decided by the new policy. */
#pragma once
#include "control.h"
#include "warder/err.h"

/* ctx: the struct worker. A control_fn. */
int verbs_do(void *ctx, struct request *q, struct err *e);

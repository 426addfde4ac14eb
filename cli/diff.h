/* SPDX-License-Identifier: Apache-2.0 */
/* diff.h - the listing of what two profiles, or a profile and a filter, answer differently. */
#pragma once
#include "profiles.h"

/* To stdout, by name; *differ: there was something to list. */
int diff_print(struct diagrams *d, struct clauses *from, struct clauses *to, bool json,
	       bool *differ, struct err *e);

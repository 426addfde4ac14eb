/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - may this build go on with an arena that another warderd made?
 *
 * Yes, if version and layout are its own. The version counts changes of meaning and is raised by
 * hand (STATE_VERSION); the layout is a hash over the size and place of every member that is in
 * the shared memory, so it follows by itself. Everything else in there is hostile data until it
 * has been looked at: every index in its bounds, every text terminated. */
#pragma once
#include <stdint.h>

#include "arena.h"
#include "warder/err.h"

#define STATE_VERSION 1

/* A new arena with its head written, and its memfd. */
int state_new(struct arena **out, int *fd, struct err *e);
/* Somebody else's: mapped, head and limits checked. -EPROTO: another version or layout. */
int state_attach(int fd, struct arena **out, struct err *e);

uint64_t state_layout(void);
/* Is a block what a worker and a scribe can go on with? Its writer must have ended. */
int state_check_block(const struct arena *a, uint32_t index, struct err *e);
/* All of them, and the texts of policies. */
int state_check(const struct arena *a, struct err *e);

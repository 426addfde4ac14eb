/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - what every fuzz target shares. A property that does not hold ends the process. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                     \
	do {                                                                \
		if (!(condition)) {                                         \
			fprintf(stderr, "does not hold: %s\n", #condition); \
			abort();                                            \
		}                                                           \
	} while (0)

/* A refusal has words, on one printable line. */
static inline void must_say(int r, const struct err *e)
{
	MUST(r < 0 && e->num == -r && *e->msg && !strpbrk(e->msg, "\n\r\033"));
}

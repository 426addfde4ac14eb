/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - what there is to count, as OpenMetrics 1.0 text.
 *
 * Families are rows of a table: name, type, unit, help; the manual page is held against them.
 * Counters never go back: those of sessions that have ended are in the arena's totals, and what is
 * read of the living is read after these. Series of single sessions are bounded (METRICS_SERIES,
 * the oldest sessions first; the rest only counts in the sums, warder_sessions_unlisted says how
 * many), so that a node with thousands of containers does not fill a Prometheus. */
#pragma once
#include <stddef.h>

#include "arena.h"
#include "stream.h"
#include "warder/err.h"

#define METRICS_SERIES 256
#define METRICS_TYPE   "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* *text heap; stream NULL: without what is about readers. */
int metrics_text(const struct arena *a, struct stream *s, char **text, size_t *len, struct err *e);

/* The families' names; NULL after the last. */
const char *metrics_family(size_t index);

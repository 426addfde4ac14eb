/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - the daemon's own log: one line to stderr, "warderd: ...", printable, whole. */
#pragma once

void log_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* As a warn sink and as the journal's on_trouble. */
void log_warn(void *ctx, const char *line);

/* SPDX-License-Identifier: Apache-2.0 */
/* event_line.h - one event for people, on one line. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define EVENT_LINE_TEXT 4096

/* "12:46:36.918  web  denied EPERM  unshare  unshare[6] /bin/busybox  default". Printable, no
 * newline, cut to size; false: the line is no event that we know (print it as it is). */
bool event_line(const char *json, size_t len, char *buf, size_t size);

/* SPDX-License-Identifier: Apache-2.0 */
/* plain.h - text of others, made fit for a terminal.
 *
 * What a container chose (its id, comm, exe) arrives here as JSON strings, in which json-c has
 * undone warderd's escapes. On the way out everything is escaped again that is not one printable
 * character (err_printable()): a terminal never gets a byte that it would obey. */
#pragma once
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>

/* s with each byte that is not printable as \xNN, cut to size; returns buf. */
const char *plain_text(const char *s, char *buf, size_t size);

/* JSON text, len bytes: what is not printable in it becomes \uNNNN, which is the same JSON.
 * Newlines stay. */
void plain_json_text(const char *json, size_t len, FILE *to);
/* A value, indented, and a newline. */
void plain_json(struct json_object *v, FILE *to);

/* How many columns of a terminal the printable text s takes, of its first len bytes. */
size_t plain_width(const char *s, size_t len);
/* How many bytes of s fit into width columns: whole characters. */
size_t plain_fit(const char *s, size_t width);

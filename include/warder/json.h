/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - json-c with a path in every message.
 *
 * A `struct json_at` is a value and how one got there; it lives on the stack of the function that
 * walks the document and points to its parent. Messages then read
 * "FILE: syscalls[3].args[0].op: ...".
 * Limits: JSON_MAX_SIZE bytes, JSON_MAX_DEPTH levels. Refused: NUL bytes, text after the document,
 * invalid UTF-8, and what json-c would let pass: a member given twice in one object, a member's
 * name with a NUL character (which it cuts there), numbers beyond 64 bits, strings in single
 * quotes, NaN and Infinity. */
#pragma once
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "warder/err.h"

#define JSON_MAX_SIZE  (1024 * 1024)
#define JSON_MAX_DEPTH 32

struct json_at {
	const struct json_at *up; /* NULL at the root */
	const char *key;          /* member name, NULL for an array element or the root */
	int index;                /* array index where key is NULL */
	const char *file;         /* named in messages; only read at the root */
	struct json_object *v;    /* borrowed */
};

/* Parses len bytes. *out is owned by the caller (json_object_put).
 * Errors: EINVAL with "FILE:LINE:COLUMN: reason", E2BIG, ENOMEM. */
int json_parse(const char *file, const char *text, size_t len, struct json_object **out,
	       struct err *e);

/* Reads and parses a regular file (not a device, directory or fifo; O_NONBLOCK|O_CLOEXEC).
 * Errors: those of open(2) and read(2), EINVAL, E2BIG (says the limit). */
int json_read(const char *path, struct json_object **out, struct err *e);

/* The bytes of an open regular file, at most JSON_MAX_SIZE: *text heap, NUL-terminated. path is for
 * messages. Errors: EINVAL (no regular file), E2BIG, those of read(2). */
int json_slurp(int fd, const char *path, char **text, size_t *len, struct err *e);
/* The same by path (O_NONBLOCK: a fifo does not block). */
int json_slurp_path(const char *path, char **text, size_t *len, struct err *e);

/* Writes "FILE: a.b[2]" into buf, cut to size; returns buf. */
const char *json_path(const struct json_at *at, char *buf, size_t size);

/* err_set() with EINVAL and the path in front. */
int json_err(const struct json_at *at, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* warn_say() with the path in front. */
void json_warn(const struct json_at *at, const struct warn *w, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A child of an object. false: absent or null (then *out is untouched). at must be an object. */
bool json_child(const struct json_at *at, const char *key, struct json_at *out);
struct json_at json_item(const struct json_at *array, int index);

/* The value itself: each fails with EINVAL and the path when the type is another. Strings are
 * borrowed; a string with an embedded NUL is refused. Numbers: integers only, in range, never
 * rounded. */
int json_is_object(const struct json_at *at, struct err *e);
int json_array(const struct json_at *at, int *len, struct err *e);
int json_str(const struct json_at *at, const char **out, struct err *e);
int json_u64(const struct json_at *at, uint64_t *out, struct err *e);
int json_i64(const struct json_at *at, int64_t *out, struct err *e);
int json_flag(const struct json_at *at, bool *out, struct err *e);
/* "5s", "200ms", "1m" -> ns; refuses other text. */
int json_duration(const struct json_at *at, uint64_t *ns, struct err *e);

/* Warns of each member of the object that is not in the NULL-terminated list. */
void json_known(const struct json_at *at, const char *const *keys, const struct warn *w);

/* Writing: adds a member, which is owned from then on, also on failure. false: out of memory (v
 * NULL included, so that a chain of these can stand in one condition). */
bool json_add(struct json_object *to, const char *key, struct json_object *v);
/* A string that may be a container's own text: printed as event.h escapes it, so it is valid JSON
 * and one line on every terminal, whatever its bytes. NULL: memory. */
struct json_object *json_text(const char *s);
/* The same as a member; "" and NULL are left out. */
bool json_add_text(struct json_object *to, const char *key, const char *s);
/* item at the end of list, both owned from then on; the list, or NULL (then both are freed). */
struct json_object *json_append(struct json_object *list, struct json_object *item);

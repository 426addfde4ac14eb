/* SPDX-License-Identifier: Apache-2.0 */
/* err.h - one error, in the caller's storage.
 *
 * The contract of every function that takes a `struct err *`: it returns 0, or a
 * negative errno with *e filled; its outputs are untouched on failure. Reporting
 * cannot fail: the buffer is fixed, never allocated, never freed, and a text too
 * long ends in "...". The constructor is the return expression:
 *
 *	return err_set(e, errno, "open %s", path);
 *	return err_wrap(e, "policy %s", name);      // "policy web: open /x: ..."
 *
 * Text that comes from a container goes through err_set() like any other; it is
 * escaped there (err_clean), so a message is always one printable line. */
#pragma once
#include <stddef.h>

struct err {
	int num;       /* errno, positive; 0 when there is no error */
	char msg[768]; /* one line, no newline, printable, NUL-terminated */
};

/* Fills *e with num (its sign does not matter; 0 becomes EINVAL) and the words, followed by
 * ": strerror(num)" unless the format ends in '.' or num is EINVAL (then the words say it all).
 * Returns -num. */
int err_set(struct err *e, int num, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "words: " before the message of *e, which must be set. Returns -e->num. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Length of the printable UTF-8 sequence that the NUL-terminated s begins with; 0: none (C0, DEL,
 * C1, broken UTF-8, marks that turn a terminal's text round). */
size_t err_printable(const char *s);

/* Replaces every byte of s that is not printable (C0, DEL, C1, broken UTF-8) by '?', in place. */
void err_clean(char *s);

/* A sink for warnings: one call, one line without newline. A NULL fn drops them. */
struct warn {
	void (*fn)(void *ctx, const char *line);
	void *ctx;
};

void warn_say(const struct warn *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

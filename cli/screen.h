/* SPDX-License-Identifier: Apache-2.0 */
/* screen.h - a terminal taken over and given back: alternate screen, keys without Enter, its size.
 *
 * From screen_open() to screen_close() the signals that end a program or stop it come as a
 * descriptor, so that each of them finds the terminal restored first; then the signal has its usual
 * effect, and the exit status is what it always is. Only SIGKILL cannot be kept from leaving the
 * terminal as it is. */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "warder/err.h"

struct screen {
	int signals; /* signalfd: poll it, then screen_signal() */
	size_t rows, cols;
	struct termios before;
	sigset_t mask; /* the mask before */
	size_t n_typed;
	char typed[64]; /* read, not taken yet */
};

enum key { KEY_NONE, KEY_UP, KEY_DOWN, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME, KEY_END, KEY_CHAR };

/* stdin and stdout must be one terminal. Errors: ENOTTY, those of the terminal. */
int screen_open(struct screen *s, struct err *e);
void screen_close(struct screen *s);

/* One signal: the size has changed, or it was stopped and goes on (0: draw again); or the signal
 * that ends it: close, then screen_die(). */
int screen_signal(struct screen *s);
_Noreturn void screen_die(int signal);

/* Reads what was typed from stdin, of which poll said that it is readable. false: the terminal has
 * gone. */
bool screen_read(struct screen *s);
/* The next key of it; *c: for KEY_CHAR. KEY_NONE: that was all. */
enum key screen_key(struct screen *s, char *c);

/* The screen's lines, in place of those before; cut at its edges. */
void screen_draw(const struct screen *s, const char *text);

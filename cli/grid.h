/* SPDX-License-Identifier: Apache-2.0 */
/* grid.h - tables for people.
 *
 * Columns are as wide as what is in them, by what a terminal shows. On a terminal that is too
 * narrow those that may shrink are cut (with "~"); elsewhere nothing is ever cut, so that what
 * reads the output gets all of it. Every cell is made plain (plain.h) as it comes in. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define GRID_COLS 16

struct grid_col {
	const char *title;
	bool right;   /* numbers */
	bool shrinks; /* may be cut where there is no room */
};

struct grid {
	const struct grid_col *cols; /* borrowed */
	size_t n_cols;
	size_t n_cells; /* whole rows make n_cells a multiple of n_cols */
	char **cells;
	bool bold; /* the header; for terminals */
	bool lost; /* out of memory: cells are missing */
};

void grid_init(struct grid *t, const struct grid_col *cols, size_t n_cols);
/* The next cell, left to right; the last of a row ends it. */
void grid_cell(struct grid *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* width: of the terminal; 0: none. Rows from..to only, both counted from 0. */
void grid_print(const struct grid *t, size_t from, size_t to, size_t width, FILE *out);
void grid_fini(struct grid *t);

/* Prints all to stdout, as wide and as bold as its terminal allows, and frees it. 0 or -ENOMEM. */
int grid_show(struct grid *t);
/* Columns of the terminal that out is; 0: it is none. */
size_t grid_terminal(FILE *out);
/* May escape codes be used there? (NO_COLOR, TERM=dumb) */
bool grid_is_bold(FILE *out);

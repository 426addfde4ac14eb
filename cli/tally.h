/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h - counts of equal rows of text, printed as a table.
 *
 * A row's columns are separated by tabs. At most TALLY_MAX different rows are kept; what comes
 * after is counted in one row of its own, so that hostile input cannot grow the table. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TALLY_MAX  1024
#define TALLY_TEXT 256 /* longer rows are cut */
#define TALLY_WHO  64

struct tally_row {
	uint64_t n;
	char text[TALLY_TEXT];
	char who[TALLY_WHO]; /* different names, separated by commas, "..." when full */
};

struct tally {
	size_t n_rows;
	uint64_t total;
	uint64_t others; /* in no row */
	struct tally_row *rows;
};

/* who: whom it came from, NULL or "": unknown. Out of memory: counted in others. */
void tally_add(struct tally *t, const char *text, const char *who, uint64_t n);
/* The rows by their count, most first. */
void tally_sort(struct tally *t);
/* Sorted, under a header of tab-separated column names (for count, the row's
 * columns, who); text is escaped already. */
void tally_print(struct tally *t, const char *header, FILE *to);
void tally_fini(struct tally *t);

/* SPDX-License-Identifier: Apache-2.0 */
/* tally.c - see tally.h. */
#include "tally.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "warder/err.h"
#include "warder/own.h"

#define COLUMNS 8

static struct tally_row *find_row(struct tally *t, const char *text)
{
	struct tally_row *row;

	for (size_t i = 0; i < t->n_rows; i++)
		if (!strncmp(t->rows[i].text, text, TALLY_TEXT - 1))
			return &t->rows[i];
	if (!t->rows)
		t->rows = calloc(TALLY_MAX, sizeof *t->rows);
	if (!t->rows || t->n_rows == TALLY_MAX)
		return NULL;
	row = &t->rows[t->n_rows++];
	snprintf(row->text, sizeof row->text, "%s", text);
	return row;
}

static bool has_name(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; *p; p += strspn(p, ", ")) {
		size_t n = strcspn(p, ",");

		if (n == len && !memcmp(p, name, n))
			return true;
		p += n;
	}
	return false;
}

static void add_name(struct tally_row *row, const char *who)
{
	size_t used = strlen(row->who);
	char name[32];

	snprintf(name, sizeof name, "%s", who);
	for (char *p = name; *p; p++)
		if (*p == ',' || *p == '\t')
			*p = '_';
	err_clean(name);
	if (has_name(row->who, name) || has_name(row->who, "..."))
		return;
	if (used + strlen(name) + sizeof ", , ..." > sizeof row->who)
		snprintf(name, sizeof name, "...");
	snprintf(row->who + used, sizeof row->who - used, "%s%s", used ? ", " : "", name);
}

void tally_add(struct tally *t, const char *text, const char *who, uint64_t n)
{
	struct tally_row *row = find_row(t, text);

	t->total += n;
	if (!row) {
		t->others += n;
		return;
	}
	row->n += n;
	if (who && *who)
		add_name(row, who);
}

static int by_count(const void *left, const void *right)
{
	const struct tally_row *l = left, *r = right;

	if (l->n != r->n)
		return l->n > r->n ? -1 : 1;
	return strcmp(l->text, r->text);
}

void tally_sort(struct tally *t)
{
	if (t->n_rows)
		qsort(t->rows, t->n_rows, sizeof *t->rows, by_count);
}

/* The widths of tab-separated columns; returns nothing past COLUMNS. */
static void measure(const char *text, size_t *widths)
{
	for (int i = 0; i < COLUMNS; i++) {
		size_t n = strcspn(text, "\t");

		widths[i] = n > widths[i] ? n : widths[i];
		text += n;
		if (!*text++)
			break;
	}
}

static void print_columns(const char *text, const size_t *widths, FILE *to)
{
	for (int i = 0; i < COLUMNS; i++) {
		size_t n = strcspn(text, "\t");
		bool last = !text[n];

		fprintf(to, "%-*.*s%s", last ? 0 : (int)widths[i], (int)n, text, last ? "" : "  ");
		if (last)
			break;
		text += n + 1;
	}
	fputc('\n', to);
}

void tally_print(struct tally *t, const char *header, FILE *to)
{
	const char *rest = strchr(header, '\t');
	size_t widths[COLUMNS] = { 0 };

	tally_sort(t);
	measure(rest + 1, widths);
	for (size_t i = 0; i < t->n_rows; i++)
		measure(t->rows[i].text, widths);
	fprintf(to, "%8.*s  ", (int)(rest - header), header);
	print_columns(rest + 1, widths, to);
	for (size_t i = 0; i < t->n_rows; i++) {
		char line[TALLY_TEXT + TALLY_WHO + 1];

		snprintf(line, sizeof line, "%s\t%s", t->rows[i].text, t->rows[i].who);
		fprintf(to, "%8" PRIu64 "  ", t->rows[i].n);
		print_columns(line, widths, to);
	}
	if (t->others)
		fprintf(to, "%8" PRIu64 "  others\n", t->others);
}

void tally_fini(struct tally *t)
{
	free(t->rows);
	*t = (struct tally){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/* grid.c - see grid.h. */
#include "grid.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "plain.h"

#define GAP       2 /* spaces between columns */
#define NARROWEST 8 /* no column is cut below this */
#define CELL_MAX  1024

void grid_init(struct grid *t, const struct grid_col *cols, size_t n_cols)
{
	*t = (struct grid){ .cols = cols, .n_cols = n_cols };
}

void grid_cell(struct grid *t, const char *fmt, ...)
{
	char text[CELL_MAX], safe[CELL_MAX * 4];
	char **grown;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (t->lost)
		return;
	grown = reallocarray(t->cells, t->n_cells + 1, sizeof *grown);
	if (grown) {
		t->cells = grown;
		t->cells[t->n_cells] = strdup(plain_text(text, safe, sizeof safe));
	}
	if (!grown || !t->cells[t->n_cells])
		t->lost = true;
	else
		t->n_cells++;
}

static size_t rows_of(const struct grid *t)
{
	return t->n_cols ? t->n_cells / t->n_cols : 0;
}

static void measure(const struct grid *t, size_t *widths)
{
	for (size_t c = 0; c < t->n_cols; c++)
		widths[c] = strlen(t->cols[c].title);
	for (size_t i = 0; i < rows_of(t) * t->n_cols; i++) {
		size_t w = plain_width(t->cells[i], strlen(t->cells[i]));

		if (w > widths[i % t->n_cols])
			widths[i % t->n_cols] = w;
	}
}

/* The widest column that may be cut gives one, until the row fits or none can give. */
static void shrink(const struct grid *t, size_t *widths, size_t room)
{
	size_t total = (t->n_cols - 1) * GAP;

	for (size_t c = 0; c < t->n_cols; c++)
		total += widths[c];
	while (total > room) {
		size_t widest = SIZE_MAX;

		for (size_t c = 0; c < t->n_cols; c++)
			if (t->cols[c].shrinks && widths[c] > NARROWEST &&
			    (widest == SIZE_MAX || widths[c] > widths[widest]))
				widest = c;
		if (widest == SIZE_MAX)
			break;
		widths[widest]--;
		total--;
	}
}

static void put_spaces(size_t n, FILE *out)
{
	fprintf(out, "%*s", (int)n, "");
}

static void print_cell(const struct grid *t, size_t c, const char *text, size_t width, FILE *out)
{
	size_t len = strlen(text), shown = plain_width(text, len);

	if (shown > width) {
		len = plain_fit(text, width - 1);
		shown = plain_width(text, len) + 1;
		fprintf(out, "%.*s~", (int)len, text);
	} else {
		if (t->cols[c].right)
			put_spaces(width - shown, out);
		fwrite(text, 1, len, out);
	}
	if (!t->cols[c].right && c + 1 < t->n_cols)
		put_spaces(width - shown, out);
	if (c + 1 < t->n_cols)
		put_spaces(GAP, out);
}

void grid_print(const struct grid *t, size_t from, size_t to, size_t width, FILE *out)
{
	size_t widths[GRID_COLS];

	measure(t, widths);
	if (width)
		shrink(t, widths, width);
	fputs(t->bold ? "\033[1m" : "", out);
	for (size_t c = 0; c < t->n_cols; c++)
		print_cell(t, c, t->cols[c].title, widths[c], out);
	fputs(t->bold ? "\033[0m\n" : "\n", out);
	for (size_t r = from; r <= to && r < rows_of(t); r++) {
		for (size_t c = 0; c < t->n_cols; c++)
			print_cell(t, c, t->cells[r * t->n_cols + c], widths[c], out);
		fputc('\n', out);
	}
}

void grid_fini(struct grid *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct grid){ 0 };
}

int grid_show(struct grid *t)
{
	int r = t->lost ? -ENOMEM : 0;

	t->bold = grid_is_bold(stdout);
	if (!r)
		grid_print(t, 0, SIZE_MAX - 1, grid_terminal(stdout), stdout);
	grid_fini(t);
	return r;
}

size_t grid_terminal(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)))
		return 0;
	return ioctl(fileno(out), TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

bool grid_is_bold(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fileno(out)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* opt.c - see opt.h. */
#include "warder/opt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int opt_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = { { "ns", 1 },         { "us", 1000 },       { "ms", 1000000 },
		      { "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 } };
	char *end;
	unsigned long long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		uint64_t product;

		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (__builtin_mul_overflow((uint64_t)n, units[i].ns, &product))
			return -EINVAL;
		*ns = product;
		return 0;
	}
	return -EINVAL;
}

static int column(const struct opt *o, char *buf, size_t size)
{
	return snprintf(buf, size, "  %s%c%s--%s%s%s", o->letter ? "-" : " ",
			o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			o->arg ? " " : "", o->arg ? o->arg : "");
}

static const struct opt always[] = {
	{ "help", 'h', OPT_FLAG, NULL, NULL, "print this and exit" },
	{ "version", 0, OPT_FLAG, NULL, NULL, "print the version and exit" },
	{ 0 },
};

static int widest(const struct opt *rows, int width)
{
	char buf[128];

	for (; rows && rows->name; rows++) {
		int n = column(rows, buf, sizeof buf);

		width = n > width ? n : width;
	}
	return width;
}

static void print_rows(const struct opt *rows, int width, FILE *to)
{
	char buf[128];

	for (; rows && rows->name; rows++) {
		column(rows, buf, sizeof buf);
		fprintf(to, "%-*s  %s\n", width, buf, rows->help);
	}
}

void opt_help(const struct opt_usage *u, FILE *to)
{
	const struct opt *common = u->own_help ? NULL : always;
	int width = widest(u->rows, widest(common, 0));

	fprintf(to, "usage: %s [OPTIONS]%s%s\n%s\n\nOptions:\n", u->program, *u->args ? " " : "",
		u->args, u->purpose);
	print_rows(u->rows, width, to);
	print_rows(common, width, to);
	if (u->tail)
		fprintf(to, "\n%s", u->tail);
}

static void list_rows(const struct opt *rows)
{
	for (; rows && rows->name; rows++)
		printf("option\t--%s\t%.2s\t%s\t%s\n", rows->name,
		       rows->letter ? (char[]){ '-', rows->letter, 0 } : "",
		       rows->arg ? rows->arg : "", rows->help);
}

static void list_options(const struct opt_usage *u)
{
	printf("args\t%s\t%s\n", u->args, u->purpose);
	list_rows(u->rows);
	list_rows(always);
}

static int set(const struct opt *o, const char *value, struct err *e)
{
	unsigned long long n;
	char *end;

	switch (o->type) {
	case OPT_FLAG:
		*(bool *)o->target = true;
		return 0;
	case OPT_STR:
		*(const char **)o->target = value;
		return 0;
	case OPT_U64:
		errno = 0;
		if (*value >= '0' && *value <= '9') {
			n = strtoull(value, &end, 0);
			if (!*end && !errno) {
				*(uint64_t *)o->target = n;
				return 0;
			}
		}
		return err_set(e, EINVAL, "--%s: \"%s\" is no number", o->name, value);
	case OPT_DURATION:
		if (!opt_duration(value, o->target))
			return 0;
		return err_set(e, EINVAL, "--%s: \"%s\" is no time (such as 5s, 200ms)", o->name,
			       value);
	}
	return err_set(e, EINVAL, "--%s", o->name);
}

static const struct opt *find(const struct opt *rows, const char *name, size_t len, char letter)
{
	for (; rows && rows->name; rows++)
		if ((letter && rows->letter == letter) ||
		    (!letter && strlen(rows->name) == len && !strncmp(rows->name, name, len)))
			return rows;
	return NULL;
}

/* One word that begins with '-': which row, and a value that is part of the word. */
static const struct opt *match(const struct opt_usage *u, const char *word, const char **value)
{
	const struct opt *common = u->own_help ? NULL : always;
	const char *name = word + 2, *eq;
	const struct opt *o;
	size_t len;

	*value = NULL;
	if (word[1] != '-') {
		o = find(u->rows, "", 0, word[1]);
		o = o ? o : find(common, "", 0, word[1]);
		*value = word[2] ? word + 2 : NULL;
		return o;
	}
	eq = strchr(name, '=');
	len = eq ? (size_t)(eq - name) : strlen(name);
	o = find(u->rows, name, len, 0);
	o = o ? o : find(common, name, len, 0);
	*value = eq ? eq + 1 : NULL;
	return o;
}

static bool print_always(const struct opt_usage *u, const struct opt *o)
{
	if (o == &always[0])
		opt_help(u, stdout);
	else if (o == &always[1])
		printf("%s %s\n", u->program, WARDER_VERSION);
	else
		return false;
	return true;
}

int opt_parse(const struct opt_usage *u, int argc, char **argv, int *first, struct err *e)
{
	int i = 1;

	if (argc == 2 && !strcmp(argv[1], "--options")) {
		list_options(u);
		return 1;
	}
	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const struct opt *o;
		const char *value;
		int r;

		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		o = match(u, argv[i], &value);
		if (!o)
			return err_set(e, EINVAL, "unknown option \"%s\" (see %s --help)", argv[i],
				       u->program);
		if (o->type == OPT_FLAG && value)
			return err_set(e, EINVAL, "--%s takes no value", o->name);
		if (print_always(u, o))
			return 1;
		if (o->type != OPT_FLAG && !value && ++i < argc)
			value = argv[i];
		if (o->type != OPT_FLAG && !value)
			return err_set(e, EINVAL, "--%s needs a value (%s)", o->name, o->arg);
		r = set(o, value, e);
		if (r)
			return r;
	}
	*first = i;
	return 0;
}

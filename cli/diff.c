/* SPDX-License-Identifier: Apache-2.0 */
/* diff.c - warder profile diff, and the listing of differences that `loaded` shares. */
#include "diff.h"

#include <errno.h>
#include <string.h>

#include "cli.h"
#include "warder/own.h"

#define REGIONS_SHOWN 16

static const char signs[] = { [CHANGE_NONE] = ' ',
			      [CHANGE_OTHER] = '~',
			      [CHANGE_LESS] = '-',
			      [CHANGE_UNKNOWN] = '?',
			      [CHANGE_MORE] = '+' };
static const char *const words[] = { [CHANGE_NONE] = "none",
				     [CHANGE_OTHER] = "other",
				     [CHANGE_LESS] = "less",
				     [CHANGE_UNKNOWN] = "unknown",
				     [CHANGE_MORE] = "more" };

struct region {
	struct conds where;
	uint64_t pair;
};

struct row { /* one name, as it differs on some ABIs */
	const char *name;
	uint32_t pair;
	uint32_t arches; /* a bit each */
	int n;
	bool cut; /* there are more regions */
	struct region regions[REGIONS_SHOWN];
};

struct diff_list {
	struct diagrams *d;
	size_t n, room;
	struct row *rows;
	uint32_t only_from, only_to; /* ABIs */
	const struct clauses *from;
	bool failed;
};

static bool add_region(void *ctx, const struct conds *where, uint64_t pair)
{
	struct row *row = ctx;

	if (row->n == REGIONS_SHOWN) {
		row->cut = true;
		return false;
	}
	row->regions[row->n++] = (struct region){ *where, pair };
	return true;
}

static struct row *new_row(struct diff_list *l)
{
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct row *grown = realloc(l->rows, room * sizeof *grown);

		if (!grown) {
			l->failed = true;
			return NULL;
		}
		l->rows = grown;
		l->room = room;
	}
	return &l->rows[l->n++];
}

static bool take(void *ctx, const struct clauses_difference *x)
{
	struct diff_list *l = ctx;
	struct row *row;

	if (x->nr < 0) {
		*(clauses_has_arch(l->from, x->arch) ? &l->only_from : &l->only_to) |= 1U
										       << x->arch;
		return true;
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->rows[i].pair == x->pair && !strcmp(l->rows[i].name, x->name)) {
			l->rows[i].arches |= 1U << x->arch;
			return true;
		}
	row = new_row(l);
	if (!row)
		return false;
	*row = (struct row){ .name = x->name, .pair = x->pair, .arches = 1U << x->arch };
	if (!diagram_regions(l->d, x->pair, CLAUSES_SAME, add_region, row))
		row->cut = true;
	return true;
}

static int by_name(const void *left, const void *right)
{
	const struct row *l = left, *r = right;
	int order = strcmp(l->name, r->name);

	return order ? order : (l->arches > r->arches) - (l->arches < r->arches);
}

static enum clauses_change change_of(uint64_t pair)
{
	return clauses_change(clauses_pair_from(pair), clauses_pair_to(pair));
}

static const char *arch_words(uint32_t arches, char *buf, size_t size)
{
	size_t used = 0;

	*buf = 0;
	for (int i = 0; i < ARCH_COUNT && used < size; i++)
		if (arches >> i & 1)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? "," : "",
						 names_arch_docker_name((enum arch)i));
	return buf;
}

static void print_row(const struct row *row)
{
	char where[PROFILES_WHERE_MAX], from[WHERE_EFFECT_MAX], to[WHERE_EFFECT_MAX], arches[256];

	for (int i = 0; i < row->n; i++) {
		const struct region *r = &row->regions[i];

		profiles_where(&r->where, where, sizeof where);
		printf("%c %-20s %-14s %s -> %s%s%s\n", signs[change_of(r->pair)], row->name,
		       arch_words(row->arches, arches, sizeof arches),
		       profiles_effect(clauses_pair_from(r->pair), from, sizeof from),
		       profiles_effect(clauses_pair_to(r->pair), to, sizeof to),
		       *where ? "  where " : "", where);
	}
	if (row->cut)
		printf("? %-20s %-14s and for more arguments\n", row->name,
		       arch_words(row->arches, arches, sizeof arches));
}

static void print_arches(const struct diff_list *l)
{
	char buf[256];

	if (l->only_from)
		printf("- every call of %s: killed, since the second has no rules for it\n",
		       arch_words(l->only_from, buf, sizeof buf));
	if (l->only_to)
		printf("+ calls of %s: killed by the first, which has no rules for it\n",
		       arch_words(l->only_to, buf, sizeof buf));
}

static void add(struct json_object *to, const char *key, struct json_object *v)
{
	json_object_object_add(to, key, v);
}

static struct json_object *list_of_arches(uint32_t arches)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < ARCH_COUNT; i++)
		if (arches >> i & 1)
			json_object_array_add(list, json_object_new_string(
							    names_arch_docker_name((enum arch)i)));
	return list;
}

static struct json_object *object_of(const struct row *row)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	char buf[WHERE_EFFECT_MAX];

	add(o, "syscall", json_object_new_string(row->name));
	add(o, "arches", list_of_arches(row->arches));
	for (int i = 0; i < row->n; i++) {
		const struct region *r = &row->regions[i];
		struct json_object *x = json_object_new_object();

		add(x, "change", json_object_new_string(words[change_of(r->pair)]));
		add(x, "from",
		    json_object_new_string(
			    profiles_effect(clauses_pair_from(r->pair), buf, sizeof buf)));
		add(x, "to",
		    json_object_new_string(
			    profiles_effect(clauses_pair_to(r->pair), buf, sizeof buf)));
		if (r->where.n)
			add(x, "args", profiles_args(&r->where));
		json_object_array_add(list, x);
	}
	add(o, "changes", list);
	if (row->cut)
		add(o, "more", json_object_new_boolean(true));
	return o;
}

static void print_json(const struct diff_list *l)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < l->n; i++)
		json_object_array_add(list, object_of(&l->rows[i]));
	add(o, "only_first", list_of_arches(l->only_from));
	add(o, "only_second", list_of_arches(l->only_to));
	add(o, "syscalls", list);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int diff_print(struct diagrams *d, struct clauses *from, struct clauses *to, bool json,
	       bool *differ, struct err *e)
{
	struct diff_list l = { .d = d, .from = from };
	int r = clauses_differences(d, from, to, take, &l, e);

	if (!r)
		r = diagrams_check(d, e);
	if (!r && l.failed)
		r = err_set(e, ENOMEM, "list differences");
	if (!r) {
		qsort(l.rows, l.n, sizeof *l.rows, by_name);
		if (json)
			print_json(&l);
		else
			print_arches(&l);
		for (size_t i = 0; !json && i < l.n; i++)
			print_row(&l.rows[i]);
		*differ = l.n || l.only_from || l.only_to;
	}
	free(l.rows);
	return r;
}

/* Calls that nobody names, and numbers that runc answers by itself. */
static void print_rest(const struct profiles_doc *from, const struct profiles_doc *to, bool *differ)
{
	char left[WHERE_EFFECT_MAX], right[WHERE_EFFECT_MAX];
	struct effect f = from->rules.fallthrough, t = to->rules.fallthrough;

	if (diagram_value(f) == diagram_value(t))
		return;
	*differ = true;
	printf("%c calls that no profile names: %s -> %s\n", signs[clauses_change(f, t)],
	       profiles_effect(f, left, sizeof left), profiles_effect(t, right, sizeof right));
}

static int compare(const char *program, char **files, const struct host *h, bool json, bool *differ,
		   struct err *e)
{
	struct profiles_doc from = { 0 }, to = { 0 };
	struct diagrams *d = diagrams_new(DIAGRAM_NODES);
	int r = d ? profiles_open(program, files[0], h, false, d, &from, e)
		  : err_set(e, ENOMEM, "compare profiles");

	if (!r)
		r = profiles_open(program, files[1], h, false, d, &to, e);
	if (!r)
		r = diff_print(d, from.clauses, to.clauses, json, differ, e);
	if (!r && !json)
		print_rest(&from, &to, differ);
	profiles_close(&from);
	profiles_close(&to);
	diagrams_free(d);
	return r;
}

int cli_profile_diff(int argc, char **argv)
{
	bool json = false, differ = false;
	struct where where = { 0 };
	const struct opt rows[] = {
		{ "json", 'j', OPT_FLAG, &json, NULL, "for programs" },
		WHERE_OPTS(&where),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder profile diff",
		.args = "FIRST SECOND",
		.purpose = "List the calls that two profiles answer differently.",
		.rows = rows,
		.tail = "+ the second lets more through, - less, ~ another refusal, ? unknown. The "
			"meaning is\n"
			"compared, not the text. A0 is the first argument.\n"
			"Exit status: 0 they mean the same, 1 they differ, 2 usage, 3 unknown.\n\n"
			"Examples:\n"
			"  warder profile diff docker-default.json web.json\n"
			"  warder profile diff --caps CAP_SYS_ADMIN old.json new.json\n",
	};
	struct host host;
	enum arch abi;
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && argc - first != 2)
		r = err_set(&e, EINVAL, "FIRST and SECOND are needed, last (see %s --help)",
			    usage.program);
	if (!r)
		r = where_host(&where, &host, &abi, &e);
	if (r)
		return cli_usage(usage.program, r, &e);
	r = compare(usage.program, argv + first, &host, json, &differ, &e);
	if (r)
		return profiles_failed(usage.program, &e);
	return differ ? CLI_FAILED : CLI_OK;
}

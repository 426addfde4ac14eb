/* SPDX-License-Identifier: Apache-2.0 */
/* lint.c - warder profile lint: what is not as it looks. */
#include "warder/lint.h"

#include <errno.h>
#include <string.h>

#include "cli.h"
#include "profiles.h"
#include "warder/own.h"

static const char program[] = "warder profile lint";

struct findings {
	size_t n, room;
	struct lint_finding *list;
	bool failed;
};

static void take(void *ctx, const struct lint_finding *f)
{
	struct findings *all = ctx;

	if (all->n == all->room) {
		size_t room = all->room ? all->room * 2 : 32;
		struct lint_finding *grown = realloc(all->list, room * sizeof *grown);

		if (!grown) {
			all->failed = true;
			return;
		}
		all->list = grown;
		all->room = room;
	}
	all->list[all->n++] = *f;
}

static int by_code(const void *left, const void *right)
{
	const struct lint_finding *l = left, *r = right;
	int order = (l->lint > r->lint) - (l->lint < r->lint);

	if (!order)
		order = strverscmp(l->path, r->path);
	return order ? order : strcmp(l->text, r->text);
}

static void print_text(const char *file, const struct findings *all)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct lint_finding *f = &all->list[i];

		printf("%s: %s%s%s %s: %s: %s\n", file, f->path, *f->path ? ": " : "",
		       lint_code(f->lint), lint_level_word(lint_level(f->lint)),
		       lint_title(f->lint), f->text);
	}
}

static void add(struct json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, json_object_new_string(value));
}

static void add_json(const char *file, const struct findings *all, struct json_object *list)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct lint_finding *f = &all->list[i];
		struct json_object *o = json_object_new_object();

		add(o, "file", file);
		add(o, "code", lint_code(f->lint));
		add(o, "level", lint_level_word(lint_level(f->lint)));
		add(o, "path", f->path);
		add(o, "title", lint_title(f->lint));
		add(o, "text", f->text);
		json_object_array_add(list, o);
	}
}

/* json NULL: to stdout as text. *worst: as high as the findings are. */
static int lint_file(const char *file, const struct host *h, struct json_object *json, int *worst,
		     struct err *e)
{
	struct findings all = { 0 };
	struct form_doc doc;
	int r = form_read(file, &doc, NULL, e);

	if (r)
		return r;
	r = lint_document(&doc, h, take, &all, e);
	if (!r && all.failed)
		r = err_set(e, ENOMEM, "lint a profile");
	if (!r) {
		qsort(all.list, all.n, sizeof *all.list, by_code);
		if (json)
			add_json(file, &all, json);
		else
			print_text(file, &all);
		for (size_t i = 0; i < all.n; i++)
			if ((int)lint_level(all.list[i].lint) > *worst)
				*worst = (int)lint_level(all.list[i].lint);
	}
	free(all.list);
	form_fini(&doc);
	return r;
}

static int lint_files(char **files, int n, const struct host *h, bool as_json, bool strict)
{
	struct json_object *json = as_json ? json_object_new_array() : NULL;
	int worst = -1, status = CLI_OK;
	struct err e;

	for (int i = 0; i < n; i++)
		if (lint_file(files[i], h, json, &worst, &e))
			status = profiles_failed(program, &e);
	if (json)
		printf("%s\n",
		       json_object_to_json_string_ext(json,
						      JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
	if (status == CLI_OK && worst >= (strict ? (int)LINT_WARN : (int)LINT_ERROR))
		status = CLI_FAILED;
	return status;
}

int cli_profile_lint(int argc, char **argv)
{
	bool json = false, strict = false;
	struct where where = { 0 };
	const struct opt rows[] = {
		{ "json", 'j', OPT_FLAG, &json, NULL, "for programs" },
		{ "strict", 0, OPT_FLAG, &strict, NULL, "a warning fails too" },
		WHERE_OPTS(&where),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = program,
		.args = "FILE...",
		.purpose = "Say what in valid profiles is wrong, or not as it looks.",
		.rows = rows,
		.tail = "One line for each finding: \"FILE: PATH: CODE LEVEL: what: details\". The "
			"codes are in\n"
			"warder-profile(1).\n"
			"Exit status: 0 no error found, 1 some, 2 usage, 3 unknown.\n\n"
			"Examples:\n"
			"  warder profile lint docker-default.json\n"
			"  warder profile lint --json --caps all web.json\n",
	};
	struct host host;
	enum arch abi;
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && first == argc)
		r = err_set(&e, EINVAL, "no FILE given (see %s --help)", program);
	if (!r)
		r = where_host(&where, &host, &abi, &e);
	if (r)
		return cli_usage(program, r, &e);
	return lint_files(argv + first, argc - first, &host, json, strict);
}

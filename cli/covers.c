/* SPDX-License-Identifier: Apache-2.0 */
/* covers.c - warder profile covers: does one profile allow all that another allows? */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "profiles.h"
#include "warder/own.h"

struct covers {
	bool quiet;
	struct diagrams *d;
	const char *outer, *inner;
	unsigned lacking, unknown;
};

/* The change from inner to outer: that which is less is not covered. */
static uint64_t is_less(uint64_t left, uint64_t right)
{
	(void)right;
	return left != CLAUSES_SAME &&
	       clauses_change(clauses_pair_from(left), clauses_pair_to(left)) == CHANGE_LESS;
}

static uint64_t is_unknown(uint64_t left, uint64_t right)
{
	(void)right;
	return left != CLAUSES_SAME &&
	       clauses_change(clauses_pair_from(left), clauses_pair_to(left)) == CHANGE_UNKNOWN;
}

static void print_example(const struct clauses_difference *x, const uint64_t args[6], uint64_t pair)
{
	char from[WHERE_EFFECT_MAX], to[WHERE_EFFECT_MAX];

	printf("%s %s(", names_arch_docker_name(x->arch), x->name);
	for (int i = 0; i < 6; i++)
		printf("%s0x%" PRIx64, i ? ", " : "", args[i]);
	printf("): %s, but %s\n", profiles_effect(clauses_pair_from(pair), from, sizeof from),
	       profiles_effect(clauses_pair_to(pair), to, sizeof to));
}

static bool take_arch(struct covers *c, const struct clauses_difference *x, bool outer_has)
{
	if (outer_has)
		return true;
	c->lacking++;
	if (!c->quiet)
		printf("%s: %s has no rules for it: every call is killed\n",
		       names_arch_docker_name(x->arch), c->outer);
	return true;
}

struct context {
	struct covers *c;
	const struct clauses *outer;
};

static bool take(void *ctx, const struct clauses_difference *x)
{
	struct context *k = ctx;
	struct covers *c = k->c;
	uint64_t args[6];

	if (x->nr < 0)
		return take_arch(c, x, clauses_has_arch(k->outer, x->arch));
	if (diagram_example(c->d, diagram_apply(c->d, is_less, x->pair, x->pair), args)) {
		c->lacking++;
		if (!c->quiet)
			print_example(x, args, diagram_at(c->d, x->pair, args));
	} else if (diagram_example(c->d, diagram_apply(c->d, is_unknown, x->pair, x->pair), args)) {
		c->unknown++;
		if (!c->quiet)
			print_example(x, args, diagram_at(c->d, x->pair, args));
	}
	return true;
}

static int compare(struct covers *c, const struct host *h, struct err *e)
{
	static const char program[] = "warder profile covers";
	struct profiles_doc outer = { 0 }, inner = { 0 };
	struct context k = { .c = c };
	struct effect from, to;
	int r = profiles_open(program, c->outer, h, false, c->d, &outer, e);

	if (!r)
		r = profiles_open(program, c->inner, h, false, c->d, &inner, e);
	if (!r) {
		k.outer = outer.clauses;
		from = inner.rules.fallthrough;
		to = outer.rules.fallthrough;
		if (clauses_change(from, to) == CHANGE_LESS) {
			c->lacking++;
			if (!c->quiet)
				printf("calls that no profile names: %s denies them\n", c->outer);
		}
		r = clauses_differences(c->d, inner.clauses, outer.clauses, take, &k, e);
	}
	if (!r)
		r = diagrams_check(c->d, e);
	profiles_close(&outer);
	profiles_close(&inner);
	return r;
}

static int tell(const struct covers *c)
{
	const char *words = c->lacking   ? "does not cover"
			    : c->unknown ? "may or may not cover (they ask different listeners)"
					 : "covers";

	if (!c->quiet)
		printf("%s %s %s\n", c->outer, words, c->inner);
	return c->lacking ? CLI_FAILED : c->unknown ? (int)CLI_UNKNOWN : CLI_OK;
}

int cli_profile_covers(int argc, char **argv)
{
	struct covers c = { 0 };
	struct where where = { 0 };
	const struct opt rows[] = {
		{ "quiet", 'q', OPT_FLAG, &c.quiet, NULL, "the exit status only" },
		WHERE_OPTS(&where),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder profile covers",
		.args = "OUTER INNER",
		.purpose = "Does OUTER allow everything that INNER allows?",
		.rows = rows,
		.tail = "Each call that INNER lets through and OUTER does not is listed, with "
			"arguments that\n"
			"show it. Exit status: 0 yes, 1 no, 2 usage, 3 unknown (never guessed).\n\n"
			"Examples:\n"
			"  warder profile covers docker-default.json web.json\n",
	};
	struct host host;
	enum arch abi;
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && argc - first != 2)
		r = err_set(&e, EINVAL, "OUTER and INNER are needed, last (see %s --help)",
			    usage.program);
	if (!r)
		r = where_host(&where, &host, &abi, &e);
	if (r)
		return cli_usage(usage.program, r, &e);
	c.outer = argv[first];
	c.inner = argv[first + 1];
	c.d = diagrams_new(DIAGRAM_NODES);
	r = c.d ? compare(&c, &host, &e) : err_set(&e, ENOMEM, "compare profiles");
	diagrams_free(c.d);
	return r ? profiles_failed(usage.program, &e) : tell(&c);
}

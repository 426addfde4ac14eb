/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - warder policy: its verbs, and `check`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "warder/own.h"
#include "where.h"

struct check {
	bool strict, quiet;
	struct where where;
	unsigned warnings; /* of the file in hand */
	bool used[ACT_COUNT];
};

static void take_warning(void *ctx, const char *line)
{
	struct check *c = ctx;

	c->warnings++;
	fprintf(stderr, "%s\n", line);
}

/* Of the profile: what a rule of "warder" says is Warder's own, and meant so. */
static void note_actions(struct check *c, const struct where_policy *w)
{
	c->used[w->rules.fallthrough.act] = true;
	for (int i = 0; i < w->rules.n_rules; i++)
		c->used[w->rules.rules[i].effect.act] = true;
}

static void print_notes(const struct check *c, const char *file)
{
	for (int i = 0; i < ACT_COUNT; i++) {
		const struct policy_effect_note *note = policy_effect_note((enum act)i);

		if (c->used[i] && note)
			fprintf(stderr, "%s: note: %s: in enforce, %s; in audit, %s\n", file,
				names_action_scmp((enum act)i), note->in_enforce, note->in_audit);
	}
}

static void print_summary(const struct check *c, const char *file, const struct where_policy *w)
{
	printf("%s: %s: %d rules, %d architectures, mode %s, gate %zu instructions", file,
	       c->strict && c->warnings ? "not ok" : "ok", w->rules.n_rules + w->policy->n_rules,
	       w->filter.n_arches, mode_word(w->policy->mode), w->filter.gate.len);
	if (c->warnings)
		printf(", %u warning%s", c->warnings, c->warnings == 1 ? "" : "s");
	printf("\n");
}

/* Other capabilities bring other rules in: what libseccomp refuses may be in these only. */
static int compile_variants(struct check *c, const struct policy *p, const struct host *host,
			    struct err *e)
{
	static const uint64_t variants[] = { 0, UINT64_MAX };
	struct where_policy w = { 0 };
	int r = 0;

	for (size_t i = 0; !r && !c->where.caps && i < ARRAY_LEN(variants); i++) {
		struct host other = *host;

		other.caps = variants[i];
		r = where_compile(p, &other, &w, e);
		if (!r)
			note_actions(c, &w);
		where_fini(&w);
	}
	return r;
}

static int compile_and_tell(struct check *c, const char *file, const struct policy *p,
			    const struct host *host, struct err *e)
{
	struct where_policy w = { 0 };
	int r = where_compile(p, host, &w, e);

	if (r)
		return err_wrap(e, "%s", file);
	note_actions(c, &w);
	r = compile_variants(c, p, host, e);
	if (r)
		err_wrap(e, "%s", file);
	else if (!c->quiet) {
		print_notes(c, file);
		fflush(stderr);
		print_summary(c, file, &w);
	}
	where_fini(&w);
	return r;
}

static int check_file(struct check *c, const char *file, const struct host *host)
{
	const struct warn warn = { take_warning, c };
	const struct policy *p;
	struct err e;
	int r;

	c->warnings = 0;
	memset(c->used, 0, sizeof c->used);
	r = policy_load(file, &p, &warn, &e);
	if (!r) {
		r = compile_and_tell(c, file, p, host, &e);
		policy_free(p);
	}
	if (r)
		fprintf(stderr, "%s\n", e.msg);
	return r || (c->strict && c->warnings) ? CLI_FAILED : CLI_OK;
}

static int cli_policy_check(int argc, char **argv)
{
	struct check c = { 0 };
	const struct opt rows[] = {
		{ "strict", 0, OPT_FLAG, &c.strict, NULL, "a warning fails too" },
		{ "quiet", 'q', OPT_FLAG, &c.quiet, NULL, "print problems only" },
		WHERE_OPTS(&c.where),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder policy check",
		.args = "FILE...",
		.purpose = "Check policies: the documents, and what libseccomp makes of them.",
		.rows = rows,
		.tail = "Problems go to stderr, one a line: \"FILE: path: reason\". Without "
			"--caps\n"
			"the policy is also compiled with no and with all capabilities.\n"
			"Exit status: 0 all are good, 1 one is not, 2 usage.\n"
			"\n"
			"Examples:\n"
			"  warder policy check web.json\n"
			"  warder policy check --strict /etc/warder/policies/*.json\n",
	};
	struct host host;
	enum arch abi;
	struct err e;
	int first, status = CLI_OK, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && first == argc)
		r = err_set(&e, EINVAL, "no FILE given (see %s --help)", usage.program);
	if (!r)
		r = where_host(&c.where, &host, &abi, &e);
	if (r)
		return cli_usage(usage.program, r, &e);
	for (int i = first; i < argc; i++)
		if (check_file(&c, argv[i], &host))
			status = CLI_FAILED;
	return status;
}

static const struct cli_verb verbs[] = {
	{ "check", cli_policy_check, "is it valid, and does it compile?" },
	{ "show", cli_policy_show, "the verdict for each system call; the compiled filter" },
	{ "replay", cli_policy_replay, "where would recorded events be decided differently?" },
	{ 0 },
};

int cli_policy(int argc, char **argv)
{
	const struct cli_table table = {
		.program = "warder policy",
		.purpose = "Look at policies. Nothing is installed or changed.",
		.verbs = verbs,
		.tail = "Examples:\n"
			"  warder policy check web.json\n"
			"  warder policy show --syscall clone web.json\n"
			"  warder policy replay web.json /var/log/warder/events.json\n",
	};

	return cli_dispatch(&table, argc, argv);
}

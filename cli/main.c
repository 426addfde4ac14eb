/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - warder: finds the verb and runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "warder/names.h"
#include "warder/opt.h"
#include "warder/own.h"

static void print_help(const struct cli_table *t, FILE *to)
{
	fprintf(to, "usage: %s VERB [OPTIONS] ...\n%s\n\nVerbs:\n", t->program, t->purpose);
	for (const struct cli_verb *v = t->verbs; v->name; v++)
		fprintf(to, "  %-10s %s\n", v->name, v->help);
	fprintf(to, "\n`%s help VERB` tells more. %s", t->program, t->tail);
}

static const struct cli_verb *find_verb(const struct cli_table *t, const char *name)
{
	for (const struct cli_verb *v = t->verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

static int run_verb(const struct cli_table *t, int argc, char **argv)
{
	const struct cli_verb *v = find_verb(t, argv[0]);

	if (v)
		return v->run(argc, argv);
	fprintf(stderr, "%s: \"%s\" is no verb (see %s --help)\n", t->program, argv[0], t->program);
	return CLI_USAGE;
}

/* "help policy show" is "policy show --help". */
static int help_verb(const struct cli_table *t, int argc, char **argv)
{
	auto_free char **words = calloc((size_t)argc + 1, sizeof *words);
	char help[] = "--help";

	if (!words)
		return CLI_FAILED;
	memcpy(words, argv + 1, (size_t)(argc - 1) * sizeof *words);
	words[argc - 1] = help;
	return run_verb(t, argc, words);
}

static void print_verbs(const struct cli_table *t)
{
	for (const struct cli_verb *v = t->verbs; v->name; v++)
		printf("verb\t%s\t%s\n", v->name, v->help);
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
	return !strcmp(word, a) || !strcmp(word, b);
}

int cli_dispatch(const struct cli_table *t, int argc, char **argv)
{
	if (argc < 2) {
		print_help(t, stderr);
		return CLI_USAGE;
	}
	argc--;
	argv++;
	if (!strcmp(argv[0], "--version")) {
		printf("%s %s\n", t->program, WARDER_VERSION);
		return CLI_OK;
	}
	if (!strcmp(argv[0], "--options")) {
		print_verbs(t);
		return CLI_OK;
	}
	if (is_one_of(argv[0], "--help", "-h") || (!strcmp(argv[0], "help") && argc == 1)) {
		print_help(t, stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[0], "help"))
		return help_verb(t, argc, argv);
	return run_verb(t, argc, argv);
}

int cli_usage(const char *program, int r, const struct err *e)
{
	if (r > 0)
		return CLI_OK;
	fprintf(stderr, "%s: %s\n", program, e->msg);
	return CLI_USAGE;
}

int cli_words(const struct opt_usage *u, int argc, char **argv, int min, int max,
	      const char **words, int *n_words, struct err *e)
{
	int n = 0, at = 0, next;
	bool only_words = false;

	for (; at < argc; at += next) {
		int r = 0;

		next = 1;
		if (!only_words)
			r = opt_parse(u, argc - at, argv + at, &next, e);
		if (r)
			return r;
		only_words |= next > 1 && !strcmp(argv[at + next - 1], "--");
		if (at + next >= argc)
			break;
		if (n == max)
			return err_set(e, EINVAL, "\"%s\" is a word too many (see %s --help)",
				       argv[at + next], u->program);
		words[n++] = argv[at + next];
	}
	if (n < min)
		return err_set(e, EINVAL, "%s is needed (see %s --help)", u->args, u->program);
	*n_words = n;
	return 0;
}

static const struct cli_verb verbs[] = {
	{ "ps", cli_ps, "list the sessions: the containers that warderd serves" },
	{ "show", cli_show, "everything about a session" },
	{ "events", cli_events, "what was decided, as it happens" },
	{ "top", cli_top, "live view: sessions, rates, the most denied calls" },
	{ "mode", cli_mode, "switch running containers between audit and enforce" },
	{ "deny", cli_deny, "deny one system call in a running container" },
	{ "allow", cli_allow, "let one system call through in a running container" },
	{ "lift", cli_lift, "undo deny and allow: the policy decides again" },
	{ "reload", cli_reload, "let warderd read its policies again" },
	{ "run", cli_run, "run a command under a policy: no container, no daemon" },
	{ "policy", cli_policy, "check a policy, show what it means, replay events against it" },
	{ "profile", cli_profile, "combine, compare, convert and make profiles" },
	{ "doctor", cli_doctor, "try what this host can do, and say what is missing" },
	{ "completion", cli_completion, "a shell's completion of all this: bash, zsh, fish" },
	{ 0 },
};

const struct cli_table cli_warder = {
	.program = "warder",
	.purpose = "See and decide which system calls containers may make.",
	.verbs = verbs,
	.tail = "Examples:\n"
		"  warder doctor\n"
		"  warder ps\n"
		"  warder mode web enforce\n"
		"  warder policy check web.json\n"
		"  warder run --policy web.json -- nginx -t\n",
};

int main(int argc, char **argv)
{
	int status;

	names_init();
	status = cli_dispatch(&cli_warder, argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "warder: write to stdout: %s\n", strerror(errno));
		return status ? status : CLI_FAILED;
	}
	return status;
}

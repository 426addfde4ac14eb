/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - warder: finds the verb and runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "warder/names.h"
#include "warder/own.h"

static void print_help(const struct cli_table *t, FILE *to)
{
	fprintf(to, "usage: %s VERB [OPTIONS] ...\n%s\n\nVerbs:\n", t->program, t->purpose);
	for (const struct cli_verb *v = t->verbs; v->name; v++)
		fprintf(to, "  %-8s %s\n", v->name, v->help);
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

static const struct cli_verb verbs[] = {
	{ "run", cli_run, "run a command under a policy: no container, no daemon" },
	{ "policy", cli_policy, "check a policy, show what it means, replay events against it" },
	{ "doctor", cli_doctor, "try what this host can do, and say what is missing" },
	{ 0 },
};

static const struct cli_table table = {
	.program = "warder",
	.purpose = "See and decide which system calls containers may make.",
	.verbs = verbs,
	.tail = "Examples:\n"
		"  warder doctor\n"
		"  warder policy check web.json\n"
		"  warder run --policy web.json -- nginx -t\n",
};

int main(int argc, char **argv)
{
	int status;

	names_init();
	status = cli_dispatch(&table, argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "warder: write to stdout: %s\n", strerror(errno));
		return status ? status : CLI_FAILED;
	}
	return status;
}

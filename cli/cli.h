/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - the verbs of `warder`, one file each, and the table that finds them.
 *
 * A verb gets its words from its own name on (argv[0] is "run") and returns the exit status. What a
 * user asked for goes to stdout, everything else to stderr, with the program's name in front. */
#pragma once
#include "warder/err.h"

/* Exit statuses of all verbs but `run`. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* one line */
};

struct cli_table {
	const char *program; /* "warder policy" */
	const char *purpose;
	const struct cli_verb *verbs; /* ends with name NULL */
	const char *tail;             /* examples; after the list */
};

/* Runs the verb that argv[1] names; "help [VERB]", --help and --version work in every table. */
int cli_dispatch(const struct cli_table *t, int argc, char **argv);

/* What to do after opt_parse() returned r, not 0: the exit status; says what was wrong. */
int cli_usage(const char *program, int r, const struct err *e);

int cli_run(int argc, char **argv);
int cli_policy(int argc, char **argv);
int cli_policy_show(int argc, char **argv);
int cli_policy_replay(int argc, char **argv);
int cli_doctor(int argc, char **argv);

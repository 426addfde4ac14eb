/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - the verbs of `warder`, one file each, and the table that finds them.
 *
 * A verb gets its words from its own name on (argv[0] is "run") and returns the exit status. What a
 * user asked for goes to stdout, everything else to stderr, with the program's name in front. */
#pragma once
#include "warder/err.h"

/* Exit statuses of all verbs but `run`. The last three are of the verbs that talk to warderd. */
enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NOT_FOUND = 3,
	CLI_REFUSED = 4,    /* cannot be done now; the message says what stands in the way */
	CLI_UNREACHABLE = 5 /* no warderd, or no answer in time */
};

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

/* The verbs of `warder` itself. */
extern const struct cli_table cli_warder;

/* Runs the verb that argv[1] names; "help [VERB]", --help and --version work in every table.
 * --options lists the verbs for programs, as opt_parse() does options: lines of
 * "verb NAME HELP", by tabs. */
int cli_dispatch(const struct cli_table *t, int argc, char **argv);

struct opt_usage;
/* opt_parse() for a verb whose options may also stand behind its words, as in "mode web enforce
 * --force". words gets the words, at least min and at most max, which must not be more than
 * CLI_WORDS. Returns as opt_parse(). */
#define CLI_WORDS 4
int cli_words(const struct opt_usage *u, int argc, char **argv, int min, int max,
	      const char **words, int *n_words, struct err *e);

/* What to do after opt_parse() returned r, not 0: the exit status; says what was wrong. */
int cli_usage(const char *program, int r, const struct err *e);

int cli_run(int argc, char **argv);
int cli_policy(int argc, char **argv);
int cli_policy_show(int argc, char **argv);
int cli_policy_replay(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_ps(int argc, char **argv);
int cli_show(int argc, char **argv);
int cli_events(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_mode(int argc, char **argv);
int cli_deny(int argc, char **argv);
int cli_allow(int argc, char **argv);
int cli_lift(int argc, char **argv);
int cli_reload(int argc, char **argv);
int cli_completion(int argc, char **argv);
int cli_profile(int argc, char **argv);
int cli_profile_merge(int argc, char **argv);
int cli_profile_intersect(int argc, char **argv);
int cli_profile_diff(int argc, char **argv);
int cli_profile_covers(int argc, char **argv);
int cli_profile_convert(int argc, char **argv);
int cli_profile_loaded(int argc, char **argv);
int cli_profile_lint(int argc, char **argv);
int cli_profile_from_strace(int argc, char **argv);
int cli_profile_from_audit(int argc, char **argv);

/* SPDX-License-Identifier: Apache-2.0 */
/* opt.h - options from rows: the row parses, prints the help, and is checked against the man page.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "warder/err.h"

enum opt_type { OPT_FLAG, OPT_STR, OPT_U64, OPT_DURATION /* "5s" -> ns */ };

struct opt {
	const char *name; /* "--policy" is given as "policy" */
	char letter;      /* 0: none */
	enum opt_type type;
	void *target;     /* bool *, const char **, uint64_t * */
	const char *arg;  /* "FILE" in the help; NULL for flags */
	const char *help; /* one line; defaults are said here */
};

struct opt_usage {
	const char *program;    /* "warder run" */
	const char *args;       /* "[--] CMD..." */
	const char *purpose;    /* one line */
	const struct opt *rows; /* ends with name NULL; --help and --version are added */
	const char *tail;       /* text after the options (exit codes, examples); NULL: none */
	bool own_help; /* add no --help and --version: they are somebody else's words here */
};

/* 0: go on, *first is the first word that is no option ("--" ends them; the first non-option ends
 * them too); 1: help or version was printed to stdout, exit 0; -EINVAL: e says which option and
 * why. --options, alone, prints the rows for programs (shell completion): a line
 * "args ARGS PURPOSE", then one "option --NAME -LETTER ARG HELP" each, by tabs; what a row lacks is
 * empty. */
int opt_parse(const struct opt_usage *u, int argc, char **argv, int *first, struct err *e);
void opt_help(const struct opt_usage *u, FILE *to);

/* "5s", "200ms", "3m", "1h" -> ns. 0 or -EINVAL. The one place durations are read (json.c uses it).
 */
int opt_duration(const char *text, uint64_t *ns);

/* SPDX-License-Identifier: Apache-2.0 */
/* args.h - the command line of an OCI runtime, as engines give it (runc, crun, youki).
 *
 * RUNTIME [GLOBAL OPTIONS] COMMAND [OPTIONS] [ID]: only what is needed to find the bundle of a
 * `create` or `run`. The three spell options differently ("--bundle DIR", "--bundle=DIR", "-b DIR",
 * "-bDIR", "-bundle DIR"); all spellings are read. A line that may be a `create` but cannot be read
 * for sure is ARGS_UNCLEAR: passing it on would start a container that nobody watches. */
#pragma once
#include <stdbool.h>

enum args_kind { ARGS_OTHER, ARGS_START, ARGS_UNCLEAR };

struct args {
	enum args_kind kind;
	const char *command; /* NULL: none */
	const char *bundle;  /* as given; NULL: the current folder */
	const char *config;  /* crun's --config FILE; NULL: config.json of the bundle */
	const char *id;      /* NULL: none */
	const char *log;     /* --log FILE, where engines look for messages; NULL: none */
	bool log_json;       /* --log-format json */
	const char *unclear; /* the word that cannot be read */
};

/* argv: without the program's own name; borrowed. */
void args_read(int argc, char **argv, struct args *out);

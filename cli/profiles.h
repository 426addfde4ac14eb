/* SPDX-License-Identifier: Apache-2.0 */
/* profiles.h - what the verbs of `warder profile` share: reading documents, where they are
 * resolved, writing the result, and the words for regions of arguments. */
#pragma once
#include <stdio.h>

#include "warder/clauses.h"
#include "warder/forms.h"
#include "warder/opt.h"
#include "where.h"

/* Exit status of a question that has no certain answer. */
enum { CLI_UNKNOWN = 3 };

struct profiles_out {       /* options of verbs that write a document */
	const char *file;   /* NULL: stdout */
	const char *format; /* NULL: oci, or as the verb says */
	const char *name;   /* of a SeccompProfile */
};

#define PROFILES_OUT_OPTS(o)                                                                  \
	{ "output",   'o',    OPT_STR,                                                        \
	  &(o)->file, "FILE", "write here (whole or not at all; default: standard output)" }, \
		{ "format",     'f',    OPT_STR,                                              \
		  &(o)->format, "FORM", "oci, docker, podman or spo (default: oci)" },        \
	{                                                                                     \
		"name", 0, OPT_STR, &(o)->name, "NAME", "name of a SeccompProfile (form spo)" \
	}

/* EINVAL: no such form. */
int profiles_form(const struct profiles_out *o, enum form otherwise, enum form *out, struct err *e);
int profiles_write(const struct profiles_out *o, enum form f, struct json_object *v, struct err *e);

struct profiles_doc { /* one document, compiled */
	const char *file;
	struct form_doc form;
	struct ruleset rules;
	struct clauses *clauses;
};
/* Warnings of the document are counted and said in one line. */
int profiles_open(const char *program, const char *file, const struct host *h, bool tail,
		  struct diagrams *d, struct profiles_doc *out, struct err *e);
void profiles_close(struct profiles_doc *p);

/* A warn.fn: prints the line to stderr; ctx is a struct profiles_losses. The first few, then how
 * many more there were (profiles_say_losses). */
struct profiles_losses {
	const char *program;
	unsigned n;
};
void profiles_loss(void *losses, const char *line);
void profiles_say_losses(const struct profiles_losses *l);

/* "A0 == 0x8 and A1 <= 0x2", "" for no condition. */
const char *profiles_where(const struct conds *c, char *buf, size_t size);
#define PROFILES_WHERE_MAX 512
struct json_object *profiles_args(const struct conds *c);
const char *profiles_effect(struct effect f, char *buf, size_t size);

/* Says e and returns CLI_FAILED; CLI_UNKNOWN where it says "unknown". */
int profiles_failed(const char *program, const struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/* forms.h - the documents that hold a profile: read whichever it is, write the one that is asked
 * for, and say what it cannot hold.
 *
 * One row per form; all of them are the OCI object with more or less in it. Read are also a
 * config.json (its linux.seccomp) and, in JSON or YAML, the CRD of the Security Profiles Operator.
 * profile.h reads what is inside: there is one parser. */
#pragma once
#include <stdio.h>

#include "warder/err.h"
#include "warder/json.h"
#include "warder/profile.h"

/* id, word, what it is */
#define FORMS(X)                                                                                 \
	X(FORM_OCI, "oci", "linux.seccomp of the OCI; Localhost of Kubernetes under containerd") \
	X(FORM_DOCKER, "docker", "docker run --security-opt seccomp=")                           \
	X(FORM_PODMAN, "podman", "podman; Localhost of Kubernetes under CRI-O")                  \
	X(FORM_SPO, "spo", "SeccompProfile of the Security Profiles Operator (YAML)")

#define X(id, word, what) id,
enum form { FORMS(X) FORM_COUNT };
#undef X

int form_by_word(const char *word); /* -1: none */
const char *form_word(enum form f);
const char *form_what(enum form f);

struct form_doc {
	enum form form;           /* as which it was recognised */
	bool has_conditions;      /* includes, excludes, archMap: means different things by host */
	bool has_warder;          /* the member "warder", which is no part of a profile */
	struct json_object *root; /* what was read */
	struct json_object *body; /* the object with defaultAction, with numbers and words of OCI */
	struct profile *profile;
	char name[64]; /* of a SeccompProfile; "" otherwise */
};

/* A regular file, or "-": standard input. */
int form_read(const char *path, struct form_doc *out, const struct warn *w, struct err *e);
int form_parse(const char *file, const char *text, size_t len, struct form_doc *out,
	       const struct warn *w, struct err *e);
void form_fini(struct form_doc *d);

struct form_facts { /* what is no rule */
	struct profile_facts facts;
	const char *name;        /* of a SeccompProfile; NULL: "profile" */
	const char *description; /* a comment where the form has room; NULL: none */
};

/* The rules as a document, entry by entry. Losses are warned of ("cannot hold"); what would make it
 * allow more than the rules is refused (EINVAL). *out: json_object_put(). */
int form_of_rules(enum form to, const struct ruleset *r, const struct form_facts *f,
		  struct json_object **out, const struct warn *loss, struct err *e);
/* A document in another form, with its conditions where the form has them; else they are resolved
 * for the host, which is said. */
int form_convert(const struct form_doc *from, enum form to, const struct host *h, const char *name,
		 struct json_object **out, const struct warn *loss, struct err *e);
int form_write(enum form f, struct json_object *v, FILE *to, struct err *e);

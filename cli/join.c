/* SPDX-License-Identifier: Apache-2.0 */
/* join.c - warder profile merge, warder profile intersect. */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "profiles.h"
#include "warder/own.h"

#define FILES_MAX 256

struct join_verb {
	enum clauses_how how;
	struct opt_usage usage; /* without rows */
};

struct joined {
	int n;
	struct profiles_doc docs[FILES_MAX];
	struct clauses *clauses[FILES_MAX];
};

static int open_all(const char *program, char **files, int n, const struct host *h,
		    struct diagrams *d, struct joined *j, struct err *e)
{
	for (int i = 0; i < n; i++) {
		int r = profiles_open(program, files[i], h, false, d, &j->docs[j->n++], e);

		if (r)
			return r;
		if (j->docs[i].form.has_warder)
			fprintf(stderr, "%s: %s: \"warder\" is no part of the profile: left out\n",
				program, files[i]);
		j->clauses[i] = j->docs[i].clauses;
	}
	return 0;
}

/* Flags and listeners are not joined: only those that all documents share stay. */
static void common_facts(const char *program, const struct joined *j, struct profile_facts *out)
{
	profile_facts(j->docs[0].form.profile, out);
	for (int i = 1; i < j->n; i++) {
		struct profile_facts f;

		profile_facts(j->docs[i].form.profile, &f);
		if (f.has_flags == out->has_flags && f.flags == out->flags &&
		    !f.listener_path == !out->listener_path &&
		    (!f.listener_path || !strcmp(f.listener_path, out->listener_path)))
			continue;
		fprintf(stderr, "%s: %s and %s differ in flags or listener: these are left out\n",
			program, j->docs[0].file, j->docs[i].file);
		*out = (struct profile_facts){ 0 };
		return;
	}
}

static int write_joined(const struct join_verb *v, struct diagrams *d, const struct joined *j,
			const struct profiles_out *o, enum form form, struct err *e)
{
	struct profiles_losses losses = { .program = v->usage.program };
	const struct warn loss = { profiles_loss, &losses };
	struct form_facts facts = { .name = o->name };
	struct json_object *doc = NULL;
	struct ruleset r;
	int rc = clauses_join(d, j->clauses, j->n, v->how, &r, &loss, e);

	if (rc)
		return rc;
	common_facts(v->usage.program, j, &facts.facts);
	rc = form_of_rules(form, &r, &facts, &doc, &loss, e);
	profiles_say_losses(&losses);
	if (!rc)
		rc = profiles_write(o, form, doc, e);
	json_object_put(doc);
	ruleset_fini(&r);
	return rc;
}

static int join_files(const struct join_verb *v, char **files, int n, const struct host *h,
		      const struct profiles_out *o, enum form form)
{
	auto_free struct joined *j = calloc(1, sizeof *j);
	struct diagrams *d = diagrams_new(DIAGRAM_NODES);
	struct err e;
	int r;

	if (!j || !d) {
		diagrams_free(d);
		err_set(&e, ENOMEM, "join profiles");
		return profiles_failed(v->usage.program, &e);
	}
	r = open_all(v->usage.program, files, n, h, d, j, &e);
	if (!r)
		r = write_joined(v, d, j, o, form, &e);
	for (int i = 0; i < j->n; i++)
		profiles_close(&j->docs[i]);
	diagrams_free(d);
	return r ? profiles_failed(v->usage.program, &e) : CLI_OK;
}

static int run(const struct join_verb *verb, int argc, char **argv)
{
	struct profiles_out o = { 0 };
	struct where where = { 0 };
	const struct opt rows[] = { PROFILES_OUT_OPTS(&o), WHERE_OPTS(&where), { 0 } };
	struct join_verb v = *verb;
	struct host host;
	enum form form;
	enum arch abi;
	struct err e;
	int first, r;

	v.usage.rows = rows;
	r = opt_parse(&v.usage, argc, argv, &first, &e);
	if (!r && argc - first < 1)
		r = err_set(&e, EINVAL, "no FILE given (see %s --help)", v.usage.program);
	if (!r && argc - first > FILES_MAX)
		r = err_set(&e, EINVAL, "more than %d files", FILES_MAX);
	if (!r)
		r = where_host(&where, &host, &abi, &e);
	if (!r)
		r = profiles_form(&o, FORM_OCI, &form, &e);
	if (r)
		return cli_usage(v.usage.program, r, &e);
	return join_files(&v, argv + first, argc - first, &host, &o, form);
}

#define TAIL                                                                                      \
	"Conditions on the host are decided first (--arch, --caps, --kernel). The result is "     \
	"compiled\n"                                                                              \
	"and compared again before it is written; what a document cannot hold exactly is said "   \
	"on\n"                                                                                    \
	"stderr. Exit status: 0, 1 it could not be done, 2 usage, 3 unknown (never guessed).\n\n" \
	"Examples:\n"

int cli_profile_merge(int argc, char **argv)
{
	struct join_verb v = {
		CLAUSES_UNION,
		{ .program = "warder profile merge",
		  .args = "FILE...",
		  .purpose = "Write the profile that allows what any of the files allows, never "
			     "less.",
		  .tail = "Of several answers the most permissive wins: allow, log, trace, notify, "
			  "errno, trap,\n"
			  "kill_thread, kill_process; of two errnos that of the earlier "
			  "file.\n" TAIL
			  "  warder profile merge -o web.json monday.json tuesday.json\n" },
	};

	return run(&v, argc, argv);
}

int cli_profile_intersect(int argc, char **argv)
{
	struct join_verb v = {
		CLAUSES_INTERSECTION,
		{ .program = "warder profile intersect",
		  .args = "FILE...",
		  .purpose = "Write the profile that allows what all of the files allow, never "
			     "more.",
		  .tail = "Of several answers the strictest wins, as in the kernel with all "
			  "filters "
			  "loaded; of two\n"
			  "errnos that of the earlier file.\n" TAIL
			  "  warder profile intersect docker-default.json web.json -o "
			  "tight.json\n" },
	};

	return run(&v, argc, argv);
}

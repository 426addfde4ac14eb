/* SPDX-License-Identifier: Apache-2.0 */
/* convert.c - warder profile convert: a profile in another form. */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "profiles.h"
#include "warder/own.h"

static const char program[] = "warder profile convert";

static int convert(const char *file, const struct profiles_out *o, enum form to,
		   const struct host *h, unsigned *n_losses, struct err *e)
{
	struct profiles_losses losses = { .program = program };
	struct where_warnings said = { .program = program, .file = file };
	const struct warn loss = { profiles_loss, &losses }, w = { where_count_warning, &said };
	struct json_object *doc = NULL;
	struct form_doc from;
	int r = form_read(file, &from, &w, e);

	if (r)
		return r;
	where_say_warnings(&said);
	r = form_convert(&from, to, h, o->name, &doc, &loss, e);
	profiles_say_losses(&losses);
	*n_losses = losses.n;
	if (r)
		err_wrap(e, "%s", file);
	else
		r = profiles_write(o, to, doc, e);
	json_object_put(doc);
	form_fini(&from);
	return r;
}

int cli_profile_convert(int argc, char **argv)
{
	bool strict = false;
	struct profiles_out o = { 0 };
	struct where where = { 0 };
	const struct opt rows[] = {
		PROFILES_OUT_OPTS(&o),
		{ "strict", 0, OPT_FLAG, &strict, NULL, "exit with 1 if anything was lost" },
		WHERE_OPTS(&where),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = program,
		.args = "FILE",
		.purpose = "Write a profile in another form, and say what that form cannot hold.",
		.rows = rows,
		.tail = "FILE may be any of these, or a config.json; what it is is seen from what "
			"is in it.\n"
			"  oci     linux.seccomp; a Localhost profile of Kubernetes under "
			"containerd\n"
			"  docker  with archMap, includes, excludes, minKernel, comment\n"
			"  podman  the same without minKernel; Localhost under CRI-O\n"
			"  spo     SeccompProfile of the Security Profiles Operator, in YAML\n"
			"Conditions that the form cannot hold are decided by --arch, --caps, "
			"--kernel.\n"
			"Each loss is one line on stderr; nothing is ever allowed more by one.\n\n"
			"Examples:\n"
			"  warder profile convert docker-default.json -f oci --caps none -o "
			"web.json\n"
			"  warder profile convert -f spo --name web web.json\n",
	};
	unsigned losses = 0;
	struct host host;
	enum form form;
	enum arch abi;
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && argc - first != 1)
		r = err_set(&e, EINVAL, "one FILE is needed, last (see %s --help)", program);
	if (!r)
		r = where_host(&where, &host, &abi, &e);
	if (!r)
		r = profiles_form(&o, FORM_OCI, &form, &e);
	if (r)
		return cli_usage(program, r, &e);
	if (convert(argv[first], &o, form, &host, &losses, &e))
		return profiles_failed(program, &e);
	return strict && losses ? CLI_FAILED : CLI_OK;
}

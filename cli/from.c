/* SPDX-License-Identifier: Apache-2.0 */
/* from.c - warder profile from-strace, from-audit: a profile from what others recorded. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "profiles.h"
#include "warder/own.h"
#include "warder/seen.h"

enum kind { FROM_STRACE, FROM_AUDIT };

struct from {
	const char *program;
	enum kind kind;
	bool probes, quiet;
	const char *comm;
	struct seen seen;
};

static bool take_line(struct from *f, struct strace_reader *strace, char *line)
{
	struct audit_reader audit = { .to = &f->seen, .comm = f->comm };

	return f->kind == FROM_STRACE ? strace_line(strace, line) : audit_line(&audit, line);
}

/* ABIs belong to a file: the processes of another have nothing to do with these. */
static int read_file(struct from *f, const char *file, struct err *e)
{
	struct strace_reader strace = { .to = &f->seen };
	bool is_stdin = !strcmp(file, "-"), ok = true;
	auto_free char *line = NULL;
	auto_file to = is_stdin ? NULL : fopen(file, "re");
	FILE *from = is_stdin ? stdin : to;
	size_t room = 0;

	if (!from)
		return err_set(e, errno, "open %s", file);
	while (ok && getline(&line, &room, from) >= 0) {
		line[strcspn(line, "\r\n")] = 0;
		ok = take_line(f, &strace, line);
	}
	strace_fini(&strace);
	if (!ok)
		return err_set(e, ENOMEM, "read %s", file);
	return ferror(from) ? err_set(e, EIO, "read %s", file) : 0;
}

static void say_seen(const struct from *f)
{
	const struct seen *s = &f->seen;
	size_t probes = 0, unknown = 0;
	uint64_t calls = 0;

	for (size_t i = 0; i < s->n; i++) {
		calls += s->calls[i].n;
		if (seen_is_probe(&s->calls[i]) && !probes++ && !f->probes)
			fprintf(stderr,
				"%s: %s and others like it always failed with ENOSYS: left out "
				"(see "
				"--probes)\n",
				f->program, s->calls[i].name);
		if (names_syscall(ARCH_NONE, s->calls[i].name) < 0 && !unknown++)
			fprintf(stderr, "%s: libseccomp here does not know %s: it has no effect\n",
				f->program, s->calls[i].name);
	}
	fprintf(stderr, "%s: %" PRIu64 " lines, %" PRIu64 " calls, %zu different\n", f->program,
		s->lines, calls, s->n);
	if (s->odd)
		fprintf(stderr, "%s: %" PRIu64 " lines are none of the recording's: left out\n",
			f->program, s->odd);
	if (s->lost)
		fprintf(stderr,
			"%s: the log says that records were lost: the profile may lack calls\n",
			f->program);
	if (s->nameless)
		fprintf(stderr, "%s: call number %s has no name here: it cannot be in a profile\n",
			f->program, s->first_nameless);
}

static int make(struct from *f, char **files, int n, const struct profiles_out *o, enum form form,
		struct err *e)
{
	struct profiles_losses losses = { .program = f->program };
	const struct warn loss = { profiles_loss, &losses };
	struct form_facts facts = { .name = o->name };
	struct json_object *doc = NULL;
	struct ruleset r;
	int rc = 0;

	for (int i = 0; !rc && i < n; i++)
		rc = read_file(f, files[i], e);
	if (!rc && !f->quiet)
		say_seen(f);
	if (!rc)
		rc = seen_rules(&f->seen, f->probes, &r, e);
	if (rc)
		return rc;
	rc = form_of_rules(form, &r, &facts, &doc, &loss, e);
	if (!rc)
		rc = profiles_write(o, form, doc, e);
	json_object_put(doc);
	ruleset_fini(&r);
	return rc;
}

static int run(struct from *f, const struct opt_usage *usage, struct profiles_out *o, int argc,
	       char **argv)
{
	enum form form;
	struct err e;
	int first, r = opt_parse(usage, argc, argv, &first, &e);

	f->program = usage->program;
	if (!r && first == argc)
		r = err_set(&e, EINVAL, "no FILE given (see %s --help)", usage->program);
	if (!r)
		r = profiles_form(o, FORM_OCI, &form, &e);
	if (r)
		return cli_usage(usage->program, r, &e);
	r = make(f, argv + first, argc - first, o, form, &e);
	seen_fini(&f->seen);
	return r ? profiles_failed(usage->program, &e) : CLI_OK;
}

int cli_profile_from_strace(int argc, char **argv)
{
	struct from f = { .kind = FROM_STRACE };
	struct profiles_out o = { 0 };
	const struct opt rows[] = {
		PROFILES_OUT_OPTS(&o),
		{ "probes", 0, OPT_FLAG, &f.probes, NULL,
		  "also allow what only ever failed with ENOSYS" },
		{ "quiet", 'q', OPT_FLAG, &f.quiet, NULL, "no summary on stderr" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder profile from-strace",
		.args = "FILE...",
		.purpose = "Make a profile from the output of strace, whatever its options.",
		.rows = rows,
		.tail = "Understood are -f and -ff, -o, all forms of time and pid, -n, -i, -k, -y, "
			"-c and -C, raw\n"
			"arguments, unfinished and resumed calls, numbers without a name and the "
			"change of ABI.\n"
			"- is standard input. What a runtime needs before the exec is not in such "
			"a "
			"recording.\n\n"
			"Examples:\n"
			"  strace -f -o trace nginx -t\n"
			"  warder profile from-strace -o nginx.json trace\n",
	};

	return run(&f, &usage, &o, argc, argv);
}

int cli_profile_from_audit(int argc, char **argv)
{
	struct from f = { .kind = FROM_AUDIT };
	struct profiles_out o = { 0 };
	const struct opt rows[] = {
		PROFILES_OUT_OPTS(&o),
		{ "comm", 0, OPT_STR, &f.comm, "NAME", "records of this command only" },
		{ "quiet", 'q', OPT_FLAG, &f.quiet, NULL, "no summary on stderr" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder profile from-audit",
		.args = "FILE...",
		.purpose = "Make a profile from seccomp records of the audit log or of dmesg.",
		.rows = rows,
		.tail = "Each record's own arch= decides what its number means. The kernel drops "
			"records when they\n"
			"are many; where the log says so, it is said. - is standard input.\n\n"
			"Examples:\n"
			"  warder profile from-audit --comm nginx /var/log/audit/audit.log\n"
			"  dmesg | warder profile from-audit -\n",
	};

	return run(&f, &usage, &o, argc, argv);
}

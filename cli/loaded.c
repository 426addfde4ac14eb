/* SPDX-License-Identifier: Apache-2.0 */
/* loaded.c - warder profile loaded: a profile against the filters of a running process. */
#include "warder/loaded.h"

#include <errno.h>
#include <string.h>

#include "cli.h"
#include "diff.h"
#include "warder/own.h"

static const char program[] = "warder profile loaded";

struct request {
	bool json, like_crun;
	pid_t pid;
	const char *file;
};

/* The bounding set of the process, by which its engine will have resolved the profile. */
static int caps_of(pid_t pid, uint64_t *caps, struct err *e)
{
	auto_free char *path = NULL, *line = NULL;
	auto_file status = NULL;
	size_t room = 0;

	if (asprintf(&path, "/proc/%d/status", pid) < 0)
		return err_set(e, ENOMEM, "read the capabilities of %d", pid);
	status = fopen(path, "re");
	if (!status)
		return err_set(e, errno == ENOENT ? ESRCH : errno, "process %d", pid);
	while (getline(&line, &room, status) >= 0)
		if (!strncmp(line, "CapBnd:", 7)) {
			*caps = strtoull(line + 7, NULL, 16);
			return 0;
		}
	return err_set(e, EIO, "read %s", path);
}

static int compare(struct request *q, const struct host *h, struct clauses *loaded,
		   struct diagrams *d, bool *differ, struct err *e)
{
	struct profiles_doc doc = { 0 };
	int r = profiles_open(program, q->file, h, !q->like_crun, d, &doc, e);

	if (!r)
		r = diff_print(d, doc.clauses, loaded, q->json, differ, e);
	profiles_close(&doc);
	return r;
}

/* All filters of the process, as one that can be compared. */
static int look(struct request *q, const struct host *h, bool *differ, struct err *e)
{
	auto_free struct loaded *l = calloc(1, sizeof *l);
	struct diagrams *d = diagrams_new(DIAGRAM_NODES);
	struct clauses *c = NULL;
	int r;

	if (!l || !d) {
		diagrams_free(d);
		return err_set(e, ENOMEM, "compare");
	}
	r = loaded_read(q->pid, l, e);
	if (!r && !l->n)
		r = err_set(e, EINVAL, "process %d has no seccomp filter", q->pid);
	if (!r) {
		fprintf(stderr, "%s: process %d has %d filter%s\n", program, q->pid, l->n,
			l->n == 1 ? "" : "s");
		r = clauses_of_programs(d, l->prog, l->n, h->arch, &c, e);
	}
	if (!r)
		r = compare(q, h, c, d, differ, e);
	clauses_free(c);
	loaded_fini(l);
	diagrams_free(d);
	return r;
}

static int read_pid(const char *text, pid_t *pid, struct err *e)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 1 || n > INT32_MAX)
		return err_set(e, EINVAL, "\"%s\" is no process", text);
	*pid = (pid_t)n;
	return 0;
}

int cli_profile_loaded(int argc, char **argv)
{
	struct request q = { 0 };
	struct where where = { 0 };
	const struct opt rows[] = {
		{ "json", 'j', OPT_FLAG, &q.json, NULL, "for programs" },
		{ "crun", 0, OPT_FLAG, &q.like_crun, NULL,
		  "the profile as crun loads it, without runc's ENOSYS for newer numbers" },
		{ "caps", 0, OPT_STR, &where.caps, "LIST",
		  "capabilities (default: the bounding set of the process)" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = program,
		.args = "PID FILE",
		.purpose = "Compare a profile with the filters that are loaded in a process.",
		.rows = rows,
		.tail = "All filters of the process count together, the strictest answer wins. The "
			"lines are as\n"
			"those of warder profile diff: the profile -> what is loaded. The process "
			"is "
			"stopped\n"
			"for some milliseconds. Needs root.\n"
			"Exit status: 0 they mean the same, 1 they differ, 2 usage, 3 unknown.\n\n"
			"Examples:\n"
			"  warder profile loaded 4711 docker-default.json\n",
	};
	bool differ = false;
	struct host host;
	enum arch abi;
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && argc - first != 2)
		r = err_set(&e, EINVAL, "PID and FILE are needed, last (see %s --help)", program);
	if (!r)
		r = read_pid(argv[first], &q.pid, &e);
	if (!r)
		r = where_host(&where, &host, &abi, &e);
	if (r)
		return cli_usage(program, r, &e);
	q.file = argv[first + 1];
	if (!where.caps)
		r = caps_of(q.pid, &host.caps, &e);
	if (!r)
		r = look(&q, &host, &differ, &e);
	if (r)
		return profiles_failed(program, &e);
	return differ ? CLI_FAILED : CLI_OK;
}

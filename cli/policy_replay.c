/* SPDX-License-Identifier: Apache-2.0 */
/* policy_replay.c - warder policy replay: recorded events against another policy. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "tally.h"
#include "warder/event.h"
#include "warder/own.h"
#include "where.h"

struct replay {
	struct where where;
	const char *events; /* the file's name */
	struct where_policy policy;
	uint64_t calls, bad;
	struct tally differ;
};

/* The call that an event tells of; false: its architecture has no name. */
static bool call_of(const struct event *ev, struct seccomp_data *call)
{
	char scmp[64] = "SCMP_ARCH_", *end;
	enum arch a;

	*call = (struct seccomp_data){ .nr = ev->nr };
	for (int i = 0; i < 6; i++)
		call->args[i] = ev->args[i];
	if (!ev->arch)
		return false;
	if (!strncmp(ev->arch, "0x", 2)) {
		call->arch = (uint32_t)strtoul(ev->arch, &end, 16);
		return !*end;
	}
	for (size_t i = 0; i < sizeof scmp - sizeof "SCMP_ARCH_" && ev->arch[i]; i++) {
		char c = ev->arch[i];

		scmp[strlen("SCMP_ARCH_") + i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	}
	a = names_arch(scmp);
	call->arch = names_arch_audit(a);
	return a != ARCH_NONE;
}

/* "errno EPERM", from an event's own words (an errno without a name is not in it). */
static void old_verdict(const struct event *ev, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", ev->asked ? ev->asked : "unknown", ev->error ? " " : "",
		 ev->error ? ev->error : "");
}

static void compare(struct replay *r, const struct event *ev, const struct seccomp_data *call)
{
	struct verdict v = decide(r->policy.decide, call);
	char was[WHERE_EFFECT_MAX * 2], is[WHERE_EFFECT_MAX], row[TALLY_TEXT], nr[16];

	where_effect(v.act, v.errnum, is, sizeof is);
	old_verdict(ev, was, sizeof was);
	if (!strcmp(was, is))
		return;
	snprintf(nr, sizeof nr, "%d", ev->nr);
	snprintf(row, sizeof row, "%s\t%s\t%s\t%s\t%s\t%s", ev->syscall ? ev->syscall : nr,
		 ev->arch, was, ev->rule ? ev->rule : "", is, decide_why(r->policy.decide, v));
	tally_add(&r->differ, row, ev->comm, ev->count);
}

static void replay_line(struct replay *r, const char *line, size_t len, uint64_t number)
{
	char text[EVENT_LINE_MAX];
	struct seccomp_data call;
	struct event ev;
	struct err e;

	if (event_parse(line, len, &ev, text, sizeof text, &e)) {
		fprintf(stderr, "%s:%" PRIu64 ": %s\n", r->events, number, e.msg);
		r->bad++;
		return;
	}
	if (ev.type != EVENT_CALL)
		return;
	if (!call_of(&ev, &call)) {
		fprintf(stderr, "%s:%" PRIu64 ": arch: unknown\n", r->events, number);
		r->bad++;
		return;
	}
	ev.count = ev.count ? ev.count : 1;
	r->calls += ev.count;
	compare(r, &ev, &call);
}

static int replay_events(struct replay *r, struct err *e)
{
	bool is_stdin = !strcmp(r->events, "-");
	auto_file opened = is_stdin ? NULL : fopen(r->events, "re");
	FILE *from = is_stdin ? stdin : opened;
	auto_free char *line = NULL;
	uint64_t number = 0;
	size_t size = 0;
	ssize_t n;

	if (!from)
		return err_set(e, errno, "open %s", r->events);
	while ((n = getline(&line, &size, from)) >= 0)
		replay_line(r, line, (size_t)n, ++number);
	return ferror(from) ? err_set(e, errno, "read %s", r->events) : 0;
}

static int replay_policy(struct replay *r, const char *file, const struct host *host, struct err *e)
{
	struct where_warnings warnings = { .program = "warder policy replay", .file = file };
	const struct warn warn = { where_count_warning, &warnings };
	const struct policy *p;
	int rc = policy_load(file, &p, &warn, e);

	if (rc)
		return rc;
	where_say_warnings(&warnings);
	rc = where_compile(p, host, &r->policy, e);
	if (!rc)
		rc = replay_events(r, e);
	where_fini(&r->policy);
	policy_free(p);
	return rc;
}

static int report(struct replay *r)
{
	if (r->differ.total)
		tally_print(&r->differ, "CALLS\tSYSCALL\tARCH\tWAS\tRULE\tIS\tRULE\tBY", stdout);
	printf("%" PRIu64 " calls, %" PRIu64 " decided differently", r->calls, r->differ.total);
	if (r->bad)
		printf(", %" PRIu64 " lines not understood", r->bad);
	printf("\n");
	return r->differ.total || r->bad ? CLI_FAILED : CLI_OK;
}

int cli_policy_replay(int argc, char **argv)
{
	struct replay r = { 0 };
	const struct opt rows[] = {
		WHERE_OPTS(&r.where),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder policy replay",
		.args = "FILE EVENTS",
		.purpose = "Decide recorded events again by policy FILE; show what differs.",
		.rows = rows,
		.tail = "EVENTS are lines as warderd and warder run write them; - is stdin. Give\n"
			"the capabilities of the container they come from.\n"
			"Exit status: 0 nothing differs, 1 something does or could not be read, 2\n"
			"usage.\n"
			"\n"
			"Examples:\n"
			"  warder policy replay new.json /var/log/warder/events.json\n"
			"  warder run --policy old.json --events e.json -- ./server; warder policy "
			"replay new.json e.json\n",
	};
	struct host host;
	enum arch abi;
	struct err e;
	int first, status, rc = opt_parse(&usage, argc, argv, &first, &e);

	if (!rc && argc - first != 2)
		rc = err_set(&e, EINVAL, "FILE and EVENTS are needed (see %s --help)",
			     usage.program);
	if (!rc)
		rc = where_host(&r.where, &host, &abi, &e);
	if (rc)
		return cli_usage(usage.program, rc, &e);
	r.events = argv[first + 1];
	if (replay_policy(&r, argv[first], &host, &e)) {
		fprintf(stderr, "%s: %s\n", usage.program, e.msg);
		status = CLI_FAILED;
	} else {
		status = report(&r);
	}
	tally_fini(&r.differ);
	return status;
}

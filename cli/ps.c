/* SPDX-License-Identifier: Apache-2.0 */
/* ps.c - warder ps: the sessions. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "grid.h"
#include "plain.h"
#include "ps.h"
#include "warder/own.h"

struct ps {
	struct client_opts client;
	const char *container, *mode, *pod, *namespace;
	bool quiet;
};

const char *ps_age(const char *started, char *buf, size_t size)
{
	static const struct {
		long seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	struct tm tm = { 0 };
	size_t i = 0;
	long age;

	if (!strptime(started, "%Y-%m-%dT%H:%M:%S", &tm)) {
		snprintf(buf, size, "-");
		return buf;
	}
	age = (long)(time(NULL) - timegm(&tm));
	age = age < 0 ? 0 : age;
	while (units[i].seconds > 1 && age < 2 * units[i].seconds)
		i++;
	snprintf(buf, size, "%ld%c", age / units[i].seconds, units[i].unit);
	return buf;
}

/* --- the order: containers by their first session, with the others of each below --- */

struct entry {
	struct json_object *session;
	const char *container;
	int64_t number, first; /* of its container */
};

static int by_container(const void *left, const void *right)
{
	const struct entry *l = left, *r = right;

	if (l->first != r->first)
		return l->first < r->first ? -1 : 1;
	return l->number < r->number ? -1 : l->number > r->number;
}

static int by_id(const void *left, const void *right)
{
	const struct entry *l = left, *r = right;
	int order = strcmp(l->container, r->container);

	return order ? order : l->number < r->number ? -1 : l->number > r->number;
}

static struct entry *sorted(struct json_object *sessions, size_t n)
{
	struct entry *list = calloc(n + 1, sizeof *list);

	for (size_t i = 0; list && i < n; i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);

		list[i] = (struct entry){ .session = s,
					  .container = client_text(s, "container"),
					  .number = client_number(s, "session") };
	}
	if (!list)
		return NULL;
	qsort(list, n, sizeof *list, by_id);
	for (size_t i = 0; i < n; i++)
		list[i].first = i && !strcmp(list[i].container, list[i - 1].container)
					? list[i - 1].first
					: list[i].number;
	qsort(list, n, sizeof *list, by_container);
	return list;
}

/* --- for people --- */

static const struct grid_col columns[] = {
	{ "SESSION", .right = true },  { "CONTAINER", .shrinks = true },
	{ "NAME", .shrinks = true },   { "POD", .shrinks = true },
	{ "POLICY", .shrinks = true }, { .title = "MODE" },
	{ .title = "WIRING" },         { "INIT", .right = true },
	{ "AGE", .right = true },      { "RECEIVED", .right = true },
	{ "DENIED", .right = true },   { "AUDITED", .right = true },
};

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static void add_row(struct grid *t, const struct entry *s, bool under)
{
	struct json_object *o = s->session;
	const char *ns = client_text(o, "namespace"), *pod = client_text(o, "pod");
	char age[32];

	grid_cell(t, "%" PRId64, s->number);
	/* What cuts lines into words gets the id alone. */
	grid_cell(t, "%s%s", under && grid_terminal(stdout) ? "+ " : "", or_dash(s->container));
	grid_cell(t, "%s", or_dash(client_text(o, "name")));
	grid_cell(t, "%s%s%s", ns, *ns ? "/" : "", or_dash(pod));
	grid_cell(t, "%s", or_dash(client_text(o, "policy")));
	grid_cell(t, "%s%s", client_text(o, "mode"),
		  client_number(o, "starting") ? ",starting" : "");
	grid_cell(t, "%s", or_dash(client_text(o, "wiring")));
	grid_cell(t, "%" PRId64, client_number(o, "init"));
	grid_cell(t, "%s", ps_age(client_text(o, "started"), age, sizeof age));
	grid_cell(t, "%" PRId64, client_number(o, "counters.received"));
	grid_cell(t, "%" PRId64,
		  client_number(o, "counters.denied") + client_number(o, "counters.killed"));
	grid_cell(t, "%" PRId64, client_number(o, "counters.audited"));
}

static int print_table(struct json_object *answer, bool quiet, struct err *e)
{
	size_t n;
	struct json_object *sessions = client_array(answer, "sessions", &n);
	auto_free struct entry *list = sorted(sessions, n);
	struct grid t;

	if (!list)
		return err_set(e, ENOMEM, "list of sessions");
	grid_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++) {
		if (quiet)
			printf("%" PRId64 "\n", list[i].number);
		else
			add_row(&t, &list[i], i && list[i].first == list[i - 1].first);
	}
	if (quiet) {
		grid_fini(&t);
		return 0;
	}
	return grid_show(&t) ? err_set(e, ENOMEM, "table") : 0;
}

static int ps(const struct ps *p, struct err *e)
{
	const struct client_param params[] = { { "container", p->container },
					       { "mode", p->mode },
					       { "pod", p->pod },
					       { "namespace", p->namespace },
					       { 0 } };
	char path[CLIENT_PATH_MAX];
	struct json_object *answer = NULL;
	struct client *c;
	int r = client_open(&p->client, &c, e);

	if (r)
		return r;
	r = client_path(c, "/v1/sessions", params, path, sizeof path, e);
	if (!r)
		r = client_call(c, "GET", path, NULL, &answer, e);
	if (!r && p->client.json)
		plain_json(answer, stdout);
	else if (!r)
		r = print_table(answer, p->quiet, e);
	json_object_put(answer);
	client_close(c);
	return r;
}

int cli_ps(int argc, char **argv)
{
	struct ps p = { 0 };
	const struct opt rows[] = {
		{ "container", 'c', OPT_STR, &p.container, "CONTAINER", "this container only" },
		{ "mode", 'm', OPT_STR, &p.mode, "audit|enforce|record",
		  "those in this mode only" },
		{ "pod", 0, OPT_STR, &p.pod, "NAME", "those of this pod only" },
		{ "namespace", 'n', OPT_STR, &p.namespace, "NAME", "those of this namespace only" },
		{ "quiet", 'q', OPT_FLAG, &p.quiet, NULL, "their numbers only" },
		CLIENT_OPTS(&p.client),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder ps",
		.args = "",
		.purpose = "List the sessions: the containers that warderd serves.",
		.rows = rows,
		.tail = "A container that was entered (exec) has several sessions; the later "
			"ones\n"
			"stand below the first, on a terminal marked \"+\". DENIED holds the "
			"killed "
			"too.\n"
			"Where stdout is no terminal nothing is cut.\n" CLIENT_EXIT_STATUS "\n"
			"Examples:\n"
			"  warder ps\n"
			"  warder ps --mode audit --namespace prod\n"
			"  warder ps --json | jq '.sessions[].container'\n",
	};
	struct err e;
	int n, r = cli_words(&usage, argc, argv, 0, 0, NULL, &n, &e);

	if (r)
		return cli_usage(usage.program, r, &e);
	return ps(&p, &e) ? client_fail(usage.program, &e) : CLI_OK;
}

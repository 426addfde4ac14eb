/* SPDX-License-Identifier: Apache-2.0 */
/* show.c - warder show: everything about a session. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "pick.h"
#include "plain.h"
#include "ps.h"
#include "warder/own.h"

#define TEXT_MAX 4096

/* A line; hostile text is made plain. */
static void line(const char *label, const char *text)
{
	char safe[TEXT_MAX];

	if (*text)
		printf("%-12s%s\n", label, plain_text(text, safe, sizeof safe));
}

static void print_who(struct json_object *s)
{
	static const char *const labels[] = { "container", "name",   "pod", "namespace",
					      "policy",    "wiring", NULL };
	char age[32];

	printf("%-12s%" PRId64 "\n", "session", client_number(s, "session"));
	for (const char *const *l = labels; *l; l++)
		line(*l, client_text(s, *l));
	printf("%-12s%s%s\n", "mode", client_text(s, "mode"),
	       client_number(s, "starting") ? " (starting: the runtime's own calls pass)" : "");
	printf("%-12s%" PRId64 "\n", "init", client_number(s, "init"));
	printf("%-12s%s (%s ago)\n", "started", client_text(s, "started"),
	       ps_age(client_text(s, "started"), age, sizeof age));
}

/* Whatever counters there are: a newer warderd may have more. */
static void print_counters(struct json_object *s)
{
	struct json_object *counters;
	char label[32], safe[128];

	if (!json_object_object_get_ex(s, "counters", &counters) ||
	    !json_object_is_type(counters, json_type_object))
		return;
	printf("calls\n");
	json_object_object_foreach(counters, key, value)
	{
		snprintf(label, sizeof label, "%s", plain_text(key, safe, sizeof safe));
		printf("  %-10s%12" PRId64 "\n", label, json_object_get_int64(value));
	}
}

static void print_overrides(struct json_object *s)
{
	size_t n;
	struct json_object *list = client_array(s, "overrides", &n);
	char text[256], safe[1024];

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *error = client_text(o, "errno");

		snprintf(text, sizeof text, "%s %s%s%s (%s)", client_text(o, "syscall"),
			 client_text(o, "verdict"), *error ? " " : "", error,
			 client_text(o, "arch"));
		printf("%-12s%s\n", i ? "" : "overrides", plain_text(text, safe, sizeof safe));
	}
}

static int show(const struct client_opts *o, const char *word, struct err *e)
{
	struct json_object *sessions, *answer;
	struct client *c;
	int r = client_open(o, &c, e);

	if (r)
		return r;
	r = pick_sessions(c, word, &sessions, e);
	client_close(c);
	if (r)
		return r;
	for (size_t i = 0; !o->json && i < json_object_array_length(sessions); i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);

		printf("%s", i ? "\n" : "");
		print_who(s);
		print_counters(s);
		print_overrides(s);
	}
	answer = json_object_new_object();
	json_object_object_add(answer, "sessions", sessions);
	if (o->json)
		plain_json(answer, stdout);
	json_object_put(answer);
	return 0;
}

int cli_show(int argc, char **argv)
{
	struct client_opts o = { 0 };
	const struct opt rows[] = { CLIENT_OPTS(&o), { 0 } };
	const struct opt_usage usage = {
		.program = "warder show",
		.args = "ID",
		.purpose = "Show everything about a session, or about all sessions of a container.",
		.rows = rows,
		.tail = PICK_HELP CLIENT_EXIT_STATUS "\n"
						     "Examples:\n"
						     "  warder show 7\n"
						     "  warder show web\n"
						     "  warder show --json web | jq "
						     "'.sessions[].counters.denied'\n",
	};
	const char *word;
	struct err e;
	int n, r = cli_words(&usage, argc, argv, 1, 1, &word, &n, &e);

	if (r)
		return cli_usage(usage.program, r, &e);
	return show(&o, word, &e) ? client_fail(usage.program, &e) : CLI_OK;
}

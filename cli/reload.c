/* SPDX-License-Identifier: Apache-2.0 */
/* reload.c - warder reload: warderd reads its policies again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "grid.h"
#include "plain.h"
#include "warder/own.h"

static const struct grid_col columns[] = {
	{ .title = "POLICY" },
	{ .title = "RESULT" },
	{ "SESSIONS", .right = true },
};

/* Whole words on stderr for what was refused: a table would cut them. */
static int print(struct json_object *answer, bool json)
{
	size_t n;
	struct json_object *list = client_array(answer, "policies", &n);
	struct grid t;
	int status = CLI_OK;

	grid_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++) {
		struct json_object *p = json_object_array_get_idx(list, i);
		const char *error = client_text(p, "error");
		char safe[4096];

		grid_cell(&t, "%s", client_text(p, "policy"));
		grid_cell(&t, "%s", client_text(p, "result"));
		grid_cell(&t, "%" PRId64, client_number(p, "sessions"));
		if (!strcmp(client_text(p, "result"), "refused"))
			status = CLI_FAILED;
		if (*error)
			fprintf(stderr, "warder reload: %s\n",
				plain_text(error, safe, sizeof safe));
	}
	if (json)
		plain_json(answer, stdout);
	if (json)
		grid_fini(&t);
	else if (grid_show(&t))
		status = CLI_FAILED;
	return status;
}

int cli_reload(int argc, char **argv)
{
	struct client_opts o = { 0 };
	const struct opt rows[] = { CLIENT_OPTS(&o), { 0 } };
	const struct opt_usage usage = {
		.program = "warder reload",
		.args = "",
		.purpose = "Let warderd read its policies again, and apply them to running "
			   "containers.",
		.rows = rows,
		.tail = "A policy that cannot be used changes nothing: its sessions go on with "
			"what\n"
			"they have, the reason is said, and the exit status is "
			"1.\n" CLIENT_EXIT_STATUS "\n"
			"Examples:\n"
			"  warder reload\n"
			"  warder reload --json | jq '.policies[] | select(.error)'\n",
	};
	struct json_object *answer = NULL;
	struct client *c = NULL;
	struct err e;
	int n, status, r = cli_words(&usage, argc, argv, 0, 0, NULL, &n, &e);

	if (r)
		return cli_usage(usage.program, r, &e);
	r = client_open(&o, &c, &e);
	if (!r)
		r = client_call(c, "POST", "/v1/reload", NULL, &answer, &e);
	client_close(c);
	if (r)
		return client_fail(usage.program, &e);
	status = print(answer, o.json);
	json_object_put(answer);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* override.c - warder deny, allow, lift: one system call of a running container.
 *
 * Rows: what a verb asks of the API, and how it says what it did. A deny or allow stands in front
 * of the policy until it is lifted or the session ends; it is written nowhere else. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "pick.h"
#include "plain.h"
#include "warder/names.h"
#include "warder/own.h"

#define DEFAULT_ERRNO "EPERM"

struct row {
	const char *program, *method;
	const char *verdict; /* NULL: no body */
	const char *done;    /* "session 7 (web): DONE unshare" */
	bool takes_errno;
	const char *purpose, *tail;
};

static const struct row deny = {
	"warder deny",
	"PUT",
	"deny",
	"denies",
	true,
	"Deny a system call in a running container, from the next one on.",
	"Works in enforce and in audit, for calls that the container's filter reports:\n"
	"others are allowed inside the kernel, and denying them is refused.\n",
};
static const struct row allow = {
	"warder allow",
	"PUT",
	"allow",
	"allows",
	false,
	"Let a system call through in a running container, whatever its policy says.",
	""
};
static const struct row lift = { "warder lift",
				 "DELETE",
				 NULL,
				 "has the policy decide",
				 false,
				 "Undo `warder deny` or `warder allow`: the policy decides again.",
				 "" };

struct override_args {
	struct client_opts client;
	const char *error, *arch;
	const char *id, *syscall;
	int status;
};

static struct json_object *body_of(const struct row *row, const struct override_args *a)
{
	struct json_object *o;

	if (!row->verdict)
		return NULL;
	o = json_object_new_object();
	json_object_object_add(o, "verdict", json_object_new_string(row->verdict));
	if (row->takes_errno)
		json_object_object_add(o, "errno",
				       json_object_new_string(a->error ? a->error : DEFAULT_ERRNO));
	if (a->arch)
		json_object_object_add(o, "arch", json_object_new_string(a->arch));
	return o;
}

/* A refusal of one session is said, and the others go on: *e is for what concerns them all. */
static int ask(const struct row *row, struct override_args *a, struct client *c,
	       struct json_object *session, struct json_object *done, struct err *e)
{
	const struct client_param params[] = { { "arch", row->verdict ? NULL : a->arch }, { 0 } };
	struct json_object *body = body_of(row, a);
	struct client_reply reply;
	char path[CLIENT_PATH_MAX], name[256], id[1024];
	int64_t number = client_number(session, "session");
	int status, r;

	snprintf(name, sizeof name, "/v1/sessions/%" PRId64 "/syscalls/%s", number, a->syscall);
	r = client_path(c, name, params, path, sizeof path, e);
	if (!r)
		r = client_request(c, row->method, path, body, &reply, e);
	json_object_put(body);
	if (r)
		return r;
	plain_text(client_text(session, "container"), id, sizeof id);
	if (client_refusal(&reply, e)) {
		fprintf(stderr, "%s: session %" PRId64 " (%s): %s\n", row->program, number, id,
			e->msg);
		status = client_status(e);
		a->status = status > a->status ? status : a->status;
	} else {
		json_object_array_add(done, json_object_get(reply.json));
		if (!a->client.json)
			printf("session %" PRId64 " (%s): %s %s\n", number, id, row->done,
			       a->syscall);
	}
	client_reply_fini(&reply);
	return 0;
}

static int run(const struct row *row, struct override_args *a, struct err *e)
{
	struct json_object *sessions = NULL, *answer = json_object_new_object();
	struct json_object *done = json_object_new_array();
	struct client *c;
	int r = client_open(&a->client, &c, e);

	json_object_object_add(answer, "sessions", done);
	if (!r) {
		r = pick_sessions(c, a->id, &sessions, e);
		for (size_t i = 0; !r && i < json_object_array_length(sessions); i++)
			r = ask(row, a, c, json_object_array_get_idx(sessions, i), done, e);
		client_close(c);
	}
	if (!r && a->client.json)
		plain_json(answer, stdout);
	json_object_put(sessions);
	json_object_put(answer);
	return r;
}

/* What is no system call anywhere never reaches warderd; whether this container's ABI has it,
 * warderd knows. */
static int check(const struct override_args *a, struct err *e)
{
	if (names_syscall(ARCH_NONE, a->syscall) < 0)
		return err_set(e, EINVAL, "\"%s\" is no system call", a->syscall);
	if (a->error && names_errno(a->error) < 0)
		return err_set(e, EINVAL, "--errno: \"%s\" is no errno (such as EPERM)", a->error);
	return 0;
}

static int parse_and_run(const struct row *row, const struct opt *rows, struct override_args *a,
			 int argc, char **argv)
{
	char tail[1536];
	const struct opt_usage usage = { .program = row->program,
					 .args = "ID SYSCALL",
					 .purpose = row->purpose,
					 .rows = rows,
					 .tail = tail };
	const char *words[2];
	struct err e;
	int n, r;

	snprintf(tail, sizeof tail, "%s%s%s\nExamples:\n  %s web unshare%s\n  %s session:7 mount\n",
		 row->tail, PICK_HELP, CLIENT_EXIT_STATUS, row->program,
		 row->takes_errno ? " --errno ENOSYS" : "", row->program);
	r = cli_words(&usage, argc, argv, 2, 2, words, &n, &e);
	if (!r) {
		a->id = words[0];
		a->syscall = words[1];
		r = check(a, &e);
	}
	if (r)
		return cli_usage(row->program, r, &e);
	r = run(row, a, &e);
	return r ? client_fail(row->program, &e) : a->status;
}

#define ARCH_ROW(a)                                                                     \
	{                                                                               \
		"arch", 0, OPT_STR, &(a)->arch, "ARCH",                                 \
			"of the calls: x86_64, x86, x32, aarch64 (default: the host's)" \
	}

int cli_deny(int argc, char **argv)
{
	struct override_args a = { 0 };
	const struct opt rows[] = {
		{ "errno", 'e', OPT_STR, &a.error, "NAME",
		  "what the call fails with (default " DEFAULT_ERRNO ")" },
		ARCH_ROW(&a),
		CLIENT_OPTS(&a.client),
		{ 0 },
	};

	return parse_and_run(&deny, rows, &a, argc, argv);
}

static int without_errno(const struct row *row, int argc, char **argv)
{
	struct override_args a = { 0 };
	const struct opt rows[] = { ARCH_ROW(&a), CLIENT_OPTS(&a.client), { 0 } };

	return parse_and_run(row, rows, &a, argc, argv);
}

int cli_allow(int argc, char **argv)
{
	return without_errno(&allow, argc, argv);
}

int cli_lift(int argc, char **argv)
{
	return without_errno(&lift, argc, argv);
}

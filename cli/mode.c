/* SPDX-License-Identifier: Apache-2.0 */
/* mode.c - warder mode: running containers from audit to enforce and back; a node's break-glass.
 *
 * Every session that is meant gets its own request, and a refusal of one does not keep the others
 * from being switched: what is left is said, and the exit status is that of the worst. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "pick.h"
#include "plain.h"
#include "warder/own.h"

static const char program[] = "warder mode";

struct mode_args {
	struct client_opts client;
	bool all, force;
	const char *id, *mode;
	int status;
};

static struct json_object *body_of(const struct mode_args *m)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "mode", json_object_new_string(m->mode));
	if (m->force)
		json_object_object_add(o, "force", json_object_new_boolean(true));
	return o;
}

/* Why enforce is refused: what these tasks do through io_uring is no system call. */
static void print_tasks(struct json_object *answer)
{
	size_t n;
	struct json_object *tasks = client_array(answer, "tasks", &n);
	char comm[128];

	for (size_t i = 0; i < n; i++) {
		struct json_object *t = json_object_array_get_idx(tasks, i);

		fprintf(stderr, "  task %" PRId64 " (%s) holds an io_uring descriptor\n",
			client_number(t, "pid"),
			plain_text(client_text(t, "comm"), comm, sizeof comm));
	}
	if (n)
		fprintf(stderr, "  what they do through it is not enforced; --force switches all "
				"the same\n");
}

static void worse(struct mode_args *m, int status)
{
	m->status = status > m->status ? status : m->status;
}

static void print_switched(struct json_object *before, struct json_object *after)
{
	const char *was = client_text(before, "mode"), *is = client_text(after, "mode");
	char id[1024];

	printf("session %" PRId64 " (%s): ", client_number(after, "session"),
	       plain_text(client_text(after, "container"), id, sizeof id));
	if (strcmp(was, is) != 0)
		printf("%s -> %s\n", was, is);
	else
		printf("%s already\n", is);
}

/* Adds the session as it is now to done. */
static int switch_one(struct mode_args *m, struct client *c, struct json_object *session,
		      struct json_object *done, struct err *e)
{
	struct json_object *body = body_of(m);
	struct client_reply reply;
	char path[64];
	int r;

	snprintf(path, sizeof path, "/v1/sessions/%" PRId64 "/mode",
		 client_number(session, "session"));
	r = client_request(c, "PUT", path, body, &reply, e);
	json_object_put(body);
	if (r)
		return r;
	if (client_refusal(&reply, e)) {
		char id[1024];

		fprintf(stderr, "%s: session %" PRId64 " (%s): %s\n", program,
			client_number(session, "session"),
			plain_text(client_text(session, "container"), id, sizeof id), e->msg);
		print_tasks(reply.json);
		worse(m, client_status(e));
	} else {
		json_object_array_add(done, json_object_get(reply.json));
		if (!m->client.json)
			print_switched(session, reply.json);
	}
	client_reply_fini(&reply);
	return 0;
}

static int switch_each(struct mode_args *m, struct client *c, struct json_object *sessions,
		       struct err *e)
{
	struct json_object *answer = json_object_new_object(), *done = json_object_new_array();
	size_t n = json_object_array_length(sessions);
	int r = 0;

	json_object_object_add(answer, "sessions", done);
	for (size_t i = 0; !r && i < n; i++)
		r = switch_one(m, c, json_object_array_get_idx(sessions, i), done, e);
	if (m->client.json)
		plain_json(answer, stdout);
	json_object_put(answer);
	return r;
}

/* One request for all: audit this way needs no worker, and misses no container that starts while
 * it is asked for. */
static int switch_all(struct mode_args *m, struct client *c, struct err *e)
{
	struct json_object *body = body_of(m);
	struct client_reply reply;
	int r = client_request(c, "PUT", "/v1/mode", body, &reply, e);

	json_object_put(body);
	if (r)
		return r;
	if (m->client.json)
		plain_json(reply.json, stdout);
	r = client_refusal(&reply, e);
	if (!m->client.json && !r)
		printf("%" PRId64 " sessions switched to %s\n",
		       client_number(reply.json, "changed"), m->mode);
	print_tasks(reply.json);
	client_reply_fini(&reply);
	return r;
}

static int run(struct mode_args *m, struct err *e)
{
	struct json_object *sessions = NULL;
	struct client *c;
	int r = client_open(&m->client, &c, e);

	if (r)
		return r;
	if (m->all) {
		r = switch_all(m, c, e);
	} else {
		r = pick_sessions(c, m->id, &sessions, e);
		if (!r)
			r = switch_each(m, c, sessions, e);
	}
	json_object_put(sessions);
	client_close(c);
	return r;
}

/* "--all MODE", or "ID MODE". */
static int take_words(struct mode_args *m, const char *const *words, int n, struct err *e)
{
	if (n != (m->all ? 1 : 2))
		return err_set(e, EINVAL,
			       m->all ? "--all and an ID: give one of them (see %s --help)"
				      : "an ID (or --all) and a mode are needed (see %s "
					"--help)",
			       program);
	m->id = m->all ? NULL : words[0];
	m->mode = words[n - 1];
	if (strcmp(m->mode, "audit") != 0 && strcmp(m->mode, "enforce") != 0)
		return err_set(e, EINVAL, "\"%s\" is no mode to switch to (audit, enforce)",
			       m->mode);
	return 0;
}

int cli_mode(int argc, char **argv)
{
	struct mode_args m = { 0 };
	const struct opt rows[] = {
		{ "all", 'a', OPT_FLAG, &m.all, NULL, "every session, instead of an ID" },
		{ "force", 'f', OPT_FLAG, &m.force, NULL,
		  "enforce although tasks hold io_uring descriptors" },
		CLIENT_OPTS(&m.client),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = program,
		.args = "ID|--all audit|enforce",
		.purpose = "Switch running containers between audit and enforce.",
		.rows = rows,
		.tail = PICK_HELP
		"The next call is decided the new way. What a task does through an io_uring\n"
		"descriptor that it holds already is no system call, and is not enforced:\n"
		"where there are such tasks enforce is refused, and they are listed.\n"
		"`--all audit` is the break-glass of a node.\n" CLIENT_EXIT_STATUS "\n"
		"Examples:\n"
		"  warder mode web enforce\n"
		"  warder mode --all audit\n"
		"  warder mode 7 enforce --force\n",
	};
	const char *words[2];
	struct err e;
	int n, r = cli_words(&usage, argc, argv, 0, 2, words, &n, &e);

	if (!r)
		r = take_words(&m, words, n, &e);
	if (r)
		return cli_usage(program, r, &e);
	r = run(&m, &e);
	return r ? client_fail(program, &e) : m.status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - the request layer without a socket: held against man/openapi.json in both directions,
 * what it refuses, what it asks of the worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "control.h"
#include "state.h"
#include "warder/json.h"
#include "warder/names.h"
#include "warder/own.h"

struct rig {
	struct arena *arena;
	struct control *worker;
	struct stream *stream;
	struct api_ctx ctx;
	struct request last; /* what the worker was asked */
	const char *reply;   /* what it answers */
	int result;
};

/* The worker: it says what the test wants. */
static int fake_worker(void *ctx, struct request *q, struct err *e)
{
	struct rig *r = ctx;

	r->last = *q;
	snprintf(q->reply, sizeof q->reply, "%s", r->reply);
	return r->result ? err_set(e, r->result, "as the test wants.") : 0;
}

/* A session with everything there is to say. */
static void fill(struct arena *a)
{
	struct block *b = arena_take(a);

	snprintf(a->policies[0].name, sizeof a->policies[0].name, "default");
	atomic_store(&a->policies[0].used, 1);
	b->number = 7;
	b->start_ns = 1795580918123456789ULL;
	b->init = 123;
	atomic_store(&b->mode, MODE_ENFORCE);
	snprintf(b->id, sizeof b->id, "we\xff\x1b\"b");
	snprintf(b->name, sizeof b->name, "app");
	snprintf(b->pod, sizeof b->pod, "pod");
	snprintf(b->namespace, sizeof b->namespace, "ns");
	atomic_store(&b->overrides[3].call,
		     (uint64_t)names_arch_audit(names_native_arch()) << 32 |
			     (uint32_t)names_syscall(names_native_arch(), "unshare"));
	atomic_store(&b->overrides[3].value, OVERRIDE_USED | EPERM);
	arena_publish(b);
}

static int setup(void **state)
{
	static struct rig r;
	struct err e;

	memset(&r, 0, sizeof r);
	r.reply = "";
	if (arena_new(&r.arena, &e) || stream_new(STREAM_BYTES, &r.stream, &e) ||
	    control_start(r.arena, fake_worker, &r, &r.worker, &e))
		return -1;
	fill(r.arena);
	r.ctx = (struct api_ctx){ .arena = r.arena, .stream = r.stream };
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	control_stop(r->worker);
	stream_free(r->stream);
	arena_unmap(r->arena);
	return 0;
}

/* One request; the answer parsed (NULL: no JSON), its status in *status. query: "a=b&c=d". */
static struct json_object *ask(struct rig *r, const char *method, const char *path,
			       const char *query, const char *body, unsigned *status)
{
	struct api_request q = {
		.method = method, .path = path, .body = body, .len = body ? strlen(body) : 0
	};
	char args[256], *save, *arg;
	struct json_object *doc = NULL;
	struct api_response out;
	struct err e;

	snprintf(args, sizeof args, "%s", query ? query : "");
	for (arg = strtok_r(args, "&", &save); arg; arg = strtok_r(NULL, "&", &save)) {
		char *value = strchr(arg, '=');

		*value++ = 0;
		q.args[q.n_args++] = (struct api_arg){ arg, value };
	}
	api_serve(&r->ctx, &q, &out);
	*status = out.status;
	if (!out.is_stream && !strcmp(out.type, "application/json")) {
		assert_int_equal(out.len, strlen(out.body));
		assert_ptr_equal(strchr(out.body, '\n'), out.body + out.len - 1);
		if (json_parse("answer", out.body, out.len, &doc, &e))
			fail_msg("%s: %s", e.msg, out.body);
	}
	api_response_fini(&out);
	return doc;
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

/* --- openapi.json --- */

static struct json_object *openapi(void)
{
	struct json_object *doc = NULL;
	struct err e;

	if (json_read("man/openapi.json", &doc, &e))
		fail_msg("%s", e.msg);
	return doc;
}

static struct json_object *schema_of(struct json_object *doc, struct json_object *s)
{
	const char *name = json_object_get_string(get(s, "$ref"));

	return name ? get(get(get(doc, "components"), "schemas"), strrchr(name, '/') + 1) : s;
}

static bool listed(const char *const *list, const char *word)
{
	for (; list && *list; list++)
		if (!strcmp(*list, word))
			return true;
	return false;
}

static size_t length(const char *const *list)
{
	size_t n = 0;

	for (; list && *list; list++)
		n++;
	return n;
}

static void check_operation(const struct api_row *row, struct json_object *op)
{
	struct json_object *args = get(op, "parameters"), *body;
	size_t n = 0;

	assert_string_equal(json_object_get_string(get(op, "summary")), row->summary);
	for (size_t i = 0; args && i < json_object_array_length(args); i++) {
		struct json_object *arg = json_object_array_get_idx(args, i);
		const char *name = json_object_get_string(get(arg, "name"));

		if (!strcmp(json_object_get_string(get(arg, "in")), "path")) {
			assert_non_null(strstr(row->path, name));
			continue;
		}
		n++;
		if (!listed(row->args, name))
			fail_msg("%s %s: no argument %s", row->method, row->path, name);
	}
	assert_int_equal(n, length(row->args));
	body = get(get(get(get(op, "requestBody"), "content"), "application/json"), "schema");
	assert_int_equal(!body, !row->members);
	if (!body)
		return;
	json_object_object_foreach(get(body, "properties"), name, value)
	{
		(void)value;
		if (!listed(row->members, name))
			fail_msg("%s %s: no member %s", row->method, row->path, name);
	}
	assert_int_equal(json_object_object_length(get(body, "properties")), length(row->members));
}

static void test_openapi_rows(void **state)
{
	struct json_object *doc = openapi(), *paths = get(doc, "paths");
	struct api_row row;
	size_t rows = 0, ops = 0;
	char method[16];

	(void)state;
	for (; api_row(rows, &row); rows++) {
		struct json_object *op;

		snprintf(method, sizeof method, "%s", row.method);
		for (char *p = method; *p; p++)
			*p = (char)tolower(*p);
		op = get(get(paths, row.path), method);
		if (!op)
			fail_msg("%s %s is not in openapi.json", row.method, row.path);
		check_operation(&row, op);
	}
	json_object_object_foreach(paths, path, value)
	{
		(void)path;
		ops += (size_t)json_object_object_length(value);
	}
	assert_int_equal(ops, rows);
	json_object_put(doc);
}

/* Does v have exactly what its schema has? all: also what is not required. */
static void check_value(struct json_object *doc, struct json_object *v, struct json_object *schema,
			const char *where, bool all)
{
	struct json_object *s = schema_of(doc, schema), *props = get(s, "properties");
	struct json_object *required = get(s, "required");
	const char *type = json_object_get_string(get(s, "type"));
	const char *is = json_type_to_name(json_object_get_type(v));

	is = !strcmp(is, "int") ? "integer" : is;
	if (strcmp(is, type) != 0)
		fail_msg("%s is of type %s, not %s", where, is, type);
	if (!strcmp(type, "array"))
		for (size_t i = 0; i < json_object_array_length(v); i++)
			check_value(doc, json_object_array_get_idx(v, i), get(s, "items"), where,
				    all);
	if (strcmp(type, "object") != 0)
		return;
	json_object_object_foreach(v, key, child)
	{
		if (!get(props, key))
			fail_msg("%s has %s, which openapi.json has not", where, key);
		check_value(doc, child, get(props, key), key, all);
	}
	for (size_t i = 0; i < json_object_array_length(required); i++)
		if (!get(v, json_object_get_string(json_object_array_get_idx(required, i))))
			fail_msg("%s misses a required member", where);
	json_object_object_foreach(props, name, ignored)
	{
		(void)ignored;
		if (all && !get(v, name))
			fail_msg("%s: %s never comes", where, name);
	}
}

static const char tasks[] = "{\"tasks\":[{\"pid\":5,\"comm\":\"x\"}]}";

static const struct {
	const char *method, *path, *body, *reply, *schema;
	int result;
	unsigned status;
	bool all;
} answers[] = {
	{ "GET", "/v1/health", NULL, "", "Health", 0, 200, true },
	{ "GET", "/v1/sessions", NULL, "", "Sessions", 0, 200, false },
	{ "GET", "/v1/sessions/7", NULL, "", "Session", 0, 200, false },
	{ "PUT", "/v1/sessions/7/policy", "{\"policy\":\"x\"}", "{\"note\":\"n\"}", "Session", 0,
	  200, true },
	{ "PUT", "/v1/sessions/7/policy", "{\"policy\":\"x\"}", "{\"syscalls\":[\"x\"]}", "Error",
	  ENOTSUP, 409, false },
	{ "PUT", "/v1/sessions/7/mode", "{\"mode\":\"enforce\"}", tasks, "Error", EBUSY, 409,
	  false },
	{ "PUT", "/v1/mode", "{\"mode\":\"enforce\"}", tasks, "Error", EBUSY, 409, false },
	{ "PUT", "/v1/mode", "{\"mode\":\"enforce\"}", "", "Changed", 0, 200, false },
	{ "POST", "/v1/reload", NULL,
	  "{\"policies\":[{\"policy\":\"p\",\"result\":\"refused\",\"sessions\":1,"
	  "\"error\":\"e\"}]}",
	  "Reloaded", 0, 200, true },
	{ "PUT", "/v1/mode", "{\"mode\":\"audit\"}", "", "Changed", 0, 200, true },
	{ "DELETE", "/v1/sessions/7/syscalls/unshare", NULL, "", "Session", 0, 200, false },
};

static void test_openapi_answers(void **state)
{
	struct json_object *doc = openapi(), *schemas = get(get(doc, "components"), "schemas");
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct json_object *v;
		unsigned status;

		r->reply = answers[i].reply;
		r->result = answers[i].result;
		v = ask(r, answers[i].method, answers[i].path, NULL, answers[i].body, &status);
		assert_int_equal(status, answers[i].status);
		check_value(doc, v, get(schemas, answers[i].schema), answers[i].path,
			    answers[i].all);
		json_object_put(v);
	}
	json_object_put(doc);
}

/* --- what is refused --- */

static const struct {
	const char *method, *path, *query, *body;
	unsigned status;
	const char *says;
} refused[] = {
	{ "GET", "/", NULL, NULL, 404, "no /" },
	{ "GET", "", NULL, NULL, 404, "no " },
	{ "GET", "/v1/sessions/", NULL, NULL, 404, "no /v1/sessions/" },
	{ "GET", "/v1/sessions/7/", NULL, NULL, 404, "there is no" },
	{ "GET", "/v1/sessions/8", NULL, NULL, 404, "no session 8" },
	{ "GET", "/v1/sessions/0", NULL, NULL, 400, "number" },
	{ "GET", "/v1/sessions/-7", NULL, NULL, 400, "number" },
	{ "GET", "/v1/sessions/7x", NULL, NULL, 400, "number" },
	{ "GET", "/v1/sessions/99999999999999999999", NULL, NULL, 400, "number" },
	{ "BREW", "/v1/health", NULL, NULL, 405, "BREW" },
	{ "GET", "/v1/health", "x=1", NULL, 400, "\"x\"" },
	{ "GET", "/v1/sessions", "mode=audit&mode=audit", NULL, 400, "twice" },
	{ "GET", "/v1/sessions", "mode=x", NULL, 400, "no mode" },
	{ "GET", "/v1/health", NULL, "{}", 400, "no body" },
	{ "PUT", "/v1/mode", NULL, NULL, 400, "JSON object" },
	{ "PUT", "/v1/mode", NULL, "[]", 400, "object" },
	{ "PUT", "/v1/mode", NULL, "{", 400, "body:1" },
	{ "PUT", "/v1/mode", NULL, "{\"mode\":\"audit\",\"mode\":\"audit\"}", 400, "duplicate" },
	{ "PUT", "/v1/mode", NULL, "{}", 400, "\"mode\"" },
	{ "PUT", "/v1/mode", NULL, "{\"mode\":7}", 400, "string" },
	{ "PUT", "/v1/mode", NULL, "{\"mode\":\"off\"}", 400, "no mode" },
	{ "PUT", "/v1/mode", NULL, "{\"mode\":\"audit\",\"force\":1}", 400, "force" },
	{ "PUT", "/v1/mode", NULL, "{\"mod\":\"audit\"}", 400, "mod: unknown" },
	{ "PUT", "/v1/sessions/7/policy", NULL, "{\"policy\":\"../x\"}", 400, "no policy name" },
	{ "PUT", "/v1/sessions/9/policy", NULL, "{\"policy\":\"x\"}", 404, "no session 9" },
	{ "PUT", "/v1/sessions/7/syscalls/nope", NULL, "{\"verdict\":\"deny\"}", 400,
	  "no system call" },
	{ "PUT", "/v1/sessions/7/syscalls/mkdir", NULL, "{\"verdict\":\"kill\"}", 400, "neither" },
	{ "PUT", "/v1/sessions/7/syscalls/mkdir", NULL, "{\"verdict\":\"deny\",\"errno\":\"E\"}",
	  400, "no errno" },
	{ "PUT", "/v1/sessions/7/syscalls/mkdir", NULL,
	  "{\"verdict\":\"allow\",\"errno\":\"EPERM\"}", 400, "only what is denied" },
	{ "PUT", "/v1/sessions/7/syscalls/mkdir", NULL, "{\"verdict\":\"deny\",\"arch\":\"z80\"}",
	  400, "no architecture" },
	{ "DELETE", "/v1/sessions/7/syscalls/mkdir", "arch=z80", NULL, 400, "no architecture" },
	{ "GET", "/v1/events", "follow=2", NULL, 400, "follow" },
};

static void test_refused(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		unsigned status;
		struct json_object *v = ask(r, refused[i].method, refused[i].path, refused[i].query,
					    refused[i].body, &status);
		const char *why = json_object_get_string(get(v, "error"));

		if (status != refused[i].status || !why || !strstr(why, refused[i].says))
			fail_msg("row %zu: %u %s", i, status, why ? why : "(nothing)");
		json_object_put(v);
	}
	assert_int_equal(r->last.session, 0); /* nothing has come to the worker */
	assert_int_equal(atomic_load(&r->arena->blocks[0].mode), MODE_ENFORCE);
}

static void test_tcp(void **state)
{
	struct rig *r = *state;
	struct api_request q = { .method = "GET", .path = "/v1/sessions", .metrics_only = true };
	struct api_response out;

	api_serve(&r->ctx, &q, &out);
	assert_int_equal(out.status, 404);
	api_response_fini(&out);
	q.path = "/metrics";
	api_serve(&r->ctx, &q, &out);
	assert_int_equal(out.status, 200);
	assert_non_null(strstr(out.body, "\n# EOF\n"));
	api_response_fini(&out);
}

/* --- what is asked --- */

static void test_asks(void **state)
{
	struct rig *r = *state;
	struct json_object *v;
	unsigned status;

	v = ask(r, "PUT", "/v1/sessions/7/mode", NULL, "{\"mode\":\"enforce\",\"force\":true}",
		&status);
	assert_int_equal(status, 200);
	json_object_put(v);
	assert_int_equal(r->last.verb, REQUEST_MODE);
	assert_int_equal(r->last.session, 7);
	assert_int_equal(r->last.mode, MODE_ENFORCE);
	assert_int_equal(r->last.flags, REQUEST_FORCE);
	v = ask(r, "PUT", "/v1/sessions/7/syscalls/mkdir", NULL,
		"{\"verdict\":\"deny\",\"errno\":\"ENOSYS\",\"arch\":\"x86_64\"}", &status);
	json_object_put(v);
	assert_int_equal(r->last.verb, REQUEST_OVERRIDE);
	assert_int_equal(r->last.errnum, ENOSYS);
	assert_int_equal(r->last.arch, ARCH_X86_64);
	assert_string_equal(r->last.text, "mkdir");
	v = ask(r, "DELETE", "/v1/sessions/7/syscalls/mkdir", NULL, NULL, &status);
	json_object_put(v);
	assert_int_equal(r->last.verb, REQUEST_LIFT);
	assert_int_equal(r->last.arch, REQUEST_ALL_ARCHES);
}

/* audit is stored by us; all else waits for a worker, and says that there is none. */
static void test_no_worker(void **state)
{
	struct rig *r = *state;
	struct json_object *v;
	unsigned status;

	control_stop(r->worker);
	r->worker = NULL;
	r->ctx.wait_ns = 1000000;
	v = ask(r, "PUT", "/v1/sessions/7/mode", NULL, "{\"mode\":\"enforce\"}", &status);
	assert_int_equal(status, 503);
	assert_non_null(strstr(json_object_get_string(get(v, "error")), "nothing was changed"));
	json_object_put(v);
	v = ask(r, "PUT", "/v1/mode", NULL, "{\"mode\":\"audit\"}", &status);
	assert_int_equal(status, 200);
	assert_int_equal(json_object_get_int(get(v, "changed")), 1);
	json_object_put(v);
	assert_int_equal(atomic_load(&r->arena->blocks[0].mode), MODE_AUDIT);
}

/* The container's id holds a byte that is no UTF-8, an escape and a quote. */
static void test_hostile_text(void **state)
{
	struct api_request q = { .method = "GET", .path = "/v1/sessions/7" };
	struct rig *r = *state;
	struct api_response out;

	api_serve(&r->ctx, &q, &out);
	assert_non_null(strstr(out.body, "\"container\":\"we\\u00ff\\u001b\\\"b\""));
	api_response_fini(&out);
}

/* What the worker says is looked at: no member of its making gets into an answer unparsed. */
static void test_hostile_worker(void **state)
{
	static const char *const replies[] = { "{",
					       "}",
					       "[]",
					       "{\"note\":",
					       "\"x\"",
					       "{}",
					       "{\"note\":\"a\nb\"}",
					       "{\"error\":\"mine\"} x" };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(replies); i++)
		for (int result = 0; result <= EBUSY; result += EBUSY) {
			unsigned status;

			r->reply = replies[i];
			r->result = result;
			json_object_put(ask(r, "PUT", "/v1/sessions/7/mode", NULL,
					    "{\"mode\":\"enforce\"}", &status));
			assert_int_equal(status, result ? 409 : 200);
		}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_openapi_rows), TEST(test_openapi_answers),
		TEST(test_refused),      TEST(test_tcp),
		TEST(test_asks),         TEST(test_no_worker),
		TEST(test_hostile_text), TEST(test_hostile_worker),
	};

	names_init();
	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - see api.h. */
#include "api.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "warder/names.h"
#include "warder/own.h"

#define PARAMS 2 /* names in braces in one path */

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

struct call { /* one request on its way through a handler */
	const struct api_ctx *ctx;
	const struct api_request *q;
	struct api_response *out;
	char params[PARAMS][ARENA_TEXT];
	struct json_object *more; /* members that an error has besides "error"; NULL: none */
};

struct route {
	struct api_row row;
	/* Fills call->out, or fails. */
	int (*serve)(struct call *c, struct err *e);
	bool on_tcp;
};

/* What an errno of a handler is in HTTP. */
static const struct {
	int num;
	unsigned status;
} statuses[] = {
	{ EINVAL, 400 },    { EPERM, 403 },  { ENOENT, 404 }, { EBUSY, 409 },
	{ ENOTSUP, 409 },   { ENOSPC, 409 }, { E2BIG, 413 },  { EAGAIN, 503 },
	{ ETIMEDOUT, 503 }, { ESRCH, 404 },  { ENOSYS, 405 }, { EALREADY, 409 },
};

static unsigned status_of(int num)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].num == num)
			return statuses[i].status;
	return 500;
}

/* Strings that may be a container's own text: as event.h escapes them. */
static int text_to_json(struct json_object *o, struct printbuf *to, int level, int flags)
{
	const char *s = json_object_get_string(o);
	char buf[8];

	(void)level;
	(void)flags;
	printbuf_memappend(to, "\"", 1);
	while (*s) {
		size_t n = err_printable(s);

		if (n && *s != '"' && *s != '\\') {
			printbuf_memappend(to, s, (int)n);
		} else {
			int len = snprintf(buf, sizeof buf, n ? "\\%c" : "\\u%04x",
					   (unsigned char)*s);

			printbuf_memappend(to, buf, len);
			n = 1;
		}
		s += n;
	}
	return printbuf_memappend(to, "\"", 1);
}

static struct json_object *text(const char *s)
{
	struct json_object *o = json_object_new_string(s);

	if (o)
		json_object_set_serializer(o, text_to_json, NULL, NULL);
	return o;
}

static bool add_text(struct json_object *to, const char *key, const char *s)
{
	return !s || !*s || json_add(to, key, text(s));
}

static bool add_number(struct json_object *to, const char *key, uint64_t n)
{
	return json_add(to, key, json_object_new_uint64(n));
}

/* item at the end of list; list, or NULL (then both are freed) without memory. */
static struct json_object *append(struct json_object *list, struct json_object *item)
{
	if (item && !json_object_array_add(list, item))
		return list;
	json_object_put(item);
	json_object_put(list);
	return NULL;
}

/* doc as the answer's body, one line; doc is freed. NULL: memory. */
static int put_json(struct call *c, struct json_object *doc, struct err *e)
{
	const char *s =
		doc ? json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE)
		    : NULL;
	int n = s ? asprintf(&c->out->body, "%s\n", s) : -1;

	json_object_put(doc);
	if (n < 0) {
		c->out->body = NULL;
		return err_set(e, ENOMEM, "write the answer");
	}
	c->out->len = (size_t)n;
	c->out->status = 200;
	c->out->type = "application/json";
	return 0;
}

static struct json_object *time_text(uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char day[32], whole[64];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm))
		return NULL;
	snprintf(whole, sizeof whole, "%s.%09uZ", day, (unsigned)(ns % 1000000000));
	return json_object_new_string(whole);
}

/* A block as it was at one moment. Its texts were written by the worker: cut where they must end.
 */
struct view {
	uint64_t number, start_ns, words[LANE_N_WORDS];
	uint32_t policy, mode, starting, wiring;
	int32_t init;
	int n_overrides;
	struct live {
		uint64_t call;
		uint32_t value;
	} overrides[BLOCK_OVERRIDES];
	char id[ARENA_TEXT], name[ARENA_TEXT], pod[ARENA_TEXT], namespace[ARENA_TEXT];
	char policy_name[POLICY_NAME_MAX];
};

static void copy_text(char *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	to[size - 1] = 0;
}

static void copy_overrides(const struct block *b, struct view *v)
{
	v->n_overrides = 0;
	for (size_t i = 0; i < BLOCK_OVERRIDES; i++) {
		struct live *l = &v->overrides[v->n_overrides];

		l->call = atomic_load(&b->overrides[i].call);
		l->value = atomic_load(&b->overrides[i].value);
		v->n_overrides += (l->value & OVERRIDE_USED) != 0;
	}
}

/* false: no living session is there (or it has gone while we looked). */
static bool look(const struct arena *a, uint32_t index, struct view *v)
{
	const struct block *b = &a->blocks[index];
	uint64_t number = b->number;

	if (atomic_load(&b->state) != BLOCK_LIVE)
		return false;
	v->number = number;
	v->start_ns = b->start_ns;
	v->policy = atomic_load(&b->policy);
	v->wiring = b->wiring;
	v->mode = atomic_load(&b->mode);
	v->starting = atomic_load(&b->starting);
	v->init = b->init;
	copy_text(v->id, b->id, ARENA_TEXT);
	copy_text(v->name, b->name, ARENA_TEXT);
	copy_text(v->pod, b->pod, ARENA_TEXT);
	copy_text(v->namespace, b->namespace, ARENA_TEXT);
	v->policy_name[0] = 0;
	if (v->policy < ARENA_POLICIES)
		copy_text(v->policy_name, a->policies[v->policy].name, POLICY_NAME_MAX);
	copy_overrides(b, v);
	lane_read(&b->lane, v->words);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load(&b->state) == BLOCK_LIVE && b->number == number && v->mode < MODE_COUNT;
}

static uint32_t high(const struct arena *a)
{
	uint32_t n = atomic_load(&a->high);

	return n < ARENA_SESSIONS ? n : ARENA_SESSIONS;
}

static struct json_object *counters(const struct view *v)
{
	struct json_object *o = json_object_new_object();
	bool ok = o;

	for (int w = LANE_received; ok && w < LANE_N_WORDS; w++)
		ok = add_number(o, lane_word_names[w], v->words[w]);
	if (ok)
		return o;
	json_object_put(o);
	return NULL;
}

/* "x86_64" of an architecture, "0xc000003e" of one without a name. */
static void arch_word(enum arch a, uint32_t audit, char out[24])
{
	const char *scmp = a == ARCH_NONE ? NULL : names_arch_scmp(a);

	if (!scmp) {
		snprintf(out, 24, "0x%x", audit);
		return;
	}
	snprintf(out, 24, "%s", scmp + strlen("SCMP_ARCH_"));
	for (char *p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
}

static struct json_object *override_json(const struct live *l)
{
	uint32_t audit = (uint32_t)(l->call >> 32);
	int nr = (int)(uint32_t)l->call, errnum = (int)(l->value & ~OVERRIDE_USED);
	enum arch a = names_arch_of_call(audit, nr);
	const char *name = a == ARCH_NONE ? NULL : names_syscall_name(a, nr);
	struct json_object *o = json_object_new_object();
	char arch[24];

	arch_word(a, audit, arch);
	if (o && add_text(o, "syscall", name) && add_text(o, "arch", arch) &&
	    add_text(o, "verdict", errnum ? "deny" : "allow") &&
	    add_text(o, "errno", errnum ? names_errno_name(errnum) : NULL))
		return o;
	json_object_put(o);
	return NULL;
}

static struct json_object *overrides_json(const struct view *v)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; list && i < v->n_overrides; i++)
		list = append(list, override_json(&v->overrides[i]));
	return list;
}

static struct json_object *session_json(const struct view *v)
{
	struct json_object *o = json_object_new_object();

	if (o && add_number(o, "session", v->number) && add_text(o, "container", v->id) &&
	    add_text(o, "name", v->name) && add_text(o, "pod", v->pod) &&
	    add_text(o, "namespace", v->namespace) && add_text(o, "policy", v->policy_name) &&
	    add_text(o, "mode", mode_word((enum mode)v->mode)) &&
	    add_text(o, "wiring", v->wiring == WIRING_NATIVE ? "native" : "hook") &&
	    json_add(o, "init", json_object_new_int(v->init)) &&
	    json_add(o, "started", time_text(v->start_ns)) &&
	    json_add(o, "starting", json_object_new_boolean(v->starting != 0)) &&
	    json_add(o, "counters", counters(v)) && json_add(o, "overrides", overrides_json(v)))
		return o;
	json_object_put(o);
	return NULL;
}

static const char *arg(const struct call *c, const char *name)
{
	for (int i = 0; i < c->q->n_args; i++)
		if (!strcmp(c->q->args[i].name, name))
			return c->q->args[i].value;
	return NULL;
}

static bool fits(const char *want, const char *is)
{
	return !want || !strcmp(want, is);
}

static bool is_wanted(const struct call *c, const struct view *v)
{
	return fits(arg(c, "container"), v->id) && fits(arg(c, "pod"), v->pod) &&
	       fits(arg(c, "namespace"), v->namespace) &&
	       fits(arg(c, "mode"), mode_word((enum mode)v->mode));
}

static int serve_sessions(struct call *c, struct err *e)
{
	const struct arena *a = c->ctx->arena;
	const char *mode = arg(c, "mode");
	struct json_object *doc, *list;
	struct view v;

	if (mode && mode_parse(mode) < 0)
		return err_set(e, EINVAL, "mode: \"%s\" is no mode (audit, enforce, record)", mode);
	doc = json_object_new_object();
	list = json_object_new_array();
	for (uint32_t i = 0; list && i < high(a); i++)
		if (look(a, i, &v) && is_wanted(c, &v))
			list = append(list, session_json(&v));
	if (!doc || !json_add(doc, "sessions", list)) {
		json_object_put(doc);
		doc = NULL;
	}
	return put_json(c, doc, e);
}

static int parse_number(const char *s, uint64_t *out, struct err *e)
{
	char *end;

	errno = 0;
	if (*s < '1' || *s > '9')
		return err_set(e, EINVAL, "\"%s\" is no session's number (see GET /v1/sessions)",
			       s);
	*out = strtoull(s, &end, 10);
	if (*end || errno)
		return err_set(e, EINVAL, "\"%s\" is no session's number (see GET /v1/sessions)",
			       s);
	return 0;
}

static int find(const struct call *c, struct view *v, struct err *e)
{
	const struct arena *a = c->ctx->arena;
	uint64_t number = 0;
	int r = parse_number(c->params[0], &number, e);

	if (r)
		return r;
	for (uint32_t i = 0; i < high(a); i++)
		if (a->blocks[i].number == number && look(a, i, v) && v->number == number)
			return 0;
	return err_set(e, ENOENT, "no session %s is alive (see GET /v1/sessions).", c->params[0]);
}

static int serve_session(struct call *c, struct err *e)
{
	struct view v;
	int r = find(c, &v, e);

	return r ? r : put_json(c, session_json(&v), e);
}

static uint64_t count_sessions(const struct arena *a)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < high(a); i++)
		n += atomic_load(&a->blocks[i].state) == BLOCK_LIVE;
	return n;
}

static bool add_pid(struct json_object *o, const char *key, const struct arena *a, enum proc p)
{
	return json_add(o, key, json_object_new_int(atomic_load(&a->pids[p])));
}

static int serve_health(struct call *c, struct err *e)
{
	struct arena *a = c->ctx->arena;
	struct json_object *o = json_object_new_object();

	if (!o || !add_text(o, "status", "ok") || !add_text(o, "version", WARDER_VERSION) ||
	    !add_pid(o, "keeper", a, PROC_KEEPER) || !add_pid(o, "worker", a, PROC_WORKER) ||
	    !add_pid(o, "scribe", a, PROC_SCRIBE) ||
	    !add_number(o, "sessions", count_sessions(a)) ||
	    !add_number(o, "restarts", atomic_load(&a->restarts)) ||
	    !add_number(o, "lost", atomic_load(&a->lost))) {
		json_object_put(o);
		o = NULL;
	}
	return put_json(c, o, e);
}

/* The table. Who routes, refuses and documents reads it. */
static const struct route routes[] = {
	{ { "GET", "/v1/health", "Is warderd well?", NULL, NULL }, serve_health, true },
	{ { "GET", "/v1/sessions", "The sessions that are alive",
	    (const char *const[]){ "container", "mode", "pod", "namespace", NULL }, NULL },
	  serve_sessions,
	  false },
	{ { "GET", "/v1/sessions/{number}", "One session", NULL, NULL }, serve_session, false },
};

bool api_row(size_t index, struct api_row *out)
{
	if (index >= ARRAY_LEN(routes))
		return false;
	*out = routes[index].row;
	return true;
}

/* Does the path fit the row's? Its names in braces then are in params. */
static bool match(const char *pattern, const char *path, char params[PARAMS][ARENA_TEXT])
{
	size_t n = 0, len;

	while (*pattern) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		len = strcspn(path, "/");
		if (!len || len >= ARENA_TEXT || n == PARAMS)
			return false;
		memcpy(params[n], path, len);
		params[n++][len] = 0;
		path += len;
		pattern = strchr(pattern, '}') + 1;
	}
	return !*path;
}

static bool is_method(const char *row, const char *asked)
{
	return !strcmp(row, asked) || (!strcmp(asked, "HEAD") && !strcmp(row, "GET"));
}

static int no_route(struct call *c, bool path_known, struct err *e)
{
	if (path_known)
		return err_set(e, ENOSYS, "%s is not for %s.", c->q->path, c->q->method);
	return err_set(e, ENOENT, "there is no %s (see openapi.json).", c->q->path);
}

static int find_route(struct call *c, const struct route **out, struct err *e)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if ((c->q->metrics_only && !routes[i].on_tcp) ||
		    !match(routes[i].row.path, c->q->path, c->params))
			continue;
		if (is_method(routes[i].row.method, c->q->method)) {
			*out = &routes[i];
			return 0;
		}
		known = true;
	}
	return no_route(c, known, e);
}

static bool is_listed(const char *const *list, const char *name)
{
	for (; list && *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

static int check_args(const struct route *r, const struct api_request *q, struct err *e)
{
	for (int i = 0; i < q->n_args; i++) {
		if (!is_listed(r->row.args, q->args[i].name))
			return err_set(e, EINVAL, "unknown argument \"%s\" (see openapi.json)",
				       q->args[i].name);
		for (int k = 0; k < i; k++)
			if (!strcmp(q->args[i].name, q->args[k].name))
				return err_set(e, EINVAL, "argument \"%s\" is given twice",
					       q->args[i].name);
	}
	if (q->len && !r->row.members)
		return err_set(e, EINVAL, "%s %s takes no body", q->method, r->row.path);
	return 0;
}

static int serve(struct call *c, struct err *e)
{
	const struct route *r = NULL;
	int n = find_route(c, &r, e);

	if (!n)
		n = check_args(r, c->q, e);
	return n ? n : r->serve(c, e);
}

/* {"error": why, and what else there is to say}. */
static void put_error(struct call *c, unsigned status, const char *why)
{
	struct json_object *doc = c->more ? take_ptr(c->more) : json_object_new_object();
	struct err ignored;

	if (doc && !add_text(doc, "error", why)) {
		json_object_put(doc);
		doc = NULL;
	}
	if (put_json(c, doc, &ignored))
		c->out->type = "application/json";
	c->out->status = status;
}

void api_refuse(unsigned status, const char *why, struct api_response *out)
{
	struct call c = { .out = out };

	memset(out, 0, sizeof *out);
	put_error(&c, status, why);
}

void api_serve(const struct api_ctx *ctx, const struct api_request *q, struct api_response *out)
{
	struct call c = { .ctx = ctx, .q = q, .out = out };
	struct err e;

	memset(out, 0, sizeof *out);
	if (serve(&c, &e))
		put_error(&c, status_of(e.num), e.msg);
	json_object_put(c.more);
}

void api_response_fini(struct api_response *r)
{
	free(r->body);
	r->body = NULL;
}

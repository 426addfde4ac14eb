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

#include "control.h"
#include "log.h"
#include "metrics.h"
#include "warder/json.h"
#include "warder/names.h"
#include "warder/own.h"

#define PARAMS 2 /* names in braces in one path */

struct call { /* one request on its way through a handler */
	const struct api_ctx *ctx;
	const struct api_request *q;
	struct api_response *out;
	char params[PARAMS][ARENA_TEXT];
	struct json_object *body; /* an object, its members known; NULL: none */
	char *reply; /* heap: the worker's last answer, "" or an object; NULL: not asked */
	char *more;  /* heap: {...} whose members an error has besides "error"; NULL: none */
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

static bool add_number(struct json_object *to, const char *key, uint64_t n)
{
	return json_add(to, key, json_object_new_uint64(n));
}

static int put_text(struct call *c, char *body, struct err *e)
{
	if (!body)
		return err_set(e, ENOMEM, "write the answer");
	c->out->body = body;
	c->out->len = strlen(body);
	c->out->status = 200;
	c->out->type = "application/json";
	return 0;
}

static char *line_of(struct json_object *doc)
{
	const char *s =
		doc ? json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE)
		    : NULL;
	char *line;

	return s && asprintf(&line, "%s\n", s) >= 0 ? line : NULL;
}

/* doc as the answer's body, one line; doc is freed. NULL: memory. */
static int put_json(struct call *c, struct json_object *doc, struct err *e)
{
	char *line = line_of(doc);

	json_object_put(doc);
	return put_text(c, line, e);
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
	if (o && json_add_text(o, "syscall", name) && json_add_text(o, "arch", arch) &&
	    json_add_text(o, "verdict", errnum ? "deny" : "allow") &&
	    json_add_text(o, "errno", errnum ? names_errno_name(errnum) : NULL))
		return o;
	json_object_put(o);
	return NULL;
}

static struct json_object *overrides_json(const struct view *v)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; list && i < v->n_overrides; i++)
		list = json_append(list, override_json(&v->overrides[i]));
	return list;
}

static struct json_object *session_json(const struct view *v)
{
	struct json_object *o = json_object_new_object();

	if (o && add_number(o, "session", v->number) && json_add_text(o, "container", v->id) &&
	    json_add_text(o, "name", v->name) && json_add_text(o, "pod", v->pod) &&
	    json_add_text(o, "namespace", v->namespace) &&
	    json_add_text(o, "policy", v->policy_name) &&
	    json_add_text(o, "mode", mode_word((enum mode)v->mode)) &&
	    json_add_text(o, "wiring", v->wiring == WIRING_NATIVE ? "native" : "hook") &&
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
			list = json_append(list, session_json(&v));
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

static int serve_metrics(struct call *c, struct err *e)
{
	char *text;
	size_t len;
	int r = metrics_text(c->ctx->arena, c->ctx->stream, &text, &len, e);

	if (r)
		return r;
	c->out->body = text;
	c->out->len = len;
	c->out->status = 200;
	c->out->type = METRICS_TYPE;
	return 0;
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
	struct sums sums;

	sums_read(a, &sums);
	if (!o || !json_add_text(o, "status", "ok") ||
	    !json_add_text(o, "version", WARDER_VERSION) || !add_pid(o, "keeper", a, PROC_KEEPER) ||
	    !add_pid(o, "worker", a, PROC_WORKER) || !add_pid(o, "scribe", a, PROC_SCRIBE) ||
	    !add_number(o, "sessions", count_sessions(a)) ||
	    !add_number(o, "restarts", atomic_load(&a->restarts)) ||
	    !add_number(o, "lost", atomic_load(&a->lost)) ||
	    !add_number(o, "suppressed", sums.suppressed)) {
		json_object_put(o);
		o = NULL;
	}
	return put_json(c, o, e);
}

/* --- what changes something --- */

static bool member(const struct call *c, const char *key, struct json_at *out)
{
	const struct json_at root = { .file = "body", .v = c->body };

	if (!c->body || !json_child(&root, key, out))
		return false;
	out->up = NULL; /* the root is on this stack; the file is named all the same */
	out->file = "body";
	return true;
}

static int need_text(const struct call *c, const char *key, const char **out, struct err *e)
{
	struct json_at at;

	if (!member(c, key, &at))
		return err_set(e, EINVAL, "the body has no \"%s\"", key);
	return json_str(&at, out, e) ? err_wrap(e, "%s", key) : 0;
}

static int need_mode(const struct call *c, uint32_t *mode, struct err *e)
{
	const char *word;
	int r = need_text(c, "mode", &word, e), m;

	if (r)
		return r;
	m = mode_parse(word);
	if (m < 0)
		return err_set(e, EINVAL, "mode: \"%s\" is no mode (audit, enforce, record)", word);
	*mode = (uint32_t)m;
	return 0;
}

static int get_force(const struct call *c, uint32_t *flags, struct err *e)
{
	struct json_at at;
	bool force = false;

	if (member(c, "force", &at) && json_flag(&at, &force, e))
		return err_wrap(e, "force");
	*flags = force ? REQUEST_FORCE : 0;
	return 0;
}

/* One printable line: it goes into answers as it is. */
static bool is_printable(const char *text)
{
	size_t n = 0;

	while (*text && (n = err_printable(text)))
		text += n;
	return !*text;
}

static bool is_object(const char *text)
{
	struct json_object *doc = NULL;
	struct err bad;
	bool is = is_printable(text) &&
		  !json_parse("the worker's answer", text, strlen(text), &doc, &bad) &&
		  json_object_is_type(doc, json_type_object);

	json_object_put(doc);
	return is;
}

/* Asks the worker. What it has to say besides is in c->reply, and in c->more when it failed. */
static int ask(struct call *c, const struct control_ask *q, struct err *e)
{
	uint64_t wait = c->ctx->wait_ns ? c->ctx->wait_ns : REQUEST_WAIT_NS;
	int r;

	if (!c->reply)
		c->reply = malloc(ARENA_REPLY);
	if (!c->reply)
		return err_set(e, ENOMEM, "ask the worker");
	r = control_ask(c->ctx->arena, q, wait, c->reply, e);
	if (!is_object(c->reply))
		*c->reply = 0;
	if (r && *c->reply) {
		free(c->more);
		c->more = strdup(c->reply);
	}
	return r;
}

/* A member of what the worker said; the caller's reference. NULL: none. */
static struct json_object *said(const struct call *c, const char *key)
{
	struct json_object *doc = NULL, *v = NULL;
	struct err bad;

	if (c->reply && *c->reply &&
	    !json_parse("the worker's answer", c->reply, strlen(c->reply), &doc, &bad) &&
	    json_object_object_get_ex(doc, key, &v))
		json_object_get(v);
	json_object_put(doc);
	return v;
}

/* The session as it is now, with the worker's note. */
static int put_session(struct call *c, struct err *e)
{
	struct json_object *doc, *note;
	struct view v;
	int r = find(c, &v, e);

	if (r)
		return r;
	doc = session_json(&v);
	note = said(c, "note");
	if (doc && note)
		json_add_text(doc, "note", json_object_get_string(note));
	json_object_put(note);
	return put_json(c, doc, e);
}

static int ask_for(struct call *c, struct control_ask *q, struct err *e)
{
	struct view v = { 0 };
	int r = find(c, &v, e);

	q->session = v.number;
	if (!r)
		r = ask(c, q, e);
	return r ? r : put_session(c, e);
}

/* One store: it needs no worker. If another session has taken the block meanwhile, it gets back
 * what it had. */
static bool store_audit(struct block *b, uint64_t number, uint32_t *had)
{
	uint32_t audit = MODE_AUDIT;

	if (atomic_load(&b->state) != BLOCK_LIVE || b->number != number)
		return false;
	*had = atomic_exchange(&b->mode, MODE_AUDIT);
	atomic_thread_fence(memory_order_seq_cst);
	if (b->number == number)
		return true;
	atomic_compare_exchange_strong(&b->mode, &audit, *had);
	return false;
}

static bool set_audit(struct block *b, const struct view *v)
{
	uint32_t had;

	if (!store_audit(b, v->number, &had))
		return false;
	if (had != MODE_AUDIT)
		log_say("session %llu, container %s: mode audit", (unsigned long long)v->number,
			v->id);
	return true;
}

static int serve_mode(struct call *c, struct err *e)
{
	struct control_ask q = { .verb = REQUEST_MODE };
	struct arena *a = c->ctx->arena;
	struct view v;
	int r = need_mode(c, &q.mode, e);

	if (!r)
		r = get_force(c, &q.flags, e);
	if (r)
		return r;
	if (q.mode != MODE_AUDIT)
		return ask_for(c, &q, e);
	r = find(c, &v, e);
	for (uint32_t i = 0; !r && i < high(a); i++)
		if (a->blocks[i].number == v.number)
			set_audit(&a->blocks[i], &v);
	return r ? r : put_session(c, e);
}

/* {"session":7,"container":"web","error":"...","tasks":[...]} */
static struct json_object *refusal(const struct call *c, const struct view *v,
				   const struct err *why)
{
	struct json_object *o = json_object_new_object(), *tasks = said(c, "tasks");

	if (o && add_number(o, "session", v->number) && json_add_text(o, "container", v->id) &&
	    json_add_text(o, "error", why->msg) && (!tasks || json_add(o, "tasks", tasks)))
		return o;
	json_object_put(o);
	return NULL;
}

struct all { /* a mode for all sessions */
	uint64_t changed;
	struct json_object *refused;
};

/* Errors: only those that would be the same for the next session. */
static int mode_of_one(struct call *c, struct control_ask *q, const struct view *v, struct block *b,
		       struct all *all, struct err *e)
{
	int r;

	if (q->mode == MODE_AUDIT) {
		all->changed += set_audit(b, v);
		return 0;
	}
	q->session = v->number;
	r = ask(c, q, e);
	all->changed += !r;
	if (r == -ETIMEDOUT || r == -EAGAIN)
		return r;
	if (r && r != -ESRCH)
		all->refused = json_append(all->refused, refusal(c, v, e));
	return 0;
}

static int put_all(struct call *c, const struct all *all, struct err *e)
{
	struct json_object *o = json_object_new_object();
	size_t n = all->refused ? json_object_array_length(all->refused) : 0;
	bool ok = o && add_number(o, "changed", all->changed) && all->refused &&
		  json_add(o, "refused", json_object_get(all->refused));

	free(c->more);
	c->more = ok ? line_of(o) : NULL;
	json_object_put(o);
	if (!c->more)
		return err_set(e, ENOMEM, "write the answer");
	if (n)
		return err_set(e, EBUSY, "%zu sessions did not change (see \"refused\").", n);
	return put_text(c, take_ptr(c->more), e);
}

static int serve_all_modes(struct call *c, struct err *e)
{
	struct control_ask q = { .verb = REQUEST_MODE };
	struct all all = { .refused = json_object_new_array() };
	struct arena *a = c->ctx->arena;
	struct view v;
	int r = need_mode(c, &q.mode, e);

	if (!r)
		r = get_force(c, &q.flags, e);
	for (uint32_t i = 0; !r && i < high(a); i++)
		if (look(a, i, &v))
			r = mode_of_one(c, &q, &v, &a->blocks[i], &all, e);
	if (!r)
		r = put_all(c, &all, e);
	json_object_put(all.refused);
	return r;
}

static int serve_policy(struct call *c, struct err *e)
{
	struct control_ask q = { .verb = REQUEST_POLICY };
	int r = need_text(c, "policy", &q.text, e);

	if (!r && !policy_name_ok(q.text))
		r = err_set(e, EINVAL, "policy: \"%s\" is no policy name (letters, digits, . _ -)",
			    q.text);
	return r ? r : ask_for(c, &q, e);
}

/* "x86_64", as answers have it, or "SCMP_ARCH_X86_64". */
static int parse_arch(const char *word, uint32_t *out, struct err *e)
{
	char name[24];

	for (int i = 0; i < ARCH_COUNT; i++) {
		arch_word((enum arch)i, 0, name);
		if (!strcmp(name, word) || !strcmp(names_arch_scmp((enum arch)i), word)) {
			*out = (uint32_t)i;
			return 0;
		}
	}
	return err_set(e, EINVAL, "arch: \"%s\" is no architecture (x86_64, x86, aarch64, ...)",
		       word);
}

/* The path's call; the architecture from word, NULL: all. */
static int get_call(struct call *c, struct control_ask *q, const char *word, struct err *e)
{
	q->text = c->params[1];
	q->arch = REQUEST_ALL_ARCHES;
	if (names_syscall(ARCH_NONE, q->text) < 0)
		return err_set(e, EINVAL, "\"%s\" is no system call", q->text);
	return word ? parse_arch(word, &q->arch, e) : 0;
}

static int get_verdict(const struct call *c, int32_t *errnum, struct err *e)
{
	const char *verdict, *word = "EPERM";
	struct json_at at;
	bool has_errno = member(c, "errno", &at);
	int r = need_text(c, "verdict", &verdict, e);

	if (r || (has_errno && json_str(&at, &word, e)))
		return -e->num;
	if (strcmp(verdict, "deny") != 0 && strcmp(verdict, "allow") != 0)
		return err_set(e, EINVAL, "verdict: \"%s\" is neither deny nor allow", verdict);
	if (*verdict == 'a' && has_errno)
		return err_set(e, EINVAL, "errno: only what is denied has one");
	*errnum = *verdict == 'a' ? 0 : names_errno(word);
	if (*errnum < 0 || (*verdict == 'd' && !*errnum))
		return err_set(e, EINVAL, "errno: \"%s\" is no errno (such as EPERM)", word);
	return 0;
}

static int serve_override(struct call *c, struct err *e)
{
	struct control_ask q = { .verb = REQUEST_OVERRIDE };
	const char *arch = NULL;
	struct json_at at;
	int r = get_verdict(c, &q.errnum, e);

	if (!r && member(c, "arch", &at))
		r = json_str(&at, &arch, e);
	if (!r)
		r = get_call(c, &q, arch, e);
	return r ? r : ask_for(c, &q, e);
}

static int serve_lift(struct call *c, struct err *e)
{
	struct control_ask q = { .verb = REQUEST_LIFT };
	int r = get_call(c, &q, arg(c, "arch"), e);

	return r ? r : ask_for(c, &q, e);
}

static int serve_reload(struct call *c, struct err *e)
{
	struct control_ask q = { .verb = REQUEST_RELOAD };
	int r = ask(c, &q, e);
	char *line;

	if (r)
		return r;
	if (asprintf(&line, "%s\n", *c->reply ? c->reply : "{\"policies\":[]}") < 0)
		line = NULL;
	return put_text(c, line, e);
}

static int serve_events(struct call *c, struct err *e)
{
	const char *follow = arg(c, "follow");

	if (follow && strcmp(follow, "0") != 0 && strcmp(follow, "1") != 0)
		return err_set(e, EINVAL, "follow: \"%s\" is neither 0 nor 1", follow);
	if (!c->ctx->stream)
		return err_set(e, EAGAIN, "no events are kept here.");
	c->out->stream = (struct api_stream){
		.follow = follow && *follow == '1',
		.filter = { arg(c, "type"), arg(c, "container"), arg(c, "syscall"),
			    arg(c, "verdict"), arg(c, "mode") },
	};
	c->out->is_stream = true;
	c->out->status = 200;
	c->out->type = "application/x-ndjson";
	return 0;
}

/* The table. Who routes, refuses and documents reads it. */
#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ROW(method, path, summary, args, members, serve, tcp)                \
	{                                                                    \
		{ method, path, summary, args, members }, serve_##serve, tcp \
	}
static const struct route routes[] = {
	ROW("GET", "/v1/health", "Whether warderd is well, and its processes", NULL, NULL, health,
	    true),
	ROW("GET", "/v1/sessions", "The sessions that are alive",
	    LIST("container", "mode", "pod", "namespace"), NULL, sessions, false),
	ROW("GET", "/v1/sessions/{number}", "One session", NULL, NULL, session, false),
	ROW("PUT", "/v1/sessions/{number}/mode", "Switch a session's mode", NULL,
	    LIST("mode", "force"), mode, false),
	ROW("PUT", "/v1/mode", "Switch the mode of all sessions", NULL, LIST("mode", "force"),
	    all_modes, false),
	ROW("PUT", "/v1/sessions/{number}/policy", "Replace a session's policy", NULL,
	    LIST("policy"), policy, false),
	ROW("PUT", "/v1/sessions/{number}/syscalls/{name}", "Deny or allow one system call", NULL,
	    LIST("verdict", "errno", "arch"), override, false),
	ROW("DELETE", "/v1/sessions/{number}/syscalls/{name}", "Let the policy decide it again",
	    LIST("arch"), NULL, lift, false),
	ROW("POST", "/v1/reload", "Read the policies in use again", NULL, NULL, reload, false),
	ROW("GET", "/v1/events", "Recent events, and those to come, one JSON object a line",
	    LIST("follow", "type", "container", "syscall", "verdict", "mode"), NULL, events, false),
	ROW("GET", "/metrics", "Counters for Prometheus (OpenMetrics 1.0)", NULL, NULL, metrics,
	    true),
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

/* NULL: none, and e says why. */
static const struct route *find_route(struct call *c, struct err *e)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if ((c->q->metrics_only && !routes[i].on_tcp) ||
		    !match(routes[i].row.path, c->q->path, c->params))
			continue;
		if (is_method(routes[i].row.method, c->q->method))
			return &routes[i];
		known = true;
	}
	if (known)
		err_set(e, ENOSYS, "%s is not for %s.", c->q->path, c->q->method);
	else
		err_set(e, ENOENT, "there is no %s (see openapi.json).", c->q->path);
	return NULL;
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
	return 0;
}

/* An object with known members only; a misspelt one would not be heard. */
static int read_body(struct call *c, const struct route *r, struct err *e)
{
	struct json_at at = { .file = "body" };
	int n;

	if (!r->row.members)
		return c->q->len ? err_set(e, EINVAL, "%s %s takes no body", c->q->method,
					   r->row.path)
				 : 0;
	if (!c->q->len)
		return err_set(e, EINVAL, "%s %s wants a JSON object as its body", c->q->method,
			       r->row.path);
	n = json_parse("body", c->q->body, c->q->len, &c->body, e);
	at.v = c->body;
	if (!n)
		n = json_is_object(&at, e);
	if (n)
		return n;
	json_object_object_foreach(c->body, name, value)
	{
		struct json_at child = { .up = &at, .key = name, .v = value };

		if (!is_listed(r->row.members, name))
			return json_err(&child, e, "unknown member (see openapi.json)");
	}
	return 0;
}

static int serve(struct call *c, struct err *e)
{
	const struct route *r = find_route(c, e);
	int n = r ? check_args(r, c->q, e) : -e->num;

	if (!n)
		n = read_body(c, r, e);
	return n ? n : r->serve(c, e);
}

/* {"error":"why", and what else there is to say}; the point at the end of a message is ours. */
static void put_error(struct call *c, unsigned status, const char *why)
{
	size_t len = strlen(why);
	auto_free char *line = strndup(why, len && why[len - 1] == '.' ? len - 1 : len);
	struct json_object *text = line ? json_text(line) : NULL;
	const char *quoted = text ? json_object_to_json_string(text) : "\"out of memory\"";
	const char *more = c->more && c->more[0] == '{' && c->more[1] == '"' ? c->more + 1 : NULL;
	size_t n = more ? strcspn(more, "\n") : 0;
	char *body;

	c->out->len = 0;
	c->out->is_stream = false;
	if (asprintf(&body, "{\"error\":%s%s%.*s\n", quoted, more ? "," : "}", (int)n,
		     more ? more : "") < 0)
		body = NULL;
	c->out->body = body;
	c->out->len = body ? strlen(body) : 0;
	c->out->type = "application/json";
	c->out->status = status;
	json_object_put(text);
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
	json_object_put(c.body);
	free(c.reply);
	free(c.more);
}

void api_response_fini(struct api_response *r)
{
	free(r->body);
	r->body = NULL;
}

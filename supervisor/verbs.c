/* SPDX-License-Identifier: Apache-2.0 */
/* verbs.c - see verbs.h. */
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "uring.h"
#include "warder/cover.h"
#include "warder/json.h"
#include "warder/names.h"
#include "warder/own.h"
#include "worker.h"

#define TASKS_MAX 64
#define CALLS_MAX 512
#define ERROR_MAX 256 /* bytes of one policy's error in the answer to a reload */

/* doc as the answer's text; freed. Text of the answer only: without it the verb is done too. */
static void put_reply(struct request *q, struct json_object *doc)
{
	const char *s =
		doc ? json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE)
		    : "";

	*q->reply = 0;
	if (strlen(s) < sizeof q->reply)
		memcpy(q->reply, s, strlen(s) + 1);
	json_object_put(doc);
}

static void put_list(struct request *q, const char *key, struct json_object *list)
{
	struct json_object *doc = json_object_new_object();

	if (doc && list && json_add(doc, key, list)) {
		put_reply(q, doc);
	} else {
		json_object_put(doc);
	}
}

static void put_note(struct request *q, const char *note)
{
	struct json_object *doc = json_object_new_object();

	if (doc && json_add_text(doc, "note", note))
		put_reply(q, doc);
	else
		json_object_put(doc);
}

static int no_session(uint64_t number, struct err *e)
{
	return err_set(e, ESRCH, "no session %llu is alive.", (unsigned long long)number);
}

static int look(struct worker *w, const struct request *q, struct member_view *m, struct err *e)
{
	return worker_look(w, q->session, m) ? no_session(q->session, e) : 0;
}

/* --- mode --- */

static int store_mode(struct block *b, void *ctx)
{
	atomic_store(&b->mode, ((const struct request *)ctx)->mode);
	return 0;
}

static struct json_object *task_json(const struct uring_task *t)
{
	struct json_object *o = json_object_new_object();

	if (o && json_add(o, "pid", json_object_new_int(t->pid)) &&
	    json_add_text(o, "comm", t->comm))
		return o;
	json_object_put(o);
	return NULL;
}

/* Enforcement does not reach what goes through an io_uring that is there already. */
static int check_rings(const struct member_view *m, struct request *q, struct err *e)
{
	struct uring_task tasks[TASKS_MAX];
	struct json_object *list;
	int n, r = uring_find(m->init, tasks, TASKS_MAX, &n, e);

	if (r || !n)
		return r == -ESRCH ? 0 : r;
	list = json_object_new_array();
	for (int i = 0; list && i < n && i < TASKS_MAX; i++)
		list = json_append(list, task_json(&tasks[i]));
	put_list(q, "tasks", list);
	return err_set(e, EBUSY,
		       "%d tasks of the container hold an io_uring, which enforcement does not "
		       "reach (the first: pid %d, %s): end them, or use force.",
		       n, (int)tasks[0].pid, tasks[0].comm);
}

static int do_mode(struct worker *w, struct request *q, struct err *e)
{
	struct member_view m;
	int r = q->mode < MODE_COUNT ? look(w, q, &m, e) : err_set(e, EINVAL, "no such mode");

	if (r)
		return r;
	if (q->mode == MODE_RECORD && !m.native && !w->arena->policies[m.gate].notify_all)
		return err_set(e, ENOTSUP,
			       "its filter does not notify every call: to record, restart the "
			       "container in mode record.");
	if (q->mode == MODE_ENFORCE && !(q->flags & REQUEST_FORCE))
		r = check_rings(&m, q, e);
	if (!r && worker_change(w, q->session, NULL, store_mode, q))
		r = no_session(q->session, e);
	if (!r)
		log_say("session %llu, container %s: mode %s", (unsigned long long)q->session, m.id,
			mode_word((enum mode)q->mode));
	return r;
}

/* --- policy --- */

struct calls { /* those in the way */
	struct json_object *list;
	int n, unnamed, listed;
	char first[64];
};

static void arch_word(enum arch a, char out[24])
{
	snprintf(out, 24, "%s", names_arch_scmp(a) + strlen("SCMP_ARCH_"));
	for (char *p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
}

static bool is_listed(const struct calls *c, const char *word)
{
	for (int i = 0; c->list && i < c->listed; i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(c->list, (size_t)i)),
			    word))
			return true;
	return false;
}

/* "mkdir" on the native ABI, "mkdir (x86)" on others. */
static void note_call(void *ctx, uint32_t audit, uint32_t nr, bool unknown)
{
	struct calls *c = ctx;
	enum arch a = names_arch_of_call(audit, (int)nr);
	const char *name = a == ARCH_NONE ? NULL : names_syscall_name(a, (int)nr);
	char word[96], arch[24];

	(void)unknown;
	c->n++;
	if (!name) {
		c->unnamed++;
		return;
	}
	arch_word(a, arch);
	snprintf(word, sizeof word, a == names_native_arch() ? "%s" : "%s (%s)", name, arch);
	if (!c->list || c->listed == CALLS_MAX || is_listed(c, word))
		return;
	if (!c->listed)
		snprintf(c->first, sizeof c->first, "%.63s", word);
	c->list = json_append(c->list, json_text(word));
	c->listed++;
}

/* Does the installed filter serve c? Fills the answer with the calls that it does not. */
static int check_cover(struct worker *w, const struct member_view *m, const struct compiled *c,
		       struct request *q, struct err *e)
{
	const struct compiled *gate;
	struct calls calls = { 0 };
	int r;

	if (m->native)
		return 0;
	r = policies_at(w->policies, m->gate, &gate, e);
	if (r)
		return r;
	calls.list = json_object_new_array();
	r = cover_check(&gate->filter.gate, &c->filter.gate, note_call, &calls, e);
	policies_put(w->policies, gate);
	if (!r && calls.n)
		r = err_set(e, ENOTSUP,
			    "the filter that is installed does not notify what the policy needs "
			    "(%s%s): it needs a restart of the container.",
			    calls.listed ? calls.first : "numbers without a name",
			    calls.n > 1 ? ", ..." : "");
	if (r && q)
		put_list(q, "syscalls", calls.list);
	else
		json_object_put(calls.list);
	return r;
}

/* The policy of this name as its file is now, compiled for where the session runs. */
static int load(struct worker *w, const struct member_view *m, const char *name,
		const struct compiled **out, struct err *e)
{
	const struct warn warn = { log_warn, NULL };
	const struct policy_text *like = &w->arena->policies[m->gate];
	const struct policies_key key = { .name = name,
					  .caps_known = like->caps_known,
					  .caps = like->caps,
					  .notify_all = like->notify_all };

	return policies_load(w->policies, w->config->policies, &key, out, &warn, e);
}

static int put_policy(struct worker *w, const struct member_view *m, const struct compiled *c,
		      struct err *e)
{
	int r = 0;

	if (worker_change(w, m->number, c, NULL, NULL))
		r = no_session(m->number, e);
	if (!r)
		log_say("session %llu, container %s: policy %s", (unsigned long long)m->number,
			m->id, c->policy->name);
	return r;
}

static int do_policy(struct worker *w, struct request *q, struct err *e)
{
	const struct compiled *c;
	struct member_view m;
	int r = look(w, q, &m, e);

	if (!r)
		r = load(w, &m, q->text, &c, e);
	if (r)
		return r;
	r = check_cover(w, &m, c, q, e);
	if (!r)
		r = put_policy(w, &m, c, e);
	if (r)
		policies_put(w->policies, c);
	if (!r && m.native)
		put_note(q, "the filter is the runtime's own: what it notifies is decided by this "
			    "policy, what it does not is not known");
	return r;
}

/* --- single calls --- */

struct change {
	const struct request *q;
	int n;
	struct {
		uint32_t audit;
		int nr;
	} at[ARCH_COUNT];
};

static int store_overrides(struct block *b, void *ctx)
{
	const struct change *c = ctx;
	int n = 0, r = 0;

	if (c->q->verb == REQUEST_LIFT) {
		for (int i = 0; i < c->n; i++)
			session_lift(b, c->at[i].audit, c->at[i].nr);
		return 0;
	}
	for (; !r && n < c->n; n++)
		r = session_override(b, c->at[n].audit, c->at[n].nr, (uint16_t)c->q->errnum);
	for (int i = 0; r && i < n - 1; i++)
		session_lift(b, c->at[i].audit, c->at[i].nr);
	return r;
}

/* Only what the installed filter notifies can be decided here. */
static int check_notified(const struct compiled *gate, const struct request *q, enum arch a, int nr,
			  struct err *e)
{
	unsigned acts, notify = 1U << ACT_NOTIFY, allow = 1U << ACT_ALLOW;
	char arch[24];
	int r = cover_actions(&gate->filter.gate, names_arch_audit(a), (uint32_t)nr, &acts, e);

	if (r || acts == notify || (!q->errnum && acts == (notify | allow)))
		return r;
	arch_word(a, arch);
	return err_set(
		e, ENOTSUP,
		"%s (%s) is %s in the kernel by the filter that is installed, which does not "
		"ask: it needs a restart of the container.",
		q->text, arch,
		acts == allow   ? "allowed"
		: acts & allow  ? "allowed for some arguments"
		: acts & notify ? "answered for some arguments"
				: "answered");
}

/* Where the call of this name arrives: on one architecture, or on all that the filter knows. */
static int resolve(struct worker *w, const struct member_view *m, const struct compiled *gate,
		   const struct request *q, struct change *c, struct err *e)
{
	int r = 0;

	(void)w;
	*c = (struct change){ .q = q };
	for (int i = 0; !r && i < gate->filter.n_arches; i++) {
		enum arch a = gate->filter.arches[i];
		int nr = names_syscall(a, q->text);

		if (nr < 0 || (q->arch != REQUEST_ALL_ARCHES && q->arch != (uint32_t)a))
			continue;
		if (!m->native && q->verb == REQUEST_OVERRIDE)
			r = check_notified(gate, q, a, nr, e);
		c->at[c->n].audit = names_arch_audit(a);
		c->at[c->n++].nr = nr;
	}
	if (!r && !c->n)
		r = err_set(e, EINVAL, "there is no call \"%s\" on the architectures of its filter",
			    q->text);
	return r;
}

/* A call that also comes through socketcall(2) or ipc(2) is not held there. */
static void note_muxed(const struct compiled *gate, struct request *q)
{
	struct filter_site sites[FILTER_SITES];

	for (int i = 0; i < gate->filter.n_arches; i++) {
		enum arch a = gate->filter.arches[i];
		int n = filter_sites(a, q->text, sites);

		if (q->arch != REQUEST_ALL_ARCHES && q->arch != (uint32_t)a)
			continue;
		for (int k = 0; k < n; k++)
			if (sites[k].muxed)
				put_note(q, "32-bit programs reach it through socketcall or ipc "
					    "too, which this does not cover");
	}
}

static int change_calls(struct worker *w, const struct member_view *m, struct change *c,
			struct err *e)
{
	int r = worker_change(w, m->number, NULL, store_overrides, c);

	if (r == -ENOSPC)
		return err_set(e, ENOSPC, "%d live decisions are in use in this session: lift one.",
			       BLOCK_OVERRIDES);
	if (r)
		return no_session(m->number, e);
	log_say("session %llu, container %s: %s %s", (unsigned long long)m->number, m->id,
		c->q->verb == REQUEST_LIFT ? "policy decides"
		: c->q->errnum             ? "denied"
					   : "allowed",
		c->q->text);
	return 0;
}

static int do_calls(struct worker *w, struct request *q, struct err *e)
{
	const struct compiled *gate;
	struct member_view m;
	struct change c;
	int r = look(w, q, &m, e);

	if (!r && (q->errnum < 0 || q->errnum > 4095))
		r = err_set(e, EINVAL, "no such errno");
	if (!r)
		r = policies_at(w->policies, m.native ? m.policy : m.gate, &gate, e);
	if (r)
		return r;
	r = resolve(w, &m, gate, q, &c, e);
	if (!r)
		r = change_calls(w, &m, &c, e);
	if (!r && q->verb == REQUEST_OVERRIDE)
		note_muxed(gate, q);
	policies_put(w->policies, gate);
	return r;
}

/* --- reload --- */

struct outcome {
	const char *result;
	int sessions;
	struct err e;
	/* What the last comparison was, and said: most sessions of a policy are alike. */
	bool compared;
	uint32_t gate, index;
	int covered;
	struct err why;
};

static struct json_object *outcome_json(const char *policy, const struct outcome *o)
{
	struct json_object *j = json_object_new_object();
	char why[ERROR_MAX];

	snprintf(why, sizeof why, "%.*s", ERROR_MAX - 1, o->e.msg);
	if (j && json_add_text(j, "policy", policy) && json_add_text(j, "result", o->result) &&
	    json_add(j, "sessions", json_object_new_int(o->sessions)) &&
	    json_add_text(j, "error", why))
		return j;
	json_object_put(j);
	return NULL;
}

static int compare_once(struct worker *w, const struct member_view *m, const struct compiled *c,
			struct outcome *o, struct err *e)
{
	if (m->native)
		return 0;
	if (!o->compared || o->gate != m->gate || o->index != c->index) {
		o->compared = true;
		o->gate = m->gate;
		o->index = c->index;
		o->covered = check_cover(w, m, c, NULL, &o->why);
	}
	if (o->covered)
		*e = o->why;
	return o->covered;
}

/* One session whose policy's file may have changed. */
static void reload_one(struct worker *w, const struct member_view *m, const char *name,
		       struct outcome *o)
{
	const struct compiled *c;
	struct err e;
	int r = load(w, m, name, &c, &e);

	o->sessions++;
	if (!r && c->index == m->policy) {
		policies_put(w->policies, c);
		return;
	}
	if (!r) {
		r = compare_once(w, m, c, o, &e);
		if (!r)
			r = put_policy(w, m, c, &e);
		if (r)
			policies_put(w->policies, c);
	}
	if (r == -ESRCH) {
		o->sessions--;
	} else if (r) {
		o->result = "refused";
		o->e = e;
	} else if (strcmp(o->result, "refused") != 0) {
		o->result = "replaced";
	}
}

/* All sessions that go by one policy; `done` marks them. */
static struct json_object *reload_policy(struct worker *w, const struct member_view *all, int n,
					 int first, bool *done)
{
	struct outcome o = { .result = "unchanged" };
	char name[POLICY_NAME_MAX];

	snprintf(name, sizeof name, "%s", w->arena->policies[all[first].policy].name);
	for (int i = first; i < n; i++) {
		if (done[i] || strcmp(w->arena->policies[all[i].policy].name, name) != 0)
			continue;
		done[i] = true;
		reload_one(w, &all[i], name, &o);
	}
	if (*o.e.msg)
		log_say("reload: policy %s refused: %s", name, o.e.msg);
	else
		log_say("reload: policy %s %s, %d sessions", name, o.result, o.sessions);
	return outcome_json(name, &o);
}

static int do_reload(struct worker *w, struct request *q, struct err *e)
{
	auto_free struct member_view *all = calloc(ARENA_SESSIONS, sizeof *all);
	auto_free bool *done = calloc(ARENA_SESSIONS, sizeof *done);
	struct json_object *list = json_object_new_array();
	int n;

	if (!all || !done || !list) {
		json_object_put(list);
		return err_set(e, ENOMEM, "reload");
	}
	n = worker_list(w, all, ARENA_SESSIONS);
	for (int i = 0; i < n && list; i++)
		if (!done[i])
			list = json_append(list, reload_policy(w, all, n, i, done));
	put_list(q, "policies", list);
	return 0;
}

int verbs_do(void *ctx, struct request *q, struct err *e)
{
	static int (*const verbs[REQUEST_VERBS])(struct worker *, struct request *,
						 struct err *) = {
		[REQUEST_MODE] = do_mode,      [REQUEST_POLICY] = do_policy,
		[REQUEST_OVERRIDE] = do_calls, [REQUEST_LIFT] = do_calls,
		[REQUEST_RELOAD] = do_reload,
	};

	return verbs[q->verb](ctx, q, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - see profile.h. */
#include "warder/profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "warder/own.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct when { /* "includes" or "excludes" */
	uint64_t caps;
	bool never_held; /* names a capability that libcap does not know */
	uint32_t arches; /* bit per enum arch */
	bool has_caps, has_arches, has_kernel;
	unsigned major, minor;
};

struct entry {
	int n_names, n_conds;
	const char **names;
	struct cond *conds;
	struct effect effect;
	struct when includes, excludes;
};

struct map_row {
	enum arch arch; /* ARCH_NONE: one that libseccomp does not know */
	int n_subs;
	enum arch subs[ARCH_COUNT];
};

struct profile {
	struct json_object *doc; /* keeps the strings */
	struct effect fallthrough;
	int n_arches, n_rows, n_entries;
	enum arch arches[ARCH_COUNT];
	struct map_row *rows;
	struct entry *entries;
	struct profile_facts facts;
};

/* Of the specification, but not of this libseccomp. */
static const char *const unsupported_arches[] = { "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",
						  "SCMP_ARCH_SH", "SCMP_ARCH_SHEB", NULL };

static const struct {
	const char *name;
	unsigned flag;
} flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

static bool takes_errno(int act)
{
	return act == ACT_ERRNO || act == ACT_TRACE;
}

static int parse_action(const struct json_at *at, int *act, struct err *e)
{
	const char *word;
	int r = json_str(at, &word, e);

	if (r)
		return r;
	*act = names_action(word);
	return *act < 0 ? json_err(at, e, "unknown action \"%s\"", word) : 0;
}

/* A number, or (Podman) the name of an errno. */
static int parse_errno(const struct json_at *at, int *num, struct err *e)
{
	const char *text;
	uint64_t n;
	int r;

	if (!json_object_is_type(at->v, json_type_string)) {
		r = json_u64(at, &n, e);
		if (!r && n > UINT16_MAX)
			r = json_err(at, e, "is no errno");
		if (!r)
			*num = (int)n;
		return r;
	}
	r = json_str(at, &text, e);
	if (r)
		return r;
	*num = names_errno(text);
	return *num < 0 ? json_err(at, e, "unknown errno \"%s\"", text) : 0;
}

/* An action with its errno, which stands under one of two keys: the number, or (Podman) the text.
 */
static int parse_effect(const struct json_at *at, const char *action_key, const char *ret_key,
			const char *text_key, struct effect *out, struct err *e)
{
	struct json_at action, ret, text;
	int act, number = -1, named = -1;

	if (!json_child(at, action_key, &action))
		return json_err(at, e, "\"%s\" is missing", action_key);
	if (parse_action(&action, &act, e) ||
	    (json_child(at, ret_key, &ret) && parse_errno(&ret, &number, e)) ||
	    (json_child(at, text_key, &text) && !json_object_is_type(text.v, json_type_string) &&
	     json_err(&text, e, "must be a string")) ||
	    (json_child(at, text_key, &text) && json_object_get_string_len(text.v) &&
	     parse_errno(&text, &named, e)))
		return -e->num;
	if (number >= 0 && named >= 0 && number != named)
		return json_err(&text, e, "is not what \"%s\" says (%d)", ret_key, number);
	if (named >= 0)
		number = named;
	if (number >= 0 && !takes_errno(act))
		return json_err(named >= 0 ? &text : &ret, e, "%s takes no errno",
				names_action_scmp((enum act)act));
	if (act == ACT_ERRNO && number > 4095)
		return json_err(named >= 0 ? &text : &ret, e, "an errno is at most 4095");
	out->act = (uint8_t)act;
	out->errnum = takes_errno(act) ? (uint16_t)(number >= 0 ? number : EPERM) : 0;
	return 0;
}

static bool in_list(const char *const *list, const char *word)
{
	for (; *list; list++)
		if (!strcmp(*list, word))
			return true;
	return false;
}

/* ARCH_NONE for one that is known but cannot be filtered here. */
static int parse_arch(const struct json_at *at, enum arch *arch, struct err *e)
{
	const char *word;
	int r = json_str(at, &word, e);

	if (r)
		return r;
	*arch = names_arch(word);
	if (*arch == ARCH_NONE && !in_list(unsupported_arches, word))
		return json_err(at, e, "unknown architecture \"%s\"", word);
	return 0;
}

static void add_arch(enum arch *list, int *n, enum arch arch)
{
	for (int i = 0; i < *n; i++)
		if (list[i] == arch)
			return;
	list[(*n)++] = arch;
}

static int parse_arches(const struct json_at *at, enum arch *list, int *n, const struct warn *w,
			struct err *e)
{
	int len, r = json_array(at, &len, e);

	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);
		enum arch arch;

		r = parse_arch(&item, &arch, e);
		if (!r && arch != ARCH_NONE)
			add_arch(list, n, arch);
		else if (!r)
			json_warn(&item, w, "libseccomp here does not know it; ignored");
	}
	return r;
}

static int parse_map_row(const struct json_at *at, struct map_row *row, struct err *e)
{
	static const struct warn quiet = { NULL, NULL };
	struct json_at arch, subs;
	int r = json_is_object(at, e);

	if (r)
		return r;
	if (!json_child(at, "architecture", &arch))
		return json_err(at, e, "\"architecture\" is missing");
	r = parse_arch(&arch, &row->arch, e);
	if (!r && json_child(at, "subArchitectures", &subs))
		r = parse_arches(&subs, row->subs, &row->n_subs, &quiet, e);
	return r;
}

static int parse_arch_map(const struct json_at *at, struct profile *p, struct err *e)
{
	int len, r = json_array(at, &len, e);

	if (r)
		return r;
	p->rows = calloc((size_t)len + 1, sizeof *p->rows);
	if (!p->rows)
		return err_set(e, ENOMEM, "read a profile");
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);

		r = parse_map_row(&item, &p->rows[p->n_rows++], e);
	}
	return r;
}

/* "4.8": nothing else, as moby. */
static int parse_kernel(const struct json_at *at, struct when *when, struct err *e)
{
	const char *text;
	char rest;
	int r = json_str(at, &text, e);

	if (r || !*text)
		return r;
	if (strspn(text, "0123456789.") != strlen(text) ||
	    sscanf(text, "%4u.%4u%c", &when->major, &when->minor, &rest) != 2)
		return json_err(at, e, "\"%s\" is no kernel version (such as \"4.8\")", text);
	when->has_kernel = true;
	return 0;
}

static int parse_when_caps(const struct json_at *at, struct when *when, const struct warn *w,
			   struct err *e)
{
	int len, r = json_array(at, &len, e);

	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);
		const char *name;
		int cap;

		r = json_str(&item, &name, e);
		if (r)
			break;
		cap = names_cap(name);
		when->has_caps = true;
		if (cap >= 0)
			when->caps |= 1ULL << cap;
		else
			json_warn(&item, w, "unknown capability \"%s\": taken as never held", name);
		when->never_held |= cap < 0;
	}
	return r;
}

static int parse_when_arches(const struct json_at *at, struct when *when, const struct warn *w,
			     struct err *e)
{
	int len, r = json_array(at, &len, e);

	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);
		enum arch arch;
		const char *name;

		r = json_str(&item, &name, e);
		if (r)
			break;
		arch = names_arch_docker(name);
		when->has_arches = true;
		if (arch != ARCH_NONE)
			when->arches |= 1U << arch;
		else if (strcmp(name, "loongarch64") != 0 && strcmp(name, "loong64") != 0)
			json_warn(&item, w, "unknown architecture \"%s\", ignored", name);
	}
	return r;
}

static int parse_when(const struct json_at *entry, const char *key, struct when *when,
		      const struct warn *w, struct err *e)
{
	static const char *const keys[] = { "caps", "arches", "minKernel", NULL };
	struct json_at at, child;
	int r;

	if (!json_child(entry, key, &at))
		return 0;
	r = json_is_object(&at, e);
	if (r)
		return r;
	json_known(&at, keys, w);
	if (json_child(&at, "caps", &child))
		r = parse_when_caps(&child, when, w, e);
	if (!r && json_child(&at, "arches", &child))
		r = parse_when_arches(&child, when, w, e);
	if (!r && json_child(&at, "minKernel", &child))
		r = parse_kernel(&child, when, e);
	return r;
}

int profile_parse_cond(const struct json_at *at, struct cond *c, struct err *e)
{
	struct json_at index, value, two, op;
	const char *word;
	uint64_t n = 0;
	int o;

	if (json_is_object(at, e))
		return -e->num;
	*c = (struct cond){ 0 };
	if (!json_child(at, "index", &index) || !json_child(at, "op", &op))
		return json_err(at, e, "\"index\" and \"op\" are needed");
	if (json_u64(&index, &n, e) || json_str(&op, &word, e))
		return -e->num;
	if (n >= PROFILE_MAX_ARGS)
		return json_err(&index, e, "is above %d", PROFILE_MAX_ARGS - 1);
	c->index = (uint8_t)n;
	o = names_op(word);
	if (o < 0)
		return json_err(&op, e, "unknown comparison \"%s\"", word);
	c->op = (uint8_t)o;
	if ((json_child(at, "value", &value) && json_u64(&value, &c->value, e)) ||
	    (json_child(at, "valueTwo", &two) && json_u64(&two, &c->value2, e)))
		return -e->num;
	return 0;
}

static int parse_conds(const struct json_at *at, struct entry *entry, const struct warn *w,
		       struct err *e)
{
	static const char *const keys[] = { "index", "value", "valueTwo", "op", NULL };
	int len, r = json_array(at, &len, e);

	if (r || !len)
		return r;
	entry->conds = calloc((size_t)len, sizeof *entry->conds);
	if (!entry->conds)
		return err_set(e, ENOMEM, "read a profile");
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);

		r = profile_parse_cond(&item, &entry->conds[entry->n_conds++], e);
		if (!r)
			json_known(&item, keys, w);
	}
	return r;
}

static int parse_names_list(const struct json_at *at, const char ***names, int *n, struct err *e)
{
	int len, r = json_array(at, &len, e);

	if (r)
		return r;
	*names = calloc((size_t)len + 1, sizeof **names);
	if (!*names)
		return err_set(e, ENOMEM, "read a profile");
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);

		r = json_str(&item, &(*names)[*n], e);
		if (!r && !*(*names)[*n])
			r = json_err(&item, e, "is empty");
		++*n;
	}
	return r;
}

int profile_parse_names(const struct json_at *entry, const char ***names, int *n, struct err *e)
{
	struct json_at list, name;
	bool has_list = json_child(entry, "names", &list);
	int r = has_list ? parse_names_list(&list, names, n, e) : 0;

	if (r)
		return r;
	if (json_child(entry, "name", &name) && json_object_get_string_len(name.v)) {
		if (*n)
			return json_err(&name, e, "and \"names\" cannot both be given");
		free(*names);
		*names = calloc(2, sizeof **names);
		if (!*names)
			return err_set(e, ENOMEM, "read a profile");
		r = json_str(&name, &(*names)[0], e);
		*n = 1;
		return r;
	}
	return *n ? 0 : json_err(has_list ? &list : entry, e, "no system call is named");
}

static int parse_entry(const struct json_at *at, struct entry *entry, const struct warn *w,
		       struct err *e)
{
	static const char *const keys[] = { "names", "name",    "action",   "errnoRet", "errno",
					    "args",  "comment", "includes", "excludes", NULL };
	struct json_at args;

	if (json_is_object(at, e) || profile_parse_names(at, &entry->names, &entry->n_names, e) ||
	    parse_effect(at, "action", "errnoRet", "errno", &entry->effect, e) ||
	    (json_child(at, "args", &args) && parse_conds(&args, entry, w, e)) ||
	    parse_when(at, "includes", &entry->includes, w, e) ||
	    parse_when(at, "excludes", &entry->excludes, w, e))
		return -e->num;
	json_known(at, keys, w);
	for (int i = 0; i < entry->n_names; i++)
		if (names_syscall(ARCH_NONE, entry->names[i]) < 0)
			json_warn(at, w, "unknown system call \"%s\": has no effect",
				  entry->names[i]);
	return 0;
}

static int parse_entries(const struct json_at *at, struct profile *p, const struct warn *w,
			 struct err *e)
{
	int len, r = json_array(at, &len, e);

	if (r)
		return r;
	p->entries = calloc((size_t)len + 1, sizeof *p->entries);
	if (!p->entries)
		return err_set(e, ENOMEM, "read a profile");
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);

		r = parse_entry(&item, &p->entries[p->n_entries++], w, e);
		if (!r)
			p->facts.has_notify |= p->entries[i].effect.act == ACT_NOTIFY;
	}
	return r;
}

static int parse_flags(const struct json_at *at, struct profile_facts *f, struct err *e)
{
	int len, r = json_array(at, &len, e);

	f->has_flags = true;
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);
		const char *word;
		size_t k = 0;

		r = json_str(&item, &word, e);
		while (!r && k < ARRAY_LEN(flags) && strcmp(flags[k].name, word) != 0)
			k++;
		if (!r && k == ARRAY_LEN(flags))
			r = json_err(&item, e, "unknown flag \"%s\"", word);
		if (!r)
			f->flags |= flags[k].flag;
	}
	return r;
}

static int parse_listener(const struct json_at *at, struct profile_facts *f, struct err *e)
{
	struct json_at path, metadata;

	if ((json_child(at, "listenerPath", &path) && json_str(&path, &f->listener_path, e)) ||
	    (json_child(at, "listenerMetadata", &metadata) &&
	     json_str(&metadata, &f->listener_metadata, e)))
		return -e->num;
	if (f->listener_path && !*f->listener_path)
		f->listener_path = NULL;
	if (f->listener_metadata && *f->listener_metadata && !f->listener_path)
		return json_err(&metadata, e, "needs \"listenerPath\"");
	return 0;
}

static int parse_document(const struct json_at *at, struct profile *p, const struct warn *w,
			  struct err *e)
{
	static const char *const keys[] = { "defaultAction", "defaultErrnoRet",  "defaultErrno",
					    "architectures", "archMap",          "flags",
					    "listenerPath",  "listenerMetadata", "syscalls",
					    "comment",       "warder",           NULL };
	struct json_at arches, map, flag_list, syscalls;

	if (json_is_object(at, e) ||
	    parse_effect(at, "defaultAction", "defaultErrnoRet", "defaultErrno", &p->fallthrough,
			 e) ||
	    (json_child(at, "architectures", &arches) &&
	     parse_arches(&arches, p->arches, &p->n_arches, w, e)) ||
	    (json_child(at, "archMap", &map) && parse_arch_map(&map, p, e)))
		return -e->num;
	if (p->n_arches && p->n_rows)
		return json_err(&map, e, "and \"architectures\" cannot both be given");
	if ((json_child(at, "flags", &flag_list) && parse_flags(&flag_list, &p->facts, e)) ||
	    parse_listener(at, &p->facts, e) ||
	    (json_child(at, "syscalls", &syscalls) && parse_entries(&syscalls, p, w, e)))
		return -e->num;
	p->facts.has_notify |= p->fallthrough.act == ACT_NOTIFY;
	p->facts.n_entries = p->n_entries;
	json_known(at, keys, w);
	return 0;
}

int profile_parse(const struct json_at *v, struct profile **out, const struct warn *w,
		  struct err *e)
{
	struct profile *p = calloc(1, sizeof *p);
	int r;

	if (!p)
		return err_set(e, ENOMEM, "read a profile");
	p->doc = json_object_get(v->v);
	r = parse_document(v, p, w, e);
	if (r) {
		profile_free(p);
		return r;
	}
	*out = p;
	return 0;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->n_entries; i++) {
		free(p->entries[i].names);
		free(p->entries[i].conds);
	}
	free(p->entries);
	free(p->rows);
	json_object_put(p->doc);
	free(p);
}

void profile_facts(const struct profile *p, struct profile_facts *out)
{
	*out = p->facts;
}

void host_init(struct host *h)
{
	struct utsname u;

	*h = (struct host){ .arch = names_native_arch() };
	if (!uname(&u))
		sscanf(u.release, "%u.%u", &h->kernel_major, &h->kernel_minor);
}

static bool kernel_at_least(const struct host *h, const struct when *w)
{
	return h->kernel_major > w->major ||
	       (h->kernel_major == w->major && h->kernel_minor >= w->minor);
}

static bool excluded(const struct when *w, const struct host *h)
{
	return (w->has_arches && w->arches >> h->arch & 1) ||
	       (w->has_caps && h->caps_known && (w->caps & h->caps)) ||
	       (w->has_kernel && kernel_at_least(h, w));
}

static bool included(const struct when *w, const struct host *h)
{
	if (w->has_arches && !(w->arches >> h->arch & 1))
		return false;
	if (w->has_caps && h->caps_known && (w->never_held || (w->caps & h->caps) != w->caps))
		return false;
	return !w->has_kernel || kernel_at_least(h, w);
}

static void resolve_arches(const struct profile *p, const struct host *h, struct ruleset *out)
{
	for (int i = 0; i < p->n_arches; i++)
		add_arch(out->arches, &out->n_arches, p->arches[i]);
	for (int i = 0; i < p->n_rows; i++) {
		if (p->rows[i].arch != h->arch)
			continue;
		add_arch(out->arches, &out->n_arches, p->rows[i].arch);
		for (int k = 0; k < p->rows[i].n_subs; k++)
			add_arch(out->arches, &out->n_arches, p->rows[i].subs[k]);
		return;
	}
}

static bool same_index_twice(const struct entry *entry)
{
	unsigned seen = 0;

	for (int i = 0; i < entry->n_conds; i++) {
		if (seen >> entry->conds[i].index & 1)
			return true;
		seen |= 1U << entry->conds[i].index;
	}
	return false;
}

/* How many rules one name of an entry makes. */
static int rules_per_name(const struct entry *entry)
{
	return same_index_twice(entry) ? entry->n_conds : 1;
}

static void put_rules(const struct entry *entry, int index, const char *name, struct ruleset *out)
{
	int n = rules_per_name(entry);

	for (int i = 0; i < n; i++) {
		struct rule *r = &out->rules[out->n_rules++];

		r->name = name;
		r->effect = entry->effect;
		r->entry = index;
		r->conds.n = (uint8_t)(n > 1 ? 1 : entry->n_conds);
		for (int k = 0; k < r->conds.n; k++)
			r->conds.c[k] = entry->conds[n > 1 ? i : k];
	}
}

static bool holds(const struct entry *entry, const struct host *h)
{
	return !excluded(&entry->excludes, h) && included(&entry->includes, h);
}

static void count(const struct profile *p, const struct host *h, size_t *rules, size_t *bytes)
{
	for (int i = 0; i < p->n_entries; i++) {
		const struct entry *entry = &p->entries[i];

		if (!holds(entry, h))
			continue;
		*rules += (size_t)entry->n_names * (size_t)rules_per_name(entry);
		for (int k = 0; k < entry->n_names; k++)
			*bytes += strlen(entry->names[k]) + 1;
	}
}

int profile_resolve(const struct profile *p, const struct host *h, struct ruleset *out,
		    struct err *e)
{
	struct ruleset rs = { .fallthrough = p->fallthrough };
	size_t rules = 0, bytes = 0;
	char *at;

	count(p, h, &rules, &bytes);
	if (rules > PROFILE_MAX_RULES)
		return err_set(e, E2BIG, "the profile makes %zu rules, more than %d", rules,
			       PROFILE_MAX_RULES);
	rs.rules = calloc(rules + 1, sizeof *rs.rules);
	rs.pool = at = malloc(bytes + 1);
	if (!rs.rules || !rs.pool) {
		ruleset_fini(&rs);
		return err_set(e, ENOMEM, "resolve a profile");
	}
	resolve_arches(p, h, &rs);
	for (int i = 0; i < p->n_entries; i++) {
		const struct entry *entry = &p->entries[i];

		for (int k = 0; holds(entry, h) && k < entry->n_names; k++) {
			size_t n = strlen(entry->names[k]) + 1;

			memcpy(at, entry->names[k], n);
			put_rules(entry, i, at, &rs);
			at += n;
		}
	}
	*out = rs;
	return 0;
}

void ruleset_fini(struct ruleset *r)
{
	free(r->rules);
	free(r->pool);
	r->rules = NULL;
	r->pool = NULL;
	r->n_rules = 0;
}

void profile_clauses(const struct ruleset *r, enum arch a, int nr,
		     bool (*fn)(void *ctx, const struct rule *rule), void *ctx)
{
	for (int i = 0; i < r->n_rules; i++)
		if (names_syscall(a, r->rules[i].name) == nr && !fn(ctx, &r->rules[i]))
			return;
}

static bool cond_match(const struct cond *c, uint64_t arg)
{
	switch ((enum op)c->op) {
	case OP_NE:
		return arg != c->value;
	case OP_LT:
		return arg < c->value;
	case OP_LE:
		return arg <= c->value;
	case OP_EQ:
		return arg == c->value;
	case OP_GE:
		return arg >= c->value;
	case OP_GT:
		return arg > c->value;
	case OP_MASKED_EQ:
		return (arg & c->value) == c->value2;
	case OP_COUNT:
		break;
	}
	return false;
}

bool conds_match(const struct conds *c, const uint64_t args[6])
{
	for (int i = 0; i < c->n; i++)
		if (!cond_match(&c->c[i], args[c->c[i].index]))
			return false;
	return true;
}

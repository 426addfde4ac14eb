/* SPDX-License-Identifier: Apache-2.0 */
/* forms.c - see forms.h. */
#include "warder/forms.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "warder/notify.h"
#include "warder/own.h"
#include "warder/yaml.h"

enum {                        /* what a form can hold */
       CAN_CONDITIONS = 1,    /* archMap, includes, excludes, comment */
       CAN_KERNEL = 2,        /* minKernel */
       CAN_DEFAULT_ERRNO = 4, /* defaultErrnoRet */
       CAN_64_BITS = 8,       /* values above 2^63-1 */
       CAN_ERRNO_0 = 16,
       CAN_WORDS = 32, /* "errno": "EPERM" */
};

static const struct {
	const char *word, *what;
} words[] = {
#define X(id, word, what) [id] = { word, what },
	FORMS(X)
#undef X
};

static const unsigned can[] = {
	[FORM_OCI] = CAN_DEFAULT_ERRNO | CAN_64_BITS | CAN_ERRNO_0,
	[FORM_DOCKER] = CAN_CONDITIONS | CAN_KERNEL | CAN_DEFAULT_ERRNO | CAN_64_BITS | CAN_ERRNO_0,
	[FORM_PODMAN] = CAN_CONDITIONS | CAN_DEFAULT_ERRNO | CAN_64_BITS | CAN_ERRNO_0 | CAN_WORDS,
	[FORM_SPO] = 0,
};

#define SPO_VERSION "security-profiles-operator.x-k8s.io/v1"
#define SPO_GROUP   "security-profiles-operator.x-k8s.io/"

int form_by_word(const char *word)
{
	for (int i = 0; i < FORM_COUNT; i++)
		if (!strcmp(words[i].word, word))
			return i;
	return -1;
}

const char *form_word(enum form f)
{
	return words[f].word;
}

const char *form_what(enum form f)
{
	return words[f].what;
}

/* --- reading --- */

static bool has_key(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && v;
}

/* The first entry with this key, or -1. */
static int entry_with(struct json_object *body, const char *key)
{
	struct json_object *list;

	if (!json_object_object_get_ex(body, "syscalls", &list) ||
	    !json_object_is_type(list, json_type_array))
		return -1;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);

		if (json_object_is_type(entry, json_type_object) && has_key(entry, key))
			return (int)i;
	}
	return -1;
}

static void recognise(struct form_doc *d)
{
	d->has_conditions = has_key(d->body, "archMap") || entry_with(d->body, "includes") >= 0 ||
			    entry_with(d->body, "excludes") >= 0;
	d->has_warder = has_key(d->body, "warder");
	if (d->form == FORM_SPO)
		return;
	if (has_key(d->body, "defaultErrno") || entry_with(d->body, "errno") >= 0)
		d->form = FORM_PODMAN;
	else
		d->form = d->has_conditions || entry_with(d->body, "comment") >= 0 ? FORM_DOCKER
										   : FORM_OCI;
}

/* The operator's errnoRet 0 means "not set"; what is its own is no part of the profile. */
static int clean_spec(const struct json_at *spec, struct json_object *body, const struct warn *w,
		      struct err *e)
{
	static const char *const own[] = { "state", "disabled", "baseProfileName" };
	struct json_object *list = NULL;
	struct json_at at;
	const char *word;

	if (json_child(spec, "baseProfileName", &at))
		json_warn(&at, w, "the base profile is not here: merge it by hand");
	if (json_child(spec, "state", &at) &&
	    (json_str(&at, &word, e) ||
	     (strcmp(word, "Enabled") != 0 && strcmp(word, "Disabled") != 0 &&
	      json_err(&at, e, "is neither Enabled nor Disabled"))))
		return -e->num;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		json_object_object_del(body, own[i]);
	json_object_object_get_ex(body, "syscalls", &list);
	for (size_t i = 0;
	     json_object_is_type(list, json_type_array) && i < json_object_array_length(list);
	     i++) {
		struct json_object *entry = json_object_array_get_idx(list, i), *ret;

		if (json_object_is_type(entry, json_type_object) &&
		    json_object_object_get_ex(entry, "errnoRet", &ret) &&
		    json_object_is_type(ret, json_type_int) && !json_object_get_int64(ret))
			json_object_object_del(entry, "errnoRet");
	}
	return 0;
}

static int take_spo(const struct json_at *root, struct form_doc *d, struct json_at *at,
		    const struct warn *w, struct err *e)
{
	struct json_at meta, name, version;
	const char *word;

	d->form = FORM_SPO;
	if (!json_child(root, "apiVersion", &version) || json_str(&version, &word, e) ||
	    strncmp(word, SPO_GROUP, strlen(SPO_GROUP)) != 0)
		return json_err(root, e, "\"apiVersion\" is none of " SPO_GROUP);
	if (!json_child(root, "spec", at))
		return json_err(root, e, "\"spec\" is missing");
	if (json_is_object(at, e))
		return -e->num;
	if (json_child(root, "metadata", &meta) && json_object_is_type(meta.v, json_type_object) &&
	    json_child(&meta, "name", &name)) {
		if (json_str(&name, &word, e))
			return -e->num;
		snprintf(d->name, sizeof d->name, "%s", word);
	}
	if (json_object_deep_copy(at->v, &d->body, NULL))
		return err_set(e, ENOMEM, "read a profile");
	if (clean_spec(at, d->body, w, e))
		return -e->num;
	at->v = d->body;
	return 0;
}

/* Finds the object that profile.h reads; *at: how one gets there. */
static int find_body(const struct json_at *root, struct json_at *linux_at, struct json_at *at,
		     struct form_doc *d, const struct warn *w, struct err *e)
{
	struct json_at kind;
	const char *word;

	*at = *root;
	if (json_is_object(root, e))
		return -e->num;
	if (json_child(root, "kind", &kind)) {
		if (json_str(&kind, &word, e))
			return -e->num;
		if (strcmp(word, "SeccompProfile") != 0)
			return json_err(&kind, e, "is no SeccompProfile");
		return take_spo(root, d, at, w, e);
	}
	if (json_child(root, "ociVersion", &kind)) {
		if (!json_child(root, "linux", linux_at) ||
		    !json_object_is_type(linux_at->v, json_type_object) ||
		    !json_child(linux_at, "seccomp", at))
			return json_err(root, e, "has no \"linux.seccomp\"");
	}
	d->body = json_object_get(at->v);
	return 0;
}

static int read_document(const char *file, struct form_doc *d, const struct warn *w, struct err *e)
{
	struct json_at root = { .file = file, .v = d->root }, linux_at, at;
	int r = find_body(&root, &linux_at, &at, d, w, e);

	if (!r)
		r = profile_parse(&at, &d->profile, w, e);
	if (!r)
		recognise(d);
	return r;
}

static bool looks_like_json(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && strchr(" \t\r\n", text[i]) && text[i])
		i++;
	return i == len || text[i] == '{' || text[i] == '[';
}

int form_parse(const char *file, const char *text, size_t len, struct form_doc *out,
	       const struct warn *w, struct err *e)
{
	struct form_doc d = { 0 };
	int r;

	if (looks_like_json(text, len))
		r = json_parse(file, text, len, &d.root, e);
	else
		r = yaml_parse(file, text, len, &d.root, e);
	if (!r)
		r = read_document(file, &d, w, e);
	if (r)
		form_fini(&d);
	else
		*out = d;
	return r;
}

static int read_stdin(char **text, size_t *len, struct err *e)
{
	auto_free char *buf = malloc(JSON_MAX_SIZE + 2);
	size_t used = 0;
	ssize_t n;

	if (!buf)
		return err_set(e, ENOMEM, "read standard input");
	while ((n = read(STDIN_FILENO, buf + used, JSON_MAX_SIZE + 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		return err_set(e, errno, "read standard input");
	if (used > JSON_MAX_SIZE)
		return err_set(e, E2BIG, "standard input: more than %d bytes", JSON_MAX_SIZE);
	buf[used] = 0;
	*len = used;
	*text = take_ptr(buf);
	return 0;
}

int form_read(const char *path, struct form_doc *out, const struct warn *w, struct err *e)
{
	auto_free char *text = NULL;
	size_t len = 0;
	int r = strcmp(path, "-") ? json_slurp_path(path, &text, &len, e)
				  : read_stdin(&text, &len, e);

	return r ? r : form_parse(path, text, len, out, w, e);
}

void form_fini(struct form_doc *d)
{
	profile_free(d->profile);
	json_object_put(d->body);
	json_object_put(d->root);
	memset(d, 0, sizeof *d);
}

/* --- writing rules --- */

struct writer {
	enum form to;
	const struct warn *loss;
	bool ok; /* memory */
	struct err *e;
};

static bool holds(const struct writer *w, unsigned what)
{
	return can[w->to] & what;
}

static void add(struct writer *w, struct json_object *to, const char *key, struct json_object *v)
{
	w->ok &= json_add(to, key, v);
}

static void append(struct writer *w, struct json_object *list, struct json_object *v)
{
	if (v && !json_object_array_add(list, v))
		return;
	json_object_put(v);
	w->ok = false;
}

static struct json_object *text(const char *s)
{
	return json_object_new_string(s);
}

static void put_effect(struct writer *w, struct json_object *to, struct effect f, bool is_default)
{
	const char *key = is_default ? "defaultErrnoRet" : "errnoRet";
	bool has_data = f.act == ACT_ERRNO || f.act == ACT_TRACE;
	unsigned needs = is_default ? CAN_DEFAULT_ERRNO : f.errnum ? 0 : CAN_ERRNO_0;

	add(w, to, is_default ? "defaultAction" : "action", text(names_action_scmp(f.act)));
	if (!has_data || (is_default && f.errnum == EPERM && !holds(w, needs)))
		return;
	if ((can[w->to] & needs) == needs)
		add(w, to, key, json_object_new_int(f.errnum));
	else
		warn_say(w->loss, "%s: cannot be held: %s gives EPERM where it was %s (%d)", key,
			 form_word(w->to),
			 names_errno_name(f.errnum) ? names_errno_name(f.errnum) : "no error",
			 f.errnum);
}

static struct json_object *args_of(struct writer *w, const struct conds *conds)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < conds->n; i++) {
		const struct cond *c = &conds->c[i];
		struct json_object *arg = json_object_new_object();

		add(w, arg, "index", json_object_new_int(c->index));
		add(w, arg, "value", json_object_new_uint64(c->value));
		if (c->op == OP_MASKED_EQ)
			add(w, arg, "valueTwo", json_object_new_uint64(c->value2));
		add(w, arg, "op", text(names_op_scmp(c->op)));
		append(w, list, arg);
	}
	return list;
}

static bool fits(const struct writer *w, const struct conds *conds)
{
	for (int i = 0; i < conds->n && !holds(w, CAN_64_BITS); i++)
		if (conds->c[i].value > INT64_MAX ||
		    (conds->c[i].op == OP_MASKED_EQ && conds->c[i].value2 > INT64_MAX))
			return false;
	return true;
}

/* A rule that the form cannot hold may be left out if the default is stricter. */
static int leave_out(const struct writer *w, const struct rule *r, struct effect fallthrough)
{
	if (fallthrough.act < r->effect.act)
		return err_set(
			w->e, EINVAL,
			"syscalls[%d] (%s): %s cannot hold a value above 2^63-1, and without "
			"the rule more would be allowed",
			r->entry, r->name, form_word(w->to));
	warn_say(w->loss,
		 "syscalls[%d] (%s): a rule is left out: %s cannot hold a value above 2^63-1; less "
		 "is allowed",
		 r->entry, r->name, form_word(w->to));
	return 0;
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The names of the entry that begins at rule `first`; *n_rules: how many rules each has. */
static struct json_object *names_of(struct writer *w, const struct ruleset *r, int first, int end,
				    int *n_rules)
{
	auto_free const char **list = calloc((size_t)(end - first) + 1, sizeof *list);
	struct json_object *names = json_object_new_array();
	size_t n = 0;

	*n_rules = 0;
	for (int i = first; list && i < end; i++) {
		*n_rules += r->rules[i].name == r->rules[first].name;
		if (i == first || r->rules[i].name != r->rules[i - 1].name)
			list[n++] = r->rules[i].name;
	}
	if (!list)
		w->ok = false;
	else
		qsort(list, n, sizeof *list, by_text);
	for (size_t i = 0; list && i < n; i++)
		if (!i || strcmp(list[i - 1], list[i]) != 0)
			append(w, names, text(list[i]));
	return names;
}

static int put_entry(struct writer *w, const struct ruleset *r, int first, int end,
		     struct json_object *list)
{
	struct json_object *names;
	int n, rc = 0;

	names = names_of(w, r, first, end, &n);
	for (int i = first; !rc && i < first + n; i++) {
		struct json_object *entry;

		if (!fits(w, &r->rules[i].conds)) {
			rc = leave_out(w, &r->rules[i], r->fallthrough);
			continue;
		}
		entry = json_object_new_object();
		add(w, entry, "names", json_object_get(names));
		put_effect(w, entry, r->rules[i].effect, false);
		if (r->rules[i].conds.n)
			add(w, entry, "args", args_of(w, &r->rules[i].conds));
		append(w, list, entry);
	}
	json_object_put(names);
	return rc;
}

static struct json_object *arches_of(struct writer *w, const struct ruleset *r)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < r->n_arches; i++)
		append(w, list, text(names_arch_scmp(r->arches[i])));
	return list;
}

static struct json_object *flags_of(struct writer *w, unsigned flags)
{
	static const struct {
		unsigned flag;
		const char *name;
	} rows[] = {
		{ SECCOMP_FILTER_FLAG_LOG, "SECCOMP_FILTER_FLAG_LOG" },
		{ SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SECCOMP_FILTER_FLAG_SPEC_ALLOW" },
		{ SECCOMP_FILTER_FLAG_TSYNC, "SECCOMP_FILTER_FLAG_TSYNC" },
		{ SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" },
	};
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (flags & rows[i].flag)
			append(w, list, text(rows[i].name));
	return list;
}

static void put_facts(struct writer *w, struct json_object *to, const struct profile_facts *f)
{
	if (f->has_flags)
		add(w, to, "flags", flags_of(w, f->flags));
	if (f->listener_path)
		add(w, to, "listenerPath", text(f->listener_path));
	if (f->listener_metadata && *f->listener_metadata)
		add(w, to, "listenerMetadata", text(f->listener_metadata));
}

/* The object in a SeccompProfile. */
static struct json_object *wrap(struct writer *w, struct json_object *spec, const char *name)
{
	struct json_object *root = json_object_new_object(), *meta = json_object_new_object();

	add(w, root, "apiVersion", text(SPO_VERSION));
	add(w, root, "kind", text("SeccompProfile"));
	add(w, meta, "name", text(name && *name ? name : "profile"));
	add(w, root, "metadata", meta);
	add(w, root, "spec", spec);
	return root;
}

int form_of_rules(enum form to, const struct ruleset *r, const struct form_facts *f,
		  struct json_object **out, const struct warn *loss, struct err *e)
{
	struct writer w = { .to = to, .loss = loss, .ok = true, .e = e };
	struct json_object *body = json_object_new_object(), *list = json_object_new_array();
	int rc = 0;

	put_effect(&w, body, r->fallthrough, true);
	if (r->n_arches)
		add(&w, body, "architectures", arches_of(&w, r));
	put_facts(&w, body, &f->facts);
	for (int i = 0, end; !rc && i < r->n_rules; i = end) {
		for (end = i; end < r->n_rules && r->rules[end].entry == r->rules[i].entry; end++)
			;
		rc = put_entry(&w, r, i, end, list);
	}
	add(&w, body, "syscalls", list);
	if (!rc && to == FORM_SPO)
		body = wrap(&w, body, f->name);
	if (!rc && !w.ok)
		rc = err_set(e, ENOMEM, "write a profile");
	if (rc)
		json_object_put(body);
	else
		*out = body;
	return rc;
}

/* --- documents with conditions --- */

/* "includes" or "excludes" with a minKernel, decided for the host: keeps the entry? */
static bool decide_kernel(struct json_object *entry, const char *key, const struct host *h,
			  bool *had)
{
	struct json_object *when = NULL, *min = NULL;
	unsigned major, minor;
	bool reached;

	if (!json_object_object_get_ex(entry, key, &when) ||
	    !json_object_object_get_ex(when, "minKernel", &min) ||
	    sscanf(json_object_get_string(min), "%u.%u", &major, &minor) != 2)
		return true;
	*had = true;
	json_object_object_del(when, "minKernel");
	if (!json_object_object_length(when))
		json_object_object_del(entry, key);
	reached = h->kernel_major > major || (h->kernel_major == major && h->kernel_minor >= minor);
	return !strcmp(key, "includes") ? reached : !reached;
}

/* Podman's words become numbers: they mean the same everywhere. */
static void number_words(struct writer *w, struct json_object *o, const char *key,
			 const char *number_key)
{
	struct json_object *v = NULL;
	int num = json_object_object_get_ex(o, key, &v) && v
			  ? names_errno(json_object_get_string(v))
			  : -1;

	json_object_object_del(o, key);
	if (num >= 0)
		add(w, o, number_key, json_object_new_int(num));
}

static void convert_entry(struct writer *w, struct json_object *entry, const struct host *h,
			  int index, struct json_object *list)
{
	bool had = false, keeps = true;

	if (!holds(w, CAN_KERNEL)) {
		keeps = decide_kernel(entry, "includes", h, &had);
		keeps &= decide_kernel(entry, "excludes", h, &had);
	}
	if (had)
		warn_say(w->loss,
			 "syscalls[%d]: minKernel: %s ignores it; decided for Linux %u.%u: %s",
			 index, form_word(w->to), h->kernel_major, h->kernel_minor,
			 keeps ? "kept" : "left out");
	if (!keeps)
		return;
	if (!holds(w, CAN_WORDS))
		number_words(w, entry, "errno", "errnoRet");
	append(w, list, json_object_get(entry));
}

static int rewrite(const struct form_doc *from, enum form to, const struct host *h,
		   struct json_object **out, const struct warn *loss, struct err *e)
{
	struct writer w = { .to = to, .loss = loss, .ok = true, .e = e };
	struct json_object *body = NULL, *list, *old = NULL;

	if (json_object_deep_copy(from->body, &body, NULL))
		return err_set(e, ENOMEM, "convert a profile");
	json_object_object_del(body, "warder");
	if (!holds(&w, CAN_WORDS))
		number_words(&w, body, "defaultErrno", "defaultErrnoRet");
	list = json_object_new_array();
	if (json_object_object_get_ex(body, "syscalls", &old))
		for (size_t i = 0; i < json_object_array_length(old); i++)
			convert_entry(&w, json_object_array_get_idx(old, i), h, (int)i, list);
	add(&w, body, "syscalls", list);
	if (!w.ok) {
		json_object_put(body);
		return err_set(e, ENOMEM, "convert a profile");
	}
	*out = body;
	return 0;
}

static void say_resolved(const struct form_doc *from, enum form to, const struct host *h,
			 const struct warn *loss)
{
	if (from->has_conditions)
		warn_say(loss,
			 "archMap, includes, excludes: cannot be held by %s: decided for %s, Linux "
			 "%u.%u and capabilities 0x%llx",
			 form_word(to), names_arch_docker_name(h->arch), h->kernel_major,
			 h->kernel_minor, (unsigned long long)h->caps);
	if (entry_with(from->body, "comment") >= 0)
		warn_say(loss, "comment: cannot be held by %s: left out", form_word(to));
}

int form_convert(const struct form_doc *from, enum form to, const struct host *h, const char *name,
		 struct json_object **out, const struct warn *loss, struct err *e)
{
	struct form_facts facts = { .name = name ? name : from->name };
	struct ruleset r;
	int rc;

	if (from->has_warder)
		warn_say(loss, "warder: is Warder's own: left out");
	if (can[to] & CAN_CONDITIONS && can[from->form] & CAN_CONDITIONS)
		return rewrite(from, to, h, out, loss, e);
	profile_facts(from->profile, &facts.facts);
	rc = profile_resolve(from->profile, h, &r, e);
	if (rc)
		return rc;
	say_resolved(from, to, h, loss);
	rc = form_of_rules(to, &r, &facts, out, loss, e);
	ruleset_fini(&r);
	return rc;
}

int form_write(enum form f, struct json_object *v, FILE *to, struct err *e)
{
	if (f == FORM_SPO)
		return yaml_write(v, to, e);
	if (fprintf(to, "%s\n",
		    json_object_to_json_string_ext(v, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_PRETTY_TAB |
							      JSON_C_TO_STRING_NOSLASHESCAPE)) < 0)
		return err_set(e, errno, "write a profile");
	return 0;
}

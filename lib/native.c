/* SPDX-License-Identifier: Apache-2.0 */
/* native.c - see native.h. */
#include "warder/native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "warder/names.h"
#include "warder/own.h"

#define NUMBERS     1024       /* greater than every call's that libseccomp knows */
#define NO_SUCH_NR  0x2fffffff /* without NAMES_X32_BIT */
#define NATIVE_ABIS 3

/* runc writes to its parent between loading the filter and the hand-over, and refuses for that. */
static const char *const refuses_write[] = { "write", NULL };
static const char *const refuses_none[] = { NULL };

/* The first is the strictest. */
static const struct native_runtime runtimes[] = {
	{ "runc", false, refuses_write },
	{ "youki", false, refuses_write },
	{ "crun", true, refuses_none },
};

static const struct native_runtime *find_runtime(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(runtimes); i++)
		if (!strcmp(runtimes[i].name, name))
			return &runtimes[i];
	return NULL;
}

const struct native_runtime *native_runtime(const char *name)
{
	const struct native_runtime *found = find_runtime(name);

	return found ? found : &runtimes[0];
}

bool native_runtime_known(const char *name)
{
	return find_runtime(name) != NULL;
}

static const char *string_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

static bool is_action(struct json_object *entry, const char *key, enum act act)
{
	const char *word = string_of(entry, key);

	return word && names_action(word) == (int)act;
}

/* A member that must be an array; one of no elements where it is absent. */
static size_t count(struct json_object *o, const char *key, struct json_object **array)
{
	if (!json_object_object_get_ex(o, key, array) ||
	    !json_object_is_type(*array, json_type_array))
		return 0;
	return json_object_array_length(*array);
}

bool native_has_listener(struct json_object *profile, const char **path)
{
	struct json_object *rules = NULL;
	const char *listener = string_of(profile, "listenerPath");
	bool found = is_action(profile, "defaultAction", ACT_NOTIFY);
	size_t n = count(profile, "syscalls", &rules);

	for (size_t i = 0; i < n && !found; i++)
		found = is_action(json_object_array_get_idx(rules, i), "action", ACT_NOTIFY);
	if (listener && !*listener)
		listener = NULL;
	if (path)
		*path = listener;
	return found || listener;
}

static bool names_call(struct json_object *entry, const char *name)
{
	struct json_object *names = NULL;
	size_t n = count(entry, "names", &names);

	for (size_t i = 0; i < n; i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(names, i));

		if (word && !strcmp(word, name))
			return true;
	}
	return false;
}

static bool has_args(struct json_object *entry)
{
	struct json_object *args = NULL;

	return count(entry, "args", &args) > 0;
}

static bool asks(struct json_object *profile, const char *name)
{
	struct json_object *rules = NULL;
	size_t n = count(profile, "syscalls", &rules);
	bool by_default = is_action(profile, "defaultAction", ACT_NOTIFY);

	for (size_t i = 0; i < n; i++) {
		struct json_object *entry = json_object_array_get_idx(rules, i);

		if (!names_call(entry, name))
			continue;
		if (!is_action(entry, "action", ACT_NOTIFY))
			return false;
		by_default |= !has_args(entry);
	}
	return by_default;
}

bool native_asks_exec(struct json_object *profile)
{
	for (const char *const *name = names_always_notified; *name; name++)
		if (!asks(profile, *name))
			return false;
	return true;
}

/* What the gate does with each name: a member per name, the SECCOMP_RET_* of it. */
struct reading {
	const struct bpf_prog *gate;
	enum arch arches[NATIVE_ABIS]; /* that the policy lists */
	size_t n_arches;
	struct json_object *calls;
};

static uint32_t run_gate(const struct bpf_prog *gate, enum arch a, uint32_t nr)
{
	const struct seccomp_data call = { .arch = names_arch_audit(a), .nr = (int)nr };
	bool saw_args = false;
	uint32_t ret = bpf_run(gate, &call, &saw_args);

	return saw_args ? SECCOMP_RET_USER_NOTIF : ret;
}

/* Of an ABI that the policy does not list the gate asks about everything, these included. */
static bool is_listed(const struct bpf_prog *gate, enum arch a)
{
	int nr = names_syscall(a, names_never_notified[0]);

	return nr >= 0 && run_gate(gate, a, (uint32_t)nr) == SECCOMP_RET_ALLOW;
}

static void list_arches(struct reading *r)
{
	static const enum arch x86[] = { ARCH_X86_64, ARCH_X86, ARCH_X32 };
	static const enum arch arm[] = { ARCH_AARCH64, ARCH_ARM };
	const enum arch native = names_native_arch(), *abis = &native;
	size_t n = 1;

	if (native == ARCH_X86_64) {
		abis = x86;
		n = ARRAY_LEN(x86);
	} else if (native == ARCH_AARCH64) {
		abis = arm;
		n = ARRAY_LEN(arm);
	}
	for (size_t i = 0; i < n; i++)
		if (is_listed(r->gate, abis[i]))
			r->arches[r->n_arches++] = abis[i];
}

static bool read_arch(struct reading *r, enum arch a)
{
	uint32_t bit = a == ARCH_X32 ? NAMES_X32_BIT : 0;

	for (uint32_t nr = 0; nr < NUMBERS; nr++) {
		const char *name = names_syscall_name(a, (int)(nr | bit));
		struct json_object *before;
		uint32_t ret;

		if (!name)
			continue;
		ret = run_gate(r->gate, a, nr | bit);
		if (json_object_object_get_ex(r->calls, name, &before) &&
		    json_object_get_int64(before) != (int64_t)ret)
			ret = SECCOMP_RET_USER_NOTIF;
		if (!json_add(r->calls, name, json_object_new_int64(ret)))
			return false;
	}
	return true;
}

static bool read_gate(struct reading *r)
{
	r->calls = json_object_new_object();
	if (!r->calls)
		return false;
	list_arches(r);
	for (size_t i = 0; i < r->n_arches; i++)
		if (!read_arch(r, r->arches[i]))
			return false;
	return true;
}

static bool append(struct json_object *array, struct json_object *v)
{
	if (v && !json_object_array_add(array, v))
		return true;
	json_object_put(v);
	return false;
}

/* Calls that the runtime refuses to ask about are let through, and told. */
static bool leave_out(struct reading *r, const struct native_runtime *rt, struct json_object *left)
{
	for (const char *const *name = rt->refuses; *name; name++) {
		struct json_object *ret;

		if (!json_object_object_get_ex(r->calls, *name, &ret) ||
		    json_object_get_int64(ret) != SECCOMP_RET_USER_NOTIF)
			continue;
		if (!append(left, json_object_new_string(*name)) ||
		    !json_add(r->calls, *name, json_object_new_int64(SECCOMP_RET_ALLOW)))
			return false;
	}
	return true;
}

/* "action" (under its key) and, for those that take one, the errno. */
static bool put_action(struct json_object *to, const char *key, const char *errno_key, uint32_t ret)
{
	int act = names_action_of_ret(ret);

	json_object_object_del(to, errno_key);
	if (!json_add(to, key, json_object_new_string(names_action_scmp((enum act)act))))
		return false;
	return (act != ACT_ERRNO && act != ACT_TRACE) ||
	       json_add(to, errno_key, json_object_new_int((int)(ret & SECCOMP_RET_DATA)));
}

static struct json_object *new_entry(uint32_t ret)
{
	struct json_object *entry = json_object_new_object();

	if (entry && json_add(entry, "names", json_object_new_array()) &&
	    put_action(entry, "action", "errnoRet", ret))
		return entry;
	json_object_put(entry);
	return NULL;
}

static bool is_action_word(struct json_object *entry, const char *word)
{
	const char *action = string_of(entry, "action");

	return action && !strcmp(action, word);
}

/* Adds a name to the entry of its action behind the first `before` entries. */
static bool put_name(struct json_object *rules, size_t before, const char *name, uint32_t ret)
{
	struct json_object *entry = NULL, *names;
	const char *word = names_action_scmp((enum act)names_action_of_ret(ret));

	for (size_t i = before; i < json_object_array_length(rules) && !entry; i++) {
		struct json_object *at = json_object_array_get_idx(rules, i), *num;
		int number = json_object_object_get_ex(at, "errnoRet", &num)
				     ? json_object_get_int(num)
				     : 0;

		if (!has_args(at) && is_action_word(at, word) &&
		    number == (int)(ret & SECCOMP_RET_DATA))
			entry = at;
	}
	if (!entry) {
		entry = new_entry(ret);
		if (!append(rules, entry))
			return false;
	}
	json_object_object_get_ex(entry, "names", &names);
	return append(names, json_object_new_string(name));
}

static bool put_arches(const struct reading *r, struct json_object *to)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < r->n_arches; i++)
		if (!append(list, json_object_new_string(names_arch_scmp(r->arches[i])))) {
			json_object_put(list);
			list = NULL;
		}
	return json_add(to, "architectures", list);
}

/* What calls get that libseccomp does not know. */
static uint32_t default_of(const struct reading *r, const struct native_runtime *rt)
{
	uint32_t ret = run_gate(r->gate, names_native_arch(), NO_SUCH_NR);

	return ret == SECCOMP_RET_USER_NOTIF && !rt->asks_by_default ? SECCOMP_RET_ERRNO | ENOSYS
								     : ret;
}

static bool put_gate(const struct reading *r, const struct native_runtime *rt,
		     struct json_object *to)
{
	uint32_t fallthrough = default_of(r, rt);
	struct json_object *rules = json_object_new_array();

	if (!put_action(to, "defaultAction", "defaultErrnoRet", fallthrough) ||
	    !put_arches(r, to) || !json_add(to, "syscalls", rules))
		return false;
	json_object_object_foreach(r->calls, name, value)
	{
		uint32_t ret = (uint32_t)json_object_get_int64(value);

		if (ret != fallthrough && !put_name(rules, 0, name, ret))
			return false;
	}
	return true;
}

static bool lets_through(struct json_object *entry, const char *key)
{
	return is_action(entry, key, ACT_ALLOW) || is_action(entry, key, ACT_LOG);
}

/* The gate's word on a name of the bundle's; what libseccomp does not know has no effect anyway. */
static uint32_t word_on(const struct reading *r, const char *name)
{
	struct json_object *ret;

	return json_object_object_get_ex(r->calls, name, &ret)
		       ? (uint32_t)json_object_get_int64(ret)
		       : SECCOMP_RET_ALLOW;
}

/* A copy of an entry of the bundle's for one of its names, with the gate's action. */
static bool put_copy(struct json_object *rules, struct json_object *entry, const char *name,
		     uint32_t ret)
{
	struct json_object *copy = NULL, *names = json_object_new_array();

	if (json_object_deep_copy(entry, &copy, NULL) || !json_add(copy, "names", names) ||
	    !append(names, json_object_new_string(name)) ||
	    !put_action(copy, "action", "errnoRet", ret)) {
		json_object_put(copy);
		return false;
	}
	return append(rules, copy);
}

/* One entry that lets calls through: the names that the gate lets through stay in it. */
static bool split_entry(const struct reading *r, struct json_object *entry,
			struct json_object *rules)
{
	struct json_object *names = NULL, *kept = json_object_new_array();
	size_t n = count(entry, "names", &names);
	bool ok = kept != NULL;

	for (size_t i = 0; ok && i < n; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));
		uint32_t ret = word_on(r, name ? name : "");

		if (ret == SECCOMP_RET_ALLOW)
			ok = append(kept, json_object_new_string(name ? name : ""));
		else if (has_args(entry))
			ok = put_copy(rules, entry, name, ret);
		else
			ok = put_name(rules, 0, name, ret);
	}
	if (!ok || !json_object_array_length(kept)) {
		json_object_put(kept);
		return ok;
	}
	return json_add(entry, "names", kept) && append(rules, json_object_get(entry));
}

/* Does the bundle's profile deny a call by itself, always or for some arguments? */
static void find_denial(struct json_object *rules, const char *name, bool *always, bool *some)
{
	for (size_t i = 0; i < json_object_array_length(rules); i++) {
		struct json_object *entry = json_object_array_get_idx(rules, i);

		if (!names_call(entry, name) || lets_through(entry, "action") ||
		    is_action(entry, "action", ACT_NOTIFY))
			continue;
		*always |= !has_args(entry);
		*some |= has_args(entry);
	}
}

/* A profile that lets through what it does not name: the gate's calls are added. The kernel cannot
 * both deny a call for some arguments and ask about the others here. */
static bool add_unnamed(const struct reading *r, struct json_object *own, struct json_object *rules,
			struct json_object *left)
{
	size_t before = json_object_array_length(rules);

	json_object_object_foreach(r->calls, name, value)
	{
		uint32_t ret = (uint32_t)json_object_get_int64(value);
		bool always = false, some = false;

		if (ret == SECCOMP_RET_ALLOW)
			continue;
		find_denial(own, name, &always, &some);
		if (some ? !append(left, json_object_new_string(name))
			 : !always && !put_name(rules, before, name, ret))
			return false;
	}
	return true;
}

/* The bundle's architectures, less those that the policy does not list. */
static bool keep_arches(const struct reading *r, struct json_object *to)
{
	struct json_object *own = NULL, *kept = json_object_new_array();
	size_t n = count(to, "architectures", &own);
	bool ok = kept != NULL;

	for (size_t i = 0; ok && i < n; i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(own, i));
		enum arch a = names_arch(word ? word : "");
		bool listed = false;

		for (size_t k = 0; k < r->n_arches; k++)
			listed |= r->arches[k] == a;
		ok = !listed || append(kept, json_object_new_string(word));
	}
	if (ok && n)
		return json_add(to, "architectures", kept);
	json_object_put(kept);
	return ok;
}

static bool put_own(const struct reading *r, struct json_object *to, struct json_object *left)
{
	struct json_object *own = NULL, *rules = json_object_new_array();
	size_t n = count(to, "syscalls", &own);
	bool ok = rules != NULL;

	json_object_get(own);
	for (size_t i = 0; ok && i < n; i++) {
		struct json_object *entry = json_object_array_get_idx(own, i);

		ok = lets_through(entry, "action") ? split_entry(r, entry, rules)
						   : append(rules, json_object_get(entry));
	}
	if (ok && lets_through(to, "defaultAction"))
		ok = add_unnamed(r, rules, rules, left);
	json_object_put(own);
	return json_add(to, "syscalls", rules) && ok && keep_arches(r, to);
}

static int check_own(struct json_object *own, struct err *e)
{
	struct json_at at = { .file = "linux.seccomp", .v = own }, rules;
	int n, r = json_is_object(&at, e);

	if (r || !json_child(&at, "syscalls", &rules))
		return r;
	r = json_array(&rules, &n, e);
	for (int i = 0; !r && i < n; i++) {
		struct json_at item = json_item(&rules, i);

		r = json_is_object(&item, e);
	}
	return r;
}

static bool build(struct reading *r, const struct native_opts *o, struct json_object **to,
		  struct json_object *left)
{
	bool ok;

	if (!o->own)
		*to = json_object_new_object();
	else if (json_object_deep_copy(o->own, to, NULL))
		*to = NULL;
	ok = *to && left && read_gate(r) && leave_out(r, o->runtime, left) &&
	     (o->own ? put_own(r, *to, left) : put_gate(r, o->runtime, *to)) &&
	     json_add(*to, "listenerPath", json_object_new_string(o->socket)) &&
	     json_add(*to, "listenerMetadata", json_object_new_string(o->metadata));
	json_object_put(r->calls);
	return ok;
}

int native_profile(const struct bpf_prog *gate, const struct native_opts *o,
		   struct json_object **out, struct json_object **left, struct err *e)
{
	struct reading r = { .gate = gate };
	struct json_object *to = NULL, *names = json_object_new_array();
	int rc = o->own ? check_own(o->own, e) : 0;

	if (!rc && !build(&r, o, &to, names))
		rc = err_set(e, ENOMEM, "write linux.seccomp");
	if (rc) {
		json_object_put(to);
		json_object_put(names);
		return rc;
	}
	*out = to;
	*left = names;
	return 0;
}

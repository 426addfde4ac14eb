/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - see policy.h. */
#include "warder/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "warder/own.h"

#define DEFAULT_AFTER_NS 5000000000ULL

struct owned { /* what a policy rests on; the policy itself is the first member */
	struct policy policy;
	struct json_object *doc;
	struct profile *profile;
	struct policy_rule *rules;
	const char **record_skip;
};

const char *const policy_record_skip[] = {
	"getpid",      "gettid",    "getppid",      "getuid",    "geteuid",       "getgid",
	"getegid",     "getresuid", "getresgid",    "getgroups", "getpgid",       "getpgrp",
	"getsid",      "time",      "gettimeofday", "getcpu",    "clock_gettime", "clock_getres",
	"sched_yield", "umask",     "uname",        "times",     "getrusage",     NULL,
};

static const char *const modes[MODE_COUNT] = { "audit", "enforce", "record" };

int mode_parse(const char *word)
{
	for (int i = 0; i < MODE_COUNT; i++)
		if (!strcmp(modes[i], word))
			return i;
	return -1;
}

const char *mode_word(enum mode m)
{
	return m < MODE_COUNT ? modes[m] : "unknown";
}

static bool is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (!first && (c == '.' || c == '_' || c == '-'));
}

bool policy_name_ok(const char *name)
{
	size_t i = 0;

	for (; name[i]; i++)
		if (i >= POLICY_NAME_MAX - 1 || !is_name_char(name[i], i == 0))
			return false;
	return i > 0;
}

static const struct policy_effect_note notes[] = {
	{ ACT_KILL_THREAD,
	  "the whole process is killed with SIGKILL, not the one thread with SIGSYS",
	  "the call is let through" },
	{ ACT_KILL_PROCESS, "the process is killed with SIGKILL (status 9), not SIGSYS (31)",
	  "the call is let through" },
	{ ACT_LOG, "the event is Warder's; the kernel's own log has no record",
	  "the event is Warder's; the kernel's own log has no record" },
	{ ACT_NOTIFY,
	  "no other supervisor is asked: the call is let through with an event; a rule "
	  "of \"warder\" decides otherwise",
	  "the call is let through" },
	{ ACT_TRAP, "stays in the kernel: SIGSYS to the caller, no event",
	  "stays in the kernel and blocks: there is no audit for it" },
	{ ACT_TRACE, "stays in the kernel: ENOSYS unless a tracer is there, no event",
	  "stays in the kernel and blocks: there is no audit for it" },
};

const struct policy_effect_note *policy_effect_note(enum act a)
{
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		if (notes[i].act == a)
			return &notes[i];
	return NULL;
}

/* The place of a rule, for "previous definition here". */
static int err_previous(const struct json_at *at, const struct json_at *rules, int previous,
			struct err *e, const char *what)
{
	struct json_at there = json_item(rules, previous);
	char path[256];

	return json_err(at, e, "%s; previous definition here: %s", what,
			json_path(&there, path, sizeof path));
}

static bool in_list(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

static int parse_rule_args(const struct json_at *at, struct policy_rule *rule, const struct warn *w,
			   struct err *e)
{
	static const char *const keys[] = { "index", "value", "valueTwo", "op", NULL };
	int len, r = json_array(at, &len, e);

	if (!r && len > PROFILE_MAX_ARGS)
		r = json_err(at, e, "more than %d conditions", PROFILE_MAX_ARGS);
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);
		struct cond *c = &rule->conds.c[rule->conds.n++];

		r = profile_parse_cond(&item, c, e);
		if (!r)
			json_known(&item, keys, w);
	}
	return r;
}

/* What the words of a rule's verdict mean. */
static const struct {
	const char *word;
	enum act act;
} verdicts[] = { { "allow", ACT_ALLOW }, { "deny", ACT_ERRNO }, { "kill", ACT_KILL_PROCESS } };

static int parse_verdict(const struct json_at *at, struct policy_rule *rule, struct err *e)
{
	struct json_at verdict;
	const char *word;

	if (!json_child(at, "verdict", &verdict))
		return json_err(at, e, "\"verdict\" is missing (allow, deny, kill)");
	if (json_str(&verdict, &word, e))
		return -e->num;
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (!strcmp(verdicts[i].word, word)) {
			rule->effect.act = (uint8_t)verdicts[i].act;
			rule->effect.errnum = verdicts[i].act == ACT_ERRNO ? EPERM : 0;
			return 0;
		}
	return json_err(&verdict, e, "unknown verdict \"%s\" (allow, deny, kill)", word);
}

/* The keys that only a denial takes. */
static int parse_denial(const struct json_at *at, struct policy_rule *rule, struct err *e)
{
	bool denies = rule->effect.act == ACT_ERRNO;
	struct json_at key;
	const char *text;
	int num;

	rule->live = true;
	if (json_child(at, "errno", &key)) {
		if (!denies)
			return json_err(&key, e, "only a \"deny\" has an errno");
		if (json_object_is_type(key.v, json_type_int))
			text = json_object_get_string(key.v);
		else if (json_str(&key, &text, e))
			return -e->num;
		num = names_errno(text);
		if (num < 1)
			return json_err(&key, e, "\"%s\" is no errno (a name, or 1 to 4095)", text);
		rule->effect.errnum = (uint16_t)num;
	}
	if (json_child(at, "live", &key)) {
		if (json_flag(&key, &rule->live, e))
			return -e->num;
		if (!rule->live && !denies)
			return json_err(&key, e, "only a \"deny\" can stay in the kernel");
	}
	return 0;
}

static int check_rule_names(const struct json_at *at, const struct policy_rule *rule, struct err *e)
{
	for (int i = 0; i < rule->n_names; i++) {
		const char *name = rule->names[i];

		for (int k = 0; k < i; k++)
			if (!strcmp(rule->names[k], name))
				return json_err(at, e, "\"%s\" is named twice", name);
		if (names_syscall(ARCH_NONE, name) < 0)
			return json_err(at, e, "unknown system call \"%s\"", name);
		if (in_list(names_never_notified, name))
			return json_err(at, e,
					"\"%s\" is never notified: were the supervisor lost, it "
					"would spin or die",
					name);
		if (!rule->live && in_list(names_always_notified, name))
			return json_err(at, e,
					"\"%s\" is always notified: \"live\": false is not "
					"for it",
					name);
	}
	return 0;
}

static int parse_rule(const struct json_at *at, struct policy_rule *rule, const struct warn *w,
		      struct err *e)
{
	static const char *const keys[] = { "names",   "name", "args",    "verdict", "errno",
					    "message", "live", "comment", NULL };
	struct json_at key;

	if (json_is_object(at, e) || profile_parse_names(at, &rule->names, &rule->n_names, e) ||
	    (json_child(at, "args", &key) && parse_rule_args(&key, rule, w, e)) ||
	    parse_verdict(at, rule, e) || parse_denial(at, rule, e) ||
	    check_rule_names(at, rule, e) ||
	    (json_child(at, "message", &key) && json_str(&key, &rule->message, e)))
		return -e->num;
	json_known(at, keys, w);
	return 0;
}

static bool has_cond(const struct conds *in, const struct cond *c)
{
	for (int i = 0; i < in->n; i++)
		if (in->c[i].index == c->index && in->c[i].op == c->op &&
		    in->c[i].value == c->value && in->c[i].value2 == c->value2)
			return true;
	return false;
}

/* A rule all of whose conditions are also the later one's matches whatever that would. */
static bool hides(const struct policy_rule *first, const struct policy_rule *later)
{
	for (int i = 0; i < first->conds.n; i++)
		if (!has_cond(&later->conds, &first->conds.c[i]))
			return false;
	return true;
}

static int check_hidden(const struct json_at *rules, const struct owned *o, struct err *e)
{
	for (int i = 0; i < o->policy.n_rules; i++) {
		struct json_at at = json_item(rules, i);
		const struct policy_rule *later = &o->rules[i];

		for (int k = 0; k < i; k++)
			for (int n = 0; hides(&o->rules[k], later) && n < later->n_names; n++)
				for (int m = 0; m < o->rules[k].n_names; m++)
					if (!strcmp(later->names[n], o->rules[k].names[m]))
						return err_previous(
							&at, rules, k, e,
							"can never match for one of its "
							"calls");
	}
	return 0;
}

#define MAX_RULES 1024

static int parse_rules(const struct json_at *at, struct owned *o, const struct warn *w,
		       struct err *e)
{
	int len, r = json_array(at, &len, e);

	if (r)
		return r;
	if (len > MAX_RULES)
		return json_err(at, e, "more than %d rules", MAX_RULES);
	o->rules = calloc((size_t)len + 1, sizeof *o->rules);
	if (!o->rules)
		return err_set(e, ENOMEM, "read a policy");
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);

		r = parse_rule(&item, &o->rules[o->policy.n_rules++], w, e);
	}
	return r ? r : check_hidden(at, o, e);
}

static int parse_fallback(const struct json_at *at, struct policy *p, const struct warn *w,
			  struct err *e)
{
	static const char *const keys[] = { "after", "verdict", NULL };
	static const char *const words[] = { "profile", "allow", "deny" };
	struct json_at key;
	const char *word;
	int r = json_is_object(at, e);

	if (!r && json_child(at, "after", &key))
		r = json_duration(&key, &p->fallback_after_ns, e);
	if (!r && !p->fallback_after_ns)
		r = json_err(&key, e, "must be more than 0");
	if (r)
		return r;
	json_known(at, keys, w);
	if (!json_child(at, "verdict", &key))
		return 0;
	r = json_str(&key, &word, e);
	if (r)
		return r;
	for (int i = 0; i < (int)ARRAY_LEN(words); i++)
		if (!strcmp(words[i], word)) {
			p->fallback = i;
			return 0;
		}
	return json_err(&key, e, "unknown verdict \"%s\" (profile, allow, deny)", word);
}

static int parse_record_skip(const struct json_at *at, struct owned *o, struct err *e)
{
	int len, r = json_array(at, &len, e);

	if (r)
		return r;
	o->record_skip = calloc((size_t)len + 1, sizeof *o->record_skip);
	if (!o->record_skip)
		return err_set(e, ENOMEM, "read a policy");
	o->policy.record_skip = o->record_skip;
	o->policy.n_record_skip = 0;
	for (int i = 0; i < len; i++) {
		struct json_at item = json_item(at, i);

		if (json_str(&item, &o->record_skip[i], e))
			return -e->num;
		if (names_syscall(ARCH_NONE, o->record_skip[i]) < 0)
			return json_err(&item, e, "unknown system call \"%s\"", o->record_skip[i]);
		if (in_list(names_always_notified, o->record_skip[i]))
			return json_err(&item, e, "\"%s\" is always notified", o->record_skip[i]);
		o->policy.n_record_skip++;
	}
	return 0;
}

static int parse_mode(const struct json_at *at, struct policy *p, struct err *e)
{
	const char *word;
	int mode, r = json_str(at, &word, e);

	if (r)
		return r;
	mode = mode_parse(word);
	if (mode < 0)
		return json_err(at, e, "unknown mode \"%s\" (audit, enforce, record)", word);
	p->mode = (enum mode)mode;
	return 0;
}

static int parse_warder(const struct json_at *at, struct owned *o, const struct warn *w,
			struct err *e)
{
	static const char *const keys[] = { "mode",       "rules",       "fallback",
					    "recordSkip", "description", NULL };
	struct policy *p = &o->policy;
	struct json_at key;

	if (json_is_object(at, e) || (json_child(at, "mode", &key) && parse_mode(&key, p, e)) ||
	    (json_child(at, "rules", &key) && parse_rules(&key, o, w, e)) ||
	    (json_child(at, "fallback", &key) && parse_fallback(&key, p, w, e)) ||
	    (json_child(at, "recordSkip", &key) && parse_record_skip(&key, o, e)) ||
	    (json_child(at, "description", &key) && json_str(&key, &p->description, e)))
		return -e->num;
	if (p->mode == MODE_ENFORCE && p->fallback == FALLBACK_ALLOW)
		json_warn(at, w,
			  "\"fallback\" allow in enforce: crashing the supervisor is then a "
			  "way around the policy; it needs the administrator's yes");
	json_known(at, keys, w);
	return 0;
}

static int build(const char *file, struct owned *o, const struct warn *w, struct err *e)
{
	struct json_at at = { .file = file, .v = o->doc }, warder;
	int r = json_is_object(&at, e);

	if (!r)
		r = profile_parse(&at, &o->profile, w, e);
	if (!r && json_child(&at, "warder", &warder))
		r = parse_warder(&warder, o, w, e);
	o->policy.profile = o->profile;
	o->policy.rules = o->rules;
	return r;
}

/* "web" of "/etc/warder/policies/web.json", as far as it is a name. */
static void base_name(const char *file, char *name)
{
	const char *slash = strrchr(file, '/');
	size_t n;

	snprintf(name, POLICY_NAME_MAX, "%s", slash ? slash + 1 : file);
	n = strlen(name);
	if (n > 5 && !strcmp(name + n - 5, ".json"))
		name[n - 5] = 0;
	err_clean(name);
}

int policy_parse(const char *name, const char *file, const char *text, size_t len,
		 const struct policy **out, const struct warn *w, struct err *e)
{
	struct owned *o = calloc(1, sizeof *o);
	int r;

	if (!o)
		return err_set(e, ENOMEM, "read a policy");
	base_name(name ? name : file, o->policy.name);
	o->policy.fallback_after_ns = DEFAULT_AFTER_NS;
	o->policy.record_skip = policy_record_skip;
	o->policy.n_record_skip = (int)ARRAY_LEN(policy_record_skip) - 1;
	r = json_parse(file, text, len, &o->doc, e);
	if (!r)
		r = build(file, o, w, e);
	if (r) {
		policy_free(&o->policy);
		return r;
	}
	*out = &o->policy;
	return 0;
}

void policy_free(const struct policy *p)
{
	struct owned *o = (struct owned *)(uintptr_t)p;

	if (!o)
		return;
	for (int i = 0; i < o->policy.n_rules; i++)
		free(o->rules[i].names);
	free(o->rules);
	free(o->record_skip);
	profile_free(o->profile);
	json_object_put(o->doc);
	free(o);
}

int policy_load(const char *path, const struct policy **out, const struct warn *w, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = json_slurp_path(path, &text, &len, e);

	return r ? r : policy_parse(NULL, path, text, len, out, w, e);
}

/* Where a descriptor has led, as the kernel says it. */
static bool path_of(int fd, char *buf, size_t size)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size - 1);
	if (n <= 0 || (size_t)n >= size - 1)
		return false;
	buf[n] = 0;
	return true;
}

/* The file may be a symbolic link, but only to a place below the folder: looked at once it is open,
 * so nobody can exchange it. (openat2 would say the same; a seccomp filter cannot read its flags.)
 */
static int open_beneath(const char *dir, const char *name)
{
	auto_fd base = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char folder[PATH_MAX], file[PATH_MAX];
	auto_fd fd = -1;
	size_t n;

	if (base < 0)
		return -errno;
	fd = openat(base, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (!path_of(base, folder, sizeof folder) || !path_of(fd, file, sizeof file))
		return -EXDEV;
	n = strlen(folder);
	if (n == 1) /* "/" */
		n = 0;
	return strncmp(file, folder, n) == 0 && file[n] == '/' ? take_fd(&fd) : -EXDEV;
}

int policy_read_named(const char *dir, const char *name, char **text, size_t *len, struct err *e)
{
	char file[POLICY_NAME_MAX + 8];
	auto_fd fd = -1;

	if (!policy_name_ok(name))
		return err_set(e, EINVAL, "\"%s\" is no policy name (letters, digits, . _ -)",
			       name);
	snprintf(file, sizeof file, "%s.json", name);
	fd = open_beneath(dir, file);
	if (fd < 0)
		return err_set(e, fd, "policy \"%s\": open %s/%s", name, dir, file);
	return json_slurp(fd, file, text, len, e);
}

int policy_load_named(const char *dir, const char *name, const struct policy **out,
		      const struct warn *w, struct err *e)
{
	auto_free char *text = NULL, *file = NULL;
	size_t len;
	int r = policy_read_named(dir, name, &text, &len, e);

	if (r)
		return r;
	if (asprintf(&file, "%s/%s.json", dir, name) < 0)
		return err_set(e, ENOMEM, "read a policy");
	return policy_parse(name, file, text, len, out, w, e);
}

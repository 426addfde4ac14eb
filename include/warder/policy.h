/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h - a profile plus what Warder does with it.
 *
 * A plain Docker, Podman or OCI profile is a valid policy. The optional member "warder" adds:
 *   "mode"        "audit" | "enforce" | "record"; default: audit
 *   "rules"       the first rule that matches a call wins, before the profile. Each has "names",
 *                 "verdict" ("allow" | "deny" | "kill"), and may have "args" (as in the profile),
 *                 "message"; for "deny" alone "errno" (default EPERM) and "live": false (the denial
 *                 stays in the kernel)
 *   "fallback"    "after" (default "5s"), "verdict": "profile" | "allow" | "deny"
 *   "recordSkip"  names left in the kernel while recording; default: policy_record_skip
 *   "description" text
 *
 * It is a compiler: every message has file, JSON path and reason; what contradicts an earlier
 * definition names it ("previous definition here: FILE: warder.rules[0]"); on an error there is no
 * partial result. Rules on pointers do not exist: a verdict that rests on the caller's memory and
 * lets the call go on is no decision (DESIGN section 6). libseccomp is asked for one thing only:
 * whether it knows a name (names_syscall(ARCH_NONE, name)). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "warder/err.h"
#include "warder/profile.h"

enum mode { MODE_AUDIT, MODE_ENFORCE, MODE_RECORD, MODE_COUNT };
/* "audit" ... or -1. */
int mode_parse(const char *word);
const char *mode_word(enum mode m);

#define POLICY_NAME_MAX 64
/* A name of an installed policy: [A-Za-z0-9][A-Za-z0-9._-]*, at most POLICY_NAME_MAX - 1 bytes;
 * never a path. */
bool policy_name_ok(const char *name);

struct policy_rule {
	int n_names;
	const char **names;
	struct conds conds;
	struct effect effect; /* ACT_ALLOW, ACT_ERRNO or ACT_KILL_PROCESS */
	bool live;            /* false: the denial stays in the kernel: no notification, no event */
	const char *message;  /* NULL: none */
};

struct policy {
	char name[POLICY_NAME_MAX]; /* "web", or the file's base name without .json */
	const struct profile *profile;
	enum mode mode;
	int n_rules;
	const struct policy_rule *rules;
	uint64_t fallback_after_ns; /* default 5 s */
	int fallback;               /* enum fallback */
	int n_record_skip;
	const char *const *record_skip;
	const char *description; /* NULL: none */
};
enum fallback { FALLBACK_BY_MODE, FALLBACK_ALLOW, FALLBACK_DENY };

/* Calls that cannot fail with EINTR by themselves (getpid, time, ...); DESIGN section 5.
 * NULL-terminated. */
extern const char *const policy_record_skip[];

/* *out: policy_free(); immutable. */
int policy_parse(const char *name, const char *file, const char *text, size_t len,
		 const struct policy **out, const struct warn *w, struct err *e);
int policy_load(const char *path, const struct policy **out, const struct warn *w, struct err *e);
/* The bytes of the installed policy DIR/NAME.json: *text heap, NUL-terminated. name must be
 * policy_name_ok() (EINVAL otherwise); the file is opened inside DIR only, without following a
 * symbolic link out of it. */
int policy_read_named(const char *dir, const char *name, char **text, size_t *len, struct err *e);
/* DIR/NAME.json; name must be policy_name_ok() (EINVAL otherwise), the file is opened inside DIR
 * only, without following a symbolic link out of it. */
int policy_load_named(const char *dir, const char *name, const struct policy **out,
		      const struct warn *w, struct err *e);
void policy_free(const struct policy *p);

/* Where the effect of an action cannot be the same as in the kernel (DESIGN section 6). One row per
 * such action; `policy check` prints those that a policy uses, the manual lists them, a test holds
 * each. */
struct policy_effect_note {
	enum act act;
	const char *in_enforce; /* what Warder does instead, one sentence */
	const char *in_audit;
};
const struct policy_effect_note *policy_effect_note(enum act a); /* NULL: the same effect */

/* SPDX-License-Identifier: Apache-2.0 */
/* profile.h - seccomp profile documents, both forms.
 *
 * Two stages, each with const input:
 *   profile_parse()    text -> struct profile: the document, every entry with its conditions
 *                      (includes, excludes) still open. Asks libseccomp only whether it
 *                      knows a name.
 *   profile_resolve()  struct profile + where it will run -> struct ruleset: what Docker (moby's
 *                      setupSeccomp) would hand to the runtime: an ordered list of rules, no
 *                      conditions on the host left.
 * A ruleset keeps every rule in document order, one per name of an entry; profile_clauses() gives
 * the ordered clauses of one (architecture, syscall), never one entry per name.
 * Formats: runtime-spec config-linux.md "Seccomp"; moby profiles/seccomp; containers/common
 * pkg/seccomp. Facts: shared/PROFILES.md sections 1.9, 3.1, 3.2. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warder/err.h"
#include "warder/json.h"
#include "warder/names.h"

#define PROFILE_MAX_ARGS  6
#define PROFILE_MAX_RULES 65536 /* of a ruleset */

/* One comparison: arg[index] OP value; MASKED_EQ: (arg & value) == value2. Unsigned, 64 bits. */
struct cond {
	uint8_t index; /* 0..5 */
	uint8_t op;    /* enum op */
	uint64_t value;
	uint64_t value2;
};

struct conds { /* a conjunction; n == 0 is "always" */
	uint8_t n;
	struct cond c[PROFILE_MAX_ARGS];
};

/* What a rule or a default gives. errnum: for ACT_ERRNO the errno, for ACT_TRACE the message. */
struct effect {
	uint8_t act; /* enum act */
	uint16_t errnum;
};

struct profile; /* a parsed document; immutable */

/* Where a profile is resolved. */
struct host {
	enum arch arch;  /* of the machine, native ABI */
	bool caps_known; /* false: tests on capabilities are skipped (podman's rule) */
	uint64_t caps;   /* *bounding* set of the container's process, bit per capability */
	unsigned kernel_major, kernel_minor;
};

/* This machine: architecture, kernel (uname); caps_known false. */
void host_init(struct host *h);

struct rule {             /* one name of one entry, in document order */
	const char *name; /* borrowed from the ruleset */
	struct effect effect;
	/* runc and crun turn an entry with the same index twice into one rule per condition
	 * (PROFILES.md, finding 2). This is already done here: n <= 6 distinct indexes. */
	struct conds conds;
	int entry; /* index in "syscalls" of the document; for messages: "syscalls[3]" */
};

struct ruleset {
	struct effect fallthrough; /* defaultAction, defaultErrnoRet (EPERM if absent) */
	int n_arches;
	enum arch
		arches[ARCH_COUNT]; /* as runc gets them; may be empty: then the native one alone */
	int n_rules;
	struct rule *rules; /* [n_rules] */
	char *pool;         /* the names */
};

/* v: the profile's object (the document's root, or config.json's linux.seccomp). Keys of the other
 * form are understood in both; contradictions are refused: architectures with archMap, name with
 * names, errnoRet on an action that takes none, errno with errnoRet that differ, listenerMetadata
 * without listenerPath, an empty names list, an unknown action, operator, architecture or flag, an
 * index above 5, an errno above 4095. Unknown keys and unknown system call names are warned of.
 * Errors: EINVAL with file and JSON path. *out: profile_free(). */
int profile_parse(const struct json_at *v, struct profile **out, const struct warn *w,
		  struct err *e);
void profile_free(struct profile *p);

/* Facts of the document that are no rules. */
struct profile_facts {
	const char *listener_path;     /* NULL: none */
	const char *listener_metadata; /* NULL: none */
	bool has_notify;               /* some action is SCMP_ACT_NOTIFY */
	unsigned flags;                /* SECCOMP_FILTER_FLAG_* */
	bool has_flags; /* "flags" is present (runc and crun: absent means SPEC_ALLOW) */
	int n_entries;
};
void profile_facts(const struct profile *p, struct profile_facts *out);

/* Errors: E2BIG, ENOMEM. */
int profile_resolve(const struct profile *p, const struct host *h, struct ruleset *out,
		    struct err *e);
void ruleset_fini(struct ruleset *r);

/* Calls fn for each rule that names this call on this architecture, in document order, until fn
 * returns false. */
void profile_clauses(const struct ruleset *r, enum arch a, int nr,
		     bool (*fn)(void *ctx, const struct rule *rule), void *ctx);

/* Do these arguments satisfy all the conditions? */
bool conds_match(const struct conds *c, const uint64_t args[6]);

/* Pieces of the format that policy rules share: one element of "args"; "names" (or "name") of an
 * entry, *names an array on the heap of strings borrowed from the document, also on failure. */
int profile_parse_cond(const struct json_at *at, struct cond *out, struct err *e);
int profile_parse_names(const struct json_at *entry, const char ***names, int *n, struct err *e);

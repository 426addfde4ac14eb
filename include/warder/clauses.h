/* SPDX-License-Identifier: Apache-2.0 */
/* clauses.h - what a profile means for each (ABI, system call), and the algebra of profiles.
 *
 * The meaning is not modelled: it is read out of the program that libseccomp makes of the ruleset
 * (filter.h), as a diagram (diagram.h), so what libseccomp drops, reorders or compares in another
 * way is in it. Union, intersection and differences are of these meanings, exact for every
 * comparison that exists. What cannot be compared is an error ("unknown"), never a guess.
 *
 * A result goes back into rules, one list per name, and those are compiled and compared again: a
 * union is never narrower, an intersection never wider than its inputs say, and where a document
 * cannot hold the result exactly (its rules hold for all architectures alike), the difference is
 * said in words.
 *
 * runc's answer ENOSYS for numbers newer than the profile's newest is left out of the algebra: it
 * is a property of the document as a whole, and denies as the default does. */
#pragma once
#include "warder/diagram.h"
#include "warder/err.h"
#include "warder/filter.h"
#include "warder/profile.h"

#define CLAUSES_NUMBERS 1024 /* of each ABI */

struct clauses; /* one compiled ruleset; remembers what was asked */

#define CLAUSES_CPU 500

struct clauses_opts {
	enum arch host; /* where the ruleset was resolved */
	bool tail;      /* runc's ENOSYS for newer numbers */
	int cpu_ms; /* what libseccomp may take for rules on which it may hang; 0: CLAUSES_CPU */
};

/* r is borrowed and must outlive *out; so must d. Errors: those of filter_meaning();
 * ETIMEDOUT: libseccomp hangs on some rules, as the runtimes then do. */
int clauses_new(struct diagrams *d, const struct ruleset *r, const struct clauses_opts *o,
		struct clauses **out, struct err *e);
void clauses_free(struct clauses *c);

/* The same of n programs that are loaded together, the newest first. They have no document: their
 * ABIs are the host's and those for which they do not kill everything. progs is borrowed. */
int clauses_of_programs(struct diagrams *d, const struct bpf_prog *progs, int n, enum arch host,
			struct clauses **out, struct err *e);

/* The ABIs that it has rules for: the host's, then those of the document. */
int clauses_arches(const struct clauses *c, enum arch out[ARCH_COUNT]);
bool clauses_has_arch(const struct clauses *c, enum arch a);
const struct filter *clauses_filter(const struct clauses *c);
const struct ruleset *clauses_rules(const struct clauses *c);

/* *out: a diagram of diagram_value()s. nr below CLAUSES_NUMBERS (x32: with its bit). */
int clauses_of(struct clauses *c, enum arch a, int nr, uint32_t *out, struct err *e);

/* --- algebra --- */

enum clauses_how {
	CLAUSES_UNION,        /* of all answers the most permissive (enum act) */
	CLAUSES_INTERSECTION, /* the strictest; as if all were loaded, one after the other */
};
diagram_fn clauses_weaker, clauses_stricter; /* of two with one action the left one's errno */

/* in: compiled for one host, without tail. Warned of: what the result allows more (union) or less
 * (intersection) than asked. *out: ruleset_fini(); one entry for all names with equal rules,
 * sorted. Errors: E2BIG, ENOTSUP (unknown), EINVAL (libseccomp), ENOMEM. */
int clauses_join(struct diagrams *d, struct clauses *const *in, int n, enum clauses_how how,
		 struct ruleset *out, const struct warn *loss, struct err *e);

/* --- differences --- */

/* How far two answers are apart, as seen from the first. */
enum clauses_change {
	CHANGE_NONE,    /* the same answer */
	CHANGE_OTHER,   /* another answer, but neither lets more through (EPERM, ENOSYS) */
	CHANGE_LESS,    /* the second lets less through */
	CHANGE_UNKNOWN, /* both ask somebody else (a tracer, a listener), but not the same */
	CHANGE_MORE,    /* the second lets more through */
};
enum clauses_change clauses_change(struct effect from, struct effect to);
diagram_fn clauses_pair; /* both values in one, for regions: */
struct effect clauses_pair_from(uint64_t pair), clauses_pair_to(uint64_t pair);
#define CLAUSES_SAME UINT64_MAX /* the value of a pair that is equal */

struct clauses_difference {
	enum arch arch;
	int nr;
	const char *name;
	uint32_t pair; /* a diagram of clauses_pair() */
};
/* Calls fn for each named call of both documents' ABIs that is answered differently, in order of
 * ABI and number. An ABI that one of them has no rules for is given as one difference with nr -1
 * and without name. */
typedef bool clauses_difference_fn(void *ctx, const struct clauses_difference *x);
int clauses_differences(struct diagrams *d, struct clauses *from, struct clauses *to,
			clauses_difference_fn *fn, void *ctx, struct err *e);

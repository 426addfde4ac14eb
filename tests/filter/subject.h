/* SPDX-License-Identifier: Apache-2.0 */
/* subject.h - what the filter tests work on: one document with all that is built from it. */
#pragma once
#include <stdbool.h>
#include <string.h>

#include "warder/decide.h"
#include "warder/own.h"

#define SUBJECT_X64  0xc000003eU
#define SUBJECT_I386 0x40000003U

/* Docker's default capabilities, and all. */
#define SUBJECT_CAPS     0xa80425fbULL
#define SUBJECT_ALL_CAPS ((1ULL << 41) - 1)

struct subject {
	const struct policy *p;
	struct ruleset r;
	struct filter f;
	struct decide *d;
};

static inline int subject_resolve(struct subject *s, uint64_t caps, bool record, struct err *e)
{
	struct host h = { .arch = ARCH_X86_64,
			  .caps_known = true,
			  .caps = caps,
			  .kernel_major = 6,
			  .kernel_minor = 1 };
	struct filter_opts o = { .notify_all = record };
	int rc = profile_resolve(s->p->profile, &h, &s->r, e);

	if (!rc)
		rc = filter_build(s->p, &s->r, &o, &s->f, e);
	return rc ? rc : decide_new(s->p, &s->r, &s->f, &s->d, e);
}

static inline void subject_fini(struct subject *s)
{
	decide_free(s->d);
	filter_fini(&s->f);
	ruleset_fini(&s->r);
	if (s->p)
		policy_free(s->p);
	memset(s, 0, sizeof *s);
}

static inline int subject_load(struct subject *s, const char *path, uint64_t caps, struct err *e)
{
	int rc;

	memset(s, 0, sizeof *s);
	rc = policy_load(path, &s->p, &(struct warn){ 0 }, e);
	return rc ? rc : subject_resolve(s, caps, false, e);
}

static inline int subject_parse(struct subject *s, const char *text, bool record, struct err *e)
{
	int rc;

	memset(s, 0, sizeof *s);
	rc = policy_parse("row", "row", text, strlen(text), &s->p, &(struct warn){ 0 }, e);
	return rc ? rc : subject_resolve(s, SUBJECT_CAPS, record, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* where.h - where a policy is to be resolved: the options --arch, --caps, --kernel of all verbs
 * that compile one, and the compilation itself.
 *
 * A profile means different things on different hosts (conditions on architecture, capabilities,
 * kernel): these options say which host is meant, so that a policy for a container can be looked at
 * on a laptop. */
#pragma once
#include "warder/decide.h"
#include "warder/err.h"
#include "warder/filter.h"
#include "warder/opt.h"
#include "warder/policy.h"
#include "warder/profile.h"

struct where {
	const char *arch;   /* NULL: this machine's */
	const char *caps;   /* NULL: WHERE_CAPS */
	const char *kernel; /* NULL: the running one */
};
#define WHERE_CAPS "default"

#define WHERE_OPTS(w)                                                                    \
	{ "arch",                                                                        \
	  'a',                                                                           \
	  OPT_STR,                                                                       \
	  &(w)->arch,                                                                    \
	  "ARCH",                                                                        \
	  "amd64, x86, x32, arm64, ... (default: this "                                  \
	  "machine's)" },                                                                \
		{ "caps",                                                                \
		  0,                                                                     \
		  OPT_STR,                                                               \
		  &(w)->caps,                                                            \
		  "LIST",                                                                \
		  "capabilities: CAP_KILL,CAP_CHOWN,..., all, none, default (Docker's; " \
		  "default)" },                                                          \
	{                                                                                \
		"kernel", 0, OPT_STR, &(w)->kernel, "N.M",                               \
			"kernel version (default: the running "                          \
			"one)"                                                           \
	}

/* "default": the 14 that Docker gives a container. 0 or EINVAL. */
int where_caps(const char *list, uint64_t *caps, struct err *e);
/* *abi: the ABI asked for; the host it is resolved for is the machine that has it. */
int where_host(const struct where *w, struct host *host, enum arch *abi, struct err *e);

/* libseccomp begins with this machine's architecture; on the host that is meant it would begin with
 * that one, whether the profile names it or not. */
void where_add_host_arch(struct ruleset *r, enum arch host);

struct where_policy {                /* all stages of one policy */
	const struct policy *policy; /* borrowed */
	struct host host;
	struct ruleset rules;
	struct filter filter;
	struct decide *decide;
};
int where_compile(const struct policy *p, const struct host *host, struct where_policy *out,
		  struct err *e);
void where_fini(struct where_policy *p);

/* Warnings of a policy's document, where they are not what the user asked for: counted, then said
 * in one line. */
struct where_warnings {
	const char *program, *file;
	unsigned n;
};
void where_count_warning(void *warnings, const char *line); /* a warn.fn */
void where_say_warnings(const struct where_warnings *w);

/* "errno EPERM", "kill_process"; returns buf. */
const char *where_effect(uint8_t act, uint16_t errnum, char *buf, size_t size);
#define WHERE_EFFECT_MAX 32

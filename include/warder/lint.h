/* SPDX-License-Identifier: Apache-2.0 */
/* lint.h - what is wrong, or not as it looks, in a profile that is valid.
 *
 * Where it can be, a finding is what the compiled filter does (clauses.h), not what the text looks
 * like: a comparison is only said to be too wide if there are arguments that get past it. Codes
 * never change their meaning. */
#pragma once
#include "warder/clauses.h"
#include "warder/forms.h"

enum lint_level { LINT_INFO, LINT_WARN, LINT_ERROR };

/* id, code, level, title */
#define LINTS(X)                                                                                   \
	X(LINT_UPPER_BITS, "P001", LINT_ERROR, "a 32-bit argument is compared in 64 bits")         \
	X(LINT_DROPPED, "P002", LINT_ERROR, "libseccomp drops a rule that conflicts with another") \
	X(LINT_DEAD, "P003", LINT_WARN, "a rule changes nothing")                                  \
	X(LINT_OR, "P004", LINT_ERROR, "runc and crun turn conditions from AND into OR")           \
	X(LINT_UNKNOWN_NAME, "P005", LINT_INFO, "libseccomp here does not know a name")            \
	X(LINT_REFUSED, "P006", LINT_ERROR, "a runtime refuses it")                                \
	X(LINT_HANGS, "P007", LINT_ERROR, "a runtime hangs on it")                                 \
	X(LINT_CONTAINERD, "P008", LINT_WARN,                                                      \
	  "containerd ignores conditions of a Localhost profile")                                  \
	X(LINT_IGNORED, "P009", LINT_INFO, "some engines ignore a key")                            \
	X(LINT_IO_URING, "P010", LINT_ERROR, "io_uring does its work past every filter")           \
	X(LINT_OTHER_WAY, "P011", LINT_ERROR, "conditions can be gone round by another call")      \
	X(LINT_DANGEROUS, "P012", LINT_WARN, "a dangerous call is allowed without a reason")       \
	X(LINT_DENY_LIST, "P013", LINT_WARN, "what is not listed is allowed")                      \
	X(LINT_LISTENER, "P014", LINT_ERROR, "NOTIFY without a listener")                          \
	X(LINT_SPECULATION, "P015", LINT_INFO, "mitigations of speculation are off")

#define X(id, code, level, title) id,
enum lint { LINTS(X) LINT_COUNT };
#undef X

const char *lint_code(enum lint l);
enum lint_level lint_level(enum lint l);
const char *lint_title(enum lint l);
const char *lint_level_word(enum lint_level l);

struct lint_finding {
	enum lint lint;
	char path[96];  /* "syscalls[3].args[0]"; "" for the document */
	char text[512]; /* what, and how to mend it */
};
typedef void lint_fn(void *ctx, const struct lint_finding *f);

/* Findings in the document, as it is resolved for the host, in order of code. Errors: ENOMEM;
 * E2BIG, ENOTSUP (unknown). A document that libseccomp refuses or hangs on is a finding, no error.
 */
int lint_document(const struct form_doc *doc, const struct host *h, lint_fn *fn, void *ctx,
		  struct err *e);

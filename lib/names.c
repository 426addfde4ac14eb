/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - see names.h. */
#include "warder/names.h"

#include <errno.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "warder/own.h"

#define NAMES_NUMBERS 1024 /* system call numbers of one architecture that have a cached name */

const char *const names_never_notified[] = { "rt_sigreturn", "restart_syscall", "exit",
					     "exit_group", NULL };
const char *const names_always_notified[] = { "execve", "execveat", NULL };

static const struct {
	const char *scmp, *word;
	uint32_t ret;
} actions[] = {
#define X(id, scmp, word, ret) [id] = { scmp, word, ret },
	NAMES_ACTIONS(X)
#undef X
};

static const struct {
	const char *scmp;
	int token;
} ops[] = {
#define X(id, name, token) [id] = { name, token },
	NAMES_OPS(X)
#undef X
};

static const struct {
	const char *scmp, *docker;
	uint32_t audit, token;
} arches[] = {
#define X(id, scmp, docker, audit, token) [id] = { scmp, docker, audit, token },
	NAMES_ARCHES(X)
#undef X
};

/* Our rows against libseccomp's own words; tests/unit/names.c does the same for the actions. */
#define X(id, scmp, docker, audit, token) _Static_assert(SCMP_##id == (token), scmp);
NAMES_ARCHES(X)
#undef X

enum {
	SCMP_OP_NE = SCMP_CMP_NE,
	SCMP_OP_LT = SCMP_CMP_LT,
	SCMP_OP_LE = SCMP_CMP_LE,
	SCMP_OP_EQ = SCMP_CMP_EQ,
	SCMP_OP_GE = SCMP_CMP_GE,
	SCMP_OP_GT = SCMP_CMP_GT,
	SCMP_OP_MASKED_EQ = SCMP_CMP_MASKED_EQ,
};
#define X(id, name, scmp) _Static_assert(SCMP_##id == (scmp), name);
NAMES_OPS(X)
#undef X

enum arch names_native_arch(void)
{
#if defined(__x86_64__) && defined(__ILP32__)
	return ARCH_X32;
#elif defined(__x86_64__)
	return ARCH_X86_64;
#elif defined(__i386__)
	return ARCH_X86;
#elif defined(__aarch64__)
	return ARCH_AARCH64;
#else
#error "this architecture has no row in NAMES_ARCHES"
#endif
}

int names_action(const char *scmp)
{
	if (!strcmp(scmp, "SCMP_ACT_KILL"))
		return ACT_KILL_THREAD;
	for (int i = 0; i < ACT_COUNT; i++)
		if (!strcmp(actions[i].scmp, scmp))
			return i;
	return -1;
}

int names_action_by_word(const char *word)
{
	for (int i = 0; i < ACT_COUNT; i++)
		if (!strcmp(actions[i].word, word))
			return i;
	return -1;
}

const char *names_action_scmp(enum act a)
{
	return a < ACT_COUNT ? actions[a].scmp : NULL;
}

const char *names_action_word(enum act a)
{
	return a < ACT_COUNT ? actions[a].word : NULL;
}

uint32_t names_action_ret(enum act a)
{
	return actions[a].ret;
}

int names_action_of_ret(uint32_t ret)
{
	for (int i = 0; i < ACT_COUNT; i++)
		if (actions[i].ret == (ret & 0xffff0000U))
			return i;
	return -1;
}

int names_op(const char *scmp)
{
	for (int i = 0; i < OP_COUNT; i++)
		if (!strcmp(ops[i].scmp, scmp))
			return i;
	return -1;
}

const char *names_op_scmp(enum op o)
{
	return o < OP_COUNT ? ops[o].scmp : NULL;
}

int names_op_token(enum op o)
{
	return ops[o].token;
}

enum arch names_arch(const char *scmp)
{
	for (int i = 0; i < ARCH_COUNT; i++)
		if (!strcmp(arches[i].scmp, scmp))
			return (enum arch)i;
	return ARCH_NONE;
}

enum arch names_arch_docker(const char *name)
{
	for (int i = 0; i < ARCH_COUNT; i++)
		if (!strcmp(arches[i].docker, name))
			return (enum arch)i;
	return ARCH_NONE;
}

static bool is_arch(enum arch a)
{
	return a >= 0 && a < ARCH_COUNT;
}

const char *names_arch_scmp(enum arch a)
{
	return is_arch(a) ? arches[a].scmp : NULL;
}

const char *names_arch_docker_name(enum arch a)
{
	return is_arch(a) ? arches[a].docker : NULL;
}

uint32_t names_arch_audit(enum arch a)
{
	return is_arch(a) ? arches[a].audit : 0;
}

uint32_t names_arch_token(enum arch a)
{
	return is_arch(a) ? arches[a].token : 0;
}

enum arch names_arch_of_call(uint32_t audit_arch, int nr)
{
	if (audit_arch == arches[ARCH_X86_64].audit)
		return (uint32_t)nr & NAMES_X32_BIT ? ARCH_X32 : ARCH_X86_64;
	for (int i = 0; i < ARCH_COUNT; i++)
		if (arches[i].audit == audit_arch)
			return (enum arch)i;
	return ARCH_NONE;
}

int names_errno(const char *text)
{
	char *end;
	long n;

	if (*text >= '0' && *text <= '9') {
		n = strtol(text, &end, 10);
		return !*end && n >= 0 && n <= 4095 ? (int)n : -1;
	}
	for (int i = 1; i <= 4095; i++) {
		const char *name = names_errno_name(i);

		if (name && !strcmp(name, text))
			return i;
	}
	return -1;
}

const char *names_errno_name(int num)
{
	return num > 0 ? strerrorname_np(num) : NULL;
}

int names_cap(const char *name)
{
	cap_value_t cap;

	/* libcap stops at the first character that is none of a name's */
	if (strncasecmp(name, "CAP_", 4) != 0 || strpbrk(name, " ,=+-") ||
	    cap_from_name(name, &cap))
		return -1;
	return cap;
}

/* libcap's names, upper case, made once: cap_to_name() allocates. */
static struct {
	char *caps[64];
	char *calls[ARCH_COUNT][NAMES_NUMBERS];
	pthread_once_t caps_once, calls_once[ARCH_COUNT];
} cache = { .caps_once = PTHREAD_ONCE_INIT,
#define X(id, scmp, docker, audit, token) .calls_once[id] = PTHREAD_ONCE_INIT,
	    NAMES_ARCHES(X)
#undef X
};

static void fill_caps(void)
{
	for (int i = 0; i < 64; i++) {
		char *name = i <= cap_max_bits() - 1 ? cap_to_name(i) : NULL;

		if (name && strncmp(name, "cap_", 4) == 0) {
			cache.caps[i] = strdup(name);
			for (char *p = cache.caps[i]; p && *p; p++)
				*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
		}
		cap_free(name);
	}
}

const char *names_cap_name(int cap)
{
	pthread_once(&cache.caps_once, fill_caps);
	return cap >= 0 && cap < 64 ? cache.caps[cap] : NULL;
}

int names_syscall(enum arch a, const char *name)
{
	int nr;

	if (!is_arch(a)) {
		nr = seccomp_syscall_resolve_name(name);
		return nr == __NR_SCMP_ERROR ? -1 : 0;
	}
	nr = seccomp_syscall_resolve_name_arch(arches[a].token, name);
	return nr < 0 ? -1 : nr;
}

static void fill_calls(enum arch a)
{
	int base = a == ARCH_X32 ? (int)NAMES_X32_BIT : 0;

	for (int i = 0; i < NAMES_NUMBERS; i++)
		cache.calls[a][i] = seccomp_syscall_resolve_num_arch(arches[a].token, base + i);
}

/* pthread_once() takes a function without argument: one for each row. */
#define X(id, scmp, docker, audit, token) \
	static void fill_##id(void)       \
	{                                 \
		fill_calls(id);           \
	}
NAMES_ARCHES(X)
#undef X

static void (*const fillers[])(void) = {
#define X(id, scmp, docker, audit, token) [id] = fill_##id,
	NAMES_ARCHES(X)
#undef X
};

const char *names_syscall_name(enum arch a, int nr)
{
	unsigned index = (unsigned)nr & ~(a == ARCH_X32 ? NAMES_X32_BIT : 0U);

	if (!is_arch(a) || index >= NAMES_NUMBERS)
		return NULL;
	pthread_once(&cache.calls_once[a], fillers[a]);
	return cache.calls[a][index];
}

void names_init(void)
{
	static const enum arch all[] = { ARCH_X86_64, ARCH_X86, ARCH_X32 };

	if (names_native_arch() == ARCH_X86_64)
		for (size_t i = 0; i < ARRAY_LEN(all); i++)
			names_syscall_name(all[i], 0);
	else
		names_syscall_name(names_native_arch(), 0);
	names_cap_name(0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* names.h - the words of seccomp documents and the kernel's numbers for them.
 *
 * One row per action, comparison, architecture, errno; everything that parses, prints or documents
 * one of them reads these rows. System call names and numbers come from libseccomp, capability
 * names from libcap, errno names from the C library (strerrorname_np). */
#pragma once
#include <linux/audit.h>
#include <stdbool.h>
#include <stdint.h>

/* In the kernel's order of precedence, weakest first (seccomp(2)). */
#define NAMES_ACTIONS(X)                                                       \
	X(ACT_ALLOW, "SCMP_ACT_ALLOW", "allow", 0x7fff0000U)                   \
	X(ACT_LOG, "SCMP_ACT_LOG", "log", 0x7ffc0000U)                         \
	X(ACT_TRACE, "SCMP_ACT_TRACE", "trace", 0x7ff00000U)                   \
	X(ACT_NOTIFY, "SCMP_ACT_NOTIFY", "notify", 0x7fc00000U)                \
	X(ACT_ERRNO, "SCMP_ACT_ERRNO", "errno", 0x00050000U)                   \
	X(ACT_TRAP, "SCMP_ACT_TRAP", "trap", 0x00030000U)                      \
	X(ACT_KILL_THREAD, "SCMP_ACT_KILL_THREAD", "kill_thread", 0x00000000U) \
	X(ACT_KILL_PROCESS, "SCMP_ACT_KILL_PROCESS", "kill_process", 0x80000000U)

#define X(id, scmp, word, ret) id,
enum act { NAMES_ACTIONS(X) ACT_COUNT };
#undef X

#define NAMES_OPS(X)               \
	X(OP_NE, "SCMP_CMP_NE", 1) \
	X(OP_LT, "SCMP_CMP_LT", 2) \
	X(OP_LE, "SCMP_CMP_LE", 3) \
	X(OP_EQ, "SCMP_CMP_EQ", 4) \
	X(OP_GE, "SCMP_CMP_GE", 5) \
	X(OP_GT, "SCMP_CMP_GT", 6) \
	X(OP_MASKED_EQ, "SCMP_CMP_MASKED_EQ", 7)

#define X(id, name, scmp) id,
enum op { NAMES_OPS(X) OP_COUNT };
#undef X

/* id, OCI name, Docker's name, AUDIT_ARCH, libseccomp's token. x32 shares x86_64's AUDIT_ARCH and
 * sets bit 30 of the number (NAMES_X32_BIT). */
#define NAMES_X32_BIT 0x40000000U
#define NAMES_ARCHES(X)                                                                       \
	X(ARCH_X86_64, "SCMP_ARCH_X86_64", "amd64", 0xc000003eU, 0xc000003eU)                 \
	X(ARCH_X86, "SCMP_ARCH_X86", "x86", 0x40000003U, 0x40000003U)                         \
	X(ARCH_X32, "SCMP_ARCH_X32", "x32", 0xc000003eU, 0x4000003eU)                         \
	X(ARCH_AARCH64, "SCMP_ARCH_AARCH64", "arm64", 0xc00000b7U, 0xc00000b7U)               \
	X(ARCH_ARM, "SCMP_ARCH_ARM", "arm", 0x40000028U, 0x40000028U)                         \
	X(ARCH_MIPS, "SCMP_ARCH_MIPS", "mips", 0x00000008U, 0x00000008U)                      \
	X(ARCH_MIPS64, "SCMP_ARCH_MIPS64", "mips64", 0x80000008U, 0x80000008U)                \
	X(ARCH_MIPS64N32, "SCMP_ARCH_MIPS64N32", "mips64n32", 0xa0000008U, 0xa0000008U)       \
	X(ARCH_MIPSEL, "SCMP_ARCH_MIPSEL", "mipsel", 0x40000008U, 0x40000008U)                \
	X(ARCH_MIPSEL64, "SCMP_ARCH_MIPSEL64", "mipsel64", 0xc0000008U, 0xc0000008U)          \
	X(ARCH_MIPSEL64N32, "SCMP_ARCH_MIPSEL64N32", "mipsel64n32", 0xe0000008U, 0xe0000008U) \
	X(ARCH_PPC, "SCMP_ARCH_PPC", "ppc", 0x00000014U, 0x00000014U)                         \
	X(ARCH_PPC64, "SCMP_ARCH_PPC64", "ppc64", 0x80000015U, 0x80000015U)                   \
	X(ARCH_PPC64LE, "SCMP_ARCH_PPC64LE", "ppc64le", 0xc0000015U, 0xc0000015U)             \
	X(ARCH_S390, "SCMP_ARCH_S390", "s390", 0x00000016U, 0x00000016U)                      \
	X(ARCH_S390X, "SCMP_ARCH_S390X", "s390x", 0x80000016U, 0x80000016U)                   \
	X(ARCH_PARISC, "SCMP_ARCH_PARISC", "parisc", 0x0000000fU, 0x0000000fU)                \
	X(ARCH_PARISC64, "SCMP_ARCH_PARISC64", "parisc64", 0x8000000fU, 0x8000000fU)          \
	X(ARCH_RISCV64, "SCMP_ARCH_RISCV64", "riscv64", 0xc00000f3U, 0xc00000f3U)

#define X(id, scmp, docker, audit, token) id,
enum arch { NAMES_ARCHES(X) ARCH_COUNT, ARCH_NONE = -1 };
#undef X

/* The architecture this program was built for. */
enum arch names_native_arch(void);

/* Each returns the row's word or -1/ARCH_NONE; "SCMP_ACT_KILL" is ACT_KILL_THREAD. */
int names_action(const char *scmp);
const char *names_action_scmp(enum act a);
const char *names_action_word(enum act a); /* "errno", "kill_thread": as events print it */
int names_action_by_word(const char *word);
uint32_t names_action_ret(enum act a); /* SECCOMP_RET_*, data bits 0 */
int names_action_of_ret(uint32_t ret); /* ignores the data bits; -1: no such action */
int names_op(const char *scmp);
const char *names_op_scmp(enum op o);
int names_op_token(enum op o);                 /* enum scmp_compare */
enum arch names_arch(const char *scmp);        /* "SCMP_ARCH_X86_64" */
enum arch names_arch_docker(const char *name); /* "amd64" */
const char *names_arch_scmp(enum arch a);
const char *names_arch_docker_name(enum arch a);
uint32_t names_arch_audit(enum arch a);
uint32_t names_arch_token(enum arch a);
/* Of a call: its AUDIT_ARCH and its number (for bit 30). ARCH_NONE: not known to us. */
enum arch names_arch_of_call(uint32_t audit_arch, int nr);

/* errno: "EPERM" or "1" -> 1; -1 when unknown. Names for 1..4095; NULL if it has none. */
int names_errno(const char *text);
const char *names_errno_name(int num);

/* Capabilities: "CAP_SYS_ADMIN" (any case, prefix needed) -> 21; -1 unknown. */
int names_cap(const char *name);
const char *names_cap_name(int cap);

/* System calls. Numbers of x32 carry NAMES_X32_BIT. -1: no such call on that architecture.
 * names_syscall() is "is the name known to libseccomp at all" when arch is ARCH_NONE (returns 0 or
 * -1). */
int names_syscall(enum arch a, const char *name);
/* The name, from a table built once per architecture and kept for the process; thread-safe after
 * names_init(). NULL: unknown. */
const char *names_syscall_name(enum arch a, int nr);
void names_init(void);

/* The four calls that no gate notifies (were the supervisor lost, they would spin or die), and the
 * two that every gate does (they end the starting phase). NULL-terminated. */
extern const char *const names_never_notified[];
extern const char *const names_always_notified[];

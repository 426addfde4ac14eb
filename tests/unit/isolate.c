/* SPDX-License-Identifier: Apache-2.0 */
/* isolate.c - the tables and the filters that come of them, without loading one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "isolate.h"
#include "warder/json.h"
#include "warder/names.h"
#include "warder/notify.h"
#include "warder/own.h"

#define LAST_CALL 600
#ifdef WARDER_SANITIZED /* a sanitizer's runtime writes reports, and looks at its threads */
#define IF_NOT_SANITIZED(verdict) SECCOMP_RET_ALLOW
#else
#define IF_NOT_SANITIZED(verdict) (verdict)
#endif

static struct bpf_prog filters[2][PROC_COUNT]; /* without and with a webhook */

static int make_filters(void **state)
{
	struct err e;

	(void)state;
	for (int webhook = 0; webhook < 2; webhook++)
		for (unsigned p = 0; p < PROC_COUNT; p++) {
			struct isolate_opts o = { .webhook = webhook };

			if (isolate_filter((enum proc)p, &o, &filters[webhook][p], &e))
				fail_msg("%s", e.msg);
		}
	return 0;
}

static int free_filters(void **state)
{
	(void)state;
	for (int webhook = 0; webhook < 2; webhook++)
		for (unsigned p = 0; p < PROC_COUNT; p++)
			bpf_fini(&filters[webhook][p]);
	return 0;
}

static uint32_t verdict(int webhook, unsigned p, int nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	struct seccomp_data d = { .nr = nr,
				  .arch = names_arch_audit(names_native_arch()),
				  .args = { a0, a1, a2 } };

	return bpf_run(&filters[webhook][p], &d, NULL) & SECCOMP_RET_ACTION_FULL;
}

static void test_names(void **state)
{
	size_t n = 0;

	(void)state;
	for (const char *call; (call = isolate_call(n)); n++)
		if (names_syscall(ARCH_NONE, call))
			fail_msg("libseccomp knows no system call %s", call);
	assert_true(n > 150);
}

/* Filters add up: what a child needs, its parents' filters must let through. */
static void test_families(void **state)
{
	static const uint64_t args[][3] = {
		{ 0, 0, 0 },
		{ 1, 1, 1 },
		{ AF_INET, SOCK_STREAM, O_WRONLY },
		{ AF_UNIX, SOCK_DGRAM, O_RDWR | O_CREAT },
		{ CLONE_VM | CLONE_THREAD | CLONE_FS | CLONE_FILES, 0, PROT_READ },
		{ SIGCHLD, SECCOMP_IOCTL_NOTIF_RECV, PROT_EXEC },
		{ CLONE_NEWUSER, SECCOMP_IOCTL_NOTIF_SEND, 0 },
	};

	(void)state;
	for (unsigned p = 1; p < PROC_COUNT; p++)
		for (int nr = 0; nr < LAST_CALL; nr++)
			for (size_t i = 0; i < ARRAY_LEN(args); i++) {
				const uint64_t *a = args[i];
				unsigned parent = isolate_parent((enum proc)p);

				if (verdict(1, p, nr, a[0], a[1], a[2]) == SECCOMP_RET_ALLOW &&
				    verdict(1, parent, nr, a[0], a[1], a[2]) != SECCOMP_RET_ALLOW)
					fail_msg("%s may %s (%zu), its parent may not",
						 isolate_name((enum proc)p),
						 names_syscall_name(names_native_arch(), nr), i);
			}
}

static void test_forbidden(void **state)
{
	static const int calls[] = { SYS_execve,
				     SYS_execveat,
				     SYS_process_vm_writev,
				     SYS_ptrace,
				     SYS_bpf,
				     SYS_mount,
				     SYS_init_module,
				     SYS_kexec_load,
				     SYS_setuid,
				     SYS_unshare,
				     SYS_setns,
				     SYS_io_uring_setup,
				     SYS_pidfd_getfd,
				     SYS_open_by_handle_at,
				     SYS_chmod };

	(void)state;
	for (int webhook = 0; webhook < 2; webhook++)
		for (unsigned p = 0; p < PROC_COUNT; p++)
			for (size_t i = 0; i < ARRAY_LEN(calls); i++)
				assert_int_equal(verdict(webhook, p, calls[i], 0, 0, 0),
						 SECCOMP_RET_KILL_PROCESS);
}

static void test_other_abis(void **state)
{
	struct seccomp_data d = { .nr = 3, .arch = names_arch_audit(ARCH_X86) };

	(void)state;
	for (unsigned p = 0; p < PROC_COUNT; p++)
		assert_int_equal(bpf_run(&filters[0][p], &d, NULL), SECCOMP_RET_KILL_PROCESS);
}

static void test_writing(void **state)
{
	static const int flags[] = { O_WRONLY,         O_RDWR,
				     O_RDWR | O_CREAT, O_TRUNC,
				     O_CREAT,          O_WRONLY | O_APPEND,
				     O_ACCMODE,        O_TMPFILE | O_RDWR };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		uint64_t f = (uint64_t)flags[i];

		assert_int_equal(verdict(0, PROC_WORKER, SYS_openat, 0, 0, f),
				 IF_NOT_SANITIZED(SECCOMP_RET_KILL_PROCESS));
		assert_int_equal(verdict(0, PROC_STAND_IN, SYS_openat, 0, 0, f | O_CLOEXEC),
				 IF_NOT_SANITIZED(SECCOMP_RET_KILL_PROCESS));
		assert_int_equal(verdict(1, PROC_COURIER, SYS_openat, 0, 0, f),
				 IF_NOT_SANITIZED(SECCOMP_RET_KILL_PROCESS));
		assert_int_equal(verdict(0, PROC_SCRIBE, SYS_openat, 0, 0, f), SECCOMP_RET_ALLOW);
	}
	assert_int_equal(verdict(0, PROC_WORKER, SYS_openat, 0, 0, O_RDONLY | O_CLOEXEC),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(0, PROC_WORKER, SYS_openat, 0, 0, O_PATH | O_DIRECTORY),
			 SECCOMP_RET_ALLOW);
	/* its flags lie in memory */
	assert_int_not_equal(verdict(0, PROC_WORKER, SYS_openat2, 0, 0, 0), SECCOMP_RET_ALLOW);
}

static void test_network(void **state)
{
	static const int families[] = { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		for (unsigned p = 0; p < PROC_COUNT; p++)
			assert_int_not_equal(verdict(0, p, SYS_socket, (uint64_t)families[i],
						     SOCK_STREAM, 0),
					     SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(1, PROC_COURIER, SYS_socket, AF_INET, SOCK_STREAM, 0),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(1, PROC_WORKER, SYS_socket, AF_INET, SOCK_STREAM, 0),
			 SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(verdict(0, PROC_SCRIBE, SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
			 SECCOMP_RET_ALLOW);
	/* docker.sock is a stream: who may talk to it is root */
	for (unsigned p = 1; p < PROC_COUNT; p++)
		assert_int_not_equal(verdict(1, p, SYS_socket, AF_UNIX, SOCK_STREAM, 0),
				     SECCOMP_RET_ALLOW);
}

/* Upper halves and bits that the kernel does not read change nothing. */
static void test_arguments(void **state)
{
	const uint64_t high = 0xdeadbeef00000000;

	(void)state;
	assert_int_equal(verdict(0, PROC_WORKER, SYS_ioctl, 5, SECCOMP_IOCTL_NOTIF_RECV, 0),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(0, PROC_SCRIBE, SYS_ioctl, 5, TIOCSTI, 0), SECCOMP_RET_TRAP);
	assert_int_equal(verdict(0, PROC_SCRIBE, SYS_ioctl, 5, high | TIOCSTI, 0),
			 SECCOMP_RET_TRAP);
	assert_int_equal(verdict(0, PROC_WORKER, SYS_openat, 0, 0, high | O_WRONLY),
			 IF_NOT_SANITIZED(SECCOMP_RET_KILL_PROCESS));
	assert_int_equal(verdict(0, PROC_WORKER, SYS_clone, SIGCHLD, 0, 0), SECCOMP_RET_TRAP);
	assert_int_equal(verdict(0, PROC_WORKER, SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_NEWUSER,
				 0, 0),
			 SECCOMP_RET_TRAP);
	assert_int_equal(verdict(0, PROC_WORKER, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC),
			 IF_NOT_SANITIZED(SECCOMP_RET_TRAP));
	assert_int_equal(verdict(0, PROC_WORKER, LAST_CALL, 0, 0, 0), SECCOMP_RET_TRAP);
}

static void test_caps(void **state)
{
	uint64_t all = 0;

	(void)state;
	for (unsigned p = 0; p < PROC_COUNT; p++) {
		uint64_t effective = isolate_effective((enum proc)p),
			 permitted = isolate_permitted((enum proc)p);

		assert_int_equal(effective & ~permitted, 0);
		assert_int_equal(permitted & ~isolate_permitted(isolate_parent((enum proc)p)), 0);
		all |= effective;
	}
	assert_int_equal(isolate_effective(PROC_KEEPER), 0);
	assert_int_equal(isolate_permitted(PROC_SCRIBE), 0);
	assert_int_equal(isolate_permitted(PROC_COURIER), 0);
	assert_int_equal(isolate_permitted(PROC_KEEPER), all);
	assert_int_equal(all & (1ULL << CAP_SYS_ADMIN | 1ULL << CAP_SETUID |
				1ULL << CAP_DAC_OVERRIDE),
			 0);
}

/* The page without its markup and line breaks. */
static char *page(void)
{
	char *text = NULL, *to;
	size_t len;
	struct err e;

	assert_int_equal(json_slurp_path("man/warderd.8", &text, &len, &e), 0);
	to = text;
	for (const char *p = text; *p; p++)
		if (*p != '\\')
			*to++ = *p == '\n' ? ' ' : *p;
	*to = 0;
	return text;
}

static void test_man(void **state)
{
	auto_free char *text = page();

	(void)state;
	for (const struct isolate_cap *row = isolate_cap_rows; row->why; row++) {
		char line[256];

		snprintf(line, sizeof line, ".B %s ", names_cap_name(row->cap));
		if (!strstr(text, line) || !strstr(text, row->why))
			fail_msg("man/warderd.8, ISOLATION: %s%s", line, row->why);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),     cmocka_unit_test(test_families),
		cmocka_unit_test(test_forbidden), cmocka_unit_test(test_other_abis),
		cmocka_unit_test(test_writing),   cmocka_unit_test(test_network),
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_caps),
		cmocka_unit_test(test_man),
	};

	names_init();
	return cmocka_run_group_tests_name("isolate", tests, make_filters, free_filters);
}

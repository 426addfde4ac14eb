/* SPDX-License-Identifier: Apache-2.0 */
/* isolate.c - see isolate.h. */
#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "log.h"
#include "warder/filter.h"
#include "warder/names.h"
#include "warder/notify.h"
#include "warder/own.h"

/* --- who is there --- */

static const struct {
	const char *name, *comm;
	enum proc parent; /* the keeper's: itself */
} processes[PROC_COUNT] = {
	[PROC_KEEPER] = { "keeper", "warderd", PROC_KEEPER },
	[PROC_WORKER] = { "worker", "warderd-worker", PROC_KEEPER },
	[PROC_STAND_IN] = { "stand-in", "warderd-standin", PROC_KEEPER },
	[PROC_SCRIBE] = { "scribe", "warderd-scribe", PROC_KEEPER },
	[PROC_COURIER] = { "courier", "warderd-courier", PROC_SCRIBE },
};

const char *isolate_name(enum proc p)
{
	return processes[p].name;
}

const char *isolate_comm(enum proc p)
{
	return processes[p].comm;
}

enum proc isolate_parent(enum proc p)
{
	return processes[p].parent;
}

/* --- the tables --- */

#define K   (1U << PROC_KEEPER)
#define W   (1U << PROC_WORKER)
#define T   (1U << PROC_STAND_IN)
#define S   (1U << PROC_SCRIBE)
#define C   (1U << PROC_COURIER)
#define ALL (K | W | T | S | C)
#define H   (1U << PROC_COUNT) /* the scribe, when it has a courier */

const struct isolate_cap isolate_cap_rows[] = {
	{ CAP_KILL, W | T, "to kill a caller whose verdict is kill, whoever its user is" },
	{ CAP_SYS_PTRACE, W | T,
	  "to read in /proc which program and which root a caller of another user has" },
	{ CAP_DAC_READ_SEARCH, W,
	  "to list the descriptors of another user's tasks (io_uring), and to read a bundle's "
	  "config.json that another user owns" },
	{ 0, 0, NULL },
};

#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC)
#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)
#define THREAD_FLAGS (CLONE_VM | CLONE_THREAD)
#define NOTIF_INT    0xffffffffU /* the kernel reads 32 bits of it */
#define LOAD_FLAGS   (SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW)

#define DOES    0    /* it is allowed */
#define IS_SHOT (-1) /* the process is killed; what a positive number is, the call returns */

struct row {
	const char *call;
	unsigned who;
	const char *why;
	int act;
	int n;
	struct scmp_arg_cmp arg[2];
};

#define ROW(name, whom, reason, ...)                                          \
	{                                                                     \
		.call = (name), .who = (whom), .why = (reason), ##__VA_ARGS__ \
	}
#define GETS(what) .act = (what)
#define BITS(i, mask, bits)                             \
	{                                               \
		(i), SCMP_CMP_MASKED_EQ, (mask), (bits) \
	}
#define IS(i, value) BITS(i, NOTIF_INT, (uint32_t)(value))
#define IF(...)      .n = 1, .arg = { __VA_ARGS__ }
#define IF_2(...)    .n = 2, .arg = { __VA_ARGS__ }

/* Rows of one call add up. A row without a condition lets any arguments through. */
static const struct row rows[] = {
	/* the C library: memory. Code comes from the files that were mapped at the start. */
	ROW("brk", ALL, "malloc"),
	ROW("mmap", ALL, "malloc, stacks of threads", IF(BITS(2, PROT_EXEC, 0))),
	ROW("mprotect", ALL, "malloc, guards of stacks", IF(BITS(2, PROT_EXEC, 0))),
	ROW("munmap", ALL, "malloc"),
	ROW("mremap", ALL, "realloc"),
	ROW("madvise", ALL, "malloc; the arena's pages are given back"),

	/* the C library: threads, signals, time */
	ROW("clone", W | T | S | C, "pthread_create",
	    IF(BITS(0, THREAD_FLAGS | NEW_NAMESPACES, THREAD_FLAGS))),
	ROW("clone3", ALL, "its flags cannot be read here: the C library goes back to clone",
	    GETS(ENOSYS)),
	ROW("set_robust_list", ALL, "pthread_create"),
	ROW("rseq", ALL, "pthread_create"),
	ROW("futex", ALL, "locks; the scribe is woken"),
	ROW("membarrier", ALL, "the C library's own, with several threads"),
	ROW("sched_yield", ALL, "locks"),
	ROW("sched_getaffinity", ALL, "how many processors there are"),
	ROW("exit", ALL, "a thread's end"),
	ROW("exit_group", ALL, "the end"),
	ROW("rt_sigaction", ALL, "signal handlers"),
	ROW("rt_sigprocmask", ALL, "pthread_create blocks all for a moment"),
	ROW("rt_sigreturn", ALL, "the end of a handler"),
	ROW("rt_sigtimedwait", ALL, "sigwait, sigtimedwait"),
	ROW("sigaltstack", ALL, "signal handlers"),
	ROW("restart_syscall", ALL, "a stopped and continued call"),
	ROW("tgkill", ALL, "pthread_kill ends a blocked RECV; abort"),
	ROW("nanosleep", ALL, "naps"),
	ROW("clock_nanosleep", ALL, "naps"),
	ROW("clock_gettime", ALL, "the time, where the vDSO has none"),
	ROW("clock_getres", ALL, "the time, where the vDSO has none"),
	ROW("gettimeofday", ALL, "the time, where the vDSO has none"),
	ROW("time", ALL, "the time, where the vDSO has none"),
	ROW("getrandom", ALL, "malloc, hash tables of json-c"),
	ROW("getpid", ALL, "who am I"),
	ROW("getppid", ALL, "whether the keeper is still there"),
	ROW("gettid", ALL, "who am I"),
	ROW("getuid", ALL, "who am I"),
	ROW("geteuid", ALL, "who am I"),
	ROW("getgid", ALL, "who am I"),
	ROW("getegid", ALL, "who am I"),
	ROW("uname", ALL, "libseccomp asks for the architecture"),
	ROW("sysinfo", ALL, "how much memory there is"),
	ROW("prctl", ALL, "a thread's name", IF(IS(0, PR_SET_NAME))),
	ROW("prctl", ALL, "newer C libraries name malloc's memory", IF(IS(0, 0x53564d41))),
	ROW("prlimit64", ALL, "pthread_create reads the size of stacks",
	    IF_2(IS(0, 0), BITS(2, UINT64_MAX, 0))),
	ROW("getrlimit", ALL, "older C libraries"),

	/* descriptors that are open */
	ROW("read", ALL, "signals, events, sockets"),
	ROW("readv", ALL, "other C libraries read so"),
	ROW("pread64", ALL, "a compiled filter is read back"),
	ROW("write", ALL, "the log, event lines, wake-ups"),
	ROW("writev", ALL, "answers in pieces"),
	ROW("close", ALL, "what was open"),
	ROW("lseek", ALL, "the size of a file"),
	ROW("fstat", ALL, "what a descriptor is"),
	ROW("newfstatat", ALL, "what a descriptor or a path is"),
	ROW("statx", ALL, "newer C libraries ask so"),
	ROW("poll", ALL, "waiting"),
	ROW("ppoll", ALL, "waiting, on arm64"),
	ROW("fcntl", ALL, "descriptor flags, seals, SQLite's locks"),
	ROW("dup", ALL, "descriptors"),
	ROW("pipe2", ALL, "wake-ups"),
	ROW("eventfd2", ALL, "wake-ups"),
	ROW("signalfd4", ALL, "signals"),

	/* sockets that are open: hand-overs, the API, the keeper's own */
	ROW("accept4", K | W | S, "a connection"),
	ROW("recvmsg", K | W | S | C, "messages with descriptors"),
	ROW("sendmsg", K | W | S | C, "answers; systemd"),
	ROW("recvfrom", K | W | S | C, "requests"),
	ROW("sendto", K | W | S | C, "answers; syslog"),
	ROW("shutdown", K | W | S | C, "the end of a connection"),
	ROW("getsockopt", K | W | S | C, "who the peer is"),
	ROW("setsockopt", K | W | S | C, "deadlines, buffers"),
	ROW("getsockname", K | S | C, "what an inherited socket is"),
	ROW("getpeername", K | S | C, "whose connection it is"),

	/* files, for reading */
	ROW("openat", W | T | C, "policies; what /proc says of callers", IF(BITS(2, WRITES, 0))),
	ROW("open", W | T | C, "other C libraries open so", IF(BITS(1, WRITES, 0))),
	ROW("getdents64", W | T | S | C | K, "the lists of descriptors and threads in /proc"),
	ROW("readlink", W | T | S, "what a descriptor is"),
	ROW("readlinkat", W | T | S, "a caller's program and root"),
	ROW("faccessat", W | S, "is a file there"),
	ROW("access", W | S | C, "is a file there"),
	ROW("stat", W | T | S | C, "other C libraries ask so"),

	/* serving a listener */
	/* Whichever: what is tested by arguments is not in the kernel's memory of numbers that need
	 * no look, and two looks a call (ours and the keeper's filter) are 6 % of its time. */
	ROW("ioctl", W | T, "a call is received, answered"),
	ROW("pidfd_open", W | T, "the caller that is killed, held by a descriptor"),
	ROW("pidfd_send_signal", W | T, "verdict kill"),
	ROW("memfd_create", W | T | S, "the filter for the hook; libseccomp's programs"),
	ROW("ftruncate", S, "SQLite"),
	ROW("seccomp", W | T | S, "libseccomp asks what the kernel knows",
	    IF(IS(0, SECCOMP_GET_ACTION_AVAIL))),
	ROW("seccomp", W | T | S, "libseccomp asks what the kernel knows",
	    IF(IS(0, SECCOMP_GET_NOTIF_SIZES))),
	ROW("seccomp", W | T | S, "libseccomp asks which flags the kernel knows, with no program",
	    IF_2(IS(0, SECCOMP_SET_MODE_FILTER), BITS(2, UINT64_MAX, 0))),
	ROW("seccomp", W | T | S, "libseccomp asks whether this call is there at all",
	    IF_2(IS(0, SECCOMP_SET_MODE_STRICT), IS(1, 1))),

	/* event files, the ledger, the API */
	ROW("openat", S, "event files, the ledger"),
	ROW("open", S, "other C libraries open so"),
	ROW("close_range", S, "what the keeper had open"),
	ROW("dup3", S, "descriptors"),
	ROW("fsync", S, "rotation"),
	ROW("fdatasync", S, "SQLite"),
	ROW("pwrite64", S, "SQLite"),
	ROW("rename", S, "rotation"),
	ROW("renameat", S, "rotation"),
	ROW("renameat2", S, "rotation, newer C libraries"),
	ROW("unlink", S, "the oldest event file; SQLite's journal"),
	ROW("unlinkat", S, "the same on arm64"),
	ROW("linkat", S, "rotation"),
	ROW("fchmod", S, "a rotated file keeps its mode"),
	ROW("fchown", S, "a rotated file keeps its owner; SQLite's journal"),
	ROW("getcwd", S, "SQLite makes its path absolute"),
	ROW("epoll_create1", S | C, "libmicrohttpd, libcurl"),
	ROW("epoll_ctl", S | C, "libmicrohttpd, libcurl"),
	ROW("epoll_wait", S | C, "libmicrohttpd, libcurl"),
	ROW("epoll_pwait", S | C, "the same on arm64"),
	ROW("select", S | C, "libmicrohttpd, libcurl"),
	ROW("pselect6", S | C, "the same on arm64"),
	ROW("accept", S, "libmicrohttpd, where it has no accept4"),
	ROW("sendfile", S, "libmicrohttpd"),
	ROW("timerfd_create", S, "flushes"),
	ROW("timerfd_settime", S, "flushes"),
	ROW("inotify_init1", S, "an event file that goes away"),
	ROW("inotify_add_watch", S, "an event file that goes away"),
	ROW("inotify_rm_watch", S, "an event file that goes away"),
	ROW("socket", S, "syslog, journald",
	    IF_2(IS(0, AF_UNIX), BITS(1, (uint64_t) ~(SOCK_CLOEXEC | SOCK_NONBLOCK), SOCK_DGRAM))),
	ROW("connect", S | C, "syslog, journald; the webhook"),

	/* the webhook */
	ROW("clone", H, "the courier is forked", IF(BITS(0, THREAD_FLAGS | NEW_NAMESPACES, 0))),
	ROW("kill", H, "the courier ends"),
	ROW("wait4", H, "the courier ends"),
	ROW("socket", C, "the webhook", IF(IS(0, AF_INET))),
	ROW("socket", C, "the webhook", IF(IS(0, AF_INET6))),
	ROW("socket", C, "getaddrinfo asks which addresses this host has", IF(IS(0, AF_NETLINK))),
	ROW("socket", C, "getaddrinfo tries nscd, which is not there", GETS(EACCES),
	    IF(IS(0, AF_UNIX))),
	ROW("bind", C, "getaddrinfo's netlink socket"),
	ROW("sendmmsg", C, "getaddrinfo asks for both addresses"),
	ROW("socketpair", C, "libcurl's resolver thread"),
	ROW("getpeername", C, "libcurl"),
	ROW("ioctl", C, "getaddrinfo: how long is the answer", IF(IS(1, FIONREAD))),

	/* the keeper: starting, watching and ending the others, and isolating them */
	ROW("clone", K, "a worker or a scribe is started",
	    IF(BITS(0, THREAD_FLAGS | NEW_NAMESPACES, 0))),
	ROW("wait4", K, "a child's end"),
	ROW("waitid", K, "a child's end"),
	ROW("kill", K, "a child is ended"),
	ROW("unlink", K, "the sockets go with it"),
	ROW("capget", K | H, "isolating a child"),
	ROW("capset", K | H, "isolating a child"),
	ROW("prctl", K | H, "a child ends with us", IF(IS(0, PR_SET_PDEATHSIG))),
	ROW("prctl", K | H, "isolating a child", IF(IS(0, PR_CAPBSET_READ))),
	ROW("prctl", K | H, "isolating a child", IF(IS(0, PR_SET_NO_NEW_PRIVS))),
	ROW("prctl", K | H, "isolating a child", IF_2(IS(0, PR_SET_DUMPABLE), IS(1, 0))),
	ROW("prctl", K | H, "isolating a child", IF(IS(0, PR_CAP_AMBIENT))),
	ROW("seccomp", K | H, "isolating a child",
	    IF_2(IS(0, SECCOMP_SET_MODE_FILTER), IS(1, LOAD_FLAGS))),
	ROW("landlock_create_ruleset", K, "isolating the scribe"),
	ROW("landlock_add_rule", K, "isolating the scribe"),
	ROW("landlock_restrict_self", K, "isolating the scribe"),

/* Nothing here writes a file, or has a socket of its own; who tries is not our code. */
#define NO_WRITING(call, who, i)                                                              \
	ROW(call, who, "opens a file for writing", GETS(IS_SHOT),                             \
	    IF(BITS(i, O_WRONLY, O_WRONLY))),                                                 \
		ROW(call, who, "opens a file for writing", GETS(IS_SHOT),                     \
		    IF(BITS(i, O_RDWR, O_RDWR))),                                             \
		ROW(call, who, "makes a file", GETS(IS_SHOT), IF(BITS(i, O_CREAT, O_CREAT))), \
		ROW(call, who, "empties a file", GETS(IS_SHOT), IF(BITS(i, O_TRUNC, O_TRUNC)))
	NO_WRITING("openat", W | T | C, 2),
	NO_WRITING("open", W | T | C, 1),
	ROW("creat", W | T | C, "makes a file", GETS(IS_SHOT)),
	ROW("truncate", W | T | C, "empties a file", GETS(IS_SHOT)),
	ROW("rename", W | T | C, "moves a file", GETS(IS_SHOT)),
	ROW("unlink", W | T | C, "removes a file", GETS(IS_SHOT)),
	ROW("socket", W | T, "opens a connection", GETS(IS_SHOT)),
	ROW("connect", W | T, "opens a connection", GETS(IS_SHOT)),
	ROW("bind", W | T, "opens a socket to others", GETS(IS_SHOT)),
	ROW("kill", W | T | C, "a signal to any process", GETS(IS_SHOT)),

#ifdef WARDER_SANITIZED
	/* what the sanitizers' runtime does by itself, and to write a report */
	ROW("openat", ALL, "reads /proc/self/maps, writes a report"),
	ROW("open", ALL, "reads /proc/self/maps, writes a report"),
	ROW("mmap", ALL, "shadow memory"),
	ROW("mprotect", ALL, "shadow memory"),
	ROW("mincore", ALL, "is there memory"),
	ROW("pipe", ALL, "is there memory"),
	ROW("readlink", ALL, "its own program"),
	ROW("stat", ALL, "the folder of reports"),
	ROW("getrusage", ALL, "a report"),
	ROW("getrlimit", ALL, "the size of stacks"),
	ROW("prlimit64", ALL, "the size of stacks"),
	ROW("personality", ALL, "is the layout random"),
#endif
#ifdef WARDER_FAILPOINTS
	ROW("kill", W | T | S, "a failpoint kills or stops its own process"),
#endif
};

/* In no process, unless a row above names it: it is killed. */
static const char *const forbidden[] = {
	/* another program, another process's memory, registers or descriptors */
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
	"process_mrelease", "pidfd_getfd", "kcmp",
	/* the kernel */
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf",
	"perf_event_open", "userfaultfd", "reboot", "syslog", "iopl", "ioperm", "modify_ldt",
	"io_uring_setup", "io_uring_enter", "io_uring_register", "acct", "quotactl", "quotactl_fd",
	"lookup_dcookie", "swapon", "swapoff", "personality", "settimeofday", "clock_settime",
	"clock_adjtime", "adjtimex", "sethostname", "setdomainname", "vhangup", "fanotify_init",
	/* what the others see as the file system, and other namespaces */
	"mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig",
	"fsmount", "fspick", "mount_setattr", "setns", "unshare", "mknod", "mknodat",
	"open_by_handle_at", "name_to_handle_at",
	/* another identity, keys */
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid",
	"setfsgid", "setgroups", "add_key", "request_key", "keyctl",
	/* a file's owner, mode, attributes: a set-user-id program is made so */
	"chown", "lchown", "fchownat", "chmod", "fchmodat", "setxattr", "lsetxattr", "fsetxattr"
};

/* --- reading them --- */

/* p and all that descend from it: its filter holds them all. */
static unsigned family(enum proc p, const struct isolate_opts *o)
{
	unsigned who = 1U << p;

	for (unsigned q = 0; q < PROC_COUNT; q++)
		for (unsigned at = q; at != PROC_KEEPER; at = processes[at].parent)
			if (processes[at].parent == p)
				who |= 1U << q;
	if (!o->webhook)
		return who & ~C;
	return who & S ? who | H : who;
}

uint64_t isolate_effective(enum proc p)
{
	uint64_t caps = 0;

	for (const struct isolate_cap *row = isolate_cap_rows; row->why; row++)
		if (row->who & 1U << p)
			caps |= 1ULL << row->cap;
	return caps;
}

uint64_t isolate_permitted(enum proc p)
{
	static const struct isolate_opts all = { .webhook = true };
	unsigned who = family(p, &all);
	uint64_t caps = 0;

	for (unsigned q = 0; q < PROC_COUNT; q++)
		if (who & 1U << q)
			caps |= isolate_effective((enum proc)q);
	return caps;
}

const char *isolate_call(size_t i)
{
	if (i < ARRAY_LEN(rows))
		return rows[i].call;
	i -= ARRAY_LEN(rows);
	return i < ARRAY_LEN(forbidden) ? forbidden[i] : NULL;
}

static bool holds_for(const struct row *row, enum proc p, const struct isolate_opts *o)
{
	return row->who & (row->act == DOES ? family(p, o) : 1U << p);
}

static bool is_allowed(const char *call, enum proc p, const struct isolate_opts *o, bool always)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].act == DOES && (!always || !rows[i].n) && !strcmp(rows[i].call, call) &&
		    holds_for(&rows[i], p, o))
			return true;
	return false;
}

/* A number of this architecture; not one: libseccomp or the architecture does not have it. */
static bool number_of(const char *call, int *nr)
{
	*nr = seccomp_syscall_resolve_name(call);
	return *nr >= 0;
}

static uint32_t action_of(const struct row *row)
{
	if (row->act == DOES)
		return SCMP_ACT_ALLOW;
	return row->act == IS_SHOT ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO((uint32_t)row->act);
}

/* What is tested by arguments comes first: the kernel remembers which numbers need no look, the
 * rest runs through the program, and of those ioctl is the one that counts. */
static int add_row(scmp_filter_ctx ctx, const struct row *row, enum proc p,
		   const struct isolate_opts *o)
{
	int nr, r;

	if (!holds_for(row, p, o) || !number_of(row->call, &nr) ||
	    ((row->n || row->act) && is_allowed(row->call, p, o, true)))
		return 0;
	r = seccomp_rule_add_array(ctx, action_of(row), nr, (unsigned)row->n, row->arg);
	if (!r && row->n)
		r = seccomp_syscall_priority(ctx, nr, strcmp(row->call, "ioctl") ? 200 : 255);
	return r == -EEXIST ? 0 : r;
}

static int add_forbidden(scmp_filter_ctx ctx, const char *call, enum proc p,
			 const struct isolate_opts *o)
{
	int nr;

	if (is_allowed(call, p, o, false) || !number_of(call, &nr))
		return 0;
	return seccomp_rule_add_array(ctx, SCMP_ACT_KILL_PROCESS, nr, 0, NULL);
}

static void release(const scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

int isolate_filter(enum proc p, const struct isolate_opts *o, struct bpf_prog *out, struct err *e)
{
	__attribute__((cleanup(release))) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int r = ctx ? 0 : -ENOMEM;

	if (!r)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; !r && i < ARRAY_LEN(rows); i++) {
		r = add_row(ctx, &rows[i], p, o);
		if (r)
			return err_set(e, r, "isolate the %s: the row of %s (%s)",
				       processes[p].name, rows[i].call, rows[i].why);
	}
	for (size_t i = 0; !r && i < ARRAY_LEN(forbidden); i++)
		r = add_forbidden(ctx, forbidden[i], p, o);
	if (r)
		return err_set(e, r, "isolate the %s: make its filter", processes[p].name);
	return filter_export(ctx, out, e);
}

/* --- entering --- */

/* What a signal handler must find, and what a forked child inherits. */
static struct {
	struct bpf_prog programs[PROC_COUNT];
	enum proc is;
	bool entered;
	_Atomic uint64_t said[16]; /* a bit for each number */
} isolation;

#if defined __x86_64__
#define RESULT(uc) ((uc)->uc_mcontext.gregs[REG_RAX])
#define ARG(uc, n) ((uc)->uc_mcontext.gregs[(n) == 0 ? REG_RDI : (n) == 1 ? REG_RSI : REG_RDX])
#elif defined __aarch64__
#define RESULT(uc) ((uc)->uc_mcontext.regs[0])
#define ARG(uc, n) ((uc)->uc_mcontext.regs[n])
#endif

/* A call that is in no row: the kernel has not done it. */
static void on_unknown(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	unsigned nr = (unsigned)si->si_syscall;
	int saved = errno;
	uint64_t bit = 1ULL << (nr % 64);

	(void)sig;
	if (nr / 64 >= ARRAY_LEN(isolation.said) ||
	    !(atomic_fetch_or(&isolation.said[nr / 64], bit) & bit)) {
		const char *name = names_syscall_name(names_native_arch(), (int)nr);

		log_say("the %s made the system call %u, %s(0x%llx, 0x%llx, 0x%llx, ...): no row "
			"of isolate.c lets it through; it got ENOSYS",
			processes[isolation.is].name, nr, name ? name : "?",
			(unsigned long long)ARG(uc, 0), (unsigned long long)ARG(uc, 1),
			(unsigned long long)ARG(uc, 2));
	}
	RESULT(uc) = -ENOSYS;
	errno = saved;
}

int isolate_prepare(const struct isolate_opts *o, struct err *e)
{
	struct sigaction sa = { .sa_sigaction = on_unknown, .sa_flags = SA_SIGINFO | SA_RESTART };
	int r = 0;

	names_init();
	for (unsigned p = 0; !r && p < PROC_COUNT; p++)
		if (!isolation.programs[p].insn)
			r = isolate_filter((enum proc)p, o, &isolation.programs[p], e);
	if (!r && sigaction(SIGSYS, &sa, NULL))
		r = err_set(e, errno, "handle SIGSYS");
	return r;
}

#ifdef __SANITIZE_ADDRESS__
/* Asked at the end, by its name: to look for leaks it would trace us, and nobody may any more. */
int __lsan_is_turned_off(void);
__attribute__((visibility("default"))) int __lsan_is_turned_off(void)
{
	return isolation.entered;
}
#endif

/* Without a capability in the bounding set there is no program that could give it back; uid 0 alone
 * gives none (securebits). An unprivileged process may not do this, and has nothing to lose by it.
 */
static int drop_bounding(struct err *e)
{
	static const unsigned bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				     SECBIT_NO_CAP_AMBIENT_RAISE |
				     SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	cap_t now = cap_get_proc();
	cap_flag_value_t may = CAP_CLEAR;

	if (!now)
		return err_set(e, errno, "read the capabilities");
	cap_get_flag(now, CAP_SETPCAP, CAP_EFFECTIVE, &may);
	cap_free(now);
	for (int cap = 0; may == CAP_SET && cap_get_bound(cap) >= 0; cap++)
		if (cap_get_bound(cap) && cap_drop_bound(cap))
			return err_set(e, errno, "drop %s", names_cap_name(cap));
	if (may == CAP_SET && cap_set_secbits(bits))
		return err_set(e, errno, "set the securebits");
	return 0;
}

/* Those of `caps` that this process still has. */
static int fill_caps(cap_t to, cap_t now, cap_flag_t flag, uint64_t caps)
{
	for (cap_value_t cap = 0; cap < 64; cap++) {
		cap_flag_value_t has = CAP_CLEAR;

		if (!(caps & 1ULL << cap) || cap_get_flag(now, cap, CAP_PERMITTED, &has) ||
		    has != CAP_SET)
			continue;
		if (cap_set_flag(to, flag, 1, &cap, CAP_SET))
			return -errno;
	}
	return 0;
}

static int keep_caps(enum proc p, struct err *e)
{
	cap_t now = cap_get_proc(), want = cap_init();
	int r = now && want ? 0 : -ENOMEM;

	if (!r)
		r = fill_caps(want, now, CAP_PERMITTED, isolate_permitted(p));
	if (!r)
		r = fill_caps(want, now, CAP_EFFECTIVE, isolate_effective(p));
	if (!r && cap_set_proc(want))
		r = -errno;
	cap_free(want);
	cap_free(now);
	return r ? err_set(e, r, "keep the capabilities of the %s", processes[p].name) : 0;
}

/* --- the folders that stay writable --- */

#define WRITE_ACCESS                                                     \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |     \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define TRUNCATE_ACCESS (1ULL << 14) /* version 3; Debian 12's header has version 1 */
#define FOLDER_ACCESS                                                     \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_MAKE_REG)

/* The folder of a file, also of one that somebody has removed; of a device or pipe only itself, for
 * its folder holds other devices. */
static int allow_writes(int rules, const char *path, uint64_t handled, struct err *e)
{
	struct landlock_path_beneath_attr at = { .allowed_access = handled & (FOLDER_ACCESS |
									      TRUNCATE_ACCESS) };
	char real[PATH_MAX], folder[PATH_MAX];
	struct stat st;
	int r;

	snprintf(folder, sizeof folder, "%s", path);
	if (!realpath(path, real) && (errno != ENOENT || !realpath(dirname(folder), real)))
		return err_set(e, errno, "isolate: %s", path);
	if (stat(real, &st))
		return err_set(e, errno, "isolate: %s", path);
	if (S_ISREG(st.st_mode))
		dirname(real);
	else if (!S_ISDIR(st.st_mode))
		at.allowed_access &= LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE_ACCESS;
	at.parent_fd = open(real, O_PATH | O_CLOEXEC);
	if (at.parent_fd < 0)
		return err_set(e, errno, "isolate: open %s", real);
	r = (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &at, 0);
	if (r)
		r = err_set(e, errno, "isolate: keep %s writable", real);
	close(at.parent_fd);
	return r;
}

/* Not for a worker: who is restricted so may not look at processes outside, whatever capabilities
 * it has; and a worker's filter lets it write nowhere. */
static int restrict_writes(const char *const *writable, struct err *e)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = WRITE_ACCESS };
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	auto_fd rules = -1;
	int r = 0;

	if (version < 1) /* an older kernel, or switched off: capabilities and filter remain */
		return 0;
	if (version >= 3)
		attr.handled_access_fs |= TRUNCATE_ACCESS;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (rules < 0)
		return err_set(e, errno, "isolate: make a Landlock ruleset");
#ifdef WARDER_SANITIZED
	if (getenv("WARDER_REPORTS"))
		r = allow_writes(rules, getenv("WARDER_REPORTS"), attr.handled_access_fs, e);
#endif
	for (; !r && *writable; writable++)
		r = allow_writes(rules, *writable, attr.handled_access_fs, e);
	if (!r && syscall(SYS_landlock_restrict_self, rules, 0))
		r = err_set(e, errno, "isolate: restrict what is written");
	return r;
}

/* Who may use ioctl has no controlling terminal: nobody types into the administrator's. (Not by
 * setsid(), which would make it a scheduling group of its own: half as much again for each call.)
 */
static int leave_terminal(enum proc p, struct err *e)
{
	bool leaves = p == PROC_WORKER || p == PROC_STAND_IN;
	auto_fd tty = leaves ? open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC) : -1;

	if (tty >= 0 && ioctl(tty, TIOCNOTTY))
		return err_set(e, errno, "leave the terminal");
	return 0;
}

int isolate_enter(enum proc p, const char *const *writable, struct err *e)
{
	int r;

	isolation.is = p;
	isolation.entered = true;
	r = leave_terminal(p, e);
	if (!r)
		r = drop_bounding(e);
	if (!r && cap_reset_ambient())
		r = err_set(e, errno, "drop the ambient capabilities");
	if (!r && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = err_set(e, errno, "set no_new_privs");
#ifndef WARDER_SANITIZED
	if (!r && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		r = err_set(e, errno, "be no process that others may read");
#endif
	if (!r)
		r = keep_caps(p, e);
	if (!r && writable)
		r = restrict_writes(writable, e);
	if (!r)
		r = filter_load(&isolation.programs[p], LOAD_FLAGS, NULL, e);
	return r;
}

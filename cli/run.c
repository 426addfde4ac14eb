/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - warder run: a command under a policy, served by this process.
 *
 * The child shares our descriptor table until its exec: the listener that its filter gives is ours
 * at once, and no call has to be excepted from the filter to hand it over. Its number comes through
 * a shared page, since any call to tell it might itself be notified. The exec always is: it waits
 * in the kernel until we serve. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../supervisor/journal.h"
#include "../supervisor/session.h"
#include "cli.h"
#include "tally.h"
#include "warder/names.h"
#include "warder/notify.h"
#include "warder/opt.h"
#include "warder/own.h"
#include "where.h"

#define DEFAULT_POLICY "/etc/warder/policies/default.json"
#define NOTICE_MS      1000

/* Our own failures, as env(1) and timeout(1) have them; anything else is the command's. */
enum { EXIT_OURS = 125, EXIT_NO_EXEC = 126, EXIT_NOT_FOUND = 127 };

struct shared { /* with the child, until its exec */
	_Atomic int listener;
	_Atomic int load_errno, exec_errno;
};

struct run {
	/* options */
	const char *policy, *mode, *events, *caps;
	bool quiet;
	char **argv;
	/* the engine */
	enum mode in_mode;
	struct arena *arena;
	struct policies *policies;
	const struct compiled *compiled;
	struct sinks *sinks;
	struct journal *journal;
	struct session *session;
	int events_fd, signals, ended;
	uint64_t words[LANE_N_WORDS]; /* the session's counters, at its end */
	struct tally tally;           /* the journal's thread until journal_finish() */
	uint64_t lost;
	/* the command */
	bool privileged; /* may load a filter without no_new_privs */
	sigset_t old_mask;
	struct shared *shared;
	pid_t pid;  /* 0: reaped */
	bool waits; /* the command has ended, not all that it started */
	bool leave; /* a signal ended the wait for what the command left running */
	int status; /* what to exit with */
};

static void say(const struct run *r, const char *line)
{
	if (!r->quiet)
		fprintf(stderr, "warder run: %s\n", line);
}

/* --- what is loaded before the command starts --- */

static void journal_trouble(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "warder run: %s\n", line);
}

static const char *syscall_text(const struct event *ev, char *buf, size_t size)
{
	char nr[16];
	const char *native = names_arch_scmp(names_native_arch()) + strlen("SCMP_ARCH_");

	snprintf(nr, sizeof nr, "%d", ev->nr);
	if (ev->arch && strcasecmp(ev->arch, native) != 0)
		snprintf(buf, size, "%s (%s)", ev->syscall ? ev->syscall : nr, ev->arch);
	else
		snprintf(buf, size, "%s", ev->syscall ? ev->syscall : nr);
	return buf;
}

/* From the journal's thread. */
static void count_event(void *ctx, const struct event *ev, const char *line, size_t len)
{
	static const char *const done[DONE_COUNT] = { [DONE_NONE] = "not answered",
						      [DONE_CONTINUE] = "let through",
						      [DONE_ERRNO] = "refused",
						      [DONE_KILL_PROCESS] = "killed",
						      [DONE_GONE] = "caller gone" };
	char row[TALLY_TEXT], name[64];
	struct run *r = ctx;

	(void)line;
	(void)len;
	if (ev->type == EVENT_LOST)
		r->lost += ev->count;
	if (ev->type != EVENT_CALL && ev->type != EVENT_SUPPRESSED)
		return;
	snprintf(row, sizeof row, "%s\t%s%s%s\t%s\t%s", syscall_text(ev, name, sizeof name),
		 ev->asked, ev->error ? " " : "", ev->error ? ev->error : "", done[ev->done],
		 ev->rule ? ev->rule : "");
	tally_add(&r->tally, row, ev->comm, ev->count);
}

static int open_events(struct run *r, struct err *e)
{
	if (!r->events)
		return 0;
	if (!strcmp(r->events, "-")) {
		r->events_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		r->events_fd =
			open(r->events, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	}
	return r->events_fd < 0 ? err_set(e, errno, "open %s", r->events) : 0;
}

/* The capabilities that the command can have: as root those of the bounding set, otherwise (with
 * no_new_privs) those that we have. */
static uint64_t own_caps(bool privileged)
{
	cap_t caps = cap_get_proc();
	uint64_t set = 0;

	for (int i = 0; i < 64 && names_cap_name(i); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		if (caps)
			cap_get_flag(caps, i, CAP_PERMITTED, &value);
		if (privileged ? cap_get_bound(i) == 1 : value == CAP_SET)
			set |= UINT64_C(1) << i;
	}
	cap_free(caps);
	return set;
}

static bool is_privileged(void)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (caps)
		cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &value);
	cap_free(caps);
	return value == CAP_SET;
}

static int choose_mode(struct run *r, const struct policy *p, struct err *e)
{
	int mode = r->mode ? mode_parse(r->mode) : (int)p->mode;

	if (mode < 0)
		return err_set(e, EINVAL, "--mode: \"%s\" is no mode (audit, enforce, record)",
			       r->mode);
	r->in_mode = (enum mode)mode;
	return 0;
}

static int find_policy(struct run *r, struct err *e)
{
	if (!r->policy)
		r->policy = getenv("WARDER_POLICY");
	if (!r->policy && !access(DEFAULT_POLICY, F_OK))
		r->policy = DEFAULT_POLICY;
	if (r->policy)
		return 0;
	return err_set(e, EINVAL,
		       "no policy: give --policy FILE (a Docker profile will do), set "
		       "$WARDER_POLICY, or install " DEFAULT_POLICY);
}

/* The text is parsed twice: here for messages with the file's own name, and by the engine. */
static int compile_policy(struct run *r, struct err *e)
{
	struct where_warnings warnings = { .program = "warder run", .file = r->policy };
	const struct warn warn = { where_count_warning, &warnings };
	struct policies_key key = { .caps_known = true, .caps = own_caps(r->privileged) };
	auto_free char *text = NULL;
	const struct policy *p;
	size_t len;
	int rc = json_slurp_path(r->policy, &text, &len, e);

	if (!rc)
		rc = policy_parse(NULL, r->policy, text, len, &p, &warn, e);
	if (rc)
		return rc;
	if (!r->quiet)
		where_say_warnings(&warnings);
	rc = choose_mode(r, p, e);
	if (!rc && r->caps)
		rc = where_caps(r->caps, &key.caps, e);
	key.name = p->name;
	key.notify_all = r->in_mode == MODE_RECORD;
	if (!rc)
		rc = policies_add(r->policies, &key, text, len, &r->compiled, NULL, e);
	policy_free(p);
	return rc;
}

static int open_sink(struct run *r, struct err *e)
{
	struct sink_config c;
	struct sinks_opts opts = {
		.arena = r->arena, .n = 1, .configs = &c, .on_trouble = journal_trouble
	};

	sink_config_init(&c, SINK_file);
	c.fd = r->events_fd;
	return sinks_open(&opts, &r->sinks, e);
}

static int prepare(struct run *r, struct err *e)
{
	struct journal_opts opts;
	int rc;

	r->privileged = is_privileged();
	rc = find_policy(r, e);
	if (!rc)
		rc = arena_new(&r->arena, e);
	if (!rc)
		rc = policies_new(r->arena, &r->policies, e);
	if (!rc)
		rc = compile_policy(r, e);
	if (!rc)
		rc = open_events(r, e);
	if (rc)
		return rc;
	if (r->events_fd >= 0)
		rc = open_sink(r, e);
	if (rc)
		return rc;
	opts = (struct journal_opts){ .arena = r->arena,
				      .policies = r->policies,
				      .sinks = r->sinks,
				      .on_event = count_event,
				      .on_trouble = journal_trouble,
				      .ctx = r };
	return journal_new(&opts, &r->journal, e);
}

/* --- the command --- */

/* The signals that are ours to pass on unless we are to ignore them (nohup), and SIGCHLD. Blocked
 * before the command is there. */
static int take_signals(struct run *r, struct err *e)
{
	static const int taken[] = { SIGCHLD, SIGHUP,  SIGINT,   SIGQUIT, SIGTERM,
				     SIGUSR1, SIGCONT, SIGWINCH, SIGTSTP };
	struct sigaction sa;
	sigset_t set;

	sigemptyset(&set);
	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		if (!sigaction(taken[i], NULL, &sa) && sa.sa_handler != SIG_IGN)
			sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, &r->old_mask);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r->ended = eventfd(0, EFD_CLOEXEC);
	if (r->signals < 0 || r->ended < 0)
		return err_set(e, errno, "take the signals");
	return 0;
}

static _Noreturn void child(struct run *r)
{
	const unsigned long killable = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	const struct bpf_prog *gate = &r->compiled->filter.gate;
	struct err e;
	int fd, rc;

	sigprocmask(SIG_SETMASK, &r->old_mask, NULL);
	if (!r->privileged)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	rc = filter_load(gate, (unsigned)(flags | killable), &fd, &e);
	if (rc == -EINVAL)
		rc = filter_load(gate, (unsigned)flags, &fd, &e);
	if (rc) {
		atomic_store(&r->shared->load_errno, -rc);
		_exit(EXIT_OURS);
	}
	atomic_store(&r->shared->listener, fd);
	execvp(r->argv[0], r->argv);
	atomic_store(&r->shared->exec_errno, errno);
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NO_EXEC);
}

/* Until the child is under its filter; a child that ends first has failed. */
static int await_listener(struct run *r, int *listener, struct err *e)
{
	const struct timespec nap = { 0, 100000 };

	while (atomic_load(&r->shared->listener) < 0) {
		if (waitpid(r->pid, &r->status, WNOHANG) == r->pid) {
			int error = atomic_load(&r->shared->load_errno);

			r->pid = 0;
			return err_set(e, error,
				       error == EBUSY ? "this process is under a listener already, "
							"a second one cannot be"
						      : "load the policy's filter");
		}
		nanosleep(&nap, NULL);
	}
	*listener = atomic_load(&r->shared->listener);
	return 0;
}

static int start_child(struct run *r, int *listener, struct err *e)
{
	r->shared = mmap(NULL, sizeof *r->shared, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->shared == MAP_FAILED)
		return err_set(e, errno, "share a page");
	atomic_store(&r->shared->listener, -1);
	fflush(NULL);
	r->pid = (pid_t)syscall(__NR_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!r->pid)
		child(r);
	if (r->pid < 0) {
		r->pid = 0;
		return err_set(e, errno, "start a process");
	}
	signal(SIGPIPE, SIG_IGN); /* the command has what it had */
	return await_listener(r, listener, e);
}

static void session_over(void *ctx)
{
	const struct run *r = ctx;
	uint64_t one = 1;

	if (write(r->ended, &one, sizeof one) < 0)
		return;
}

/* Before 6.11 RECV does not return at the end; asking the version is safe here: where a fix was
 * brought back to an older kernel, the poll only costs time. */
static bool must_poll(void)
{
	struct host h;

	host_init(&h);
	return h.kernel_major < 6 || (h.kernel_major == 6 && h.kernel_minor < 11);
}

static int start_session(struct run *r, int listener, struct err *e)
{
	const char *slash = strrchr(r->argv[0], '/');
	char id[32];
	struct session_start start = { .id = id,
				       .name = slash ? slash + 1 : r->argv[0],
				       .policy = r->compiled->index,
				       .mode = r->in_mode,
				       .init = r->pid,
				       .listener = listener };
	struct session_opts opts = { .arena = r->arena,
				     .block = arena_take(r->arena),
				     .compiled = r->compiled,
				     .poll_first = must_poll(),
				     .on_end = session_over,
				     .ctx = r };
	int rc;

	snprintf(id, sizeof id, "run-%d", (int)r->pid);
	if (!opts.block)
		return err_set(e, ENOMEM, "no room for a session");
	session_fill(opts.block, &start);
	arena_publish(opts.block);
	rc = journal_start(r->journal, e);
	return rc ? rc : session_new(&opts, &r->session, e);
}

/* --- while it runs --- */

/* The terminal has sent it to the whole group: the command has it already. */
static bool has_it(const struct run *r, const struct signalfd_siginfo *s)
{
	return s->ssi_code == SI_KERNEL && getpgid(r->pid) == getpgrp();
}

static bool ends_wait(uint32_t sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT;
}

/* Stopped from the terminal: we stop too, so that the shell sees the job stopped. */
static void follow_stop(const struct run *r, int sig)
{
	if ((sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) && getpgid(r->pid) == getpgrp())
		kill(getpid(), SIGSTOP);
}

static void look_after_child(struct run *r)
{
	int status;

	while (r->pid && waitpid(r->pid, &status, WNOHANG | WUNTRACED) == r->pid) {
		if (WIFSTOPPED(status)) {
			follow_stop(r, WSTOPSIG(status));
			continue;
		}
		r->pid = 0;
		r->status = status;
	}
}

static void take_signal(struct run *r)
{
	struct signalfd_siginfo s;

	if (read(r->signals, &s, sizeof s) != sizeof s)
		return;
	if (s.ssi_signo == SIGCHLD)
		look_after_child(r);
	else if (r->pid && !has_it(r, &s))
		kill(r->pid, (int)s.ssi_signo);
	else if (!r->pid && ends_wait(s.ssi_signo))
		r->leave = true;
}

/* Until the last task under the filter has gone and the command is reaped, or a signal after the
 * command's own end. */
static void serve(struct run *r)
{
	struct pollfd p[] = { { .fd = r->signals, .events = POLLIN },
			      { .fd = r->ended, .events = POLLIN } };
	bool told = false;

	while (!r->leave && (r->pid || p[1].fd >= 0)) {
		int n = poll(p, ARRAY_LEN(p), r->pid || told ? -1 : NOTICE_MS);

		if (n == 0) {
			told = true;
			say(r, "the command has ended, waiting for what it left running (^C ends "
			       "the wait; their watched calls then fail with ENOSYS)");
		}
		if (n > 0 && p[0].revents)
			take_signal(r);
		if (n > 0 && p[1].revents)
			p[1].fd = -1;
	}
}

static int run_command(struct run *r, struct err *e)
{
	int listener = -1, rc = take_signals(r, e);

	if (!rc)
		rc = start_child(r, &listener, e);
	if (!rc && !r->privileged)
		say(r, "not root: no_new_privs is set, set-user-ID programs gain nothing");
	if (!rc)
		rc = start_session(r, listener, e);
	if (rc)
		return rc;
	serve(r);
	lane_read(&session_block(r->session)->lane, r->words);
	return 0;
}

/* --- the end --- */

static void finish(struct run *r)
{
	if (r->session)
		session_free(r->session, false);
	if (r->pid) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	if (r->session)
		journal_finish(r->journal);
	journal_free(r->journal);
	sinks_close(r->sinks);
	if (r->policies) {
		policies_put(r->policies, r->compiled);
		policies_free(r->policies);
	}
	if (r->arena)
		arena_unmap(r->arena);
	for (int *fd = (int[]){ r->events_fd, r->signals, r->ended, -2 }; *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
}

static void print_summary(struct run *r, const char *policy)
{
	uint64_t blocked = r->words[LANE_denied] + r->words[LANE_killed];

	if (r->quiet || (r->events && !strcmp(r->events, "-")))
		return;
	fprintf(stderr, "warder run: policy %s, %s: %s %" PRIu64 " of %" PRIu64 " watched calls\n",
		policy, mode_word(r->in_mode),
		r->in_mode == MODE_ENFORCE ? "blocked" : "would have blocked",
		blocked + r->words[LANE_audited], r->words[LANE_received]);
	if (r->tally.total)
		tally_print(&r->tally, "CALLS\tSYSCALL\tVERDICT\tDONE\tRULE\tBY", stderr);
	if (r->lost)
		fprintf(stderr, "%8" PRIu64 "  more events were lost\n", r->lost);
}

static void say_no_exec(const struct run *r)
{
	int error = atomic_load(&r->shared->exec_errno);

	if (error)
		fprintf(stderr, "warder run: %s: %s%s\n", r->argv[0], strerror(error),
			error == ENOENT ? "" : " (or does the policy forbid execve?)");
}

static int exit_status(const struct run *r)
{
	return WIFSIGNALED(r->status) ? 128 + WTERMSIG(r->status) : WEXITSTATUS(r->status);
}

static int run(struct run *r)
{
	char policy[POLICY_NAME_MAX] = "";
	struct err e;
	int rc = prepare(r, &e);

	if (!rc) {
		snprintf(policy, sizeof policy, "%s", r->compiled->policy->name);
		rc = run_command(r, &e);
	}
	finish(r);
	if (rc) {
		fprintf(stderr, "warder run: %s\n", e.msg);
	} else {
		say_no_exec(r);
		print_summary(r, policy);
	}
	tally_fini(&r->tally);
	return rc ? EXIT_OURS : exit_status(r);
}

int cli_run(int argc, char **argv)
{
	struct run r = { .events_fd = -1, .signals = -1, .ended = -1 };
	const struct opt rows[] = {
		{ "policy", 'p', OPT_STR, &r.policy, "FILE",
		  "the policy (default: $WARDER_POLICY, " DEFAULT_POLICY ")" },
		{ "mode", 'm', OPT_STR, &r.mode, "MODE",
		  "audit, enforce or record (default: the policy's own)" },
		{ "events", 'e', OPT_STR, &r.events, "FILE",
		  "append events to FILE, one JSON object a line; - for stderr" },
		{ "caps", 0, OPT_STR, &r.caps, "LIST",
		  "capabilities to resolve for: CAP_KILL,..., all, none, default "
		  "(Docker's); without: CMD's own" },
		{ "quiet", 'q', OPT_FLAG, &r.quiet, NULL, "no notices, no table at the end" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = "warder run",
		.args = "[--] CMD [ARG...]",
		.purpose = "Run a command under a policy, without container and without daemon.",
		.rows = rows,
		.tail = "Works as root and as an ordinary user (then with no_new_privs). What "
			"was,\n"
			"or in audit would have been, blocked is listed on stderr at the end. The\n"
			"end is when the last process under the filter has ended; signals are\n"
			"passed on to CMD. Were warder itself killed, watched calls would fail "
			"with\n"
			"ENOSYS.\n"
			"Exit status: CMD's, 128+N if signal N ended it, 125 Warder failed, 126 "
			"CMD\n"
			"cannot be run, 127 there is no CMD.\n"
			"\n"
			"Examples:\n"
			"  warder run --policy web.json -- nginx -t\n"
			"  warder run -p web.json -m enforce -e events.json -- ./server --port "
			"80\n",
	};
	struct err e;
	int first, rc = opt_parse(&usage, argc, argv, &first, &e);

	if (!rc && first == argc)
		rc = err_set(&e, EINVAL, "no CMD given (see %s --help)", usage.program);
	if (rc)
		return cli_usage(usage.program, rc, &e) ? EXIT_OURS : 0;
	r.argv = argv + first;
	return run(&r);
}

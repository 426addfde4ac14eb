/* SPDX-License-Identifier: Apache-2.0 */
/* loaded.c - see loaded.h. */
#include "warder/loaded.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "warder/own.h"

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

void loaded_fini(struct loaded *l)
{
	for (int i = 0; i < l->n; i++)
		bpf_fini(&l->prog[i]);
	l->n = 0;
}

/* One filter; 0: there is none of this number. */
static int read_one(pid_t tid, int index, struct bpf_prog *out, struct err *e)
{
	long n = ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, tid, (long)index, NULL);
	struct bpf_prog p = { .len = (size_t)n };

	/* ENOENT: no more filters; EINVAL: the task has none at all */
	if (n < 0 && (errno == ENOENT || errno == EINVAL))
		return 0;
	if (n < 0 && errno == EMEDIUMTYPE)
		return err_set(e, ENOTSUP,
			       "filter %d of %d is no classic program, so its meaning is unknown.",
			       index, tid);
	if (n < 0)
		return err_set(e, errno, "read filter %d of %d%s", index, tid,
			       errno == EACCES ? " (needs CAP_SYS_ADMIN, and no filter of our own)"
					       : "");
	p.insn = calloc((size_t)n + 1, sizeof *p.insn);
	if (!p.insn)
		return err_set(e, ENOMEM, "read a filter");
	if (ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, tid, (long)index, p.insn) != n)
		err_set(e, errno, "read filter %d of %d", index, tid);
	else if (!bpf_check(&p, e)) {
		*out = p;
		return 1;
	}
	bpf_fini(&p);
	return -e->num;
}

static int read_all(pid_t tid, struct loaded *l, struct err *e)
{
	int r = 1;

	while (r > 0 && l->n < LOADED_MAX) {
		r = read_one(tid, l->n, &l->prog[l->n], e);
		if (r > 0)
			l->n++;
	}
	return r > 0 ? err_set(e, E2BIG, "%d has more than %d filters", tid, LOADED_MAX) : r;
}

/* PTRACE_EVENT_STOP of our interrupt; a signal that comes first is passed on. */
static int wait_for_stop(pid_t tid, struct err *e)
{
	int status;

	for (;;) {
		if (waitpid(tid, &status, __WALL) < 0)
			return err_set(e, errno, "wait for %d", tid);
		if (!WIFSTOPPED(status))
			return err_set(e, ESRCH, "%d has ended", tid);
		if (status >> 16 == PTRACE_EVENT_STOP)
			return 0;
		if (ptrace(PTRACE_CONT, tid, NULL, (long)WSTOPSIG(status)) ||
		    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
			return err_set(e, errno, "stop %d", tid);
	}
}

int loaded_read(pid_t tid, struct loaded *out, struct err *e)
{
	struct loaded l = { 0 };
	int r;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return err_set(e, errno, "trace %d", tid);
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		r = err_set(e, errno, "stop %d", tid);
	else
		r = wait_for_stop(tid, e);
	if (!r)
		r = read_all(tid, &l, e);
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	if (r)
		loaded_fini(&l);
	else
		*out = l;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* strace.c - see seen.h: the text of strace(1).
 *
 * A line is prefixes in any order (pid, time, number, instruction pointer), then a call, its second
 * half, a signal, an exit, a change of ABI, or a row of a table. What is none of these is counted
 * as odd and left out: a recording may be cut anywhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"
#include "warder/seen.h"

void strace_fini(struct strace_reader *r)
{
	free(r->tasks);
	r->tasks = NULL;
	r->n_tasks = 0;
}

struct head { /* what stood before the call */
	long pid;
	int nr; /* of -n; -1: none */
};

static enum arch arch_of(const struct strace_reader *r, long pid)
{
	for (size_t i = 0; i < r->n_tasks; i++)
		if (r->tasks[i].pid == pid)
			return r->tasks[i].arch;
	return names_native_arch();
}

static bool set_arch(struct strace_reader *r, long pid, enum arch a)
{
	struct strace_task *grown;

	for (size_t i = 0; i < r->n_tasks; i++)
		if (r->tasks[i].pid == pid) {
			r->tasks[i].arch = a;
			return true;
		}
	grown = realloc(r->tasks, (r->n_tasks + 1) * sizeof *grown);
	if (!grown)
		return false;
	r->tasks = grown;
	r->tasks[r->n_tasks++] = (struct strace_task){ pid, a };
	return true;
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static size_t digits(const char *p)
{
	return strspn(p, "0123456789");
}

/* Behind "<comm> " of -Y, which may hold anything; or p itself. */
static char *skip_comm(char *p)
{
	char *end = *p == '<' ? strstr(p, "> ") : NULL;

	return end ? end + 1 : p;
}

/* "[pid 12] ", "[pid 12<sh>] ", "[ 59] ", "[00007f12..] ": behind it, or NULL. */
static char *skip_bracket(char *p, struct head *h)
{
	char *end = strchr(p, ']');
	size_t blank, hex;

	if (!end)
		return NULL;
	if (begins(p, "[pid ")) {
		p += strlen("[pid ") + strspn(p + strlen("[pid "), " ");
		if (!digits(p))
			return NULL;
		h->pid = strtol(p, &p, 10);
		end = *p == '<' ? strstr(p, ">]") : p;
		if (!end)
			return NULL;
		end += *end == '>';
		return *end == ']' ? end + 1 : NULL;
	}
	blank = 1 + strspn(p + 1, " ");
	hex = strspn(p + blank, "0123456789abcdefx?");
	if (!hex || p + blank + hex != end)
		return NULL;
	if (hex < 8 && digits(p + blank) == hex)
		h->nr = atoi(p + blank);
	return end + 1;
}

/* "1234 ", "12:34:56.789 ", "1700000000.123 ", "0.000012 ": behind it, or NULL. */
static char *skip_number(char *p, struct head *h)
{
	size_t n = digits(p), all = strspn(p, "0123456789.:TZ+-");

	if (n == all) {
		char *end = skip_comm(p + n);

		if (*end != ' ' && *end != '\t')
			return NULL;
		h->pid = strtol(p, NULL, 10);
		return end;
	}
	return p[all] == ' ' ? p + all : NULL;
}

static char *skip_prefixes(char *p, struct head *h)
{
	*h = (struct head){ .nr = -1 };
	for (;;) {
		char *next = NULL;

		p += strspn(p, " \t");
		if (begins(p, "[ Process "))
			return p;
		if (*p == '[')
			next = skip_bracket(p, h);
		else if (*p >= '0' && *p <= '9')
			next = skip_number(p, h);
		if (!next)
			return p;
		p = next;
	}
}

/* Behind the last ") = ", with any spaces; NULL: the line has no result. */
static const char *result_text(const char *p)
{
	const char *found = NULL;

	for (const char *at = strchr(p, ')'); at; at = strchr(at + 1, ')')) {
		size_t blank = strspn(at + 1, " ");

		if (at[1 + blank] == '=' && at[2 + blank] == ' ')
			found = at + 3 + blank;
	}
	return found;
}

static enum seen_result result_of(const char *p)
{
	const char *text = result_text(p);

	if (!text || *text == '?')
		return SEEN_UNKNOWN;
	return begins(text, "-1 ENOSYS") || begins(text, "-1 (errno 38)") ? SEEN_ENOSYS : SEEN_DONE;
}

/* -n tells the number: where it is not this ABI's, another one's may fit. */
static enum arch arch_by_number(enum arch a, const char *name, int nr)
{
	static const enum arch tried[] = { ARCH_X86_64, ARCH_X86, ARCH_X32, ARCH_AARCH64,
					   ARCH_ARM };

	if (nr < 0 || names_syscall(a, name) < 0 || names_syscall(a, name) == nr)
		return a;
	for (size_t i = 0; i < ARRAY_LEN(tried); i++)
		if (names_syscall(tried[i], name) == nr)
			return tried[i];
	return a;
}

static bool take_call(struct strace_reader *r, const struct head *h, char *p, size_t len)
{
	enum arch a = arch_of(r, h->pid);
	enum seen_result result = result_of(p + len);
	char name[SEEN_NAME];
	long nr;

	if (begins(p, "syscall_0x")) {
		nr = strtol(p + strlen("syscall_"), NULL, 16);
		return seen_add_number(r->to, a, (int)nr, result);
	}
	if (len >= sizeof name) {
		r->to->odd++;
		return true;
	}
	snprintf(name, sizeof name, "%.*s", (int)len, p);
	/* a name that nobody knows, in half a line, is no call */
	if (names_syscall(ARCH_NONE, name) < 0 && !result_text(p + len)) {
		r->to->odd++;
		return true;
	}
	if (arch_by_number(a, name, h->nr) != a) {
		a = arch_by_number(a, name, h->nr);
		if (!set_arch(r, h->pid, a))
			return false;
	}
	return seen_add(r->to, a, name, len, 1, result);
}

/* "<... read resumed>...) = 1" */
static bool take_resumed(struct strace_reader *r, const struct head *h, const char *p)
{
	const char *name = p + strlen("<... ");
	size_t len = strcspn(name, " ");

	if (!begins(name + len, " resumed")) {
		r->to->odd++;
		return true;
	}
	if (begins(name, "syscall_0x") || *name == '?')
		return true;
	seen_end(r->to, arch_of(r, h->pid), name, len, result_of(name + len));
	return true;
}

static const struct {
	const char *word;
	enum arch arch;
} personalities[] = { { "64 bit", ARCH_X86_64 }, { "32 bit", ARCH_X86 }, { "x32", ARCH_X32 } };

/* The ABI that "... 32 bit mode" names, on this kind of machine. */
static enum arch personality(const char *p)
{
	bool arm = names_native_arch() == ARCH_AARCH64;

	for (size_t i = 0; i < ARRAY_LEN(personalities); i++)
		if (begins(p, personalities[i].word)) {
			enum arch a = personalities[i].arch;

			if (arm && a != ARCH_X32)
				a = a == ARCH_X86 ? ARCH_ARM : ARCH_AARCH64;
			return a;
		}
	return ARCH_NONE;
}

/* "[ Process PID=12 runs in 32 bit mode. ]" */
static bool take_mode(struct strace_reader *r, const struct head *h, const char *p)
{
	const char *pid = strstr(p, "PID="), *mode = strstr(p, " runs in ");
	enum arch a = mode ? personality(mode + strlen(" runs in ")) : ARCH_NONE;

	if (!pid || a == ARCH_NONE) {
		r->to->odd++;
		return true;
	}
	/* lines of a lone process have no pid */
	return set_arch(r, strtol(pid + 4, NULL, 10), a) && (h->pid || set_arch(r, 0, a));
}

/* "  0.00    0.000000           0         3         1 read": calls is the fourth, the name last. */
static bool take_row(struct strace_reader *r, char *p)
{
	char *words[8], *save = NULL;
	uint64_t calls = 1;
	int n = 0;

	for (char *w = strtok_r(p, " \t", &save); w && n < 8; w = strtok_r(NULL, " \t", &save))
		words[n++] = w;
	if (n < 2 || !strcmp(words[n - 1], "total"))
		return true;
	if (n >= 5 && words[3][digits(words[3])] == 0)
		calls = strtoull(words[3], NULL, 10);
	return seen_add(r->to, r->table_arch, words[n - 1], strlen(words[n - 1]), calls ? calls : 1,
			SEEN_UNKNOWN);
}

static bool take_table(struct strace_reader *r, char *p)
{
	if (begins(p, "% time") || begins(p, "System call usage summary for ")) {
		enum arch a = *p == 'S' ? personality(p + strlen("System call usage summary for "))
			      : r->in_table ? r->table_arch
					    : names_native_arch();

		r->table_arch = a == ARCH_NONE ? names_native_arch() : a;
		r->in_table = true;
		return true;
	}
	if (begins(p, "------"))
		return true;
	/* calls that do not return are in no table */
	return seen_add(r->to, r->table_arch, "exit", 4, 0, SEEN_UNKNOWN) &&
	       seen_add(r->to, r->table_arch, "exit_group", 10, 0, SEEN_UNKNOWN) && take_row(r, p);
}

static bool is_note(const char *p)
{
	static const char *const notes[] = { "+++ ", "--- ", "strace: ", "> ", "???" };

	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		if (begins(p, notes[i]))
			return true;
	return !*p;
}

static bool is_table(const struct strace_reader *r, const char *p, size_t name)
{
	if (begins(p, "% time") || begins(p, "System call usage summary"))
		return true;
	return r->in_table && p[name] != '(' && *p != '<' && *p != '+' && *p != '[';
}

bool strace_line(struct strace_reader *r, char *line)
{
	struct head h;
	char *p, *start = line + strspn(line, " ");
	size_t name;

	r->to->lines++;
	if (is_table(r, start, strcspn(start, "( ")))
		return take_table(r, start);
	p = skip_prefixes(line, &h);
	name = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (begins(p, "strace: [ Process "))
		p += strlen("strace: ");
	if (is_note(p))
		return true;
	if (begins(p, "[ Process "))
		return take_mode(r, &h, p);
	if (begins(p, "<... "))
		return take_resumed(r, &h, p);
	if (name && p[name] == '(')
		return take_call(r, &h, p, name);
	r->to->odd++;
	return true;
}

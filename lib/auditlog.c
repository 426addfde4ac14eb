/* SPDX-License-Identifier: Apache-2.0 */
/* auditlog.c - see seen.h: SECCOMP records of the audit log and of dmesg.
 *
 * A number means nothing without its arch=, so a record without one is odd. The kernel drops
 * records by the thousand and says so in other lines: these are counted as signs of loss. */
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"
#include "warder/seen.h"

/* The value of " key=", which ends at a space; "" in quotes without them. */
static size_t field(const char *line, const char *key, const char **value)
{
	size_t len = strlen(key);
	const char *at = line;

	while ((at = strstr(at, key))) {
		if ((at == line || at[-1] == ' ') && at[len] == '=') {
			*value = at + len + 1;
			if (**value == '"') {
				++*value;
				return strcspn(*value, "\"");
			}
			return strcspn(*value, " \t");
		}
		at += len;
	}
	return 0;
}

static const struct {
	const char *word;
	enum arch arch;
} words[] = { { "x86_64", ARCH_X86_64 },
	      { "i386", ARCH_X86 },
	      { "i686", ARCH_X86 },
	      { "aarch64", ARCH_AARCH64 },
	      { "arm", ARCH_ARM } };

/* "c000003e", or a word of ausearch -i. */
static bool read_arch(const char *value, size_t len, int nr, enum arch *out)
{
	char *end;
	unsigned long audit = strtoul(value, &end, 16);

	if (len && end == value + len) {
		*out = names_arch_of_call((uint32_t)audit, nr);
		return *out != ARCH_NONE;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].word) == len && !strncmp(words[i].word, value, len)) {
			*out = words[i].arch;
			return true;
		}
	return false;
}

static bool take_record(struct audit_reader *r, const char *line)
{
	const char *arch = "", *call = "", *comm = "";
	size_t arch_len = field(line, "arch", &arch), call_len = field(line, "syscall", &call);
	size_t comm_len = field(line, "comm", &comm);
	bool is_number = call_len && strspn(call, "0123456789") == call_len;
	int nr = is_number ? (int)strtoul(call, NULL, 10) : 0;
	enum arch a;

	if (!call_len || !read_arch(arch, arch_len, nr, &a)) {
		r->to->odd++;
		return true;
	}
	if (r->comm && (strlen(r->comm) != comm_len || strncmp(r->comm, comm, comm_len) != 0))
		return true;
	if (is_number)
		return seen_add_number(r->to, a, nr, SEEN_UNKNOWN);
	return seen_add(r->to, a, call, call_len, 1, SEEN_UNKNOWN);
}

bool audit_line(struct audit_reader *r, char *line)
{
	static const char *const losses[] = { "callbacks suppressed",
					      "audit_lost=", "rate limit exceeded",
					      "backlog limit exceeded" };

	r->to->lines++;
	for (size_t i = 0; i < ARRAY_LEN(losses); i++)
		if (strstr(line, losses[i]))
			r->to->lost++;
	if (strstr(line, "type=SECCOMP") || strstr(line, "type=1326"))
		return take_record(r, line);
	return true;
}

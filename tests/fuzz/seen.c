/* SPDX-License-Identifier: Apache-2.0 */
/* seen.c - any bytes as a recording of strace and as an audit log: names of calls only. */
#include "warder/seen.h"
#include "fuzz.h"

static void check(const struct seen *s)
{
	struct ruleset r;
	struct err e;

	for (size_t i = 0; i < s->n; i++) {
		MUST(s->calls[i].arch >= 0 && s->calls[i].arch < ARCH_COUNT);
		MUST(*s->calls[i].name &&
		     !s->calls[i].name[strspn(s->calls[i].name, "abcdefghijklmnopqrstuvwxyz"
								"0123456789_")]);
	}
	if (!seen_rules(s, false, &r, &e))
		ruleset_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int kind = 0; kind < 2; kind++) {
		char *text = malloc(size + 1), *rest = text, *line;
		struct seen s = { 0 };
		struct strace_reader strace = { .to = &s };
		struct audit_reader audit = { .to = &s };

		memcpy(text, data, size);
		text[size] = 0;
		while ((line = strsep(&rest, "\n")))
			MUST(kind ? strace_line(&strace, line) : audit_line(&audit, line));
		check(&s);
		strace_fini(&strace);
		seen_fini(&s);
		free(text);
	}
	return 0;
}

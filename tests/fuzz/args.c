/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - any words as the command line of a runtime: one in which `create` or `run` stands as a
 * word of its own is never taken for another command's, unless such a command comes before. */
#include <string.h>

#include "args.h"
#include "fuzz.h"

#define MAX_WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096], *argv[MAX_WORDS];
	struct args a;
	int n = 0;

	if (size >= sizeof text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	for (char *word = text, *next; n < MAX_WORDS && word; word = next) {
		next = strchr(word, '\n');
		if (next)
			*next++ = 0;
		argv[n++] = word;
	}
	args_read(n, argv, &a);
	MUST(a.kind != ARGS_UNCLEAR || a.unclear);
	MUST(a.kind != ARGS_START || !strcmp(a.command, "create") || !strcmp(a.command, "run"));
	if (a.kind == ARGS_OTHER && a.command)
		MUST(strcmp(a.command, "create") && strcmp(a.command, "run"));
	return 0;
}

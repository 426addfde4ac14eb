/* SPDX-License-Identifier: Apache-2.0 */
/* ask.c - any bytes as a hook's question and as the daemon's answer. */
#include "warder/ask.h"
#include "fuzz.h"

static void try_ask(const char *text, size_t len)
{
	struct ask a, again;
	struct err e;
	char *out;
	size_t n;
	int r = ask_parse(text, len, &a, &e);

	if (r) {
		must_say(r, &e);
		return;
	}
	MUST(ask_is(text, len));
	MUST(!ask_format(&a, &out, &n, &e));
	if (!ask_parse(out, n, &again, &e)) {
		MUST(!strcmp(a.id, again.id) && a.caps == again.caps &&
		     a.caps_known == again.caps_known);
		ask_fini(&again);
	}
	free(out);
	ask_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer a;
	struct err e;
	int r;

	try_ask((const char *)data, size);
	r = answer_parse((const char *)data, size, &a, &e);
	if (r) {
		must_say(r, &e);
		return 0;
	}
	MUST(a.ok || a.error);
	answer_fini(&a);
	return 0;
}

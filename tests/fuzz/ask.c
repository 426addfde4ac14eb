/* SPDX-License-Identifier: Apache-2.0 */
/* ask.c - any bytes as a hook's question, as the daemon's answer and as the program that comes with
 * it, which the interpreter then runs. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "warder/ask.h"
#include "warder/own.h"

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

static void try_prog(const uint8_t *data, size_t size)
{
	auto_fd fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct seccomp_data call = { .nr = 1, .args = { 1, 2, 3, 4, 5, 6 } };
	struct bpf_prog p;
	struct err e;
	int r;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return;
	r = ask_get_prog(fd, &p, &e);
	MUST(r); /* not sealed yet */
	MUST(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	r = ask_get_prog(fd, &p, &e);
	if (r) {
		must_say(r, &e);
		return;
	}
	MUST(p.len * sizeof *p.insn == size && !memcmp(p.insn, data, size));
	bpf_run(&p, &call, NULL);
	bpf_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer a;
	struct err e;
	int r;

	try_prog(data, size);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* process_state.c - any bytes as a hand-over; what is accepted is written and read back the same.
 */
#include "fuzz.h"
#include "warder/oci.h"

static void round_trip(const struct oci_process_state *ps)
{
	struct oci_process_state again;
	struct err e;
	char *text;
	size_t len;

	MUST(!oci_process_state_format(&ps->state, ps->pid, ps->metadata, &text, &len, &e));
	if (!oci_process_state_parse(text, len, 1, &again, &e)) { /* escapes may make it too long */
		MUST(!strcmp(again.state.id, ps->state.id) && again.pid == ps->pid &&
		     !strcmp(again.metadata, ps->metadata));
		oci_process_state_fini(&again);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oci_process_state ps;
	struct err e;

	for (int n_fds = 0; n_fds < 3; n_fds++) {
		int r = oci_process_state_parse((const char *)data, size, n_fds, &ps, &e);

		if (r) {
			must_say(r, &e);
			continue;
		}
		MUST(ps.n_fds == n_fds && ps.seccomp_fd_index >= 0 && ps.seccomp_fd_index < n_fds &&
		     ps.pid >= 0);
		round_trip(&ps);
		oci_process_state_fini(&ps);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - any bytes as the state on a hook's stdin, and as config.json. */
#include "fuzz.h"
#include "warder/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oci_state s;
	struct oci_config c;
	struct err e;
	int r = oci_state_parse("fuzz", (const char *)data, size, &s, &e);

	if (r) {
		must_say(r, &e);
	} else {
		MUST(*s.id && s.pid >= 0 && s.bundle && s.status);
		oci_annotation(&s, "io.warder.policy");
		oci_state_fini(&s);
	}
	r = oci_config_parse("fuzz", (const char *)data, size, &c, &e);
	if (r)
		must_say(r, &e);
	else
		oci_config_fini(&c);
	return 0;
}

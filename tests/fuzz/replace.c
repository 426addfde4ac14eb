/* SPDX-License-Identifier: Apache-2.0 */
/* replace.c - any bytes as a message on keeper.sock; the first byte is the number of descriptors.
 *
 * Must hold: what is accepted names a known kind, as many things as descriptors came, each in its
 * bounds, and texts that end. */
#include "replace.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replace_msg m;
	struct err e;
	int r;

	if (!size)
		return 0;
	r = replace_parse(data + 1, size - 1, data[0], &m, &e);
	if (r) {
		must_say(r, &e);
		return 0;
	}
	MUST(m.kind < REPLACE_COUNT && m.n == data[0] && m.n <= REPLACE_FDS);
	MUST(memchr(m.text, 0, sizeof m.text));
	for (uint32_t i = 0; i < m.n; i++)
		MUST(m.items[i].what < REPLACE_WHATS && m.items[i].index < ARENA_SESSIONS);
	r = replace_check(&m, &e);
	if (r)
		must_say(r, &e);
	return 0;
}

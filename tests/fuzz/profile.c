/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - any bytes as a profile: refused with words, or resolved for three hosts. */
#include "warder/profile.h"
#include "fuzz.h"

static void resolve(const struct profile *p, struct host h)
{
	struct ruleset rs;
	struct err e;
	int r = profile_resolve(p, &h, &rs, &e);

	if (r) {
		must_say(r, &e);
		return;
	}
	for (int i = 0; i < rs.n_rules; i++)
		MUST(rs.rules[i].conds.n <= PROFILE_MAX_ARGS && rs.rules[i].effect.act < ACT_COUNT);
	MUST(rs.n_arches <= ARCH_COUNT);
	ruleset_fini(&rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_at at = { .file = "fuzz" };
	struct json_object *doc;
	struct profile *p;
	struct host h;
	struct err e;
	int r = json_parse("fuzz", (const char *)data, size, &doc, &e);

	if (r) {
		must_say(r, &e);
		return 0;
	}
	at.v = doc;
	r = profile_parse(&at, &p, NULL, &e);
	if (r) {
		must_say(r, &e);
	} else {
		host_init(&h);
		resolve(p, h);
		h.caps_known = true;
		resolve(p, h);
		h.caps = ~0ULL;
		h.arch = ARCH_AARCH64;
		resolve(p, h);
		profile_free(p);
	}
	json_object_put(doc);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* native.c - any linux.seccomp of a bundle's, with a gate: what comes out goes to warderd and has
 * kept each default. */
#include <string.h>

#include "fuzz.h"
#include "warder/filter.h"
#include "warder/native.h"

static struct bpf_prog make_gate(void)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":["
		"\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\"}]}";
	const struct policy *p = NULL;
	struct filter_opts o = { 0 };
	struct ruleset rules;
	struct filter f = { 0 };
	struct host host;
	struct err e;

	host_init(&host);
	MUST(!policy_parse("p", "p", text, strlen(text), &p, NULL, &e));
	MUST(!profile_resolve(p->profile, &host, &rules, &e));
	MUST(!filter_build(p, &rules, &o, &f, &e));
	ruleset_fini(&rules);
	policy_free(p);
	bpf_fini(&f.meaning);
	return f.gate;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bpf_prog gate;
	struct native_opts o = { .runtime = native_runtime("runc"),
				 .socket = "/s",
				 .metadata = "m" };
	struct json_object *own = NULL, *out, *left;
	struct err e;
	int r;

	if (!gate.len)
		gate = make_gate();
	if (json_parse("fuzz", (const char *)data, size, &own, &e))
		return 0;
	if (json_object_is_type(own, json_type_object)) {
		native_asks_exec(own);
		native_has_listener(own, NULL);
	}
	o.own = own;
	r = own ? native_profile(&gate, &o, &out, &left, &e) : -1;
	if (!r) {
		MUST(native_has_listener(out, NULL));
		MUST(json_object_equal(json_object_object_get(out, "defaultAction"),
				       json_object_object_get(own, "defaultAction")));
		json_object_put(out);
		json_object_put(left);
	} else if (own) {
		must_say(r, &e);
	}
	json_object_put(own);
	return 0;
}

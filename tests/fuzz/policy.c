/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - any bytes as a policy; what is accepted compiles, and decide() and gate agree about
 * what is let through. */
#include "fuzz.h"
#include <asm/unistd.h>

#include "warder/decide.h"

static void agree(const struct decide *d, const struct filter *f, const struct policy *p)
{
	for (int nr = 0; nr < 470; nr += 7) {
		struct seccomp_data call = { .nr = nr,
					     .arch = names_arch_audit(names_native_arch()) };
		uint32_t gate = bpf_run(&f->gate, &call, NULL);
		struct verdict v = decide(d, &call);

		MUST(v.act < ACT_COUNT && decide_why(d, v));
		if (gate == SECCOMP_RET_ALLOW && !p->n_rules)
			MUST(v.act == ACT_ALLOW || nr == __NR_rt_sigreturn || nr == __NR_exit ||
			     nr == __NR_exit_group || nr == __NR_restart_syscall);
	}
}

static void compile(const struct policy *p)
{
	struct filter_opts opts = { 0 };
	struct ruleset rs;
	struct filter f;
	struct decide *d;
	struct host h;
	struct err e;
	int r;

	host_init(&h);
	if (profile_resolve(p->profile, &h, &rs, &e))
		return;
	r = rs.n_rules > 500 ? -1 : filter_build(p, &rs, &opts, &f, &e);
	if (!r) {
		MUST(!bpf_check(&f.gate, &e) && !bpf_check(&f.meaning, &e));
		if (!decide_new(p, &rs, &f, &d, &e)) {
			agree(d, &f, p);
			decide_free(d);
		}
		filter_fini(&f);
	}
	ruleset_fini(&rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy *p;
	struct err e;
	int r = policy_parse("fuzz", "fuzz.json", (const char *)data, size, &p, NULL, &e);

	if (r) {
		must_say(r, &e);
		return 0;
	}
	MUST(policy_name_ok(p->name) && p->mode < MODE_COUNT && p->fallback_after_ns);
	compile(p);
	policy_free(p);
	return 0;
}

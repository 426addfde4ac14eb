/* SPDX-License-Identifier: Apache-2.0 */
/* where.c - see where.h. */
#include "where.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "warder/own.h"

static const char docker_caps[] =
	"CAP_AUDIT_WRITE,CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_FSETID,CAP_KILL,CAP_MKNOD,"
	"CAP_NET_BIND_SERVICE,CAP_NET_RAW,CAP_SETFCAP,CAP_SETGID,CAP_SETPCAP,CAP_SETUID,"
	"CAP_SYS_CHROOT";

/* One name of the list, with or without "CAP_". */
static int cap_of(const char *name, size_t len)
{
	char full[64];
	int cap;

	if (len + sizeof "CAP_" > sizeof full || strcspn(name, " \t") < len)
		return -1; /* libcap reads up to a space */
	snprintf(full, sizeof full, "%.*s", (int)len, name);
	cap = names_cap(full);
	if (cap >= 0)
		return cap;
	snprintf(full, sizeof full, "CAP_%.*s", (int)len, name);
	return names_cap(full);
}

int where_caps(const char *list, uint64_t *caps, struct err *e)
{
	uint64_t all = 0;

	if (!strcmp(list, "none")) {
		*caps = 0;
		return 0;
	}
	if (!strcmp(list, "all")) {
		*caps = UINT64_MAX;
		return 0;
	}
	if (!strcmp(list, "default"))
		list = docker_caps;
	for (const char *p = list;; p++) {
		size_t len = strcspn(p, ",");
		int cap = cap_of(p, len);

		if (cap < 0)
			return err_set(e, EINVAL,
				       "--caps: \"%.*s\" is no capability (nor all, none, default)",
				       (int)len, p);
		all |= UINT64_C(1) << cap;
		p += len;
		if (!*p)
			break;
	}
	*caps = all;
	return 0;
}

static bool is_x86(enum arch a)
{
	return a == ARCH_X86_64 || a == ARCH_X86 || a == ARCH_X32;
}

/* "amd64", "x86_64", "SCMP_ARCH_X86_64"; any case. */
static enum arch arch_of(const char *word)
{
	for (int i = 0; i < ARCH_COUNT; i++) {
		const char *scmp = names_arch_scmp((enum arch)i);

		if (!strcasecmp(word, scmp) || !strcasecmp(word, scmp + strlen("SCMP_ARCH_")) ||
		    !strcasecmp(word, names_arch_docker_name((enum arch)i)))
			return (enum arch)i;
	}
	return ARCH_NONE;
}

int where_host(const struct where *w, struct host *host, enum arch *abi, struct err *e)
{
	struct host h;
	enum arch a;
	char rest;
	int r;

	host_init(&h);
	a = w->arch ? arch_of(w->arch) : h.arch;
	if (a == ARCH_NONE)
		return err_set(e, EINVAL, "--arch: \"%s\" is no architecture", w->arch);
	if (!is_x86(a) || !is_x86(h.arch))
		h.arch = is_x86(a) ? ARCH_X86_64 : a;
	if (w->kernel && sscanf(w->kernel, "%u.%u%c", &h.kernel_major, &h.kernel_minor, &rest) != 2)
		return err_set(e, EINVAL, "--kernel: \"%s\" is no version (such as 6.1)",
			       w->kernel);
	h.caps_known = true;
	r = where_caps(w->caps ? w->caps : WHERE_CAPS, &h.caps, e);
	if (r)
		return r;
	*host = h;
	*abi = a;
	return 0;
}

void where_add_host_arch(struct ruleset *r, enum arch a)
{
	for (int i = 0; i < r->n_arches; i++)
		if (r->arches[i] == a)
			return;
	if (a != names_native_arch() && r->n_arches < ARCH_COUNT)
		r->arches[r->n_arches++] = a;
}

int where_compile(const struct policy *p, const struct host *host, struct where_policy *out,
		  struct err *e)
{
	const struct filter_opts opts = { 0 };
	struct where_policy w = { .policy = p, .host = *host };
	int r = profile_resolve(p->profile, host, &w.rules, e);

	if (r)
		return r;
	where_add_host_arch(&w.rules, host->arch);
	r = filter_build(p, &w.rules, &opts, &w.filter, e);
	if (!r)
		r = decide_new(p, &w.rules, &w.filter, &w.decide, e);
	if (r) {
		where_fini(&w);
		return r;
	}
	*out = w;
	return 0;
}

void where_fini(struct where_policy *p)
{
	decide_free(p->decide);
	filter_fini(&p->filter);
	ruleset_fini(&p->rules);
	memset(p, 0, sizeof *p);
}

void where_count_warning(void *warnings, const char *line)
{
	struct where_warnings *w = warnings;

	(void)line;
	w->n++;
}

void where_say_warnings(const struct where_warnings *w)
{
	if (w->n)
		fprintf(stderr, "%s: %s: %u warning%s (see warder policy check)\n", w->program,
			w->file, w->n, w->n == 1 ? "" : "s");
}

const char *where_effect(uint8_t act, uint16_t errnum, char *buf, size_t size)
{
	const char *word = names_action_word((enum act)act), *name = names_errno_name(errnum);

	if (act == ACT_ERRNO && name)
		snprintf(buf, size, "%s %s", word, name);
	else if (act == ACT_ERRNO || (act == ACT_TRACE && errnum))
		snprintf(buf, size, "%s %u", word, errnum);
	else
		snprintf(buf, size, "%s", word ? word : "unknown");
	return buf;
}

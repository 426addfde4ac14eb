/* SPDX-License-Identifier: Apache-2.0 */
/* seen.c - see seen.h. */
#include "warder/seen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"

void seen_fini(struct seen *s)
{
	free(s->calls);
	memset(s, 0, sizeof *s);
}

static bool is_name(const char *name, size_t len)
{
	return len && len < SEEN_NAME && ((*name >= 'a' && *name <= 'z') || *name == '_') &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") >= len;
}

static struct seen_call *find(struct seen *s, enum arch a, const char *name, size_t len)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->calls[i].arch == a && !strncmp(s->calls[i].name, name, len) &&
		    !s->calls[i].name[len])
			return &s->calls[i];
	return NULL;
}

static struct seen_call *find_or_make(struct seen *s, enum arch a, const char *name, size_t len)
{
	struct seen_call *c = find(s, a, name, len);

	if (c)
		return c;
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 128;
		struct seen_call *grown = realloc(s->calls, room * sizeof *grown);

		if (!grown)
			return NULL;
		s->calls = grown;
		s->room = room;
	}
	c = &s->calls[s->n++];
	*c = (struct seen_call){ .arch = a };
	memcpy(c->name, name, len);
	return c;
}

bool seen_add(struct seen *s, enum arch a, const char *name, size_t len, uint64_t n,
	      enum seen_result r)
{
	struct seen_call *c;

	if (!is_name(name, len)) {
		s->odd++;
		return true;
	}
	c = find_or_make(s, a, name, len);
	if (!c)
		return false;
	c->n += n;
	c->n_enosys += r == SEEN_ENOSYS ? n : 0;
	c->n_open += r == SEEN_UNKNOWN ? n : 0;
	return true;
}

void seen_end(struct seen *s, enum arch a, const char *name, size_t len, enum seen_result r)
{
	struct seen_call *c = is_name(name, len) ? find(s, a, name, len) : NULL;

	if (!c || !c->n_open) {
		seen_add(s, a, name, len, 1, r);
		return;
	}
	c->n_open--;
	c->n_enosys += r == SEEN_ENOSYS;
}

bool seen_add_number(struct seen *s, enum arch a, int nr, enum seen_result r)
{
	const char *name = names_syscall_name(a, nr);

	if (name)
		return seen_add(s, a, name, strlen(name), 1, r);
	if (!s->nameless++)
		snprintf(s->first_nameless, sizeof s->first_nameless, "%d (0x%x) of %s", nr,
			 (unsigned)nr, names_arch_docker_name(a));
	return true;
}

bool seen_is_probe(const struct seen_call *c)
{
	return c->n_enosys && c->n_enosys == c->n;
}

static int by_text(const void *left, const void *right)
{
	return strcmp(((const struct rule *)left)->name, ((const struct rule *)right)->name);
}

static void add_arches(const struct seen *s, struct ruleset *r)
{
	bool has[ARCH_COUNT] = { 0 };

	has[names_native_arch()] = true;
	for (size_t i = 0; i < s->n; i++)
		has[s->calls[i].arch] = true;
	for (int i = 0; i < ARCH_COUNT; i++)
		if (has[i])
			r->arches[r->n_arches++] = (enum arch)i;
}

int seen_rules(const struct seen *s, bool with_probes, struct ruleset *out, struct err *e)
{
	struct ruleset r = { .fallthrough = { ACT_ERRNO, EPERM } };
	int n = 0;

	if (!s->n)
		return err_set(e, EINVAL, "no system call is in it");
	r.rules = calloc(s->n, sizeof *r.rules);
	r.pool = calloc(s->n, SEEN_NAME);
	if (!r.rules || !r.pool) {
		ruleset_fini(&r);
		return err_set(e, ENOMEM, "make a profile");
	}
	for (size_t i = 0; i < s->n; i++) {
		char *name = r.pool + i * SEEN_NAME;

		if (seen_is_probe(&s->calls[i]) && !with_probes)
			continue;
		memcpy(name, s->calls[i].name, SEEN_NAME);
		r.rules[n++] = (struct rule){ .name = name, .effect = { ACT_ALLOW, 0 } };
	}
	qsort(r.rules, (size_t)n, sizeof *r.rules, by_text);
	for (int i = 0; i < n; i++)
		if (!i || strcmp(r.rules[r.n_rules - 1].name, r.rules[i].name) != 0)
			r.rules[r.n_rules++] = r.rules[i];
	add_arches(s, &r);
	*out = r;
	return 0;
}

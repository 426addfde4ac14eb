/* SPDX-License-Identifier: Apache-2.0 */
/* policies.c - see policies.h. */
#include "policies.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "warder/own.h"

#define POLICIES_CACHED 32

struct entry {
	struct compiled compiled; /* first: compiled_put() gets this address */
	_Atomic int refs;
	struct entry *next;
	char name[POLICY_NAME_MAX];
	bool caps_known, notify_all;
	uint64_t caps;
	struct stat st;
};

struct policies {
	pthread_mutex_t lock;
	struct entry *entries; /* newest first; each holds one reference */
	char *dir;
};

static struct entry *entry_of(const struct compiled *c)
{
	return (struct entry *)(uintptr_t)c;
}

const struct compiled *compiled_hold(const struct compiled *c)
{
	atomic_fetch_add(&entry_of(c)->refs, 1);
	return c;
}

void compiled_put(const struct compiled *c)
{
	struct entry *entry = c ? entry_of(c) : NULL;

	if (!entry || atomic_fetch_sub(&entry->refs, 1) != 1)
		return;
	decide_free(entry->compiled.decide);
	filter_fini(&entry->compiled.filter);
	policy_free(entry->compiled.policy);
	free(entry);
}

int policies_new(const char *dir, struct policies **out, struct err *e)
{
	struct policies *p = calloc(1, sizeof *p);

	if (!p || !(p->dir = strdup(dir))) {
		free(p);
		return err_set(e, ENOMEM, "make the table of policies");
	}
	pthread_mutex_init(&p->lock, NULL);
	*out = p;
	return 0;
}

void policies_free(struct policies *p)
{
	struct entry *entry;

	if (!p)
		return;
	while ((entry = p->entries)) {
		p->entries = entry->next;
		compiled_put(&entry->compiled);
	}
	pthread_mutex_destroy(&p->lock);
	free(p->dir);
	free(p);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct entry *find(struct policies *p, const struct policies_key *key, const struct stat *st)
{
	for (struct entry *n = p->entries; n; n = n->next)
		if (!strcmp(n->name, key->name) && n->caps_known == key->caps_known &&
		    n->caps == key->caps && n->notify_all == key->notify_all &&
		    same_file(&n->st, st))
			return n;
	return NULL;
}

static int compile(const struct policies_key *key, struct compiled *c, struct err *e)
{
	struct filter_opts opts = { .notify_all = key->notify_all };
	struct ruleset rules;
	struct host host;
	int r;

	host_init(&host);
	host.caps_known = key->caps_known;
	host.caps = key->caps;
	r = profile_resolve(c->policy->profile, &host, &rules, e);
	if (r)
		return r;
	r = filter_build(c->policy, &rules, &opts, &c->filter, e);
	if (!r)
		r = decide_new(c->policy, &rules, &c->filter, &c->decide, e);
	ruleset_fini(&rules);
	return r;
}

static int add(struct policies *p, const struct policies_key *key, const struct stat *st,
	       struct entry **out, const struct warn *w, struct err *e)
{
	struct entry *entry = calloc(1, sizeof *entry);
	int r;

	if (!entry)
		return err_set(e, ENOMEM, "compile a policy");
	atomic_store(&entry->refs, 1);
	r = policy_load_named(p->dir, key->name, &entry->compiled.policy, w, e);
	if (!r)
		r = compile(key, &entry->compiled, e);
	if (r) {
		compiled_put(&entry->compiled);
		return r;
	}
	snprintf(entry->name, sizeof entry->name, "%s", key->name);
	entry->caps_known = key->caps_known;
	entry->caps = key->caps;
	entry->notify_all = key->notify_all;
	entry->st = *st;
	entry->next = p->entries;
	p->entries = entry;
	*out = entry;
	return 0;
}

static void forget_oldest(struct policies *p)
{
	struct entry **at = &p->entries;

	for (int n = 0; *at && n < POLICIES_CACHED; n++)
		at = &(*at)->next;
	while (*at) {
		struct entry *old = *at;

		*at = old->next;
		compiled_put(&old->compiled);
	}
}

static int get_locked(struct policies *p, const struct policies_key *key, struct entry **out,
		      const struct warn *w, struct err *e)
{
	auto_free char *path = NULL;
	struct stat st;

	if (!policy_name_ok(key->name))
		return err_set(e, EINVAL, "\"%s\" is no policy name", key->name);
	if (asprintf(&path, "%s/%s.json", p->dir, key->name) < 0)
		return err_set(e, ENOMEM, "compile a policy");
	if (stat(path, &st))
		return err_set(e, errno, "policy \"%s\": %s", key->name, path);
	*out = find(p, key, &st);
	return *out ? 0 : add(p, key, &st, out, w, e);
}

int policies_get(struct policies *p, const struct policies_key *key, const struct compiled **out,
		 const struct warn *w, struct err *e)
{
	struct entry *entry = NULL;
	int r;

	pthread_mutex_lock(&p->lock);
	r = get_locked(p, key, &entry, w, e);
	if (!r) {
		*out = compiled_hold(&entry->compiled);
		forget_oldest(p);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

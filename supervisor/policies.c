/* SPDX-License-Identifier: Apache-2.0 */
/* policies.c - see policies.h. */
#include "policies.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"

struct entry {                    /* this process's side of one text */
	struct compiled compiled; /* .policy NULL: not compiled here */
	uint32_t generation;
	int refs;
	uint64_t used_at; /* for the choice of one to forget */
};

struct policies {
	pthread_mutex_t lock;
	struct arena *arena;
	uint64_t uses;
	struct entry entries[ARENA_POLICIES];
};

int policies_new(struct arena *a, struct policies **out, struct err *e)
{
	struct policies *p = calloc(1, sizeof *p);

	if (!p)
		return err_set(e, ENOMEM, "make the table of policies");
	pthread_mutex_init(&p->lock, NULL);
	p->arena = a;
	*out = p;
	return 0;
}

static void forget(struct entry *entry)
{
	decide_free(entry->compiled.decide);
	filter_fini(&entry->compiled.filter);
	policy_free(entry->compiled.policy);
	memset(&entry->compiled, 0, sizeof entry->compiled);
}

void policies_free(struct policies *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < ARENA_POLICIES; i++)
		forget(&p->entries[i]);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static int resolve_and_build(const struct policy_text *t, struct compiled *c, struct err *e)
{
	struct filter_opts opts = { .notify_all = t->notify_all };
	struct ruleset rules;
	struct host host;
	int r;

	host_init(&host);
	host.caps_known = t->caps_known;
	host.caps = t->caps;
	r = profile_resolve(c->policy->profile, &host, &rules, e);
	if (r)
		return r;
	r = filter_build(c->policy, &rules, &opts, &c->filter, e);
	if (!r)
		r = decide_new(c->policy, &rules, &c->filter, &c->decide, e);
	ruleset_fini(&rules);
	return r;
}

/* Compiles the text at index; on failure the entry is as before. */
static int compile(struct policies *p, uint32_t index, const struct warn *w, struct err *e)
{
	const struct policy_text *t = &p->arena->policies[index];
	struct entry *entry = &p->entries[index], fresh = { .generation = t->generation };
	char file[POLICY_NAME_MAX + 8];
	int r;

	if (t->len >= sizeof t->text || !memchr(t->name, 0, sizeof t->name))
		return err_set(e, EINVAL, "the policy's text in shared memory is damaged");
	snprintf(file, sizeof file, "%s.json", t->name);
	r = policy_parse(t->name, file, t->text, t->len, &fresh.compiled.policy, w, e);
	if (!r)
		r = resolve_and_build(t, &fresh.compiled, e);
	if (r) {
		forget(&fresh);
		return r;
	}
	forget(entry);
	fresh.compiled.index = index;
	fresh.refs = entry->refs;
	*entry = fresh;
	return 0;
}

static bool is_same(const struct policy_text *t, const struct policies_key *key, const char *text,
		    size_t len)
{
	return atomic_load(&t->used) && !strcmp(t->name, key->name) &&
	       t->caps_known == key->caps_known && t->caps == key->caps &&
	       t->notify_all == key->notify_all && t->len == len && !memcmp(t->text, text, len);
}

/* Is a session's block resting on this text? (A reader may still need it after we let go.) */
static bool in_use(const struct policies *p, uint32_t index)
{
	uint32_t high = atomic_load(&p->arena->high);

	for (uint32_t i = 0; i < high; i++)
		if (atomic_load(&p->arena->blocks[i].state) != BLOCK_FREE &&
		    (atomic_load(&p->arena->blocks[i].policies) & 1ULL << index))
			return true;
	return false;
}

/* The text's place: its own if it is there already, else a free one, else the longest unused. */
static int place(struct policies *p, const struct policies_key *key, const char *text, size_t len)
{
	int found = -1;
	uint64_t oldest = UINT64_MAX;

	for (uint32_t i = 0; i < ARENA_POLICIES; i++)
		if (is_same(&p->arena->policies[i], key, text, len))
			return (int)i;
	for (uint32_t i = 0; i < ARENA_POLICIES; i++) {
		struct entry *entry = &p->entries[i];

		if (!atomic_load(&p->arena->policies[i].used))
			return (int)i;
		if (!entry->refs && entry->used_at < oldest && !in_use(p, i)) {
			oldest = entry->used_at;
			found = (int)i;
		}
	}
	return found;
}

static void write_text(struct policy_text *t, const struct policies_key *key, const char *text,
		       size_t len)
{
	atomic_store(&t->used, 0);
	t->generation++;
	snprintf(t->name, sizeof t->name, "%s", key->name);
	t->caps_known = key->caps_known;
	t->notify_all = key->notify_all;
	t->caps = key->caps;
	t->len = len;
	memcpy(t->text, text, len);
	t->text[len] = 0;
	atomic_store(&t->used, 1);
}

static const struct compiled *hold(struct policies *p, uint32_t index)
{
	p->entries[index].refs++;
	p->entries[index].used_at = ++p->uses;
	return &p->entries[index].compiled;
}

static bool is_current(const struct policies *p, uint32_t index)
{
	return p->entries[index].compiled.policy &&
	       p->entries[index].generation == p->arena->policies[index].generation;
}

static int add_locked(struct policies *p, const struct policies_key *key, const char *text,
		      size_t len, const struct compiled **out, const struct warn *w, struct err *e)
{
	int index, r = 0;
	bool is_new;

	if (len >= JSON_MAX_SIZE)
		return err_set(e, E2BIG, "policy %s", key->name);
	index = place(p, key, text, len);
	if (index < 0)
		return err_set(e, ENOSPC, "%d different policies are in use", ARENA_POLICIES);
	is_new = !is_same(&p->arena->policies[index], key, text, len);
	if (is_new)
		write_text(&p->arena->policies[index], key, text, len);
	if (!is_current(p, (uint32_t)index))
		r = compile(p, (uint32_t)index, w, e);
	if (r && is_new)
		atomic_store(&p->arena->policies[index].used, 0);
	if (!r)
		*out = hold(p, (uint32_t)index);
	return r;
}

int policies_add(struct policies *p, const struct policies_key *key, const char *text, size_t len,
		 const struct compiled **out, const struct warn *w, struct err *e)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = add_locked(p, key, text, len, out, w, e);
	pthread_mutex_unlock(&p->lock);
	return r;
}

int policies_load(struct policies *p, const char *dir, const struct policies_key *key,
		  const struct compiled **out, const struct warn *w, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = policy_read_named(dir, key->name, &text, &len, e);

	return r ? r : policies_add(p, key, text, len, out, w, e);
}

int policies_at(struct policies *p, uint32_t index, const struct compiled **out, struct err *e)
{
	int r = 0;

	if (index >= ARENA_POLICIES || !atomic_load(&p->arena->policies[index].used))
		return err_set(e, EINVAL, "no policy %u in shared memory", index);
	pthread_mutex_lock(&p->lock);
	if (!is_current(p, index))
		r = compile(p, index, NULL, e);
	if (!r)
		*out = hold(p, index);
	pthread_mutex_unlock(&p->lock);
	return r;
}

void policies_put(struct policies *p, const struct compiled *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&p->lock);
	p->entries[c->index].refs--;
	pthread_mutex_unlock(&p->lock);
}

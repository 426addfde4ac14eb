/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - see config.h. */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"

void config_init(struct config *c)
{
	*c = (struct config){
		.socket = "/run/warder/listener.sock",
		.policies = "/etc/warder/policies",
		.policy = "default",
		.mode = -1,
		.timeout_ns = 5000000000ULL,
		.budget = { .rate = 20, .burst = 1000 },
	};
	config_set_events(c, "/var/log/warder/events.json");
}

void config_set_events(struct config *c, const char *path)
{
	bool out = !strcmp(path, "-");

	c->n_sinks = 1;
	sink_config_init(&c->sinks[0], out ? SINK_stdout : SINK_file);
	c->sinks[0].path = out ? NULL : path;
}

bool config_has(const struct config *c, enum sink_type t)
{
	for (int i = 0; i < c->n_sinks; i++)
		if (c->sinks[i].type == t)
			return true;
	return false;
}

static int put_mode(const struct json_at *at, int *mode, struct err *e)
{
	const char *word;
	int r = json_str(at, &word, e);

	if (r)
		return r;
	*mode = mode_parse(word);
	return *mode < 0 ? json_err(at, e, "\"%s\" is no mode (audit, enforce, record)", word) : 0;
}

static int put_name(const struct json_at *at, const char **name, struct err *e)
{
	int r = json_str(at, name, e);

	if (!r && !policy_name_ok(*name))
		r = json_err(at, e, "\"%s\" is no policy name (letters, digits, . _ -)", *name);
	return r;
}

/* The keys, and what reads each; a key that is not here is refused. */
#define STRING(member)                                                                     \
	static int put_##member(const struct json_at *at, struct config *c, struct err *e) \
	{                                                                                  \
		return json_str(at, &c->member, e);                                        \
	}
STRING(socket)
STRING(policies)
STRING(api)
STRING(metrics)
#undef STRING

static int put_policy(const struct json_at *at, struct config *c, struct err *e)
{
	return put_name(at, &c->policy, e);
}

static int put_config_mode(const struct json_at *at, struct config *c, struct err *e)
{
	return put_mode(at, &c->mode, e);
}

static int put_timeout(const struct json_at *at, struct config *c, struct err *e)
{
	int r = json_duration(at, &c->timeout_ns, e);

	return r || c->timeout_ns ? r : json_err(at, e, "must be more than 0");
}

static int put_allow_policies(const struct json_at *at, struct config *c, struct err *e)
{
	int n, r = json_array(at, &n, e);

	if (!r && n > CONFIG_LIST)
		r = json_err(at, e, "more than %d names", CONFIG_LIST);
	for (int i = 0; !r && i < n; i++) {
		struct json_at item = json_item(at, i);

		r = put_name(&item, &c->allow_policy[c->n_policies++], e);
	}
	return r;
}

static int put_allow_modes(const struct json_at *at, struct config *c, struct err *e)
{
	int n, mode, r = json_array(at, &n, e);

	if (!r && n > CONFIG_LIST)
		r = json_err(at, e, "more than %d modes", CONFIG_LIST);
	for (int i = 0; !r && i < n; i++) {
		struct json_at item = json_item(at, i);

		r = put_mode(&item, &mode, e);
		if (!r)
			c->allow_mode[c->n_modes++] = (enum mode)mode;
	}
	return r;
}

struct key {
	const char *name;
	int (*put)(const struct json_at *at, struct config *c, struct err *e);
};

static int walk(const struct json_at *at, const struct key *keys, struct config *c, struct err *e);

static int put_exempt(const struct json_at *at, struct config *c, struct err *e)
{
	return exempt_parse(at, &c->exempt, e);
}

static int put_annotations(const struct json_at *at, struct config *c, struct err *e)
{
	static const struct key keys[] = { { "policy", put_allow_policies },
					   { "mode", put_allow_modes },
					   { NULL, NULL } };

	return walk(at, keys, c, e);
}

static int walk(const struct json_at *at, const struct key *keys, struct config *c, struct err *e)
{
	int r = json_is_object(at, e);

	if (r)
		return r;
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { at, name, 0, NULL, value };
		const struct key *k = keys;

		while (k->name && strcmp(k->name, name) != 0)
			k++;
		r = k->name ? k->put(&child, c, e) : json_err(&child, e, "unknown key");
		if (r)
			return r;
	}
	return 0;
}

/* --- events: a path, or rows of outputs --- */

enum value { TEXT, NUMBER, SIZE, TIME };

static const struct sink_key {
	const char *name;
	enum value kind;
	size_t offset;
	enum sink_type sink; /* SINK_TYPES: all */
	bool required;
	uint64_t min, max; /* of a number, a size or a time */
} sink_keys[] = {
#define AT(member) offsetof(struct sink_config, member)
	{ "path", TEXT, AT(path), SINK_file, true, 0, 0 },
	{ "max_size", SIZE, AT(max_size), SINK_file, false, 64 << 10, 1ULL << 50 },
	{ "keep", NUMBER, AT(keep), SINK_file, false, 1, SINK_KEEP_MAX },
	{ "url", TEXT, AT(url), SINK_webhook, true, 0, 0 },
	{ "ca", TEXT, AT(ca), SINK_webhook, false, 0, 0 },
	{ "token_file", TEXT, AT(token_file), SINK_webhook, false, 0, 0 },
	{ "timeout", TIME, AT(timeout_ns), SINK_webhook, false, 100000000, 300000000000 },
	{ "queue", SIZE, AT(queue), SINK_TYPES, false, 64 << 10, 1 << 30 },
#undef AT
};

/* 65536, "64K", "10M", "1G" */
static int get_size(const struct json_at *at, uint64_t *out, struct err *e)
{
	static const char units[] = "KMG";
	const char *text, *unit;
	char *end;

	if (json_object_is_type(at->v, json_type_int))
		return json_u64(at, out, e);
	if (json_str(at, &text, e))
		return -e->num;
	errno = 0;
	*out = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (*text < '0' || *text > '9' || errno || *out >> 32 || (*end && (!unit || end[1])))
		return json_err(at, e, "\"%s\" is no size (65536, \"64K\", \"10M\", \"1G\")", text);
	if (unit)
		*out <<= 10 * (unit - units + 1);
	return 0;
}

static int put_sink_value(const struct json_at *at, const struct sink_key *k, struct sink_config *c,
			  struct err *e)
{
	void *to = (char *)c + k->offset;
	uint64_t n = 0;
	int r;

	if (k->kind == TEXT) {
		r = json_str(at, to, e);
		return !r && !**(const char **)to ? json_err(at, e, "is empty") : r;
	}
	r = k->kind == TIME   ? json_duration(at, &n, e)
	    : k->kind == SIZE ? get_size(at, &n, e)
			      : json_u64(at, &n, e);
	if (r)
		return r;
	if (n < k->min || n > k->max)
		return json_err(at, e, "must be from %llu to %llu", (unsigned long long)k->min,
				(unsigned long long)k->max);
	*(uint64_t *)to = n;
	return 0;
}

static int put_sink_key(const struct json_at *at, struct sink_config *c, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(sink_keys); i++) {
		const struct sink_key *k = &sink_keys[i];

		if (!strcmp(k->name, at->key) && (k->sink == c->type || k->sink == SINK_TYPES))
			return put_sink_value(at, k, c, e);
	}
	return json_err(at, e, "unknown key of a \"%s\"", sink_word(c->type));
}

static int check_sink(const struct json_at *at, const struct sink_config *c, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(sink_keys); i++) {
		const struct sink_key *k = &sink_keys[i];

		if (k->required && k->sink == c->type &&
		    !*(const char *const *)((const char *)c + k->offset))
			return json_err(at, e, "a \"%s\" needs \"%s\"", sink_word(c->type),
					k->name);
	}
	if (c->url && strncmp(c->url, "https://", 8) != 0 && strncmp(c->url, "http://", 7) != 0)
		return json_err(at, e, "url: \"%s\" begins with neither https:// nor http://",
				c->url);
	return 0;
}

static int put_sink(const struct json_at *at, struct sink_config *c, struct err *e)
{
	struct json_at kind;
	const char *word;
	int type, r = json_is_object(at, e);

	if (!r && !json_child(at, "sink", &kind))
		r = json_err(at, e, "\"sink\" is missing");
	if (!r)
		r = json_str(&kind, &word, e);
	if (r)
		return r;
	type = sink_parse(word);
	if (type < 0)
		return json_err(&kind, e,
				"\"%s\" is no sink (file, stdout, syslog, journald, webhook)",
				word);
	sink_config_init(c, (enum sink_type)type);
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { at, name, 0, NULL, value };

		r = strcmp(name, "sink") != 0 ? put_sink_key(&child, c, e) : 0;
		if (r)
			return r;
	}
	return check_sink(at, c, e);
}

/* Two writers of one file would not know of each other. */
static int check_paths(const struct json_at *at, const struct config *c, struct err *e)
{
	for (int i = 0; i < c->n_sinks; i++)
		for (int k = 0; k < i; k++)
			if (c->sinks[i].path && c->sinks[k].path &&
			    !strcmp(c->sinks[i].path, c->sinks[k].path))
				return json_err(at, e, "two outputs are the file %s",
						c->sinks[i].path);
	return 0;
}

static int put_events(const struct json_at *at, struct config *c, struct err *e)
{
	const char *path;
	int n, r;

	if (json_object_is_type(at->v, json_type_string)) {
		r = json_str(at, &path, e);
		if (!r)
			config_set_events(c, path);
		return r;
	}
	r = json_array(at, &n, e);
	if (!r && (n < 1 || n > ARENA_SINKS))
		r = json_err(at, e, "must hold 1 to %d outputs", ARENA_SINKS);
	if (r)
		return r;
	c->n_sinks = 0;
	for (int i = 0; !r && i < n; i++) {
		struct json_at item = json_item(at, i);

		r = put_sink(&item, &c->sinks[c->n_sinks++], e);
	}
	return r ? r : check_paths(at, c, e);
}

static int put_rate(const struct json_at *at, struct config *c, struct err *e)
{
	int r = json_u64(at, &c->budget.rate, e);

	return !r && c->budget.rate > 1000000 ? json_err(at, e, "must be at most 1000000") : r;
}

static int put_burst(const struct json_at *at, struct config *c, struct err *e)
{
	int r = json_u64(at, &c->budget.burst, e);

	if (!r && (c->budget.burst < 1 || c->budget.burst > 1000000))
		r = json_err(at, e, "must be from 1 to 1000000");
	return r;
}

static int put_budget(const struct json_at *at, struct config *c, struct err *e)
{
	static const struct key keys[] = { { "rate", put_rate },
					   { "burst", put_burst },
					   { NULL, NULL } };

	return walk(at, keys, c, e);
}

int config_load(const char *path, struct config *c, struct err *e)
{
	static const struct key keys[] = {
		{ "socket", put_socket },           { "policies", put_policies },
		{ "policy", put_policy },           { "mode", put_config_mode },
		{ "events", put_events },           { "budget", put_budget },
		{ "timeout", put_timeout },         { "api", put_api },
		{ "metrics", put_metrics },         { "exempt", put_exempt },
		{ "annotations", put_annotations }, { NULL, NULL },
	};
	struct config fresh;
	struct json_at at = { .file = path };
	int r;

	config_init(&fresh);
	r = json_read(path, &fresh.doc, e);
	if (r)
		return r;
	at.v = fresh.doc;
	r = walk(&at, keys, &fresh, e);
	if (r) {
		config_fini(&fresh);
		return r;
	}
	config_fini(c);
	*c = fresh;
	return 0;
}

void config_fini(struct config *c)
{
	json_object_put(c->doc);
	c->doc = NULL;
}

static bool listed(const struct config *c, const char *name)
{
	for (int i = 0; i < c->n_policies; i++)
		if (!strcmp(c->allow_policy[i], name))
			return true;
	return false;
}

int config_choose_policy(const struct config *c, const struct choice *want, const char **name,
			 struct err *e)
{
	const char *chosen = want->policy ? want->policy : c->policy;

	if (want->annotated_policy) {
		chosen = want->annotated_policy;
		if (!policy_name_ok(chosen))
			return err_set(e, EINVAL,
				       "annotation io.warder.policy: \"%s\" is no policy name "
				       "(letters, digits, . _ -)",
				       chosen);
		if (!listed(c, chosen))
			return err_set(e, EPERM,
				       "annotation io.warder.policy: \"%s\" is not in the "
				       "administrator's list (annotations.policy of warderd's "
				       "configuration).",
				       chosen);
	}
	if (!policy_name_ok(chosen))
		return err_set(e, EINVAL, "\"%s\" is no policy name (letters, digits, . _ -)",
			       chosen);
	*name = chosen;
	return 0;
}

static bool mode_listed(const struct config *c, enum mode m)
{
	for (int i = 0; i < c->n_modes; i++)
		if (c->allow_mode[i] == m)
			return true;
	return false;
}

int config_choose_mode(const struct config *c, const struct choice *want, enum mode own,
		       enum mode *mode, struct err *e)
{
	int base = c->mode >= 0 ? c->mode : (int)own;
	int asked;

	if (want->mode) {
		base = mode_parse(want->mode);
		if (base < 0)
			return err_set(e, EINVAL, "\"%s\" is no mode (audit, enforce, record)",
				       want->mode);
	}
	if (want->annotated_mode) {
		asked = mode_parse(want->annotated_mode);
		if (asked < 0)
			return err_set(e, EINVAL,
				       "annotation io.warder.mode: \"%s\" is no mode (audit, "
				       "enforce, record)",
				       want->annotated_mode);
		if (asked != MODE_ENFORCE && asked != base && !mode_listed(c, (enum mode)asked))
			return err_set(e, EPERM,
				       "annotation io.warder.mode: \"%s\" would loosen \"%s\", "
				       "which needs the administrator's yes (annotations.mode of "
				       "warderd's configuration).",
				       want->annotated_mode, mode_word((enum mode)base));
		base = asked;
	}
	*mode = (enum mode)base;
	return 0;
}

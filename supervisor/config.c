/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - see config.h. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "warder/own.h"

void config_init(struct config *c)
{
	*c = (struct config){
		.socket = "/run/warder/listener.sock",
		.policies = "/etc/warder/policies",
		.policy = "default",
		.events = "/var/log/warder/events.json",
		.mode = -1,
		.timeout_ns = 5000000000ULL,
	};
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
STRING(events)
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

int config_load(const char *path, struct config *c, struct err *e)
{
	static const struct key keys[] = {
		{ "socket", put_socket }, { "policies", put_policies },
		{ "policy", put_policy }, { "mode", put_config_mode },
		{ "events", put_events }, { "timeout", put_timeout },
		{ "api", put_api },       { "metrics", put_metrics },
		{ "exempt", put_exempt }, { "annotations", put_annotations },
		{ NULL, NULL },
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

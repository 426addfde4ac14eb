/* SPDX-License-Identifier: Apache-2.0 */
/* exempt.c - see exempt.h. */
#include "warder/exempt.h"

#include <errno.h>
#include <string.h>

#include "warder/oci.h"

static int put_annotations(const struct json_at *at, struct exempt_rule *rule, struct err *e)
{
	int r = json_is_object(at, e);

	if (r)
		return r;
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { .up = at, .key = name, .v = value };
		const char *text;

		r = json_str(&child, &text, e);
		if (r)
			return r;
	}
	if (!json_object_object_length(at->v))
		return json_err(at, e, "is empty: it would fit every container");
	rule->annotations = at->v;
	return 0;
}

static int put_member(const struct json_at *at, struct exempt_rule *rule, struct err *e)
{
	if (!strcmp(at->key, "namespace"))
		return json_str(at, &rule->namespace, e);
	if (!strcmp(at->key, "container"))
		return json_str(at, &rule->container, e);
	if (!strcmp(at->key, "annotations"))
		return put_annotations(at, rule, e);
	return json_err(at, e, "unknown key (namespace, container, annotations)");
}

static int parse_rule(const struct json_at *at, struct exempt_rule *rule, struct err *e)
{
	int r = json_is_object(at, e);

	if (r)
		return r;
	if (!json_object_object_length(at->v))
		return json_err(at, e, "is empty: it would fit every container");
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { .up = at, .key = name, .v = value };

		r = put_member(&child, rule, e);
		if (r)
			return r;
	}
	return 0;
}

int exempt_parse(const struct json_at *at, struct exempt *out, struct err *e)
{
	struct exempt x = { 0 };
	int n, r = json_array(at, &n, e);

	if (!r && n > EXEMPT_MAX)
		r = json_err(at, e, "more than %d", EXEMPT_MAX);
	for (int i = 0; !r && i < n; i++) {
		struct json_at item = json_item(at, i);

		r = parse_rule(&item, &x.rules[x.n++], e);
	}
	if (!r)
		*out = x;
	return r;
}

static bool is_text(const char *have, const char *want)
{
	return have && !strcmp(have, want);
}

static bool has_all(struct json_object *annotations, struct json_object *wanted)
{
	json_object_object_foreach(wanted, key, value)
	{
		struct json_object *have = NULL;

		if (!annotations || !json_object_object_get_ex(annotations, key, &have) ||
		    !is_text(json_object_get_string(have), json_object_get_string(value)))
			return false;
	}
	return true;
}

bool exempt_match(const struct exempt *x, const char *id, struct json_object *annotations)
{
	for (int i = 0; i < x->n; i++) {
		const struct exempt_rule *r = &x->rules[i];

		if (r->namespace && !is_text(oci_label(annotations, OCI_NAMESPACE), r->namespace))
			continue;
		if (r->container && !is_text(id, r->container) &&
		    !is_text(oci_label(annotations, OCI_NAME), r->container))
			continue;
		if (r->annotations && !has_all(annotations, r->annotations))
			continue;
		return true;
	}
	return false;
}

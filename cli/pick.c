/* SPDX-License-Identifier: Apache-2.0 */
/* pick.c - see pick.h. */
#include "pick.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"

/* How a session can be meant, the first that finds one decides: so a whole id is never taken for
 * the beginning of another. */
typedef bool match_fn(struct json_object *session, const char *word);

static bool is_number(struct json_object *session, const char *word)
{
	char number[24];

	snprintf(number, sizeof number, "%lld", (long long)client_number(session, "session"));
	return !strcmp(number, word);
}

static bool is_whole(struct json_object *session, const char *word)
{
	return *word && (!strcmp(client_text(session, "container"), word) ||
			 !strcmp(client_text(session, "name"), word));
}

static bool begins(struct json_object *session, const char *word)
{
	size_t n = strlen(word);

	return n && (!strncmp(client_text(session, "container"), word, n) ||
		     !strncmp(client_text(session, "name"), word, n));
}

static bool is_number_or_whole(struct json_object *session, const char *word)
{
	return is_number(session, word) || is_whole(session, word);
}

static struct json_object *collect(struct json_object *sessions, size_t n, match_fn *match,
				   const char *word)
{
	struct json_object *found = json_object_new_array();

	for (size_t i = 0; found && i < n; i++) {
		struct json_object *s = json_object_array_get_idx(sessions, i);

		if (match(s, word))
			json_object_array_add(found, json_object_get(s));
	}
	return found;
}

/* Sessions of one container have its id in common. */
static bool is_one(struct json_object *found)
{
	const char *first = client_text(json_object_array_get_idx(found, 0), "container");

	for (size_t i = 1; i < json_object_array_length(found); i++)
		if (strcmp(first, client_text(json_object_array_get_idx(found, i), "container")) !=
		    0)
			return false;
	return true;
}

static int several(const char *word, struct json_object *found, struct err *e)
{
	char list[sizeof e->msg] = "";
	size_t used = 0;

	for (size_t i = 0; i < json_object_array_length(found) && used < sizeof list; i++) {
		struct json_object *s = json_object_array_get_idx(found, i);
		const char *name = client_text(s, "name");

		used += (size_t)snprintf(list + used, sizeof list - used,
					 "%s session:%lld %s%s%s%s", i ? "," : "",
					 (long long)client_number(s, "session"),
					 client_text(s, "container"), *name ? " (" : "", name,
					 *name ? ")" : "");
	}
	err_set(e, EINVAL, "\"%s\" may be any of:%s", word, list);
	return -(e->num = ENOTUNIQ);
}

static int settle(const char *word, struct json_object *found, struct json_object **out,
		  struct err *e)
{
	int r = 0;

	if (!is_one(found))
		r = several(word, found, e);
	if (r)
		json_object_put(found);
	else
		*out = found;
	return r;
}

int pick_among(struct json_object *answer, const char *word, struct json_object **out,
	       struct err *e)
{
	static const struct {
		const char *prefix;
		match_fn *match[2];
	} rows[] = { { "session:", { is_number } },
		     { "container:", { is_whole } },
		     { "", { is_number_or_whole, begins } } };
	size_t n, row = 0;
	struct json_object *sessions = client_array(answer, "sessions", &n);
	const char *rest;

	while (strncmp(word, rows[row].prefix, strlen(rows[row].prefix)) != 0)
		row++;
	rest = word + strlen(rows[row].prefix);
	for (size_t i = 0; i < ARRAY_LEN(rows[row].match) && rows[row].match[i]; i++) {
		struct json_object *found = collect(sessions, n, rows[row].match[i], rest);

		if (!found)
			return err_set(e, ENOMEM, "list of sessions");
		if (json_object_array_length(found))
			return settle(word, found, out, e);
		json_object_put(found);
	}
	err_set(e, EINVAL, "no session or container is, or begins with, \"%s\" (see warder ps)",
		word);
	return -(e->num = ENOENT);
}

int pick_sessions(struct client *c, const char *word, struct json_object **out, struct err *e)
{
	struct json_object *answer;
	int r = client_call(c, "GET", "/v1/sessions", NULL, &answer, e);

	if (r)
		return r;
	r = pick_among(answer, word, out, e);
	json_object_put(answer);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.c - see yaml.h. */
#include "warder/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "warder/json.h"

struct reader {
	const char *file;
	yaml_parser_t parser;
	int depth;
	struct err *e;
};

static int err_at(const struct reader *r, const yaml_mark_t *at, const char *what)
{
	return err_set(r->e, EINVAL, "%s:%zu:%zu: %s", r->file, at->line + 1, at->column + 1, what);
}

static int next(struct reader *r, yaml_event_t *event)
{
	if (yaml_parser_parse(&r->parser, event))
		return 0;
	if (r->parser.error == YAML_MEMORY_ERROR)
		return err_set(r->e, ENOMEM, "%s", r->file);
	return err_at(r, &r->parser.problem_mark,
		      r->parser.problem ? r->parser.problem : "no YAML");
}

static bool is_word(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

static bool is_null(const char *text)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };

	return is_word(text, words);
}

static bool is_flag(const char *text, bool *value)
{
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };

	*value = is_word(text, yes);
	return *value || is_word(text, no);
}

static bool is_number(const char *text)
{
	const char *digits = text + (*text == '-' || *text == '+');

	if (!strncmp(digits, "0x", 2))
		return digits[2] && !digits[2 + strspn(digits + 2, "0123456789abcdefABCDEF")];
	return *digits && !digits[strspn(digits, "0123456789")];
}

static int number(const struct reader *r, const yaml_event_t *event, struct json_object **out)
{
	const char *text = (const char *)event->data.scalar.value;
	int base = strchr(text, 'x') ? 16 : 10;
	bool negative = *text == '-';
	uint64_t n;

	errno = 0;
	n = negative ? (uint64_t)strtoll(text, NULL, base) : strtoull(text, NULL, base);
	if (errno)
		return err_at(r, &event->start_mark, "a number does not fit in 64 bits");
	*out = negative ? json_object_new_int64((int64_t)n) : json_object_new_uint64(n);
	return *out ? 0 : err_set(r->e, ENOMEM, "%s", r->file);
}

static int scalar(const struct reader *r, const yaml_event_t *event, struct json_object **out)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, value;

	if (strlen(text) != len)
		return err_at(r, &event->start_mark, "holds a NUL character");
	if (plain && is_null(text)) {
		*out = NULL;
		return 0;
	}
	if (plain && is_number(text))
		return number(r, event, out);
	if (plain && is_flag(text, &value))
		*out = json_object_new_boolean(value);
	else
		*out = json_object_new_string(text);
	return *out ? 0 : err_set(r->e, ENOMEM, "%s", r->file);
}

static int value(struct reader *r, const yaml_event_t *first, struct json_object **out);

static int sequence(struct reader *r, struct json_object *list)
{
	for (;;) {
		struct json_object *item = NULL;
		yaml_event_t event;
		int rc = next(r, &event);

		if (rc)
			return rc;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return 0;
		}
		rc = value(r, &event, &item);
		yaml_event_delete(&event);
		if (rc)
			return rc;
		if (json_object_array_add(list, item)) {
			json_object_put(item);
			return err_set(r->e, ENOMEM, "%s", r->file);
		}
	}
}

static int member(struct reader *r, const yaml_event_t *key, struct json_object *map)
{
	const char *name = (const char *)key->data.scalar.value;
	struct json_object *v = NULL;
	yaml_event_t event;
	int rc;

	if (key->type != YAML_SCALAR_EVENT || key->data.scalar.anchor || key->data.scalar.tag)
		return err_at(r, &key->start_mark, "a key must be a plain word");
	if (strlen(name) != key->data.scalar.length)
		return err_at(r, &key->start_mark, "holds a NUL character");
	if (json_object_object_get_ex(map, name, NULL))
		return err_at(r, &key->start_mark, "a key is given twice");
	rc = next(r, &event);
	if (rc)
		return rc;
	rc = value(r, &event, &v);
	yaml_event_delete(&event);
	if (!rc && json_object_object_add(map, name, v)) {
		json_object_put(v);
		rc = err_set(r->e, ENOMEM, "%s", r->file);
	}
	return rc;
}

static int mapping(struct reader *r, struct json_object *map)
{
	for (;;) {
		yaml_event_t event;
		int rc = next(r, &event);
		bool end;

		if (rc)
			return rc;
		end = event.type == YAML_MAPPING_END_EVENT;
		if (!end)
			rc = member(r, &event, map);
		yaml_event_delete(&event);
		if (rc || end)
			return rc;
	}
}

static int value(struct reader *r, const yaml_event_t *first, struct json_object **out)
{
	bool is_map = first->type == YAML_MAPPING_START_EVENT;
	struct json_object *v;
	int rc;

	if (first->type == YAML_ALIAS_EVENT)
		return err_at(r, &first->start_mark, "aliases are not taken");
	if (first->type == YAML_SCALAR_EVENT) {
		if (first->data.scalar.tag)
			return err_at(r, &first->start_mark, "tags are not taken");
		return scalar(r, first, out);
	}
	if (!is_map && first->type != YAML_SEQUENCE_START_EVENT)
		return err_at(r, &first->start_mark, "a value is missing");
	if (is_map ? first->data.mapping_start.tag : first->data.sequence_start.tag)
		return err_at(r, &first->start_mark, "tags are not taken");
	if (++r->depth > JSON_MAX_DEPTH)
		return err_at(r, &first->start_mark, "too deep");
	v = is_map ? json_object_new_object() : json_object_new_array();
	if (!v)
		return err_set(r->e, ENOMEM, "%s", r->file);
	rc = is_map ? mapping(r, v) : sequence(r, v);
	r->depth--;
	if (rc)
		json_object_put(v);
	else
		*out = v;
	return rc;
}

/* The events before the document's value; returns with the value's first in *event. */
static int first_event(struct reader *r, yaml_event_t *event)
{
	int rc;

	while (!(rc = next(r, event))) {
		if (event->type == YAML_STREAM_END_EVENT) {
			rc = err_at(r, &event->start_mark, "an empty document");
			yaml_event_delete(event);
			return rc;
		}
		if (event->type != YAML_STREAM_START_EVENT &&
		    event->type != YAML_DOCUMENT_START_EVENT)
			return 0;
		yaml_event_delete(event);
	}
	return rc;
}

static int last_event(struct reader *r)
{
	yaml_event_t event;
	bool more;
	int rc;

	do {
		rc = next(r, &event);
		if (rc)
			return rc;
		more = event.type == YAML_DOCUMENT_END_EVENT;
		if (!more && event.type != YAML_STREAM_END_EVENT)
			rc = err_at(r, &event.start_mark, "one document is expected, not several");
		yaml_event_delete(&event);
	} while (!rc && more);
	return rc;
}

static int document(struct reader *r, struct json_object **out)
{
	struct json_object *v = NULL;
	yaml_event_t event;
	int rc = first_event(r, &event);

	if (rc)
		return rc;
	rc = value(r, &event, &v);
	yaml_event_delete(&event);
	if (!rc)
		rc = last_event(r);
	if (rc)
		json_object_put(v);
	else
		*out = v;
	return rc;
}

int yaml_parse(const char *file, const char *text, size_t len, struct json_object **out,
	       struct err *e)
{
	struct reader r = { .file = file, .e = e };
	int rc;

	if (len > JSON_MAX_SIZE)
		return err_set(e, E2BIG, "%s: more than %d bytes", file, JSON_MAX_SIZE);
	if (!yaml_parser_initialize(&r.parser))
		return err_set(e, ENOMEM, "%s", file);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	rc = document(&r, out);
	yaml_parser_delete(&r.parser);
	return rc;
}

/* --- out --- */

static bool is_plain(const char *text)
{
	static const char *const taken[] = { "yes", "Yes", "YES", "no",  "No",  "NO",
					     "on",  "On",  "ON",  "off", "Off", "OFF",
					     "y",   "Y",   "n",   "N",   NULL };
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
	bool flag;

	return *text && strchr(letters, *text) && !is_null(text) && !is_flag(text, &flag) &&
	       !is_word(text, taken) &&
	       !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/.-"
				  "0123456789")];
}

static bool emit(yaml_emitter_t *to, yaml_event_t *event, int made)
{
	return made && yaml_emitter_emit(to, event);
}

static bool put_scalar(yaml_emitter_t *to, const char *text, bool plain)
{
	yaml_event_t event;
	unsigned char *copy = (unsigned char *)(uintptr_t)text;

	return emit(to, &event,
		    yaml_scalar_event_initialize(&event, NULL, NULL, copy, (int)strlen(text), plain,
						 1,
						 plain ? YAML_PLAIN_SCALAR_STYLE
						       : YAML_DOUBLE_QUOTED_SCALAR_STYLE));
}

static bool put(yaml_emitter_t *to, struct json_object *v);

static bool put_list(yaml_emitter_t *to, struct json_object *v)
{
	yaml_event_t event;
	bool ok = emit(to, &event,
		       yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
							    YAML_BLOCK_SEQUENCE_STYLE));

	for (size_t i = 0; ok && i < json_object_array_length(v); i++)
		ok = put(to, json_object_array_get_idx(v, i));
	return ok && emit(to, &event, yaml_sequence_end_event_initialize(&event));
}

static bool put_map(yaml_emitter_t *to, struct json_object *v)
{
	yaml_event_t event;
	bool ok = emit(to, &event,
		       yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
							   YAML_BLOCK_MAPPING_STYLE));

	json_object_object_foreach(v, key, member_value)
	{
		ok = ok && put_scalar(to, key, is_plain(key)) && put(to, member_value);
	}
	return ok && emit(to, &event, yaml_mapping_end_event_initialize(&event));
}

static bool put(yaml_emitter_t *to, struct json_object *v)
{
	if (json_object_is_type(v, json_type_object))
		return put_map(to, v);
	if (json_object_is_type(v, json_type_array))
		return put_list(to, v);
	if (json_object_is_type(v, json_type_string))
		return put_scalar(to, json_object_get_string(v),
				  is_plain(json_object_get_string(v)));
	return put_scalar(to, v ? json_object_to_json_string(v) : "null", true);
}

static bool put_stream(yaml_emitter_t *to, struct json_object *v)
{
	yaml_event_t event;

	return emit(to, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
	       emit(to, &event,
		    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
	       put(to, v) && emit(to, &event, yaml_document_end_event_initialize(&event, 1)) &&
	       emit(to, &event, yaml_stream_end_event_initialize(&event));
}

int yaml_write(struct json_object *v, FILE *to, struct err *e)
{
	yaml_emitter_t emitter;
	bool ok;

	if (!yaml_emitter_initialize(&emitter))
		return err_set(e, ENOMEM, "write YAML");
	yaml_emitter_set_output_file(&emitter, to);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	ok = put_stream(&emitter, v);
	yaml_emitter_delete(&emitter);
	return ok ? 0 : err_set(e, EIO, "write YAML");
}

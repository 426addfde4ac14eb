/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.h - YAML 1.1 documents as json-c values and back, as Kubernetes means them: the subset that
 * JSON has.
 *
 * Refused: aliases (no bombs), tags, several documents, a key given twice, keys that are no
 * scalars, more than JSON_MAX_SIZE bytes or JSON_MAX_DEPTH levels. Unquoted words that YAML 1.1 and
 * 1.2 read differently (yes, on) are strings; numbers beyond 64 bits are refused. */
#pragma once
#include <json-c/json.h>
#include <stdio.h>

#include "warder/err.h"

/* *out: json_object_put(). Errors: EINVAL with "FILE:LINE:COLUMN: reason", E2BIG, ENOMEM. */
int yaml_parse(const char *file, const char *text, size_t len, struct json_object **out,
	       struct err *e);

/* Block style, members in the order they were added. */
int yaml_write(struct json_object *v, FILE *to, struct err *e);

/* SPDX-License-Identifier: Apache-2.0 */
/* exempt.h - which workloads start without warderd: "exempt" in its configuration.
 *
 * A list of objects; a workload is exempt when all members of one of them fit it:
 *   "namespace"    the pod's, as the engine's annotations say
 *   "container"    the container's id, or its name as the engine's annotations say
 *   "annotations"  { key: value, ... }, each there with exactly this value
 * warderd and warder-hook read the same list, so that a node's own critical pods start while
 * warderd is away. Names and annotations are what the engine passes on: whoever may write a
 * workload's annotations may exempt it by one that is listed here. */
#pragma once
#include <stdbool.h>

#include "warder/err.h"
#include "warder/json.h"

#define EXEMPT_MAX 64

struct exempt_rule { /* NULL: does not matter */
	const char *namespace, *container;
	struct json_object *annotations;
};

struct exempt { /* the strings are the document's */
	int n;
	struct exempt_rule rules[EXEMPT_MAX];
};

int exempt_parse(const struct json_at *at, struct exempt *out, struct err *e);
/* annotations may be NULL. */
bool exempt_match(const struct exempt *x, const char *id, struct json_object *annotations);

/* SPDX-License-Identifier: Apache-2.0 */
/* behind.h - warder-runtime's configuration: which runtime is behind, and for whom which policy.
 *
 * A JSON object; every key is optional, an unknown one is an error:
 *   "runtime"  a path, or a name that is looked for in PATH                    (runc)
 *   "like"     the runtime whose limits hold: "runc", "crun", "youki"          (by the name; runc)
 *   "socket"   warderd's listener socket                      (/run/warder/listener.sock)
 *   "config"   warderd's configuration, for its exempt workloads (/etc/warder/warderd.json if it is
 *              there)
 *   "policy", "mode"  for containers that no row of "images" names             (warderd's)
 *   "images"   [ { "match": GLOB, "policy": NAME, "mode": MODE } ]: the first row whose pattern
 *              (fnmatch(3)) fits the image's name, as the engine's annotations tell it
 *   "profile"  "keep": what the bundle's own profile denies stays denied by the kernel, unseen;
 *              "replace": the policy alone counts                              (keep)
 *   "timeout"  for warderd's answer                                            (5s) */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "warder/err.h"
#include "warder/json.h"
#include "warder/native.h"

#define BEHIND_CONFIG "/etc/warder/runtime.json"
#define BEHIND_IMAGES 256

struct behind {
	struct json_object *doc; /* owns the strings; NULL: defaults only */
	const char *runtime, *like, *socket, *config, *policy, *mode;
	bool replace;
	uint64_t timeout_ns;
	int n_images;
	struct behind_image {
		const char *match, *policy, *mode;
	} images[BEHIND_IMAGES];
};

void behind_init(struct behind *b); /* the defaults */
/* Over the defaults. Errors: EINVAL with file and JSON path, those of reading; b untouched. */
int behind_load(const char *path, struct behind *b, struct err *e);
void behind_fini(struct behind *b);

/* The policy and mode for a container with these annotations (NULL: none). *policy, *mode: NULL:
 * warderd's. */
void behind_choose(const struct behind *b, struct json_object *annotations, const char **policy,
		   const char **mode);

/* The path of the runtime behind, on the heap. Errors: ENOENT, EACCES, ELOOP (it is this program).
 */
int behind_find(const struct behind *b, char **path, struct err *e);
const struct native_runtime *behind_limits(const struct behind *b);

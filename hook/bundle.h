/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.h - a bundle's config.json, with another linux.seccomp.
 *
 * What was there is kept beside it, in config.json.warder: {"original": the section or null,
 * "ours": what was put in its place}. A config.json whose section is still "ours" is one that was
 * edited before, and counts with its original; any other has been written anew since. So editing
 * twice is editing once, and whatever else was changed in between stays. Both files are replaced
 * whole (rename), with owner and mode of config.json. A container cannot reach them: its
 * annotations are not asked. */
#pragma once
#include <stddef.h>

#include "warder/err.h"
#include "warder/oci.h"

struct bundle {
	char *path, *side; /* absolute, without symbolic links */
	char *text;        /* config.json as it was found */
	size_t len;
	struct oci_config config;    /* .seccomp: as found */
	struct json_object *seccomp; /* the section before any edit of ours; NULL: none; owned */
};

/* file: config.json. Errors: those of reading and parsing it. out: bundle_fini(). */
int bundle_open(const char *file, struct bundle *out, struct err *e);
/* Puts the section (borrowed) into config.json. On failure config.json is as before. */
int bundle_put(struct bundle *b, struct json_object *seccomp, struct err *e);
/* Takes bundle_put() back: config.json as bundle_open() found it. */
int bundle_undo(struct bundle *b, struct err *e);
void bundle_fini(struct bundle *b);

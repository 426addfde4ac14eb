/* SPDX-License-Identifier: Apache-2.0 */
/* oci.h - the documents of the OCI runtime specification that cross our way.
 *
 * State (runtime.md "State"), the parts of config.json that matter here (config.md), and the
 * ContainerProcessState of a seccomp hand-over (config-linux.md "seccomp", listenerPath).
 * All strings are the container's or the caller's: data, never a path of ours, never a format. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "warder/err.h"
#include "warder/json.h"

#define OCI_ID_MAX          1024
#define OCI_MAX_ANNOTATIONS 1024

struct oci_state {
	struct json_object *doc; /* owns all strings below */
	const char *version;
	const char *id;     /* 1..OCI_ID_MAX bytes */
	const char *status; /* "creating", "created", "running", "stopped" */
	pid_t pid;          /* 0: none */
	const char *bundle;
	struct json_object *annotations; /* NULL: none; string -> string, checked */
};
int oci_state_parse(const char *file, const char *text, size_t len, struct oci_state *out,
		    struct err *e);
void oci_state_fini(struct oci_state *s);
/* NULL: absent. */
const char *oci_annotation(const struct oci_state *s, const char *key);

/* Names that engines put into annotations; the first that is there. NULL: none. */
enum oci_label { OCI_NAME, OCI_POD, OCI_NAMESPACE };
const char *oci_label(struct json_object *annotations, enum oci_label which);

struct oci_process_state {
	struct oci_state state; /* .doc owns everything */
	pid_t pid;              /* of the process the listener belongs to; 0: crun, "running" */
	const char *metadata;   /* "" when absent */
	int seccomp_fd_index;   /* which of the message's descriptors is "seccompFd" */
	int n_fds;              /* how many names "fds" has */
};
/* n_fds: how many descriptors came along; must equal the names in "fds", and exactly one of these
 * must be "seccompFd". Errors: EINVAL. */
int oci_process_state_parse(const char *text, size_t len, int n_fds, struct oci_process_state *out,
			    struct err *e);
void oci_process_state_fini(struct oci_process_state *s);
/* Text of a ContainerProcessState for one listener; *out heap. */
int oci_process_state_format(const struct oci_state *s, pid_t pid, const char *metadata, char **out,
			     size_t *len, struct err *e);

/* config.json, only what Warder needs. */
struct oci_config {
	struct json_object *doc;
	bool caps_known;
	uint64_t bounding; /* process.capabilities.bounding; unknown names are ignored, as runc does
			    */
	bool no_new_privs;
	struct json_object *seccomp;     /* linux.seccomp, borrowed; NULL: none */
	struct json_object *annotations; /* NULL: none */
};
int oci_config_read(const char *bundle, struct oci_config *out, struct err *e);
int oci_config_parse(const char *file, const char *text, size_t len, struct oci_config *out,
		     struct err *e);
void oci_config_fini(struct oci_config *c);

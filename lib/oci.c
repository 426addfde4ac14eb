/* SPDX-License-Identifier: Apache-2.0 */
/* oci.c - see oci.h. */
#include "warder/oci.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/names.h"
#include "warder/own.h"

static int parse_pid(const struct json_at *at, pid_t *pid, struct err *e)
{
	int64_t n;
	int r = json_i64(at, &n, e);

	if (!r && (n < 0 || n > INT_MAX))
		r = json_err(at, e, "is no process id");
	if (!r)
		*pid = (pid_t)n;
	return r;
}

static int parse_annotations(const struct json_at *at, struct json_object **out, struct err *e)
{
	int r = json_is_object(at, e);

	if (r)
		return r;
	if (json_object_object_length(at->v) > OCI_MAX_ANNOTATIONS)
		return json_err(at, e, "more than %d annotations", OCI_MAX_ANNOTATIONS);
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { .up = at, .key = name, .v = value };
		const char *text;

		if (json_str(&child, &text, e))
			return -e->num;
	}
	*out = at->v;
	return 0;
}

/* The members of a state, from an object whose document somebody else holds. */
static int parse_state(const struct json_at *at, struct oci_state *s, struct err *e)
{
	struct json_at key;

	if (json_is_object(at, e))
		return -e->num;
	if (!json_child(at, "id", &key))
		return json_err(at, e, "\"id\" is missing");
	if (json_str(&key, &s->id, e))
		return -e->num;
	if (!*s->id || strlen(s->id) > OCI_ID_MAX)
		return json_err(&key, e, "must have 1 to %d bytes", OCI_ID_MAX);
	s->version = s->status = s->bundle = "";
	if ((json_child(at, "ociVersion", &key) && json_str(&key, &s->version, e)) ||
	    (json_child(at, "status", &key) && json_str(&key, &s->status, e)) ||
	    (json_child(at, "bundle", &key) && json_str(&key, &s->bundle, e)) ||
	    (json_child(at, "pid", &key) && parse_pid(&key, &s->pid, e)) ||
	    (json_child(at, "annotations", &key) && parse_annotations(&key, &s->annotations, e)))
		return -e->num;
	return 0;
}

int oci_state_parse(const char *file, const char *text, size_t len, struct oci_state *out,
		    struct err *e)
{
	struct oci_state s = { 0 };
	struct json_at at = { .file = file };
	int r = json_parse(file, text, len, &s.doc, e);

	at.v = s.doc;
	if (!r)
		r = parse_state(&at, &s, e);
	if (r) {
		oci_state_fini(&s);
		return r;
	}
	*out = s;
	return 0;
}

void oci_state_fini(struct oci_state *s)
{
	json_object_put(s->doc);
	*s = (struct oci_state){ 0 };
}

const char *oci_annotation(const struct oci_state *s, const char *key)
{
	struct json_object *v;

	return s->annotations && json_object_object_get_ex(s->annotations, key, &v)
		       ? json_object_get_string(v)
		       : NULL;
}

static int parse_fds(const struct json_at *at, int n_fds, struct oci_process_state *ps,
		     struct err *e)
{
	int len, r = json_array(at, &len, e);

	if (r)
		return r;
	if (len != n_fds)
		return json_err(at, e, "names %d descriptors, %d came along", len, n_fds);
	ps->seccomp_fd_index = -1;
	for (int i = 0; i < len; i++) {
		struct json_at item = json_item(at, i);
		const char *name;

		if (json_str(&item, &name, e))
			return -e->num;
		if (strcmp(name, "seccompFd") != 0)
			continue;
		if (ps->seccomp_fd_index >= 0)
			return json_err(&item, e, "a second \"seccompFd\"");
		ps->seccomp_fd_index = i;
	}
	ps->n_fds = len;
	return ps->seccomp_fd_index < 0 ? json_err(at, e, "no \"seccompFd\" among them") : 0;
}

static int parse_process_state(const struct json_at *at, int n_fds, struct oci_process_state *ps,
			       struct err *e)
{
	struct json_at key;

	if (json_is_object(at, e))
		return -e->num;
	if (!json_child(at, "fds", &key))
		return json_err(at, e, "no ContainerProcessState: \"fds\" is missing");
	if (parse_fds(&key, n_fds, ps, e))
		return -e->num;
	if (!json_child(at, "state", &key))
		return json_err(at, e, "\"state\" is missing");
	if (parse_state(&key, &ps->state, e))
		return -e->num;
	ps->metadata = "";
	if ((json_child(at, "pid", &key) && parse_pid(&key, &ps->pid, e)) ||
	    (json_child(at, "metadata", &key) && json_str(&key, &ps->metadata, e)))
		return -e->num;
	/* crun 1.8 says 0 for what enters a running container */
	return ps->pid > 0 || !strcmp(ps->state.status, "running")
		       ? 0
		       : json_err(at, e, "\"pid\" is missing or 0");
}

int oci_process_state_parse(const char *text, size_t len, int n_fds, struct oci_process_state *out,
			    struct err *e)
{
	struct oci_process_state ps = { 0 };
	struct json_at at = { .file = "hand-over" };
	int r = json_parse(at.file, text, len, &ps.state.doc, e);

	at.v = ps.state.doc;
	if (!r)
		r = parse_process_state(&at, n_fds, &ps, e);
	if (r) {
		oci_process_state_fini(&ps);
		return r;
	}
	*out = ps;
	return 0;
}

void oci_process_state_fini(struct oci_process_state *s)
{
	oci_state_fini(&s->state);
	*s = (struct oci_process_state){ 0 };
}

static struct json_object *state_json(const struct oci_state *s)
{
	struct json_object *o = json_object_new_object();

	if (o &&
	    json_add(o, "ociVersion", json_object_new_string(s->version ? s->version : "1.0.2")) &&
	    json_add(o, "id", json_object_new_string(s->id)) &&
	    json_add(o, "status", json_object_new_string(s->status ? s->status : "")) &&
	    json_add(o, "pid", json_object_new_int(s->pid)) &&
	    json_add(o, "bundle", json_object_new_string(s->bundle ? s->bundle : "")) &&
	    (!s->annotations || json_add(o, "annotations", json_object_get(s->annotations))))
		return o;
	json_object_put(o);
	return NULL;
}

static struct json_object *process_state_json(const struct oci_state *s, pid_t pid,
					      const char *metadata)
{
	struct json_object *o = json_object_new_object(), *fds = json_object_new_array();

	if (fds && json_object_array_add(fds, json_object_new_string("seccompFd"))) {
		json_object_put(fds);
		fds = NULL;
	}
	if (o &&
	    json_add(o, "ociVersion", json_object_new_string(s->version ? s->version : "1.0.2")) &&
	    json_add(o, "fds", fds) && json_add(o, "pid", json_object_new_int(pid)) &&
	    json_add(o, "metadata", json_object_new_string(metadata)) &&
	    json_add(o, "state", state_json(s)))
		return o;
	json_object_put(o);
	return NULL;
}

int oci_process_state_format(const struct oci_state *s, pid_t pid, const char *metadata, char **out,
			     size_t *len, struct err *e)
{
	struct json_object *o = process_state_json(s, pid, metadata);
	const char *text =
		o ? json_object_to_json_string_length(
			    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len)
		  : NULL;
	char *copy = text ? strdup(text) : NULL;

	json_object_put(o);
	if (!copy)
		return err_set(e, ENOMEM, "write a ContainerProcessState");
	*out = copy;
	return 0;
}

static int parse_bounding(const struct json_at *at, uint64_t *caps, struct err *e)
{
	int len, r = json_array(at, &len, e);

	*caps = 0;
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);
		const char *name;
		int cap;

		r = json_str(&item, &name, e);
		if (r)
			break;
		cap = names_cap(name);
		if (cap >= 0) /* one that libcap does not know no profile can ask for either */
			*caps |= 1ULL << cap;
	}
	return r;
}

/* With "process", capabilities that are not listed are not held. */
static int parse_process(const struct json_at *at, struct oci_config *c, struct err *e)
{
	struct json_at caps, key;

	if (json_is_object(at, e) ||
	    (json_child(at, "noNewPrivileges", &key) && json_flag(&key, &c->no_new_privs, e)))
		return -e->num;
	c->caps_known = true;
	if (!json_child(at, "capabilities", &caps))
		return 0;
	if (json_is_object(&caps, e))
		return -e->num;
	return json_child(&caps, "bounding", &key) ? parse_bounding(&key, &c->bounding, e) : 0;
}

static int parse_config(const struct json_at *at, struct oci_config *c, struct err *e)
{
	struct json_at key, child;

	if (json_is_object(at, e) ||
	    (json_child(at, "process", &key) && parse_process(&key, c, e)) ||
	    (json_child(at, "annotations", &key) && parse_annotations(&key, &c->annotations, e)))
		return -e->num;
	if (!json_child(at, "linux", &key))
		return 0;
	if (json_is_object(&key, e))
		return -e->num;
	if (json_child(&key, "seccomp", &child)) {
		if (json_is_object(&child, e))
			return -e->num;
		c->seccomp = child.v;
	}
	return 0;
}

static int finish_config(const char *file, struct oci_config *c, struct oci_config *out,
			 struct err *e)
{
	struct json_at at = { .file = file, .v = c->doc };
	int r = parse_config(&at, c, e);

	if (r) {
		oci_config_fini(c);
		return r;
	}
	*out = *c;
	return 0;
}

int oci_config_parse(const char *file, const char *text, size_t len, struct oci_config *out,
		     struct err *e)
{
	struct oci_config c = { 0 };
	int r = json_parse(file, text, len, &c.doc, e);

	return r ? r : finish_config(file, &c, out, e);
}

int oci_config_read(const char *bundle, struct oci_config *out, struct err *e)
{
	struct oci_config c = { 0 };
	auto_free char *path = NULL;
	int r;

	if (bundle[0] != '/')
		return err_set(e, EINVAL, "the bundle \"%s\" is no absolute path", bundle);
	if (asprintf(&path, "%s/config.json", bundle) < 0)
		return err_set(e, ENOMEM, "read config.json");
	r = json_read(path, &c.doc, e);
	return r ? r : finish_config(path, &c, out, e);
}

void oci_config_fini(struct oci_config *c)
{
	json_object_put(c->doc);
	*c = (struct oci_config){ 0 };
}

const char *oci_label(struct json_object *annotations, enum oci_label which)
{
	static const char *const keys[][4] = {
		[OCI_NAME] = { "io.kubernetes.cri.container-name", "io.kubernetes.container.name",
			       "io.container.name" },
		[OCI_POD] = { "io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name" },
		[OCI_NAMESPACE] = { "io.kubernetes.cri.sandbox-namespace",
				    "io.kubernetes.pod.namespace" },
	};
	struct json_object *v;

	for (const char *const *key = keys[which]; annotations && *key; key++)
		if (json_object_object_get_ex(annotations, *key, &v))
			return json_object_get_string(v);
	return NULL;
}

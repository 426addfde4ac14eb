/* SPDX-License-Identifier: Apache-2.0 */
/* behind.c - see behind.h. */
#include "behind.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "warder/own.h"
#include "warder/policy.h"

/* Where engines that give no PATH have their runtimes. */
#define FALLBACK_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void behind_init(struct behind *b)
{
	*b = (struct behind){
		.runtime = "runc",
		.socket = "/run/warder/listener.sock",
		.timeout_ns = 5000000000ULL,
	};
}

static int put_policy(const struct json_at *at, const char **to, struct err *e)
{
	int r = json_str(at, to, e);

	if (!r && !policy_name_ok(*to))
		r = json_err(at, e, "\"%s\" is no policy name (letters, digits, . _ -)", *to);
	return r;
}

static int put_mode(const struct json_at *at, const char **to, struct err *e)
{
	int r = json_str(at, to, e);

	if (!r && mode_parse(*to) < 0)
		r = json_err(at, e, "\"%s\" is no mode (audit, enforce, record)", *to);
	return r;
}

static int put_like(const struct json_at *at, const char **to, struct err *e)
{
	int r = json_str(at, to, e);

	if (!r && !native_runtime_known(*to))
		r = json_err(at, e, "\"%s\" is not known (runc, crun, youki)", *to);
	return r;
}

static int put_profile(const struct json_at *at, struct behind *b, struct err *e)
{
	const char *word;
	int r = json_str(at, &word, e);

	if (!r && strcmp(word, "keep") != 0 && strcmp(word, "replace") != 0)
		r = json_err(at, e, "\"%s\" is neither keep nor replace", word);
	if (!r)
		b->replace = !strcmp(word, "replace");
	return r;
}

static int put_image(const struct json_at *at, struct behind_image *image, struct err *e)
{
	int r = json_is_object(at, e);

	if (r)
		return r;
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { .up = at, .key = name, .v = value };

		if (!strcmp(name, "match"))
			r = json_str(&child, &image->match, e);
		else if (!strcmp(name, "policy"))
			r = put_policy(&child, &image->policy, e);
		else if (!strcmp(name, "mode"))
			r = put_mode(&child, &image->mode, e);
		else
			r = json_err(&child, e, "unknown key");
		if (r)
			return r;
	}
	return image->match ? 0 : json_err(at, e, "\"match\" is missing");
}

static int put_images(const struct json_at *at, struct behind *b, struct err *e)
{
	int n, r = json_array(at, &n, e);

	if (!r && n > BEHIND_IMAGES)
		r = json_err(at, e, "more than %d rows", BEHIND_IMAGES);
	for (int i = 0; !r && i < n; i++) {
		struct json_at item = json_item(at, i);

		r = put_image(&item, &b->images[b->n_images++], e);
	}
	return r;
}

static int put_timeout(const struct json_at *at, struct behind *b, struct err *e)
{
	int r = json_duration(at, &b->timeout_ns, e);

	return r || b->timeout_ns ? r : json_err(at, e, "must be more than 0");
}

static int put_key(const struct json_at *at, struct behind *b, struct err *e)
{
	const struct {
		const char *name;
		const char **text;
		int (*put_text)(const struct json_at *at, const char **to, struct err *e);
		int (*put)(const struct json_at *at, struct behind *b, struct err *e);
	} keys[] = {
		{ "runtime", &b->runtime, json_str, NULL },
		{ "socket", &b->socket, json_str, NULL },
		{ "config", &b->config, json_str, NULL },
		{ "like", &b->like, put_like, NULL },
		{ "policy", &b->policy, put_policy, NULL },
		{ "mode", &b->mode, put_mode, NULL },
		{ "profile", NULL, NULL, put_profile },
		{ "images", NULL, NULL, put_images },
		{ "timeout", NULL, NULL, put_timeout },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].name, at->key))
			return keys[i].put ? keys[i].put(at, b, e)
					   : keys[i].put_text(at, keys[i].text, e);
	return json_err(at, e, "unknown key");
}

static int walk(const struct json_at *at, struct behind *b, struct err *e)
{
	int r = json_is_object(at, e);

	if (r)
		return r;
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { .up = at, .key = name, .v = value };

		r = put_key(&child, b, e);
		if (r)
			return r;
	}
	return 0;
}

int behind_load(const char *path, struct behind *b, struct err *e)
{
	struct json_at at = { .file = path };
	struct behind fresh;
	int r;

	behind_init(&fresh);
	r = json_read(path, &fresh.doc, e);
	if (r)
		return r;
	at.v = fresh.doc;
	r = walk(&at, &fresh, e);
	if (r) {
		behind_fini(&fresh);
		return r;
	}
	behind_fini(b);
	*b = fresh;
	return 0;
}

void behind_fini(struct behind *b)
{
	json_object_put(b->doc);
	b->doc = NULL;
}

/* Where engines say what image a container is made of: containerd, CRI-O, podman. */
static const char *image_of(struct json_object *annotations)
{
	static const char *const keys[] = { "io.kubernetes.cri.image-name",
					    "io.kubernetes.cri-o.ImageName",
					    "org.opencontainers.image.ref.name" };
	struct json_object *v;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_object_object_get_ex(annotations, keys[i], &v))
			return json_object_get_string(v);
	return NULL;
}

void behind_choose(const struct behind *b, struct json_object *annotations, const char **policy,
		   const char **mode)
{
	const char *image = image_of(annotations);

	*policy = b->policy;
	*mode = b->mode;
	for (int i = 0; image && i < b->n_images; i++) {
		const struct behind_image *row = &b->images[i];

		if (fnmatch(row->match, image, 0) != 0)
			continue;
		*policy = row->policy ? row->policy : b->policy;
		*mode = row->mode ? row->mode : b->mode;
		return;
	}
}

/* The file that an exec of this path would run. */
static int try_path(const char *path, struct err *e)
{
	struct stat self, st;

	if (stat(path, &st))
		return err_set(e, errno, "the runtime behind, %s", path);
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return err_set(e, EACCES, "the runtime behind, %s, is no program", path);
	if (!stat("/proc/self/exe", &self) && self.st_dev == st.st_dev && self.st_ino == st.st_ino)
		return err_set(e, ELOOP, "the runtime behind, %s, is warder-runtime itself", path);
	return 0;
}

static int search(const char *name, char **path, struct err *e)
{
	const char *dirs = getenv("PATH");

	for (dirs = dirs && *dirs ? dirs : FALLBACK_PATH; *dirs;) {
		size_t len = strcspn(dirs, ":");
		auto_free char *full = NULL;

		if (asprintf(&full, "%.*s/%s", (int)len, dirs, name) < 0) {
			full = NULL;
			return err_set(e, ENOMEM, "the runtime behind");
		}
		if (*full == '/' && !try_path(full, e)) {
			*path = take_ptr(full);
			return 0;
		}
		dirs += len + (dirs[len] == ':');
	}
	return err_set(e, ENOENT, "the runtime behind, \"%s\", is not in PATH", name);
}

int behind_find(const struct behind *b, char **path, struct err *e)
{
	int r;

	if (!*b->runtime || (strchr(b->runtime, '/') && *b->runtime != '/'))
		return err_set(e, EINVAL,
			       "the runtime behind, \"%s\", is neither a name nor an absolute path",
			       b->runtime);
	if (*b->runtime != '/')
		return search(b->runtime, path, e);
	r = try_path(b->runtime, e);
	if (r)
		return r;
	*path = strdup(b->runtime);
	return *path ? 0 : err_set(e, ENOMEM, "the runtime behind");
}

const struct native_runtime *behind_limits(const struct behind *b)
{
	const char *base = strrchr(b->runtime, '/');

	return native_runtime(b->like ? b->like : base ? base + 1 : b->runtime);
}

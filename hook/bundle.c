/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.c - see bundle.h. */
#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "warder/own.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* Of one edited before: the section that was there first. */
static int find_original(struct bundle *b, struct err *e)
{
	struct json_object *doc = NULL, *ours = NULL, *original = NULL;
	int r;

	b->seccomp = json_object_get(b->config.seccomp);
	if (access(b->side, F_OK))
		return 0;
	r = json_read(b->side, &doc, e);
	if (r)
		return r;
	if (json_object_object_get_ex(doc, "ours", &ours) &&
	    json_object_object_get_ex(doc, "original", &original) &&
	    json_object_equal(ours, b->config.seccomp)) {
		json_object_put(b->seccomp);
		b->seccomp = json_object_get(original);
	}
	json_object_put(doc);
	return 0;
}

static int read_config(struct bundle *b, struct err *e)
{
	int r = json_slurp_path(b->path, &b->text, &b->len, e);

	if (!r)
		r = oci_config_parse(b->path, b->text, b->len, &b->config, e);
	return r ? r : find_original(b, e);
}

int bundle_open(const char *file, struct bundle *out, struct err *e)
{
	struct bundle b = { .path = realpath(file, NULL) };
	int r;

	if (!b.path)
		return err_set(e, errno, "open %s", file);
	if (asprintf(&b.side, "%s.warder", b.path) < 0) {
		b.side = NULL;
		r = err_set(e, ENOMEM, "read config.json");
	} else {
		r = read_config(&b, e);
	}
	if (r)
		bundle_fini(&b);
	else
		*out = b;
	return r;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A file of config.json's owner and mode in the place of `path`. Not synced: a bundle does not
 * outlive the machine's boot. */
static int replace(const struct bundle *b, const char *path, const char *text, size_t len,
		   struct err *e)
{
	auto_free char *fresh = NULL;
	struct stat st;
	auto_fd fd = -1;
	int r;

	if (asprintf(&fresh, "%s.%d", path, (int)getpid()) < 0) {
		fresh = NULL;
		return err_set(e, ENOMEM, "write %s", path);
	}
	if (stat(b->path, &st))
		return err_set(e, errno, "look at %s", b->path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, errno, "write %s", fresh);
	r = write_all(fd, text, len);
	if (!r && (fchown(fd, st.st_uid, st.st_gid) || fchmod(fd, st.st_mode & 07777) ||
		   rename(fresh, path)))
		r = -errno;
	if (!r)
		return 0;
	unlink(fresh);
	return err_set(e, r, "write %s", path);
}

static int replace_json(const struct bundle *b, const char *path, struct json_object *doc,
			struct err *e)
{
	size_t len = 0;
	const char *text = json_object_to_json_string_length(doc, PLAIN, &len);

	return text ? replace(b, path, text, len, e) : err_set(e, ENOMEM, "write %s", path);
}

static int put_side(const struct bundle *b, struct json_object *seccomp, struct err *e)
{
	struct json_object *doc = json_object_new_object();
	int r;

	if (doc && !json_object_object_add(doc, "original", json_object_get(b->seccomp)) &&
	    json_add(doc, "ours", json_object_get(seccomp)))
		r = replace_json(b, b->side, doc, e);
	else
		r = err_set(e, ENOMEM, "write %s", b->side);
	json_object_put(doc);
	return r;
}

/* The side first: with it alone, config.json still counts as it is. */
int bundle_put(struct bundle *b, struct json_object *seccomp, struct err *e)
{
	struct json_object *section = NULL;
	int r = put_side(b, seccomp, e);

	if (r)
		return r;
	if (!json_object_object_get_ex(b->config.doc, "linux", &section) || !section) {
		section = json_object_new_object();
		if (!json_add(b->config.doc, "linux", section))
			return err_set(e, ENOMEM, "write %s", b->path);
	}
	if (!json_add(section, "seccomp", json_object_get(seccomp)))
		return err_set(e, ENOMEM, "write %s", b->path);
	b->config.seccomp = seccomp;
	return replace_json(b, b->path, b->config.doc, e);
}

int bundle_undo(struct bundle *b, struct err *e)
{
	return replace(b, b->path, b->text, b->len, e);
}

void bundle_fini(struct bundle *b)
{
	json_object_put(b->seccomp);
	oci_config_fini(&b->config);
	free(b->text);
	free(b->side);
	free(b->path);
	*b = (struct bundle){ 0 };
}

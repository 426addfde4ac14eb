/* SPDX-License-Identifier: Apache-2.0 */
/* ask.c - see ask.h. */
#include "warder/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "warder/own.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static bool add_text(struct json_object *to, const char *key, const char *text)
{
	return !text || json_add(to, key, json_object_new_string(text));
}

/* The text of o, which is consumed (NULL: out of memory before). */
static int finish(struct json_object *o, bool whole, char **text, size_t *len, struct err *e)
{
	const char *s = o && whole
				? json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, len)
				: NULL;
	char *copy = s ? strdup(s) : NULL;

	json_object_put(o);
	if (!copy)
		return err_set(e, ENOMEM, "write a message");
	*text = copy;
	return 0;
}

static struct json_object *ask_json(const struct ask *a)
{
	struct json_object *o = json_object_new_object();
	char caps[20];

	snprintf(caps, sizeof caps, "%016" PRIx64, a->caps);
	if (o && add_text(o, "id", a->id) && add_text(o, "policy", a->policy) &&
	    add_text(o, "mode", a->mode) && (!a->caps_known || add_text(o, "bounding", caps)) &&
	    (!a->annotations || json_add(o, "annotations", json_object_get(a->annotations))))
		return o;
	json_object_put(o);
	return NULL;
}

int ask_format(const struct ask *a, char **text, size_t *len, struct err *e)
{
	struct json_object *o = json_object_new_object();
	bool whole = o && json_add(o, "warder", json_object_new_int(ASK_VERSION)) &&
		     json_add(o, "ask", ask_json(a));

	return finish(o, whole, text, len, e);
}

bool ask_is(const char *text, size_t len)
{
	struct json_object *doc = NULL;
	struct err ignored;
	bool is = !json_parse("message", text, len, &doc, &ignored) &&
		  json_object_is_type(doc, json_type_object) &&
		  json_object_object_get_ex(doc, "ask", NULL);

	json_object_put(doc);
	return is;
}

static int check_version(const struct json_at *at, struct err *e)
{
	struct json_at key;
	int64_t version;

	if (json_is_object(at, e))
		return -e->num;
	if (!json_child(at, "warder", &key))
		return json_err(at, e, "\"warder\" is missing");
	if (json_i64(&key, &version, e))
		return -e->num;
	return version == ASK_VERSION
		       ? 0
		       : json_err(&key, e,
				  "version %lld, this one speaks %d: hook and daemon are of "
				  "different builds",
				  (long long)version, ASK_VERSION);
}

static int parse_caps(const struct json_at *at, struct ask *a, struct err *e)
{
	const char *text;
	int r = json_str(at, &text, e);

	if (r)
		return r;
	if (strlen(text) != 16 || strspn(text, "0123456789abcdefABCDEF") != 16)
		return json_err(at, e, "must be 16 hexadecimal digits");
	a->caps = strtoull(text, NULL, 16);
	a->caps_known = true;
	return 0;
}

static int parse_annotations(const struct json_at *at, struct ask *a, struct err *e)
{
	int r = json_is_object(at, e);

	if (r)
		return r;
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { .up = at, .key = name, .v = value };
		const char *text;

		if (json_str(&child, &text, e))
			return -e->num;
	}
	a->annotations = at->v;
	return 0;
}

static int parse_ask(const struct json_at *at, struct ask *a, struct err *e)
{
	struct json_at ask, key;

	if (check_version(at, e))
		return -e->num;
	if (!json_child(at, "ask", &ask))
		return json_err(at, e, "\"ask\" is missing");
	if (json_is_object(&ask, e))
		return -e->num;
	if (!json_child(&ask, "id", &key))
		return json_err(&ask, e, "\"id\" is missing");
	if (json_str(&key, &a->id, e))
		return -e->num;
	if (!*a->id || strlen(a->id) > OCI_ID_MAX)
		return json_err(&key, e, "must have 1 to %d bytes", OCI_ID_MAX);
	if ((json_child(&ask, "policy", &key) && json_str(&key, &a->policy, e)) ||
	    (json_child(&ask, "mode", &key) && json_str(&key, &a->mode, e)) ||
	    (json_child(&ask, "bounding", &key) && parse_caps(&key, a, e)) ||
	    (json_child(&ask, "annotations", &key) && parse_annotations(&key, a, e)))
		return -e->num;
	return 0;
}

int ask_parse(const char *text, size_t len, struct ask *out, struct err *e)
{
	struct ask a = { 0 };
	struct json_at at = { .file = "question" };
	int r = json_parse(at.file, text, len, &a.doc, e);

	at.v = a.doc;
	if (!r)
		r = parse_ask(&at, &a, e);
	if (r) {
		ask_fini(&a);
		return r;
	}
	*out = a;
	return 0;
}

void ask_fini(struct ask *a)
{
	json_object_put(a->doc);
	*a = (struct ask){ 0 };
}

int answer_format(const struct answer *a, char **text, size_t *len, struct err *e)
{
	struct json_object *o = json_object_new_object();
	bool whole =
		o && json_add(o, "warder", json_object_new_int(ASK_VERSION)) &&
		json_add(o, "ok", json_object_new_boolean(a->ok)) &&
		add_text(o, "error", a->error) && add_text(o, "policy", a->policy) &&
		add_text(o, "mode", a->mode) &&
		(!a->exempt || json_add(o, "exempt", json_object_new_boolean(true))) &&
		(!a->syscalls_all || json_add(o, "syscallsAll", json_object_new_boolean(true)));

	return finish(o, whole, text, len, e);
}

static int parse_answer(const struct json_at *at, struct answer *a, struct err *e)
{
	struct json_at key;

	if (check_version(at, e))
		return -e->num;
	if (!json_child(at, "ok", &key))
		return json_err(at, e, "\"ok\" is missing");
	if (json_flag(&key, &a->ok, e) ||
	    (json_child(at, "error", &key) && json_str(&key, &a->error, e)) ||
	    (json_child(at, "policy", &key) && json_str(&key, &a->policy, e)) ||
	    (json_child(at, "mode", &key) && json_str(&key, &a->mode, e)) ||
	    (json_child(at, "exempt", &key) && json_flag(&key, &a->exempt, e)) ||
	    (json_child(at, "syscallsAll", &key) && json_flag(&key, &a->syscalls_all, e)))
		return -e->num;
	return a->ok || a->error ? 0 : json_err(at, e, "\"error\" is missing");
}

int answer_parse(const char *text, size_t len, struct answer *out, struct err *e)
{
	struct answer a = { 0 };
	struct json_at at = { .file = "answer" };
	int r = json_parse(at.file, text, len, &a.doc, e);

	at.v = a.doc;
	if (!r)
		r = parse_answer(&at, &a, e);
	if (r) {
		answer_fini(&a);
		return r;
	}
	*out = a;
	return 0;
}

void answer_fini(struct answer *a)
{
	json_object_put(a->doc);
	*a = (struct answer){ 0 };
}

int ask_put_prog(const struct bpf_prog *p, int *fd, struct err *e)
{
	auto_fd mem = memfd_create("warder-gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t size = p->len * sizeof *p->insn;

	if (mem < 0)
		return err_set(e, errno, "make memory for a program");
	if (write(mem, p->insn, size) != (ssize_t)size)
		return err_set(e, errno, "write a program");
	if (fcntl(mem, F_ADD_SEALS, SEALS))
		return err_set(e, errno, "seal a program");
	*fd = take_fd(&mem);
	return 0;
}

int ask_get_prog(int fd, struct bpf_prog *out, struct err *e)
{
	struct bpf_prog p = { 0 };
	struct stat st;
	int r, seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS) /* the kernel may add some: vm.memfd_noexec */
		return err_set(e, EPROTO, "the program is not in sealed memory");
	if (fstat(fd, &st))
		return err_set(e, errno, "look at a program");
	p.len = (size_t)st.st_size / sizeof *p.insn;
	if (!p.len || p.len > BPF_MAXINSNS || (size_t)st.st_size % sizeof *p.insn)
		return err_set(e, EPROTO, "a program of %lld bytes", (long long)st.st_size);
	p.insn = malloc((size_t)st.st_size);
	if (!p.insn)
		return err_set(e, ENOMEM, "read a program");
	if (pread(fd, p.insn, (size_t)st.st_size, 0) != st.st_size)
		r = err_set(e, errno ? errno : EIO, "read a program");
	else
		r = bpf_check(&p, e);
	if (r) {
		bpf_fini(&p);
		return r;
	}
	*out = p;
	return 0;
}

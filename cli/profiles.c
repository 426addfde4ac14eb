/* SPDX-License-Identifier: Apache-2.0 */
/* profiles.c - see profiles.h. */
#include "profiles.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "warder/own.h"

#define LOSSES_SHOWN 12

int profiles_form(const struct profiles_out *o, enum form otherwise, enum form *out, struct err *e)
{
	int f = o->format ? form_by_word(o->format) : (int)otherwise;

	if (f < 0)
		return err_set(e, EINVAL, "--format: \"%s\" is none of oci, docker, podman, spo",
			       o->format);
	*out = (enum form)f;
	return 0;
}

/* Beside the file and then in its place, so that nobody ever reads half of it. */
static int replace_file(const char *file, const char *text, size_t len, struct err *e)
{
	auto_free char *beside = NULL;
	struct stat st;
	bool ok;
	FILE *to;

	if (!stat(file, &st) && !S_ISREG(st.st_mode)) { /* /dev/stdout, a fifo */
		to = fopen(file, "we");
	} else if (asprintf(&beside, "%s.new", file) < 0) {
		return err_set(e, ENOMEM, "write %s", file);
	} else {
		to = fopen(beside, "we");
	}
	if (!to)
		return err_set(e, errno, "open %s", beside ? beside : file);
	ok = fwrite(text, 1, len, to) == len;
	ok = !fclose(to) && ok;
	if (ok && (!beside || !rename(beside, file)))
		return 0;
	err_set(e, errno, "write %s", file);
	if (beside)
		unlink(beside);
	return -e->num;
}

int profiles_write(const struct profiles_out *o, enum form f, struct json_object *v, struct err *e)
{
	auto_free char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	int r;

	if (!to)
		return err_set(e, ENOMEM, "write a profile");
	r = form_write(f, v, to, e);
	if (fclose(to) && !r)
		r = err_set(e, ENOMEM, "write a profile");
	if (r)
		return r;
	if (o->file && strcmp(o->file, "-") != 0)
		return replace_file(o->file, text, len, e);
	fwrite(text, 1, len, stdout);
	return 0;
}

int profiles_open(const char *program, const char *file, const struct host *h, bool tail,
		  struct diagrams *d, struct profiles_doc *out, struct err *e)
{
	struct where_warnings said = { .program = program, .file = file };
	const struct warn w = { where_count_warning, &said };
	const struct clauses_opts o = { .host = h->arch, .tail = tail };
	int r = form_read(file, &out->form, &w, e);

	out->file = file;
	if (!r) {
		where_say_warnings(&said);
		r = profile_resolve(out->form.profile, h, &out->rules, e);
	}
	if (!r)
		where_add_host_arch(&out->rules, h->arch);
	if (!r)
		r = clauses_new(d, &out->rules, &o, &out->clauses, e);
	if (r && !strstr(e->msg, file))
		err_wrap(e, "%s", file);
	return r;
}

void profiles_close(struct profiles_doc *p)
{
	clauses_free(p->clauses);
	ruleset_fini(&p->rules);
	form_fini(&p->form);
}

void profiles_loss(void *losses, const char *line)
{
	struct profiles_losses *l = losses;

	if (l->n++ < LOSSES_SHOWN)
		fprintf(stderr, "%s: %s\n", l->program, line);
}

void profiles_say_losses(const struct profiles_losses *l)
{
	if (l->n > LOSSES_SHOWN)
		fprintf(stderr, "%s: and %u more like these\n", l->program, l->n - LOSSES_SHOWN);
}

const char *profiles_where(const struct conds *c, char *buf, size_t size)
{
	static const char *const signs[] = { [OP_NE] = "!=", [OP_LT] = "<",  [OP_LE] = "<=",
					     [OP_EQ] = "==", [OP_GE] = ">=", [OP_GT] = ">" };
	size_t used = 0;

	*buf = 0;
	for (int i = 0; i < c->n && used < size; i++) {
		const struct cond *x = &c->c[i];
		const char *and = i ? " and " : "";
		int n;

		if (x->op == OP_MASKED_EQ)
			n = snprintf(buf + used, size - used,
				     "%s(A%u & 0x%" PRIx64 ") == 0x%" PRIx64, and, x->index,
				     x->value, x->value2);
		else
			n = snprintf(buf + used, size - used, "%sA%u %s 0x%" PRIx64, and, x->index,
				     signs[x->op], x->value);
		used += (size_t)n;
	}
	return buf;
}

struct json_object *profiles_args(const struct conds *c)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < c->n; i++) {
		const struct cond *x = &c->c[i];
		struct json_object *arg = json_object_new_object();

		json_add(arg, "index", json_object_new_int(x->index));
		json_add(arg, "value", json_object_new_uint64(x->value));
		if (x->op == OP_MASKED_EQ)
			json_add(arg, "valueTwo", json_object_new_uint64(x->value2));
		json_add(arg, "op", json_object_new_string(names_op_scmp(x->op)));
		json_object_array_add(list, arg);
	}
	return list;
}

const char *profiles_effect(struct effect f, char *buf, size_t size)
{
	return where_effect(f.act, f.errnum, buf, size);
}

int profiles_failed(const char *program, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", program, e->msg);
	return e->num == E2BIG || e->num == ENOTSUP || e->num == ETIMEDOUT ? CLI_UNKNOWN
									   : CLI_FAILED;
}

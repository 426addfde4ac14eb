/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - see json.h. */
#include "warder/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "warder/opt.h"
#include "warder/own.h"

static void line_column(const char *text, size_t at, unsigned *line, unsigned *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = 0; i < at; i++) {
		++*column;
		if (text[i] == '\n') {
			++*line;
			*column = 1;
		}
	}
}

static size_t digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return (size_t)(p - start);
}

/* json-c clamps whole numbers that do not fit in 64 bits; here they are found first. Returns the
 * place of one, or NULL. */
static const char *too_big(const char *text, size_t len)
{
	static const char *const limits[] = { "18446744073709551615", "9223372036854775808" };
	const char *end = text + len;
	bool in_string = false;

	for (const char *p = text; p < end; p++) {
		size_t n = in_string ? 0 : digits(p, end);
		const char *limit = limits[p > text && p[-1] == '-'];
		bool whole = n && (p + n == end || !memchr(".eE", p[n], 3));

		if (whole && (n > strlen(limit) || (n == strlen(limit) && memcmp(p, limit, n) > 0)))
			return p;
		if (n)
			p += n - 1;
		else if (in_string && *p == '\\')
			p++;
		else if (*p == '"')
			in_string = !in_string;
	}
	return NULL;
}

static int parse(struct json_tokener *tok, const char *file, const char *text, size_t len,
		 struct json_object **out, struct err *e)
{
	struct json_object *doc = json_tokener_parse_ex(tok, text, (int)len);
	enum json_tokener_error why = json_tokener_get_error(tok);
	size_t end = json_tokener_get_parse_end(tok);
	unsigned line, column;

	if (why == json_tokener_continue && !doc) { /* a bare number ends with its text */
		doc = json_tokener_parse_ex(tok, "", 1);
		why = json_tokener_get_error(tok);
		end = len;
	}
	if (why == json_tokener_success) { /* strict: then nothing but white space follows */
		*out = doc;
		return 0;
	}
	json_object_put(doc);
	line_column(text, end < len ? end : len, &line, &column);
	return err_set(e, EINVAL, "%s:%u:%u: %s", file, line, column,
		       why == json_tokener_success ? "text after the document"
						   : json_tokener_error_desc(why));
}

int json_parse(const char *file, const char *text, size_t len, struct json_object **out,
	       struct err *e)
{
	struct json_tokener *tok;
	const char *number;
	unsigned line, column;
	int r;

	if (len > JSON_MAX_SIZE)
		return err_set(e, E2BIG, "%s: more than %d bytes", file, JSON_MAX_SIZE);
	if (memchr(text, 0, len))
		return err_set(e, EINVAL, "%s: holds a NUL byte: no JSON document", file);
	number = too_big(text, len);
	if (number) {
		line_column(text, (size_t)(number - text), &line, &column);
		return err_set(e, EINVAL, "%s:%u:%u: a number does not fit in 64 bits", file, line,
			       column);
	}
	tok = json_tokener_new_ex(JSON_MAX_DEPTH);
	if (!tok)
		return err_set(e, ENOMEM, "%s", file);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	r = parse(tok, file, text, len, out, e);
	json_tokener_free(tok);
	return r;
}

static int slurp(int fd, const char *path, char **text, size_t *len, struct err *e)
{
	auto_free char *buf = malloc(JSON_MAX_SIZE + 1);
	size_t used = 0;
	ssize_t n;

	if (!buf)
		return err_set(e, ENOMEM, "read %s", path);
	while ((n = read(fd, buf + used, JSON_MAX_SIZE + 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		return err_set(e, errno, "read %s", path);
	if (used > JSON_MAX_SIZE)
		return err_set(e, E2BIG, "%s: more than %d bytes", path, JSON_MAX_SIZE);
	buf[used] = 0;
	*text = take_ptr(buf);
	*len = used;
	return 0;
}

int json_slurp(int fd, const char *path, char **text, size_t *len, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_set(e, errno, "look at %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "%s is no regular file", path);
	return slurp(fd, path, text, len, e);
}

int json_slurp_path(const char *path, char **text, size_t *len, struct err *e)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? err_set(e, errno, "open %s", path) : json_slurp(fd, path, text, len, e);
}

int json_read(const char *path, struct json_object **out, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = json_slurp_path(path, &text, &len, e);

	return r ? r : json_parse(path, text, len, out, e);
}

static size_t append(char *buf, size_t size, size_t used, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static size_t append(char *buf, size_t size, size_t used, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (used >= size)
		return used;
	va_start(ap, fmt);
	n = vsnprintf(buf + used, size - used, fmt, ap);
	va_end(ap);
	return n < 0 ? used : used + (size_t)n;
}

const char *json_path(const struct json_at *at, char *buf, size_t size)
{
	const struct json_at *chain[JSON_MAX_DEPTH + 1];
	size_t n = 0, used;

	for (; at->up && n < JSON_MAX_DEPTH; at = at->up)
		chain[n++] = at;
	used = append(buf, size, 0, "%s%s", at->file ? at->file : "", at->file && n ? ": " : "");
	for (size_t i = n; i-- > 0;) {
		if (chain[i]->key)
			used = append(buf, size, used, "%s%s", i + 1 < n ? "." : "", chain[i]->key);
		else
			used = append(buf, size, used, "[%d]", chain[i]->index);
	}
	return buf;
}

int json_err(const struct json_at *at, struct err *e, const char *fmt, ...)
{
	char path[256], text[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err_set(e, EINVAL, "%s: %s", json_path(at, path, sizeof path), text);
}

void json_warn(const struct json_at *at, const struct warn *w, const char *fmt, ...)
{
	char path[256], text[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	warn_say(w, "%s: %s", json_path(at, path, sizeof path), text);
}

bool json_child(const struct json_at *at, const char *key, struct json_at *out)
{
	struct json_object *v;

	if (!json_object_object_get_ex(at->v, key, &v) || !v)
		return false;
	*out = (struct json_at){ .up = at, .key = key, .v = v };
	return true;
}

struct json_at json_item(const struct json_at *array, int index)
{
	return (struct json_at){ .up = array,
				 .index = index,
				 .v = json_object_array_get_idx(array->v, (size_t)index) };
}

static int check(const struct json_at *at, enum json_type type, const char *what, struct err *e)
{
	return json_object_is_type(at->v, type) ? 0 : json_err(at, e, "must be %s", what);
}

int json_is_object(const struct json_at *at, struct err *e)
{
	return check(at, json_type_object, "an object", e);
}

int json_array(const struct json_at *at, int *len, struct err *e)
{
	int r = check(at, json_type_array, "an array", e);

	if (!r)
		*len = (int)json_object_array_length(at->v);
	return r;
}

int json_str(const struct json_at *at, const char **out, struct err *e)
{
	int r = check(at, json_type_string, "a string", e);
	const char *s;

	if (r)
		return r;
	s = json_object_get_string(at->v);
	if (strlen(s) != (size_t)json_object_get_string_len(at->v))
		return json_err(at, e, "holds a NUL character");
	*out = s;
	return 0;
}

/* Numbers that do not fit in 64 bits were refused by the strict tokener already. */
int json_u64(const struct json_at *at, uint64_t *out, struct err *e)
{
	int r = check(at, json_type_int, "a whole number", e);

	if (r)
		return r;
	if (json_object_get_string(at->v)[0] == '-')
		return json_err(at, e, "must be 0 or more");
	*out = json_object_get_uint64(at->v);
	return 0;
}

int json_i64(const struct json_at *at, int64_t *out, struct err *e)
{
	int r = check(at, json_type_int, "a whole number", e);

	if (r)
		return r;
	*out = json_object_get_int64(at->v);
	if (*out == INT64_MAX && json_object_get_uint64(at->v) != INT64_MAX)
		return json_err(at, e, "must be less than 9223372036854775808");
	return 0;
}

int json_flag(const struct json_at *at, bool *out, struct err *e)
{
	int r = check(at, json_type_boolean, "true or false", e);

	if (!r)
		*out = json_object_get_boolean(at->v);
	return r;
}

int json_duration(const struct json_at *at, uint64_t *ns, struct err *e)
{
	const char *text;
	int r = json_str(at, &text, e);

	if (!r && opt_duration(text, ns))
		r = json_err(at, e, "\"%s\" is no time (such as \"5s\", \"200ms\")", text);
	return r;
}

void json_known(const struct json_at *at, const char *const *keys, const struct warn *w)
{
	json_object_object_foreach(at->v, name, value)
	{
		struct json_at child = { .up = at, .key = name, .v = value };
		const char *const *k = keys;

		while (*k && strcmp(*k, name) != 0)
			k++;
		if (!*k)
			json_warn(&child, w, "unknown key, ignored");
	}
}

bool json_add(struct json_object *to, const char *key, struct json_object *v)
{
	if (v && !json_object_object_add(to, key, v))
		return true;
	json_object_put(v);
	return false;
}

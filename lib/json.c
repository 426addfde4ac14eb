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

struct source {
	const char *file, *text;
	size_t len;
};

/* EINVAL with the line and column of a place in the text. */
static int err_at(const struct source *s, size_t at, struct err *e, const char *what)
{
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < at && i < s->len; i++) {
		++column;
		if (s->text[i] == '\n') {
			++line;
			column = 1;
		}
	}
	return err_set(e, EINVAL, "%s:%u:%u: %s", s->file, line, column, what);
}

static size_t digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return (size_t)(p - start);
}

/* The n digits at p are a whole number beyond 64 bits, which json-c clamps. */
static bool too_big(const char *p, size_t n, const struct source *s)
{
	static const char *const limits[] = { "18446744073709551615", "9223372036854775808" };
	char before = p > s->text ? p[-1] : ' ';
	const char *limit = limits[before == '-'];

	if (before == '.' || (p + n < s->text + s->len && memchr(".eE", p[n], 3)))
		return false;
	return n > strlen(limit) || (n == strlen(limit) && memcmp(p, limit, n) > 0);
}

/* The length of the string literal at p, both quotes included. */
static size_t literal(const char *p, const char *end)
{
	const char *start = p++;

	while (p < end && *p != '"')
		p += *p == '\\' ? 2 : 1;
	return (size_t)(p - start) + 1;
}

/* The string literal of n bytes at p: the name of a member, which must be new among seen; or no
 * name, when no colon follows. */
static int check_name(const struct source *s, const char *p, size_t n, struct json_tokener *tok,
		      struct json_object *seen, struct err *e)
{
	const char *colon = p + n, *end = s->text + s->len;
	struct json_object *name;
	char what[128];
	int r = 0;

	while (colon < end && strchr(" \t\r\n", *colon))
		colon++;
	if (colon >= end || *colon != ':')
		return 0;
	json_tokener_reset(tok);
	name = json_tokener_parse_ex(tok, p, (int)n); /* so that "a" is "\u0061" */
	if (name &&
	    strlen(json_object_get_string(name)) < (size_t)json_object_get_string_len(name)) {
		snprintf(what, sizeof what, "a NUL character in the name %.*s", (int)n, p);
		r = err_at(s, (size_t)(p - s->text), e, what);
	} else if (name && seen &&
		   json_object_object_get_ex(seen, json_object_get_string(name), NULL)) {
		snprintf(what, sizeof what, "duplicate member %.*s", (int)n, p);
		r = err_at(s, (size_t)(p - s->text), e, what);
	} else if (!name || !seen ||
		   json_object_object_add(seen, json_object_get_string(name), NULL)) {
		r = err_set(e, ENOMEM, "%s", s->file);
	}
	json_object_put(name);
	return r;
}

/* Refuses what json-c's strict mode lets pass: numbers that it clamps, names that it cuts at a NUL,
 * names of which it keeps the last, 'quotes', NaN, Infinity, strange white space. The text has been
 * parsed: it is sound up to the first character that JSON does not have. */
static int check_text(const struct source *s, struct json_tokener *tok, struct err *e)
{
	static const char alphabet[] = "{}[],:\" \t\r\n+-.eEtrufalsn"; /* digits aside */
	struct json_object *seen[JSON_MAX_DEPTH + 1] = { NULL }; /* the names of each open object */
	const char *p = s->text, *end = s->text + s->len;
	int depth = 0, r = 0;
	size_t n;

	for (; !r && p < end; p += n ? n : 1) {
		n = digits(p, end);
		if (n && too_big(p, n, s)) {
			r = err_at(s, (size_t)(p - s->text), e, "a number does not fit in 64 bits");
		} else if (!n && !strchr(alphabet, *p)) {
			r = err_at(s, (size_t)(p - s->text), e, "unexpected character");
		} else if (*p == '"') {
			n = literal(p, end);
			r = check_name(s, p, n, tok, seen[depth], e);
		} else if (*p == '{' || *p == '[') {
			seen[++depth] = *p == '{' ? json_object_new_object() : NULL;
		} else if (*p == '}' || *p == ']') {
			json_object_put(seen[depth--]);
		}
	}
	while (depth > 0)
		json_object_put(seen[depth--]);
	return r;
}

static int parse(const struct source *s, struct json_tokener *tok, struct json_object **out,
		 struct err *e)
{
	struct json_object *doc = json_tokener_parse_ex(tok, s->text, (int)s->len);
	enum json_tokener_error why = json_tokener_get_error(tok);
	size_t end = json_tokener_get_parse_end(tok);
	int r;

	if (why == json_tokener_continue && !doc) { /* a bare number ends with its text */
		doc = json_tokener_parse_ex(tok, "", 1);
		why = json_tokener_get_error(tok);
		end = s->len;
	}
	if (why != json_tokener_success) /* strict: text after the document is one of them */
		r = err_at(s, end, e, json_tokener_error_desc(why));
	else
		r = check_text(s, tok, e);
	if (r)
		json_object_put(doc);
	else
		*out = doc;
	return r;
}

int json_parse(const char *file, const char *text, size_t len, struct json_object **out,
	       struct err *e)
{
	const struct source s = { file, text, len };
	struct json_tokener *tok;
	int r;

	if (len > JSON_MAX_SIZE)
		return err_set(e, E2BIG, "%s: more than %d bytes", file, JSON_MAX_SIZE);
	if (memchr(text, 0, len))
		return err_set(e, EINVAL, "%s: holds a NUL byte: no JSON document", file);
	tok = json_tokener_new_ex(JSON_MAX_DEPTH);
	if (!tok)
		return err_set(e, ENOMEM, "%s", file);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	r = parse(&s, tok, out, e);
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

/* Numbers that do not fit in 64 bits were refused by json_parse() already. */
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
	if (*json_object_get_string(at->v) != '-' && json_object_get_uint64(at->v) > INT64_MAX)
		return json_err(at, e, "must be less than 9223372036854775808");
	*out = json_object_get_int64(at->v);
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

/* Byte by byte where it is not printable. */
static int text_to_json(struct json_object *o, struct printbuf *to, int level, int flags)
{
	const char *s = json_object_get_string(o);
	char buf[8];

	(void)level;
	(void)flags;
	printbuf_memappend(to, "\"", 1);
	while (*s) {
		size_t n = err_printable(s);

		if (n && *s != '"' && *s != '\\') {
			printbuf_memappend(to, s, (int)n);
		} else {
			int len = snprintf(buf, sizeof buf, n ? "\\%c" : "\\u%04x",
					   (unsigned char)*s);

			printbuf_memappend(to, buf, len);
			n = 1;
		}
		s += n;
	}
	return printbuf_memappend(to, "\"", 1);
}

struct json_object *json_text(const char *s)
{
	struct json_object *o = json_object_new_string(s);

	if (o)
		json_object_set_serializer(o, text_to_json, NULL, NULL);
	return o;
}

bool json_add_text(struct json_object *to, const char *key, const char *s)
{
	return !s || !*s || json_add(to, key, json_text(s));
}

struct json_object *json_append(struct json_object *list, struct json_object *item)
{
	if (item && !json_object_array_add(list, item))
		return list;
	json_object_put(item);
	json_object_put(list);
	return NULL;
}

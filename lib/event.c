/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - see event.h. */
#include "warder/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/json.h"
#include "warder/own.h"

#define ANY   (-1)
#define CALLS (-2) /* calls, one by one or suppressed */

enum kind { TIME, TYPE, DONE, U64, COUNT, LINES, INT, ID, TEXT, LATE, UNKNOWN, ARGS, PARENTS };

/* Key, kind, member; the type of event that prints it. */
#define EVENT_ROWS(X)                                  \
	X("time", TIME, time_ns, ANY)                  \
	X("type", TYPE, type, ANY)                     \
	X("seq", U64, seq, EVENT_CALL)                 \
	X("container", TEXT, container, ANY)           \
	X("name", TEXT, name, ANY)                     \
	X("pod", TEXT, pod, ANY)                       \
	X("namespace", TEXT, namespace, ANY)           \
	X("policy", TEXT, policy, ANY)                 \
	X("mode", TEXT, mode, ANY)                     \
	X("syscall", TEXT, syscall, CALLS)             \
	X("nr", INT, nr, CALLS)                        \
	X("arch", TEXT, arch, CALLS)                   \
	X("args", ARGS, args, EVENT_CALL)              \
	X("verdict", TEXT, verdict, CALLS)             \
	X("asked", TEXT, asked, CALLS)                 \
	X("done", DONE, done, CALLS)                   \
	X("errno", TEXT, error, CALLS)                 \
	X("rule", TEXT, rule, CALLS)                   \
	X("message", TEXT, message, CALLS)             \
	X("pid", ID, pid, ANY)                         \
	X("tid", ID, tid, EVENT_CALL)                  \
	X("ns_pid", ID, ns_pid, EVENT_CALL)            \
	X("ns_tid", ID, ns_tid, EVENT_CALL)            \
	X("parents", PARENTS, parents, EVENT_CALL)     \
	X("comm", TEXT, comm, EVENT_CALL)              \
	X("exe", TEXT, exe, EVENT_CALL)                \
	X("uid", INT, uid, EVENT_CALL)                 \
	X("gid", INT, gid, EVENT_CALL)                 \
	X("identity", LATE, identity_late, EVENT_CALL) \
	X("phase", TEXT, phase, EVENT_CALL)            \
	X("outcome", UNKNOWN, unknown, EVENT_CALL)     \
	X("latency_ns", U64, latency_ns, EVENT_CALL)   \
	EVENT_COUNTERS(COUNTER)                        \
	X("lines", LINES, lines, EVENT_LOST)           \
	X("count", COUNT, count, ANY)

static const struct row {
	const char *key;
	enum kind kind;
	size_t offset;
	int only; /* enum event_type; ANY; CALLS */
} rows[] = {
#define X(key, kind, member, only) { key, kind, offsetof(struct event, member), only },
#define COUNTER(counter)           X(#counter, U64, counter, EVENT_SESSION_END)
	EVENT_ROWS(X)
#undef X
};

const char *const event_fields[] = {
#define X(key, kind, member, only) key,
	EVENT_ROWS(X)
#undef X
		NULL
};

static const char *const types[EVENT_TYPES] = { "call", "session_start", "session_end", "lost",
						"suppressed" };
static const char *const dones[DONE_COUNT] = { "none", "continue", "errno", "kill_process",
					       "gone" };

const char *event_type_word(uint8_t type)
{
	return type < EVENT_TYPES ? types[type] : "?";
}

int event_type_of(const char *word)
{
	for (int i = 0; i < EVENT_TYPES; i++)
		if (!strcmp(types[i], word))
			return i;
	return -1;
}

uint64_t event_calls(const struct event *ev)
{
	return ev->type == EVENT_SESSION_START || ev->type == EVENT_SESSION_END ? 0 : ev->count;
}

struct out {
	char *at, *end;
};

static void put_char(struct out *o, char c)
{
	if (o->at < o->end)
		*o->at = c;
	o->at++; /* past the end: did not fit */
}

static void put_text(struct out *o, const char *s)
{
	while (*s)
		put_char(o, *s++);
}

static void put_number(struct out *o, uint64_t n, unsigned base, int width)
{
	char buf[20];
	int i = 0;

	do {
		buf[i++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n || i < width);
	while (i)
		put_char(o, buf[--i]);
}

static void put_signed(struct out *o, int64_t n)
{
	if (n < 0)
		put_char(o, '-');
	put_number(o, n < 0 ? -(uint64_t)n : (uint64_t)n, 10, 1);
}

/* One printable character, or an escape for one byte; returns the bytes eaten. */
static size_t put_escaped(struct out *o, const char *s)
{
	size_t n = err_printable(s);

	if (!n) {
		put_text(o, "\\u00");
		put_number(o, (unsigned char)*s, 16, 2);
		return 1;
	}
	if (*s == '"' || *s == '\\')
		put_char(o, '\\');
	for (size_t i = 0; i < n; i++)
		put_char(o, s[i]);
	return n;
}

/* At most EVENT_TEXT_MAX bytes as written, so that no text can push a line over EVENT_LINE_MAX. */
static void put_string(struct out *o, const char *s)
{
	char *start, *cut;

	put_char(o, '"');
	start = cut = o->at;
	while (*s) {
		s += put_escaped(o, s);
		if (o->at - start > EVENT_TEXT_MAX) {
			o->at = cut;
			put_text(o, "...");
			break;
		}
		if (o->at - start <= EVENT_TEXT_MAX - 3)
			cut = o->at;
	}
	put_char(o, '"');
}

/* Days since 1970 to year, month, day (the proleptic Gregorian calendar, years counted from March).
 */
static void civil(uint64_t days, uint64_t *year, unsigned *month, unsigned *day)
{
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;

	*day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2);
}

static void put_time(struct out *o, uint64_t ns)
{
	uint64_t s = ns / 1000000000, year;
	unsigned month, day, in_day = (unsigned)(s % 86400);

	civil(s / 86400, &year, &month, &day);
	put_char(o, '"');
	put_number(o, year, 10, 4);
	put_char(o, '-');
	put_number(o, month, 10, 2);
	put_char(o, '-');
	put_number(o, day, 10, 2);
	put_char(o, 'T');
	put_number(o, in_day / 3600, 10, 2);
	put_char(o, ':');
	put_number(o, in_day / 60 % 60, 10, 2);
	put_char(o, ':');
	put_number(o, in_day % 60, 10, 2);
	put_char(o, '.');
	put_number(o, ns % 1000000000, 10, 9);
	put_text(o, "Z\"");
}

static const void *member(const struct event *ev, const struct row *r)
{
	return (const char *)ev + r->offset;
}

static uint64_t as_u64(const struct event *ev, const struct row *r)
{
	return *(const uint64_t *)member(ev, r);
}

static int32_t as_int(const struct event *ev, const struct row *r)
{
	return *(const int32_t *)member(ev, r);
}

static const char *as_text(const struct event *ev, const struct row *r)
{
	return *(const char *const *)member(ev, r);
}

static bool is_printed(const struct event *ev, const struct row *r)
{
	if (r->only == CALLS ? ev->type != EVENT_CALL && ev->type != EVENT_SUPPRESSED
			     : r->only != ANY && ev->type != r->only)
		return false;
	switch (r->kind) {
	case TEXT:
		return as_text(ev, r) != NULL;
	case ID:
		return as_int(ev, r) != 0;
	case INT:
		return as_int(ev, r) != -1 ||
		       (r->offset == offsetof(struct event, nr) && ev->type == EVENT_CALL);
	case COUNT:
		return as_u64(ev, r) > 1 || ev->type == EVENT_LOST || ev->type == EVENT_SUPPRESSED;
	case LINES:
		return as_u64(ev, r) != 0;
	case LATE:
	case UNKNOWN:
		return *(const bool *)member(ev, r);
	case PARENTS:
		return ev->n_parents > 0;
	case TIME:
	case TYPE:
	case DONE:
	case U64:
	case ARGS:
		break;
	}
	return true;
}

static void put_args(struct out *o, const uint64_t *args)
{
	for (int i = 0; i < 6; i++) {
		put_text(o, i ? ",\"0x" : "[\"0x");
		put_number(o, args[i], 16, 1);
		put_char(o, '"');
	}
	put_char(o, ']');
}

static void put_parents(struct out *o, const struct event *ev)
{
	for (int i = 0; i < ev->n_parents && i < EVENT_PARENTS; i++) {
		put_char(o, i ? ',' : '[');
		put_signed(o, ev->parents[i]);
	}
	put_char(o, ']');
}

static void put_value(struct out *o, const struct event *ev, const struct row *r)
{
	switch (r->kind) {
	case TIME:
		put_time(o, as_u64(ev, r));
		break;
	case TYPE:
		put_string(o, event_type_word(ev->type));
		break;
	case DONE:
		put_string(o, ev->done < DONE_COUNT ? dones[ev->done] : "?");
		break;
	case U64:
	case COUNT:
	case LINES:
		put_number(o, as_u64(ev, r), 10, 1);
		break;
	case INT:
	case ID:
		put_signed(o, as_int(ev, r));
		break;
	case TEXT:
		put_string(o, as_text(ev, r));
		break;
	case LATE:
		put_text(o, "\"late\"");
		break;
	case UNKNOWN:
		put_text(o, "\"unknown\"");
		break;
	case ARGS:
		put_args(o, ev->args);
		break;
	case PARENTS:
		put_parents(o, ev);
		break;
	}
}

size_t event_format(const struct event *ev, char *buf, size_t size)
{
	struct out o = { buf, buf + size };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!is_printed(ev, &rows[i]))
			continue;
		put_char(&o, i ? ',' : '{');
		put_char(&o, '"');
		put_text(&o, rows[i].key);
		put_text(&o, "\":");
		put_value(&o, ev, &rows[i]);
	}
	put_text(&o, "}\n");
	return o.at <= o.end ? (size_t)(o.at - buf) : 0;
}

struct in {
	struct event *ev;
	char *text; /* room for strings */
	size_t room;
};

static int get_text(const struct json_at *at, struct in *in, const char **out, struct err *e)
{
	const char *s;
	int r = json_str(at, &s, e);
	size_t n;

	if (r)
		return r;
	n = strlen(s) + 1;
	if (n > in->room)
		return json_err(at, e, "is too long");
	memcpy(in->text, s, n);
	*out = in->text;
	in->text += n;
	in->room -= n;
	return 0;
}

static int get_word(const struct json_at *at, const char *const *words, int n, uint8_t *out,
		    struct err *e)
{
	const char *s;
	int r = json_str(at, &s, e);

	for (int i = 0; !r && i < n; i++)
		if (!strcmp(words[i], s)) {
			*out = (uint8_t)i;
			return 0;
		}
	return r ? r : json_err(at, e, "unknown word \"%s\"", s);
}

static bool in_range(unsigned v, unsigned low, unsigned high)
{
	return v >= low && v <= high;
}

/* Days from 1970-01-01, the inverse of civil(). */
static uint64_t days(uint64_t year, unsigned month, unsigned day)
{
	uint64_t y = year - (month <= 2), era = y / 400, yoe = y % 400;
	uint64_t doy = (153 * (month > 2 ? month - 3U : month + 9U) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int get_time(const struct json_at *at, uint64_t *ns, struct err *e)
{
	unsigned year, month, day, hour, minute, second, nano;
	const char *s;
	char z, rest;
	int r = json_str(at, &s, e);

	if (r)
		return r;
	if (strlen(s) != 30 || strspn(s, "0123456789-T:.Z") != 30 ||
	    sscanf(s, "%4u-%2u-%2uT%2u:%2u:%2u.%9u%c%c", &year, &month, &day, &hour, &minute,
		   &second, &nano, &z, &rest) != 8 ||
	    z != 'Z' || !in_range(year, 1970, 2500) || !in_range(month, 1, 12) ||
	    !in_range(day, 1, 31) || hour > 23 || minute > 59 || second > 59 || nano > 999999999)
		return json_err(at, e, "\"%s\" is no time", s);
	*ns = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
	*ns = *ns * 1000000000 + nano;
	return 0;
}

static int get_args(const struct json_at *at, uint64_t *args, struct err *e)
{
	int len, r = json_array(at, &len, e);

	if (!r && len != 6)
		r = json_err(at, e, "must hold 6 numbers");
	for (int i = 0; !r && i < 6; i++) {
		struct json_at item = json_item(at, i);
		const char *s;
		char *end;

		r = json_str(&item, &s, e);
		if (r)
			break;
		errno = 0;
		args[i] = strtoull(s, &end, 16);
		if (strncmp(s, "0x", 2) != 0 || !s[2] || s[2] == '-' || *end || errno)
			r = json_err(&item, e, "\"%s\" is no hexadecimal number", s);
	}
	return r;
}

static int get_int(const struct json_at *at, int32_t *out, struct err *e)
{
	int64_t n;
	int r = json_i64(at, &n, e);

	if (!r && (n < INT32_MIN || n > INT32_MAX))
		r = json_err(at, e, "does not fit in 32 bits");
	if (!r)
		*out = (int32_t)n;
	return r;
}

static int get_parents(const struct json_at *at, struct event *ev, struct err *e)
{
	int len, r = json_array(at, &len, e);

	if (!r && len > EVENT_PARENTS)
		r = json_err(at, e, "more than %d processes", EVENT_PARENTS);
	for (int i = 0; !r && i < len; i++) {
		struct json_at item = json_item(at, i);

		r = get_int(&item, &ev->parents[i], e);
	}
	if (!r)
		ev->n_parents = len;
	return r;
}

static int get_value(const struct json_at *at, const struct row *r, struct in *in, struct err *e)
{
	void *to = (char *)in->ev + r->offset;
	const char *word;
	int err;

	switch (r->kind) {
	case TIME:
		return get_time(at, to, e);
	case TYPE:
		return get_word(at, types, EVENT_TYPES, to, e);
	case DONE:
		return get_word(at, dones, DONE_COUNT, to, e);
	case U64:
	case COUNT:
	case LINES:
		return json_u64(at, to, e);
	case INT:
	case ID:
		return get_int(at, to, e);
	case TEXT:
		return get_text(at, in, to, e);
	case LATE:
	case UNKNOWN:
		err = json_str(at, &word, e);
		*(bool *)to = !err;
		return err;
	case ARGS:
		return get_args(at, to, e);
	case PARENTS:
		return get_parents(at, in->ev, e);
	}
	return 0;
}

static int parse(const struct json_at *at, struct in *in, struct err *e)
{
	struct json_at child;
	int r = json_is_object(at, e);

	for (size_t i = 0; !r && i < ARRAY_LEN(rows); i++)
		if (json_child(at, rows[i].key, &child))
			r = get_value(&child, &rows[i], in, e);
	if (!r && !json_child(at, "type", &child))
		r = json_err(at, e, "no event: \"type\" is missing");
	return r;
}

int event_parse(const char *line, size_t len, struct event *out, char *text, size_t text_size,
		struct err *e)
{
	struct event ev = { .uid = -1, .gid = -1, .count = 1 };
	struct in in = { &ev, text, text_size };
	struct json_at at = { .file = "event" };
	struct json_object *doc;
	int r = json_parse(at.file, line, len, &doc, e);

	if (r)
		return r;
	at.v = doc;
	r = parse(&at, &in, e);
	json_object_put(doc);
	if (!r)
		*out = ev;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* top.c - warder top: what happens now, by session and by call.
 *
 * Two sources: the sessions' counters, asked for once an interval (their differences are the
 * rates), and the stream of events (which calls are denied most). The stream is bounded and may
 * lose lines under a flood; the counters are exact. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "grid.h"
#include "plain.h"
#include "screen.h"
#include "tally.h"
#include "warder/clock.h"
#include "warder/event.h"
#include "warder/own.h"

static const char program[] = "warder top";

#define NS_IN_S      1000000000ULL
#define NS_IN_MS     1000000ULL
#define INTERVAL_NS  NS_IN_S
#define INTERVAL     "1s"
#define INTERVAL_MIN (100 * NS_IN_MS)
#define STREAM_PATH  "/v1/events?follow=1&type=call"
#define CALLS_JSON   32 /* of the most denied calls */

/* What is shown of a session, and what it can be sorted by. */
enum figure { RECEIVED, DENIED, AUDITED, FIGURES };
static const char *const figure_words[] = { "received", "denied", "audited" };

struct line { /* one session in one sample */
	int64_t number;
	struct json_object *session; /* borrowed from the sample's answer */
	int64_t total[FIGURES];
	double rate[FIGURES]; /* a second */
};

struct sample {
	struct json_object *answer; /* owned */
	uint64_t at_ns;
	size_t n;
	struct line *lines;
	double rate[FIGURES];
	int64_t restarts, lost; /* of warderd */
};

struct top {
	struct client_opts client;
	uint64_t interval_ns;
	bool once;

	struct client *c;
	struct client_stream *stream; /* NULL: none now */
	struct tally calls;           /* "syscall TAB verdict", by container */
	struct sample now;
	enum figure sort;
	size_t scroll;
	char trouble[256]; /* why what is shown is old */
};

/* --- samples --- */

static void sample_fini(struct sample *s)
{
	json_object_put(s->answer);
	free(s->lines);
	*s = (struct sample){ 0 };
}

static int by_number(const void *left, const void *right)
{
	const struct line *l = left, *r = right;

	return l->number < r->number ? -1 : l->number > r->number;
}

static struct line line_of(struct json_object *session)
{
	struct line l = { .number = client_number(session, "session"), .session = session };

	l.total[RECEIVED] = client_number(session, "counters.received");
	l.total[DENIED] = client_number(session, "counters.denied") +
			  client_number(session, "counters.killed");
	l.total[AUDITED] = client_number(session, "counters.audited");
	return l;
}

/* Against the sample before; what began since then counts from 0, so that nothing is missed. */
static void rate(struct sample *s, const struct sample *before)
{
	double seconds = (double)(s->at_ns - before->at_ns) / (double)NS_IN_S;

	for (size_t i = 0; before->answer && i < s->n; i++) {
		struct line *l = &s->lines[i];
		const struct line *was = bsearch(l, before->lines, before->n, sizeof *l, by_number);

		for (int f = 0; f < FIGURES; f++) {
			l->rate[f] = (double)(l->total[f] - (was ? was->total[f] : 0)) / seconds;
			s->rate[f] += l->rate[f];
		}
	}
}

static int take_sample(struct top *t, struct err *e)
{
	struct sample s = { 0 };
	struct json_object *sessions, *health;
	int r = client_call(t->c, "GET", "/v1/sessions", NULL, &s.answer, e);

	if (r)
		return r;
	s.at_ns = clock_mono_ns();
	sessions = client_array(s.answer, "sessions", &s.n);
	s.lines = calloc(s.n + 1, sizeof *s.lines);
	if (!s.lines) {
		json_object_put(s.answer);
		return err_set(e, ENOMEM, "sessions");
	}
	for (size_t i = 0; i < s.n; i++)
		s.lines[i] = line_of(json_object_array_get_idx(sessions, i));
	qsort(s.lines, s.n, sizeof *s.lines, by_number);
	rate(&s, &t->now);
	if (!client_call(t->c, "GET", "/v1/health", NULL, &health, e)) {
		s.restarts = client_number(health, "restarts");
		s.lost = client_number(health, "lost");
		json_object_put(health);
	}
	sample_fini(&t->now);
	t->now = s;
	return 0;
}

/* --- the stream --- */

static bool take_event(void *ctx, const char *json, size_t len)
{
	struct top *t = ctx;
	char text[EVENT_LINE_MAX], row[TALLY_TEXT], nr[32];
	struct event ev;
	struct err e;

	if (event_parse(json, len, &ev, text, sizeof text, &e) || ev.type != EVENT_CALL ||
	    !ev.verdict || !strcmp(ev.verdict, "allow"))
		return true;
	snprintf(nr, sizeof nr, "call %" PRId32, ev.nr);
	snprintf(row, sizeof row, "%s\t%s%s%s", ev.syscall ? ev.syscall : nr, ev.verdict,
		 ev.error ? " " : "", ev.error ? ev.error : "");
	tally_add(&t->calls, row, ev.container, ev.count ? ev.count : 1);
	return true;
}

static void drop_stream(struct top *t)
{
	if (t->stream)
		client_stream_close(t->stream);
	t->stream = NULL;
}

/* A new stream begins with what warderd has kept, so the counts begin anew too. */
static void connect_stream(struct top *t)
{
	struct err e;

	if (t->stream)
		return;
	tally_fini(&t->calls);
	if (client_stream_open(t->c, STREAM_PATH, true, take_event, t, &t->stream, &e))
		t->stream = NULL;
}

/* Until the time is over or one of fds is ready. */
static void wait(struct top *t, struct pollfd *fds, unsigned n, uint64_t until_ns)
{
	uint64_t now = clock_mono_ns();
	int ms = until_ns > now ? (int)((until_ns - now + NS_IN_MS - 1) / NS_IN_MS) : 0;
	struct err e;

	if (!t->stream)
		poll(fds, n, ms);
	else if (client_stream_wait(t->stream, fds, n, ms, &e) != 1)
		drop_stream(t);
}

static void sample_or_say(struct top *t)
{
	struct err e;

	if (take_sample(t, &e)) {
		drop_stream(t);
		snprintf(t->trouble, sizeof t->trouble, "%.*s", (int)sizeof t->trouble - 1, e.msg);
		return;
	}
	*t->trouble = '\0';
	connect_stream(t);
}

/* --- for people --- */

struct view {
	FILE *out;
	size_t rows, cols; /* 0: as many as there are */
	bool bold, keys;
};

static const struct grid_col session_columns[] = {
	{ "SESSION", .right = true },    { "CONTAINER", .shrinks = true },
	{ "POLICY", .shrinks = true },   { .title = "MODE" },
	{ "RECEIVED/s", .right = true }, { "DENIED/s", .right = true },
	{ "AUDITED/s", .right = true },  { "RECEIVED", .right = true },
	{ "DENIED", .right = true },     { "AUDITED", .right = true },
};
static const struct grid_col call_columns[] = {
	{ "CALLS", .right = true },
	{ .title = "SYSCALL" },
	{ .title = "VERDICT" },
	{ "CONTAINERS", .shrinks = true },
};

static int by_figure(const void *left, const void *right, void *figure)
{
	const struct line *l = left, *r = right;
	enum figure f = *(enum figure *)figure;

	if (l->rate[f] != r->rate[f])
		return l->rate[f] > r->rate[f] ? -1 : 1;
	if (l->total[f] != r->total[f])
		return l->total[f] > r->total[f] ? -1 : 1;
	return l->number < r->number ? -1 : l->number > r->number;
}

static struct line *sorted(struct top *t)
{
	struct line *lines = calloc(t->now.n + 1, sizeof *lines);

	if (!lines)
		return NULL;
	for (size_t i = 0; i < t->now.n; i++)
		lines[i] = t->now.lines[i];
	qsort_r(lines, t->now.n, sizeof *lines, by_figure, &t->sort);
	return lines;
}

static void add_line(struct grid *t, const struct line *l)
{
	grid_cell(t, "%" PRId64, l->number);
	grid_cell(t, "%s", client_text(l->session, "container"));
	grid_cell(t, "%s", client_text(l->session, "policy"));
	grid_cell(t, "%s", client_text(l->session, "mode"));
	for (int f = 0; f < FIGURES; f++)
		grid_cell(t, "%.0f", l->rate[f]);
	for (int f = 0; f < FIGURES; f++)
		grid_cell(t, "%" PRId64, l->total[f]);
}

static void print_head(const struct top *t, const struct view *v)
{
	const struct sample *s = &t->now;
	time_t now = time(NULL);
	char clock[16] = "";
	struct tm tm;

	strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &tm));
	fprintf(v->out, "%s %s: %zu session%s, %.0f calls/s: %.0f denied/s, %.0f audited/s",
		program, clock, s->n, s->n == 1 ? "" : "s", s->rate[RECEIVED], s->rate[DENIED],
		s->rate[AUDITED]);
	if (s->restarts || s->lost)
		fprintf(v->out, "; worker restarts %" PRId64 ", events lost %" PRId64, s->restarts,
			s->lost);
	if (v->keys)
		fprintf(v->out, "\nsorted by %s/s (s: next), q: quit, arrows: scroll%s%s",
			figure_words[t->sort], *t->trouble ? "   " : "", t->trouble);
	fputs("\n\n", v->out);
}

static void print_sessions(struct top *t, const struct view *v, size_t room)
{
	auto_free struct line *lines = sorted(t);
	size_t most = room && t->now.n > room ? t->now.n - room : 0;
	struct grid table;

	if (!lines)
		return;
	t->scroll = t->scroll > most ? most : t->scroll;
	grid_init(&table, session_columns, ARRAY_LEN(session_columns));
	table.bold = v->bold;
	for (size_t i = 0; i < t->now.n; i++)
		add_line(&table, &lines[i]);
	grid_print(&table, t->scroll, room ? t->scroll + room - 1 : SIZE_MAX - 1, v->cols, v->out);
	grid_fini(&table);
}

static void print_calls(struct top *t, const struct view *v, size_t room)
{
	struct grid table;

	tally_sort(&t->calls);
	grid_init(&table, call_columns, ARRAY_LEN(call_columns));
	table.bold = v->bold;
	for (size_t i = 0; i < t->calls.n_rows && (!room || i < room); i++) {
		const struct tally_row *row = &t->calls.rows[i];
		size_t name = strcspn(row->text, "\t");

		grid_cell(&table, "%" PRIu64, row->n);
		grid_cell(&table, "%.*s", (int)name, row->text);
		grid_cell(&table, "%s", row->text + name + (row->text[name] ? 1 : 0));
		grid_cell(&table, "%s", row->who);
	}
	grid_print(&table, 0, SIZE_MAX - 1, v->cols, v->out);
	grid_fini(&table);
}

/* The most denied calls get up to a third of the rows, the sessions what is left. */
static void print_view(struct top *t, const struct view *v)
{
	size_t frame = 6, calls = v->rows / 3, sessions = 0;

	if (v->rows) {
		calls = t->calls.n_rows < calls ? t->calls.n_rows : calls;
		calls = calls ? calls : 1;
		sessions = v->rows > frame + calls ? v->rows - frame - calls : 1;
	}
	print_head(t, v);
	print_sessions(t, v, sessions);
	fputc('\n', v->out);
	print_calls(t, v, calls);
}

/* --- for programs --- */

static struct json_object *line_json(const struct line *l)
{
	static const char *const copied[] = { "session", "container", "policy", "mode", NULL };
	struct json_object *o = json_object_new_object(), *v;
	char key[32];

	for (const char *const *k = copied; *k; k++)
		if (json_object_object_get_ex(l->session, *k, &v))
			json_object_object_add(o, *k, json_object_get(v));
	for (int f = 0; f < FIGURES; f++) {
		snprintf(key, sizeof key, "%s_per_s", figure_words[f]);
		json_object_object_add(o, figure_words[f], json_object_new_int64(l->total[f]));
		json_object_object_add(o, key, json_object_new_double(l->rate[f]));
	}
	return o;
}

static struct json_object *call_json(const struct tally_row *row)
{
	struct json_object *o = json_object_new_object();
	size_t name = strcspn(row->text, "\t");

	json_object_object_add(o, "count", json_object_new_int64((int64_t)row->n));
	json_object_object_add(o, "syscall", json_object_new_string_len(row->text, (int)name));
	json_object_object_add(o, "verdict", json_object_new_string(row->text + name + 1));
	json_object_object_add(o, "containers", json_object_new_string(row->who));
	return o;
}

static void print_json(struct top *t)
{
	struct json_object *o = json_object_new_object(), *sessions = json_object_new_array();
	struct json_object *calls = json_object_new_array();
	const char *text;

	tally_sort(&t->calls);
	for (size_t i = 0; i < t->now.n; i++)
		json_object_array_add(sessions, line_json(&t->now.lines[i]));
	for (size_t i = 0; i < t->calls.n_rows && i < CALLS_JSON; i++)
		json_object_array_add(calls, call_json(&t->calls.rows[i]));
	json_object_object_add(o, "restarts", json_object_new_int64(t->now.restarts));
	json_object_object_add(o, "lost", json_object_new_int64(t->now.lost));
	json_object_object_add(o, "sessions", sessions);
	json_object_object_add(o, "calls", calls);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
	plain_json_text(text, strlen(text), stdout);
	putchar('\n');
	fflush(stdout);
	json_object_put(o);
}

/* --- the loops --- */

/* Without a screen: a sample an interval, the first after the first. */
static int print_samples(struct top *t, struct err *e)
{
	const struct view v = { .out = stdout,
				.cols = grid_terminal(stdout),
				.bold = grid_is_bold(stdout) };
	int r;

	for (;;) {
		uint64_t until = clock_mono_ns() + t->interval_ns;

		while (clock_mono_ns() < until)
			wait(t, NULL, 0, until);
		r = take_sample(t, e);
		if (r)
			return r;
		connect_stream(t);
		if (t->client.json)
			print_json(t);
		else
			print_view(t, &v);
		if (t->once)
			return 0;
	}
}

static void draw(struct top *t, const struct screen *s)
{
	auto_free char *text = NULL;
	size_t size;
	struct view v = { .out = open_memstream(&text, &size),
			  .rows = s->rows,
			  .cols = s->cols,
			  .bold = grid_is_bold(stdout),
			  .keys = true };

	if (!v.out)
		return;
	print_view(t, &v);
	if (!fclose(v.out))
		screen_draw(s, text);
}

static size_t scrolled(size_t from, size_t by, bool down)
{
	if (down)
		return from + by; /* print_sessions() knows the end */
	return from > by ? from - by : 0;
}

static void take_key(struct top *t, enum key key, size_t page)
{
	switch (key) {
	case KEY_UP:
	case KEY_DOWN:
		t->scroll = scrolled(t->scroll, 1, key == KEY_DOWN);
		break;
	case KEY_PAGE_UP:
	case KEY_PAGE_DOWN:
		t->scroll = scrolled(t->scroll, page, key == KEY_PAGE_DOWN);
		break;
	case KEY_HOME:
	case KEY_END:
		t->scroll = key == KEY_END ? t->now.n : 0;
		break;
	case KEY_CHAR:
	case KEY_NONE:
		break;
	}
}

/* false: quit. */
static bool take_keys(struct top *t, struct screen *s)
{
	enum key key;
	char c = 0;

	if (!screen_read(s))
		return false;
	while ((key = screen_key(s, &c)) != KEY_NONE) {
		if (key == KEY_CHAR && c == 'q')
			return false;
		if (key == KEY_CHAR && c == 's')
			t->sort = (t->sort + 1) % FIGURES;
		take_key(t, key, s->rows / 2);
	}
	return true;
}

/* Until q, or a signal that ends it, which is returned. */
static int watch(struct top *t, struct screen *s)
{
	uint64_t next = clock_mono_ns() + t->interval_ns;
	int signal = 0;

	for (;;) {
		struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { s->signals, POLLIN, 0 } };

		draw(t, s);
		wait(t, fds, ARRAY_LEN(fds), next);
		if (fds[1].revents)
			signal = screen_signal(s);
		if (signal || (fds[0].revents && !take_keys(t, s)))
			return signal;
		if (clock_mono_ns() >= next) {
			sample_or_say(t);
			next = clock_mono_ns() + t->interval_ns;
		}
	}
}

static int show_screen(struct top *t, struct err *e)
{
	struct screen s;
	int signal, r = screen_open(&s, e);

	if (r)
		return r;
	signal = watch(t, &s);
	screen_close(&s);
	if (signal)
		screen_die(signal);
	return 0;
}

static int run(struct top *t, struct err *e)
{
	int r = client_open(&t->client, &t->c, e);

	if (!r)
		r = take_sample(t, e);
	if (!r) {
		connect_stream(t);
		r = t->once || t->client.json ? print_samples(t, e) : show_screen(t, e);
	}
	drop_stream(t);
	sample_fini(&t->now);
	tally_fini(&t->calls);
	client_close(t->c);
	return r;
}

int cli_top(int argc, char **argv)
{
	struct top t = { .interval_ns = INTERVAL_NS, .sort = RECEIVED };
	const struct opt rows[] = {
		{ "once", '1', OPT_FLAG, &t.once, NULL, "print one interval and end" },
		{ "interval", 'i', OPT_DURATION, &t.interval_ns, "TIME",
		  "between two samples (default " INTERVAL ")" },
		CLIENT_OPTS(&t.client),
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = program,
		.args = "",
		.purpose = "Watch the sessions live: rates, and which calls are denied most.",
		.rows = rows,
		.tail = "Keys: q quit, s sort by the next figure, arrows, Page Up, Page Down, "
			"Home, "
			"End\n"
			"scroll. Rates are exact; the calls are counted from the events that "
			"warderd "
			"has\n"
			"kept, and from those that come. --json prints an object a line, one an\n"
			"interval.\n" CLIENT_EXIT_STATUS "\n"
			"Examples:\n"
			"  warder top\n"
			"  warder top --once --interval 5s\n"
			"  warder top --json | jq .calls[0]\n",
	};
	struct err e;
	int n, r = cli_words(&usage, argc, argv, 0, 0, NULL, &n, &e);

	if (!r && t.interval_ns < INTERVAL_MIN)
		r = err_set(&e, EINVAL, "--interval: less than 100ms would be load, not a view");
	if (r)
		return cli_usage(program, r, &e);
	return run(&t, &e) ? client_fail(program, &e) : CLI_OK;
}

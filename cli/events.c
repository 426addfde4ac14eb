/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - warder events: what was decided; with -f as it happens, over warderd's restarts.
 *
 * After a restart warderd sends again what it has kept. So the hashes of the lines printed last are
 * kept, and a line that is one of them is not printed twice; what happened while nobody listened
 * is in warderd's own event file, which is said. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "event_line.h"
#include "plain.h"
#include "warder/own.h"

#define REMEMBERED   8192 /* lines */
#define RETRY_MS     250
#define WAIT_MS      60000
#define TIME_LEN_MAX 32

static const char program[] = "warder events";

struct events {
	struct client_opts client;
	const char *type, *container, *syscall, *verdict, *mode, *since;
	bool follow;
	uint64_t limit; /* 0: none */

	char after[TIME_LEN_MAX]; /* "2026-...": earlier lines are not meant */
	uint64_t printed;
	bool replayed; /* connected again: lines may come twice */
	uint64_t hashes[REMEMBERED];
};

/* --- which lines --- */

static uint64_t hash_of(const char *line, size_t len)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)line[i]) * 0x100000001b3;
	return h;
}

static bool is_known(const struct events *ev, uint64_t hash)
{
	size_t n = ev->printed < REMEMBERED ? (size_t)ev->printed : REMEMBERED;

	for (size_t i = 0; i < n; i++)
		if (ev->hashes[i] == hash)
			return true;
	return false;
}

/* Times are UTC and written alike, so their order is that of their letters. */
static bool is_before(const struct events *ev, const char *line, size_t len)
{
	static const char key[] = "\"time\":\"";
	const char *at = memmem(line, len, key, sizeof key - 1);

	if (!*ev->after || !at)
		return false;
	at += sizeof key - 1;
	return strncmp(at, ev->after, strlen(ev->after)) < 0;
}

static void print_line(const struct events *ev, const char *line, size_t len)
{
	char text[EVENT_LINE_TEXT];

	if (!ev->client.json && event_line(line, len, text, sizeof text))
		fputs(text, stdout);
	else
		plain_json_text(line, len, stdout);
	putchar('\n');
}

static bool take_line(void *ctx, const char *line, size_t len)
{
	struct events *ev = ctx;
	uint64_t hash = hash_of(line, len);

	if (is_before(ev, line, len) || (ev->replayed && is_known(ev, hash)))
		return true;
	print_line(ev, line, len);
	ev->hashes[ev->printed++ % REMEMBERED] = hash;
	return !ev->limit || ev->printed < ev->limit;
}

/* "10m" ago, or a moment as events write it, or its beginning. */
static int parse_since(struct events *ev, struct err *e)
{
	struct tm tm = { 0 };
	uint64_t ns;
	time_t then;

	if (!ev->since)
		return 0;
	if (!opt_duration(ev->since, &ns)) {
		then = time(NULL) - (time_t)(ns / 1000000000);
		strftime(ev->after, sizeof ev->after, "%Y-%m-%dT%H:%M:%S", gmtime_r(&then, &tm));
		return 0;
	}
	if (!strptime(ev->since, "%Y-%m-%d", &tm) || strlen(ev->since) >= sizeof ev->after)
		return err_set(e, EINVAL,
			       "--since: \"%s\" is no time (such as 10m, 2026-11-24T11:30:00Z)",
			       ev->since);
	snprintf(ev->after, sizeof ev->after, "%.*s", (int)strcspn(ev->since, "Zz"), ev->since);
	return 0;
}

/* --- the stream --- */

static int read_stream(struct events *ev, struct client *c, const char *path, struct err *e)
{
	struct client_stream *s;
	int r = client_stream_open(c, path, ev->follow, take_line, ev, &s, e);

	if (r)
		return r;
	do {
		r = client_stream_wait(s, NULL, 0, WAIT_MS, e);
		if (fflush(stdout))
			r = err_set(e, errno, "write to stdout");
	} while (r == 1);
	client_stream_close(s);
	return r;
}

static bool is_done(const struct events *ev)
{
	return !ev->follow || (ev->limit && ev->printed >= ev->limit);
}

/* Until warderd answers, or says something else than nothing: then the stream will tell. */
static void wait_for_warderd(struct client *c)
{
	const struct timespec pause = { 0, RETRY_MS * 1000000L };
	struct json_object *health = NULL;
	struct err e;

	while (client_call(c, "GET", "/v1/health", NULL, &health, &e) == -EHOSTDOWN)
		nanosleep(&pause, NULL);
	json_object_put(health);
}

static int follow(struct events *ev, struct client *c, const char *path, struct err *e)
{
	struct json_object *health;
	int r = client_call(c, "GET", "/v1/health", NULL, &health, e);

	if (r) /* a warderd that was never there is not waited for */
		return r;
	json_object_put(health);
	for (;;) {
		r = read_stream(ev, c, path, e);
		if ((r && r != -EHOSTDOWN) || is_done(ev))
			return r;
		fprintf(stderr, "%s: warderd has gone; waiting for it\n", program);
		wait_for_warderd(c);
		fprintf(stderr,
			"%s: connected again; what happened meanwhile is in warderd's event file\n",
			program);
		ev->replayed = true;
	}
}

static int run(struct events *ev, struct err *e)
{
	const struct client_param params[] = { { "follow", ev->follow ? "1" : NULL },
					       { "type", ev->type },
					       { "container", ev->container },
					       { "syscall", ev->syscall },
					       { "verdict", ev->verdict },
					       { "mode", ev->mode },
					       { 0 } };
	char path[CLIENT_PATH_MAX];
	struct client *c;
	int r = client_open(&ev->client, &c, e);

	if (r)
		return r;
	r = client_path(c, "/v1/events", params, path, sizeof path, e);
	if (!r)
		r = ev->follow ? follow(ev, c, path, e) : read_stream(ev, c, path, e);
	client_close(c);
	return r;
}

/* clang-format off: one option a row */
#define EVENTS_ROWS(ev)                                                                               \
	{ "follow", 'f', OPT_FLAG, &(ev)->follow, NULL, "go on with what happens from now on" },      \
		{ "lines", 'n', OPT_U64, &(ev)->limit, "N", "end after N events" },                   \
		{ "since",      's',    OPT_STR,                                                      \
		  &(ev)->since, "TIME", "from 10m ago, or from 2026-11-24T11:30" },                   \
		{ "type",          't', OPT_STR, &(ev)->type, "call|session_start|session_end|lost",  \
		  "this type only" },                                                                 \
		{ "container", 'c', OPT_STR, &(ev)->container, "CONTAINER", "id or name, whole" },    \
		{ "syscall", 0, OPT_STR, &(ev)->syscall, "SYSCALL", "this system call only" },        \
		{ "verdict", 0, OPT_STR, &(ev)->verdict, "allow|deny|kill", "what the policy says" }, \
	{                                                                                             \
		"mode", 'm', OPT_STR, &(ev)->mode, "audit|enforce|record", "decided in this mode"     \
	}
/* clang-format on */

int cli_events(int argc, char **argv)
{
	auto_free struct events *ev = calloc(1, sizeof *ev);
	const struct opt rows[] = { EVENTS_ROWS(ev), CLIENT_OPTS(&ev->client), { 0 } };
	const struct opt_usage usage = {
		.program = program,
		.args = "",
		.purpose = "Show what was decided: the recent events, and with -f those to come.",
		.rows = rows,
		.tail = "With --json each event is the line that warderd wrote, see "
			"warder-events(7).\n"
			"With -f a warderd that is restarted is waited for, and that is said; a "
			"reader\n"
			"that is too slow gets an event \"lost\".\n" CLIENT_EXIT_STATUS "\n"
			"Examples:\n"
			"  warder events --since 10m --verdict deny\n"
			"  warder events -f --container web\n"
			"  warder events -f --json --type call | jq .syscall\n",
	};
	struct err e;
	int n, r;

	if (!ev)
		return CLI_FAILED;
	r = cli_words(&usage, argc, argv, 0, 0, NULL, &n, &e);
	if (!r)
		r = parse_since(ev, &e);
	if (r)
		return cli_usage(program, r, &e);
	return run(ev, &e) ? client_fail(program, &e) : CLI_OK;
}

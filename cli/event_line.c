/* SPDX-License-Identifier: Apache-2.0 */
/* event_line.c - see event_line.h. */
#include "event_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plain.h"
#include "warder/event.h"

#define NS_IN_S  1000000000U
#define NS_IN_MS 1000000U

struct out {
	char *buf;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->used, o->size - o->used, fmt, ap);
	va_end(ap);
	o->used += n < 0 ? 0 : (size_t)n;
	if (o->used >= o->size)
		o->used = o->size - 1;
}

static void put_plain(struct out *o, const char *before, const char *text)
{
	char safe[EVENT_TEXT_MAX * 4 + 1];

	if (text && *text)
		put(o, "%s%s", before, plain_text(text, safe, sizeof safe));
}

static void put_time(struct out *o, uint64_t ns)
{
	time_t s = (time_t)(ns / NS_IN_S);
	char clock[16] = "--:--:--";
	struct tm tm;

	if (localtime_r(&s, &tm))
		strftime(clock, sizeof clock, "%H:%M:%S", &tm);
	put(o, "%s.%03u", clock, (unsigned)(ns % NS_IN_S / NS_IN_MS));
}

/* What happened, and where it is not the same, what enforce would have done. */
static void put_verdict(struct out *o, const struct event *ev)
{
	static const char *const done[DONE_COUNT] = { [DONE_NONE] = "seen",
						      [DONE_CONTINUE] = "let through",
						      [DONE_ERRNO] = "denied",
						      [DONE_KILL_PROCESS] = "killed",
						      [DONE_GONE] = "gone" };
	bool audited =
		ev->done == DONE_CONTINUE && ev->verdict && strcmp(ev->verdict, "allow") != 0;

	if (ev->phase)
		put_plain(o, "  ", ev->phase);
	else
		put(o, "  %s",
		    audited                 ? "would be"
		    : ev->done < DONE_COUNT ? done[ev->done]
					    : "seen");
	if (audited && !ev->phase)
		put(o, " %s", !strcmp(ev->verdict, "kill") ? "killed" : "denied");
	put_plain(o, " ", ev->error);
}

static void put_call(struct out *o, const struct event *ev)
{
	put_verdict(o, ev);
	put_plain(o, "  ", ev->syscall);
	if (!ev->syscall)
		put(o, "  call %" PRId32, ev->nr);
	put(o, "(");
	for (int i = 0; i < 6; i++)
		put(o, "%s0x%" PRIx64, i ? ", " : "", ev->args[i]);
	put(o, ")");
	put_plain(o, "  ", ev->comm ? ev->comm : "?");
	put(o, "[%" PRId32 "]", ev->pid);
	put_plain(o, " ", ev->exe);
	put_plain(o, "  ", ev->rule);
	put_plain(o, ": ", ev->message);
	if (ev->unknown)
		put(o, " (the answer may not have arrived)");
}

static void put_counters(struct out *o, const struct event *ev)
{
#define X(counter)       \
	if (ev->counter) \
		put(o, " %s %" PRIu64, #counter, ev->counter);
	EVENT_COUNTERS(X)
#undef X
}

static void put_rest(struct out *o, const struct event *ev)
{
	switch (ev->type) {
	case EVENT_CALL:
		put_call(o, ev);
		break;
	case EVENT_SESSION_START:
		put(o, "  starts");
		put_plain(o, "  policy ", ev->policy);
		put_plain(o, ", ", ev->mode);
		break;
	case EVENT_SESSION_END:
		put(o, "  ends ");
		put_counters(o, ev);
		break;
	default:
		put(o, "  lost: events that are not shown");
	}
	if (ev->count > 1)
		put(o, "  x%" PRIu64, ev->count);
}

bool event_line(const char *json, size_t len, char *buf, size_t size)
{
	struct out o = { buf, size, 0 };
	char text[EVENT_LINE_MAX];
	struct event ev;
	struct err e;

	if (event_parse(json, len, &ev, text, sizeof text, &e))
		return false;
	put_time(&o, ev.time_ns);
	put_plain(&o, "  ", ev.container);
	put_rest(&o, &ev);
	return true;
}

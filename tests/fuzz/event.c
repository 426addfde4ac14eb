/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - any bytes as an event line; and as the texts of an event, which must make one clean
 * line that reads back. */
#include <json-c/json.h>

#include "fuzz.h"
#include "warder/event.h"

static void parse(const char *line, size_t len)
{
	char text[EVENT_LINE_MAX], out[EVENT_LINE_MAX];
	struct event ev;
	struct err e;
	int r = event_parse(line, len, &ev, text, sizeof text, &e);

	if (r)
		must_say(r, &e);
	else
		MUST(event_format(&ev, out, sizeof out));
}

/* What a terminal acts on, as UTF-8; C1 is c2 80 to c2 9f. */
static bool is_clean(const char *line, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++) {
		unsigned char c = (unsigned char)line[i], next = (unsigned char)line[i + 1];

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0))
			return false;
	}
	return line[n - 1] == '\n';
}

static void format(const char *s)
{
	struct event ev = { .type = EVENT_CALL,
			    .uid = -1,
			    .gid = -1,
			    .count = 1,
			    .comm = s,
			    .exe = s,
			    .container = s,
			    .name = s,
			    .pod = s,
			    .namespace = s,
			    .message = s };
	char line[EVENT_LINE_MAX], text[EVENT_LINE_MAX];
	size_t n = event_format(&ev, line, sizeof line);
	struct event back;
	struct err e;

	MUST(n && is_clean(line, n));
	MUST(!event_parse(line, n, &back, text, sizeof text, &e));
	MUST(strlen(back.exe) <= EVENT_TEXT_MAX && !strcmp(back.exe, back.pod));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = calloc(1, size + 1);

	if (!s)
		return 0;
	memcpy(s, data, size);
	parse(s, size);
	format(s);
	free(s);
	return 0;
}

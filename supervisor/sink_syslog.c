/* SPDX-License-Identifier: Apache-2.0 */
/* sink_syslog.c - event lines to the system's log, by libc: LOG_DAEMON, LOG_WARNING for what was
 * blocked, LOG_INFO else. */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "sink.h"

static int open_log(struct sink *s, bool check, struct err *e)
{
	(void)s;
	(void)e;
	if (!check)
		openlog("warderd", LOG_NDELAY | LOG_PID, LOG_DAEMON);
	return 0;
}

/* syslog(3) does not say whether anyone listens; a log daemon that is stopped blocks it, and with
 * it this sink alone. */
static int write_log(struct sink *s, const struct chunk *c, size_t *out, struct err *e)
{
	size_t start = 0;

	(void)s;
	(void)e;
	if (c->head_len)
		syslog(LOG_WARNING, "%.*s", (int)c->head_len - 1, c->head);
	*out = c->head_len;
	for (uint64_t i = 0; i < c->lines; i++) {
		size_t len = c->line[i].end - start - 1; /* without its newline */
		const char *line = c->text + start;
		bool blocked = memmem(line, len, "\"done\":\"errno\"", 14) ||
			       memmem(line, len, "\"done\":\"kill_process\"", 21);

		syslog(blocked ? LOG_WARNING : LOG_INFO, "%.*s", (int)len, line);
		start = c->line[i].end;
		*out = c->head_len + start;
	}
	return 0;
}

static void close_log(struct sink *s)
{
	(void)s;
	closelog();
}

const struct sink_kind sink_syslog = {
	.word = "syslog", .open = open_log, .write = write_log, .close = close_log
};

/* SPDX-License-Identifier: Apache-2.0 */
/* sink_journald.c - event lines to systemd's journal, where built with libsystemd. MESSAGE is the
 * line; WARDER_EVENT makes them easy to select (journalctl WARDER_EVENT=1 -o cat). */
#include <errno.h>
#include <unistd.h>

#include "sink.h"

#ifdef HAVE_SYSTEMD
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "warder/event.h"
#include "warder/own.h"

#define SOCKET "/run/systemd/journal/socket"

static int open_journal(struct sink *s, bool check, struct err *e)
{
	(void)s;
	(void)check;
	/* sd_journal_send() succeeds where there is no journal. */
	return access(SOCKET, W_OK) ? err_set(e, errno, "no journal listens at " SOCKET) : 0;
}

static int send_line(const char *line, size_t len)
{
	static char id[] = "SYSLOG_IDENTIFIER=warderd", info[] = "PRIORITY=6",
		    warning[] = "PRIORITY=4", mark[] = "WARDER_EVENT=1";
	char message[EVENT_LINE_MAX + 8] = "MESSAGE=";
	bool blocked = memmem(line, len, "\"done\":\"errno\"", 14) ||
		       memmem(line, len, "\"done\":\"kill_process\"", 21);
	struct iovec iov[] = {
		{ message, 8 + len },
		{ blocked ? warning : info, sizeof info - 1 },
		{ id, sizeof id - 1 },
		{ mark, sizeof mark - 1 },
	};

	memcpy(message + 8, line, len);
	return sd_journal_sendv(iov, ARRAY_LEN(iov));
}

static int write_journal(struct sink *s, const struct chunk *c, size_t *out, struct err *e)
{
	size_t start = 0;
	int r = access(SOCKET, W_OK) ? -errno : 0;

	(void)s;
	if (!r && c->head_len)
		r = send_line(c->head, c->head_len - 1);
	*out = r ? 0 : c->head_len;
	for (uint64_t i = 0; !r && i < c->lines; i++) {
		r = send_line(c->text + start, c->line[i].end - start - 1);
		start = c->line[i].end;
		if (!r)
			*out = c->head_len + start;
	}
	return r ? err_set(e, -r, "send to the journal") : 0;
}
#else
static int open_journal(struct sink *s, bool check, struct err *e)
{
	(void)s;
	(void)check;
	return err_set(e, ENOTSUP, "events: journald: this warderd was built without libsystemd");
}

static int write_journal(struct sink *s, const struct chunk *c, size_t *out, struct err *e)
{
	(void)c;
	(void)out;
	return open_journal(s, false, e);
}
#endif

static void close_journal(struct sink *s)
{
	(void)s;
}

const struct sink_kind sink_journald = {
	.word = "journald", .open = open_journal, .write = write_journal, .close = close_journal
};

/* SPDX-License-Identifier: Apache-2.0 */
/* sink_webhook.c - event lines to an HTTP server, by a courier (courier.h): NDJSON, POST.
 *
 * What arrived while a request was under way goes with the next one. A request that fails, or is
 * answered with 408, 429 or 5xx, is repeated with growing pauses, for as long as it takes; what the
 * queue has no room for meanwhile is lost, and counted. Any other answer but 2xx means that this
 * batch will never be taken: it is lost. A courier that does not answer is killed and replaced. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "courier.h"
#include "warder/own.h"

#define FIRST_PAUSE_NS 500000000ULL
#define MAX_PAUSE_NS   60000000000ULL
#define GRACE_MS       2000 /* for a courier, over the request's own timeout */

struct webhook {
	pid_t courier; /* 0: none */
	int sock;
};

static int open_webhook(struct sink *s, bool check, struct err *e)
{
	int r = courier_check(&s->config, e);

	if (r || check)
		return r;
	s->own = calloc(1, sizeof(struct webhook));
	return s->own ? 0 : err_set(e, ENOMEM, "open a webhook");
}

static void end_courier(struct sink *s)
{
	struct webhook *w = s->own;

	if (!w->courier)
		return;
	close(w->sock);
	kill(w->courier, SIGKILL);
	waitpid(w->courier, NULL, 0);
	w->courier = 0;
	atomic_store(&s->arena->pids[PROC_COURIER], 0);
}

static int need_courier(struct sink *s, struct err *e)
{
	struct webhook *w = s->own;
	int r;

	if (w->courier)
		return 0;
	r = courier_start(&s->config, &w->courier, &w->sock, e);
	if (r)
		w->courier = 0;
	else
		atomic_store(&s->arena->pids[PROC_COURIER], w->courier);
	return r;
}

/* One request. 0: taken; -EAGAIN: try again later; else it will never be. */
static int post(struct sink *s, const char *body, size_t len, struct err *e)
{
	struct webhook *w = s->own;
	struct pollfd p = { .events = POLLIN };
	struct courier_reply reply;
	int ms = (int)(s->config.timeout_ns / 1000000) + GRACE_MS, r = need_courier(s, e);

	if (r) {
		err_wrap(e, "no courier");
		return -EAGAIN;
	}
	p.fd = w->sock;
	if (send(w->sock, body, len, MSG_NOSIGNAL) != (ssize_t)len || poll(&p, 1, ms) != 1 ||
	    recv(w->sock, &reply, sizeof reply, MSG_DONTWAIT) != sizeof reply) {
		end_courier(s);
		err_set(e, EPROTO, "the courier died or did not answer.");
		return -EAGAIN;
	}
	reply.text[sizeof reply.text - 1] = 0;
	if (reply.status >= 200 && reply.status < 300)
		return 0;
	if (!reply.status)
		err_set(e, EPROTO, "%s.", reply.text);
	else
		err_set(e, EPROTO, "the server answers %d.", reply.status);
	return !reply.status || reply.status == 408 || reply.status == 429 || reply.status >= 500
		       ? -EAGAIN
		       : -EPROTO;
}

static int write_webhook(struct sink *s, const struct chunk *c, size_t *out, struct err *e)
{
	size_t len = c->head_len + c->used;
	auto_free char *body = malloc(len);
	uint64_t pause = FIRST_PAUSE_NS;
	int r;

	if (!body)
		return err_set(e, ENOMEM, "a request");
	memcpy(body, c->head, c->head_len);
	memcpy(body + c->head_len, c->text, c->used);
	while ((r = post(s, body, len, e)) == -EAGAIN) {
		sink_fails(s, e->msg);
		if (!sink_pause(s, pause))
			return -e->num; /* the end has come */
		pause = pause < MAX_PAUSE_NS / 2 ? pause * 2 : MAX_PAUSE_NS;
	}
	*out = r ? 0 : len;
	return r;
}

static void close_webhook(struct sink *s)
{
	if (s->own)
		end_courier(s);
	free(s->own);
	s->own = NULL;
}

const struct sink_kind sink_webhook = { .word = "webhook",
					.linger_ns = 300000000,
					.open = open_webhook,
					.write = write_webhook,
					.close = close_webhook };

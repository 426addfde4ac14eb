/* SPDX-License-Identifier: Apache-2.0 */
/* scribe.c - see scribe.h. */
#include "scribe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "http.h"
#include "journal.h"
#include "log.h"
#include "sink.h"
#include "stream.h"
#include "warder/own.h"

int scribe_check(const struct config *c, struct err *e)
{
	return sinks_check(c->n_sinks, c->sinks, e);
}

/* What the scribe is made of, in the order in which it is made. */
struct scribe {
	struct policies *policies;
	struct stream *stream;
	struct sinks *sinks;
	struct journal *journal;
};

static int open_scribe(struct scribe *s, const struct scribe_opts *o, struct err *e)
{
	const struct sinks_opts so = { .arena = o->arena,
				       .n = o->config->n_sinks,
				       .configs = o->config->sinks,
				       .on_trouble = log_warn };
	struct journal_opts jo = { .arena = o->arena,
				   .budget = o->config->budget,
				   .on_trouble = log_warn };
	int r = policies_new(o->arena, &s->policies, e);

	if (!r)
		r = stream_new(STREAM_BYTES, &s->stream, e);
	if (!r)
		r = sinks_open(&so, &s->sinks, e);
	if (r)
		return r;
	jo.policies = s->policies;
	jo.stream = s->stream;
	jo.sinks = s->sinks;
	return journal_new(&jo, &s->journal, e);
}

static void close_scribe(struct scribe *s)
{
	stream_end(s->stream);
	sinks_close(s->sinks);
	journal_free(s->journal);
	stream_free(s->stream);
	policies_free(s->policies);
}

/* Without a socket there is no API; one that cannot start leaves the events alone. */
static struct http *start_api(const struct scribe_opts *o, const struct api_ctx *api)
{
	const struct http_opts ho = { .api = api, .unix_sock = o->api, .tcp_sock = o->metrics };
	struct http *h = NULL;
	struct err e;

	if ((o->api >= 0 || o->metrics >= 0) && http_start(&ho, &h, &e))
		log_say("%s", e.msg);
	return h;
}

static int serve(struct scribe *s, const struct scribe_opts *o, struct err *e)
{
	const struct api_ctx api = { .arena = o->arena, .stream = s->stream };
	struct http *h;
	sigset_t set;
	int r, sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	r = journal_start(s->journal, e);
	if (r)
		return r;
	control_reclaim(o->arena);
	h = start_api(o, &api);
	while (!sigwait(&set, &sig) && sig != SIGTERM)
		sinks_rotate(s->sinks);
	http_stop(h);
	journal_finish(s->journal);
	return 0;
}

/* Everything but the standard ones and what was handed to us. */
static void close_others(const struct scribe_opts *o)
{
	unsigned first = STDERR_FILENO + 1;
	int low = o->api < o->metrics ? o->api : o->metrics;
	const int keep[] = { low, low == o->api ? o->metrics : o->api };

	for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
		if (keep[i] < (int)first)
			continue;
		if (keep[i] > (int)first)
			close_range(first, (unsigned)keep[i] - 1, 0);
		first = (unsigned)keep[i] + 1;
	}
	close_range(first, ~0U, 0);
}

/* Blocked before the first thread starts, so that only serve() takes them. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int scribe_run(const struct scribe_opts *o, struct err *e)
{
	struct scribe s = { 0 };
	int r;

	close_others(o);
	block_signals();
	r = open_scribe(&s, o, e);
	if (!r)
		r = serve(&s, o, e);
	close_scribe(&s);
	return r;
}

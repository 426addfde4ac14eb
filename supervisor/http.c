/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - see http.h. */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "warder/clock.h"
#include "warder/own.h"
#include "warder/wire.h"

#define STACK_SIZE (256UL * 1024)
#define NEVER      UINT64_MAX
#define OVER       (UINT64_MAX - 1) /* the connection is being ended */

#define AWAY    16
#define AWAY_NS 1000000000ULL

#define STREAM_CHUNK (2UL * EVENT_LINE_MAX)

struct client {
	int fd; /* -1: this place is free */
	bool tcp;
	uint64_t deadline; /* NEVER: none, while a stream waits for the next event */
};

struct http {
	struct http_opts opts;
	struct MHD_Daemon *daemon;
	pthread_t thread;
	int wake; /* eventfd: a place is free, or stop */
	_Atomic bool stop;
	_Atomic int readers;
	uint64_t request_ns;
	struct client away[AWAY]; /* told why not; the acceptor's alone */
	size_t next_away;
	pthread_mutex_t lock;
	struct client clients[HTTP_CONNECTIONS]; /* under lock */
};

struct exchange { /* one request, and its answer */
	struct client *client;
	char *body;
	size_t len;
	bool too_long;
	struct api_request q;
};

static enum MHD_Result put_arg(void *cls, enum MHD_ValueKind kind, const char *name,
			       const char *value)
{
	struct api_request *q = cls;

	(void)kind;
	if (q->n_args == API_ARGS_MAX)
		return MHD_NO;
	q->args[q->n_args++] = (struct api_arg){ name, value ? value : "" };
	return MHD_YES;
}

/* --- a stream of events --- */

struct reader {
	struct http *http;
	struct client *client;
	struct subscriber *sub;
	int wake; /* eventfd: there is something to read */
	size_t used, sent;
	char buf[STREAM_CHUNK];
};

static void wake_reader(void *ctx)
{
	eventfd_write(((struct reader *)ctx)->wake, 1);
}

static void set_deadline(struct http *h, struct client *c, uint64_t deadline)
{
	pthread_mutex_lock(&h->lock);
	if (c->deadline != OVER)
		c->deadline = deadline;
	pthread_mutex_unlock(&h->lock);
	if (deadline != NEVER)
		eventfd_write(h->wake, 1);
}

/* Until there is something to read: false when the client has gone instead. */
static bool wait_for_lines(struct reader *r)
{
	struct pollfd fds[] = { { r->wake, POLLIN, 0 }, { r->client->fd, POLLRDHUP, 0 } };
	eventfd_t n;

	set_deadline(r->http, r->client, NEVER);
	if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
		return false;
	if (fds[0].revents)
		eventfd_read(r->wake, &n);
	return !fds[1].revents && !atomic_load(&r->http->stop);
}

/* What there is goes out with a deadline for the client to take it. */
static ssize_t read_stream(void *cls, uint64_t pos, char *to, size_t max)
{
	struct reader *r = cls;
	long got = 0;

	(void)pos;
	while (r->sent == r->used) {
		got = stream_read(r->sub, r->buf, sizeof r->buf);
		if (got < 0 || (!got && !wait_for_lines(r)))
			return MHD_CONTENT_READER_END_OF_STREAM;
		r->used = (size_t)got;
		r->sent = 0;
	}
	set_deadline(r->http, r->client, clock_mono_ns() + r->http->request_ns);
	if (max > r->used - r->sent)
		max = r->used - r->sent;
	memcpy(to, r->buf + r->sent, max);
	r->sent += max;
	return (ssize_t)max;
}

static void free_reader(void *cls)
{
	struct reader *r = cls;

	if (r->sub)
		stream_unsubscribe(r->sub);
	if (r->wake >= 0)
		close(r->wake);
	atomic_fetch_sub(&r->http->readers, 1);
	free(r);
}

/* NULL: e says why. */
static struct reader *reader_new(struct http *h, struct client *client, const struct api_stream *s,
				 struct err *e)
{
	struct reader *r;

	if (atomic_fetch_add(&h->readers, 1) >= HTTP_STREAMS) {
		atomic_fetch_sub(&h->readers, 1);
		err_set(e, EAGAIN, "%d readers of events are connected.", HTTP_STREAMS);
		return NULL;
	}
	r = calloc(1, sizeof *r);
	if (!r) {
		atomic_fetch_sub(&h->readers, 1);
		err_set(e, ENOMEM, "read events");
		return NULL;
	}
	r->http = h;
	r->client = client;
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake < 0)
		err_set(e, errno, "read events");
	else if (!stream_subscribe(h->opts.api->stream, &s->filter, s->follow, wake_reader, r,
				   &r->sub, e))
		return r;
	free_reader(r);
	return NULL;
}

static enum MHD_Result queue(struct MHD_Connection *c, const struct api_response *r,
			     struct MHD_Response *m)
{
	enum MHD_Result done;

	MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, r->type);
	MHD_add_response_header(m, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close");
	done = MHD_queue_response(c, r->status, m);
	MHD_destroy_response(m);
	return done;
}

/* Hands the body of *r over to libmicrohttpd. */
static enum MHD_Result reply(struct MHD_Connection *c, struct api_response *r)
{
	struct MHD_Response *m =
		MHD_create_response_from_buffer(r->len, r->body, MHD_RESPMEM_MUST_FREE);

	if (m)
		return queue(c, r, m);
	api_response_fini(r);
	return MHD_NO;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *why)
{
	struct api_response r;

	api_refuse(status, why, &r);
	return reply(c, &r);
}

static enum MHD_Result start_stream(struct http *h, struct MHD_Connection *c, struct client *client,
				    const struct api_response *r)
{
	struct MHD_Response *m;
	struct err e = { 0 };
	struct reader *reader = reader_new(h, client, &r->stream, &e);

	if (!reader)
		return refuse(c,
			      e.num == EINVAL ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_SERVICE_UNAVAILABLE,
			      e.msg);
	m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_CHUNK, read_stream, reader,
					      free_reader);
	if (m)
		return queue(c, r, m);
	free_reader(reader);
	return MHD_NO;
}

static enum MHD_Result too_long(struct MHD_Connection *c)
{
	return refuse(c, MHD_HTTP_CONTENT_TOO_LARGE, "the body has more than 65536 bytes");
}

static struct exchange *exchange_new(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct exchange *x = calloc(1, sizeof *x);

	if (x)
		x->client = info->socket_context;
	return x;
}

static bool is_long(struct MHD_Connection *c)
{
	const char *length =
		MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > API_BODY_MAX;
}

static void add_body(struct exchange *x, const char *data, size_t n)
{
	char *more;

	if (x->too_long || n > API_BODY_MAX - x->len) {
		x->too_long = true;
		return;
	}
	more = realloc(x->body, x->len + n + 1);
	if (!more) {
		x->too_long = true;
		return;
	}
	memcpy(more + x->len, data, n);
	x->body = more;
	x->len += n;
	x->body[x->len] = 0;
}

static enum MHD_Result answer(struct http *h, struct MHD_Connection *c, struct exchange *x,
			      const char *method, const char *path)
{
	struct api_response r;

	x->q.method = method;
	x->q.path = path;
	x->q.body = x->body;
	x->q.len = x->len;
	x->q.metrics_only = !x->client || x->client->tcp;
	if (MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, put_arg, &x->q) !=
	    MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, NULL, NULL))
		return refuse(c, MHD_HTTP_BAD_REQUEST, "too many arguments");
	api_serve(h->opts.api, &x->q, &r);
	return r.is_stream ? start_stream(h, c, x->client, &r) : reply(c, &r);
}

/* Called with the headers, then with each piece of the body, then without one. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path,
				  const char *method, const char *version, const char *data,
				  size_t *n, void **state)
{
	struct exchange *x = *state;

	(void)version;
	if (!x) {
		x = exchange_new(c);
		*state = x;
		if (!x)
			return MHD_NO;
		return is_long(c) ? too_long(c) : MHD_YES;
	}
	if (*n) {
		add_body(x, data, *n);
		*n = 0;
		return MHD_YES;
	}
	return x->too_long ? too_long(c) : answer(cls, c, x, method, path);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *state;

	(void)cls;
	(void)c;
	(void)why;
	if (x)
		free(x->body);
	free(x);
	*state = NULL;
}

static struct client *client_of(struct http *h, int fd)
{
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
		if (h->clients[i].fd == fd)
			return &h->clients[i];
	return NULL;
}

/* libmicrohttpd has a new connection, or is about to close one. */
static void on_connection(void *cls, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http *h = cls;
	struct client *client;

	pthread_mutex_lock(&h->lock);
	client = client_of(h, info->connect_fd);
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*context = client;
	else if (client)
		client->fd = -1;
	pthread_mutex_unlock(&h->lock);
	if (what == MHD_CONNECTION_NOTIFY_CLOSED)
		eventfd_write(h->wake, 1);
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	struct err e;

	return !wire_peer(fd, &peer, &e) && (peer.uid == 0 || peer.uid == geteuid());
}

/* Says why before anything is read. It stays open for a moment: curl takes one that is closed at
 * once for one that was never there. */
static void turn_away(struct http *h, int fd)
{
	struct client *away = &h->away[h->next_away++ % AWAY];
	static const char why[] =
		"{\"error\":\"only root and the user warderd runs as may ask\"}\n";
	char text[512];
	int n = snprintf(text, sizeof text,
			 "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
			 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
			 sizeof why - 1, why);

	/* What does not fit in an empty socket's buffer does not matter. */
	(void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (away->fd >= 0)
		close(away->fd);
	*away = (struct client){ .fd = fd, .deadline = clock_mono_ns() + AWAY_NS };
}

static void close_away(struct http *h, uint64_t now, uint64_t *next)
{
	for (size_t i = 0; i < AWAY; i++) {
		struct client *away = &h->away[i];

		if (away->fd >= 0 && away->deadline <= now) {
			close(away->fd);
			away->fd = -1;
		}
		if (away->fd >= 0 && away->deadline < *next)
			*next = away->deadline;
	}
}

static void add_client(struct http *h, int fd, const struct sockaddr *addr, socklen_t len, bool tcp)
{
	struct client *client;

	pthread_mutex_lock(&h->lock);
	client = client_of(h, -1);
	if (client)
		*client = (struct client){ .fd = fd,
					   .tcp = tcp,
					   .deadline = clock_mono_ns() + h->request_ns };
	pthread_mutex_unlock(&h->lock);
	if (!client) {
		close(fd);
		return;
	}
	if (MHD_add_connection(h->daemon, fd, addr, len) == MHD_YES)
		return; /* it may even have ended already */
	pthread_mutex_lock(&h->lock);
	client = client_of(h, fd);
	if (client)
		client->fd = -1;
	pthread_mutex_unlock(&h->lock);
}

static void take(struct http *h, int sock)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof addr;
	bool tcp = sock == h->opts.tcp_sock;
	int fd = accept4(sock, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (!tcp && !is_allowed(fd))
		turn_away(h, fd);
	else
		add_client(h, fd, (const struct sockaddr *)&addr, len, tcp);
}

/* Ends the connections that are over their time; returns how long to the next, in ms; -1: none.
 * *full: there is no place for another. */
static int check_clients(struct http *h, bool *full)
{
	uint64_t now = clock_mono_ns(), next = NEVER;

	*full = true;
	close_away(h, now, &next);
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
		struct client *client = &h->clients[i];

		*full &= client->fd >= 0;
		if (client->fd < 0)
			continue;
		if (client->deadline <= now) {
			shutdown(client->fd, SHUT_RDWR); /* its thread does the rest */
			client->deadline = OVER;
		}
		if (client->deadline < OVER && client->deadline < next)
			next = client->deadline;
	}
	pthread_mutex_unlock(&h->lock);
	return next == NEVER ? -1 : (int)((next - now) / 1000000) + 1;
}

/* accept4() fails for want of descriptors or memory: the connection stays in the queue. */
static void wait_a_little(void)
{
	const struct timespec nap = { 0, 20000000 };

	nanosleep(&nap, NULL);
}

static void *run(void *arg)
{
	struct http *h = arg;
	struct pollfd fds[] = { { h->wake, POLLIN, 0 },
				{ h->opts.unix_sock, POLLIN, 0 },
				{ h->opts.tcp_sock, POLLIN, 0 } };
	eventfd_t n;

	while (!atomic_load(&h->stop)) {
		bool full;
		int ms = check_clients(h, &full);

		fds[1].fd = full ? -1 : h->opts.unix_sock;
		fds[2].fd = full ? -1 : h->opts.tcp_sock;
		if (poll(fds, ARRAY_LEN(fds), ms) < 0)
			wait_a_little();
		if (fds[0].revents)
			eventfd_read(h->wake, &n);
		for (size_t i = 1; i < ARRAY_LEN(fds); i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				take(h, fds[i].fd);
	}
	return NULL;
}

static void drop(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* What libmicrohttpd has to say is about what clients did: no line of the log for that. */
static void drop(void *cls, const char *fmt, va_list ap)
{
	(void)cls;
	(void)fmt;
	(void)ap;
}

static struct MHD_Daemon *start_daemon(struct http *h)
{
	return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
					MHD_USE_POLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
					MHD_USE_ERROR_LOG,
				0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, drop,
				NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS + 1,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY,
				MHD_OPTION_THREAD_STACK_SIZE, STACK_SIZE,
				MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
				on_connection, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
				MHD_OPTION_END);
}

static int start(struct http *h, struct err *e)
{
	int r;

	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->wake < 0)
		return err_set(e, errno, "make an eventfd");
	h->daemon = start_daemon(h);
	if (!h->daemon)
		return err_set(e, ENOMEM, "start the API's server");
	r = pthread_create(&h->thread, NULL, run, h);
	if (r) {
		MHD_stop_daemon(h->daemon);
		return err_set(e, r, "start the API's thread");
	}
	return 0;
}

int http_start(const struct http_opts *o, struct http **out, struct err *e)
{
	struct http *h = calloc(1, sizeof *h);
	int r;

	if (!h)
		return err_set(e, ENOMEM, "start the API");
	h->opts = *o;
	h->request_ns = o->request_ns ? o->request_ns : HTTP_REQUEST_NS;
	pthread_mutex_init(&h->lock, NULL);
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
		h->clients[i].fd = -1;
	for (size_t i = 0; i < AWAY; i++)
		h->away[i].fd = -1;
	r = start(h, e);
	if (r) {
		own_close(&h->wake);
		free(h);
		return r;
	}
	*out = h;
	return 0;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	atomic_store(&h->stop, true);
	eventfd_write(h->wake, 1);
	pthread_join(h->thread, NULL);
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
		if (h->clients[i].fd >= 0)
			shutdown(h->clients[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&h->lock);
	MHD_stop_daemon(h->daemon);
	for (size_t i = 0; i < AWAY; i++)
		own_close(&h->away[i].fd);
	close(h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

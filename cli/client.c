/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - see client.h. */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warder/own.h"

#define URL        "http://localhost" /* the name means nothing: the socket is what is called */
#define DEPTH_MAX  32
#define NS_IN_MS   1000000U
#define POLL_FDS   8
#define STATUS_OK  200
#define STATUS_END 300 /* 2xx is yes */

struct buf {
	char *text;
	size_t len;
};

struct client {
	CURL *curl;
	struct curl_slist *headers;
	const char *socket;
	long timeout_ms;
	char words[CURL_ERROR_SIZE];
};

struct client_stream {
	struct client *client; /* of its own */
	CURLM *multi;
	client_line_fn *take;
	void *ctx;
	bool full, stopped; /* a line too long; take wants no more */
	size_t len;
	char line[CLIENT_LINE_MAX];
	struct buf refusal; /* the body of an answer that is no stream */
};

/* --- errors --- */

/* The words say it all: no strerror() after them. */
static int say(struct err *e, int num, const char *words)
{
	err_set(e, EINVAL, "%s", words);
	e->num = num;
	return -num;
}

static int curl_failed(struct client *c, CURLcode code, struct err *e)
{
	const char *words = *c->words ? c->words : curl_easy_strerror(code);
	long os = 0;

	if (code == CURLE_WRITE_ERROR || code == CURLE_FILESIZE_EXCEEDED) {
		err_set(e, EINVAL, "%s: the answer is larger than %u MiB", c->socket,
			CLIENT_REPLY_MAX >> 20);
		return -(e->num = EPROTO);
	}
	curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os);
	if (code == CURLE_OPERATION_TIMEDOUT)
		err_set(e, EINVAL, "warderd at %s did not answer within %ld ms (see --timeout)",
			c->socket, c->timeout_ms);
	else if (code == CURLE_COULDNT_CONNECT)
		err_set(e, EINVAL, "cannot reach warderd at %s: %s (does it run? see --socket)",
			c->socket, os ? strerror((int)os) : words);
	else
		err_set(e, EINVAL, "warderd at %s: %s", c->socket, words);
	return -(e->num = EHOSTDOWN);
}

int client_status(const struct err *e)
{
	switch (e->num) {
	case ENOENT:
	case ENOTUNIQ:
		return CLI_NOT_FOUND;
	case EBUSY:
		return CLI_REFUSED;
	case EHOSTDOWN:
		return CLI_UNREACHABLE;
	default:
		return CLI_FAILED;
	}
}

int client_fail(const char *program, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", program, e->msg);
	return client_status(e);
}

/* --- one request --- */

static size_t take_bytes(struct buf *b, const char *data, size_t n, size_t max)
{
	char *grown;

	if (n > max - b->len)
		return 0;
	grown = realloc(b->text, b->len + n + 1);
	if (!grown)
		return 0;
	memcpy(grown + b->len, data, n);
	b->text = grown;
	b->len += n;
	grown[b->len] = '\0';
	return n;
}

static size_t take_body(char *data, size_t size, size_t n, void *ctx)
{
	return take_bytes(ctx, data, size * n, CLIENT_REPLY_MAX);
}

static bool prepare(struct client *c, const char *method, const char *path)
{
	char url[CLIENT_PATH_MAX + sizeof URL];
	CURL *h = c->curl;

	snprintf(url, sizeof url, URL "%s", path);
	curl_easy_reset(h);
	*c->words = '\0';
	return !curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket) &&
	       !curl_easy_setopt(h, CURLOPT_URL, url) &&
	       !curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method) &&
	       !curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http") &&
	       !curl_easy_setopt(h, CURLOPT_PROXY, "") && /* not $http_proxy */
	       !curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->words) &&
	       !curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers) &&
	       !curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, c->timeout_ms);
}

static CURLcode exchange(struct client *c, struct json_object *body, struct buf *answer)
{
	/* A PUT or POST without a body still says that it is empty. */
	const char *text = body ? json_object_to_json_string(body) : "";
	CURL *h = c->curl;

	if (body)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, c->timeout_ms);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
	return curl_easy_perform(h);
}

static struct json_object *parse(const struct buf *b)
{
	struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *o = NULL;

	if (tok && b->text)
		o = json_tokener_parse_ex(tok, b->text, (int)b->len);
	if (o && !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	if (tok)
		json_tokener_free(tok);
	return o;
}

int client_request(struct client *c, const char *method, const char *path, struct json_object *body,
		   struct client_reply *out, struct err *e)
{
	struct buf answer = { 0 };
	struct client_reply reply = { 0 };
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (prepare(c, method, path))
		code = exchange(c, body, &answer);
	if (!code)
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &reply.status);
	reply.json = code ? NULL : parse(&answer);
	free(answer.text);
	if (code)
		return curl_failed(c, code, e);
	if (!reply.json) {
		err_set(e, EINVAL,
			"%s: %s %s is answered with status %ld and no JSON: is this "
			"warderd's API?",
			c->socket, method, path, reply.status);
		return -(e->num = EPROTO);
	}
	*out = reply;
	return 0;
}

int client_refusal(const struct client_reply *reply, struct err *e)
{
	static const struct {
		long status;
		int num;
	} rows[] = { { 404, ENOENT }, { 409, EBUSY } };
	const char *words = client_text(reply->json, "error");
	int num = EPROTO;

	if (reply->status >= STATUS_OK && reply->status < STATUS_END)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].status == reply->status)
			num = rows[i].num;
	return say(e, num, *words ? words : "warderd refused and did not say why");
}

void client_reply_fini(struct client_reply *reply)
{
	json_object_put(reply->json);
	reply->json = NULL;
}

int client_call(struct client *c, const char *method, const char *path, struct json_object *body,
		struct json_object **out, struct err *e)
{
	struct client_reply reply;
	int r = client_request(c, method, path, body, &reply, e);

	if (r)
		return r;
	r = client_refusal(&reply, e);
	if (r)
		client_reply_fini(&reply);
	else
		*out = reply.json;
	return r;
}

int client_open(const struct client_opts *o, struct client **out, struct err *e)
{
	uint64_t ns = o->timeout_ns ? o->timeout_ns : CLIENT_TIMEOUT_NS;
	const char *env = getenv("WARDER_API");
	struct client *c = calloc(1, sizeof *c);

	if (!c)
		return err_set(e, ENOMEM, "libcurl");
	c->socket = o->socket ? o->socket : env && *env ? env : CLIENT_SOCKET;
	c->timeout_ms = ns < NS_IN_MS               ? 1
			: ns / NS_IN_MS > INT32_MAX ? INT32_MAX
						    : (long)(ns / NS_IN_MS);
	c->headers = curl_slist_append(NULL, "Content-Type: application/json");
	c->curl = curl_easy_init();
	if (!c->curl || !c->headers) {
		client_close(c);
		return err_set(e, ENOMEM, "libcurl");
	}
	*out = c;
	return 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	free(c);
}

const char *client_socket(const struct client *c)
{
	return c->socket;
}

static bool append(char *buf, size_t size, const char *text)
{
	size_t used = strlen(buf), n = strlen(text);

	if (n >= size - used)
		return false;
	memcpy(buf + used, text, n + 1);
	return true;
}

int client_path(struct client *c, const char *path, const struct client_param *params, char *buf,
		size_t size, struct err *e)
{
	bool fits, any = false;

	*buf = '\0';
	fits = append(buf, size, path);
	for (; fits && params->key; params++) {
		char *value;

		if (!params->value)
			continue;
		value = curl_easy_escape(c->curl, params->value, 0);
		if (!value)
			return err_set(e, ENOMEM, "libcurl");
		fits = append(buf, size, any ? "&" : "?") && append(buf, size, params->key) &&
		       append(buf, size, "=") && append(buf, size, value);
		any = true;
		curl_free(value);
	}
	return fits ? 0 : say(e, E2BIG, "the filters are too long");
}

/* --- the stream --- */

static long status_of(struct client_stream *s)
{
	long status = 0;

	curl_easy_getinfo(s->client->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* Returns false when the stream is to end. */
static bool take_piece(struct client_stream *s, const char *data, size_t n, bool whole)
{
	if (n > sizeof s->line - s->len) {
		s->full = true;
		return false;
	}
	memcpy(s->line + s->len, data, n);
	s->len += n;
	if (whole && s->len && !s->take(s->ctx, s->line, s->len))
		s->stopped = true;
	if (whole)
		s->len = 0;
	return !s->stopped;
}

static size_t take_lines(char *data, size_t size, size_t count, void *ctx)
{
	struct client_stream *s = ctx;
	size_t all = size * count, used = 0;

	if (status_of(s) != STATUS_OK)
		return take_bytes(&s->refusal, data, all, CLIENT_LINE_MAX);
	while (used < all) {
		const char *end = memchr(data + used, '\n', all - used);
		size_t n = end ? (size_t)(end - data) - used : all - used;

		if (!take_piece(s, data + used, n, end != NULL))
			return 0;
		used += n + (end ? 1 : 0);
	}
	return all;
}

static bool start(struct client_stream *s, const char *path, bool follow)
{
	CURL *h = s->client->curl;

	s->multi = curl_multi_init();
	return s->multi && prepare(s->client, "GET", path) &&
	       !curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, follow ? 0 : s->client->timeout_ms) &&
	       !curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_lines) &&
	       !curl_easy_setopt(h, CURLOPT_WRITEDATA, s) && !curl_multi_add_handle(s->multi, h);
}

int client_stream_open(struct client *c, const char *path, bool follow, client_line_fn *take,
		       void *ctx, struct client_stream **out, struct err *e)
{
	const struct client_opts opts = { .socket = c->socket,
					  .timeout_ns = (uint64_t)c->timeout_ms * NS_IN_MS };
	struct client_stream *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return err_set(e, ENOMEM, "libcurl");
	s->take = take;
	s->ctx = ctx;
	r = client_open(&opts, &s->client, e);
	if (!r && !start(s, path, follow))
		r = err_set(e, ENOMEM, "libcurl");
	if (r)
		client_stream_close(s);
	else
		*out = s;
	return r;
}

void client_stream_close(struct client_stream *s)
{
	if (s->multi && s->client)
		curl_multi_remove_handle(s->multi, s->client->curl);
	client_close(s->client);
	curl_multi_cleanup(s->multi);
	free(s->refusal.text);
	free(s);
}

static int ended(struct client_stream *s, CURLcode code, struct err *e)
{
	struct client_reply reply = { .status = status_of(s) };
	int r;

	if (s->stopped)
		return 0;
	if (s->full) {
		err_set(e, EINVAL, "%s: a line longer than %u bytes", s->client->socket,
			CLIENT_LINE_MAX);
		return -(e->num = EPROTO);
	}
	if (code)
		return curl_failed(s->client, code, e);
	if (reply.status == STATUS_OK)
		return 0;
	reply.json = parse(&s->refusal);
	r = client_refusal(&reply, e);
	client_reply_fini(&reply);
	return r ? r : say(e, EPROTO, "warderd sends no events");
}

static int poll_all(struct client_stream *s, struct pollfd *fds, unsigned n_fds, int timeout_ms)
{
	struct curl_waitfd extra[POLL_FDS] = { 0 };
	int ready;

	for (unsigned i = 0; i < n_fds; i++)
		extra[i] = (struct curl_waitfd){ .fd = fds[i].fd, .events = CURL_WAIT_POLLIN };
	if (curl_multi_poll(s->multi, extra, n_fds, timeout_ms, &ready))
		return -ENOMEM;
	for (unsigned i = 0; i < n_fds; i++)
		fds[i].revents = extra[i].revents;
	return 0;
}

int client_stream_wait(struct client_stream *s, struct pollfd *fds, unsigned n_fds, int timeout_ms,
		       struct err *e)
{
	int running = 0, left;
	const CURLMsg *message;

	if (curl_multi_perform(s->multi, &running))
		return err_set(e, ENOMEM, "libcurl");
	if (running &&
	    (poll_all(s, fds, n_fds, timeout_ms) || curl_multi_perform(s->multi, &running)))
		return err_set(e, ENOMEM, "libcurl");
	message = curl_multi_info_read(s->multi, &left);
	return message ? ended(s, message->data.result, e) : 1;
}

/* --- members --- */

const char *client_text(struct json_object *o, const char *key)
{
	struct json_object *v;
	const char *text = NULL;

	if (json_object_object_get_ex(o, key, &v) && !json_object_is_type(v, json_type_null))
		text = json_object_get_string(v);
	return text ? text : "";
}

int64_t client_number(struct json_object *o, const char *path)
{
	const char *dot = strchr(path, '.');
	struct json_object *v;
	char key[64];

	if (!dot)
		return json_object_object_get_ex(o, path, &v) ? json_object_get_int64(v) : 0;
	snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
	return json_object_object_get_ex(o, key, &v) ? client_number(v, dot + 1) : 0;
}

struct json_object *client_array(struct json_object *o, const char *key, size_t *len)
{
	struct json_object *v;

	*len = 0;
	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_array))
		return NULL;
	*len = json_object_array_length(v);
	return v;
}

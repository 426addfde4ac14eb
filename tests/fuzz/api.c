/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - any request: "METHOD PATH?QUERY", a newline, the body. Whatever comes is answered: a
 * status that is documented, one line of JSON, and nothing changes but by a request that says so.
 */
#include <errno.h>

#include "api.h"
#include "control.h"
#include "fuzz.h"
#include "warder/json.h"
#include "warder/names.h"

static struct api_ctx ctx;

static int worker(void *unused, struct request *q, struct err *e)
{
	(void)unused;
	MUST(q->verb < REQUEST_VERBS && memchr(q->text, 0, sizeof q->text));
	return q->verb % 2 ? err_set(e, EBUSY, "busy.") : 0;
}

static void start(void)
{
	struct control *control;
	struct block *b;
	struct err e;

	names_init();
	MUST(!arena_new(&ctx.arena, &e) && !stream_new(STREAM_BYTES, &ctx.stream, &e) &&
	     !control_start(ctx.arena, worker, NULL, &control, &e));
	b = arena_take(ctx.arena);
	b->number = 7;
	atomic_store(&b->mode, MODE_ENFORCE);
	arena_publish(b);
}

/* "a=b&c=d" in place, without percent signs: libmicrohttpd resolves those. */
static void split(char *query, struct api_request *q)
{
	char *save, *arg = strtok_r(query, "&", &save);

	for (; arg && q->n_args < API_ARGS_MAX; arg = strtok_r(NULL, "&", &save)) {
		char *value = strchr(arg, '=');

		if (value)
			*value++ = 0;
		q->args[q->n_args++] = (struct api_arg){ arg, value ? value : "" };
	}
}

static void check(const struct api_response *out)
{
	struct json_object *doc;
	struct err e;

	MUST(out->status == 200 || (out->status >= 400 && out->status <= 503));
	if (out->is_stream)
		return;
	MUST(out->body && out->len == strlen(out->body) && out->body[out->len - 1] == '\n');
	if (strcmp(out->type, "application/json") != 0)
		return;
	MUST(strchr(out->body, '\n') == out->body + out->len - 1 && !strchr(out->body, '\033'));
	MUST(!json_parse("answer", out->body, out->len, &doc, &e));
	MUST((out->status != 200) == json_object_object_get_ex(doc, "error", NULL));
	json_object_put(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *body, *path, *query;
	struct api_request q = { 0 };
	struct api_response out;

	if (!ctx.arena)
		start();
	memcpy(text, data, size);
	text[size] = 0;
	body = memchr(text, '\n', size);
	if (body) {
		*body++ = 0;
		q.body = body;
		q.len = size - (size_t)(body - text);
	}
	path = strchr(text, ' ');
	if (path) {
		*path++ = 0;
		query = strchr(path, '?');
		if (query)
			*query++ = 0;
		q.method = text;
		q.path = path;
		split(query ? query : (char[]){ "" }, &q);
		api_serve(&ctx, &q, &out);
		check(&out);
		api_response_fini(&out);
	}
	free(text);
	return 0;
}

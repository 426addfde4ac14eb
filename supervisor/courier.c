/* SPDX-License-Identifier: Apache-2.0 */
/* courier.c - see courier.h. */
#include "courier.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolate.h"
#include "warder/event.h"
#include "warder/json.h"
#include "warder/own.h"

#define MESSAGE_MAX (BATCH_SIZE + EVENT_LINE_MAX)
#define TOKEN_MAX   4096

struct files { /* read before the privileges go */
	char *ca, *token;
	size_t ca_len, token_len;
};

static int read_files(const struct sink_config *c, struct files *f, struct err *e)
{
	int r = c->ca ? json_slurp_path(c->ca, &f->ca, &f->ca_len, e) : 0;

	if (!r && c->token_file)
		r = json_slurp_path(c->token_file, &f->token, &f->token_len, e);
	if (r)
		return r;
	while (f->token_len && strchr("\r\n \t", f->token[f->token_len - 1]))
		f->token[--f->token_len] = 0;
	if (c->token_file &&
	    (!f->token_len || f->token_len > TOKEN_MAX || strpbrk(f->token, "\r\n")))
		return err_set(e, EINVAL, "%s: must hold one line, the token", c->token_file);
	return 0;
}

int courier_check(const struct sink_config *c, struct err *e)
{
	struct files f = { 0 };
	int r = read_files(c, &f, e);

	free(f.ca);
	free(f.token);
	return r;
}

/* 0 to 2 are /dev/null; then the socket, and nothing else. */
static void keep_socket_only(int sock)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup3(null, fd, 0) < 0)
			_exit(1);
	if (sock > 3)
		close_range(3, (unsigned)sock - 1, 0);
	close_range((unsigned)sock + 1, ~0U, 0);
}

static size_t discard(const char *data, size_t size, size_t n, void *ctx)
{
	(void)data;
	(void)ctx;
	return size * n;
}

static struct curl_slist *make_headers(const struct files *f)
{
	char line[TOKEN_MAX + 64];
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/x-ndjson");

	if (f->token) {
		snprintf(line, sizeof line, "Authorization: Bearer %s", f->token);
		h = curl_slist_append(h, line);
	}
	return h;
}

static void set_up(CURL *curl, const struct sink_config *c, const struct files *f, char *error)
{
	struct curl_blob ca = { f->ca, f->ca_len, CURL_BLOB_NOCOPY };

	curl_easy_setopt(curl, CURLOPT_URL, c->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, make_headers(f));
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "warderd/" WARDER_VERSION);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(c->timeout_ns / 1000000));
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(c->timeout_ns / 1000000));
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	if (f->ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
}

static void post(CURL *curl, const char *body, size_t len, const char *error,
		 struct courier_reply *reply)
{
	long status = 0;
	CURLcode r;

	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)len);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	r = curl_easy_perform(curl);
	if (!r)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	reply->status = (int32_t)status;
	if (r)
		snprintf(reply->text, sizeof reply->text, "%.*s", (int)sizeof reply->text - 1,
			 *error ? error : curl_easy_strerror(r));
	err_clean(reply->text);
}

static _Noreturn void courier_main(const struct sink_config *c, const struct files *f, int sock)
{
	static char body[MESSAGE_MAX], error[CURL_ERROR_SIZE];
	ssize_t n;
	CURL *curl;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	curl = curl_easy_init();
	if (!curl)
		_exit(1);
	set_up(curl, c, f, error);
	while ((n = recv(sock, body, sizeof body, 0)) > 0 || (n < 0 && errno == EINTR)) {
		struct courier_reply reply = { 0 };

		if (n < 0)
			continue;
		*error = 0;
		post(curl, body, (size_t)n, error, &reply);
		if (send(sock, &reply, sizeof reply, MSG_NOSIGNAL) != sizeof reply)
			break;
	}
	_exit(0);
}

/* The parent has other threads: until libcurl is started, which the parent never does, nothing is
 * called here that another thread could have left half done (glibc's fork sees to malloc). */
int courier_start(const struct sink_config *c, pid_t *pid, int *sock, struct err *e)
{
	struct files f = { 0 };
	pid_t parent = getpid();
	int pair[2], r = read_files(c, &f, e);
	sigset_t none;

	if (!r && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		r = err_set(e, errno, "make a socket pair");
	if (r)
		goto out;
	*pid = fork();
	if (!*pid) {
		prctl(PR_SET_NAME, isolate_comm(PROC_COURIER));
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		keep_socket_only(pair[1]);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (isolate_enter(PROC_COURIER, NULL, e))
			_exit(1);
		courier_main(c, &f, pair[1]);
	}
	close(pair[1]);
	if (*pid < 0) {
		close(pair[0]);
		r = err_set(e, errno, "start the courier");
	} else {
		*sock = pair[0];
	}
out:
	free(f.ca);
	free(f.token);
	return r;
}

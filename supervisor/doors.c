/* SPDX-License-Identifier: Apache-2.0 */
/* doors.c - see doors.h. */
#include "doors.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "warder/own.h"
#include "warder/wire.h"

#define BACKLOG 512

#define X(name, word) word,
static const char *const words[] = { DOORS(X) };
#undef X

const char *door_word(enum door d)
{
	return words[d];
}

int door_parse(const char *word)
{
	for (int i = 0; i < DOOR_COUNT; i++)
		if (!strcmp(words[i], word))
			return i;
	return -1;
}

void doors_init(struct doors *d)
{
	*d = (struct doors){ 0 };
	for (int i = 0; i < DOOR_COUNT; i++)
		d->fd[i] = -1;
}

/* In the folder of listener.sock. */
static void beside(const char *socket, const char *name, char out[DOOR_PATH_MAX])
{
	const char *slash = strrchr(socket, '/');

	snprintf(out, DOOR_PATH_MAX, "%.*s%s", slash ? (int)(slash + 1 - socket) : 0, socket, name);
}

void door_path(const struct config *c, enum door d, char out[DOOR_PATH_MAX])
{
	const char *set = d == DOOR_LISTENER ? c->socket : d == DOOR_API ? c->api : NULL;

	*out = 0;
	if (d == DOOR_METRICS)
		return;
	if (!set)
		beside(c->socket, door_word(d), out);
	else if (strcmp(set, "none") != 0)
		snprintf(out, DOOR_PATH_MAX, "%s", set);
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT"; numbers only, so that nothing waits for a name server. */
static int split_address(const char *text, char host[64], const char **port, struct err *e)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (!colon || !n || n >= 64 || !colon[1])
		return err_set(e, EINVAL, "metrics: \"%s\" is no ADDRESS:PORT", text);
	memcpy(host, text, n);
	host[n] = 0;
	*port = colon + 1;
	return 0;
}

/* To be freed. */
static int resolve(const char *text, struct addrinfo **found, struct err *e)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
					.ai_socktype = SOCK_STREAM };
	const char *port;
	char host[64];
	int r = split_address(text, host, &port, e);

	if (!r && getaddrinfo(host, port, &hints, found))
		r = err_set(e, EINVAL, "metrics: \"%s\" is no ADDRESS:PORT (numbers)", text);
	return r;
}

static int listen_at(const struct addrinfo *a, const char *text, int *out, struct err *e)
{
	auto_fd sock = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int yes = 1;

	if (sock < 0)
		return err_set(e, errno, "make a socket");
	if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
	    bind(sock, a->ai_addr, a->ai_addrlen) || listen(sock, BACKLOG))
		return err_set(e, errno, "metrics: listen on %s", text);
	*out = take_fd(&sock);
	return 0;
}

static int open_metrics(const char *text, int *out, struct err *e)
{
	struct addrinfo *found;
	int r = resolve(text, &found, e);

	if (r)
		return r;
	r = listen_at(found, text, out, e);
	freeaddrinfo(found);
	return r;
}

static int open_door(struct doors *d, enum door i, const struct config *c, struct err *e)
{
	char path[DOOR_PATH_MAX];

	if (i == DOOR_METRICS)
		return c->metrics ? open_metrics(c->metrics, &d->fd[i], e) : 0;
	door_path(c, i, path);
	return *path ? wire_listen(path, BACKLOG, &d->fd[i], e) : 0;
}

int doors_open(struct doors *d, const struct config *c, struct err *e)
{
	int r = 0;

	for (int i = 0; !r && i < DOOR_COUNT; i++)
		if (d->fd[i] < 0)
			r = open_door(d, (enum door)i, c, e);
	return r;
}

static bool is_at(int sock, const char *path)
{
	struct sockaddr_un sa = { 0 };
	socklen_t len = sizeof sa;

	return !getsockname(sock, (struct sockaddr *)&sa, &len) && sa.sun_family == AF_UNIX &&
	       !strncmp(sa.sun_path, path, sizeof sa.sun_path);
}

static bool is_metrics(int sock, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	struct addrinfo *found;
	struct err e;
	bool same;

	if (!text || getsockname(sock, (struct sockaddr *)&sa, &len) || resolve(text, &found, &e))
		return false;
	same = len == found->ai_addrlen && !memcmp(&sa, found->ai_addr, len);
	freeaddrinfo(found);
	return same;
}

static void remove_file(int sock)
{
	struct sockaddr_un sa = { 0 };
	socklen_t len = sizeof sa - 1;

	if (!getsockname(sock, (struct sockaddr *)&sa, &len) && sa.sun_family == AF_UNIX &&
	    *sa.sun_path)
		unlink(sa.sun_path);
}

void doors_fit(struct doors *d, const struct config *c, struct doors *misfits)
{
	char path[DOOR_PATH_MAX];

	doors_init(misfits);
	for (int i = 0; i < DOOR_COUNT; i++) {
		door_path(c, (enum door)i, path);
		if (d->fd[i] < 0 ||
		    (i == DOOR_METRICS ? is_metrics(d->fd[i], c->metrics) : is_at(d->fd[i], path)))
			continue;
		misfits->fd[i] = take_fd(&d->fd[i]);
		misfits->given[i] = d->given[i];
		d->given[i] = false;
	}
}

void doors_drop(struct doors *misfits)
{
	for (int i = 0; i < DOOR_COUNT; i++) {
		if (misfits->fd[i] < 0)
			continue;
		if (!misfits->given[i])
			remove_file(misfits->fd[i]);
		close(take_fd(&misfits->fd[i]));
	}
}

void doors_close(struct doors *d, const struct config *c, bool remove)
{
	char path[DOOR_PATH_MAX];

	for (int i = 0; i < DOOR_COUNT; i++) {
		if (d->fd[i] < 0)
			continue;
		door_path(c, (enum door)i, path);
		if (remove && *path && !d->given[i])
			unlink(path);
		close(d->fd[i]);
		d->fd[i] = -1;
	}
}

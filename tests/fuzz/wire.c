/* SPDX-License-Identifier: Apache-2.0 */
/* wire.c - any bytes over a socket, in pieces with and without descriptors, which the first byte
 * chooses: what json-c takes for one object arrives whole, all else is refused, and no descriptor
 * is left. A read ends behind each piece that carries descriptors. */
#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "warder/json.h"
#include "warder/wire.h"

#define SECOND 1000000000ULL

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	MUST(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* White space aside, from a brace to a bracket. */
static bool is_enclosed(const char *text, size_t len)
{
	static const char space[] = " \t\r\n";

	while (len && strchr(space, text[len - 1]))
		len--;
	return len && strchr("}]", text[len - 1]) && text[strspn(text, space)] == '{';
}

static bool is_object(const char *text, size_t len)
{
	struct json_object *doc = NULL;
	struct err e;
	bool is = !json_parse("fuzz", text, len, &doc, &e) &&
		  json_object_is_type(doc, json_type_object);

	json_object_put(doc);
	return is;
}

/* Returns how many descriptors went along. */
static int feed(int sock, uint32_t seed, const char *text, size_t len)
{
	const int fds[] = { 0, 1, 2 };
	int total = 0;

	for (size_t done = 0, n; done < len; done += n) {
		int n_fds;
		struct err e;

		seed = seed * 1664525U + 1013904223U;
		n = 1 + (seed >> 8) % (1 + len / 4);
		n = len - done < n ? len - done : n;
		n_fds = (int)(seed >> 28) < 8 ? 0 : (int)(seed >> 28) % 4;
		MUST(!wire_send(sock, wire_deadline(SECOND), text + done, n, fds, n_fds, &e));
		total += n_fds;
	}
	return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	int pair[2], before = open_fds(), sent, r;
	struct wire_msg m;
	struct err e;

	if (size < 1 || size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return 0;
	sent = feed(pair[0], data[0], text, size - 1);
	close(pair[0]);
	r = wire_recv(pair[1], wire_deadline(SECOND), &m, &e);
	if (r) {
		must_say(r, &e);
		MUST(sent > WIRE_MAX_FDS || !is_object(text, size - 1));
	} else {
		MUST(m.len >= 2 && m.len < size && !memcmp(m.text, text, m.len) && !m.text[m.len]);
		MUST(m.n_fds <= sent && is_enclosed(m.text, m.len));
		wire_fini(&m);
	}
	close(pair[1]);
	MUST(open_fds() == before);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* wire.c - any bytes over a socket, in pieces whose sizes the input chooses: a whole object or a
 * refusal, and no descriptor left. */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "warder/own.h"
#include "warder/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_msg m;
	struct err e;
	int pair[2], fd, r;
	size_t done = 0;

	if (size < 1 || size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return 0;
	fd = dup(0);
	if (data[0] & 1)
		MUST(!wire_send(pair[0], wire_deadline(1000000000), " ", 1, &fd, fd >= 0, &e));
	for (size_t piece = 1 + data[0] / 2; done < size - 1; done += piece) {
		size_t n = size - 1 - done < piece ? size - 1 - done : piece;

		if (write(pair[0], data + 1 + done, n) != (ssize_t)n)
			break;
	}
	close(pair[0]);
	r = wire_recv(pair[1], wire_deadline(1000000000), &m, &e);
	if (r) {
		must_say(r, &e);
	} else {
		MUST(m.len >= 2 && m.len <= size + 1 && m.n_fds == ((data[0] & 1) && fd >= 0));
		wire_fini(&m);
	}
	close(pair[1]);
	close(fd);
	return 0;
}

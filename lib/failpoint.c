/* SPDX-License-Identifier: Apache-2.0 */
/* failpoint.c - see failpoint.h. */
#include "warder/failpoint.h"

#ifdef WARDER_FAILPOINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Until the kernel kills somebody for it. */
static _Noreturn void eat(void)
{
	const size_t bite = 1 << 20;

	for (;;) {
		char *p = malloc(bite);

		if (p)
			memset(p, 1, bite);
	}
}

void failpoint(const char *name)
{
	const char *want = getenv("WARDER_FAILPOINT");
	size_t n = strlen(name);

	if (!want || strncmp(want, name, n) != 0 || want[n] != '=')
		return;
	if (!strcmp(want + n, "=kill"))
		kill(getpid(), SIGKILL);
	else if (!strcmp(want + n, "=eat"))
		eat();
	else if (!strcmp(want + n, "=stop"))
		kill(getpid(), SIGSTOP);
	else
		_exit(1);
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - see log.h. One write(2) a line, so that lines of two threads do not mix. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "warder/err.h"

void log_say(const char *fmt, ...)
{
	char line[1024] = "warderd: ";
	size_t used = strlen(line);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line + used, sizeof line - used - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	err_clean(line);
	used = strlen(line);
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to say it */
}

void log_warn(void *ctx, const char *line)
{
	(void)ctx;
	log_say("%s", line);
}

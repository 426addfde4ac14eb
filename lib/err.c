/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - see err.h. */
#include "warder/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t err_printable(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned cp;
	size_t n, i;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	cp = s[0] & (0xffU >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fU);
	}
	if (cp < 0xa0 || (n == 3 && cp < 0x800) || (n == 4 && cp < 0x10000) || cp > 0x10ffff)
		return 0;
	/* surrogates; marks that turn the direction of a terminal's text */
	if ((cp >= 0xd800 && cp <= 0xdfff) || (cp >= 0x202a && cp <= 0x202e) ||
	    (cp >= 0x2066 && cp <= 0x2069) || cp == 0x2028 || cp == 0x2029)
		return 0;
	return n;
}

void err_clean(char *s)
{
	unsigned char *p = (unsigned char *)s;
	size_t n;

	for (; *p; p += n) {
		n = err_printable((const char *)p);
		if (!n) {
			*p = '?';
			n = 1;
		}
	}
}

static void finish(char *buf, size_t size, int len)
{
	if (len >= (int)size)
		memcpy(buf + size - 4, "...", 4);
	err_clean(buf);
}

int err_set(struct err *e, int num, const char *fmt, ...)
{
	size_t flen = strlen(fmt);
	va_list ap;
	int n;

	if (num < 0)
		num = -num;
	if (!num)
		num = EINVAL;
	e->num = num;
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (n >= 0 && n < (int)sizeof e->msg && num != EINVAL && (!flen || fmt[flen - 1] != '.'))
		n += snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s", strerror(num));
	finish(e->msg, sizeof e->msg, n);
	return -num;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char rest[sizeof e->msg];
	va_list ap;
	int n;

	memcpy(rest, e->msg, sizeof rest);
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (n >= 0 && n < (int)sizeof e->msg)
		n += snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s", rest);
	finish(e->msg, sizeof e->msg, n);
	return -e->num;
}

void warn_say(const struct warn *w, const char *fmt, ...)
{
	char line[sizeof((struct err *)0)->msg];
	va_list ap;
	int n;

	if (!w || !w->fn)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	finish(line, sizeof line, n);
	w->fn(w->ctx, line);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* plain.c - see plain.h. */
#include "plain.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "warder/err.h"

const char *plain_text(const char *s, char *buf, size_t size)
{
	size_t used = 0;

	while (*s) {
		size_t n = err_printable(s), need = n ? n : sizeof "\\xNN" - 1;

		if (used + need >= size)
			break;
		if (n)
			memcpy(buf + used, s, n);
		else
			snprintf(buf + used, size - used, "\\x%02x", (unsigned char)*s);
		used += need;
		s += n ? n : 1;
	}
	buf[used] = '\0';
	return buf;
}

/* One character of UTF-8, also one that is not printable. Returns its bytes, 0: it is none. */
static size_t decode(const char *text, size_t len, uint32_t *cp)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c;
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (!n || n > len)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (c > 0x10ffff)
		return 0;
	*cp = c;
	return n;
}

/* What is not printable and not in the ASCII range can only stand inside a string. */
static size_t put_escape(const char *s, size_t len, FILE *to)
{
	uint32_t cp = (unsigned char)*s;
	size_t n = decode(s, len, &cp);

	if (cp > 0xffff)
		fprintf(to, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((cp - 0x10000) >> 10),
			0xdc00 + ((cp - 0x10000) & 0x3ff));
	else
		fprintf(to, "\\u%04" PRIx32, cp);
	return n ? n : 1;
}

void plain_json_text(const char *json, size_t len, FILE *to)
{
	char c[5] = "";

	for (size_t i = 0, n; i < len; i += n) {
		size_t left = len - i;

		memcpy(c, json + i, left < 4 ? left : 4);
		memset(c + (left < 4 ? left : 4), 0, sizeof c - (left < 4 ? left : 4));
		n = *c == '\n' ? 1 : err_printable(c);
		if (n)
			fwrite(c, 1, n, to);
		else
			n = put_escape(json + i, left, to);
	}
}

void plain_json(struct json_object *v, FILE *to)
{
	const char *text =
		json_object_to_json_string_ext(v, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_NOSLASHESCAPE);

	plain_json_text(text, strlen(text), to);
	fputc('\n', to);
}

/* Ranges that take two columns, and those that take none: of Unicode, as terminals do it. A table
 * and not wcwidth(3), which depends on a locale that a minimal host does not have. */
static const struct {
	uint32_t from, to;
	uint8_t width;
} ranges[] = {
	{ 0x0300, 0x036f, 0 },   { 0x0483, 0x0489, 0 },   { 0x0591, 0x05bd, 0 },
	{ 0x0610, 0x061a, 0 },   { 0x064b, 0x065f, 0 },   { 0x0e34, 0x0e3a, 0 },
	{ 0x1100, 0x115f, 2 },   { 0x1ab0, 0x1aff, 0 },   { 0x1dc0, 0x1dff, 0 },
	{ 0x200b, 0x200f, 0 },   { 0x2060, 0x2064, 0 },   { 0x20d0, 0x20f0, 0 },
	{ 0x2e80, 0x303e, 2 },   { 0x3041, 0xa4cf, 2 },   { 0xa960, 0xa97c, 2 },
	{ 0xac00, 0xd7a3, 2 },   { 0xf900, 0xfaff, 2 },   { 0xfe00, 0xfe0f, 0 },
	{ 0xfe20, 0xfe2f, 0 },   { 0xfe30, 0xfe6f, 2 },   { 0xfeff, 0xfeff, 0 },
	{ 0xff00, 0xff60, 2 },   { 0xffe0, 0xffe6, 2 },   { 0x1f300, 0x1f64f, 2 },
	{ 0x1f680, 0x1f6ff, 2 }, { 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
	{ 0xe0100, 0xe01ef, 0 },
};

static size_t width_of(uint32_t cp)
{
	for (size_t i = 0; cp >= ranges[0].from && i < sizeof ranges / sizeof *ranges; i++)
		if (cp >= ranges[i].from && cp <= ranges[i].to)
			return ranges[i].width;
	return 1;
}

size_t plain_width(const char *s, size_t len)
{
	size_t width = 0;

	for (size_t i = 0, n; i < len; i += n) {
		uint32_t cp = 0;

		n = decode(s + i, len - i, &cp);
		width += n ? width_of(cp) : 1;
		n = n ? n : 1;
	}
	return width;
}

size_t plain_fit(const char *s, size_t width)
{
	size_t len = strlen(s), fits = 0, used = 0;

	while (fits < len) {
		uint32_t cp = 0;
		size_t n = decode(s + fits, len - fits, &cp), w = n ? width_of(cp) : 1;

		if (used + w > width)
			break;
		used += w;
		fits += n ? n : 1;
	}
	return fits;
}

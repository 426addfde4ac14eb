/* SPDX-License-Identifier: Apache-2.0 */
/* forms.c - any bytes as a profile in any form: refused with words, or written in each form and
 * read again with as many rules. */
#include "warder/forms.h"
#include "fuzz.h"
#include "warder/own.h"

static void through(const struct form_doc *d, enum form f, const struct host *h)
{
	struct json_object *doc = NULL;
	char *text = NULL;
	size_t len = 0;
	struct form_doc again;
	struct err e;
	FILE *to;
	int r = form_convert(d, f, h, NULL, &doc, NULL, &e);

	if (r) {
		must_say(r, &e);
		return;
	}
	to = open_memstream(&text, &len);
	MUST(!form_write(f, doc, to, &e) && !fclose(to));
	if (len <= JSON_MAX_SIZE) {
		r = form_parse("again", text, len, &again, NULL, &e);
		if (r)
			fprintf(stderr, "%s\n%s\n", e.msg, text);
		MUST(!r);
		form_fini(&again);
	}
	json_object_put(doc);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct form_doc d;
	struct host h;
	struct err e;
	int r = form_parse("fuzz", (const char *)data, size, &d, NULL, &e);

	if (r) {
		must_say(r, &e);
		return 0;
	}
	host_init(&h);
	for (int f = 0; f < FORM_COUNT; f++)
		through(&d, (enum form)f, &h);
	form_fini(&d);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - see args.h. */
#include "args.h"

#include <stddef.h>
#include <string.h>

#include "warder/own.h"

struct row { /* an option that takes a value; every other one is a flag */
	const char *name;
	char letter;
	const char **target;
};

struct words {
	int n, at;
	char **v;
};

static const char *next_word(struct words *w)
{
	return w->at < w->n ? w->v[w->at++] : NULL;
}

/* "--name", "--name=VALUE", "-name" (runc). false: no such row. */
static bool take_long(const struct row *rows, const char *name, struct words *w)
{
	size_t len = strcspn(name, "=");

	for (; rows->name; rows++) {
		if (strlen(rows->name) != len || strncmp(rows->name, name, len) != 0)
			continue;
		*rows->target = name[len] ? name + len + 1 : next_word(w);
		return true;
	}
	return false;
}

static const struct row *find_letter(const struct row *rows, char letter)
{
	for (; rows->name; rows++)
		if (rows->letter == letter)
			return rows;
	return NULL;
}

/* "-b DIR", "-bDIR", "-b=DIR", "-dbDIR". false: a letter that is neither a row's nor a known flag.
 */
static bool take_letters(const struct row *rows, const char *letters, struct words *w)
{
	static const char flags[] = "dhvs"; /* detach, help, version, systemd-cgroup */

	for (; *letters; letters++) {
		const struct row *row = find_letter(rows, *letters);

		if (!row && !strchr(flags, *letters))
			return false;
		if (!row)
			continue;
		letters++;
		*row->target = *letters ? letters + (*letters == '=') : next_word(w);
		return true;
	}
	return true;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

/* An option's word, and its value where that is a word of its own. */
static bool take_option(const struct row *rows, const char *word, struct words *w)
{
	if (word[1] == '-') {
		take_long(rows, word + 2, w);
		return true;
	}
	return (word[2] && take_long(rows, word + 1, w)) || take_letters(rows, word + 1, w);
}

static bool is_start(const char *word)
{
	return !strcmp(word, "create") || !strcmp(word, "run");
}

static bool is_known(const char *word)
{
	static const char *const commands[] = {
		"checkpoint", "completion", "delete", "events", "exec",   "features", "help",
		"info",       "init",       "kill",   "list",   "pause",  "ps",       "restore",
		"resume",     "spec",       "start",  "state",  "update", "mounts",   "version",
	};

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i], word))
			return true;
	return false;
}

static void find_command(const struct row *rows, struct words *w, struct args *out)
{
	const char *word;

	while (!out->command && !out->unclear && (word = next_word(w))) {
		if (!is_option(word))
			out->command = word;
		else if (!take_option(rows, word, w))
			out->unclear = word;
	}
	/* an option may have had a value that we took for the command */
	if (out->command && (is_start(out->command) || is_known(out->command)))
		return;
	for (int i = w->at; i < w->n; i++)
		if (is_start(w->v[i]))
			out->kind = ARGS_UNCLEAR;
	if (!out->unclear)
		out->unclear = out->command;
}

/* Options may stand behind the id (crun); nothing does behind "--" but the id. */
static void read_start(const struct row *rows, struct words *w, struct args *out)
{
	bool ended = false;
	const char *word;

	out->kind = ARGS_START;
	while ((word = next_word(w))) {
		if (ended || !is_option(word))
			out->id = word;
		else if (!strcmp(word, "--"))
			ended = true;
		else if (!take_option(rows, word, w)) {
			out->kind = ARGS_UNCLEAR;
			out->unclear = word;
			return;
		}
	}
}

void args_read(int argc, char **argv, struct args *out)
{
	struct args a = { .kind = ARGS_OTHER };
	const char *format = NULL, *unused;
	const struct row globals[] = {
		{ "log", 'l', &a.log },           { "log-format", 0, &format },
		{ "log-level", 0, &unused },      { "root", 'r', &unused },
		{ "criu", 0, &unused },           { "rootless", 0, &unused },
		{ "cgroup-manager", 0, &unused }, { NULL, 0, NULL },
	};
	const struct row locals[] = {
		{ "bundle", 'b', &a.bundle },       { "config", 'f', &a.config },
		{ "console-socket", 'c', &unused }, { "pid-file", 'p', &unused },
		{ "preserve-fds", 0, &unused },     { NULL, 0, NULL },
	};
	struct words w = { .n = argc, .v = argv };

	find_command(globals, &w, &a);
	if (a.kind == ARGS_OTHER && a.command && is_start(a.command))
		read_start(locals, &w, &a);
	a.log_json = format && !strcmp(format, "json");
	*out = a;
}

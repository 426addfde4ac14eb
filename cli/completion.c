/* SPDX-License-Identifier: Apache-2.0 */
/* completion.c - warder completion: what may stand next on the command line.
 *
 * The scripts for the shells are small: they ask `warder completion --candidates`, which knows by
 * asking in turn: every table of verbs and every row of options tells what it has ("--options",
 * opt.h). So there is no list here that could fall behind. What an argument is follows from how the
 * help names it (kinds[]); "audit|enforce" are the words themselves.
 *
 * A shell puts a candidate on the line as it is. So a container's id or name is only offered when
 * it has no character that means something to a shell. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "warder/names.h"
#include "warder/own.h"

#define PATH_MAX_VERBS 4
#define SYSCALLS       1024
#define PATIENCE_NS    UINT64_C(1000000000) /* somebody waits with a finger on Tab */

static const char program[] = "warder completion";

/* --- what the verbs tell --- */

struct told { /* one line of --options */
	char *column[5];
};

/* The lines of `warder VERB... --options`, heap. */
static char *ask_verb(char **verbs, int n)
{
	char name[] = "warder", options[] = "--options", *argv[PATH_MAX_VERBS + 3] = { name };
	FILE *before = stdout;
	char *text = NULL;
	size_t size;

	memcpy(argv + 1, verbs, (size_t)n * sizeof *argv);
	argv[n + 1] = options;
	stdout = open_memstream(&text, &size); /* glibc's may be assigned */
	if (stdout) {
		cli_dispatch(&cli_warder, n + 2, argv);
		fclose(stdout);
	}
	stdout = before;
	return text;
}

/* The next line of *text, which is cut up. */
static bool next_told(char **text, struct told *out)
{
	static char none[] = "";
	char *line = strsep(text, "\n");

	if (!line || !*line)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(out->column); i++) {
		char *column = strsep(&line, "\t");

		out->column[i] = column ? column : none;
	}
	return true;
}

/* --- the line so far --- */

struct line {
	char *verbs[PATH_MAX_VERBS]; /* "policy", "check" */
	int n_verbs;
	char **words; /* after these; the last is being typed */
	int n_words;
	const char *socket; /* --socket among them; NULL: none */
};

static bool begins(const char *word, const char *prefix)
{
	return !strncmp(word, prefix, strlen(prefix));
}

static void offer(const struct line *l, const char *word, const char *help)
{
	if (begins(word, l->words[l->n_words - 1]))
		printf("%s\t%s\n", word, help);
}

static bool is_verb(char **verbs, int n, const char *word)
{
	auto_free char *text = ask_verb(verbs, n);
	char *rest = text;
	struct told t;

	while (rest && next_told(&rest, &t))
		if (!strcmp(t.column[0], "verb") && !strcmp(t.column[1], word))
			return true;
	return false;
}

static void find_verb(struct line *l)
{
	if (l->n_words > 1 && !strcmp(l->words[0], "help")) {
		l->words++;
		l->n_words--;
	}
	while (l->n_words > 1 && l->n_verbs < PATH_MAX_VERBS &&
	       is_verb(l->verbs, l->n_verbs, l->words[0])) {
		l->verbs[l->n_verbs++] = *l->words++;
		l->n_words--;
	}
}

/* The row that a word is ("-m", "--mode"); false: none. text is cut up and must outlive it. */
static bool find_option(char *text, const char *word, struct told *out)
{
	while (next_told(&text, out))
		if (!strcmp(out->column[0], "option") &&
		    (!strcmp(out->column[1], word) ||
		     (*out->column[2] && !strcmp(out->column[2], word))))
			return true;
	return false;
}

/* --- the kinds of arguments --- */

static void offer_syscalls(const struct line *l)
{
	for (int nr = 0; nr < SYSCALLS; nr++) {
		const char *name = names_syscall_name(names_native_arch(), nr);

		if (name)
			offer(l, name, "system call");
	}
}

static bool is_harmless(const char *word)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_.-";

	return *word && *word != '-' && !word[strspn(word, good)];
}

static struct json_object *get_sessions(const struct line *l)
{
	const struct client_opts o = { .socket = l->socket, .timeout_ns = PATIENCE_NS };
	struct json_object *answer = NULL;
	struct client *c;
	struct err e;

	if (client_open(&o, &c, &e))
		return NULL;
	if (client_call(c, "GET", "/v1/sessions", NULL, &answer, &e))
		answer = NULL;
	client_close(c);
	return answer;
}

static void offer_sessions(const struct line *l, bool numbers)
{
	struct json_object *answer = get_sessions(l);
	size_t n;
	struct json_object *list = client_array(answer, "sessions", &n);

	for (size_t i = 0; i < n; i++) {
		struct json_object *s = json_object_array_get_idx(list, i);
		const char *id = client_text(s, "container"), *name = client_text(s, "name");
		char number[24];

		snprintf(number, sizeof number, "%" PRId64, client_number(s, "session"));
		if (numbers)
			offer(l, number, is_harmless(id) ? id : "session");
		if (is_harmless(id))
			offer(l, id, "container");
		if (is_harmless(name))
			offer(l, name, "container's name");
	}
	json_object_put(answer);
}

static void offer_ids(const struct line *l)
{
	offer_sessions(l, true);
}

static void offer_containers(const struct line *l)
{
	offer_sessions(l, false);
}

/* To the scripts: the shell knows its files and commands best. */
static void offer_files(const struct line *l)
{
	(void)l;
	puts(":files");
}

static void offer_commands(const struct line *l)
{
	(void)l;
	puts(":commands");
}

static const struct {
	const char *word;
	void (*offer)(const struct line *l);
} kinds[] = {
	{ "ID", offer_ids },       { "CONTAINER", offer_containers },
	{ "FILE", offer_files },   { "SYSCALL", offer_syscalls },
	{ "PATH", offer_files },   { "EVENTS", offer_files },
	{ "CMD", offer_commands }, { "ARG", offer_files },
};

static bool is_lower(const char *word)
{
	return *word >= 'a' && *word <= 'z';
}

/* One argument as the help has it: "FILE...", "[ARG...]", "audit|enforce", "ID|--all". */
static void offer_kind(const struct line *l, const char *kind)
{
	char copy[256], *rest = copy, *word;

	snprintf(copy, sizeof copy, "%s", kind);
	while ((word = strsep(&rest, "|"))) {
		word += strspn(word, "[");
		word[strcspn(word, ".]")] = '\0';
		if (is_lower(word) || begins(word, "--"))
			offer(l, word, "");
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			if (!strcmp(kinds[i].word, word))
				kinds[i].offer(l);
	}
}

/* Is this argument given by an option that is there: "ID|--all" by --all? */
static bool is_given(const struct line *l, const char *kind)
{
	const char *option = strstr(kind, "|--");

	for (int i = 0; option && i < l->n_words - 1; i++)
		if (!strcmp(l->words[i], option + 1))
			return true;
	return false;
}

/* The position-th argument of args; the last may be repeated where it says "...". */
static void offer_argument(const struct line *l, const char *args, int position)
{
	char copy[256], last[256] = "", *rest = copy, *kind;

	snprintf(copy, sizeof copy, "%s", args);
	while ((kind = strsep(&rest, " "))) {
		if (!*kind || !strcmp(kind, "[--]") || is_given(l, kind))
			continue;
		if (!position--) {
			offer_kind(l, kind);
			return;
		}
		snprintf(last, sizeof last, "%s", kind);
	}
	if (strstr(last, "..."))
		offer_kind(l, last);
}

/* --- the candidates --- */

static void offer_told(const struct line *l, char *text, const char *what)
{
	struct told t;

	while (next_told(&text, &t))
		if (!strcmp(t.column[0], what))
			offer(l, t.column[1], t.column[!strcmp(what, "verb") ? 2 : 4]);
}

/* What the words before the one being typed make of it. */
struct state {
	int position;         /* words that are no options */
	bool words_only;      /* after "--" */
	char value_kind[256]; /* of the option that the last word is; "": no value is due */
};

static void step(const char *text, const char *word, struct state *st)
{
	auto_free char *copy = strdup(text);
	struct told t;

	if (*st->value_kind)
		*st->value_kind = '\0';
	else if (!st->words_only && !strcmp(word, "--"))
		st->words_only = true;
	else if (st->words_only || *word != '-' || !word[1])
		st->position++;
	else if (copy && find_option(copy, word, &t))
		snprintf(st->value_kind, sizeof st->value_kind, "%s", t.column[3]);
}

/* told: the verb's own lines, of which the first says what its words are. */
static void offer_next(const struct line *l, const struct state *st, char *told)
{
	const char *typed = l->words[l->n_words - 1];
	struct told args;

	if (!next_told(&told, &args))
		return;
	if (*st->value_kind)
		offer_kind(l, st->value_kind);
	else if (!st->words_only && (*typed == '-' || !*args.column[1]))
		offer_told(l, told, "option");
	else
		offer_argument(l, args.column[1], st->position);
}

static void offer_in_verb(struct line *l, char *told)
{
	struct state st = { 0 };

	for (int i = 0; i < l->n_words - 1; i++) {
		if (!strcmp(l->words[i], "--socket"))
			l->socket = l->words[i + 1];
		step(told, l->words[i], &st);
	}
	offer_next(l, &st, told);
}

/* bash has "=" as a word of its own: "--mode=audit" is three. */
static int without_equals(char **words, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (strcmp(words[i], "=") != 0 || i == n - 1)
			words[kept++] = words[i];
	if (!strcmp(words[kept - 1], "="))
		*words[kept - 1] = '\0';
	return kept;
}

static void print_candidates(char **words, int n)
{
	char empty[] = "", *nothing[] = { empty };
	struct line l = { .words = n ? words : nothing,
			  .n_words = n ? without_equals(words, n) : 1 };
	auto_free char *text = NULL;

	find_verb(&l);
	text = ask_verb(l.verbs, l.n_verbs);
	if (!text)
		return;
	if (begins(text, "verb")) {
		offer_told(&l, text, "verb");
		if (!l.n_verbs)
			offer(&l, "help", "tells more of a verb");
		offer(&l, "--help", "print the verbs and exit");
		offer(&l, "--version", "print the version and exit");
	} else {
		offer_in_verb(&l, text);
	}
}

/* --- the scripts --- */

static const struct {
	const char *shell, *script;
} scripts[] = {
	{ "bash", "# bash completion for warder: . <(warder completion bash)\n"
		  "_warder() {\n"
		  "\tlocal line cur=${COMP_WORDS[COMP_CWORD]}\n"
		  "\t[ \"$cur\" != = ] || cur=\n"
		  "\tCOMPREPLY=()\n"
		  "\twhile IFS= read -r line; do\n"
		  "\t\tcase $line in\n"
		  "\t\t:files)\n"
		  "\t\t\tcompopt -o filenames 2>/dev/null\n"
		  "\t\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\")\n"
		  "\t\t\t;;\n"
		  "\t\t:commands)\n"
		  "\t\t\tcompopt -o filenames 2>/dev/null\n"
		  "\t\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -c -- \"$cur\")\n"
		  "\t\t\t;;\n"
		  "\t\t*) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
		  "\t\tesac\n"
		  "\tdone < <(\"${COMP_WORDS[0]}\" completion --candidates -- "
		  "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
		  "}\n"
		  "complete -F _warder warder\n" },
	{ "zsh", "#compdef warder\n"
		 "# zsh completion for warder: put it into a folder of $fpath as _warder, or\n"
		 "# source <(warder completion zsh)\n"
		 "_warder() {\n"
		 "\tlocal line word\n"
		 "\tlocal -a found\n"
		 "\twhile IFS= read -r line; do\n"
		 "\t\tcase $line in\n"
		 "\t\t:files) _files ;;\n"
		 "\t\t:commands) _command_names -e ;;\n"
		 "\t\t*)\n"
		 "\t\t\tword=${line%%$'\\t'*}\n"
		 "\t\t\tfound+=(\"${word//:/\\\\:}:${line#*$'\\t'}\")\n"
		 "\t\t\t;;\n"
		 "\t\tesac\n"
		 "\tdone < <($words[1] completion --candidates -- \"${(@)words[2,CURRENT]}\" "
		 "2>/dev/null)\n"
		 "\t(( $#found )) && _describe warder found\n"
		 "}\n"
		 "if [[ $funcstack[1] == _warder ]]; then\n"
		 "\t_warder \"$@\"\n"
		 "elif (( $+functions[compdef] )); then\n"
		 "\tcompdef _warder warder\n"
		 "fi\n" },
	{ "fish",
	  "# fish completion for warder: warder completion fish | source\n"
	  "function __warder_candidates\n"
	  "\tset -l words (commandline -opc)\n"
	  "\tset -l typed (commandline -ct)\n"
	  "\tset -l command $words[1]\n"
	  "\tset -e words[1]\n"
	  "\tfor line in ($command completion --candidates -- $words \"$typed\" 2>/dev/null)\n"
	  "\t\tswitch $line\n"
	  "\t\t\tcase :files\n"
	  "\t\t\t\t__fish_complete_path \"$typed\"\n"
	  "\t\t\tcase :commands\n"
	  "\t\t\t\t__fish_complete_command\n"
	  "\t\t\tcase '*'\n"
	  "\t\t\t\techo $line\n"
	  "\t\tend\n"
	  "\tend\n"
	  "end\n"
	  "complete -c warder -f -a '(__warder_candidates)'\n" },
};

static int print_script(const char *shell, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		if (!strcmp(scripts[i].shell, shell)) {
			fputs(scripts[i].script, stdout);
			return 0;
		}
	return err_set(e, EINVAL, "\"%s\" is no shell that is known here (bash, zsh, fish)", shell);
}

int cli_completion(int argc, char **argv)
{
	bool candidates = false;
	const struct opt rows[] = {
		{ "candidates", 0, OPT_FLAG, &candidates, NULL,
		  "instead: what can come last in the words after \"--\"" },
		{ 0 },
	};
	const struct opt_usage usage = {
		.program = program,
		.args = "bash|zsh|fish",
		.purpose =
			"Print what makes a shell complete verbs, options, sessions, containers.",
		.rows = rows,
		.tail = "The script asks `warder completion --candidates -- WORD...` at each Tab: "
			"one\n"
			"candidate a line, a tab, what it is. Sessions and containers come from "
			"the\n"
			"warderd that $WARDER_API or --socket names.\n"
			"\n"
			"Examples:\n"
			"  warder completion bash > /etc/bash_completion.d/warder\n"
			"  warder completion zsh > /usr/share/zsh/vendor-completions/_warder\n"
			"  warder completion fish > /etc/fish/completions/warder.fish\n",
	};
	struct err e;
	int first, r = opt_parse(&usage, argc, argv, &first, &e);

	if (!r && candidates) {
		print_candidates(argv + first, argc - first);
		return CLI_OK;
	}
	if (!r && argc - first != 1)
		r = err_set(&e, EINVAL, "one of %s is needed (see %s --help)", usage.args, program);
	if (!r)
		r = print_script(argv[first], &e);
	return r ? cli_usage(program, r, &e) : CLI_OK;
}

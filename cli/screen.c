/* SPDX-License-Identifier: Apache-2.0 */
/* screen.c - see screen.h. */
#include "screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "warder/own.h"

/* Alternate screen, no cursor, no wrapping of long lines; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[2J"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static const int caught[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE, SIGALRM,
			      SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH };

static void put(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n < 0 && errno != EINTR)
			return; /* the terminal has gone: the next read says so */
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void measure(struct screen *s)
{
	struct winsize size;
	bool known = !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col;

	s->rows = known ? size.ws_row : 24;
	s->cols = known ? size.ws_col : 80;
}

static int enter(struct screen *s)
{
	struct termios raw = s->before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw))
		return -errno;
	put(ENTER, sizeof ENTER - 1);
	measure(s);
	return 0;
}

static void leave(const struct screen *s)
{
	put(LEAVE, sizeof LEAVE - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
}

int screen_open(struct screen *s, struct err *e)
{
	struct screen new = { .signals = -1 };
	sigset_t set;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &new.before))
		return err_set(e, ENOTTY, "stdin and stdout are no terminal (see --once, --json).");
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(caught); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, &new.mask);
	new.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (new.signals < 0 || enter(&new)) {
		int error = errno;

		sigprocmask(SIG_SETMASK, &new.mask, NULL);
		if (new.signals >= 0)
			close(new.signals);
		return err_set(e, error, "terminal");
	}
	*s = new;
	return 0;
}

/* A signal that comes after this has its usual effect. */
void screen_close(struct screen *s)
{
	leave(s);
	close(s->signals);
	s->signals = -1;
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

_Noreturn void screen_die(int number)
{
	signal(number, SIG_DFL);
	raise(number);
	_exit(128 + number); /* not reached: it is neither blocked nor ignored */
}

int screen_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof info) != (ssize_t)sizeof info)
		return 0;
	switch (info.ssi_signo) {
	case SIGTSTP:
		leave(s);
		raise(SIGSTOP);
		enter(s);
		return 0;
	case SIGWINCH:
	case SIGCONT:
		measure(s);
		return 0;
	default:
		return (int)info.ssi_signo;
	}
}

bool screen_read(struct screen *s)
{
	ssize_t n = read(STDIN_FILENO, s->typed + s->n_typed, sizeof s->typed - s->n_typed);

	if (n > 0)
		s->n_typed += (size_t)n;
	return n > 0 || (n < 0 && errno == EINTR);
}

static void drop(struct screen *s, size_t n)
{
	s->n_typed -= n;
	memmove(s->typed, s->typed + n, s->n_typed);
}

/* A sequence that no row knows goes whole: up to its last letter. */
static size_t unknown_sequence(const struct screen *s)
{
	size_t n = 1;

	if (n < s->n_typed && (s->typed[n] == '[' || s->typed[n] == 'O'))
		n++;
	while (n < s->n_typed && (s->typed[n] < '@' || s->typed[n] > '~'))
		n++;
	return n < s->n_typed ? n + 1 : n;
}

enum key screen_key(struct screen *s, char *c)
{
	static const struct {
		const char *bytes;
		enum key key;
	} rows[] = { { "\033[A", KEY_UP },       { "\033OA", KEY_UP },
		     { "\033[B", KEY_DOWN },     { "\033OB", KEY_DOWN },
		     { "\033[5~", KEY_PAGE_UP }, { "\033[6~", KEY_PAGE_DOWN },
		     { "\033[H", KEY_HOME },     { "\033OH", KEY_HOME },
		     { "\033[F", KEY_END },      { "\033OF", KEY_END } };

	while (s->n_typed) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			size_t n = strlen(rows[i].bytes);

			if (n <= s->n_typed && !memcmp(s->typed, rows[i].bytes, n)) {
				drop(s, n);
				return rows[i].key;
			}
		}
		*c = *s->typed;
		drop(s, *c == '\033' ? unknown_sequence(s) : 1);
		if (*c != '\033')
			return KEY_CHAR;
	}
	return KEY_NONE;
}

/* Line by line over what is there, so that nothing flickers. */
void screen_draw(const struct screen *s, const char *text)
{
	auto_free char *buf = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&buf, &size);

	if (!out)
		return;
	fputs("\033[H", out);
	for (size_t row = 0; row < s->rows && *text; row++) {
		size_t n = strcspn(text, "\n");

		fprintf(out, "%s%.*s\033[K", row ? "\r\n" : "", (int)n, text);
		text += n + (text[n] ? 1 : 0);
	}
	fputs("\033[J", out);
	if (!fclose(out))
		put(buf, size);
}

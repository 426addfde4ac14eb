/* SPDX-License-Identifier: Apache-2.0 */
/* sink_file.c - event lines into a file: each once, no line torn, opened anew when it is removed or
 * renamed, rotated by size. Also into a descriptor that was given (stdout). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sink.h"
#include "warder/own.h"

static int use_fd(struct sink *s, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st)) {
		close(fd);
		return err_set(e, errno, "look at %s", s->name);
	}
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->regular = S_ISREG(st.st_mode);
	return 0;
}

/* Not blocking: a fifo without a reader is an error, not a wait for ever. */
static int open_path(struct sink *s, struct err *e)
{
	int fd = open(s->config.path,
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	if (fd < 0)
		return err_set(e, errno, "open the event file %s", s->config.path);
	fcntl(fd, F_SETFL, O_APPEND);
	return use_fd(s, fd, e);
}

static int open_fd(struct sink *s, int from, struct err *e)
{
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? err_set(e, errno, "duplicate the descriptor for events") : use_fd(s, fd, e);
}

static void close_file(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int open_file(struct sink *s, bool check, struct err *e)
{
	int r = s->config.path ? open_path(s, e) : open_fd(s, s->config.fd, e);

	if (check)
		close_file(s);
	return r;
}

/* Has somebody removed or renamed it? */
static bool is_gone(const struct sink *s)
{
	struct stat at_path, ours;

	if (!s->config.path || s->fd < 0 || fstat(s->fd, &ours))
		return s->config.path;
	return stat(s->config.path, &at_path) || at_path.st_dev != ours.st_dev ||
	       at_path.st_ino != ours.st_ino;
}

static int open_again(struct sink *s, struct err *e)
{
	int r = open_path(s, e);

	if (!r)
		sink_say(s, "was removed or renamed; it is opened anew");
	return r;
}

static size_t put_all(int fd, const char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static size_t put(int fd, const struct chunk *c)
{
	size_t done = put_all(fd, c->head, c->head_len);

	return done < c->head_len ? done : done + put_all(fd, c->text, c->used);
}

/* A torn line at the end is cut off: the end of the last one that is whole. */
static size_t whole(const struct chunk *c, size_t out)
{
	size_t end = 0;

	if (out < c->head_len)
		return 0;
	for (uint64_t i = 0; i < c->lines && c->head_len + c->line[i].end <= out; i++)
		end = c->line[i].end;
	return c->head_len + end;
}

static int shift(const char *path, uint64_t from, uint64_t to)
{
	char a[PATH_MAX], b[PATH_MAX];

	snprintf(a, sizeof a, from ? "%s.%llu" : "%s", path, (unsigned long long)from);
	snprintf(b, sizeof b, "%s.%llu", path, (unsigned long long)to);
	return rename(a, b) && errno != ENOENT ? -errno : 0;
}

/* FILE.4 -> FILE.5, ..., FILE -> FILE.1, and a new FILE. */
static int turn(struct sink *s, struct err *e)
{
	int r = 0;

	for (uint64_t i = s->config.keep; !r && i; i--)
		r = shift(s->config.path, i - 1, i);
	return r ? err_set(e, -r, "rotate %s", s->config.path) : open_path(s, e);
}

static int write_file(struct sink *s, const struct chunk *c, size_t *out, struct err *e)
{
	size_t all = c->head_len + c->used;
	struct stat st;
	int error;

	if (is_gone(s) && open_again(s, e))
		return -e->num;
	if (fstat(s->fd, &st))
		return err_set(e, errno, "look at %s", s->name);
	if (s->regular) {
		lseek(s->fd, 0, SEEK_END); /* one that was given may not append */
		sink_intend(s, c, st.st_dev, st.st_ino, (uint64_t)st.st_size);
	}
	*out = put(s->fd, c);
	error = errno;
	if (*out < all && s->regular) {
		*out = whole(c, *out);
		if (ftruncate(s->fd, st.st_size + (off_t)*out))
			return err_set(e, errno, "cut a torn line off");
	}
	if (*out < all)
		return err_set(e, error, "write");
	if (s->config.max_size && s->config.path && s->regular &&
	    (uint64_t)st.st_size + all >= s->config.max_size && turn(s, e))
		sink_say(s, "%s", e->msg);
	return 0;
}

static int rotate_file(struct sink *s, struct err *e)
{
	return s->config.path ? open_path(s, e) : 0;
}

/* The file may have been renamed since: it is looked for in its folder. */
static int find_file(const struct sink *s, const struct sink_state *st)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int fd = -1;

	snprintf(folder, sizeof folder, "%s", s->config.path);
	dir = opendir(dirname(folder));
	while (dir && fd < 0 && (entry = readdir(dir))) {
		struct stat at;

		if (entry->d_ino != st->ino)
			continue;
		fd = openat(dirfd(dir), entry->d_name,
			    O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
		if (fd >= 0 && (fstat(fd, &at) || at.st_dev != st->dev || at.st_ino != st->ino)) {
			close(fd);
			fd = -1;
		}
	}
	if (dir)
		closedir(dir);
	return fd;
}

/* One writer appends: what is behind the offset is that batch. */
static int recover_file(struct sink *s, const struct sink_state *st)
{
	auto_fd other = -1;
	struct stat at;
	int fd = s->fd;

	if (fstat(fd, &at))
		return 0;
	if (at.st_dev != st->dev || at.st_ino != st->ino) {
		other = s->config.path ? find_file(s, st) : -1;
		fd = other;
		if (fd < 0 || fstat(fd, &at)) /* gone, and so is what was in it */
			return 0;
	}
	if ((uint64_t)at.st_size >= st->offset + st->len)
		return 1;
	if ((uint64_t)at.st_size > st->offset && ftruncate(fd, (off_t)st->offset))
		sink_say(s, "a torn line cannot be cut off");
	return 0;
}

const struct sink_kind sink_file = { .word = "file",
				     .open = open_file,
				     .write = write_file,
				     .rotate = rotate_file,
				     .recover = recover_file,
				     .close = close_file };

static int open_stdout(struct sink *s, bool check, struct err *e)
{
	int r = open_fd(s, STDOUT_FILENO, e);

	if (check)
		close_file(s);
	return r;
}

const struct sink_kind sink_stdout = { .word = "stdout",
				       .open = open_stdout,
				       .write = write_file,
				       .recover = recover_file,
				       .close = close_file };

/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - see table.h. */
#include "table.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "warder/notify.h"
#include "warder/own.h"

static bool is_own(const struct table *t, int fd)
{
	for (int i = 0; i < t->n; i++)
		if (t->fds[i] == fd)
			return true;
	return fd <= STDERR_FILENO;
}

int table_add(struct table *t, int fd, struct err *e)
{
	if (fd < 0 || is_own(t, fd))
		return 0;
	if (t->n == TABLE_OWN)
		return err_set(e, EMFILE, "too many descriptors were given to warderd");
	t->fds[t->n++] = fd;
	return 0;
}

void table_remove(struct table *t, int fd)
{
	for (int i = 0; i < t->n; i++)
		if (t->fds[i] == fd)
			t->fds[i--] = t->fds[--t->n];
}

/* Calls fn for each open descriptor but the folder's own. */
static int each(int (*fn)(void *ctx, int fd, struct err *e), void *ctx, struct err *e)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set(e, errno, "open /proc/self/fd");
	while (!r && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
			r = fn(ctx, atoi(entry->d_name), e);
	closedir(dir);
	return r;
}

static int note_one(void *ctx, int fd, struct err *e)
{
	return table_add(ctx, fd, e);
}

int table_note(struct table *t, int except, struct err *e)
{
	int r = each(note_one, t, e);

	table_remove(t, except);
	return r;
}

struct tidy {
	const struct table *table;
	const struct arena *arena;
};

static bool is_session(const struct arena *a, int fd)
{
	uint32_t high = atomic_load(&a->high);

	for (uint32_t i = 0; i < high && i < ARENA_SESSIONS; i++)
		if (atomic_load(&a->blocks[i].state) == BLOCK_LIVE && a->blocks[i].listener == fd)
			return true;
	return false;
}

static int close_one(void *ctx, int fd, struct err *e)
{
	const struct tidy *t = ctx;

	(void)e;
	if (is_own(t->table, fd) || is_session(t->arena, fd))
		return 0;
	if (notify_is_listener(fd))
		log_say("a listener that was being handed over is closed: its container's calls "
			"fail with ENOSYS");
	close(fd);
	return 0;
}

int table_tidy(const struct table *t, const struct arena *a, struct err *e)
{
	struct tidy tidy = { t, a };

	return each(close_one, &tidy, e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - see target.h. One directory descriptor per task: once the task is gone its files say
 * ESRCH, even if the number is in use again. */
#include "target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "warder/own.h"

static int open_task(pid_t tid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof path, "/proc/%d", (int)tid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -(errno == ENOENT ? ESRCH : errno) : fd;
}

/* Whole lines only: half a number is worse than none. */
static int read_file(int dir, const char *name, char *buf, size_t size)
{
	auto_fd fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char *end;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, buf, size - 1);
	if (n <= 0)
		return n ? -errno : -ESRCH;
	buf[n] = 0;
	end = strrchr(buf, '\n');
	if (end)
		end[1] = 0;
	return 0;
}

/* The last word of the line "Key:\t..." in a status file, as a number; def where it is absent. */
static long status_number(const char *status, const char *key, int word, long def)
{
	const char *p = strstr(status, key);
	long value = def;
	char *end;

	if (!p)
		return def;
	p += strlen(key);
	for (int i = 0; word < 0 || i <= word; i++) {
		long v = strtol(p, &end, 10);

		if (end == p || memchr(p, '\n', (size_t)(end - p)))
			break;
		value = v;
		p = end;
	}
	return value;
}

struct stat_fields {
	char comm[16];
	pid_t ppid;
	uint64_t start_time;
};

/* pid (comm) state ppid ... field 22 is the start time; comm may hold anything, ')' included. */
static int read_stat(int dir, struct stat_fields *out)
{
	char buf[1024], *open, *close, *p;
	int r = read_file(dir, "stat", buf, sizeof buf);
	size_t n;

	if (r)
		return r;
	open = strchr(buf, '(');
	close = strrchr(buf, ')');
	if (!open || !close || close < open || strlen(close) < 4)
		return -EPROTO;
	n = (size_t)(close - open - 1);
	if (n >= sizeof out->comm)
		n = sizeof out->comm - 1;
	memcpy(out->comm, open + 1, n);
	out->comm[n] = 0;
	p = close + 4; /* ") S " */
	out->ppid = (pid_t)strtol(p, &p, 10);
	for (int field = 5; field < 22; field++) {
		p = strchr(p + 1, ' ');
		if (!p)
			return -EPROTO;
	}
	out->start_time = strtoull(p, NULL, 10);
	return 0;
}

static void read_parents(struct identity *id, pid_t parent, pid_t init)
{
	struct stat_fields st;

	id->n_parents = 0;
	while (id->pid != init && parent > 0 && id->n_parents < TARGET_PARENTS) {
		auto_fd dir = -1;

		id->parents[id->n_parents++] = parent;
		if (parent == init || parent == 1)
			return;
		dir = open_task(parent);
		if (dir < 0 || read_stat(dir, &st))
			return;
		parent = st.ppid;
	}
}

int target_identity(pid_t tid, pid_t init, struct identity *out)
{
	auto_fd dir = open_task(tid);
	char status[4096];
	struct stat_fields st;
	ssize_t n;
	int r;

	if (dir < 0)
		return dir;
	r = read_stat(dir, &st);
	if (!r)
		r = read_file(dir, "status", status, sizeof status);
	if (r)
		return r;
	out->tid = tid;
	out->pid = (pid_t)status_number(status, "\nTgid:", 0, tid);
	out->uid = (uid_t)status_number(status, "\nUid:", 1, -1);
	out->gid = (gid_t)status_number(status, "\nGid:", 1, -1);
	out->ns_pid = (pid_t)status_number(status, "\nNStgid:", -1, 0);
	out->ns_tid = (pid_t)status_number(status, "\nNSpid:", -1, 0);
	out->start_time = st.start_time;
	memcpy(out->comm, st.comm, sizeof out->comm);
	n = readlinkat(dir, "exe", out->exe, sizeof out->exe - 1);
	out->exe[n > 0 ? n : 0] = 0;
	read_parents(out, st.ppid, init);
	return 0;
}

pid_t target_tgid(pid_t tid)
{
	auto_fd dir = open_task(tid);
	char status[4096];
	int r;

	if (dir < 0)
		return dir;
	r = read_file(dir, "status", status, sizeof status);
	return r ? r : (pid_t)status_number(status, "\nTgid:", 0, -ESRCH);
}

int target_start_time(pid_t tid, uint64_t *out)
{
	auto_fd dir = open_task(tid);
	struct stat_fields st;
	int r = dir < 0 ? dir : read_stat(dir, &st);

	if (!r)
		*out = st.start_time;
	return r;
}

int target_threads(pid_t tgid, pid_t *out, int max)
{
	char path[40];
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof path, "/proc/%d/task", (int)tgid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (n < max && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			out[n++] = (pid_t)atoi(entry->d_name);
	closedir(dir);
	return n;
}

int target_root(pid_t tid, struct target_root *out)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/root", (int)tid);
	if (stat(path, &st))
		return -errno;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* uring.c - see uring.h. A task that ends while it is looked at holds nothing any more. */
#include "uring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "warder/own.h"

#define RING         "anon_inode:[io_uring]"
#define PF_IO_WORKER 0x00000010U
#define TEXT         4096
#define PARENTS_MAX  64

struct place { /* where the container is */
	pid_t init;
	dev_t dev;
	ino_t ns; /* 0: the host's own pid namespace tells nothing */
	char cgroup[TEXT];
};

static void auto_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define auto_dir __attribute__((cleanup(auto_closedir))) DIR *

static bool read_text(const char *path, char buf[TEXT])
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, TEXT - 1);

	buf[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* What follows "(comm) " in a stat file: "S ppid ...". */
static const char *read_stat(const char *path, char buf[TEXT], char comm[16])
{
	char *open, *close;

	if (!read_text(path, buf))
		return NULL;
	open = strchr(buf, '(');
	close = strrchr(buf, ')');
	if (!open || !close || close < open || close[1] != ' ')
		return NULL;
	if (comm)
		snprintf(comm, 16, "%.*s", (int)(close - open - 1), open + 1);
	return close + 2;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], buf[TEXT];
	const char *rest;
	int ppid;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	rest = read_stat(path, buf, NULL);
	return rest && sscanf(rest, "%*c %d", &ppid) == 1 ? ppid : 0;
}

static bool read_cgroup(pid_t pid, char buf[TEXT])
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	return read_text(path, buf);
}

static bool look_at_ns(pid_t pid, struct stat *st)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
	return !stat(path, st);
}

static int find_place(pid_t init, struct place *p, struct err *e)
{
	char ours[TEXT];
	struct stat theirs, own;

	*p = (struct place){ .init = init };
	if (!look_at_ns(init, &theirs))
		return err_set(e, errno == ENOENT ? ESRCH : errno, "look at the init %d",
			       (int)init);
	if (!look_at_ns(getpid(), &own))
		return err_set(e, errno, "look at our own pid namespace");
	if (theirs.st_ino != own.st_ino) {
		p->dev = theirs.st_dev;
		p->ns = theirs.st_ino;
	}
	if (read_cgroup(init, p->cgroup) && read_cgroup(getpid(), ours) && !strcmp(p->cgroup, ours))
		p->cgroup[0] = 0;
	return 0;
}

static bool descends(pid_t pid, pid_t init)
{
	for (int i = 0; i < PARENTS_MAX && pid > 1; i++, pid = parent_of(pid))
		if (pid == init)
			return true;
	return false;
}

static bool is_inside(const struct place *p, pid_t pid)
{
	char cgroup[TEXT];
	struct stat st;

	if (p->ns && look_at_ns(pid, &st) && st.st_dev == p->dev && st.st_ino == p->ns)
		return true;
	if (*p->cgroup && read_cgroup(pid, cgroup) && !strcmp(cgroup, p->cgroup))
		return true;
	return descends(pid, p->init);
}

static bool has_ring_fd(const char *thread)
{
	char path[128], link[64];
	struct dirent *entry;
	auto_dir dir = NULL;

	snprintf(path, sizeof path, "%s/fd", thread);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);

		if (n == sizeof RING - 1 && !memcmp(link, RING, (size_t)n))
			return true;
	}
	return false;
}

static bool has_ring_map(pid_t pid)
{
	char path[64], line[TEXT];
	auto_file f = NULL;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (strstr(line, " " RING))
			return true;
	return false;
}

/* The flags are the ninth field of stat. */
static bool is_kernels(const char *thread)
{
	char path[128], buf[TEXT];
	const char *rest;
	unsigned flags;

	snprintf(path, sizeof path, "%s/stat", thread);
	rest = read_stat(path, buf, NULL);
	return rest && sscanf(rest, "%*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       (flags & PF_IO_WORKER);
}

static bool holds_ring(pid_t pid)
{
	char path[64], thread[80];
	struct dirent *entry;
	auto_dir dir = NULL;

	if (has_ring_map(pid))
		return true;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		int tid = atoi(entry->d_name);

		snprintf(thread, sizeof thread, "%s/%d", path, tid);
		if (tid > 0 && (has_ring_fd(thread) || is_kernels(thread)))
			return true;
	}
	return false;
}

static void put(pid_t pid, struct uring_task *out)
{
	char path[64], buf[TEXT];

	*out = (struct uring_task){ .pid = pid };
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	read_stat(path, buf, out->comm);
}

int uring_find(pid_t init, struct uring_task *out, int max, int *n, struct err *e)
{
	auto_dir dir = opendir("/proc");
	struct dirent *entry;
	struct place p;
	int r, found = 0;

	if (!dir)
		return err_set(e, errno, "open /proc");
	r = find_place(init, &p, e);
	while (!r && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		if (pid <= 0 || !is_inside(&p, pid) || !holds_ring(pid))
			continue;
		if (found < max)
			put(pid, &out[found]);
		found++;
	}
	if (!r)
		*n = found;
	return r;
}

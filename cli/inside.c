/* SPDX-License-Identifier: Apache-2.0 */
/* inside.c - see inside.h. */
#include "inside.h"

#include <dirent.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../supervisor/isolate.h"
#include "warder/names.h"
#include "warder/own.h"

#define MEMBERS 16

struct member {
	enum proc proc;
	int pid, parent;
	uint64_t inheritable, permitted, effective, bounding, ambient;
	unsigned no_new_privs, seccomp, filters;
	char name[32]; /* "scribe (pid 12)" */
};

struct crew {
	int n;
	struct member members[MEMBERS];
};

static void add(struct probe_result *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void add(struct probe_result *out, const char *fmt, ...)
{
	size_t used = strlen(out->text);
	va_list ap;

	va_start(ap, fmt);
	if (used)
		used += (size_t)snprintf(out->text + used, sizeof out->text - used, "; ");
	if (used < sizeof out->text)
		vsnprintf(out->text + used, sizeof out->text - used, fmt, ap);
	va_end(ap);
}

/* --- who --- */

#define ACCEPTS 0x10000U /* __SO_ACCEPTCON: connections that it has taken have its path too */

/* Num RefCount Protocol Flags Type St Inode Path */
static unsigned long socket_inode(const char *path)
{
	auto_file f = fopen("/proc/net/unix", "re");
	char line[512], its_path[256];
	unsigned long inode, found = 0;
	unsigned flags;

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %lu %255[^\n]", &flags, &inode,
			   its_path) == 3 &&
		    flags & ACCEPTS && !strcmp(its_path, path))
			found = inode;
	return found;
}

/* Calls fn with the inode of each socket that pid holds, until it says true. */
static bool any_socket(int pid, bool (*fn)(void *ctx, unsigned long inode), void *ctx)
{
	char path[64], link[64];
	struct dirent *entry;
	unsigned long inode;
	bool found = false;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
		link[n > 0 ? n : 0] = 0;
		found = sscanf(link, "socket:[%lu]", &inode) == 1 && fn(ctx, inode);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool is_it(void *ctx, unsigned long inode)
{
	return inode == *(unsigned long *)ctx;
}

static bool proc_of(const char *comm, enum proc *out)
{
	for (unsigned p = 0; p < PROC_COUNT; p++)
		if (!strncmp(comm, isolate_comm((enum proc)p), 15)) { /* the kernel cuts it */
			*out = (enum proc)p;
			if (p != PROC_KEEPER || !strcmp(comm, isolate_comm(PROC_KEEPER)))
				return true;
		}
	return false;
}

static bool read_status(int pid, struct member *m)
{
	char path[64], line[256], comm[64] = "";
	auto_file f = NULL;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	f = fopen(path, "re");
	memset(m, 0, sizeof *m);
	m->pid = pid;
	while (f && fgets(line, sizeof line, f)) {
		sscanf(line, "Name:\t%63[^\n]", comm);
		sscanf(line, "PPid:\t%d", &m->parent);
		sscanf(line, "CapInh:\t%lx", &m->inheritable);
		sscanf(line, "CapPrm:\t%lx", &m->permitted);
		sscanf(line, "CapEff:\t%lx", &m->effective);
		sscanf(line, "CapBnd:\t%lx", &m->bounding);
		sscanf(line, "CapAmb:\t%lx", &m->ambient);
		sscanf(line, "NoNewPrivs:\t%u", &m->no_new_privs);
		sscanf(line, "Seccomp:\t%u", &m->seccomp);
		sscanf(line, "Seccomp_filters:\t%u", &m->filters);
	}
	if (!proc_of(comm, &m->proc))
		return false;
	snprintf(m->name, sizeof m->name, "%s (pid %d)", isolate_name(m->proc), pid);
	return true;
}

static bool has(const struct crew *c, int pid)
{
	for (int i = 0; i < c->n; i++)
		if (c->members[i].pid == pid)
			return true;
	return false;
}

/* One pass over /proc. inode: the keeper that holds this socket; 0: children of who is in the crew.
 */
static void gather(struct crew *c, unsigned long inode)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	struct member m;

	while (dir && c->n < MEMBERS && (entry = readdir(dir))) {
		int pid = atoi(entry->d_name);

		if (pid <= 0 || has(c, pid) || !read_status(pid, &m))
			continue;
		if (inode ? m.proc == PROC_KEEPER && any_socket(pid, is_it, &inode)
			  : m.proc != PROC_KEEPER && has(c, m.parent))
			c->members[c->n++] = m;
	}
	if (dir)
		closedir(dir);
}

static bool find(const char *path, struct crew *c, struct probe_result *out)
{
	unsigned long inode = socket_inode(path);

	c->n = 0;
	out->ok = true;
	out->text[0] = 0;
	if (inode)
		gather(c, inode);
	for (int before = 0; c->n > before;) { /* children, and theirs */
		before = c->n;
		gather(c, 0);
	}
	if (!c->n)
		add(out,
		    inode ? "its processes cannot be seen by this user" : "no warderd to look at");
	return c->n;
}

/* --- what they have --- */

static void cap_names(uint64_t caps, char *buf, size_t size)
{
	size_t used = 0;

	snprintf(buf, size, "none");
	for (int cap = 0; cap < 64 && used < size; cap++)
		if (caps & 1ULL << cap) {
			const char *name = names_cap_name(cap);

			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? " " : "",
						 name ? name : "?");
		}
}

/* What it has and should not: 0, or the bits. */
static uint64_t excess(const struct member *m)
{
	return (m->permitted & ~isolate_permitted(m->proc)) |
	       (m->effective & ~isolate_effective(m->proc)) | m->inheritable | m->ambient;
}

void inside_caps(struct probe_result *out, const void *arg)
{
	struct crew c;
	char names[128];

	if (!find(arg, &c, out))
		return;
	for (int i = 0; i < c.n; i++) {
		const struct member *m = &c.members[i];

		if (!excess(m))
			continue;
		out->ok = false;
		cap_names(excess(m), names, sizeof names);
		add(out, "%s has %s", m->name, names);
	}
	for (int i = 0; i < c.n; i++)
		if (c.members[i].bounding) {
			out->ok = false;
			add(out, "%s has a bounding set", c.members[i].name);
		}
	for (int i = 0; out->ok && i < c.n; i++) {
		cap_names(c.members[i].effective, names, sizeof names);
		add(out, "%s %s", c.members[i].name, names);
	}
}

void inside_privs(struct probe_result *out, const void *arg)
{
	struct crew c;

	if (!find(arg, &c, out))
		return;
	for (int i = 0; i < c.n; i++)
		if (!c.members[i].no_new_privs) {
			out->ok = false;
			add(out, "%s without", c.members[i].name);
		}
	if (out->ok)
		add(out, "set in %d processes", c.n);
}

/* A child has its parents' too. */
static unsigned filters_due(enum proc p)
{
	return p == PROC_KEEPER ? 1 : 1 + filters_due(isolate_parent(p));
}

void inside_filters(struct probe_result *out, const void *arg)
{
	struct crew c;

	if (!find(arg, &c, out))
		return;
	for (int i = 0; i < c.n; i++) {
		const struct member *m = &c.members[i];

		if (m->seccomp == SECCOMP_MODE_FILTER &&
		    (!m->filters || m->filters >= filters_due(m->proc)))
			continue;
		out->ok = false;
		add(out, "%s: mode %u, %u filters", m->name, m->seccomp, m->filters);
	}
	if (out->ok)
		add(out, "on in %d processes", c.n);
}

/* --- the network --- */

struct search {
	unsigned long inode;
	bool listens, found;
};

/* sl local remote st queues tr retrnsmt uid timeout inode */
static void search_table(const char *table, struct search *s)
{
	auto_file f = fopen(table, "re");
	char line[512];
	unsigned long inode;
	unsigned state;

	while (!s->found && f && fgets(line, sizeof line, f))
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s %*s %*s %lu", &state, &inode) == 2 &&
		    inode == s->inode) {
			s->found = true;
			s->listens = state == 10; /* TCP_LISTEN */
		}
}

struct sockets {
	int open, listening;
};

static bool count_socket(void *ctx, unsigned long inode)
{
	static const char *const tables[] = {
		"/proc/net/tcp",  "/proc/net/tcp6", "/proc/net/udp",
		"/proc/net/udp6", "/proc/net/raw",  "/proc/net/raw6"
	};
	struct sockets *n = ctx;
	struct search s = { .inode = inode };

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		search_table(tables[i], &s);
	n->open += s.found && !s.listens;
	n->listening += s.found && s.listens;
	return false;
}

/* Connections are the scribe's (metrics) and the courier's (webhook); a listening socket, which was
 * opened at the start, is in the table that keeper and worker share. */
void inside_network(struct probe_result *out, const void *arg)
{
	int listening = 0, open = 0;
	struct crew c;

	if (!find(arg, &c, out))
		return;
	for (int i = 0; i < c.n; i++) {
		const struct member *m = &c.members[i];
		struct sockets n = { 0 };

		any_socket(m->pid, count_socket, &n);
		if (n.open && m->proc != PROC_SCRIBE && m->proc != PROC_COURIER) {
			out->ok = false;
			add(out, "%s holds %d internet sockets", m->name, n.open);
		}
		listening |= n.listening;
		open += n.open;
	}
	if (out->ok && !listening && !open)
		add(out, "no internet sockets");
	else if (out->ok)
		add(out, "%d connections, %s", open,
		    listening ? "listening for metrics" : "not listening");
}

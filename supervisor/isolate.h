/* SPDX-License-Identifier: Apache-2.0 */
/* isolate.h - what each of warderd's processes may still do after its start.
 *
 * Theory of operation
 * ===================
 * A container feeds these processes: its calls, its names, its files below /proc, its JSON. One of
 * them may be talked into running an attacker's code. What that code could reach is cut down here,
 * by two tables (isolate.c): which capabilities, and which system calls with which arguments, each
 * with the process that needs it and why. Everything that is in neither table is lost.
 *
 *	isolate_prepare()  keeper, before it starts anybody: compiles one filter for each process,
 *			   installs the handler of SIGSYS. Children inherit both, so that a worker's
 *			   restart costs microseconds.
 *	isolate_enter()    each process, before it touches what came from a container: drops the
 *			   bounding, ambient and inheritable sets, sets securebits, no_new_privs and
 *			   not dumpable, keeps its own capabilities, then loads its filter.
 *
 * Filters add up: a child has its ancestors' too, and the strictest wins. So the filter of a
 * process lets through what its descendants need as well (the tables are read that way, nobody
 * writes it twice), and each descendant takes off what it does not need itself. The keeper's is the
 * loosest; nothing of a container ever reaches the keeper but numbers in the arena.
 *
 * What a call gets that is not allowed:
 *	- the forbidden ones (another program, other processes' memory, kernel modules, mounts,
 *	  identities, ...; in a worker also opening a file for writing): the process is killed
 *	  (SIGSYS), the keeper says so and starts another. No library makes these.
 *	- all others: ENOSYS, and one line on the log that names process and call. A newer C library
 *	  may try a call that is newer than these tables; it must not cost the node its supervisor.
 *
 * ioctl is allowed by number alone to who serves calls: it is made twice for each of them. What it
 * can do elsewhere is bounded otherwise: they have no controlling terminal, open only for reading,
 * and hold none of the capabilities that devices ask for.
 *
 * Should:
 *	- need as little as possible: open what can be opened before isolate_enter().
 *	- leave SIGSYS unblocked in every thread: blocked, a call that is merely unknown kills.
 *	- come with a row for each new call, in the group of its reason (see CONTRIBUTING.md).
 * Mustn't:
 *	- rest on uid 0 for anything: without capabilities it still owns root's files. That is why
 *	  workers cannot open for writing, and the scribe can only below the folders of its files
 *	  (Landlock, where the kernel has it).
 *	- make isolation an option. Sanitizer builds have more rows, not another way.
 *	- fork a process that needs more than its parent: filters are never taken off. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "warder/bpf.h"
#include "warder/err.h"

const char *isolate_name(enum proc p);
const char *isolate_comm(enum proc p);
enum proc isolate_parent(enum proc p); /* the keeper's is itself */

/* One capability and who has it. */
struct isolate_cap {
	int cap;
	unsigned who; /* bits of enum proc */
	const char *why;
};
extern const struct isolate_cap isolate_cap_rows[]; /* the last has a NULL why */

/* The i-th system call that the tables name; NULL after the last. */
const char *isolate_call(size_t i);

/* Bits of capabilities: those in effect, and those it holds for itself and its children. */
uint64_t isolate_effective(enum proc p);
uint64_t isolate_permitted(enum proc p);

struct isolate_opts {
	bool webhook; /* the configuration has one: a courier may open inet sockets */
};

/* The filter of one process; the caller's to free. A row that this libseccomp or architecture does
 * not know is left out, which only makes it stricter. */
int isolate_filter(enum proc p, const struct isolate_opts *o, struct bpf_prog *out, struct err *e);

/* Once, in the first process, before threads. */
int isolate_prepare(const struct isolate_opts *o, struct err *e);
/* From here on the calling process is p. writable: paths of the files it writes (the folders they
 * are in stay writable), ended by NULL; NULL: its filter lets it open none. Errors: the process
 * must not go on.
 */
int isolate_enter(enum proc p, const char *const *writable, struct err *e);

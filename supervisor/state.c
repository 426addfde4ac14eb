/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - see state.h. */
#include "state.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "session.h"
#include "warder/event.h"
#include "warder/names.h"
#include "warder/own.h"

static const char magic[8] = "WARDER\n";

/* Every member of what lies in the arena. */
#define FIELD(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)
static const uint64_t layout[] = {
	sizeof(struct arena),
	FIELD(arena, head),
	FIELD(arena, work),
	FIELD(arena, high),
	FIELD(arena, restarts),
	FIELD(arena, handovers),
	FIELD(arena, readers),
	FIELD(arena, lost),
	FIELD(arena, dirty),
	FIELD(arena, pids),
	FIELD(arena, pass),
	FIELD(arena, sums),
	FIELD(arena, marks),
	FIELD(arena, batch),
	FIELD(arena, totals_current),
	FIELD(arena, totals),
	FIELD(arena, asked),
	FIELD(arena, answered),
	FIELD(arena, requests),
	FIELD(arena, policies),
	FIELD(arena, blocks),
	sizeof(struct totals),
	FIELD(totals, number),
	FIELD(totals, sessions),
	FIELD(totals, word),
	sizeof(struct request),
	FIELD(request, state),
	FIELD(request, verb),
	FIELD(request, session),
	FIELD(request, flags),
	FIELD(request, arch),
	FIELD(request, nr),
	FIELD(request, errnum),
	FIELD(request, result),
	FIELD(request, mode),
	FIELD(request, asked_ns),
	FIELD(request, text),
	FIELD(request, message),
	FIELD(request, reply),
	sizeof(struct policy_text),
	FIELD(policy_text, used),
	FIELD(policy_text, generation),
	FIELD(policy_text, name),
	FIELD(policy_text, caps_known),
	FIELD(policy_text, notify_all),
	FIELD(policy_text, caps),
	FIELD(policy_text, len),
	FIELD(policy_text, text),
	sizeof(struct block),
	FIELD(block, state),
	FIELD(block, listener),
	FIELD(block, policy),
	FIELD(block, gate),
	FIELD(block, wiring),
	FIELD(block, policies),
	FIELD(block, init),
	FIELD(block, mode),
	FIELD(block, changes),
	FIELD(block, seen),
	FIELD(block, overrides),
	FIELD(override, call),
	FIELD(override, value),
	FIELD(block, starting),
	FIELD(block, has_start_root),
	FIELD(block, after_ns),
	FIELD(block, start_ns),
	FIELD(block, number),
	FIELD(block, books),
	FIELD(block, folds),
	FIELD(block, start_root),
	FIELD(block, id),
	FIELD(block, name),
	FIELD(block, pod),
	FIELD(block, namespace),
	FIELD(block, lane),
	sizeof(struct book),
	FIELD(book, pass),
	FIELD(book, cursor),
	FIELD(book, dropped),
	FIELD(book, announced),
	FIELD(book, ended),
	FIELD(book, window_ns),
	FIELD(book, period_ns),
	FIELD(book, tokens),
	FIELD(book, filled_ns),
	FIELD(book, n_same),
	FIELD(book, n_kinds),
	FIELD(book, bucket),
	sizeof(struct fold),
	FIELD(fold, key),
	FIELD(fold, count),
	FIELD(fold, seq),
	FIELD(fold, time_ns),
	FIELD(fold, latency_ns),
	sizeof(struct fold_key),
	FIELD(fold_key, args),
	FIELD(fold_key, arch),
	FIELD(fold_key, nr),
	FIELD(fold_key, verdict),
	FIELD(fold_key, who),
	FIELD(fold_key, tid),
	FIELD(fold_key, ident),
	FIELD(fold_key, done),
	FIELD(fold_key, mode),
	FIELD(fold_key, flags),
	sizeof(struct batch),
	FIELD(batch, pass),
	FIELD(batch, used),
	FIELD(batch, n),
	FIELD(batch, calls),
	FIELD(batch, line),
	FIELD(batch, text),
	sizeof(struct batch_line),
	FIELD(batch_line, end),
	FIELD(batch_line, calls),
	sizeof(struct sink_state),
	FIELD(sink_state, given),
	FIELD(sink_state, queued),
	FIELD(sink_state, lines),
	FIELD(sink_state, calls),
	FIELD(sink_state, out_lines),
	FIELD(sink_state, out_calls),
	FIELD(sink_state, lost_lines),
	FIELD(sink_state, lost_calls),
	FIELD(sink_state, said_lines),
	FIELD(sink_state, said_calls),
	FIELD(sink_state, intent),
	FIELD(sink_state, intent_lines),
	FIELD(sink_state, intent_calls),
	FIELD(sink_state, dev),
	FIELD(sink_state, ino),
	FIELD(sink_state, offset),
	FIELD(sink_state, len),
	FIELD(sink_state, head_lines),
	FIELD(sink_state, head_calls),
	sizeof(struct sink_mark),
	FIELD(sink_mark, key),
	FIELD(sink_mark, current),
	FIELD(sink_mark, half),
	sizeof(struct sums),
	FIELD(sums, latency),
	FIELD(sums, latency_ns),
	FIELD(sums, lines),
	FIELD(sums, folded),
	FIELD(sums, suppressed),
	FIELD(sums, dropped),
	sizeof(struct lane),
	FIELD(lane, slot),
	FIELD(lane, commit),
	FIELD(lane, current),
	FIELD(lane, tail),
	FIELD(lane, ring),
	sizeof(struct slot),
	FIELD(slot, state),
	FIELD(slot, done),
	FIELD(slot, flags),
	FIELD(slot, mode),
	FIELD(slot, ident),
	FIELD(slot, seq),
	FIELD(slot, time_ns),
	FIELD(slot, verdict),
	FIELD(slot, notif),
	sizeof(struct commit),
	FIELD(commit, word),
	FIELD(record, size),
	FIELD(record, type),
	sizeof(struct record_call),
	FIELD(record_call, head),
	FIELD(record_call, time_ns),
	FIELD(record_call, latency_ns),
	FIELD(record_call, seq),
	FIELD(record_call, data),
	FIELD(record_call, verdict),
	FIELD(record_call, tid),
	FIELD(record_call, ident),
	FIELD(record_call, done),
	FIELD(record_call, mode),
	FIELD(record_call, flags),
	sizeof(struct record_identity),
	FIELD(record_identity, head),
	FIELD(record_identity, ident),
	FIELD(record_identity, unused),
	FIELD(record_identity, identity),
	sizeof(struct identity),
	offsetof(struct identity, exe),
	sizeof(struct verdict),
	FIELD(verdict, act),
	FIELD(verdict, errnum),
	FIELD(verdict, why),
	FIELD(verdict, policy),
	ARENA_SESSIONS,
	ARENA_POLICIES,
	ARENA_REQUESTS,
	ARENA_SINKS,
	FOLD_SAME,
	FOLD_KINDS,
	LATENCY_BUCKETS,
	BLOCK_OVERRIDES,
	PROC_COUNT,
	SESSION_IDENTS,
	LANE_RING,
	LANE_N_WORDS,
	RECORD_CALL,
	RECORD_IDENTITY,
};
#undef FIELD

uint64_t state_layout(void)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a, eight bytes at a time */

	for (size_t i = 0; i < ARRAY_LEN(layout); i++)
		h = (h ^ layout[i]) * 0x100000001b3ULL;
	return h;
}

int state_new(struct arena **out, int *fd, struct err *e)
{
	int r = arena_create(out, fd, e);

	if (r)
		return r;
	(*out)->head = (struct arena_head){ .version = STATE_VERSION,
					    .layout = state_layout(),
					    .size = sizeof **out };
	memcpy((*out)->head.magic, magic, sizeof magic);
	return 0;
}

static int check_head(const struct arena_head *h, struct err *e)
{
	if (memcmp(h->magic, magic, sizeof magic) != 0)
		return err_set(e, EPROTO, "the state is not warderd's.");
	if (h->version != STATE_VERSION)
		return err_set(e, EPROTO, "the state is of version %u, this warderd's is %d.",
			       h->version, STATE_VERSION);
	if (h->layout != state_layout() || h->size != sizeof(struct arena))
		return err_set(e, EPROTO, "the state is laid out by another build of version %d.",
			       STATE_VERSION);
	return 0;
}

/* The head is at the same place in every version: it is read before the size is asked for. */
static int read_head(int fd, struct arena_head *h, struct err *e)
{
	ssize_t n = pread(fd, h, sizeof *h, 0);

	if (n < 0)
		return err_set(e, errno, "read the state");
	return n < (ssize_t)sizeof *h ? err_set(e, EPROTO, "the state is not warderd's.") : 0;
}

int state_attach(int fd, struct arena **out, struct err *e)
{
	struct arena_head head;
	struct arena *a;
	int r = read_head(fd, &head, e);

	if (!r)
		r = check_head(&head, e);
	if (!r)
		r = arena_map(fd, &a, e);
	if (r)
		return r;
	if (atomic_load(&a->high) > ARENA_SESSIONS) {
		arena_unmap(a);
		return err_set(e, EINVAL, "the state is damaged: more than %d sessions",
			       ARENA_SESSIONS);
	}
	*out = a;
	return 0;
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, 0, size);
}

static bool is_slot(const struct slot *s)
{
	return atomic_load(&s->state) <= SLOT_SENT && s->done < DONE_COUNT &&
	       s->mode < MODE_COUNT && s->ident < SESSION_IDENTS && s->verdict.act < ACT_COUNT;
}

static bool is_policy(const struct arena *a, uint32_t index)
{
	return index < ARENA_POLICIES && atomic_load(&a->policies[index].used);
}

int state_check_block(const struct arena *a, uint32_t index, struct err *e)
{
	const struct block *b = &a->blocks[index];
	uint32_t state = atomic_load(&b->state);
	bool used;

	if (state == BLOCK_FREE || state == BLOCK_GONE)
		return 0;
	used = is_policy(a, atomic_load(&b->policy)) && is_policy(a, b->gate);
	if (state > BLOCK_ENDED || !used || b->wiring > WIRING_NATIVE ||
	    atomic_load(&b->mode) >= MODE_COUNT || !is_text(b->id, sizeof b->id) ||
	    !is_text(b->name, sizeof b->name) || !is_text(b->pod, sizeof b->pod) ||
	    !is_text(b->namespace, sizeof b->namespace) || !is_slot(&b->lane.slot))
		return err_set(e, EINVAL, "the state of session %u is damaged", index);
	return 0;
}

static int check_policy(const struct policy_text *t, struct err *e)
{
	if (!atomic_load(&t->used))
		return 0;
	if (!is_text(t->name, sizeof t->name) || !policy_name_ok(t->name) ||
	    t->len >= sizeof t->text || t->text[t->len])
		return err_set(e, EINVAL, "the state of a policy is damaged");
	return 0;
}

int state_check(const struct arena *a, struct err *e)
{
	uint32_t high = atomic_load(&a->high);
	int r = 0;

	if (high > ARENA_SESSIONS)
		return err_set(e, EINVAL, "the state is damaged: more than %d sessions",
			       ARENA_SESSIONS);
	for (uint32_t i = 0; !r && i < ARENA_POLICIES; i++)
		r = check_policy(&a->policies[i], e);
	for (uint32_t i = 0; !r && i < high; i++)
		r = state_check_block(a, i, e);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - see pace.h. */
#include "pace.h"

void pace_init(struct pace *p)
{
	*p = (struct pace){
		.left = PACE_STRETCH,
		.sync = true,
		.steady = true,
		.interval = PACE_FIRST,
		.due = PACE_FIRST,
	};
}

static void next_stretch(struct pace *p, uint32_t calls, bool sync)
{
	p->left = calls;
	p->sync = sync;
	p->several = false;
}

/* Back to work, with what has turned out better. A change is looked at again soon. */
static void end_trial(struct pace *p, bool sync)
{
	if (sync != p->steady)
		p->interval = PACE_FIRST;
	else if (p->interval < PACE_MAX)
		p->interval *= 2;
	p->due = p->interval;
	p->steady = sync;
	p->chunks = 0;
	next_stretch(p, PACE_STRETCH, sync);
}

static void begin_trial(struct pace *p, uint64_t now)
{
	p->chunks = 1;
	p->ns[0] = p->ns[1] = 0;
	p->start_ns = now;
	next_stretch(p, PACE_CHUNK, p->steady);
}

/* A chunk each way is done: is the other way hopeless, so that going on only costs? */
static bool is_hopeless(const struct pace *p)
{
	return p->ns[!p->steady] * 2 > p->ns[p->steady] * 3;
}

static void end_chunk(struct pace *p, uint64_t now)
{
	uint64_t took = now - p->start_ns;
	bool pair = !(p->chunks & 1);

	p->ns[p->sync] += took;
	if (took > PACE_CHUNK * PACE_IDLE || !p->several) {
		end_trial(p, true);
	} else if (pair && is_hopeless(p)) {
		end_trial(p, p->steady);
	} else if (p->chunks == 2 * PACE_ROUNDS) {
		end_trial(p,
			  p->ns[!p->steady] * 10 < p->ns[p->steady] * 9 ? !p->steady : p->steady);
	} else {
		p->chunks++;
		p->start_ns = now;
		next_stretch(p, PACE_CHUNK, !p->sync);
	}
}

bool pace_turn(struct pace *p, uint64_t now)
{
	bool before = p->sync;

	if (p->chunks) {
		end_chunk(p, now);
	} else if (!p->several) {
		p->steady = true;
		next_stretch(p, PACE_STRETCH, true);
	} else if (--p->due) {
		next_stretch(p, PACE_STRETCH, p->steady);
	} else {
		begin_trial(p, now);
	}
	return p->sync != before;
}

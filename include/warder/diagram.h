/* SPDX-License-Identifier: Apache-2.0 */
/* diagram.h - functions of a call's six arguments, exact and canonical.
 *
 * A diagram (a multi-terminal binary decision diagram) maps every combination of six 64-bit
 * arguments to a value. It branches on one bit at a time, argument 0 first, high bits first, and
 * equal ones are shared: two diagrams of one pool are the same function if, and only if, they are
 * the same number. All comparisons that libseccomp has are small here, also ranges and masks, so
 * nothing has to be approximated: union, intersection, difference of what profiles allow are one
 * diagram_apply(), and equality is ==.
 *
 * A pool holds all diagrams of one question and is freed whole. It never gives a wrong answer: out
 * of memory or over its limit, every result from then on is DIAGRAM_NONE, and diagrams_check() says
 * so. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warder/bpf.h"
#include "warder/err.h"
#include "warder/names.h"
#include "warder/profile.h"

#define DIAGRAM_NONE  0U /* no diagram: the pool has failed */
#define DIAGRAM_NODES (1U << 20)

struct diagrams; /* a pool */

struct diagrams *diagrams_new(size_t max_nodes); /* NULL: ENOMEM */
void diagrams_free(struct diagrams *d);
/* 0, or ENOMEM, E2BIG ("too complex: unknown") once the pool has failed. */
int diagrams_check(const struct diagrams *d, struct err *e);

uint32_t diagram_const(struct diagrams *d, uint64_t value);
/* yes where the condition holds, no elsewhere; both may be any diagrams. */
uint32_t diagram_cond(struct diagrams *d, const struct cond *c, uint32_t yes, uint32_t no);
/* fn of the two values at every place. Results are remembered by fn, so fn must be pure. */
typedef uint64_t diagram_fn(uint64_t left, uint64_t right);
uint32_t diagram_apply(struct diagrams *d, diagram_fn *fn, uint32_t left, uint32_t right);
/* fn, which must not care about order or repetition, of all values that f has. */
uint64_t diagram_fold(struct diagrams *d, diagram_fn *fn, uint32_t f);
/* f where the condition, a MASKED_EQ, is known to hold: its bits are decided. */
uint32_t diagram_fix(struct diagrams *d, uint32_t f, const struct cond *c);
/* f as a 32-bit ABI can reach it: the upper half of every argument is 0. */
uint32_t diagram_narrow(struct diagrams *d, uint32_t f);

uint64_t diagram_at(const struct diagrams *d, uint32_t f, const uint64_t args[6]);
bool diagram_is_const(const struct diagrams *d, uint32_t f, uint64_t *value);
/* Arguments for which f has a value that is not 0; false: there are none. */
bool diagram_example(const struct diagrams *d, uint32_t f, uint64_t args[6]);

/* What a filter does with one system call: the values are diagram_value(). A filter that computes
 * with arguments in a way that is none of libseccomp's, or reads the instruction pointer, is
 * ENOTSUP, naming the instruction. */
int diagram_of_bpf(struct diagrams *d, const struct bpf_prog *p, uint32_t audit, int nr,
		   uint32_t *out, struct err *e);
uint64_t diagram_value(struct effect f);
struct effect diagram_effect(uint64_t value);

/* The places where f has one value, as conjunctions of comparisons on different arguments that do
 * not overlap: what a profile can say. fn gets each with its value, in a fixed order, values equal
 * to `skip` left out; false ends the walk. Returns false if fn did, or if they are too many. */
typedef bool diagram_region_fn(void *ctx, const struct conds *where, uint64_t value);
bool diagram_regions(struct diagrams *d, uint32_t f, uint64_t skip, diagram_region_fn *fn,
		     void *ctx);

#include <stdlib.h>

#include "collector/engine/engine_internal.h"

void runs_init(struct runs *r)
{
	*r = (struct runs){ .cap = 2 };
}

void runs_fini(struct runs *r)
{
	if (r->cap > 2)
		free(r->heap);
	runs_init(r);
}

void runs_reserve(struct runs *r, size_t n)
{
	INVARIANT(n <= RUNS_MAX);
	if (n <= r->cap)
		return;
	size_t cap = MIN(MAX(n, (size_t)r->cap * 2), (size_t)RUNS_MAX);
	struct run *wider = mem_new_array(cap, sizeof(*wider));
	memcpy(wider, runs_of(r), r->n * sizeof(*wider));
	if (r->cap > 2)
		free(r->heap);
	r->heap = wider;
	r->cap = (uint8_t)cap;
}

/* Room for `more` runs; the oldest are forgotten when there are too many. Returns how many were. */
static size_t runs_make_room(struct runs *r, size_t more)
{
	size_t over = r->n + more > RUNS_MAX ? r->n + more - RUNS_MAX : 0;
	if (over) {
		struct run *v = runs_at(r);
		memmove(v, v + over, (r->n - over) * sizeof(*v));
		r->n = (uint8_t)(r->n - over);
	}
	runs_reserve(r, r->n + more);
	return over;
}

static void runs_insert(struct runs *r, size_t at, struct run run)
{
	size_t over = runs_make_room(r, 1);
	if (at < over)
		return; /* it would be the oldest of too many */
	at -= over;
	struct run *v = runs_at(r);
	memmove(v + at + 1, v + at, (r->n - at) * sizeof(*v));
	v[at] = run;
	r->n++;
}

/* Interval between two observations of a run, taken to be even. */
static int64_t run_step(const struct run *run)
{
	return run->n > 1 ? MAX((run->last_us - run->first_us) / ((int64_t)run->n - 1), INT64_C(1))
			  : INT64_C(1);
}

uint32_t run_count_from(const struct run *run, int64_t from_us)
{
	if (from_us <= run->first_us)
		return run->n;
	if (from_us > run->last_us)
		return 0;
	int64_t step = run_step(run), before = (from_us - run->first_us + step - 1) / step;
	return before >= (int64_t)run->n ? 1 : run->n - (uint32_t)before;
}

/* Another value, seen inside a run: what was before and what came after it are two runs. */
static void runs_split(struct runs *r, size_t at, struct run mid)
{
	size_t over = runs_make_room(r, 2);
	if (over > at)
		return;
	at -= over;
	struct run *v = runs_at(r);
	struct run head = v[at], tail = v[at];
	int64_t step = run_step(&head);
	uint32_t after = run_count_from(&head, mid.first_us);
	after = MIN(MAX(after, 1U), (uint32_t)head.n - 1);
	head.n -= after;
	tail.n = after;
	tail.after_break = 0;
	head.last_us = head.first_us + (int64_t)(head.n - 1) * step;
	tail.first_us = after == 1 ? tail.last_us : MAX(head.first_us + (int64_t)head.n * step, mid.last_us);
	head.last_us = MIN(head.last_us, mid.first_us);
	memmove(v + at + 3, v + at + 1, (r->n - at - 1) * sizeof(*v));
	v[at] = head, v[at + 1] = mid, v[at + 2] = tail;
	r->n = (uint8_t)(r->n + 2);
}

static void runs_add_late(struct runs *r, struct run one)
{
	struct run *v = runs_at(r);
	int64_t at_us = one.first_us;
	size_t i = r->n;
	while (i > 0 && v[i - 1].first_us > at_us)
		i--; /* the run before i starts at or before it */
	struct run *before = i > 0 ? &v[i - 1] : NULL, *behind = i < r->n ? &v[i] : NULL;
	if (before && before->value == one.value) {
		before->last_us = MAX(before->last_us, at_us);
		before->n++;
	} else if (before && before->n > 1 && before->last_us > at_us) {
		runs_split(r, i - 1, one);
	} else if (behind && behind->value == one.value) {
		behind->first_us = at_us;
		behind->n++;
	} else {
		runs_insert(r, i, one);
	}
}

bool runs_add(struct runs *r, uint32_t value, int64_t at_us, bool after_break)
{
	struct run one = { at_us, at_us, value, 1, after_break };
	struct run *last = r->n ? &runs_at(r)[r->n - 1] : NULL;
	if (last && at_us < last->last_us) {
		if (r->n == RUNS_MAX && at_us < runs_of(r)[0].first_us)
			return false;
		one.after_break = 0;
		runs_add_late(r, one);
	} else if (last && last->value == value && !after_break) {
		last->last_us = at_us;
		last->n++;
	} else {
		runs_insert(r, r->n, one);
	}
	return true;
}

/* Timers: a binary heap. A timer is never moved when its moment does: it fires early, looks, and is pushed
 * again, so that an observation touches no heap. Equal moments fire in the order of kind, service and id, so
 * that replay is exact. */
#include "collector/engine/engine_internal.h"

/* The first time down that ended after base: they are in order, and mostly long over. */
static size_t downs_after(const struct engine *e, int64_t base_us)
{
	size_t i = e->n_downs;
	while (i > 0 && e->downs[i - 1].to_us > base_us)
		i--;
	return i;
}

int64_t engine_due(const struct engine *e, int64_t base_us, int64_t duration_us)
{
	int64_t due = base_us + duration_us;
	for (size_t i = downs_after(e, base_us); i < e->n_downs; i++)
		if (e->downs[i].from_us < due)
			due += e->downs[i].to_us - MAX(e->downs[i].from_us, base_us);
	return due;
}

int64_t engine_elapsed(const struct engine *e, int64_t from_us, int64_t to_us)
{
	int64_t elapsed = to_us - from_us;
	for (size_t i = downs_after(e, from_us); i < e->n_downs; i++) {
		int64_t from = MAX(e->downs[i].from_us, from_us), to = MIN(e->downs[i].to_us, to_us);
		elapsed -= MAX(to - from, INT64_C(0));
	}
	return elapsed;
}

static bool timer_before(const struct timer *a, const struct timer *b)
{
	if (a->due_us != b->due_us)
		return a->due_us < b->due_us;
	return a->what != b->what ? a->what < b->what : a->id < b->id;
}

void timer_push(struct engine *e, enum timer_kind kind, uint32_t service, uint32_t id, int64_t due_us)
{
	struct timer t = { due_us, (uint32_t)kind << 28 | service, id };
	e->heap = pool_room(e->heap, e->n_heap, &e->cap_heap, sizeof(*e->heap));
	size_t i = e->n_heap++;
	while (i > 0 && timer_before(&t, &e->heap[(i - 1) / 2])) {
		e->heap[i] = e->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	e->heap[i] = t;
}

static struct timer timer_pop(struct engine *e)
{
	struct timer top = e->heap[0], last = e->heap[--e->n_heap];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= e->n_heap)
			break;
		if (child + 1 < e->n_heap && timer_before(&e->heap[child + 1], &e->heap[child]))
			child++;
		if (!timer_before(&e->heap[child], &last))
			break;
		e->heap[i] = e->heap[child];
		i = child;
	}
	e->heap[i] = last;
	return top;
}

static void timer_fire(struct engine *e, struct timer t)
{
	uint32_t service = t.what & 0x0fffffff;
	struct service *s = e->services[service];
	if (s->removed)
		return;
	switch ((enum timer_kind)(t.what >> 28)) {
	case TIMER_CELL:
		cell_timer(e, service, t.id);
		break;
	case TIMER_SWEEP:
		if (s->sweep_due_us <= e->now_us)
			service_sweep(e, service, true);
		break;
	case TIMER_INCIDENT:
		incident_scan(e, service);
		break;
	case TIMER_LIVE:
		s->check_live = true;
		break;
	case TIMER_DEADLINE:
		s->check_verdict = true;
		break;
	}
	engine_settle(e, service);
}

void engine_advance_to(struct engine *e, int64_t now_us)
{
	while (e->n_heap && e->heap[0].due_us <= now_us) {
		struct timer t = timer_pop(e);
		e->now_us = MAX(e->now_us, t.due_us);
		timer_fire(e, t);
	}
	e->now_us = MAX(e->now_us, now_us);
}

/* After indexes or due times changed wholesale. */
void timers_rebuild(struct engine *e)
{
	e->n_heap = 0;
	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		if (s->removed)
			continue;
		for (uint32_t c = 0; c < s->n_cells; c++)
			if (s->cells[c].armed_us != INT64_MAX)
				timer_push(e, TIMER_CELL, i, c, s->cells[c].armed_us);
		for (size_t d = 0; d < s->n_deploys; d++)
			deploy_arm(e, i, s->deploys[d]);
		timer_push(e, TIMER_SWEEP, i, 0, s->sweep_due_us);
		if (s->incident_due_us != INT64_MAX)
			timer_push(e, TIMER_INCIDENT, i, 0, s->incident_due_us);
	}
}

void engine_down(struct engine *e, int64_t from_us, int64_t to_us)
{
	engine_advance_to(e, MIN(from_us, to_us));
	from_us = e->now_us; /* later, when time had already come further */
	if (to_us <= from_us)
		return;
	if (e->n_downs == DOWNS_MAX)
		memmove(e->downs, e->downs + 1, (--e->n_downs) * sizeof(*e->downs));
	e->downs[e->n_downs++] = (struct down){ from_us, to_us };
	for (size_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		for (size_t c = 0; c < s->n_cells; c++)
			if (s->cells[c].armed_us != INT64_MAX)
				s->cells[c].armed_us += to_us - from_us;
		s->sweep_due_us += to_us - from_us;
		if (s->incident_due_us != INT64_MAX)
			s->incident_due_us += to_us - from_us;
	}
	e->now_us = to_us;
	timers_rebuild(e);
}

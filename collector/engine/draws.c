/* Shares of versions over independent draws: an uncached answer is one, and so is each cached object, seen
 * however often. Two answers of one node whose copies were made within 2 s are the same object. */
#include <math.h>
#include <stdlib.h>

#include "collector/engine/engine_internal.h"

void draws_free(struct draws *d)
{
	if (d)
		free(d->v), free(d->nodes);
	free(d);
}

static struct node_objects *draws_node(struct draws *d, uint64_t node)
{
	for (size_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].node == node)
			return &d->nodes[i];
	size_t at = d->n_nodes;
	if (d->n_nodes < NODES_MAX) {
		d->nodes = mem_grow(d->nodes, &d->cap_nodes, ++d->n_nodes, sizeof(*d->nodes));
	} else {
		at = d->next_node;
		d->next_node = (d->next_node + 1) % NODES_MAX;
	}
	d->nodes[at] = (struct node_objects){ .node = node };
	for (size_t i = 0; i < OBJECTS_PER_NODE; i++)
		d->nodes[at].value[i] = NONE32;
	return &d->nodes[at];
}

/* Is this copy one of the last four of its node? Notes it when not. A copy of unknown age is one object per
 * version. */
static bool draws_same_object(struct draws *d, uint32_t value, uint64_t node, int64_t cached_at_us)
{
	struct node_objects *o = draws_node(d, node);
	for (size_t i = 0; i < OBJECTS_PER_NODE; i++) {
		int64_t was = o->cached_at_us[i];
		if (o->value[i] != value)
			continue;
		if (cached_at_us == was ||
			(cached_at_us != TIME_NONE && was != TIME_NONE &&
				cached_at_us - was <= SAME_OBJECT_US && was - cached_at_us <= SAME_OBJECT_US))
			return true;
	}
	o->cached_at_us[o->next] = cached_at_us;
	o->value[o->next] = value;
	o->next = (o->next + 1) % OBJECTS_PER_NODE;
	return false;
}

static void draws_put(struct draws *d, uint32_t value, int64_t at_us)
{
	if (d->n < DRAWS_MAX) {
		d->v = mem_grow(d->v, &d->cap, d->n + 1, sizeof(*d->v));
		d->v[d->n++] = (struct draw){ at_us, value };
		return;
	}
	d->v[d->next] = (struct draw){ at_us, value };
	d->next = (d->next + 1) % DRAWS_MAX;
}

void draws_add(
	struct cell *c, uint32_t value, int64_t at_us, bool through, uint64_t node, int64_t cached_at_us)
{
	struct draws *d = c->trouble ? c->trouble->draws : NULL;
	if (d && (through || !draws_same_object(d, value, node, cached_at_us)))
		draws_put(d, value, at_us);
}

/* Draws are kept from the moment a cell falls back or fails. What it served before, within the window, is at
 * least one draw a run. */
void draws_seed(struct cell *c, int64_t since_us)
{
	struct trouble *t = cell_trouble(c);
	if (t->draws)
		return;
	t->draws = mem_new(sizeof(*t->draws));
	for (size_t i = 0; i < c->runs.n; i++)
		if (runs_of(&c->runs)[i].last_us > since_us)
			draws_put(t->draws, runs_of(&c->runs)[i].value, runs_of(&c->runs)[i].last_us);
}

void wilson95(uint32_t k, uint32_t n, double *ret_low, double *ret_high)
{
	const double z = 1.959963984540054;
	if (n == 0) {
		*ret_low = 0, *ret_high = 1;
		return;
	}
	double p = (double)k / n, zz = z * z / n;
	double mid = (p + zz / 2) / (1 + zz), half = z / (1 + zz) * sqrt(p * (1 - p) / n + zz / (4 * n));
	*ret_low = k == 0 ? 0 : MAX(mid - half, 0.0);
	*ret_high = k == n ? 1 : MIN(mid + half, 1.0);
}

size_t draws_shares(
	const struct cell *c, int64_t since_us, struct share *ret, size_t cap, uint32_t *ret_total)
{
	const struct draws *d = c->trouble ? c->trouble->draws : NULL;
	size_t n = 0;
	uint32_t total = 0;
	for (size_t i = 0; d && i < d->n; i++) {
		size_t at = 0;
		if (d->v[i].at_us <= since_us)
			continue;
		while (at < n && ret[at].value != d->v[i].value)
			at++;
		if (at == cap)
			continue;
		if (at == n)
			ret[n++] = (struct share){ .value = d->v[i].value };
		ret[at].n++;
		total++;
	}
	for (size_t i = 0; i < n; i++) {
		ret[i].share = (double)ret[i].n / total;
		wilson95(ret[i].n, total, &ret[i].low, &ret[i].high);
	}
	*ret_total = total;
	return n;
}

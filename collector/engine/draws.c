/* Shares of versions over independent draws: an uncached answer is one, and so is each cached object, seen
 * however often. Two answers of one node whose copies were made within 2 s are the same object. */
#include <math.h>

#include "collector/engine/engine_internal.h"

static struct node_objects *draws_node(struct draws *d, uint64_t node)
{
	for (size_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].node == node)
			return &d->nodes[i];
	struct node_objects *o = &d->nodes[d->next_node];
	d->next_node = (d->next_node + 1) % NODES_MAX;
	d->n_nodes = MIN(d->n_nodes + 1, (uint32_t)NODES_MAX);
	*o = (struct node_objects){ .node = node };
	for (size_t i = 0; i < OBJECTS_PER_NODE; i++)
		o->value[i] = NONE32;
	return o;
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
	d->v[d->next] = (struct draw){ at_us, value };
	d->next = (d->next + 1) % DRAWS_MAX;
	d->n = MIN(d->n + 1, (uint32_t)DRAWS_MAX);
}

void draws_add(
	struct cell *c, uint32_t value, int64_t at_us, bool through, uint64_t node, int64_t cached_at_us)
{
	struct draws *d = c->trouble ? c->trouble->draws : NULL;
	if (d && (through || !draws_same_object(d, value, node, cached_at_us)))
		draws_put(d, value, at_us);
}

/* Draws are kept from the moment a cell's answers differ. What it served until then is at least one draw. */
void draws_seed(struct cell *c)
{
	struct trouble *t = cell_trouble(c);
	if (t->draws)
		return;
	t->draws = mem_new(sizeof(*t->draws));
	if (c->runs.n)
		draws_put(t->draws, runs_of(&c->runs)[c->runs.n - 1].value,
			runs_of(&c->runs)[c->runs.n - 1].last_us);
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

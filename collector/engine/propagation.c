/* Convergence times in a histogram that can be taken back: whole seconds up to 1024 s, then 128 bins an
 * octave. Earliest times are rounded down and latest ones up, so that both stay bounds. */
#include <stdlib.h>

#include "collector/engine/engine_internal.h"

#define LINEAR_BINS 1024
#define OCTAVE_BINS 128
#define BINS_MAX    HIST_BINS

const unsigned quantile_percent[QUANTILES] = { 50, 90, 95, 99, 100 };

/* First second of a bin. */
static int64_t bin_start_s(size_t bin)
{
	if (bin < LINEAR_BINS)
		return (int64_t)bin;
	size_t octave = (bin - LINEAR_BINS) / OCTAVE_BINS, step = (bin - LINEAR_BINS) % OCTAVE_BINS;
	return ((int64_t)LINEAR_BINS << octave) +
	       (int64_t)step * (((int64_t)LINEAR_BINS / OCTAVE_BINS) << octave);
}

size_t hist_bin(int64_t us, bool up)
{
	int64_t s = us <= 0 ? 0 : us / US_PER_S + (up && us % US_PER_S != 0);
	if (s < LINEAR_BINS)
		return (size_t)s;
	size_t octave = 0;
	while (octave < 23 && s >= (int64_t)LINEAR_BINS << (octave + 1))
		octave++;
	int64_t step = ((int64_t)LINEAR_BINS / OCTAVE_BINS) << octave;
	size_t bin =
		LINEAR_BINS + octave * OCTAVE_BINS + (size_t)((s - ((int64_t)LINEAR_BINS << octave)) / step);
	bin = MIN(bin, (size_t)BINS_MAX - 1);
	return up && bin_start_s(bin) < s ? MIN(bin + 1, (size_t)BINS_MAX - 1) : bin;
}

int64_t hist_time(size_t bin)
{
	return bin_start_s(bin) * US_PER_S;
}

void hist_add(struct hist *h, size_t bin, uint64_t weight)
{
	h->bins = mem_grow(h->bins, &h->n, bin + 1, sizeof(*h->bins));
	h->bins[bin] += weight;
}

void hist_take(struct hist *h, size_t bin, uint64_t weight)
{
	INVARIANT(bin < h->n && h->bins[bin] >= weight);
	h->bins[bin] -= weight;
}

void hist_fini(struct hist *h)
{
	free(h->bins);
	*h = (struct hist){ 0 };
}

static uint64_t curve_key(const void *pool, uint32_t i)
{
	const struct curve *c = (const struct curve *)pool + i;
	return key_of_pair(c->kind, c->name);
}

struct curve *curve_get(struct deploy *d, enum curve_kind kind, uint32_t name)
{
	uint32_t i = index_get(&d->ix_curves, key_of_pair(kind, name), d->curves, curve_key);
	if (i != NONE32)
		return &d->curves[i];
	d->curves = mem_grow(d->curves, &d->cap_curves, d->n_curves + 1, sizeof(*d->curves));
	struct curve *c = &d->curves[d->n_curves++];
	*c = (struct curve){ .kind = (uint8_t)kind, .name = name };
	index_put(&d->ix_curves, (uint32_t)d->n_curves - 1, d->curves, curve_key);
	return c;
}

void curves_clear(struct deploy *d)
{
	for (size_t i = 0; i < d->n_curves; i++)
		curve_fini(&d->curves[i]);
	d->n_curves = 0;
	index_clear(&d->ix_curves);
	(void)curve_get(d, CURVE_ALL, 0);
}

static int64_t hist_quantile(const struct hist *h, uint64_t total, unsigned percent)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < h->n && total; i++) {
		sum += h->bins[i];
		if (h->bins[i] && sum * 100 >= total * percent)
			return hist_time(i);
	}
	return TIME_NONE;
}

void curve_quantile(const struct curve *c, bool retired, size_t q, int64_t ret_us[2])
{
	ret_us[0] = retired ? c->t_us[q][0] : hist_quantile(&c->earliest, c->w_observed, quantile_percent[q]);
	ret_us[1] = retired ? c->t_us[q][1] : hist_quantile(&c->latest, c->w_observed, quantile_percent[q]);
}

void curve_fini(struct curve *c)
{
	hist_fini(&c->earliest), hist_fini(&c->latest);
}

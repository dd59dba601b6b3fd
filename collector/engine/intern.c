#include <stdlib.h>

#include "collector/engine/engine_internal.h"

#define POOL_LARGE (1024 * 1024)

static uint64_t mix64(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Eight bytes at a time: it is the one thing done for every word of every batch. It never leaves the process.
 */
static uint32_t hash32(struct str s)
{
	uint64_t h = s.n * UINT64_C(0x9e3779b97f4a7c15), word;
	for (; s.n >= sizeof(word); s = str_from(s, sizeof(word))) {
		memcpy(&word, s.p, sizeof(word));
		h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	word = 0;
	if (s.n)
		memcpy(&word, s.p, s.n);
	return (uint32_t)mix64(h ^ word);
}

void names_init(struct names *t)
{
	*t = (struct names){ 0 };
	t->v = mem_grow(NULL, &t->cap, 1, sizeof(*t->v));
	t->n = 1; /* the empty string */
}

void names_fini(struct names *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].p);
	free(t->v);
	free(t->slots);
	*t = (struct names){ 0 };
}

static uint32_t *names_slot(const struct names *t, struct str s, uint32_t hash)
{
	size_t mask = t->n_slots - 1;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		uint32_t id = t->slots[i];
		if (id == 0 || (t->v[id].hash == hash && str_eq(names_get(t, id), s)))
			return &t->slots[i];
	}
}

static void names_widen(struct names *t)
{
	free(t->slots);
	t->n_slots = t->n_slots ? t->n_slots * 2 : 64;
	t->slots = mem_new_array(t->n_slots, sizeof(*t->slots));
	for (uint32_t id = 1; id < t->n; id++)
		*names_slot(t, names_get(t, id), t->v[id].hash) = id;
}

uint32_t names_find(const struct names *t, struct str s)
{
	if (s.n == 0)
		return 0;
	if (t->n_slots == 0)
		return NONE32;
	uint32_t id = *names_slot(t, s, hash32(s));
	return id ? id : NONE32;
}

uint32_t names_put(struct names *t, struct str s)
{
	if (s.n == 0)
		return 0;
	if (t->n * 3 >= t->n_slots * 2)
		names_widen(t);
	uint32_t hash = hash32(s);
	uint32_t *slot = names_slot(t, s, hash);
	if (*slot)
		return *slot;
	t->v = mem_grow(t->v, &t->cap, t->n + 1, sizeof(*t->v));
	t->v[t->n] = (struct name){ str_dup(s), (uint32_t)s.n, hash };
	*slot = (uint32_t)t->n++;
	return *slot;
}

struct str names_get(const struct names *t, uint32_t id)
{
	INVARIANT(id < t->n);
	return (struct str){ t->v[id].p, t->v[id].n };
}

void index_clear(struct index *ix)
{
	if (ix->n_slots)
		memset(ix->slots, 0, ix->n_slots * sizeof(*ix->slots));
	ix->n = 0;
}

void index_fini(struct index *ix)
{
	free(ix->slots);
	*ix = (struct index){ 0 };
}

uint32_t index_get(const struct index *ix, uint64_t key, const void *pool, index_key key_of)
{
	if (ix->n_slots == 0)
		return NONE32;
	size_t mask = ix->n_slots - 1;
	for (size_t i = mix64(key) & mask; ix->slots[i]; i = (i + 1) & mask)
		if (key_of(pool, ix->slots[i] - 1) == key)
			return ix->slots[i] - 1;
	return NONE32;
}

static void index_place(struct index *ix, uint32_t i, uint64_t key)
{
	size_t mask = ix->n_slots - 1, at = mix64(key) & mask;
	while (ix->slots[at])
		at = (at + 1) & mask;
	ix->slots[at] = i + 1;
}

void index_put(struct index *ix, uint32_t i, const void *pool, index_key key_of)
{
	if ((ix->n + 1) * 16 > ix->n_slots * 13) {
		struct index wider = { .n_slots = ix->n_slots ? ix->n_slots * 2 : 16 };
		wider.slots = mem_new_array(wider.n_slots, sizeof(*wider.slots));
		for (size_t at = 0; at < ix->n_slots; at++)
			if (ix->slots[at])
				index_place(&wider, ix->slots[at] - 1, key_of(pool, ix->slots[at] - 1));
		wider.n = ix->n;
		index_fini(ix);
		*ix = wider;
	}
	index_place(ix, i, key_of(pool, i));
	ix->n++;
}

void *pool_room(void *pool, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return pool;
	/* large ones grow by less: where realloc moves pages and not bytes, that costs little */
	size_t wider = n + n / (n * size > POOL_LARGE ? 128 : 8) + 8;
	INVARIANT(wider <= SIZE_MAX / size && wider < NONE32);
	char *p = realloc(pool, wider * size);
	INVARIANT(p != NULL);
	memset(p + n * size, 0, (wider - n) * size);
	*cap = wider;
	return p;
}

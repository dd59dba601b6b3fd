#include "agent/schedule.h"

#include <stdlib.h>

/* Where an item stands with the buckets: the slot has not come; it has a token of its host's; it has one of
 * both. */
enum stage { STAGE_SLOT, STAGE_HOST, STAGE_BOTH };

struct entry {
	struct schedule_item item;
	int64_t slot_us; /* the slot it is for */
	int64_t at_us;   /* when to look at it next: the slot, or when its token comes */
	enum stage stage;
	bool held, running;
	uint32_t ticket; /* of the run under way */
	size_t host_at;
};

struct bucket { /* GCRA: the time at which the bucket would be full again */
	uint64_t host;
	int64_t full_at_us;
	size_t users;
};

struct schedule {
	struct schedule_limits limits;
	struct entry *entries; /* by key */
	size_t n;
	size_t *heap;         /* indexes into entries, earliest at_us first */
	struct bucket *hosts; /* by host */
	size_t n_hosts;
	struct bucket all;
	size_t inflight;
	uint32_t next_ticket;
	uint64_t held_back;
	int64_t blocked_us; /* when max_inflight last said no */
};

struct schedule *schedule_new(const struct schedule_limits *limits)
{
	struct schedule *s = mem_new(sizeof(*s));
	s->limits = *limits;
	s->blocked_us = INT64_MIN;
	s->all.full_at_us = INT64_MIN;
	return s;
}

void schedule_free(struct schedule *s)
{
	if (s == NULL)
		return;
	free(s->entries);
	free(s->heap);
	free(s->hosts);
	free(s);
}

uint64_t schedule_hash(const struct str *parts, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < parts[i].n; k++)
			h = (h ^ (unsigned char)parts[i].p[k]) * UINT64_C(0x100000001b3);
		h = (h ^ 0x1ff) * UINT64_C(0x100000001b3);
	}
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd); /* FNV leaves the upper bits of short names alike */
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

/* --- heap of entries by at_us --- */

static bool sooner(const struct schedule *s, size_t a, size_t b)
{
	const struct entry *x = &s->entries[s->heap[a]], *y = &s->entries[s->heap[b]];
	return x->at_us != y->at_us ? x->at_us < y->at_us : x->slot_us < y->slot_us;
}

static void heap_swap(struct schedule *s, size_t a, size_t b)
{
	size_t t = s->heap[a];
	s->heap[a] = s->heap[b];
	s->heap[b] = t;
}

static void heap_down(struct schedule *s, size_t i)
{
	for (;;) {
		size_t best = i, left = 2 * i + 1;
		if (left < s->n && sooner(s, left, best))
			best = left;
		if (left + 1 < s->n && sooner(s, left + 1, best))
			best = left + 1;
		if (best == i)
			return;
		heap_swap(s, i, best);
		i = best;
	}
}

/* --- slots --- */

static bool in_burst(const struct schedule_item *it, int64_t now_us)
{
	return it->burst_interval_us > 0 && it->burst_interval_us < it->interval_us &&
	       now_us < it->burst_until_us;
}

static int64_t interval_of(const struct schedule_item *it, int64_t now_us)
{
	return in_burst(it, now_us) ? it->burst_interval_us : it->interval_us;
}

/* The first slot later than now. */
static int64_t slot_after(const struct schedule_item *it, int64_t now_us)
{
	int64_t every = interval_of(it, now_us);
	int64_t phase = (int64_t)(it->key % (uint64_t)every);
	int64_t rest = (now_us - phase) % every;
	if (rest < 0)
		rest += every;
	return now_us - rest + every;
}

static void wait_for(struct entry *e, int64_t slot_us)
{
	e->slot_us = e->at_us = slot_us;
	e->stage = STAGE_SLOT;
	e->held = false;
}

/* --- the set --- */

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return (x->item.key > y->item.key) - (x->item.key < y->item.key);
}

static int by_host(const void *a, const void *b)
{
	const struct bucket *x = a, *y = b;
	return (x->host > y->host) - (x->host < y->host);
}

static struct entry *entry_find(struct entry *entries, size_t n, uint64_t key)
{
	struct entry want = { .item.key = key };
	return n ? bsearch(&want, entries, n, sizeof(want), by_key) : NULL;
}

static size_t entries_unique(struct entry *e, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || e[kept - 1].item.key != e[i].item.key)
			e[kept++] = e[i];
	return kept;
}

static void entry_start(struct entry *e, const struct entry *before, int64_t now_us)
{
	const struct schedule_item *it = &e->item;
	if (before == NULL) {
		int64_t spread = MIN(interval_of(it, now_us), SCHEDULE_FIRST_US);
		wait_for(e, now_us + (int64_t)(it->key % (uint64_t)spread));
		return;
	}
	struct schedule_item now_is = *it;
	*e = *before;
	e->item = now_is;
	int64_t next = slot_after(it, now_us);
	bool changed = interval_of(it, now_us) != interval_of(&before->item, now_us);
	if (e->slot_us > now_us && (changed || e->slot_us - now_us > it->interval_us))
		wait_for(e, next);
}

static void hosts_rebuild(struct schedule *s)
{
	struct bucket *old = s->hosts, *all = mem_new_array(s->n, sizeof(*all));
	size_t n_old = s->n_hosts, n = 0;
	for (size_t i = 0; i < s->n; i++)
		all[i] = (struct bucket){ .host = s->entries[i].item.host, .full_at_us = INT64_MIN };
	qsort(all, s->n, sizeof(*all), by_host);
	for (size_t i = 0; i < s->n; i++)
		if (n == 0 || all[n - 1].host != all[i].host)
			all[n++] = all[i];
	for (size_t i = 0; i < n; i++) {
		const struct bucket *was = n_old ? bsearch(&all[i], old, n_old, sizeof(*old), by_host) : NULL;
		if (was)
			all[i].full_at_us = was->full_at_us;
	}
	for (size_t i = 0; i < s->n; i++) {
		struct bucket want = { .host = s->entries[i].item.host };
		const struct bucket *b = bsearch(&want, all, n, sizeof(*all), by_host);
		s->entries[i].host_at = (size_t)(b - all);
	}
	free(old);
	s->hosts = all;
	s->n_hosts = n;
}

static void bucket_release(struct bucket *b, double rate, int64_t now_us)
{
	int64_t empty = rate > 0 ? (int64_t)((double)US_PER_S / rate) : 0;
	b->full_at_us = MIN(b->full_at_us, now_us + MAX(empty, US_PER_S));
}

/* Tokens promised for later go back, and whoever waits queues anew by its slot: what was promised under other
 * caps, or to items that have left, must not keep the others waiting. */
static void reservations_release(struct schedule *s, int64_t now_us)
{
	bucket_release(&s->all, s->limits.max_rate, now_us);
	for (size_t i = 0; i < s->n_hosts; i++)
		bucket_release(&s->hosts[i], s->limits.max_rate_per_host, now_us);
	for (size_t i = 0; i < s->n; i++) {
		s->entries[i].at_us = s->entries[i].slot_us;
		s->entries[i].stage = STAGE_SLOT;
	}
	for (size_t i = s->n / 2; i > 0; i--)
		heap_down(s, i - 1);
}

void schedule_set(struct schedule *s, const struct schedule_item *items, size_t n, int64_t now_us)
{
	struct entry *next = mem_new_array(n, sizeof(*next));
	for (size_t i = 0; i < n; i++) {
		INVARIANT(items[i].interval_us > 0 && items[i].burst_interval_us >= 0);
		next[i].item = items[i];
	}
	qsort(next, n, sizeof(*next), by_key);
	n = entries_unique(next, n);
	for (size_t i = 0; i < n; i++)
		entry_start(&next[i], entry_find(s->entries, s->n, next[i].item.key), now_us);
	free(s->entries);
	free(s->heap);
	s->entries = next;
	s->n = n;
	s->heap = mem_new_array(n, sizeof(*s->heap));
	for (size_t i = 0; i < n; i++)
		s->heap[i] = i;
	hosts_rebuild(s);
	reservations_release(s, now_us);
}

void schedule_set_limits(struct schedule *s, const struct schedule_limits *limits, int64_t now_us)
{
	s->limits = *limits;
	reservations_release(s, now_us);
}

/* --- caps --- */

/* Takes the next token; returns when it is there, now at the earliest. A bucket holds one second's worth, one
 * at least. */
static int64_t bucket_take(struct bucket *b, double rate, int64_t now_us)
{
	if (rate <= 0)
		return now_us;
	int64_t step = MAX((int64_t)((double)US_PER_S / rate), (int64_t)1);
	int64_t depth = MAX(US_PER_S - step, (int64_t)0);
	int64_t full = MAX(b->full_at_us, now_us);
	b->full_at_us = full + step;
	return MAX(full - depth, now_us);
}

/* Moves e through the stages its time has come for. True: it holds every token it needs. */
static bool tokens_ready(struct schedule *s, struct entry *e, int64_t now_us)
{
	if (e->stage == STAGE_SLOT) {
		e->at_us = bucket_take(&s->hosts[e->host_at], s->limits.max_rate_per_host, now_us);
		e->stage = STAGE_HOST;
		if (e->at_us > now_us) {
			e->held = true;
			return false;
		}
	}
	if (e->stage == STAGE_HOST) {
		e->at_us = bucket_take(&s->all, s->limits.max_rate, now_us);
		e->stage = STAGE_BOTH;
		if (e->at_us > now_us) {
			e->held = true;
			return false;
		}
	}
	return true;
}

static void run(struct schedule *s, struct entry *e, int64_t now_us, struct schedule_start *ret)
{
	int64_t every = interval_of(&e->item, now_us);
	bool held = e->held || s->blocked_us >= e->slot_us;
	if (held)
		s->held_back += 1 + (uint64_t)((now_us - e->slot_us) / every);
	s->inflight++;
	e->running = true;
	e->ticket = ++s->next_ticket;
	*ret = (struct schedule_start){
		.user = e->item.user,
		.ticket = (uint64_t)e->ticket << 32 | (uint64_t)(e - s->entries),
		.due_us = e->slot_us,
		.burst = in_burst(&e->item, now_us),
	};
	wait_for(e, slot_after(&e->item, now_us));
}

bool schedule_take(struct schedule *s, int64_t now_us, struct schedule_start *ret)
{
	while (s->n > 0) {
		struct entry *e = &s->entries[s->heap[0]];
		if (e->at_us > now_us)
			return false;
		if (e->running) { /* the probe before has not ended: the slot is lost */
			s->held_back++;
			wait_for(e, slot_after(&e->item, now_us));
			heap_down(s, 0);
			continue;
		}
		if (s->limits.max_inflight > 0 && s->inflight >= s->limits.max_inflight) {
			s->blocked_us = now_us;
			return false;
		}
		bool ready = tokens_ready(s, e, now_us);
		if (ready)
			run(s, e, now_us, ret);
		heap_down(s, 0);
		if (ready)
			return true;
	}
	return false;
}

void schedule_done(struct schedule *s, uint64_t ticket)
{
	uint32_t id = (uint32_t)(ticket >> 32);
	size_t hint = (size_t)(ticket & UINT32_MAX);
	INVARIANT(s->inflight > 0);
	s->inflight--;
	if (hint < s->n && s->entries[hint].running && s->entries[hint].ticket == id) {
		s->entries[hint].running = false;
		return;
	}
	for (size_t i = 0; i < s->n;
		i++) /* the set changed under it: rare, and never more than one set's length */
		if (s->entries[i].running && s->entries[i].ticket == id) {
			s->entries[i].running = false;
			return;
		}
}

int64_t schedule_next_us(const struct schedule *s, int64_t now_us)
{
	if (s->n == 0)
		return SCHEDULE_NEVER;
	const struct entry *e = &s->entries[s->heap[0]];
	bool full = s->limits.max_inflight > 0 && s->inflight >= s->limits.max_inflight;
	if (full && !e->running && e->at_us <= now_us)
		return SCHEDULE_NEVER; /* only an end helps */
	return MAX(e->at_us, now_us);
}

uint64_t schedule_held_back(const struct schedule *s)
{
	return s->held_back;
}

size_t schedule_inflight(const struct schedule *s)
{
	return s->inflight;
}

size_t schedule_count(const struct schedule *s)
{
	return s->n;
}

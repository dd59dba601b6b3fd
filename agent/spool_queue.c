/* spool_queue.c - see spool_queue.h */
#include "agent/spool_queue.h"

#include <stdlib.h>

#include "agent/spool_db.h"

#define ROOM_LEAST  64
#define TABLE_LEAST 64

/* ---- batches ---- */

struct queued *queued_new(const struct spool_batch *b)
{
	struct queued *e = mem_new(sizeof(*e) + b->body.n);
	e->b = *b;
	if (b->body.n)
		memcpy(e->bytes, b->body.p, b->body.n);
	e->b.body.p = e->bytes;
	return e;
}

static size_t bytes_of(const struct queued *e)
{
	return e->b.body.n + SPOOL_ROW_BYTES;
}

/* The same batches in an array with room at both ends and no empty slots. */
static void make_room(struct spool_queue *q)
{
	struct queue_slot *old = q->slots;
	size_t from = q->head, to = q->tail, room = q->n + ROOM_LEAST;
	q->cap = q->n + 2 * room;
	q->slots = mem_new_array(q->cap, sizeof(*q->slots));
	q->head = q->tail = room;
	for (size_t i = from; i < to; i++)
		if (old[i].e)
			q->slots[q->tail++] = old[i];
	free(old);
}

void spool_queue_push(struct spool_queue *q, struct queued *e)
{
	bool last = q->n == 0 || e->b.position > q->slots[q->tail - 1].position;
	INVARIANT(last || e->b.position < q->slots[q->head].position);
	if (last ? q->tail == q->cap : q->head == 0)
		make_room(q);
	q->slots[last ? q->tail++ : --q->head] = (struct queue_slot){ e->b.position, e };
	q->n++;
	q->bytes += bytes_of(e);
}

/* The slot of the first batch at or above position; tail: there is none. Empty slots keep their position. */
static size_t slot_at(const struct spool_queue *q, int64_t position)
{
	size_t low = q->head, high = q->tail;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (q->slots[mid].position < position)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct queued *take_slot(struct spool_queue *q, size_t i)
{
	struct queued *e = q->slots[i].e;
	q->slots[i].e = NULL;
	q->n--;
	q->bytes -= bytes_of(e);
	while (q->head < q->tail && q->slots[q->head].e == NULL)
		q->head++;
	while (q->head < q->tail && q->slots[q->tail - 1].e == NULL)
		q->tail--;
	if (q->tail - q->head > 2 * q->n + ROOM_LEAST) /* more empty than not: worth the walk */
		make_room(q);
	return e;
}

struct queued *spool_queue_pop(struct spool_queue *q)
{
	return q->n ? take_slot(q, q->head) : NULL;
}

struct queued *spool_queue_take(struct spool_queue *q, int64_t position)
{
	size_t i = slot_at(q, position);
	bool there = i < q->tail && q->slots[i].position == position && q->slots[i].e;
	return there ? take_slot(q, i) : NULL;
}

struct queued *spool_queue_next(const struct spool_queue *q, enum spool_way way, int64_t position)
{
	if (way == SPOOL_NEWER) {
		for (size_t i = position == INT64_MAX ? q->tail : slot_at(q, position + 1); i < q->tail; i++)
			if (q->slots[i].e)
				return q->slots[i].e;
		return NULL;
	}
	for (size_t i = slot_at(q, position); i > q->head; i--)
		if (q->slots[i - 1].e)
			return q->slots[i - 1].e;
	return NULL;
}

void spool_queue_fini(struct spool_queue *q)
{
	for (size_t i = q->head; i < q->tail; i++)
		free(q->slots[i].e);
	free(q->slots);
	*q = (struct spool_queue){ 0 };
}

/* ---- positions ---- */

/* Where it is in the table, or would be. */
static size_t place_of(const struct spool_drops *d, int64_t position)
{
	size_t i = (size_t)((uint64_t)position * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (d->n_table - 1);
	while (d->table[i] != 0 && d->table[i] != position)
		i = (i + 1) & (d->n_table - 1);
	return i;
}

static void table_make(struct spool_drops *d)
{
	free(d->table);
	d->n_table = TABLE_LEAST;
	while (d->n_table < 4 * d->n)
		d->n_table *= 2;
	d->table = mem_new_array(d->n_table, sizeof(*d->table));
	for (size_t i = 0; i < d->n; i++)
		d->table[place_of(d, d->at[i])] = d->at[i];
}

bool spool_drops_has(const struct spool_drops *d, int64_t position)
{
	return d->n > 0 && position != 0 && d->table[place_of(d, position)] == position;
}

bool spool_drops_add(struct spool_drops *d, int64_t position)
{
	INVARIANT(position > 0);
	if (spool_drops_has(d, position))
		return false;
	d->at = mem_grow(d->at, &d->cap, d->n + 1, sizeof(*d->at));
	d->at[d->n++] = position;
	if (2 * d->n > d->n_table)
		table_make(d);
	else
		d->table[place_of(d, position)] = position;
	return true;
}

void spool_drops_forget(struct spool_drops *d, size_t n)
{
	if (n == 0)
		return;
	INVARIANT(n <= d->n);
	d->n -= n;
	memmove(d->at, d->at + n, d->n * sizeof(*d->at));
	table_make(d);
}

void spool_drops_fini(struct spool_drops *d)
{
	free(d->at);
	free(d->table);
	*d = (struct spool_drops){ 0 };
}

#include "proto/arena.h"

#include <stdlib.h>

#define ARENA_ALIGN     16
#define ARENA_CHUNK_MIN (2 * 1024)

struct arena_chunk {
	_Alignas(ARENA_ALIGN) struct arena_chunk *next;
	size_t size, used; /* of data[] */
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

static void *pb_alloc(void *allocator_data, size_t size)
{
	return arena_alloc(allocator_data, size);
}

static void pb_free(void *allocator_data, void *pointer)
{
	(void)allocator_data, (void)pointer; /* all at once, by arena_reset() */
}

void arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena){ .cap = cap };
	a->pb = (ProtobufCAllocator){ .alloc = pb_alloc, .free = pb_free, .allocator_data = a };
}

static void chunks_free(struct arena_chunk *c)
{
	while (c) {
		struct arena_chunk *next = c->next;
		free(c);
		c = next;
	}
}

void arena_fini(struct arena *a)
{
	chunks_free(a->chunks);
	a->chunks = NULL;
}

void arena_reset(struct arena *a)
{
	if (a->chunks) { /* the newest is the largest */
		chunks_free(a->chunks->next);
		a->chunks->next = NULL;
		a->chunks->used = 0;
	}
	a->used = a->chunks ? sizeof(struct arena_chunk) : 0;
	a->exceeded = false;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t room = a->cap > a->used ? a->cap - a->used : 0;
	if (a->exceeded || n > room || (n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1)) > room) {
		a->exceeded = true;
		return NULL;
	}
	struct arena_chunk *c = a->chunks;
	if (c == NULL || n > c->size - c->used) {
		size_t size = MAX(n, c ? MIN(c->size * 2, (size_t)1024 * 1024) : (size_t)ARENA_CHUNK_MIN);
		if (sizeof(*c) + n > room) {
			a->exceeded = true;
			return NULL;
		}
		c = malloc(sizeof(*c) + size);
		INVARIANT(c != NULL);
		*c = (struct arena_chunk){ .next = a->chunks, .size = size };
		a->chunks = c;
		a->used += sizeof(*c);
	}
	void *p = c->data + c->used;
	c->used += n;
	a->used += n;
	a->high_water = MAX(a->high_water, a->used);
	return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	if (size && n > a->cap / size) {
		a->exceeded = true;
		return NULL;
	}
	void *p = arena_alloc(a, n * size);
	if (p)
		memset(p, 0, n * size);
	return p;
}

bool arena_copy(struct arena *a, struct str s, struct str *ret)
{
	char *p = s.n < a->cap ? arena_alloc(a, s.n + 1) : NULL;
	if (p == NULL)
		return a->exceeded = true, false;
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	*ret = (struct str){ p, s.n };
	return true;
}

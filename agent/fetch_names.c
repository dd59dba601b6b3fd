#include "agent/fetch_names.h"

#include <stdlib.h>

/* Those under way are few, and never forgotten; the rest may be, when there is no room. */
static struct name_entry *entry_of(struct fetch_names *n, uint64_t hash)
{
	struct name_entry *spare = NULL;
	hash |= 1; /* 0 is a free place */
	if (n->entries == NULL)
		n->entries = mem_new_array(FETCH_NAMES_MAX, sizeof(*n->entries));
	for (size_t i = 0; i < 64; i++) {
		struct name_entry *e = &n->entries[(hash + i) & (FETCH_NAMES_MAX - 1)];
		if (e->hash == hash)
			return e;
		if (spare == NULL && e->under_way == 0 && (e->hash == 0 || i == 63))
			spare = e;
		if (e->hash == 0)
			break;
	}
	for (size_t i = 0; spare == NULL; i++) { /* at most 32 of them are under way: found within 33 steps */
		struct name_entry *e = &n->entries[(hash + i) & (FETCH_NAMES_MAX - 1)];
		if (e->under_way == 0)
			spare = e;
	}
	*spare = (struct name_entry){ .hash = hash };
	return spare;
}

void names_fini(struct fetch_names *n)
{
	free(n->entries);
}

bool names_may(struct fetch_names *n, uint64_t hash, size_t most, int64_t now_us)
{
	const struct name_entry *e = entry_of(n, hash);
	size_t suspects = n->under_way[NAME_SUSPECT], unknown = n->under_way[NAME_UNKNOWN];
	if (n->all >= most || e->under_way >= FETCH_PER_NAME_MAX)
		return false;
	if (e->under_way > 0 && (e->state != NAME_GOOD || now_us - e->oldest_us > FETCH_HANGS_US))
		return false;
	if (e->state == NAME_GOOD)
		return true;
	return suspects + unknown < FETCH_DOUBTFUL_MAX &&
	       (e->state == NAME_SUSPECT ? suspects < FETCH_SUSPECTS_MAX : unknown < FETCH_UNKNOWN_MAX);
}

void names_begin(struct fetch_names *n, uint64_t hash, int64_t now_us)
{
	struct name_entry *e = entry_of(n, hash);
	if (e->under_way++ == 0)
		e->oldest_us = now_us;
	e->began_as[e->state]++;
	n->under_way[e->state]++;
	n->all++;
}

void names_end(struct fetch_names *n, uint64_t hash, bool good)
{
	struct name_entry *e = entry_of(n, hash);
	int as = e->began_as[e->state] ? e->state : e->began_as[0] ? 0 : e->began_as[1] ? 1 : 2;
	INVARIANT(e->under_way > 0 && e->began_as[as] > 0);
	e->began_as[as]--;
	n->under_way[as]--;
	e->under_way--;
	n->all--;
	e->state = good ? NAME_GOOD : NAME_SUSPECT;
}

void names_suspect(struct fetch_names *n, uint64_t hash)
{
	struct name_entry *e = entry_of(n, hash);
	for (int as = NAME_UNKNOWN; as < NAME_SUSPECT; as++) {
		n->under_way[as] -= e->began_as[as];
		n->under_way[NAME_SUSPECT] += e->began_as[as];
		e->began_as[NAME_SUSPECT] = (uint8_t)(e->began_as[NAME_SUSPECT] + e->began_as[as]);
		e->began_as[as] = 0;
	}
	e->state = NAME_SUSPECT;
}

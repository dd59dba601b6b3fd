/* fleet_watch.c - see fleet.h: Watches that wait for something to tell. */
#include <stdlib.h>

#include "collector/fleet_impl.h"

void *fleet_unpark(struct fleet *f, struct peer *p)
{
	void *msg = p->parked.msg;
	if (!msg)
		return NULL;
	*(p->older ? &p->older->newer : &f->oldest) = p->newer;
	*(p->newer ? &p->newer->older : &f->newest) = p->older;
	p->older = p->newer = NULL;
	p->parked.msg = NULL;
	f->n_parked--;
	return msg;
}

uint64_t fleet_pushes(struct fleet *f)
{
	pthread_mutex_lock(&f->lock);
	uint64_t n = f->pushes;
	pthread_mutex_unlock(&f->lock);
	return n;
}

enum fleet_parking fleet_park(struct fleet *f, const struct fleet_parked *parked, uint64_t pushes,
	void **ret_old, enum denial *ret_denial)
{
	enum fleet_parking how = PARKING_HELD;
	*ret_old = NULL;
	pthread_mutex_lock(&f->lock);
	struct peer *p = *fleet_peer_at(f, parked->pipe);
	if (!p) {
		how = PARKING_GONE;
	} else if (!p->agent || p->why_not != DENIAL_COUNT) {
		*ret_denial = p->why_not != DENIAL_COUNT ? p->why_not : DENIED_HELLO_FIRST;
		how = PARKING_DENIED;
	} else if (pushes != f->pushes) {
		how = PARKING_STALE;
	} else {
		*ret_old = fleet_unpark(f, p);
		p->parked = *parked;
		p->older = f->newest;
		*(f->newest ? &f->newest->newer : &f->oldest) = p;
		f->newest = p;
		f->n_parked++;
	}
	pthread_mutex_unlock(&f->lock);
	return how;
}

bool fleet_take_due(struct fleet *f, int64_t boot_us, struct fleet_parked *ret)
{
	bool due = false;
	pthread_mutex_lock(&f->lock);
	if (f->oldest && f->oldest->parked.deadline_boot_us <= boot_us) {
		*ret = f->oldest->parked;
		fleet_unpark(f, f->oldest);
		due = true;
	}
	pthread_mutex_unlock(&f->lock);
	return due;
}

size_t fleet_take_parked(struct fleet *f, struct fleet_parked **ret)
{
	size_t n = 0;
	pthread_mutex_lock(&f->lock);
	f->pushes++;
	*ret = mem_new_array(f->n_parked + 1, sizeof(**ret));
	while (f->oldest) {
		(*ret)[n++] = f->oldest->parked;
		fleet_unpark(f, f->oldest);
	}
	pthread_mutex_unlock(&f->lock);
	return n;
}

int64_t fleet_next_deadline(struct fleet *f)
{
	pthread_mutex_lock(&f->lock);
	int64_t at = f->oldest ? f->oldest->parked.deadline_boot_us : INT64_MAX;
	pthread_mutex_unlock(&f->lock);
	return at;
}

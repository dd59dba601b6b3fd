/* wait.c - ?wait=: requests parked until a change of their deploy, or until their time is over. A change
 * between the look at the verdict and the parking would be lost; so the look remembers the generation and
 * parking compares it. */
#include "collector/http/server.h"

void waits_init(struct waits *w, size_t n_max)
{
	*w = (struct waits){ .n_max = n_max };
	pthread_mutex_init(&w->lock, NULL);
}

void waits_fini(struct waits *w)
{
	INVARIANT(w->parked == NULL);
	pthread_mutex_destroy(&w->lock);
}

uint64_t waits_generation(struct waits *w)
{
	pthread_mutex_lock(&w->lock);
	uint64_t g = w->generation;
	pthread_mutex_unlock(&w->lock);
	return g;
}

enum park waits_park(struct waits *w, struct request *r, uint64_t generation)
{
	enum park rc = PARKED;
	pthread_mutex_lock(&w->lock);
	if (w->stopping) {
		rc = PARK_STOPPING;
	} else if (w->generation != generation) {
		rc = PARK_CHANGED;
	} else if (w->n >= w->n_max) {
		rc = PARK_FULL;
	} else {
		r->phase = REQUEST_WAITING;
		r->prev = NULL;
		r->next = w->parked;
		if (w->parked)
			w->parked->prev = r;
		w->parked = r;
		w->n++;
		request_suspend(r);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static void unpark(struct waits *w, struct request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		w->parked = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->next = r->prev = NULL;
	w->n--;
	request_resume(r);
}

void waits_changed(struct waits *w, const struct change *c, size_t n)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < n; i++) {
		if (c[i].kind != CHANGE_DEPLOY)
			continue;
		w->generation++;
		for (struct request *r = w->parked, *next; r; r = next) {
			next = r->next;
			if (c[i].id.n == 0 || str_eq(c[i].id, r->wait_id))
				unpark(w, r);
		}
	}
	pthread_mutex_unlock(&w->lock);
}

int64_t waits_expire(struct waits *w, int64_t now_us)
{
	int64_t due_us = INT64_MAX;
	pthread_mutex_lock(&w->lock);
	for (struct request *r = w->parked, *next; r; r = next) {
		next = r->next;
		if (r->wait_until_us <= now_us)
			unpark(w, r);
		else
			due_us = MIN(due_us, r->wait_until_us);
	}
	pthread_mutex_unlock(&w->lock);
	return due_us;
}

void waits_stop(struct waits *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	while (w->parked)
		unpark(w, w->parked);
	pthread_mutex_unlock(&w->lock);
}

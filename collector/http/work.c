/* work.c - threads for what may block: the journal waits for the disk, a history runs SQL. While a worker has
 * a request its connection is suspended, so nobody else touches it. Pools are apart, so that slow histories
 * never hold up a deploy. */
#include <stdlib.h>
#include <string.h>

#include "collector/http/server.h"

#define QUEUE_MAX 256

static struct request *pool_take(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->first == NULL && !p->stopping)
		pthread_cond_wait(&p->wake, &p->lock);
	struct request *r = p->first;
	if (r) {
		p->first = r->next;
		if (p->first == NULL)
			p->last = NULL;
		r->next = NULL;
		p->n_queued--;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	for (struct request *r; (r = pool_take(w->pool)) != NULL;) {
		r->route->handle(r, w);
		INVARIANT(r->status != 0);
		request_resume(r);
	}
	return NULL;
}

int pool_start(struct pool *p, struct http *http, size_t n_workers, struct err *err)
{
	*p = (struct pool){ .n_queued_max = QUEUE_MAX };
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->workers = mem_new_array(n_workers, sizeof(*p->workers));
	for (size_t i = 0; i < n_workers; i++) {
		struct worker *w = &p->workers[i];
		*w = (struct worker){ .http = http, .pool = p, .reader = entry_reader_new() };
		int rc = pthread_create(&w->thread, NULL, work, w);
		if (rc != 0) {
			entry_reader_free(w->reader);
			return err_set(err, ERR_IO, "no thread for HTTP workers: %s", strerror(rc));
		}
		p->n_workers++;
	}
	return 0;
}

void pool_stop(struct pool *p)
{
	if (p->workers == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->n_workers; i++)
		pthread_join(p->workers[i].thread, NULL);
}

void pool_fini(struct pool *p)
{
	if (p->workers == NULL)
		return;
	for (size_t i = 0; i < p->n_workers; i++) {
		entry_reader_free(p->workers[i].reader);
		store_close(p->workers[i].store);
	}
	free(p->workers);
	p->workers = NULL;
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
}

bool pool_submit(struct pool *p, struct request *r)
{
	pthread_mutex_lock(&p->lock);
	bool room = p->n_queued < p->n_queued_max && !p->stopping;
	if (room) {
		r->phase = REQUEST_WORKING;
		r->next = NULL;
		request_suspend(r); /* before a worker can see it and resume it */
		if (p->last)
			p->last->next = r;
		else
			p->first = r;
		p->last = r;
		p->n_queued++;
		pthread_cond_signal(&p->wake);
	} else {
		p->refused++;
	}
	pthread_mutex_unlock(&p->lock);
	return room;
}

int worker_store(struct worker *w, struct store **ret, struct err *err)
{
	if (w->store == NULL) {
		int rc = hub_open_store(w->http->hub, &w->store, err);
		if (rc < 0) {
			w->store = NULL;
			return rc;
		}
	}
	*ret = w->store;
	return 0;
}

void worker_drop_store(struct worker *w)
{
	store_close(w->store);
	w->store = NULL;
}

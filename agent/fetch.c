#include "agent/fetch.h"

#include <pthread.h>
#include <stdlib.h>

#include "agent/fetch_slot.h"
#include "agent/lookup.h"
#include "base/clock.h"

#define QUEUE_LOOK_US (100 * US_PER_MS) /* how often those that wait for a lookup are looked through */

struct waiting { /* for lookups to end */
	struct target *t;
	void *user;
	bool burst;
	int64_t began_us;
	struct waiting *next;
};

struct fetch {
	fetch_done_fn *done;
	fetch_found_fn *found;
	void *arg;
	struct fetch_env env;
	struct lookups *lookups;
	size_t look_ups; /* by fetch_look_up(), under way */
	struct slot *free, *all;
	size_t running;
	struct waiting *queue, **queue_end;
	size_t queued;
	struct {
		int64_t until_us; /* it counts until then */
		uint64_t name;
	} lingering[FETCH_LOOKUPS_MAX]; /* oldest first */
	size_t n_lingering;
	struct answer answer;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
	INVARIANT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* --- starts --- */

static int32_t time_left_ms(const struct target *t, int64_t began_us)
{
	return t->timeout_ms - (int32_t)MIN((loop_now_us() - began_us) / US_PER_MS, (int64_t)t->timeout_ms);
}

static void begin(struct fetch *f, struct target *t, void *user, bool burst, int64_t began_us)
{
	struct slot *s = f->free;
	if (s) {
		f->free = s->next_free;
	} else {
		s = slot_new(&f->env);
		s->next_all = f->all;
		f->all = s;
	}
	s->t = t;
	s->user = user;
	s->burst = burst;
	s->hops = 0;
	s->before = (struct obs_timing){ -1, -1, -1, -1, -1 };
	s->began_us = began_us;
	f->running++;
	slot_go(s, NULL, MAX(time_left_ms(t, began_us), 1));
}

static void release(struct fetch *f, struct slot *s)
{
	s->t = NULL;
	s->next_free = f->free;
	f->free = s;
	f->running--;
}

static void enqueue(struct fetch *f, struct target *t, void *user, bool burst, int64_t began_us)
{
	struct waiting *w = mem_new(sizeof(*w));
	*w = (struct waiting){ t, user, burst, began_us, NULL };
	*f->queue_end = w;
	f->queue_end = &w->next;
	f->queued++;
}

/* A fresh connection is sure to look its name up. Others may get by without: the slot finds out. */
static bool may_look_up(struct fetch *f, const struct target *t)
{
	return names_may(&f->env.names, t->lookup_hash, FETCH_LOOKUPS_MAX, loop_now_us());
}

static bool must_wait(struct fetch *f, const struct target *t)
{
	return t->named && t->fresh && !may_look_up(f, t);
}

void fetch_start(struct fetch *f, struct target *t, bool burst, void *user)
{
	(void)target_ref(t);
	if (must_wait(f, t))
		enqueue(f, t, user, burst, loop_now_us());
	else
		begin(f, t, user, burst, loop_now_us());
}

/* --- ends --- */

static void tell(struct fetch *f, struct target *t, void *user, const struct transfer *tr)
{
	answer_read(&f->answer, t, tr);
	f->done(f->arg, user, &f->answer);
	target_unref(t);
}

/* A lookup that was given up goes on in its thread: the C library cannot be stopped. It counts for as long as
 * it may last by resolv.conf's defaults, or a dead resolver would make threads without end. */
static void linger(struct fetch *f, struct slot *s)
{
	if (!s->looking_up || f->n_lingering == FETCH_LOOKUPS_MAX)
		return;
	f->lingering[f->n_lingering].until_us = loop_now_us() + FETCH_LOOKUP_LINGER_US;
	f->lingering[f->n_lingering++].name = s->t->lookup_hash;
	names_suspect(&f->env.names, s->t->lookup_hash);
	s->looking_up = false; /* no longer its own */
}

static void lingering_expire(struct fetch *f, int64_t now_us)
{
	size_t n = 0;
	while (n < f->n_lingering && f->lingering[n].until_us <= now_us)
		names_end(&f->env.names, f->lingering[n++].name, false);
	if (n == 0)
		return;
	f->n_lingering -= n;
	memmove(f->lingering, f->lingering + n, f->n_lingering * sizeof(f->lingering[0]));
}

static void finish(struct fetch *f, struct slot *s, CURLcode code)
{
	struct target *t = s->t;
	struct transfer tr;
	char *to = NULL;
	if (code == CURLE_OPERATION_TIMEDOUT)
		linger(f, s);
	slot_stop(s);
	if (s->postponed) {
		enqueue(f, t, s->user, s->burst, s->began_us);
		release(f, s);
		return;
	}
	if (code == CURLE_OK && time_left_ms(t, s->began_us) > 0 && (to = slot_redirect(s)) != NULL) {
		struct obs_timing so_far;
		slot_timing(s, &so_far);
		s->before = so_far;
		s->hops++;
		slot_go(s, to, time_left_ms(t, s->began_us));
		free(to);
		return;
	}
	slot_transfer(s, code, &tr);
	tell(f, t, s->user, &tr);
	release(f, s);
}

static bool drain(struct fetch *f)
{
	bool any = false;
	int left;
	for (CURLMsg *m; (m = curl_multi_info_read(f->env.loop.multi, &left)) != NULL;) {
		char *private = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private); /* checked by the cast */
		finish(f, OBJ_CAST(struct slot, private, SLOT_MAGIC), code);
		any = true;
	}
	return any;
}

static void wait_in_vain(struct fetch *f, const struct waiting *w)
{
	struct transfer tr = {
		.fail = FAIL_DNS,
		.why = "the name was not looked up in time: too many lookups hang",
		.observed_boot_us = clock_boot_us(),
		.observed_wall_us = clock_wall_us(),
		.timing = { -1, -1, -1, -1, (int32_t)MIN(loop_now_us() - w->began_us, (int64_t)INT32_MAX) },
		.body = { "", 0 },
		.burst = w->burst,
	};
	tell(f, w->t, w->user, &tr);
}

/* Starts who may, gives up on those whose time ran out. One look at each: who is put off again waits for the
 * next turn. */
static void queue_run(struct fetch *f)
{
	struct waiting *w = f->queue, *next;
	f->queue = NULL;
	f->queue_end = &f->queue;
	f->queued = 0;
	for (; w; w = next) {
		next = w->next;
		if (time_left_ms(w->t, w->began_us) == 0) {
			wait_in_vain(f, w);
		} else if (!may_look_up(f, w->t)) {
			enqueue(f, w->t, w->user, w->burst, w->began_us);
		} else {
			begin(f, w->t, w->user, w->burst, w->began_us);
			loop_kick(&f->env.loop); /* so that its lookup is counted before the next is judged */
		}
		free(w);
	}
}

void fetch_turn(struct fetch *f, int64_t wait_us)
{
	loop_kick(&f->env.loop);
	if (f->n_lingering > 0)
		lingering_expire(f, loop_now_us());
	if (f->queued > 0) {
		queue_run(f);
		wait_us = wait_us < 0 ? QUEUE_LOOK_US : MIN(wait_us, QUEUE_LOOK_US);
	}
	if (drain(f)) /* some ended as they began: whoever waits for them must not wait for a socket too */
		wait_us = 0;
	loop_wait(&f->env.loop, wait_us);
	(void)drain(f);
}

/* --- every address of a name --- */

bool fetch_look_up(struct fetch *f, const char *name)
{
	uint64_t hash = str_hash(str_of(name));
	if (f->look_ups >= FETCH_LOOK_UPS_MAX ||
		!names_may(&f->env.names, hash, FETCH_LOOKUPS_MAX, loop_now_us()) ||
		!lookups_start(f->lookups, name))
		return false;
	f->look_ups++;
	names_begin(&f->env.names, hash, loop_now_us());
	return true;
}

static void on_looked_up(void *arg)
{
	struct fetch *f = arg;
	struct addresses found;
	char *name;
	while (lookups_take(f->lookups, &name, &found)) {
		f->look_ups--;
		names_end(&f->env.names, str_hash(str_of(name)), found.n > 0);
		f->found(f->arg, str_of(name), &found);
		free(name);
	}
}

/* --- the rest --- */

size_t fetch_inflight(const struct fetch *f)
{
	return f->running + f->queued;
}

int fetch_watch(struct fetch *f, int fd, void (*ready)(void *arg), void *arg, struct err *err)
{
	return loop_watch(&f->env.loop, fd, ready, arg, err);
}

void fetch_set_policy(struct fetch *f, const struct netpolicy *policy)
{
	f->env.policy = policy;
	f->env.policy_number++;
	f->env.recheck = true;
}

int fetch_new(const struct fetch_conf *conf, struct fetch **ret, struct err *err)
{
	struct fetch *f;
	int rc;
	INVARIANT(pthread_once(&curl_once, curl_start) == 0);
	f = mem_new(sizeof(*f));
	f->done = conf->done;
	f->found = conf->found;
	f->arg = conf->arg;
	f->env.policy = conf->policy;
	f->env.ca_file = conf->ca_file;
	f->queue_end = &f->queue;
	rc = loop_init(&f->env.loop, err);
	if (rc == 0 && f->found)
		rc = lookups_new(&f->lookups, err);
	if (rc == 0 && f->found)
		rc = fetch_watch(f, lookups_fd(f->lookups), on_looked_up, f, err);
	if (rc < 0) {
		fetch_free(f);
		return rc;
	}
	(void)curl_multi_setopt(f->env.loop.multi, CURLMOPT_MAXCONNECTS, (long)FETCH_KEPT_MAX);
	*ret = f;
	return 0;
}

void fetch_free(struct fetch *f)
{
	if (f == NULL)
		return;
	for (struct slot *s = f->all, *next; s; s = next) {
		next = s->next_all;
		if (s->t)
			slot_stop(s);
		target_unref(s->t);
		slot_free(s);
	}
	for (struct waiting *w = f->queue, *next; w; w = next) {
		next = w->next;
		target_unref(w->t);
		free(w);
	}
	loop_fini(&f->env.loop);
	lookups_free(f->lookups);
	names_fini(&f->env.names);
	free(f);
}

/* hub_submit.c - see hub.h: entries and credentials from other threads, which wait until they are durable and
 * in force. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/name.h"
#include "collector/hub_impl.h"
#include "collector/token.h"

#define RECORD_WAIT_US (10 * US_PER_S)

/* One who waits and one who works; whoever leaves last frees it. */
struct waiting {
	struct work work;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
	int refs, rc;
	struct err err;
	char *texts; /* what work borrows */
};

static struct waiting *waiting_new(void)
{
	struct waiting *w = mem_new(sizeof(*w));
	pthread_condattr_t ca;
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	INVARIANT(pthread_mutex_init(&w->lock, NULL) == 0 && pthread_cond_init(&w->done, &ca) == 0);
	pthread_condattr_destroy(&ca);
	w->refs = 1;
	return w;
}

static void waiting_unref(struct waiting *w)
{
	pthread_mutex_lock(&w->lock);
	bool last = --w->refs == 0;
	pthread_mutex_unlock(&w->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->done);
	free(w->texts);
	free(w);
}

static void waiting_done(struct work *work, int rc, bool duplicate, const struct err *err)
{
	struct waiting *w = (struct waiting *)work;
	pthread_mutex_lock(&w->lock);
	w->is_done = true;
	w->rc = rc;
	if (err)
		w->err = *err;
	pthread_cond_signal(&w->done);
	pthread_mutex_unlock(&w->lock);
	waiting_unref(w);
}

/* Takes w. */
static int submit(struct hub *h, struct waiting *w, int64_t timeout_us, struct err *err)
{
	struct timespec until = clock_deadline(timeout_us);
	w->work.at_once = true;
	w->work.done = waiting_done;
	w->refs = 2;
	int rc = writer_push(h->writer, &w->work, err);
	if (rc < 0) {
		w->refs = 1;
		waiting_unref(w);
		return rc;
	}
	pthread_mutex_lock(&w->lock);
	while (!w->is_done && rc == 0)
		rc = pthread_cond_timedwait(&w->done, &w->lock, &until);
	bool is_done = w->is_done;
	pthread_mutex_unlock(&w->lock);
	if (!is_done && writer_cancel(h->writer, &w->work)) {
		waiting_unref(w);
		rc = err_set(err, ERR_TIMEOUT, "the journal did not get to it in time; nothing was written");
	} else if (!is_done) {
		rc = err_set(err, ERR_TIMEOUT, "the disk takes long; it may still be written");
	} else {
		rc = w->rc;
		if (rc < 0)
			(void)err_set(err, rc, "%s", w->err.text);
	}
	waiting_unref(w);
	return rc;
}

int hub_submit(struct hub *h, enum entry_kind kind, struct str service, struct str json, int64_t timeout_us,
	struct err *err)
{
	if (atomic_load(&h->draining))
		return err_set(err, ERR_BUSY, "the collector is stopping");
	struct waiting *w = waiting_new();
	w->texts = mem_new(service.n + json.n + 1);
	if (service.n > 0)
		memcpy(w->texts, service.p, service.n);
	if (json.n > 0)
		memcpy(w->texts + service.n, json.p, json.n);
	w->work.kind = WORK_ENTRY;
	w->work.checked = true;
	w->work.entry = (struct entry){
		.kind = kind, .service = { w->texts, service.n }, .bytes = { w->texts + service.n, json.n }
	};
	return submit(h, w, timeout_us, err);
}

/* -- agents' credentials -- */

/* Durable first, then in force. */
static int record_put(struct hub *h, const struct agent_record *r, struct err *err)
{
	struct waiting *w = waiting_new();
	void *parked;
	w->texts = mem_new(r->name.n + r->region.n + 1);
	memcpy(w->texts, r->name.p, r->name.n);
	if (r->region.n > 0)
		memcpy(w->texts + r->name.n, r->region.p, r->region.n);
	w->work.kind = WORK_RECORD;
	w->work.record = *r;
	w->work.record.name.p = w->texts;
	w->work.record.region.p = w->texts + r->name.n;
	int rc = submit(h, w, RECORD_WAIT_US, err);
	if (rc < 0)
		return rc;
	fleet_put(h->fleet, r, &parked);
	recv_deny(h->recv, parked, DENIED_REVOKED);
	hub_fleet_changed(h);
	hub_kick(h);
	return 0;
}

static int new_token(struct agent_record *r, char token[TOKEN_TEXT_MAX], struct err *err)
{
	return token_hash_text(str_of(token_new(token)), &r->token, err);
}

static int agent_enroll(
	struct hub *h, struct str name, struct str region, char token[TOKEN_TEXT_MAX], struct err *err)
{
	struct agent_record r = { 0 };
	struct fleet_counts counts;
	bool is_static = false;
	if (!name_is_fine(name))
		return err_set(err, ERR_SYNTAX, "an agent's name: want " NAME_RULE);
	if (region.n > 0 && !name_is_fine(region))
		return err_set(err, ERR_SYNTAX, "an agent's region: want " NAME_RULE);
	if (fleet_find(h->fleet, name, &r, &is_static) && !r.revoked)
		return err_set(err, ERR_EXISTS, "agent '%.*s' is enrolled already%s", STR_ARG(name),
			is_static ? ", by the configuration" : "; rotate gives it another token");
	fleet_counts(h->fleet, &counts);
	if (counts.enrolled >= AGENTS_MAX)
		return err_set(
			err, ERR_FULL, "%zu agents are enrolled, limit is %d", counts.enrolled, AGENTS_MAX);
	r = (struct agent_record){ .name = name, .region = region, .enrolled_at_us = clock_wall_us() };
	int rc = new_token(&r, token, err);
	return rc < 0 ? rc : record_put(h, &r, err);
}

static int find_enrolled(struct hub *h, struct str name, struct agent_record *ret, struct err *err)
{
	bool is_static;
	if (!fleet_find(h->fleet, name, ret, &is_static) || ret->revoked)
		return err_set(err, ERR_NOT_FOUND, "no agent '%.*s' is enrolled", STR_ARG(name));
	if (is_static)
		return err_set(err, ERR_DENIED, "agent '%.*s' is in the configuration: change it there",
			STR_ARG(name));
	return 0;
}

static int agent_rotate(struct hub *h, struct str name, char token[TOKEN_TEXT_MAX], struct err *err)
{
	struct agent_record r;
	int rc = find_enrolled(h, name, &r, err);
	if (rc < 0)
		return rc;
	r.token_old = r.token;
	r.has_old = true;
	rc = new_token(&r, token, err);
	return rc < 0 ? rc : record_put(h, &r, err);
}

static int agent_revoke(struct hub *h, struct str name, struct err *err)
{
	struct agent_record r;
	int rc = find_enrolled(h, name, &r, err);
	if (rc < 0)
		return rc;
	r.revoked = true;
	return record_put(h, &r, err);
}

/* One at a time: two that enroll one name at once would each be shown a token, and one of the two would not
 * be true. */
int hub_agent_enroll(
	struct hub *h, struct str name, struct str region, char token[TOKEN_TEXT_MAX], struct err *err)
{
	pthread_mutex_lock(&h->agents_lock);
	int rc = agent_enroll(h, name, region, token, err);
	pthread_mutex_unlock(&h->agents_lock);
	return rc;
}

int hub_agent_rotate(struct hub *h, struct str name, char token[TOKEN_TEXT_MAX], struct err *err)
{
	pthread_mutex_lock(&h->agents_lock);
	int rc = agent_rotate(h, name, token, err);
	pthread_mutex_unlock(&h->agents_lock);
	return rc;
}

int hub_agent_revoke(struct hub *h, struct str name, struct err *err)
{
	pthread_mutex_lock(&h->agents_lock);
	int rc = agent_revoke(h, name, err);
	pthread_mutex_unlock(&h->agents_lock);
	return rc;
}

#include "agent/prober.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/fetch.h"
#include "agent/file.h"
#include "agent/plan.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define REPLAN_US    (200 * US_PER_MS)
#define KEEP_NEW_US  US_PER_MIN        /* from a new address to the file */
#define KEEP_SEEN_US (10 * US_PER_MIN) /* from an answer of a known one */

/* What is taken from agent_conf. */
struct rules {
	struct netpolicy *policy;
	struct schedule_limits limits;
	char *user_agent;
};

struct prober {
	struct agent_shared *shared;
	char *agent;
	pthread_t thread;
	int wake; /* eventfd: stop or new rules */
	atomic_bool stop;
	pthread_mutex_t lock;
	struct rules *next_rules; /* under lock: not taken yet */

	/* the thread's own from here */
	struct rules *rules;
	struct fetch *fetch;
	struct schedule *schedule;
	struct plan *plan; /* the newest; NULL: no assignments yet */
	struct address_book *book;
	int64_t keep_us;    /* when the book is written to its file; INT64_MAX: there is nothing new */
	int64_t replan_us;  /* when what the names lead to is to be followed; INT64_MAX: it is */
	int64_t seal_at_us; /* of the oldest result not sealed; INT64_MAX: there is none */
	uint64_t next_number, held_told;
	struct buf evidence, sealed;

	struct {
		_Atomic uint64_t started, finished, failed, results, batches, held_back;
		_Atomic size_t inflight, endpoints, refused;
	} count;
};

/* --- rules --- */

static void rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	netpolicy_free(r->policy);
	free(r->user_agent);
	free(r);
}

static int rules_new(const struct agent_conf *conf, struct rules **ret, struct err *err)
{
	struct str *networks = mem_new_array(conf->n_allow_networks, sizeof(*networks));
	struct str *hosts = mem_new_array(conf->n_allow_hosts, sizeof(*hosts));
	struct rules *r = mem_new(sizeof(*r));
	int rc;
	for (size_t i = 0; i < conf->n_allow_networks; i++)
		networks[i] = str_of(conf->allow_networks[i]);
	for (size_t i = 0; i < conf->n_allow_hosts; i++)
		hosts[i] = str_of(conf->allow_hosts[i]);
	rc = netpolicy_new(networks, conf->n_allow_networks, hosts, conf->n_allow_hosts, &r->policy, err);
	for (size_t i = 0; rc == 0 && i < conf->n_connect_to; i++)
		rc = netpolicy_add_route(r->policy, str_of(conf->connect_to[i]), err);
	for (size_t i = 0; rc == 0 && i < conf->n_allow_env; i++)
		rc = netpolicy_add_env(r->policy, str_of(conf->allow_env[i]), err);
	if (rc == 0 && conf->probe_proxy)
		rc = netpolicy_set_proxy(
			r->policy, str_of(conf->probe_proxy), str_of(conf->probe_proxy_auth), err);
	r->limits = (struct schedule_limits){ conf->max_rate, conf->max_rate_per_host,
		(size_t)MAX(conf->max_inflight, 0) };
	r->user_agent = mem_strdup(conf->user_agent ? conf->user_agent : AGENT_USER_AGENT);
	free(networks);
	free(hosts);
	if (rc < 0) {
		rules_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

/* --- batches --- */

static void seal(struct prober *p, struct plan *plan, struct plan_service *s)
{
	struct batch b = *batch_builder_peek(s->builder);
	struct err err;
	uint32_t raw_size = 0;
	if (b.n_obs > 0) {
		b.boot_id = clock_boot_id();
		b.sealed_boot_us = clock_boot_us();
		b.sealed_wall_us = clock_wall_us();
		buf_clear(&p->sealed);
		int rc = batch_seal(&b, &p->sealed, &raw_size, &err);
		struct spool_batch out = {
			.epoch = p->shared->epoch,
			.number = p->next_number,
			.raw_size = raw_size,
			.n_results = (uint32_t)b.n_obs,
			.boot_id = b.boot_id,
			.sealed_boot_us = b.sealed_boot_us,
			.sealed_wall_us = b.sealed_wall_us,
			.body = buf_str(&p->sealed),
		};
		if (rc == 0)
			rc = spool_put(p->shared->spool, &out, &err);
		if (rc < 0) {
			log_error("batch_lost", "service=%s results=%zu err=\"%s\" these results are lost",
				s->name, b.n_obs, err.text);
		} else {
			p->next_number++; /* only now: numbers have no holes */
			atomic_fetch_add_explicit(&p->count.batches, 1, memory_order_relaxed);
			atomic_fetch_add_explicit(&p->count.results, b.n_obs, memory_order_relaxed);
		}
	}
	batch_builder_start(s->builder, str_of(s->name), plan->set->a.generation);
}

/* Seals what is due by now and notes when the next will be. */
static void seal_due(struct prober *p, int64_t now_us)
{
	if (now_us < p->seal_at_us)
		return;
	p->seal_at_us = INT64_MAX;
	for (struct plan *plan = p->plan; plan; plan = plan->older)
		for (size_t i = 0; i < plan->n_services; i++) {
			struct plan_service *s = &plan->services[i];
			if (s->builder == NULL || batch_builder_peek(s->builder)->n_obs == 0)
				continue;
			if (now_us - s->first_us >= PROBER_SEAL_US)
				seal(p, plan, s);
			else
				p->seal_at_us = MIN(p->seal_at_us, s->first_us + PROBER_SEAL_US);
		}
}

static bool strings_put(struct batch_builder *b, const struct plan_endpoint *e, const struct answer *a,
	struct str evidence, struct obs *o)
{
	bool full = false;
	o->endpoint = batch_builder_intern(b, str_of(e->id), OBS_NAME_MAX, &full);
	o->edge = batch_builder_intern(b, a->edge, OBS_NAME_MAX, &full);
	o->node = batch_builder_intern(b, a->node, OBS_NAME_MAX, &full);
	o->ip = batch_builder_intern(b, a->ip, OBS_NAME_MAX, &full);
	o->version = batch_builder_intern(b, a->version, OBS_VERSION_MAX, &full);
	o->etag = batch_builder_intern(b, a->etag, OBS_NAME_MAX, &full);
	o->evidence = batch_builder_intern(b, evidence, OBS_EVIDENCE_MAX, &full);
	return !full;
}

static void record(struct prober *p, struct plan_endpoint *e, const struct answer *a)
{
	struct plan_service *s = e->service;
	struct obs o = a->obs;
	struct str evidence = STR_NONE;
	int64_t now_us = clock_boot_us();
	if (s->builder == NULL) {
		s->builder = batch_builder_new();
		batch_builder_start(s->builder, str_of(s->name), e->plan->set->a.generation);
	}
	if (a->headers.n > 0 && evidence_due(&e->evidence, a->edge, a->version, o.status, now_us)) {
		evidence_write(&p->evidence, a->headers);
		evidence = buf_str(&p->evidence);
	}
	if (!strings_put(s->builder, e, a, evidence, &o)) {
		seal(p, e->plan, s);
		INVARIANT(strings_put(
			s->builder, e, a, evidence, &o)); /* one result fits an empty dictionary */
	}
	batch_builder_add(s->builder, &o);
	size_t n = batch_builder_peek(s->builder)->n_obs;
	if (n == 1) {
		s->first_us = now_us;
		p->seal_at_us = MIN(p->seal_at_us, now_us + PROBER_SEAL_US);
	}
	if (n == BATCH_OBS_MAX)
		seal(p, e->plan, s);
}

/* --- plans --- */

static void plans_sweep(struct prober *p)
{
	struct plan **at = p->plan ? &p->plan->older : NULL;
	while (at && *at) {
		struct plan *old = *at;
		if (old->inflight > 0) {
			at = &old->older;
			continue;
		}
		for (size_t i = 0; i < old->n_services; i++)
			if (old->services[i].builder)
				seal(p, old, &old->services[i]);
		*at = old->older;
		plan_free(old);
	}
}

struct refusals {
	struct shortfall shortfall;
	bool said; /* the same set once more: the log has them already */
};

static void on_refused(void *arg, struct str service, struct str endpoint, const struct err *why)
{
	struct refusals *r = arg;
	shortfall_add(&r->shortfall, service, endpoint, why->text);
	if (r->said)
		return;
	log_warn("endpoint_refused", "service=%.*s endpoint=%.*s err=\"%s\" it is not probed from here",
		STR_ARG(service), STR_ARG(endpoint), why->text);
}

static void plan_follow(struct prober *p, struct assign_set *set, bool told_before)
{
	struct refusals refusals = { .said = told_before };
	int64_t now_us = clock_boot_us();
	struct plan_rules rules = { .agent = p->agent,
		.user_agent = p->rules->user_agent,
		.policy = p->rules->policy,
		.book = p->book,
		.now_us = now_us,
		.refused = on_refused,
		.arg = &refusals };
	struct plan *plan = plan_new(set, &rules, p->plan);
	p->replan_us = INT64_MAX;
	shortfall_put(&p->shared->shortfall, &refusals.shortfall);
	plan->older = p->plan;
	p->plan = plan;
	address_book_begin(p->book);
	plan_want(plan, p->book);
	address_book_end(p->book, now_us);
	schedule_set(p->schedule, plan->items, plan->n_endpoints, now_us);
	plans_sweep(p);
	atomic_store(&p->count.endpoints, plan->n_endpoints);
	atomic_store(&p->count.refused, plan->refused);
	if (told_before)
		log_debug("addresses", "endpoints=%zu in all, each address counted", plan->n_endpoints);
	else
		log_info("assignments", "generation=%" PRIu64 " services=%zu endpoints=%zu refused=%zu",
			set->a.generation, plan->n_services, plan->n_endpoints, plan->refused);
}

/* --- what names lead to --- */

/* Not at once: where many names change together, one new plan does for all of them. */
static void replan_soon(struct prober *p, int64_t now_us)
{
	p->replan_us = MIN(p->replan_us, now_us + REPLAN_US);
}

static void on_found(void *arg, struct str name, const struct addresses *found)
{
	struct prober *p = arg;
	int64_t now_us = clock_boot_us();
	if (found->n == 0)
		log_debug("lookup_failed", "name=%.*s its addresses of before are probed on", STR_ARG(name));
	if (address_book_found(p->book, name, found, now_us))
		replan_soon(p, now_us);
}

static void look_up_due(struct prober *p, int64_t now_us)
{
	for (const char *name; (name = address_book_due(p->book, now_us)) != NULL;)
		if (!fetch_look_up(p->fetch, name)) {
			address_book_put_off(p->book, str_of(name), now_us + US_PER_S);
			return;
		}
}

/* Whoever answered for a name is remembered: DNS may name another edge tomorrow. */
static void learn(struct prober *p, const struct target *t, const struct answer *a)
{
	int64_t now_us = clock_boot_us();
	if (t->name == NULL || a->obs.status == 0)
		return;
	bool is_new = address_book_answered(p->book, str_of(t->name), a->ip, now_us);
	if (p->shared->addresses_path)
		p->keep_us = MIN(p->keep_us, now_us + (is_new ? KEEP_NEW_US : KEEP_SEEN_US));
	if (is_new && t->pin == NULL && p->plan->bursting)
		replan_soon(p, now_us);
}

/* A file that cannot be written costs a restart its memory, and nothing else. */
static void book_keep(struct prober *p, int64_t now_us)
{
	struct buf text;
	struct err err;
	p->keep_us = INT64_MAX;
	buf_init(&text, ADDRESSES_FILE_MAX);
	address_book_write(p->book, now_us, clock_wall_us(), &text);
	if (file_replace(p->shared->addresses_path, buf_str(&text), &err) < 0)
		log_warn("addresses_not_kept", "err=\"%s\"", err.text);
	buf_fini(&text);
}

static void book_load(struct prober *p)
{
	struct buf text;
	struct err err;
	buf_init(&text, ADDRESSES_FILE_MAX);
	int rc = file_read(p->shared->addresses_path, &text, &err);
	if (rc == 0)
		rc = address_book_read(p->book, buf_str(&text), clock_boot_us(), clock_wall_us(), &err);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		log_warn("addresses_lost", "file=%s err=\"%s\" they are learned anew",
			p->shared->addresses_path, err.text);
	buf_fini(&text);
}

static void on_assignments(void *arg)
{
	struct prober *p = arg;
	struct assign_set *set = assign_box_take(p->shared->assignments);
	if (set == NULL)
		return;
	plan_follow(p, set, false);
	assign_set_unref(set);
}

static void on_wake(void *arg)
{
	struct prober *p = arg;
	struct rules *next;
	uint64_t n;
	(void)!read(p->wake, &n, sizeof(n)); /* only to arm it again */
	(void)pthread_mutex_lock(&p->lock);
	next = p->next_rules;
	p->next_rules = NULL;
	(void)pthread_mutex_unlock(&p->lock);
	if (next == NULL)
		return;
	fetch_set_policy(p->fetch, next->policy);
	rules_free(p->rules);
	p->rules = next;
	schedule_set_limits(p->schedule, &next->limits, clock_boot_us());
	if (p->plan)
		plan_follow(p, p->plan->set, false);
}

/* --- the loop --- */

static void on_done(void *arg, void *user, const struct answer *a)
{
	struct prober *p = arg;
	struct plan_endpoint *e = OBJ_CAST(struct plan_endpoint, user, PLAN_ENDPOINT_MAGIC);
	INVARIANT(e->plan->inflight > 0);
	e->plan->inflight--;
	schedule_done(p->schedule, e->ticket);
	atomic_fetch_add_explicit(&p->count.finished, 1, memory_order_relaxed);
	if (a->obs.fail != FAIL_OK)
		atomic_fetch_add_explicit(&p->count.failed, 1, memory_order_relaxed);
	learn(p, e->target, a);
	record(p, e, a);
}

static void start_due(struct prober *p, int64_t now_us)
{
	struct schedule_start start;
	while (schedule_take(p->schedule, now_us, &start)) {
		struct plan_endpoint *e = OBJ_CAST(struct plan_endpoint, start.user, PLAN_ENDPOINT_MAGIC);
		e->ticket = start.ticket;
		e->plan->inflight++;
		atomic_fetch_add_explicit(&p->count.started, 1, memory_order_relaxed);
		fetch_start(p->fetch, e->target, start.burst, e);
	}
	uint64_t held = schedule_held_back(p->schedule);
	if (held != p->held_told) {
		atomic_fetch_add(&p->shared->held_back, held - p->held_told);
		atomic_store(&p->count.held_back, held);
		p->held_told = held;
	}
	atomic_store_explicit(&p->count.inflight, schedule_inflight(p->schedule), memory_order_relaxed);
}

static void *prober_thread(void *arg)
{
	struct prober *p = arg;
	while (!atomic_load(&p->stop)) {
		int64_t now_us = clock_boot_us();
		if (now_us >= p->replan_us)
			plan_follow(p, p->plan->set, true);
		look_up_due(p, now_us);
		start_due(p, now_us);
		seal_due(p, now_us);
		if (now_us >= p->keep_us)
			book_keep(p, now_us);
		if (p->plan && p->plan->older)
			plans_sweep(p);
		int64_t next = MIN(schedule_next_us(p->schedule, now_us), p->seal_at_us);
		next = MIN(next, MIN(p->replan_us, MIN(p->keep_us, address_book_next_us(p->book))));
		fetch_turn(p->fetch, next == INT64_MAX ? -1 : MAX(next - now_us, (int64_t)0));
	}
	for (struct plan *plan = p->plan; plan; plan = plan->older)
		for (size_t i = 0; i < plan->n_services; i++)
			if (plan->services[i].builder)
				seal(p, plan, &plan->services[i]);
	if (p->keep_us != INT64_MAX)
		book_keep(p, clock_boot_us());
	return NULL;
}

static void prober_free(struct prober *p)
{
	fetch_free(p->fetch);
	while (p->plan) {
		struct plan *older = p->plan->older;
		plan_free(p->plan);
		p->plan = older;
	}
	schedule_free(p->schedule);
	address_book_free(p->book);
	rules_free(p->rules);
	rules_free(p->next_rules);
	buf_fini(&p->evidence);
	buf_fini(&p->sealed);
	if (p->wake >= 0)
		(void)close(p->wake);
	(void)pthread_mutex_destroy(&p->lock);
	free(p->agent);
	free(p);
}

static int fetch_thread_start(struct prober *p, struct err *err)
{
	int rc = thread_start(prober_thread, p, &p->thread);
	return rc == 0 ? 0 : err_set(err, ERR_IO, "no thread to fetch with: %s", strerror(rc));
}

int prober_start(struct agent_shared *shared, struct prober **ret, struct err *err)
{
	struct prober *p = mem_new(sizeof(*p));
	int rc;
	p->shared = shared;
	p->agent = mem_strdup(shared->conf->name);
	p->seal_at_us = p->replan_us = p->keep_us = INT64_MAX;
	p->book = address_book_new();
	if (shared->addresses_path)
		book_load(p);
	p->next_number = 1;
	buf_init(&p->evidence, OBS_EVIDENCE_MAX);
	buf_init(&p->sealed, WIRE_MESSAGE_MAX);
	(void)pthread_mutex_init(&p->lock, NULL);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = p->wake < 0 ? err_set(err, ERR_IO, "no eventfd: %s", strerror(errno))
			 : rules_new(shared->conf, &p->rules, err);
	if (rc == 0) {
		struct fetch_conf conf = {
			.policy = p->rules->policy, .done = on_done, .found = on_found, .arg = p
		};
		p->schedule = schedule_new(&p->rules->limits);
		rc = fetch_new(&conf, &p->fetch, err);
	}
	if (rc == 0)
		rc = fetch_watch(p->fetch, p->wake, on_wake, p, err);
	if (rc == 0)
		rc = fetch_watch(p->fetch, assign_box_fd(shared->assignments), on_assignments, p, err);
	if (rc == 0)
		rc = fetch_thread_start(p, err);
	if (rc < 0) {
		prober_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

static void wake(struct prober *p)
{
	uint64_t one = 1;
	(void)!write(p->wake, &one, sizeof(one)); /* full means it is awake already */
}

int prober_reload(struct prober *p, const struct agent_conf *conf, struct err *err)
{
	struct rules *next, *old;
	int rc = rules_new(conf, &next, err);
	if (rc < 0)
		return rc;
	(void)pthread_mutex_lock(&p->lock);
	old = p->next_rules;
	p->next_rules = next;
	(void)pthread_mutex_unlock(&p->lock);
	rules_free(old);
	wake(p);
	return 0;
}

void prober_stop(struct prober *p)
{
	if (p == NULL)
		return;
	atomic_store(&p->stop, true);
	wake(p);
	(void)pthread_join(p->thread, NULL);
	prober_free(p);
}

void prober_stats(struct prober *p, struct prober_stats *ret)
{
	*ret = (struct prober_stats){
		.started = atomic_load(&p->count.started),
		.finished = atomic_load(&p->count.finished),
		.failed = atomic_load(&p->count.failed),
		.results = atomic_load(&p->count.results),
		.batches = atomic_load(&p->count.batches),
		.held_back = atomic_load(&p->count.held_back),
		.inflight = atomic_load(&p->count.inflight),
		.endpoints = atomic_load(&p->count.endpoints),
		.refused = atomic_load(&p->count.refused),
	};
}

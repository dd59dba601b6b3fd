/* hub.c - see hub.h and hub_run.h: holds the parts together, and the jobs thread.
 *
 *   jobs    answers parked Watches, decides on bursts, tells the journal about services whose agents changed
 */
#include <jansson.h>
#include <nng/nng.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/bursts.h"
#include "collector/hub_impl.h"

#define TICK_US   US_PER_S
#define FORGET_US (60 * US_PER_S) /* after a restart agents have this long to come back */

#define X(id, name) name,
static const char *const change_names[] = { CHANGES(X) };
#undef X

const char *change_kind_name(enum change_kind k)
{
	return k < CHANGE_COUNT ? change_names[k] : "unknown";
}

struct collector_conf *hub_conf(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	struct collector_conf *c = collector_conf_ref(h->conf);
	pthread_mutex_unlock(&h->lock);
	return c;
}

void hub_kick(struct hub *h)
{
	pthread_mutex_lock(&h->lock);
	h->kicked = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

/* -- what recv and the writer ask -- */

static void assign(
	void *ctx, const struct fleet_agent *a, struct assign_out *out, struct collector_conf **ret_conf)
{
	struct hub *h = ctx;
	pthread_mutex_lock(&h->lock);
	struct collector_conf *c = collector_conf_ref(h->conf);
	struct assign_burst *bursts = mem_new_array(c->n_services + 1, sizeof(*bursts));
	for (size_t i = 0; i < c->n_services; i++)
		bursts[i] = h->bursts[i].now;
	pthread_mutex_unlock(&h->lock);
	assign_out_init(out, c, bursts, clock_wall_us(), a->name, a->region);
	free(bursts);
	*ret_conf = c;
}

void hub_fleet_changed(void *ctx)
{
	struct hub *h = ctx;
	writer_wake(h->writer);
}

static void folded(void *ctx, enum entry_kind kind, struct str service)
{
	struct hub *h = ctx;
	(void)service; /* a patch does not always name it; looking at all is cheap */
	if (kind != ENTRY_DEPLOY && kind != ENTRY_DEPLOY_PATCH && kind != ENTRY_PURGE &&
		kind != ENTRY_PURGE_PATCH)
		return;
	pthread_mutex_lock(&h->lock);
	h->bursts_look = true;
	h->kicked = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

static void agent_work_done(struct work *w, int rc, bool duplicate, const struct err *err)
{
	if (rc < 0)
		log_error("agent_not_told", "err=\"%s\"", err->text);
	free((char *)w->entry.bytes.p);
	free(w);
}

static const char *agent_told_name(enum agent_told t)
{
	static const char *const names[AGENT_TOLD_COUNT] = { [AGENT_CONNECTED] = "connected",
		[AGENT_DISCONNECTED] = "disconnected",
		[AGENT_DRAINED] = "drained",
		[AGENT_REVOKED] = "revoked",
		[AGENT_ENROLLED] = "enrolled" };
	return names[t];
}

/* The next thing the journal should hear about agents. */
static struct work *owed(void *ctx)
{
	struct hub *h = ctx;
	struct fleet_news n;
	struct buf json;
	if (!fleet_take_news(h->fleet, &n))
		return NULL;
	if (n.state == AGENT_DISCONNECTED)
		log_info("agent_gone", "agent=%.*s", STR_ARG(n.name));
	buf_init(&json, 8192);
	buf_addf(&json, "{\"type\":\"agent\",\"at\":%" PRId64 ",\"agent\":", clock_wall_us());
	buf_add_json(&json, n.name);
	buf_add_key(&json, "region");
	buf_add_json(&json, n.region);
	buf_addf(&json, ",\"state\":\"%s\"", agent_told_name(n.state));
	if (n.software.n > 0) {
		buf_add_key(&json, "software");
		buf_add_json(&json, n.software);
	}
	if (n.has_location)
		buf_addf(&json, ",\"location\":[%.6f,%.6f]", n.latitude, n.longitude);
	buf_addf(&json, ",\"clock_suspect\":%s}", n.clock_suspect ? "true" : "false");
	INVARIANT(!buf_failed(&json)); /* names are capped */
	free((char *)n.software.p);
	struct work *w = mem_new(sizeof(*w));
	w->entry.kind = ENTRY_AGENT;
	w->entry.bytes.p = buf_take(&json, &w->entry.bytes.n);
	w->owed = true;
	w->done = agent_work_done;
	return w;
}

/* -- jobs -- */

static bool burst_differs(const struct assign_burst *a, const struct assign_burst *b)
{
	return a->interval_ms != b->interval_ms || (a->interval_ms > 0 && a->until_us != b->until_us);
}

/* Looks at services whose burst may begin, change or end. True: assignments changed. */
static bool look_at_bursts(struct hub *h)
{
	struct collector_conf *c = hub_conf(h);
	bool all, changed = false;
	int64_t now_us = clock_wall_us();
	pthread_mutex_lock(&h->lock);
	all = h->bursts_look;
	h->bursts_look = false;
	pthread_mutex_unlock(&h->lock);
	for (size_t i = 0; i < c->n_services; i++) {
		const struct service_conf *s = &c->services[i];
		struct burst_facts facts;
		int64_t next_us;
		pthread_mutex_lock(&h->lock);
		bool skip = h->conf != c || (!all && h->bursts[i].next_look_us > now_us);
		pthread_mutex_unlock(&h->lock);
		if (skip)
			continue;
		burst_facts_read(writer_read(h->writer), s->name, &facts);
		writer_read_done(h->writer);
		struct assign_burst b = burst_of(s, &facts, h->fleet, now_us, &next_us);
		pthread_mutex_lock(&h->lock);
		if (h->conf == c) {
			struct burst_slot *slot = &h->bursts[i];
			bool differs = burst_differs(&slot->now, &b);
			if (differs)
				log_info("burst", "service=%.*s interval_ms=%" PRIu32 " for_s=%" PRId64,
					STR_ARG(s->name), b.interval_ms,
					b.interval_ms ? (b.until_us - now_us) / US_PER_S : 0);
			changed = changed || differs;
			*slot = (struct burst_slot){ b, next_us };
		}
		pthread_mutex_unlock(&h->lock);
	}
	collector_conf_unref(c);
	return changed;
}

static void tell_services(struct hub *h, bool anyway)
{
	struct collector_conf *c = hub_conf(h);
	pthread_mutex_lock(&h->services_lock);
	uint64_t version = fleet_version(h->fleet);
	if (anyway || version != h->services_version)
		services_tell(h->services, c, h->fleet, h->writer);
	h->services_version = version;
	pthread_mutex_unlock(&h->services_lock);
	collector_conf_unref(c);
}

static void *jobs_main(void *arg)
{
	struct hub *h = arg;
	bool stopping = false;
	while (!stopping) {
		int64_t now_us = clock_boot_us();
		if (look_at_bursts(h))
			recv_push(h->recv);
		tell_services(h, false);
		if (!h->absent_forgotten && now_us >= h->started_boot_us + FORGET_US) {
			h->absent_forgotten = true;
			fleet_forget_absent(h->fleet);
			writer_wake(h->writer);
		}
		int64_t wait_us = MAX(recv_tick(h->recv) - now_us, US_PER_MS);
		struct timespec at = clock_deadline(MIN(wait_us, TICK_US));
		pthread_mutex_lock(&h->lock);
		while (!h->kicked && !h->stopping && pthread_cond_timedwait(&h->wake, &h->lock, &at) == 0)
			;
		h->kicked = false;
		stopping = h->stopping;
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

/* -- reload -- */

static void conf_set(struct hub *h, struct collector_conf *c)
{
	struct burst_slot *slots = mem_new_array(c->n_services + 1, sizeof(*slots));
	pthread_mutex_lock(&h->lock);
	struct collector_conf *old = h->conf;
	for (size_t i = 0; i < c->n_services; i++)
		for (size_t k = 0; old && k < old->n_services; k++)
			if (str_eq(old->services[k].name, c->services[i].name))
				slots[i] = h->bursts[k];
	free(h->bursts);
	h->bursts = slots;
	h->conf = c;
	h->bursts_look = true;
	pthread_mutex_unlock(&h->lock);
	collector_conf_unref(old);
}

static void warn_of_restart(const struct collector_conf *old, const struct collector_conf *now)
{
	const struct {
		const char *what, *old, *now;
	} fixed[] = { { "listen.http", old->listen_http, now->listen_http },
		{ "listen.agents", old->listen_agents, now->listen_agents },
		{ "store", old->store, now->store } };
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		if (strcmp(fixed[i].old, fixed[i].now) != 0)
			log_warn("reload_needs_restart", "key=%s still=%s", fixed[i].what, fixed[i].old);
	/* another certificate is taken at once */
	if (!old->http_cert != !now->http_cert)
		log_warn("reload_needs_restart", "key=http.tls still=%s", old->http_cert ? "on" : "off");
}

static int put_in_fleet(void *ctx, const struct agent_record *r)
{
	struct hub *h = ctx;
	void *parked;
	fleet_put(h->fleet, r, &parked);
	if (parked)
		recv_deny(h->recv, parked, DENIED_REVOKED);
	return 0;
}

/* Agents that left the configuration may be enrolled in the store. */
static void restore_records(struct hub *h)
{
	struct err err = { 0 };
	struct store *st = NULL;
	int rc = store_open(h->store_uri, STORE_READ, &st, &err);
	if (rc == 0)
		rc = store_each_agent(st, put_in_fleet, h, &err);
	if (rc < 0)
		log_warn("agents_not_read", "err=\"%s\" enrolled agents are as before", err.text);
	store_close(st);
}

static int reload(struct hub *h, struct err *err)
{
	struct collector_conf *c = NULL, *old = hub_conf(h);
	int rc = collector_conf_load(h->conf_path, &c, err);
	if (rc == 0 && strcmp(old->listen_agents, c->listen_agents) == 0)
		rc = recv_set_tls(h->recv, c, err);
	if (rc < 0) {
		collector_conf_unref(c);
		collector_conf_unref(old);
		return rc;
	}
	warn_of_restart(old, c);
	collector_conf_unref(old);
	fleet_set_static(h->fleet, c);
	restore_records(h);
	writer_set_retention(h->writer, &c->retention);
	collector_conf_ref(c); /* ours, beside the hub's */
	conf_set(h, c);
	tell_services(h, true);
	writer_wake(h->writer);
	recv_push(h->recv);
	hub_kick(h);
	pthread_mutex_lock(&h->lock);
	void (*reloaded)(void *ctx, const struct collector_conf *conf) = h->reloaded;
	void *ctx = h->reloaded_ctx;
	pthread_mutex_unlock(&h->lock);
	if (reloaded)
		reloaded(ctx, c);
	collector_conf_unref(c);
	return 0;
}

int hub_reload(struct hub *h, struct err *err)
{
	struct err why = { 0 };
	pthread_mutex_lock(&h->reload_lock);
	int rc = h->conf_path[0] ? reload(h, &why)
				 : err_set(&why, ERR_UNSUPPORTED, "there is no file to read again");
	pthread_mutex_lock(&h->lock);
	h->last_reload_ok = rc == 0;
	h->last_reload_at_us = clock_wall_us();
	pthread_mutex_unlock(&h->lock);
	pthread_mutex_unlock(&h->reload_lock);
	if (rc == 0) {
		log_info("reloaded", "file=%s", h->conf_path);
	} else {
		log_error("reload_failed", "err=\"%s\" going on with the old configuration", why.text);
		(void)err_set(err, rc, "%s", why.text);
	}
	return rc;
}

void hub_on_reload(struct hub *h, void (*fn)(void *ctx, const struct collector_conf *c), void *ctx)
{
	pthread_mutex_lock(&h->lock);
	h->reloaded = fn;
	h->reloaded_ctx = ctx;
	pthread_mutex_unlock(&h->lock);
}

/* -- coming up and going down -- */

/* Who was connected when the journal was written last, as far as the engine knows. */
static void remember_connected(struct hub *h)
{
	struct buf text;
	json_t *list = NULL, *a;
	size_t i;
	buf_init(&text, 64 * 1024 * 1024);
	view_agents(writer_read(h->writer), &text);
	writer_read_done(h->writer);
	if (!buf_failed(&text) && text.n > 0)
		list = json_loadb(text.p, text.n, 0, NULL);
	json_array_foreach(list, i, a)
	{
		const char *name = json_string_value(json_object_get(a, "name"));
		const char *region = json_string_value(json_object_get(a, "region"));
		const char *state = json_string_value(json_object_get(a, "state"));
		if (name && json_is_true(json_object_get(a, "connected")))
			fleet_was_connected(h->fleet, str_of(name), str_of(region));
		else if (name)
			fleet_was_known(h->fleet, str_of(name), state && strcmp(state, "revoked") == 0);
	}
	json_decref(list);
	buf_fini(&text);
}

static int writer_up(struct hub *h, struct err *err)
{
	struct writer_options o = { .store = h->store_uri,
		.retention = h->conf->retention,
		.ctx = h,
		.owed = owed,
		.folded = folded };
	int rc = writer_open(&o, &h->writer, err);
	if (rc == 0)
		rc = store_each_agent(writer_store(h->writer), put_in_fleet, h, err);
	if (rc == 0)
		rc = services_load(h->services, writer_store(h->writer), err);
	if (rc < 0)
		return rc;
	remember_connected(h);
	fleet_set_static(h->fleet, h->conf);
	writer_start(h->writer);
	tell_services(h, true);
	return 0;
}

int hub_start(struct collector_conf *conf, struct hub **ret, struct err *err)
{
	struct hub *h = mem_new(sizeof(*h));
	pthread_condattr_t ca;
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	INVARIANT(pthread_mutex_init(&h->lock, NULL) == 0 && pthread_cond_init(&h->wake, &ca) == 0);
	INVARIANT(pthread_mutex_init(&h->services_lock, NULL) == 0 &&
		  pthread_mutex_init(&h->reload_lock, NULL) == 0);
	INVARIANT(pthread_mutex_init(&h->agents_lock, NULL) == 0);
	pthread_condattr_destroy(&ca);
	h->conf_path = str_dup(conf->path);
	h->store_uri = mem_strdup(conf->store);
	h->fleet = fleet_new();
	h->services = services_new();
	h->last_reload_ok = true;
	h->last_reload_at_us = clock_wall_us();
	h->started_boot_us = clock_boot_us();
	conf_set(h, collector_conf_ref(conf));
	int rc = writer_up(h, err);
	if (rc == 0) {
		struct recv_options o = { conf, h->fleet, h->writer, h, assign, hub_fleet_changed };
		rc = recv_start(&o, &h->recv, err);
	}
	if (rc < 0) {
		hub_stop(h);
		return rc;
	}
	INVARIANT(pthread_create(&h->jobs, NULL, jobs_main, h) == 0);
	h->jobs_run = true;
	*ret = h;
	return 0;
}

void hub_drain(struct hub *h)
{
	atomic_store(&h->draining, true);
	if (h->recv)
		recv_drain(h->recv);
	if (h->jobs_run) {
		pthread_mutex_lock(&h->lock);
		h->stopping = true;
		pthread_cond_signal(&h->wake);
		pthread_mutex_unlock(&h->lock);
		INVARIANT(pthread_join(h->jobs, NULL) == 0);
		h->jobs_run = false;
	}
	if (h->writer)
		writer_stop(h->writer);
}

static void drop_msg(void *msg)
{
	nng_msg_free(msg);
}

void hub_stop(struct hub *h)
{
	if (!h)
		return;
	hub_drain(h);
	recv_stop(h->recv); /* before the writer is gone: its pipes still report to it */
	writer_close(h->writer);
	fleet_free(h->fleet, drop_msg);
	services_free(h->services);
	collector_conf_unref(h->conf);
	free(h->bursts);
	free(h->conf_path);
	free(h->store_uri);
	pthread_mutex_destroy(&h->lock);
	pthread_mutex_destroy(&h->services_lock);
	pthread_mutex_destroy(&h->reload_lock);
	pthread_mutex_destroy(&h->agents_lock);
	pthread_cond_destroy(&h->wake);
	free(h);
}

const char *hub_agents_address(const struct hub *h)
{
	return recv_address(h->recv);
}

/* -- for http -- */

const struct engine *hub_read(struct hub *h)
{
	return writer_read(h->writer);
}

void hub_read_done(struct hub *h)
{
	writer_read_done(h->writer);
}

void hub_listen(struct hub *h, void (*on_changes)(void *ctx, const struct change *c, size_t n), void *ctx)
{
	writer_listen(h->writer, on_changes, ctx);
}

int hub_ready(struct hub *h, struct err *err)
{
	struct hub_stats s;
	if (atomic_load(&h->draining))
		return err_set(err, ERR_BUSY, "the collector is stopping");
	int rc = writer_health(h->writer, err);
	if (rc < 0)
		return rc;
	writer_stats(h->writer, &s);
	return s.commits > 0 ? 0 : err_set(err, ERR_BUSY, "nothing was committed yet");
}

int hub_open_store(struct hub *h, struct store **ret, struct err *err)
{
	return store_open(h->store_uri, STORE_READ, ret, err);
}

void hub_stats(struct hub *h, struct hub_stats *ret)
{
	struct fleet_counts fleet;
	struct recv_counts recv = { 0 };
	writer_stats(h->writer, ret);
	fleet_counts(h->fleet, &fleet);
	recv_counts(h->recv, &recv);
	ret->refused_messages = recv.refused_messages;
	ret->busy_answers = recv.busy_answers;
	ret->denied = recv.denied;
	ret->handshakes_failed = recv.port.turned_away;
	ret->agent_connections_refused = recv.port.refused;
	ret->agent_connections_crowded_out = recv.port.crowded_out;
	ret->agent_connections = recv.port.connections;
	ret->agents_connected = fleet.connected;
	ret->agent_lost_results = fleet.lost_results;
	ret->agent_held_back = fleet.held_back;
	ret->agent_refused = fleet.refused;
	pthread_mutex_lock(&h->lock);
	ret->last_reload_ok = h->last_reload_ok;
	ret->last_reload_at_us = h->last_reload_at_us;
	pthread_mutex_unlock(&h->lock);
}

void hub_agent_shortfall(struct hub *h, struct str name, struct buf *out)
{
	fleet_shortfall_json(h->fleet, name, out);
}

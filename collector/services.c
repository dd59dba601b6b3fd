/* services.c - see services.h */
#include <stdlib.h>

#include "base/log.h"
#include "collector/entry_json.h"
#include "collector/services.h"

struct told {
	struct told *next;
	char *name;
	struct str entry;
	bool still_there;
};
struct services {
	struct told *told;
};

struct services *services_new(void)
{
	return mem_new(sizeof(struct services));
}

static void told_free(struct told *t)
{
	free(t->name);
	free((char *)t->entry.p);
	free(t);
}

void services_free(struct services *s)
{
	for (struct told *t = s ? s->told : NULL, *next; t; t = next) {
		next = t->next;
		told_free(t);
	}
	free(s);
}

static struct told *told_find(struct services *s, struct str name)
{
	for (struct told *t = s->told; t; t = t->next)
		if (str_is(name, t->name))
			return t;
	return NULL;
}

static void told_set(struct services *s, struct str name, struct str entry)
{
	struct told *t = told_find(s, name);
	if (!t) {
		t = mem_new(sizeof(*t));
		t->name = str_dup(name);
		t->next = s->told;
		s->told = t;
	}
	free((char *)t->entry.p);
	t->entry = (struct str){ str_dup(entry), entry.n };
	t->still_there = true;
}

static void removed_entry(struct str name, struct buf *out)
{
	buf_addf(out, "{\"type\":\"service\",\"service\":");
	buf_add_json(out, name);
	buf_addf(out, ",\"removed\":true}");
}

static int load_one(void *ctx, const struct entry *e)
{
	struct buf removed;
	buf_init(&removed, ENTRY_LINE_MAX);
	removed_entry(e->service, &removed);
	if (!str_eq(e->bytes, buf_str(&removed)))
		told_set(ctx, e->service, e->bytes);
	buf_fini(&removed);
	return 0;
}

int services_load(struct services *s, struct store *st, struct err *err)
{
	return store_each_newest(st, ENTRY_SERVICE, load_one, s, err);
}

static void add_version(const struct extract_conf *v, struct buf *out)
{
	static const char *const words[EXTRACT_COUNT] = { [EXTRACT_JSON] = "json",
		[EXTRACT_HEADER] = "header",
		[EXTRACT_REGEX] = "regex",
		[EXTRACT_ETAG] = "etag",
		[EXTRACT_LAST_MODIFIED] = "last_modified",
		[EXTRACT_SHA256] = "sha256" };
	buf_add_key(out, "version");
	if (v->kind >= EXTRACT_ETAG) {
		buf_add_json(out, str_of(words[v->kind]));
		return;
	}
	buf_addf(out, "{\"match\":\"%s\",\"%s\":", v->match == MATCH_PREFIX ? "prefix" : "exact",
		words[v->kind]);
	buf_add_json(out, v->arg);
	buf_add_char(out, '}');
}

static void add_seconds(struct buf *out, const char *key, int64_t us)
{
	buf_add_key(out, key);
	buf_add_seconds(out, us);
}

void service_entry(const struct service_conf *s, const struct str *agents, size_t n_agents, struct buf *out)
{
	buf_addf(out, "{\"type\":\"service\",\"service\":");
	buf_add_json(out, s->name);
	add_seconds(out, "interval", s->interval_us);
	buf_addf(out, ",\"endpoints\":[");
	for (size_t i = 0; i < s->n_endpoints; i++) {
		const struct endpoint_conf *e = &s->endpoints[i];
		buf_addf(out, "%s{\"id\":", i ? "," : "");
		buf_add_json(out, e->id);
		buf_add_key(out, "url");
		buf_add_json(out, e->url);
		add_version(&e->version, out);
		if (e->cdn_vendor.n || e->cdn_zone.n) {
			buf_addf(out, ",\"cdn\":{\"vendor\":");
			buf_add_json_or_null(out, e->cdn_vendor);
			buf_add_key(out, "zone");
			buf_add_json_or_null(out, e->cdn_zone);
			buf_add_char(out, '}');
		}
		buf_add_char(out, '}');
	}
	buf_addf(out, "],\"origin\":%s,\"agents\":[", s->has_origin ? "true" : "false");
	for (size_t i = 0; i < n_agents; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_json(out, agents[i]);
	}
	buf_addf(out, "]");
	add_seconds(out, "rollout_grace", s->verify.rollout_grace_us);
	buf_addf(out, ",\"verify\":{");
	add_seconds(out, "timeout", s->verify.timeout_us);
	buf_addf(out, ",\"require\":%.9g,\"min_coverage\":%.9g,\"min_agents\":%" PRId64, s->verify.require,
		s->verify.min_coverage, s->verify.min_agents);
	add_seconds(out, "watch", s->verify.watch_us);
	add_seconds(out, "alert_after", s->verify.alert_after_us);
	buf_addf(out, "}}");
}

static void entry_done(struct work *w, int rc, bool duplicate, const struct err *err)
{
	if (rc < 0)
		log_error(
			"service_not_told", "service=%.*s err=\"%s\"", STR_ARG(w->entry.service), err->text);
	free((char *)w->entry.bytes.p);
	free((char *)w->entry.service.p);
	free(w);
}

static void push(struct writer *w, struct str name, struct str entry)
{
	struct work *work = mem_new(sizeof(*work));
	work->entry = (struct entry){ .kind = ENTRY_SERVICE,
		.service = { str_dup(name), name.n },
		.bytes = { str_dup(entry), entry.n } };
	work->owed = true;
	work->at_once = true;
	work->done = entry_done;
	int rc = writer_push(w, work, NULL);
	INVARIANT(rc == 0); /* what is owed is always taken */
}

struct gather {
	const struct service_conf *service;
	struct str *names;
	size_t n, cap, n_over;
};

static int gather_agent(void *ctx, const struct fleet_agent *a, bool connected)
{
	struct gather *g = ctx;
	(void)connected; /* who is away is still expected */
	if (!from_matches(&g->service->from, a->name, a->region))
		return 0;
	if (g->n == ENTRY_ITEMS_MAX) {
		g->n_over++;
		return 0;
	}
	g->names = mem_grow(g->names, &g->cap, g->n + 1, sizeof(*g->names));
	g->names[g->n++] = a->name;
	return 0;
}

static void tell_service(
	struct services *s, const struct service_conf *conf, struct fleet *f, struct writer *w)
{
	struct gather g = { .service = conf };
	struct told *t = told_find(s, conf->name);
	struct buf entry;
	buf_init(&entry, ENTRY_LINE_MAX);
	(void)fleet_each(f, gather_agent, &g); /* gather_agent never ends it early */
	service_entry(conf, g.names, g.n, &entry);
	if (t)
		t->still_there = true;
	if (buf_failed(&entry)) {
		log_error("service_too_big",
			"service=%.*s its entry is over %d bytes: give it fewer endpoints, or shorter urls",
			STR_ARG(conf->name), ENTRY_LINE_MAX);
	} else if (!t || !str_eq(t->entry, buf_str(&entry))) {
		if (g.n_over > 0)
			log_warn("service_agents_cut",
				"service=%.*s over=%zu the rest of its agents counts when they report",
				STR_ARG(conf->name), g.n_over);
		push(w, conf->name, buf_str(&entry));
		told_set(s, conf->name, buf_str(&entry));
	}
	free(g.names);
	buf_fini(&entry);
}

void services_tell(struct services *s, const struct collector_conf *c, struct fleet *f, struct writer *w)
{
	for (struct told *t = s->told; t; t = t->next)
		t->still_there = false;
	for (size_t i = 0; i < c->n_services; i++)
		tell_service(s, &c->services[i], f, w);
	for (struct told **at = &s->told; *at;) {
		struct told *t = *at;
		struct buf entry;
		if (t->still_there) {
			at = &t->next;
			continue;
		}
		buf_init(&entry, ENTRY_LINE_MAX);
		removed_entry(str_of(t->name), &entry);
		push(w, str_of(t->name), buf_str(&entry));
		buf_fini(&entry);
		*at = t->next;
		told_free(t);
	}
}

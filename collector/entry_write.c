/* entry_write.c - journal entries as lines of replay input. What is written here, entry_event.c and
 * entry_obs.c read back to the same event, to the microsecond. */
#include <stdlib.h>

#include "collector/entry_impl.h"

static void add_text(struct buf *out, const char *key, struct str s)
{
	if (s.n == 0)
		return;
	buf_add_key(out, key);
	buf_add_json(out, s);
}

static void add_number(struct buf *out, const char *key, int64_t v)
{
	buf_add_key(out, key);
	buf_addf(out, "%" PRId64, v);
}

/* The part of a batch's lines that is the same in each. */
static void add_batch(struct buf *out, const struct event *ev, const struct entry *e)
{
	const struct batch *b = ev->observations.batch;
	add_number(out, "received_at", ev->received_at_us);
	add_number(out, "position", ev->position);
	add_text(out, "service", b->service);
	add_text(out, "agent", b->agent);
	add_text(out, "region", b->region);
	if (e->kind == ENTRY_BATCH) {
		buf_add_key(out, "epoch");
		buf_addf(out, "\"%016" PRIx64 "\"", b->epoch);
		add_number(out, "number", (int64_t)b->number);
	}
	if (b->generation > 0 && b->generation <= INT64_MAX)
		add_number(out, "generation", (int64_t)b->generation);
	if (ev->observations.clock_uncertainty_us != 0)
		add_number(out, "clock_uncertainty_us", ev->observations.clock_uncertainty_us);
}

static void add_tiers(struct buf *out, const struct obs *o)
{
	bool usual = true;
	if (o->n_tiers == 0)
		return;
	buf_add_key(out, "cache");
	for (size_t i = 0; i < o->n_tiers; i++) {
		buf_add_char(out, i ? ',' : '[');
		buf_add_json(out, str_of(cache_status_name((enum cache_status)o->tiers[i])));
		usual &= o->tier_kinds[i] == (i ? TIER_SHIELD : TIER_EDGE);
	}
	buf_add_char(out, ']');
	if (usual)
		return;
	buf_add_key(out, "tiers");
	for (size_t i = 0; i < o->n_tiers; i++) {
		buf_add_char(out, i ? ',' : '[');
		buf_add_json(out, str_of(tier_kind_name((enum tier_kind)o->tier_kinds[i])));
	}
	buf_add_char(out, ']');
}

static void add_flags(struct buf *out, unsigned flags)
{
	static const char *const names[] = { "reused", "burst", "cut" };
	bool first = true;
	if (flags == 0)
		return;
	buf_add_key(out, "flags");
	buf_add_char(out, '[');
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(flags & 1u << i))
			continue;
		buf_addf(out, "%s\"%s\"", first ? "" : ",", names[i]);
		first = false;
	}
	buf_add_char(out, ']');
}

static void add_obs(struct buf *out, const struct batch *b, const struct obs *o)
{
	const struct {
		const char *key;
		int32_t us;
	} timing[] = { { "dns_us", o->timing.dns_us }, { "connect_us", o->timing.connect_us },
		{ "tls_us", o->timing.tls_us }, { "ttfb_us", o->timing.ttfb_us },
		{ "total_us", o->timing.total_us } };
	add_text(out, "endpoint", batch_str(b, o->endpoint));
	add_text(out, "path", str_of(obs_path_name((enum obs_path)o->path)));
	add_text(out, "edge", batch_str(b, o->edge));
	add_text(out, "node", batch_str(b, o->node));
	add_text(out, "ip", batch_str(b, o->ip));
	add_number(out, "status", o->status);
	add_text(out, "version", batch_str(b, o->version));
	add_text(out, "fail", str_of(obs_fail_name((enum obs_fail)o->fail)));
	add_tiers(out, o);
	if (o->age_s != OBS_AGE_NONE)
		add_number(out, "age_s", o->age_s);
	if (o->ttl_s != OBS_TTL_NONE)
		add_number(out, "ttl_s", o->ttl_s);
	if (o->browser_ttl_s != OBS_TTL_NONE)
		add_number(out, "browser_ttl_s", o->browser_ttl_s);
	add_text(out, "etag", batch_str(b, o->etag));
	add_flags(out, o->flags);
	for (size_t i = 0; i < ARRAY_LEN(timing); i++)
		if (timing[i].us != -1)
			add_number(out, timing[i].key, timing[i].us);
	add_text(out, "evidence", batch_str(b, o->evidence));
}

static void batch_to_lines(const struct event *ev, const struct entry *e, struct buf *out)
{
	const struct batch *b = ev->observations.batch;
	for (size_t i = 0; i < b->n_obs; i++) {
		buf_addf(out, "{\"type\":\"observation\",\"at\":%" PRId64, b->obs[i].observed_at_us);
		add_batch(out, ev, e);
		add_obs(out, b, &b->obs[i]);
		buf_add(out, "}\n", 2);
	}
}

static int add_dumped(const char *p, size_t n, void *out)
{
	buf_add(out, p, n);
	return 0;
}

/* The entry's own fields follow what every line starts with. */
static void json_to_line(struct entry_reader *r, const struct entry *e, struct buf *out)
{
	json_t *line = json_object();
	json_object_set_new(line, "type", json_string(entry_kind_name(e->kind)));
	if (json_object_get(r->root, "at"))
		json_object_set(line, "at", json_object_get(r->root, "at"));
	json_object_set_new(line, "received_at", json_integer(e->received_at_us));
	json_object_set_new(line, "position", json_integer(e->position));
	json_object_update_missing(line, r->root);
	json_dump_callback(line, add_dumped, out, JSON_COMPACT);
	buf_add_char(out, '\n');
	json_decref(line);
}

int entry_to_lines(struct entry_reader *r, const struct entry *e, struct buf *out, struct err *err)
{
	struct event ev;
	size_t before = out->n;
	int rc = entry_to_event(r, e, &ev, err);
	if (rc < 0)
		return rc;
	if (ev.kind == EV_OBSERVATIONS)
		batch_to_lines(&ev, e, out);
	else
		json_to_line(r, e, out);
	if (buf_failed(out))
		return err_set(err, ERR_TOO_BIG, "entry %" PRId64 " as lines does not fit %zu bytes",
			e->position, out->cap - before);
	return 0;
}

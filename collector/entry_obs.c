/* entry_obs.c - an observation as a line: either what was seen in our own words, or the answer's headers to
 * be read. */
#include <stdio.h>

#include "collector/entry_impl.h"

/* Index of a string in the one-observation dictionary. Each field has room for its own. */
static uint16_t put(struct entry_reader *r, struct str s)
{
	if (s.n == 0)
		return 0;
	INVARIANT(r->batch.n_dict < OBS_DICT_MAX);
	r->dict[r->batch.n_dict] = s;
	return (uint16_t)r->batch.n_dict++;
}

static void read_small(struct fields *f, const char *key, int64_t min, int32_t *ret)
{
	int64_t v = INT64_MIN;
	field_int(f, key, min, INT32_MAX, &v);
	if (v != INT64_MIN)
		*ret = (int32_t)v;
}

static void read_cache(struct fields *f, struct obs *o)
{
	static const char *const kinds[] = { "edge", "shield", "inner" };
	const json_t *words = field_list(f, "cache"), *tiers = field_list(f, "tiers");
	if (words != NULL) {
		size_t n = json_array_size(words);
		if (n > OBS_TIERS_MAX)
			field_fail(f, "cache", ERR_TOO_BIG, "has %zu tiers, limit is %d", n, OBS_TIERS_MAX);
		for (size_t i = 0; i < n && !fields_failed(f); i++) {
			const json_t *v = json_array_get(words, i);
			enum cache_status status = CACHE_UNKNOWN;
			if (!json_is_string(v) || !cache_status_from(json_borrow(v), &status))
				field_want_item(f, "cache", i, "a cache word (hit, miss, stale, ...)", v);
			o->tiers[i] = (uint8_t)status;
			o->tier_kinds[i] = i == 0 ? TIER_EDGE : TIER_SHIELD;
		}
		o->n_tiers = (uint8_t)MIN(n, (size_t)OBS_TIERS_MAX);
	}
	if (tiers == NULL || fields_failed(f))
		return;
	if (json_array_size(tiers) != o->n_tiers)
		field_fail(f, "tiers", ERR_NONSENSE, "has %zu members, \"cache\" has %u",
			json_array_size(tiers), o->n_tiers);
	for (size_t i = 0; i < o->n_tiers && !fields_failed(f); i++) {
		const json_t *v = json_array_get(tiers, i);
		size_t k = 0;
		while (k < ARRAY_LEN(kinds) && !(json_is_string(v) && str_is(json_borrow(v), kinds[k])))
			k++;
		if (k == ARRAY_LEN(kinds))
			field_want_item(f, "tiers", i, "edge, shield or inner", v);
		o->tier_kinds[i] = (uint8_t)k;
	}
}

static void read_flags(struct fields *f, struct obs *o)
{
	static const char *const names[] = { "reused", "burst", "cut" };
	const json_t *list = field_list(f, "flags");
	for (size_t i = 0; i < json_array_size(list) && !fields_failed(f); i++) {
		const json_t *v = json_array_get(list, i);
		size_t k = 0;
		while (k < ARRAY_LEN(names) && !(json_is_string(v) && str_is(json_borrow(v), names[k])))
			k++;
		if (k < ARRAY_LEN(names)) {
			o->flags |= (uint8_t)(1u << k);
		} else {
			field_want_item(f, "flags", i, "reused, burst or cut", v);
		}
	}
}

static void read_timing(struct fields *f, struct obs_timing *t)
{
	const struct {
		const char *key;
		int32_t *ret;
	} all[] = { { "dns_us", &t->dns_us }, { "connect_us", &t->connect_us }, { "tls_us", &t->tls_us },
		{ "ttfb_us", &t->ttfb_us }, { "total_us", &t->total_us } };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		read_small(f, all[i].key, -1, all[i].ret);
}

/* The answer's headers: tiers, age and lifetimes go to o, the rest to these three. */
static void read_headers(
	struct fields *f, int64_t at_us, struct obs *o, struct str *edge, struct str *node, struct str *etag)
{
	struct header room[HEADERS_MAX];
	struct headers h = { .h = room, .received_at_us = at_us };
	const json_t *list = field_list(f, "headers");
	if (list == NULL)
		return;
	if (json_array_size(list) > HEADERS_MAX)
		field_fail(f, "headers", ERR_TOO_BIG, "has %zu members, limit is %d", json_array_size(list),
			HEADERS_MAX);
	for (size_t i = 0; i < json_array_size(list) && !fields_failed(f); i++) {
		const json_t *pair = json_array_get(list, i), *name = json_array_get(pair, 0),
			     *value = json_array_get(pair, 1);
		if (json_array_size(pair) != 2 || !json_is_string(name) || !json_is_string(value)) {
			field_want_item(f, "headers", i, "[name, value]", pair);
			return;
		}
		room[h.n++] = (struct header){ json_borrow(name), str_trim(json_borrow(value)) };
	}
	if (fields_failed(f))
		return;
	cdn_read(&h, NULL, &f->r->edge);
	cdn_fill_obs(&f->r->edge, o);
	*edge = str_of(cdn_edge_name(&f->r->edge, f->r->edge_text, sizeof(f->r->edge_text)));
	if (f->r->edge.n_tiers > 0)
		*node = str_first(f->r->edge.tiers[0].node, OBS_NAME_MAX);
	if (!headers_get(&h, "etag", etag) || etag->n > OBS_NAME_MAX)
		*etag = STR_NONE;
}

/* Whose an error is: of the headers that an agent would have sent as evidence, those that name a server. */
static struct str error_evidence(struct fields *f)
{
	const json_t *list = field_list(f, "headers");
	char *text = list ? entry_mem(f->r, OBS_EVIDENCE_MAX, 1) : NULL;
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		struct str name = json_borrow(json_array_get(pair, 0)),
			   value = json_borrow(json_array_get(pair, 1));
		if (!str_eq_nocase(name, STR("server")) && !str_eq_nocase(name, STR("via")) &&
			!str_starts_nocase(name, "x-envoy-"))
			continue;
		if (n + name.n + value.n + 3 > OBS_EVIDENCE_MAX)
			break;
		memcpy(text + n, name.p, name.n), n += name.n;
		text[n++] = ':', text[n++] = ' ';
		memcpy(text + n, value.p, value.n), n += value.n;
		text[n++] = '\n';
	}
	return (struct str){ text, n };
}

/* A line need not say which service: mostly there is one, or one that has this endpoint. */
static struct str find_service(struct fields *f, struct str endpoint)
{
	const struct entry_reader *r = f->r;
	struct str found = STR_NONE;
	for (size_t i = 0; i < r->n_endpoints; i++) {
		if (!str_is(endpoint, r->endpoints[i].endpoint))
			continue;
		if (found.n) {
			field_fail(f, "service", ERR_NONSENSE,
				"missing, and both '%.*s' and '%s' have an endpoint '%.*s'", STR_ARG(found),
				r->endpoints[i].service, STR_ARG(endpoint));
			return STR_NONE;
		}
		found = str_of(r->endpoints[i].service);
	}
	if (found.n == 0)
		field_fail(f, "service", ERR_NONSENSE,
			"missing, and no service told so far has an endpoint '%.*s'", STR_ARG(endpoint));
	return found;
}

/* What the agent would have said of such an answer. */
static enum obs_fail fail_of(int64_t status, struct str version)
{
	if (status == 0)
		return FAIL_OTHER;
	if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308)
		return FAIL_REDIRECT;
	if (status < 200 || status > 299)
		return FAIL_HTTP;
	return version.n ? FAIL_OK : FAIL_NO_VERSION;
}

static void read_identity(struct fields *f, struct batch *b)
{
	struct str epoch = STR_NONE;
	int64_t number = 0, generation = 0;
	field_int(f, "number", 0, INT64_MAX, &number);
	field_int(f, "generation", 0, INT64_MAX, &generation);
	field_str(f, "epoch", 16, &epoch);
	for (size_t i = 0; i < epoch.n; i++) {
		char c = epoch.p[i];
		unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
							: 16;
		if (digit > 15) {
			field_fail(f, "epoch", ERR_SYNTAX, "want hexadecimal digits, got \"%.*s\"",
				STR_ARG(epoch));
			return;
		}
		b->epoch = b->epoch << 4 | digit;
	}
	b->number = (uint64_t)number;
	b->generation = (uint64_t)generation;
}

static void read_result(struct fields *f, struct obs *o, struct str version)
{
	static const char *const paths[] = { "edge", "origin" };
#define X(id, name, says) name,
	static const char *const fails[] = { OBS_FAILS(X) };
#undef X
	int path = PATH_EDGE, fail = -1;
	int64_t status = version.n ? 200 : 0;
	field_word(f, "path", paths, ARRAY_LEN(paths), &path);
	field_int(f, "status", 0, 999, &status);
	field_word(f, "fail", fails, ARRAY_LEN(fails), &fail);
	o->path = (uint8_t)path;
	o->status = (int16_t)status;
	o->fail = (uint8_t)(fail < 0 ? fail_of(status, version) : (enum obs_fail)fail);
}

void obs_read_fields(struct fields *f, struct event *ev)
{
	struct entry_reader *r = f->r;
	struct batch *b = &r->batch;
	struct obs *o = &r->obs;
	struct str endpoint = STR_NONE, edge = STR_NONE, node = STR_NONE, ip = STR_NONE, version = STR_NONE,
		   etag = STR_NONE;
	struct str evidence = STR_NONE;
	int64_t uncertainty_us = 0;

	obs_init(o);
	*b = (struct batch){ .dict = r->dict, .n_dict = 1, .obs = o, .n_obs = 1 };
	r->dict[0] = STR_NONE;
	o->observed_at_us = ev->at_us;
	if (ev->at_us == TIME_NONE)
		field_fail(f, "at", ERR_SYNTAX, "missing");
	field_required(f, "endpoint");
	field_required(f, "agent");
	field_str(f, "endpoint", OBS_NAME_MAX, &endpoint);
	field_str(f, "agent", OBS_NAME_MAX, &b->agent);
	field_str(f, "region", OBS_NAME_MAX, &b->region);
	field_str(f, "service", OBS_NAME_MAX, &b->service);
	field_str(f, "version", OBS_VERSION_MAX, &version);
	field_str(f, "ip", OBS_NAME_MAX, &ip);
	read_result(f, o, version);
	read_headers(f, ev->at_us, o, &edge, &node, &etag);
	if (edge.n == 0 && ip.n > 0 &&
		json_object_get(f->object, "headers")) { /* as agents name what no CDN answers */
		int n = snprintf(r->edge_text, sizeof(r->edge_text), "direct:%.*s", STR_ARG(ip));
		edge = (struct str){ r->edge_text, MIN((size_t)n, sizeof(r->edge_text) - 1) };
	}
	/* what is said outright wins */
	field_str(f, "edge", OBS_NAME_MAX, &edge);
	field_str(f, "node", OBS_NAME_MAX, &node);
	field_str(f, "etag", OBS_NAME_MAX, &etag);
	field_str(f, "evidence", OBS_EVIDENCE_MAX, &evidence);
	if (evidence.n == 0 && o->status >= 500 && !fields_failed(f))
		evidence = error_evidence(f);
	read_cache(f, o);
	read_small(f, "age_s", OBS_AGE_NONE, &o->age_s);
	read_small(f, "ttl_s", (int64_t)INT32_MIN + 1, &o->ttl_s);
	read_small(f, "browser_ttl_s", (int64_t)INT32_MIN + 1, &o->browser_ttl_s);
	read_flags(f, o);
	read_timing(f, &o->timing);
	read_identity(f, b);
	field_int(f, "clock_uncertainty_us", 0, INT64_MAX, &uncertainty_us);
	if (fields_failed(f))
		return;
	if (b->service.n == 0)
		b->service = find_service(f, endpoint);
	o->endpoint = put(r, endpoint);
	o->edge = put(r, edge);
	o->node = put(r, node);
	o->ip = put(r, ip);
	o->version = put(r, version);
	o->etag = put(r, etag);
	o->evidence = put(r, evidence);
	struct err why;
	if (!fields_failed(f) && batch_check(b, &why) < 0)
		field_fail(f, NULL, why.code, "%s", why.text);
	ev->kind = EV_OBSERVATIONS;
	ev->observations = (struct ev_observations){ b, uncertainty_us };
}

/* lines.c - what a probe saw, as a line of replay: in normal words, or as the headers that vendor would send.
 * With the noise of real fleets: clocks that are off by what they say, late lines, repeated ones. */
#include <stdlib.h>
#include <string.h>

#include "tests/worlds/world.h"

const struct cdn cdns[] = {
	{ .name = "cloudfront",
		.window_s = 900,
		.key = KEY_PATH,
		.star = true,
		.raw = true,
		.pops = { "FRA56-P3", "LHR61-C2", "NRT57-P4", "IAD89-P1", "SIN2-C1", "GRU3-P7", "SYD62-P2",
			"CDG52-P1", "DEL54-C1", "SEA900-P3" } },
	{ .name = "cloudflare",
		.window_s = 30,
		.key = KEY_URL,
		.raw = true,
		.has_stale_word = true,
		.pops = { "FRA", "LHR", "NRT", "IAD", "SIN", "GRU", "SYD", "CDG", "DEL", "SEA" } },
	{ .name = "fastly",
		.window_s = 30,
		.key = KEY_URL,
		.inner_words = true,
		.history = true,
		.raw = true,
		.pops = { "FRA", "LHR", "NRT", "IAD", "SIN", "GRU", "SYD", "CDG", "DEL", "SEA" } },
	{ .name = "akamai",
		.window_s = 30,
		.key = KEY_URL,
		.inner_words = true,
		.has_stale_word = true,
		.pops = { "a23-1-2-3", "a23-1-2-4", "a104-9-8-7", "a104-9-8-6", "a2-16-1-1", "a2-16-1-9",
			"a72-5-5-5", "a72-5-5-6", "a95-0-0-1", "a95-0-0-2" } },
	{ .name = "azure-frontdoor",
		.window_s = 600,
		.key = KEY_PATH_ONLY,
		.ignores_case = true,
		.star = true,
		.inner_words = true,
		.pops = { "FRA31", "LHR21", "TYO32", "IAD01", "SIN41", "GRU11", "SYD05", "PAR21", "DEL03",
			"SEA22" } },
	{ .name = "google",
		.window_s = 60,
		.key = KEY_PATH_ONLY,
		.star = true,
		.pops = { "fra", "lhr", "nrt", "iad", "sin", "gru", "syd", "cdg", "del", "sea" } },
	{ .name = "bunny",
		.window_s = 300,
		.key = KEY_URL,
		.star = true,
		.raw = true,
		.pops = { "DE1", "UK1", "JP1", "NY1", "SG1", "BR1", "SYD1", "FR1", "IN1", "WA1" } },
	{ .name = "self",
		.window_s = 10,
		.key = KEY_PATH,
		.star = true,
		.history = true,
		.inner_words = true,
		.has_stale_word = true,
		.pops = { "fra", "lhr", "nrt", "iad", "sin", "gru", "syd", "cdg", "del", "sea" } },
	{ .name = "keycdn",
		.window_s = 300,
		.key = KEY_URL,
		.raw = true,
		.pops = { "defr", "uklo", "jpto", "usny", "sgsg", "brsa", "ausy", "frpa", "inba", "usse" } },
};
const size_t n_cdns = ARRAY_LEN(cdns);

const struct cdn *cdn_named(const char *name)
{
	for (size_t i = 0; i < n_cdns; i++)
		if (strcmp(cdns[i].name, name) == 0)
			return &cdns[i];
	abort();
}

/* -- headers -- */

static void header(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, "%s[\"%s\",", b->n > 0 && b->p[b->n - 1] == ']' ? "," : "", name);
	buf_add_json(b, str_of(value));
	buf_add_char(b, ']');
}

static const char *upper(const char *word)
{
	static const struct {
		const char *word, *upper;
	} all[] = { { "hit", "HIT" }, { "miss", "MISS" }, { "stale", "STALE" }, { "updating", "UPDATING" },
		{ "revalidated", "REVALIDATED" }, { "expired", "EXPIRED" }, { "dynamic", "DYNAMIC" },
		{ "bypass", "BYPASS" } };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (strcmp(all[i].word, word) == 0)
			return all[i].upper;
	return "MISS";
}

static const char *cloudfront_word(const char *word, int status)
{
	if (status >= 400 || strcmp(word, "error") == 0)
		return "Error from cloudfront";
	if (strcmp(word, "hit") == 0)
		return "Hit from cloudfront";
	return strcmp(word, "revalidated") == 0 ? "RefreshHit from cloudfront" : "Miss from cloudfront";
}

/* HIT or MISS is all that Fastly says; a PASS is a MISS. */
static const char *fastly_word(const char *word)
{
	return strcmp(word, "hit") == 0 ? "HIT" : "MISS";
}

static void vendor_headers(struct world *w, const struct node *edge, const struct answer *a, struct buf *b)
{
	const char *word = a->n_words > 0 ? a->words[0] : "miss", *vendor = edge->cdn->name;
	char text[160];
	if (strcmp(vendor, "cloudfront") == 0) {
		snprintf(text, sizeof(text), "1.1 %016llx%016llx.cloudfront.net (CloudFront)",
			(unsigned long long)w->rng, (unsigned long long)~w->rng);
		header(b, "via", text);
		header(b, "x-cache", cloudfront_word(word, a->status));
		header(b, "x-amz-cf-pop", edge->pop);
	} else if (strcmp(vendor, "cloudflare") == 0) {
		snprintf(text, sizeof(text), "%016llx-%s", (unsigned long long)w->rng, edge->pop);
		header(b, "server", "cloudflare");
		header(b, "cf-ray", text);
		header(b, "cf-cache-status", upper(word));
	} else if (strcmp(vendor, "fastly") == 0) {
		snprintf(text, sizeof(text), "%scache-x-etou82201%d-%s",
			a->n_words > 1 ? "cache-iad-kiad7000130-IAD, " : "", (int)(edge - w->nodes),
			edge->pop);
		header(b, "x-served-by", text);
		snprintf(text, sizeof(text), "%s%s%s", a->n_words > 1 ? fastly_word(a->words[1]) : "",
			a->n_words > 1 ? ", " : "", fastly_word(word));
		header(b, "x-cache", text);
	} else if (strcmp(vendor, "bunny") == 0) {
		snprintf(text, sizeof(text), "BunnyCDN-%s-1073", edge->pop);
		header(b, "server", text);
		header(b, "cdn-cache", upper(word));
	} else {
		header(b, "server", "keycdn-engine");
		header(b, "x-cache", upper(word));
		header(b, "x-edge-location", edge->pop);
	}
}

static void answer_headers(
	struct world *w, const struct node *edge, const struct answer *a, const char *etag, struct buf *b)
{
	char text[64];
	buf_addf(b, ",\"headers\":[");
	header(b, "content-type", "application/json");
	if (edge != NULL && w->raw_headers)
		vendor_headers(w, edge, a, b);
	if (a->envoy)
		header(b, "server", "istio-envoy");
	if (a->age_us >= 0) {
		snprintf(text, sizeof(text), "%lld", (long long)(a->age_us / US_PER_S));
		header(b, "age", text);
	}
	if (a->has_ttl && w->ttl_told) {
		int64_t lifetime_us = a->ttl_us + (a->age_us >= 0 ? a->age_us : 0);
		snprintf(text, sizeof(text), "public, s-maxage=%lld",
			(long long)((lifetime_us + US_PER_S / 2) / US_PER_S));
		header(b, "cache-control", text);
	} else if (!a->has_ttl) {
		header(b, "cache-control", "no-store");
	}
	if (etag[0])
		header(b, "etag", etag);
	buf_add_char(b, ']');
}

static void answer_words(
	struct world *w, const struct node *edge, const struct answer *a, const char *etag, struct buf *b)
{
	if (edge != NULL && a->n_words > 0) {
		for (int i = 0; i < a->n_words; i++)
			buf_addf(b, "%s\"%s\"", i ? "," : ",\"cache\":[", a->words[i]);
		buf_addf(b, "]%s", a->n_words > 1 ? ",\"tiers\":[\"edge\",\"shield\"]" : "");
	}
	if (a->age_us >= 0)
		buf_addf(b, ",\"age_s\":%lld", (long long)(a->age_us / US_PER_S));
	if (a->has_ttl && w->ttl_told) {
		int64_t left_us = a->ttl_us;
		buf_addf(b, ",\"ttl_s\":%lld",
			(long long)((left_us < 0 ? left_us - US_PER_S + 1 : left_us) / US_PER_S));
	}
	if (etag[0]) {
		buf_addf(b, ",\"etag\":");
		buf_add_json(b, str_of(etag));
	}
}

void observation_line(struct world *w, const struct agent *a, int page, bool origin, const struct node *edge,
	int64_t at_us, const struct answer *ans)
{
	static const char *const regions[REGIONS_MAX] = { "eu", "us", "ap" };
	struct buf b;
	char etag[40] = "";
	int64_t told_us = at_us + a->skew_us;
	buf_init(&b, 16384);
	buf_addf(&b, "{\"type\":\"observation\",\"at\":");
	buf_add_json_time(&b, told_us);
	buf_addf(&b, ",\"endpoint\":\"%s\",\"agent\":\"%s\",\"region\":\"%s\",\"path\":\"%s\"",
		w->pages[page].id, a->name, regions[a->region], origin ? "origin" : "edge");
	if (a->uncertainty_us > 0)
		buf_addf(&b, ",\"clock_uncertainty_us\":%lld", (long long)a->uncertainty_us);
	if (ans->status == 0) {
		buf_addf(&b, ",\"fail\":\"timeout\"");
	} else {
		if (ans->status == 200) {
			buf_addf(&b, ",\"version\":\"%s\"", w->versions[ans->version]);
			snprintf(etag, sizeof(etag), "\"%s-%s\"", w->pages[page].id,
				w->one_etag ? "same" : w->versions[ans->version]);
		}
		buf_addf(&b, ",\"status\":%d", ans->status);
		if (!origin && !w->raw_headers)
			buf_addf(&b, ",\"edge\":\"%s\"", edge->name);
		if (!w->raw_headers)
			answer_words(w, origin ? NULL : edge, ans, etag, &b);
		if (w->raw_headers || ans->envoy)
			answer_headers(w, origin ? NULL : edge, ans, etag, &b);
	}
	int64_t received_us = at_us + US_PER_S / 4 + (int64_t)(chance(w) * 2e6);
	if (coin(w, w->late))
		received_us += between(w, 3, 40) * US_PER_S;
	else if (coin(w, w->late / 5))
		received_us += between(w, 70, 120) * US_PER_S;
	if (received_us > at_us + 3 * US_PER_S) {
		buf_addf(&b, ",\"received_at\":");
		buf_add_json_time(&b, received_us);
	}
	buf_add_char(&b, '}');
	w->n_observations++;
	world_line(w, received_us, "%s", b.p);
	if (coin(w, w->repeated))
		world_line(w, received_us + US_PER_S, "%s", b.p);
	buf_fini(&b);
}

/* -- patterns -- */

static void exact(const struct cdn *c, const struct page *p, struct buf *b)
{
	const char *host = p->own_host ? "api.shop.example" : "shop.example";
	if (c->key == KEY_URL)
		buf_addf(b, "https://%s%s%s", host, p->path, p->query);
	else
		buf_addf(b, "%s%s", p->path, c->key == KEY_PATH ? p->query : "");
}

/* What somebody would send who means this page, and does not get it. */
static void near_miss(struct world *w, const struct cdn *c, const struct page *p, struct buf *b)
{
	int how = pick(w, 3);
	const char *url = c->key == KEY_URL ? "https://shop.example" : "";
	bool zones_own = strcmp(c->name, "bunny") == 0; /* there a zone may ignore the query */
	if (p->query[0] && c->key != KEY_PATH_ONLY && how > 0 && !zones_own)
		buf_addf(b, "%s%s", url, p->path); /* the bare path is another object */
	else if (strcmp(c->name, "cloudfront") == 0 && how == 0)
		buf_addf(b, "/*%s", p->path); /* '*' is one only at the end */
	else if (c->key == KEY_URL && how == 0)
		buf_addf(b, "https://www.shop.example%s%s", p->path,
			p->query); /* another host, another object */
	else if (!c->ignores_case && how == 1)
		buf_addf(
			b, "%s/%c%s%s", url, p->path[1] - 'a' + 'A', p->path + 2, p->query); /* case counts */
	else
		buf_addf(b, "%s/assets/%s", url, c->star ? "*" : "app.css");
}

static void finish(struct purge *p, const char *text)
{
	snprintf(p->patterns, sizeof(p->patterns), "%s", text);
}

void purge_patterns_all(struct world *w, struct purge *p)
{
	const struct cdn *c = cdn_named(p->vendor);
	for (int i = 0; i < w->n_pages; i++)
		p->covers[i] = true;
	int how = pick(w, 4);
	if (how == 0) {
		finish(p, "\"everything\":true");
		return;
	}
	if (how == 1 && (strcmp(c->name, "fastly") == 0 || strcmp(c->name, "akamai") == 0 ||
				strcmp(c->name, "cloudflare") == 0)) {
		finish(p, "\"tags\":[\"shop\",\"release\"]");
		return;
	}
	if (how == 2 && c->star && c->key != KEY_URL) {
		finish(p, "\"patterns\":[\"/*\"]");
		return;
	}
	bool none[ENDPOINTS_MAX] = { false };
	purge_patterns_narrow(w, p, none);
}

void purge_patterns_narrow(struct world *w, struct purge *p, const bool missed[ENDPOINTS_MAX])
{
	const struct cdn *c = cdn_named(p->vendor);
	struct buf b, one;
	buf_init(&b, sizeof(p->patterns) - 1);
	buf_init(&one, 256);
	buf_addf(&b, "\"patterns\":[");
	for (int i = 0; i < w->n_pages; i++) {
		p->covers[i] = !missed[i];
		buf_clear(&one);
		if (missed[i])
			near_miss(w, c, &w->pages[i], &one);
		else
			exact(c, &w->pages[i], &one);
		buf_addf(&b, "%s", i ? "," : "");
		buf_add_json(&b, buf_str(&one));
	}
	buf_add_char(&b, ']');
	if (buf_failed(&b))
		abort();
	finish(p, b.p);
	buf_fini(&b), buf_fini(&one);
}

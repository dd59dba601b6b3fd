#include "base/cdn/cdn.h"

#include <stdio.h>

#include "base/cdn/read.h"
#include "base/places.h"

extern const struct vendor vendor_cloudflare, vendor_vercel, vendor_netlify, vendor_fastly, vendor_cloudfront,
	vendor_akamai, vendor_azure, vendor_bunny, vendor_keycdn, vendor_cdn77, vendor_edgecast,
	vendor_sucuri, vendor_imperva, vendor_stackpath, vendor_alibaba, vendor_tencent, vendor_edgeone,
	vendor_gcore, vendor_google, vendor_souin, vendor_ats, vendor_squid, vendor_varnish, vendor_envoy,
	vendor_generic, vendor_none;

/* First claim wins, so the order is which CDN is put in front of which: Cloudflare over Fastly, Fastly over
 * CloudFront, Akamai over Azure are all seen. Then the CDNs that are known by headers of their own, then
 * software, then anybody who says a word. */
static const struct vendor *const vendors[] = {
	&vendor_cloudflare,
	&vendor_vercel,
	&vendor_netlify,
	&vendor_fastly,
	&vendor_cloudfront,
	&vendor_akamai,
	&vendor_azure,
	/* by their own headers */
	&vendor_bunny,
	&vendor_keycdn,
	&vendor_cdn77,
	&vendor_edgecast,
	&vendor_sucuri,
	&vendor_imperva,
	&vendor_stackpath,
	&vendor_alibaba,
	&vendor_tencent,
	&vendor_edgeone,
	&vendor_gcore,
	/* software: by the last member of Via, else Server, else a header of its own */
	&vendor_google,
	&vendor_souin,
	&vendor_ats,
	&vendor_squid,
	&vendor_varnish,
	&vendor_envoy,
	/* a word of nobody we know */
	&vendor_generic,
	&vendor_none,
};

const struct vendor *cdn_vendor_at(size_t i)
{
	return i < ARRAY_LEN(vendors) ? vendors[i] : NULL;
}

static const struct vendor *vendor_of(const struct headers *h)
{
	enum software software = SOFTWARE_NONE;
	bool asked = false;
	for (size_t i = 0; i < ARRAY_LEN(vendors); i++) {
		const struct vendor *v = vendors[i];
		if (!headers_may_match(h, v->marks))
			continue;
		if (v->software != SOFTWARE_NONE && !asked) {
			software = software_of(h);
			asked = true;
		}
		if (v->software != SOFTWARE_NONE ? v->software == software
			: v->claims != NULL      ? v->claims(h)
						 : headers_match(h, v->marks))
			return v;
	}
	return &vendor_none;
}

static void iata_read(struct edge_info *e)
{
	char code[4] = "";
	for (size_t i = 0; i < 3 && e->pop.n >= 3; i++) {
		char c = e->pop.p[i];
		code[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	}
	if (place_is_iata(code))
		memcpy(e->iata, code, sizeof(code));
}

/* The place by the operator's own header. Caches in a row each add a line: the last is the nearest. */
static bool configured_pop(const struct headers *h, const struct cdn_options *options, struct str *ret_pop)
{
	struct str want = options ? options->pop_header : STR_NONE;
	for (size_t i = h->n; want.n > 0 && i > 0; i--) {
		if (!str_eq_nocase(h->h[i - 1].name, want))
			continue;
		ptrdiff_t comma = str_rfind(h->h[i - 1].value, ',');
		*ret_pop = str_trim(
			comma < 0 ? h->h[i - 1].value : str_from(h->h[i - 1].value, (size_t)comma + 1));
		return ret_pop->n > 0;
	}
	return false;
}

/* Configuration wins over what was recognised, also over the name of the vendor: the operator knows whose
 * cache it is. */
static void rename_edge(struct edge_info *e, struct str pop, struct str vendor, const struct vendor **v)
{
	struct str old = e->pop;
	e->pop = STR_NONE;
	pop_set(e, pop, "the configured header");
	if (e->pop.n == 0) {
		e->pop = old; /* it was no clean name */
		return;
	}
	e->vendor = vendor;
	*v = NULL;
	for (size_t i = 0; i < ARRAY_LEN(vendors); i++)
		if (str_is(vendor, vendors[i]->name))
			*v = vendors[i];
	if (e->n_tiers == 0)
		tier_add(e, TIER_EDGE, CACHE_UNKNOWN, e->pop);
	if (str_eq(e->tiers[0].node, old))
		e->tiers[0].node = e->pop;
}

void cdn_read(const struct headers *headers, const struct cdn_options *options, struct edge_info *ret)
{
	struct headers indexed = *headers;
	const struct headers *h = &indexed;
	struct edge_info *e = ret;
	struct str pop;
	if (h->names == 0)
		headers_index(&indexed);
	*e = (struct edge_info){ .age_s = OBS_AGE_NONE,
		.ttl_s = CDN_TTL_NONE,
		.browser_ttl_s = CDN_TTL_NONE,
		.targeted_ttl_s = CDN_TTL_NONE };
	bool named = configured_pop(h, options, &pop);
	bool self = named && (options->pop_vendor.n == 0 || str_is(options->pop_vendor, "self"));
	const struct vendor *v = &vendor_generic;
	/* One's own caches in a row may be of several makes; what they are told to say counts before what the
	 * make shows. */
	if (!self || !headers_match(h, v->marks))
		v = vendor_of(h);

	age_read(h, e);
	e->vendor = str_of(v->name);
	v->read(h, e);
	if (v != &vendor_none)
		inner_read(h, e);
	if (e->n_tiers > 0 && e->tiers[0].node.n == 0)
		e->tiers[0].node = e->pop;
	if (named)
		rename_edge(e, pop, self ? STR("self") : options->pop_vendor, &v);
	e->cache = e->n_tiers > 0 ? e->tiers[0].status : CACHE_UNKNOWN;
	if (v != NULL && v->pops_are_iata)
		iata_read(e);
	ttl_read(h, v, e);
}

const char *cdn_edge_name(const struct edge_info *e, char *text, size_t n)
{
	if (n == 0)
		return "";
	text[0] = '\0';
	if (e->pop.n > 0)
		snprintf(text, n, "%.*s:%.*s", STR_ARG(e->vendor), STR_ARG(e->pop));
	else if (!str_is(e->vendor, vendor_none.name))
		snprintf(text, n, "%.*s", STR_ARG(e->vendor));
	return text;
}

static int32_t clamp_s(int64_t s, int64_t none, int32_t obs_none)
{
	if (s == none)
		return obs_none;
	return (int32_t)MAX((int64_t)obs_none + 1, MIN(s, (int64_t)INT32_MAX));
}

void cdn_fill_obs(const struct edge_info *e, struct obs *ret_obs)
{
	ret_obs->n_tiers = (uint8_t)e->n_tiers;
	for (size_t i = 0; i < e->n_tiers; i++) {
		ret_obs->tiers[i] = (uint8_t)e->tiers[i].status;
		ret_obs->tier_kinds[i] = (uint8_t)e->tiers[i].kind;
	}
	ret_obs->age_s = clamp_s(e->age_s, OBS_AGE_NONE, OBS_AGE_NONE);
	ret_obs->ttl_s = clamp_s(e->ttl_s, CDN_TTL_NONE, OBS_TTL_NONE);
	ret_obs->browser_ttl_s = clamp_s(e->browser_ttl_s, CDN_TTL_NONE, OBS_TTL_NONE);
}

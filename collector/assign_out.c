/* assign_out.c - see assign_out.h */
#include <stdlib.h>

#include "collector/assign_out.h"

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;
	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(1099511628211);
	return h;
}

static uint64_t mix_number(uint64_t h, uint64_t v)
{
	for (int shift = 0; shift < 64; shift += 8) {
		unsigned char byte = (unsigned char)(v >> shift);
		h = mix(h, &byte, 1);
	}
	return h;
}

static uint64_t mix_str(uint64_t h, struct str s)
{
	return mix(mix_number(h, s.n), s.p ? s.p : "", s.n);
}

/* Everything but what is left of a burst: that one passes by itself. */
static uint64_t generation_of(const struct assignments *a)
{
	uint64_t h = UINT64_C(14695981039346656037);
	for (size_t i = 0; i < a->n_services; i++) {
		const struct assign_service *s = &a->services[i];
		h = mix_number(mix_str(h, s->name), s->n_endpoints);
		h = mix_number(mix_number(h, s->interval_ms), s->timeout_ms);
		h = mix_number(h, s->burst_interval_ms);
		for (size_t k = 0; k < s->n_endpoints; k++) {
			const struct assign_endpoint *e = &s->endpoints[k];
			h = mix_str(mix_str(mix_str(h, e->id), e->url), e->extract_arg);
			h = mix_str(mix_str(mix_str(h, e->connect_to), e->pop_header), e->pop_vendor);
			h = mix_number(mix_number(h, (uint64_t)e->extract), e->path);
			h = mix_number(mix_number(h, e->fresh_connection), e->redirects);
			h = mix_number(mix_number(h, e->max_body), (uint64_t)e->ip_version);
			if (e->addresses != ADDRESSES_DNS || e->address.n > 0)
				h = mix_str(mix_number(h, (uint64_t)e->addresses), e->address);
			h = mix_number(h, e->n_headers);
			for (size_t j = 0; j < e->n_headers; j++) {
				h = mix_str(mix_str(h, e->headers[j].name), e->headers[j].value);
				if (e->headers[j].agent_env.n) /* else as it ever was */
					h = mix_str(h, e->headers[j].agent_env);
			}
		}
	}
	return h ? h : 1;
}

static size_t ways_count(const struct endpoint_conf *e, enum obs_path path)
{
	return path == PATH_EDGE && e->n_pins > 0 ? e->n_pins : e->ip_both ? 2 : 1;
}

static void endpoint_fill(struct assign_endpoint *ret, const struct service_conf *s,
	const struct endpoint_conf *e, enum obs_path path)
{
	*ret = (struct assign_endpoint){
		.id = e->id,
		.url = e->url,
		.extract = e->version.kind,
		.extract_arg = e->version.arg,
		.headers = e->headers,
		.n_headers = e->n_headers,
		.path = (uint8_t)path,
		.connect_to = path == PATH_ORIGIN ? s->origin_connect_to : STR_NONE,
		.fresh_connection = e->fresh_connection,
		.redirects = e->redirects,
		.max_body = e->max_body,
		.ip_version = e->ip_version,
		.pop_header = e->pop_header,
		.pop_vendor = e->cdn_vendor,
	};
}

/* One endpoint, every way it is probed: at each address that is listed, else on IPv4 and IPv6 where they are
 * asked for apart. Past the CDN there are no edges to choose from. Returns the end of what it filled. */
static struct assign_endpoint *ways_fill(struct assign_endpoint *next, const struct service_conf *s,
	const struct endpoint_conf *e, enum obs_path path)
{
	bool listed = path == PATH_EDGE && e->n_pins > 0;
	for (size_t i = 0; i < ways_count(e, path); i++, next++) {
		endpoint_fill(next, s, e, path);
		if (listed)
			next->address = e->pins[i];
		else if (e->ip_both)
			next->ip_version = i == 0 ? 4 : 6;
		if (path == PATH_EDGE)
			next->addresses = e->addresses;
	}
	return next;
}

static bool is_origin_agent(const struct service_conf *s, struct str agent, struct str region)
{
	return s->has_origin && from_matches(&s->origin_from, agent, region);
}

static size_t count_of(const struct service_conf *s, enum obs_path path)
{
	size_t n = 0;
	for (size_t k = 0; k < s->n_endpoints; k++)
		n += ways_count(&s->endpoints[k], path);
	return n;
}

size_t assign_count(const struct service_conf *s, struct str agent, struct str region)
{
	return (from_matches(&s->from, agent, region) ? count_of(s, PATH_EDGE) : 0) +
	       (is_origin_agent(s, agent, region) ? count_of(s, PATH_ORIGIN) : 0);
}

size_t assign_count_all(const struct service_conf *s)
{
	return count_of(s, PATH_EDGE) + (s->has_origin ? count_of(s, PATH_ORIGIN) : 0);
}

void assign_out_init(struct assign_out *o, const struct collector_conf *c, const struct assign_burst *bursts,
	int64_t now_us, struct str agent, struct str region)
{
	size_t n_endpoints = 0;
	for (size_t i = 0; i < c->n_services; i++)
		n_endpoints += assign_count(&c->services[i], agent, region);
	*o = (struct assign_out){ .services = mem_new_array(c->n_services + 1, sizeof(*o->services)),
		.endpoints = mem_new_array(n_endpoints + 1, sizeof(*o->endpoints)) };
	struct assign_endpoint *next = o->endpoints;
	for (size_t i = 0; i < c->n_services; i++) {
		const struct service_conf *s = &c->services[i];
		struct assign_service *out = &o->services[o->a.n_services];
		struct assign_endpoint *first = next;
		if (from_matches(&s->from, agent, region))
			for (size_t k = 0; k < s->n_endpoints; k++)
				next = ways_fill(next, s, &s->endpoints[k], PATH_EDGE);
		if (is_origin_agent(s, agent, region))
			for (size_t k = 0; k < s->n_endpoints; k++)
				next = ways_fill(next, s, &s->endpoints[k], PATH_ORIGIN);
		if (next == first)
			continue;
		*out = (struct assign_service){ .name = s->name,
			.endpoints = first,
			.n_endpoints = (size_t)(next - first),
			.interval_ms = (uint32_t)(s->interval_us / US_PER_MS),
			.timeout_ms = (uint32_t)(s->probe_timeout_us / US_PER_MS) };
		if (bursts && bursts[i].interval_ms > 0 && bursts[i].until_us > now_us) {
			out->burst_interval_ms = bursts[i].interval_ms;
			out->burst_left_ms = (uint32_t)((bursts[i].until_us - now_us) / US_PER_MS) + 1;
		}
		o->a.n_services++;
	}
	o->a.services = o->services;
	o->a.generation = generation_of(&o->a);
}

void assign_out_fini(struct assign_out *o)
{
	free(o->services);
	free(o->endpoints);
	*o = (struct assign_out){ 0 };
}

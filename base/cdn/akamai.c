/* akamai.c - Source: Akamai Edge Diagnostics, "Pragma headers"; Property Manager, "Return cache status"; the
 * byte order of Akamai-GRN and the fields of Akamai-Request-BC are observed, not documented. There is no PoP
 * code: the machine is called after its address. The edge ("child") comes first in Akamai-Cache-Status, and
 * X-Cache-Remote is the parent. */
#include <stdio.h>

#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("server", "^Akamai"), MARK("x-akamai-", NULL),
	MARK("akamai-", NULL), MARK("x-cache", "akamai"), MARKS_END };

static bool claims(const struct headers *h)
{
	static const struct mark own[] = { MARK("x-akamai-", NULL), MARK("akamai-", NULL),
		MARK("server", "^Akamai"), MARKS_END };
	struct list words;
	if (headers_match(h, own))
		return true;
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	for (size_t i = 0; i < words.n; i++)
		if (akamai_host(list_nearest(&words, i)).n > 0)
			return true;
	return false;
}

static struct str name_of_ip(struct edge_info *e, const unsigned char ip[4])
{
	char text[sizeof("a255-255-255-255")];
	int n = snprintf(text, sizeof(text), "a%d-%d-%d-%d", ip[0], ip[1], ip[2], ip[3]);
	return scratch_add(e, (struct str){ text, (size_t)n });
}

/* "23.44.214.23" */
static struct str name_from_server_ip(struct edge_info *e, struct str text)
{
	unsigned char ip[4];
	struct str rest = str_trim(text), part;
	size_t n = 0;
	for (; str_cut(&rest, '.', &part); n++) {
		int64_t v;
		if (n == 4 || part.n > 3 || str_to_i64(part, &v, NULL) < 0 || v < 0 || v > 255)
			return STR_NONE;
		ip[n] = (unsigned char)v;
	}
	return n == 4 ? name_of_ip(e, ip) : STR_NONE;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "0.17d62c17.1720670453.c346c4c3": the address, least significant byte first */
static struct str name_from_grn(struct edge_info *e, struct str text)
{
	unsigned char ip[4];
	struct str rest = str_trim(text), part;
	if (!str_cut(&rest, '.', &part) || !str_cut(&rest, '.', &part) || part.n != 8)
		return STR_NONE;
	for (size_t i = 0; i < 4; i++) {
		int high = hex_digit(part.p[2 * i]), low = hex_digit(part.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return STR_NONE;
		ip[3 - i] = (unsigned char)(high << 4 | low);
	}
	return name_of_ip(e, ip);
}

/* "[a=23.44.214.23,b=3276195011,c=g,n=SG__SINGAPORE,o=20940],[a=204.79.197.203,c=o]": c=g is the edge, n its
 * country_state_city */
static void geo_read(const struct headers *h, struct edge_info *e)
{
	struct list hops;
	list_read(h, "akamai-request-bc", ENCLOSING_ALL, &hops);
	for (size_t i = 0; i < hops.n; i++) {
		struct str hop = list_nearest(&hops, i), field, place = STR_NONE;
		bool edge = false;
		if (hop.n < 2 || hop.p[0] != '[' || hop.p[hop.n - 1] != ']')
			continue;
		hop = (struct str){ hop.p + 1, hop.n - 2 };
		while (str_cut(&hop, ',', &field)) {
			edge = edge || str_is(field, "c=g");
			if (str_starts(field, "n="))
				place = str_from(field, 2);
		}
		ptrdiff_t first = str_find(place, '_');
		if (!edge || first < 0)
			continue;
		struct str rest = str_from(place, (size_t)first + 1);
		ptrdiff_t second = str_find(rest, '_');
		e->geo_country = str_first(place, (size_t)first);
		e->geo_city = second < 0 ? STR_NONE : str_from(rest, (size_t)second + 1);
		return;
	}
}

/* "Miss from child, Hit from parent" */
static bool child_status_read(const struct headers *h, struct edge_info *e)
{
	struct list hops;
	list_read(h, "akamai-cache-status", ENCLOSING_QUOTES, &hops);
	for (size_t i = hops.n; i > 0; i--)
		tier_add_word(e, i == hops.n ? TIER_EDGE : TIER_SHIELD, list_nearest(&hops, i - 1),
			i == hops.n ? e->pop : STR_NONE);
	if (hops.n > 0)
		e->cache_source = "akamai-cache-status";
	return hops.n > 0;
}

/* Server-Timing: cdn-cache; desc=HIT, edge; dur=1 */
static bool timing_read(const struct headers *h, struct edge_info *e)
{
	struct str member, part;
	for (size_t at = 0; headers_next_member(h, "server-timing", &at, &member);) {
		if (!part_cut(&member, ';', ENCLOSING_QUOTES, &part) ||
			!str_eq_nocase(part, STR("cdn-cache")))
			continue;
		while (part_cut(&member, ';', ENCLOSING_QUOTES, &part)) {
			if (!str_starts_nocase(part, "desc="))
				continue;
			part = str_from(part, 5);
			if (part.n > 0 && part.p[0] == '"')
				part = str_from(part, 1);
			e->cache_source = "server-timing";
			tier_add_word(e, TIER_EDGE, part, e->pop);
			return true;
		}
	}
	return false;
}

static void akamai_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	struct str text, node;
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	node = akamai_host(list_nearest(&words, 0));
	bool x_cache = node.n > 0; /* else X-Cache is somebody's behind us */
	pop_set(e, node, "x-cache");
	if (e->pop.n == 0 && headers_get(h, "akamai-server-ip", &text))
		pop_set(e, name_from_server_ip(e, text), "akamai-server-ip");
	if (e->pop.n == 0 && headers_get(h, "akamai-grn", &text))
		pop_set(e, name_from_grn(e, text), "akamai-grn");
	geo_read(h, e);
	if (x_cache) {
		e->cache_source = "x-cache";
		tier_add_word(e, TIER_EDGE, list_nearest(&words, 0), node);
		if (headers_get_last(h, "x-cache-remote", &text))
			tier_add_word(e, TIER_SHIELD, text, akamai_host(text));
		tiers_tell(e, 1, "x-cache-remote");
	} else if (!child_status_read(h, e) && !timing_read(h, e)) {
		tier_add(e, TIER_EDGE, CACHE_UNKNOWN, e->pop);
	}
	x_cache_read(h, e, &words, x_cache ? 1 : 0);
}

const struct vendor vendor_akamai = {
	.name = "akamai", .marks = marks, .claims = claims, .read = akamai_read
};

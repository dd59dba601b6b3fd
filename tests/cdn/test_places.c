/* test_places.c - PoPs as vendors spell them, and where they are. Every PoP of samples.jsonl has a line here,
 * as have codes from vendors' documentation. Coordinates are of the city, from any atlas: a place must be
 * within a degree of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/places.h"
#include "tests/cdn/support.h"

static const struct spelled {
	const char *vendor, *pop, *city, *country;
	double lat, lon;
	const char *why_not; /* no place, for this reason */
} spelled[] = {
	/* Cloudflare: the colo at the end of CF-Ray, an airport but for a few */
	{ "cloudflare", "AMS", "Amsterdam", "NL", 52.4, 4.9, NULL },
	{ "cloudflare", "ARN", "Stockholm", "SE", 59.3, 18.1, NULL },
	{ "cloudflare", "ATL", "Atlanta", "US", 33.7, -84.4, NULL },
	{ "cloudflare", "CPH", "Copenhagen", "DK", 55.7, 12.6, NULL },
	{ "cloudflare", "DME", "Moscow", "RU", 55.8, 37.6, NULL },
	{ "cloudflare", "FRA", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "cloudflare", "HKG", "Hong Kong", "HK", 22.3, 114.2, NULL },
	{ "cloudflare", "IAD", "Ashburn", "US", 39.0, -77.5, NULL },
	{ "cloudflare", "KIV", "Chișinău", "MD", 47.0, 28.9, NULL },
	{ "cloudflare", "QWJ", "Americana", "BR", -22.7, -47.3, NULL },
	{ "cloudflare", "SEA", "Seattle", "US", 47.6, -122.3, NULL },
	{ "cloudflare", "SJC", "San Jose", "US", 37.3, -121.9, NULL },
	{ "cloudflare", "SYD", "Sydney", "AU", -33.9, 151.2, NULL },
	/* CloudFront: letters of an airport, a site, a group of hosts */
	{ "cloudfront", "ARN1-C1", "Stockholm", "SE", 59.3, 18.1, NULL },
	{ "cloudfront", "ARN53", "Stockholm", "SE", 59.3, 18.1, NULL },
	{ "cloudfront", "BUD50-C1", "Budapest", "HU", 47.5, 19.0, NULL },
	{ "cloudfront", "DEL54-C1", "New Delhi", "IN", 28.6, 77.2, NULL },
	{ "cloudfront", "FRA56-P4", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "cloudfront", "GRU3-P7", "São Paulo", "BR", -23.6, -46.6, NULL },
	{ "cloudfront", "HIO50-C2", "Portland", "US", 45.5, -122.7, NULL },
	{ "cloudfront", "LAX54-P11", "Los Angeles", "US", 34.1, -118.2, NULL },
	{ "cloudfront", "NRT20-C2", "Tokyo", "JP", 35.7, 139.7, NULL },
	{ "cloudfront", "NRT57-C3", "Tokyo", "JP", 35.7, 139.7, NULL },
	{ "cloudfront", "SEA19-C2", "Seattle", "US", 47.6, -122.3, NULL },
	{ "cloudfront", "SEA19-C3", "Seattle", "US", 47.6, -122.3, NULL },
	{ "cloudfront", "SEA73-P1", "Seattle", "US", 47.6, -122.3, NULL },
	{ "cloudfront", "SEA900-P3", "Seattle", "US", 47.6, -122.3, NULL },
	{ "cloudfront", "SEA900-P4", "Seattle", "US", 47.6, -122.3, NULL },
	{ "cloudfront", "SIN5-C1", "Singapore", "SG", 1.3, 103.8, NULL },
	{ "cloudfront", "SIN52-C2", "Singapore", "SG", 1.3, 103.8, NULL },
	{ "cloudfront", "SYD1-C2", "Sydney", "AU", -33.9, 151.2, NULL },
	{ "cloudfront", "TXL50-P4", "Berlin", "DE", 52.5, 13.4, NULL },
	{ "cloudfront", "YVR52-P1", "Vancouver", "CA", 49.3, -123.1, NULL },
	/* Fastly: its own list. Airports lend their names to sites of the city, or of the next */
	{ "fastly", "AMS", "Amsterdam", "NL", 52.4, 4.9, NULL },
	{ "fastly", "ATL", "Atlanta", "US", 33.7, -84.4, NULL },
	{ "fastly", "BFI", "Seattle", "US", 47.6, -122.3, NULL },
	{ "fastly", "BMA", "Stockholm", "SE", 59.3, 18.1, NULL },
	{ "fastly", "BWI", "Ashburn", "US", 39.0, -77.5, NULL },
	{ "fastly", "FJR", "Dubai", "AE", 25.2, 55.3, NULL },
	{ "fastly", "FRA", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "fastly", "HHN", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "fastly", "JFK", "New York", "US", 40.7, -74.0, NULL },
	{ "fastly", "NRT", "Tokyo", "JP", 35.7, 139.7, NULL },
	{ "fastly", "QPG", "Singapore", "SG", 1.3, 103.8, NULL },
	{ "fastly", "SIN", "Singapore", "SG", 1.3, 103.8, NULL },
	{ "fastly", "SJC", "San Jose", "US", 37.3, -121.9, NULL },
	{ "fastly", "TYO", "Tokyo", "JP", 35.7, 139.7, NULL },
	{ "fastly", "WDC", "Ashburn", "US", 39.0, -77.5, NULL },
	{ "fastly", "cache-fra-eddf8230052-FRA", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "fastly", "cache-iad-kiad7000130-IAD", "Ashburn", "US", 39.0, -77.5, NULL },
	{ "fastly", "IXZ", NULL, NULL, 0, 0,
		"an airport on the Andamans lent its name; no list says to which site" },
	/* Azure Front Door: its own abbreviations, before EDGE or a number */
	{ "azure-frontdoor", "ATL331000109037", "Atlanta", "US", 33.7, -84.4, NULL },
	{ "azure-frontdoor", "ATL331000110031", "Atlanta", "US", 33.7, -84.4, NULL },
	{ "azure-frontdoor", "BN3SCHEDGE0512", "Boydton", "US", 36.7, -78.4, NULL },
	{ "azure-frontdoor", "CHGEDGE1113", "Chicago", "US", 41.9, -87.7, NULL },
	{ "azure-frontdoor", "SIN30EDGE0713", "Singapore", "SG", 1.3, 103.8, NULL },
	{ "azure-frontdoor", "STOEDGE0417", "Stockholm", "SE", 59.3, 18.1, NULL },
	{ "azure-frontdoor", "WSTEDGE0619", "Seattle", "US", 47.6, -122.3, NULL },
	{ "azure-frontdoor", "KTUEDGE0001", NULL, NULL, 0, 0, "an airport, and not in Azure's list" },
	/* Vercel: an airport and a number */
	{ "vercel", "arn1", "Stockholm", "SE", 59.3, 18.1, NULL },
	{ "vercel", "fra1", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "vercel", "hkg1", "Hong Kong", "HK", 22.3, 114.2, NULL },
	{ "vercel", "iad1", "Ashburn", "US", 39.0, -77.5, NULL },
	{ "vercel", "syd1", "Sydney", "AU", -33.9, 151.2, NULL },
	/* Google: a header that the operator names after {cdn_cache_id} */
	{ "google", "SEA-b9fa975e", "Seattle", "US", 47.6, -122.3, NULL },
	{ "google", "FRA", "Frankfurt", "DE", 50.1, 8.7, NULL },
	/* Bunny: its own codes, countries (UK is not ISO's) and cities */
	{ "bunny", "DE1", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "bunny", "DE1-1071", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "bunny", "BunnyCDN-SG1-1180", "Singapore", "SG", 1.3, 103.8, NULL },
	{ "bunny", "FI1", "Helsinki", "FI", 60.2, 24.9, NULL },
	{ "bunny", "FR1", "Paris", "FR", 48.9, 2.4, NULL },
	{ "bunny", "LA1", "Los Angeles", "US", 34.1, -118.2, NULL },
	{ "bunny", "UK1", "London", "GB", 51.5, -0.1, NULL },
	{ "bunny", "IL1", NULL, NULL, 0, 0, "Israel or Illinois: no table of Bunny's says" },
	/* CDN77: the city by name */
	{ "cdn77", "amsterdamNL", "Amsterdam", "NL", 52.4, 4.9, NULL },
	{ "cdn77", "frankfurtDE", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "cdn77", "hongkongHK", "Hong Kong", "HK", 22.3, 114.2, NULL },
	{ "cdn77", "losangelesUSCA", "Los Angeles", "US", 34.1, -118.2, NULL },
	{ "cdn77", "singaporeSG", "Singapore", "SG", 1.3, 103.8, NULL },
	/* KeyCDN: country and city */
	{ "keycdn", "chzh", "Zürich", "CH", 47.4, 8.5, NULL },
	{ "keycdn", "defr", "Frankfurt", "DE", 50.1, 8.7, NULL },
	{ "keycdn", "uswd", "Washington", "US", 38.9, -77.0, NULL },
	/* Wikimedia's caches: the first digit is the data center */
	{ "ats", "cp3072", "Amsterdam", "NL", 52.4, 4.9, NULL },
	{ "varnish", "cp1055", "Ashburn", "US", 39.0, -77.5, NULL },
	{ "varnish", "cp1065", "Ashburn", "US", 39.0, -77.5, NULL },
	/* no table that says */
	{ "akamai", "a104-94-100-167", NULL, NULL, 0, 0, "an address, no site" },
	{ "akamai", "a165-254-246-9", NULL, NULL, 0, 0, "an address, no site" },
	{ "akamai", "a173-222-109-135", NULL, NULL, 0, 0, "an address, no site" },
	{ "akamai", "a199-117-103-28", NULL, NULL, 0, 0, "an address, no site" },
	{ "akamai", "a201-20-244-37", NULL, NULL, 0, 0, "an address, no site" },
	{ "akamai", "a23-44-214-23", NULL, NULL, 0, 0,
		"an address; the header that names its city is read apart" },
	{ "akamai", "a23-62-155-202", NULL, NULL, 0, 0, "an address, no site" },
	{ "akamai", "a69-174-50-208", NULL, NULL, 0, 0, "an address, no site" },
	{ "alibaba", "au2", NULL, NULL, 0, 0, "a country, no city" },
	{ "alibaba", "cn1247", NULL, NULL, 0, 0, "a country, no city" },
	{ "alibaba", "cn593", NULL, NULL, 0, 0, "a country, no city" },
	{ "alibaba", "cn7681", NULL, NULL, 0, 0, "a country, no city" },
	{ "alibaba", "gb9", NULL, NULL, 0, 0, "a country, no city" },
	{ "ats", "a34.ue.bf1.yahoo.net", NULL, NULL, 0, 0, "a self-run cache" },
	{ "ats", "edge2270.img.umd.yahoo.co.jp", NULL, NULL, 0, 0, "a self-run cache" },
	{ "edgecast", "arn", NULL, NULL, 0, 0, "no public table; equals an airport's code by chance" },
	{ "edgecast", "oxr", NULL, NULL, 0, 0, "no public table; equals an airport's code by chance" },
	{ "edgecast", "sab", NULL, NULL, 0, 0, "no public table; equals an airport's code by chance" },
	{ "edgecast", "sec", NULL, NULL, 0, 0, "no public table" },
	{ "edgecast", "sjc", NULL, NULL, 0, 0, "no public table; equals an airport's code by chance" },
	{ "gcore", "ed", NULL, NULL, 0, 0, "no public table" },
	{ "gcore", "m9", NULL, NULL, 0, 0, "no public table" },
	{ "generic", "hnd", NULL, NULL, 0, 0, "a cache of unknown make: whose codes are these?" },
	{ "generic", "prome-it", NULL, NULL, 0, 0, "a cache of unknown make" },
	{ "squid", "knsq23.knams.wikimedia.org", NULL, NULL, 0, 0, "a self-run cache" },
	{ "squid", "localhost", NULL, NULL, 0, 0, "a self-run cache" },
	{ "squid", "moss-portal2.lst.se", NULL, NULL, 0, 0, "a self-run cache" },
	{ "stackpath", "dc1", NULL, NULL, 0, 0, "no public table" },
	{ "stackpath", "se2", NULL, NULL, 0, 0, "no public table" },
	{ "stackpath", "sk1", NULL, NULL, 0, 0, "no public table" },
	{ "sucuri", "12018", NULL, NULL, 0, 0, "an opaque number" },
	{ "self", "edge-lhr", NULL, NULL, 0, 0, "the operator's own name" },
};

static void place_check(const struct spelled *s)
{
	struct place p;
	bool found = place_of(str_of(s->vendor), str_of(s->pop), &p);
	if (found != (s->city != NULL))
		fail_msg("%s %s: %s", s->vendor, s->pop, found ? s->why_not : "no place");
	if (!found)
		return;
	if (!str_is(p.city, s->city) || strcmp(p.country, s->country) != 0)
		fail_msg("%s %s: %.*s %s", s->vendor, s->pop, STR_ARG(p.city), p.country);
	if (fabs(p.lat - s->lat) > 1 || fabs(p.lon - s->lon) > 1)
		fail_msg("%s %s: at %.2f, %.2f", s->vendor, s->pop, p.lat, p.lon);
}

static void test_a_pop_is_where_its_vendor_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spelled); i++)
		place_check(&spelled[i]);
}

static const struct spelled *line_of(struct str vendor, struct str pop)
{
	for (size_t i = 0; i < ARRAY_LEN(spelled); i++)
		if (str_is(vendor, spelled[i].vendor) && str_is(pop, spelled[i].pop))
			return &spelled[i];
	return NULL;
}

static void sample_read(const json_t *sample, struct edge_info *ret)
{
	static struct header room[HEADERS_MAX];
	const json_t *list = json_object_get(sample, "headers"), *pair;
	struct headers h = { .h = room, .n = 0, .received_at_us = TIME_NONE };
	size_t i;
	json_array_foreach(list, i, pair)
	{
		const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);
		room[h.n++] = (struct header){ { json_string_value(name), json_string_length(name) },
			str_trim((struct str){ json_string_value(value), json_string_length(value) }) };
	}
	cdn_read(&h, NULL, ret);
}

/* Every PoP that recorded answers name has a line above: a place, or the reason why there is none. */
static void test_every_recorded_pop_is_accounted_for(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0, pops = 0, placed = 0, by_table = 0, by_table_placed = 0;
	FILE *f = fopen(TESTS_DIR "/cdn/samples.jsonl", "re");
	assert_non_null(f);
	for (ssize_t n; (n = getline(&text, &size, f)) > 0;) {
		json_t *sample = json_loadb(text, (size_t)n, 0, NULL);
		struct edge_info e;
		assert_non_null(sample);
		sample_read(sample, &e);
		if (e.pop.n > 0) {
			const struct spelled *s = line_of(e.vendor, e.pop);
			if (s == NULL)
				fail_msg("%.*s %.*s has no line", STR_ARG(e.vendor), STR_ARG(e.pop));
			pops++;
			placed += s->city != NULL;
			if (s->city == NULL)
				print_message("  no place: %s %s: %s\n", s->vendor, s->pop, s->why_not);
			by_table += e.iata[0] != '\0';
			by_table_placed += e.iata[0] != '\0' && s->city != NULL;
		}
		json_decref(sample);
	}
	free(text);
	fclose(f);
	print_message(
		"  %zu of %zu answers that name a PoP have a place; of those with an IATA code %zu of %zu\n",
		placed, pops, by_table_placed, by_table);
	assert_true(placed * 100 >= pops * 70);
	assert_int_equal(by_table_placed, by_table);
}

static const struct {
	const char *says, *vendor, *pop;
} unknown[] = {
	{ "a code that nobody has", "cloudflare", "QQQ" },
	{ "a number", "cloudflare", "123" },
	{ "more letters than a code has", "cloudflare", "FRAN" },
	{ "fewer", "cloudflare", "FR" },
	{ "nothing", "cloudflare", "" },
	{ "no letters that are ASCII", "cloudflare", "\xc3\x84\xc3\x96\xc3\x9c" },
	{ "one vendor's own code at another", "cloudfront", "QWJ50" },
	{ "Fastly's own code at Cloudflare", "cloudflare", "WDC" },
	{ "a cloudfront site whose letters are none", "cloudfront", "XXX12-P3" },
	{ "letters that go on", "vercel", "frankfurt1" },
	{ "a vendor that is none", "acme", "FRA" },
	{ "no vendor", "", "FRA" },
	{ "a city in another country", "cdn77", "frankfurtUS" },
	{ "a city without its country", "cdn77", "frankfurt" },
	{ "digits in it", "cdn77", "frankfurt2DE" },
	{ "a country without a city", "cdn77", "DE" },
	{ "a cache of no data center of Wikimedia's", "varnish", "cp9001" },
	{ "a host that begins like one", "varnish", "cp10" },
	{ "a machine of no site", "fastly", "cache-" },
	{ "only EDGE", "azure-frontdoor", "EDGE0001" },
	{ "as long as a PoP may be", "bunny",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAA" },
	{ "a long one of lower case", "cdn77",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaD"
		"E" },
};

static void test_what_no_table_has_stays_unknown(void **state)
{
	(void)state;
	struct place p;
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		if (place_of(str_of(unknown[i].vendor), str_of(unknown[i].pop), &p))
			fail_msg("%s: '%s' is in %.*s", unknown[i].says, unknown[i].pop, STR_ARG(p.city));
}

static void test_an_edge_is_looked_up_by_its_name(void **state)
{
	(void)state;
	struct place p;
	assert_true(place_of_edge(STR("cloudfront:FRA56-P4"), &p));
	assert_true(str_is(p.city, "Frankfurt"));
	assert_false(place_of_edge(STR("cloudfront"), &p));
	assert_false(place_of_edge(STR("cloudfront:"), &p));
	assert_false(place_of_edge(STR(":FRA"), &p));
	assert_false(place_of_edge(STR("self:FRA"), &p)); /* the operator's own names are his */
}

/* The names of thousands of villages would make every agent larger, for codes that have not been met. */
static void test_an_airport_that_no_cdn_was_seen_at_has_no_city(void **state)
{
	(void)state;
	struct place p;
	assert_true(place_of(STR("cloudflare"), STR("AAD"), &p));
	assert_int_equal(p.city.n, 0);
	assert_string_equal(p.country, "SO");
	assert_true(fabs(p.lat - 6.1) < 0.1 && fabs(p.lon - 46.6) < 0.1);
}

/* The first and the last row of a sorted table are where a search goes wrong. */
static void test_the_ends_of_the_tables_are_found(void **state)
{
	(void)state;
	struct place p;
	assert_true(place_is_iata("AAA") && place_is_iata("ZZV") && place_is_iata("TYO"));
	assert_false(place_is_iata("ZZZ") || place_is_iata("WDC") || place_is_iata("aaa") ||
		     place_is_iata("A\0A"));
	assert_true(place_of(STR("ats"), STR("cp1001"), &p) && str_is(p.city, "Ashburn"));
	assert_true(place_of(STR("varnish"), STR("cp7001"), &p) && str_is(p.city, "São Paulo"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pop_is_where_its_vendor_says),
		cmocka_unit_test(test_every_recorded_pop_is_accounted_for),
		cmocka_unit_test(test_what_no_table_has_stays_unknown),
		cmocka_unit_test(test_an_edge_is_looked_up_by_its_name),
		cmocka_unit_test(test_an_airport_that_no_cdn_was_seen_at_has_no_city),
		cmocka_unit_test(test_the_ends_of_the_tables_are_found),
	};
	return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}

/* test_hostile.c - whatever a server sends: no crash, no unclean name, no count over its cap. Runs under ASan
 * and UBSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/cdn/support.h"

#define MANY 1000

static void assert_clean(struct str s)
{
	if (s.n == 0)
		return;
	assert_true(s.n <= CDN_NAME_MAX && str_is_utf8(s));
	for (size_t i = 0; i < s.n; i++)
		assert_true((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f);
}

/* Every promise of cdn.h, whatever was read. */
static void assert_sound(const struct edge_info *e)
{
	char name[OBS_NAME_MAX + 1];
	struct obs o;
	assert_true(e->vendor.n > 0);
	assert_clean(e->vendor);
	assert_clean(e->pop);
	assert_true(e->n_tiers <= OBS_TIERS_MAX);
	assert_true((e->n_tiers == 0) == str_is(e->vendor, "none"));
	assert_true(e->n_tiers == 0 || e->tiers[0].kind == TIER_EDGE);
	for (size_t i = 0; i < e->n_tiers; i++) {
		assert_clean(e->tiers[i].node);
		assert_true(e->tiers[i].status < CACHE_STATUS_COUNT && e->tiers[i].kind <= TIER_INNER);
		assert_true(i == 0 || e->tiers[i].kind != TIER_EDGE);
	}
	assert_int_equal(e->cache, e->n_tiers ? e->tiers[0].status : CACHE_UNKNOWN);
	assert_true(e->age_s >= OBS_AGE_NONE);
	assert_true(e->browser_ttl_s == CDN_TTL_NONE || e->browser_ttl_s >= 0);
	assert_true(e->scratch_n <= sizeof(e->scratch));
	assert_true(strlen(cdn_edge_name(e, name, sizeof(name))) <= OBS_NAME_MAX);
	obs_init(&o);
	cdn_fill_obs(e, &o);
	assert_true(o.age_s >= OBS_AGE_NONE);
}

/* On the heap and of exact size, so that ASan sees one byte too far. */
static void read_exactly(struct str block)
{
	struct header *room = mem_new_array(HEADERS_MAX, sizeof(*room));
	char *copy = mem_new(block.n ? block.n : 1);
	char *exact = block.n ? realloc(copy, block.n) : copy;
	struct headers h;
	struct edge_info e;
	int status;
	memcpy(exact, block.p, block.n);
	if (headers_parse((struct str){ exact, block.n }, room, HEADERS_MAX, &h, &status, NULL) == 0) {
		cdn_read(&h, NULL, &e);
		assert_sound(&e);
	}
	free(exact);
	free(room);
}

static struct buf samples; /* all golden headers of all vendors, one block after the other */

static int samples_load(void **state)
{
	(void)state;
	const struct vendor *v;
	buf_init(&samples, 1024 * 1024);
	for (size_t i = 0; (v = cdn_vendor_at(i)) != NULL; i++) {
		char path[512], *line = NULL;
		size_t size = 0;
		snprintf(path, sizeof(path), "%s/cdn/golden/%s.txt", TESTS_DIR, v->name);
		FILE *f = fopen(path, "re");
		if (f == NULL)
			return -1;
		for (ssize_t n; (n = getline(&line, &size, f)) > 0;) {
			if (str_starts((struct str){ line, (size_t)n }, "> "))
				buf_add(&samples, line + 2, (size_t)n - 2);
			else if (str_starts((struct str){ line, (size_t)n }, "## "))
				buf_addf(&samples, "\n");
		}
		free(line);
		fclose(f);
	}
	return buf_failed(&samples) ? -1 : 0;
}

static int samples_free(void **state)
{
	(void)state;
	buf_fini(&samples);
	return 0;
}

static bool next_block(struct str *rest, struct str *ret_block)
{
	*rest = str_trim(*rest);
	if (rest->n == 0)
		return false;
	const char *end = memmem(rest->p, rest->n, "\n\n", 2);
	size_t n = end ? (size_t)(end - rest->p) : rest->n;
	*ret_block = str_first(*rest, n);
	*rest = str_from(*rest, n);
	return true;
}

static void test_every_prefix_of_every_answer(void **state)
{
	(void)state;
	struct str rest = buf_str(&samples), block;
	size_t n = 0;
	for (; next_block(&rest, &block); n++)
		for (size_t cut = 0; cut <= block.n; cut++)
			read_exactly(str_first(block, cut));
	assert_true(n > 100);
}

/* xorshift64*: the same bytes on every run, so that a failure can be repeated. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed >> 12, *seed ^= *seed << 25, *seed ^= *seed >> 27;
	return *seed * UINT64_C(2685821657736338717);
}

static void test_answers_with_bytes_changed(void **state)
{
	(void)state;
	static const char spice[] = "\"\\,;:=()[]{}-./ \t\r\n\0\x7f\xff\xc3\x80"
				    "09aZ";
	struct str rest = buf_str(&samples), block;
	uint64_t seed = 42;
	while (next_block(&rest, &block)) {
		char *text = mem_new(block.n);
		for (int round = 0; round < 40; round++) {
			memcpy(text, block.p, block.n);
			for (uint64_t k = next_random(&seed) % 6 + 1; k > 0; k--)
				text[next_random(&seed) % block.n] =
					spice[next_random(&seed) % (sizeof(spice) - 1)];
			read_exactly((struct str){ text, block.n });
		}
		free(text);
	}
}

static void test_headers_of_two_answers_mixed(void **state)
{
	(void)state;
	struct str rest = buf_str(&samples), block, other = STR_NONE;
	struct buf both;
	buf_init(&both, 1024 * 1024);
	for (struct str again = rest; next_block(&rest, &block);) {
		if (!next_block(&again, &other)) {
			again = buf_str(&samples);
			continue;
		}
		struct str third = again;
		for (int i = 0; i < 4 && next_block(&third, &other); i++) {
			buf_clear(&both);
			buf_add_str(&both, block);
			buf_add_char(&both, '\n');
			buf_add_str(&both, other);
			read_exactly(buf_str(&both));
		}
	}
	buf_fini(&both);
}

/* One header a thousand times, and one value of a thousand members, for each name that is read as a list. */
static void test_endless_lists(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "Via", "1.1 a (ApacheTrafficServer [cHs f ])" },
		{ "Via", "c1.l2x[1,0,200-0,H]" },
		{ "Via", "((((" },
		{ "X-Cache", "HIT from cloudfront" },
		{ "X-Cache", "cp1 frontend" },
		{ "X-Served-By", "cache-a1-FRA" },
		{ "X-Amz-Cf-Pop", "FRA1" },
		{ "Cache-Status", "X; hit; ttl=1" },
		{ "Cache-Status", "fwd=stale" },
		{ "Cache-Control", "max-age=1" },
		{ "X-HW", "1.a.b.c" },
		{ "X-Varnish", "1 2" },
		{ "Akamai-Cache-Status", "Miss from child" },
		{ "Akamai-Request-BC", "[a=1,c=g" },
		{ "Server-Timing", "cdn-cache; desc=\"" },
		{ "X-Cache-Lookup", "Cache Hit" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf line;
		struct header *room = mem_new_array(MANY, sizeof(*room));
		struct edge_info e;
		buf_init(&line, 1024 * 1024);
		for (int j = 0; j < MANY; j++) {
			buf_add_str(&line, j ? STR(", ") : STR(""));
			buf_add_str(&line, str_of(cases[i][1]));
			room[j] = (struct header){ str_of(cases[i][0]), str_of(cases[i][1]) };
		}
		struct header one[] = { { str_of(cases[i][0]), buf_str(&line) }, { STR("EagleId"), STR("1") },
			{ STR("X-Cache"), STR("HIT") } };
		for (size_t n = 1; n <= ARRAY_LEN(one); n++) {
			struct headers h = { .h = one, .n = n, .received_at_us = TIME_NONE };
			cdn_read(&h, NULL, &e);
			assert_sound(&e);
		}
		struct headers many = { .h = room, .n = MANY, .received_at_us = TIME_NONE };
		cdn_read(&many, NULL, &e);
		assert_sound(&e);
		free(room);
		buf_fini(&line);
	}
}

static void test_128_headers_and_one_more(void **state)
{
	(void)state;
	struct header room[HEADERS_MAX];
	struct headers h;
	struct edge_info e;
	struct err err;
	struct buf block;
	int status;
	buf_init(&block, 1024 * 1024);
	buf_addf(&block, "HTTP/1.1 200 OK\r\n");
	for (int i = 1; i < HEADERS_MAX; i++)
		buf_addf(&block, "X-Filler-%d: %d\r\n", i, i);
	buf_addf(&block, "CF-Ray: 1-LHR\r\n");
	assert_int_equal(headers_parse(buf_str(&block), room, HEADERS_MAX, &h, &status, &err), 0);
	cdn_read(&h, NULL, &e);
	assert_true(str_is(e.vendor, "cloudflare"));
	buf_addf(&block, "X-One-More: 1\r\n");
	assert_int_equal(headers_parse(buf_str(&block), room, HEADERS_MAX, &h, &status, &err), ERR_TOO_BIG);
	assert_string_equal(err.text, "line 130: more than 128 headers");
	buf_fini(&block);
}

static void test_a_name_of_any_length(void **state)
{
	(void)state;
	static const char *const names[] = { "POP", "X-Edge-Location", "CF-Ray", "X-Amz-Cf-Pop",
		"X-MSEdge-Ref", "X-Sucuri-ID", "X-77-POP", "X-Vercel-Id", "Server", "X-Cache", "Via",
		"X-Azure-Ref" };
	static const char *const fronts[] = { "", "1-", "Ref B: ", "BunnyCDN-", "ECS (", "HIT from ", "1.1 ",
		"0" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t j = 0; j < ARRAY_LEN(fronts); j++)
			for (size_t n = 0; n<600; n += n> 140 ? 97 : 1) {
				struct buf value;
				struct edge_info e;
				buf_init(&value, 4096);
				buf_addf(&value, "%s", fronts[j]);
				for (size_t k = 0; k < n; k++)
					buf_add_char(&value, 'A');
				struct header room[] = { { str_of(names[i]), buf_str(&value) },
					{ STR("X-Edge"), buf_str(&value) } };
				struct headers h = { .h = room, .n = 2, .received_at_us = TIME_NONE };
				struct cdn_options options = { STR("X-Edge"), STR_NONE };
				cdn_read(&h, NULL, &e);
				assert_sound(&e);
				cdn_read(&h, &options, &e);
				assert_sound(&e);
				buf_fini(&value);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_prefix_of_every_answer),
		cmocka_unit_test(test_answers_with_bytes_changed),
		cmocka_unit_test(test_headers_of_two_answers_mixed),
		cmocka_unit_test(test_endless_lists),
		cmocka_unit_test(test_128_headers_and_one_more),
		cmocka_unit_test(test_a_name_of_any_length),
	};
	return cmocka_run_group_tests_name("hostile", tests, samples_load, samples_free);
}

/* test_samples.c - 177 real responses: everything that is expected of each is read from it. Prints a score a
 * vendor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/cdn/support.h"

#define SAMPLES 177 /* a file that shrinks proves less */

struct score {
	char vendor[32];
	int right, all;
};

static struct str str_in(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) } : STR_NONE;
}

static bool number_matches(const json_t *object, const char *key, int64_t value, int64_t none)
{
	const json_t *v = json_object_get(object, key);
	return json_is_null(v) || v == NULL ? value == none : json_integer_value(v) == value;
}

static bool tiers_match(const json_t *tiers, const struct edge_info *e)
{
	if (json_array_size(tiers) != e->n_tiers)
		return false;
	for (size_t i = 0; i < e->n_tiers; i++) {
		const json_t *t = json_array_get(tiers, i);
		if (!str_is(str_in(t, "tier"), tier_kind_name(e->tiers[i].kind)) ||
			!str_eq_nocase(str_in(t, "status"), str_of(cache_status_name(e->tiers[i].status))) ||
			!str_eq(str_in(t, "node"), e->tiers[i].node))
			return false;
	}
	return true;
}

/* The first thing that is not as expected; NULL: all is. */
static const char *mismatch(const json_t *expect, const struct edge_info *e)
{
	const json_t *geo = json_object_get(expect, "geo");
	if (!str_eq(str_in(expect, "vendor"), e->vendor))
		return "vendor";
	if (!str_eq(str_in(expect, "pop"), e->pop))
		return "pop";
	if (!str_is(str_in(expect, "iata"), e->iata))
		return "iata";
	if (!str_eq_nocase(str_in(expect, "cache"), str_of(cache_status_name(e->cache))))
		return "cache";
	if (!tiers_match(json_object_get(expect, "tiers"), e))
		return "tiers";
	if (!number_matches(expect, "age", e->age_s, OBS_AGE_NONE))
		return "age";
	if (!str_eq(str_in(expect, "age_source"), str_of(e->age_source)))
		return "age_source";
	if (!number_matches(expect, "ttl", e->ttl_s, CDN_TTL_NONE))
		return "ttl";
	if (!str_eq(str_in(expect, "ttl_source"), str_of(e->ttl_source)))
		return "ttl_source";
	if (!str_eq(str_in(geo, "country"), e->geo_country) || !str_eq(str_in(geo, "city"), e->geo_city))
		return "geo";
	return NULL;
}

static void score_add(struct score *scores, size_t n, struct str vendor, bool right)
{
	for (size_t i = 0; i < n; i++) {
		if (scores[i].all > 0 && !str_is(vendor, scores[i].vendor))
			continue;
		snprintf(scores[i].vendor, sizeof(scores[i].vendor), "%.*s", STR_ARG(vendor));
		scores[i].all++;
		scores[i].right += right;
		return;
	}
	fail_msg("more vendors than the score has room for");
}

static bool sample_check(const json_t *sample, size_t line)
{
	static struct header room[HEADERS_MAX];
	const json_t *list = json_object_get(sample, "headers"), *expect = json_object_get(sample, "expect"),
		     *pair;
	struct headers h = { .h = room, .n = 0, .received_at_us = TIME_NONE };
	struct edge_info e;
	size_t i;
	assert_true(json_array_size(list) <= HEADERS_MAX && json_is_object(expect));
	json_array_foreach(list, i, pair)
	{
		const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);
		room[h.n++] = (struct header){ { json_string_value(name), json_string_length(name) },
			str_trim((struct str){ json_string_value(value), json_string_length(value) }) };
	}
	cdn_read(&h, NULL, &e);
	const char *wrong = mismatch(expect, &e);
	if (wrong == NULL)
		return true;
	struct buf out;
	char *want = json_dumps(expect, JSON_COMPACT);
	buf_init(&out, 64 * 1024);
	edge_print(&e, "    ", &out);
	print_error("line %zu: %s\n  want %s\n  read\n%s", line, wrong, want, out.p);
	free(want);
	buf_fini(&out);
	return false;
}

static void test_every_sample_reads_as_expected(void **state)
{
	(void)state;
	struct score scores[40] = { { "", 0, 0 } };
	char *text = NULL;
	size_t size = 0, line = 0;
	int wrong = 0;
	FILE *f = fopen(TESTS_DIR "/cdn/samples.jsonl", "re");
	assert_non_null(f);
	for (ssize_t n; (n = getline(&text, &size, f)) > 0;) {
		json_error_t why;
		json_t *sample = json_loadb(text, (size_t)n, 0, &why);
		line++;
		if (sample == NULL)
			fail_msg("line %zu: %s", line, why.text);
		bool right = sample_check(sample, line);
		score_add(scores, ARRAY_LEN(scores), str_in(json_object_get(sample, "expect"), "vendor"),
			right);
		wrong += !right;
		json_decref(sample);
	}
	free(text);
	fclose(f);
	for (size_t i = 0; scores[i].all > 0; i++)
		print_message("  %-16s %3d of %3d\n", scores[i].vendor, scores[i].right, scores[i].all);
	assert_int_equal(line, SAMPLES);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_sample_reads_as_expected) };
	return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}

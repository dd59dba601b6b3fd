/* Which addresses names have: found by the last lookup, and learned from who answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/addresses.h"

#define NAME STR("a.example")

static struct addresses of(const char *const *ips, size_t n)
{
	struct addresses a = { .n = 0 };
	for (size_t i = 0; i < n; i++)
		addresses_add(&a, ips[i]);
	return a;
}
#define OF(...)                                                                                              \
	of((const char *const[]){ __VA_ARGS__ },                                                             \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void an_answer_is_a_set_and_bounded(void **state)
{
	struct addresses a = OF("192.0.2.9", "192.0.2.1", "192.0.2.9");
	char ip[ADDRESS_TEXT_MAX];
	assert_int_equal(a.n, 2);
	assert_string_equal(a.ip[0], "192.0.2.1");
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(ip, sizeof(ip), "10.%d.%d.1", i % 100, i / 100);
		addresses_add(&a, ip);
	}
	assert_int_equal(a.n, ADDRESSES_FOUND_MAX);
	assert_true(addresses_have(&a, STR("10.0.0.1")));
	for (size_t i = 1; i < a.n; i++)
		assert_true(strcmp(a.ip[i - 1], a.ip[i]) < 0);
}

static void a_name_is_looked_up_every_minute_at_least(void **state)
{
	struct address_book *b = address_book_new();
	struct addresses one = OF("192.0.2.1"), two = OF("192.0.2.1", "2001:db8::1"), none = { .n = 0 }, got;
	int64_t now = US_PER_DAY;
	assert_null(address_book_due(b, now));
	address_book_begin(b);
	address_book_want(b, NAME, 3600 * US_PER_S);
	address_book_end(b, now);
	assert_string_equal(address_book_due(b, now), "a.example");
	assert_null(address_book_due(b, now + US_PER_DAY)); /* one at a time, however long it takes */
	assert_true(address_book_found(b, NAME, &one, now));
	assert_null(address_book_due(b, now + 59 * US_PER_S));
	assert_int_equal(address_book_next_us(b), now + 60 * US_PER_S);
	assert_non_null(address_book_due(b, now += 60 * US_PER_S));
	assert_false(address_book_found(b, NAME, &one, now)); /* nothing new */
	assert_true(address_book_found(b, NAME, &two, now));
	assert_true(address_book_get(b, NAME, 0, now, &got) && got.n == 2);
	assert_true(address_book_get(b, NAME, 6, now, &got) && got.n == 1);
	assert_string_equal(got.ip[0], "2001:db8::1");
	assert_true(address_book_found(b, NAME, &none, now)); /* failed: said, and those of before are kept */
	assert_false(address_book_get(b, NAME, 4, now, &got));
	assert_int_equal(got.n, 1);
	address_book_begin(b); /* nobody asks any more */
	address_book_end(b, now);
	assert_null(address_book_due(b, now + US_PER_DAY));
	assert_int_equal(address_book_next_us(b), INT64_MAX);
	address_book_free(b);
}

static void who_answered_is_remembered_for_a_day(void **state)
{
	struct address_book *b = address_book_new();
	struct addresses none = { .n = 0 }, known = OF("192.0.2.1"), got;
	char ip[ADDRESS_TEXT_MAX];
	assert_true(address_book_answered(b, NAME, STR("192.0.2.1"), 0));
	assert_false(address_book_answered(b, NAME, STR("192.0.2.1"), 1));
	assert_false(address_book_answered(b, NAME, STR_NONE, 1)); /* through a proxy: nobody knows who */
	assert_true(address_book_answered(b, NAME, STR("2001:db8::1"), US_PER_S));
	address_book_learned(b, NAME, 0, &none, US_PER_S, &got);
	assert_int_equal(got.n, 2);
	address_book_learned(b, NAME, 6, &none, US_PER_S, &got);
	assert_int_equal(got.n, 1);
	address_book_learned(b, NAME, 0, &known, US_PER_S, &got); /* the lookup has it anyway */
	assert_int_equal(got.n, 1);
	address_book_learned(b, NAME, 0, &none, US_PER_DAY + US_PER_S / 2, &got);
	assert_int_equal(got.n, 1); /* the first of them answered a day ago */
	for (int i = 0; i < 100; i++) {
		(void)snprintf(ip, sizeof(ip), "198.51.100.%d", i);
		(void)address_book_answered(b, NAME, str_of(ip), (2 + i) * US_PER_S);
	}
	address_book_learned(b, NAME, 0, &none, 200 * US_PER_S, &got);
	assert_int_equal(got.n, ADDRESSES_LEARNED_MAX);
	assert_true(addresses_have(&got, STR("198.51.100.99")) && !addresses_have(&got, STR("192.0.2.1")));
	address_book_free(b);
}

/* A second life: the boot clock begins anew, the wall clock went on. */
static void who_answered_is_known_after_a_restart(void **state)
{
	struct address_book *b = address_book_new(), *c = address_book_new();
	struct addresses none = { .n = 0 }, got;
	struct buf text;
	struct err err;
	int64_t wall = INT64_C(1792000000) * US_PER_S;
	assert_true(address_book_answered(b, NAME, STR("192.0.2.1"), 10 * US_PER_S));
	assert_true(address_book_answered(b, NAME, STR("2001:db8::1"), 3600 * US_PER_S));
	assert_true(address_book_answered(b, STR("b.example"), STR("192.0.2.7"), 3600 * US_PER_S));
	buf_init(&text, ADDRESSES_FILE_MAX);
	address_book_write(b, 3610 * US_PER_S, wall, &text);
	/* 23 h and 30 min later: of the first, a day and 30 min have gone by */
	int64_t now = 5 * US_PER_S, later = wall + INT64_C(84600) * US_PER_S;
	assert_int_equal(address_book_read(c, buf_str(&text), now, later, &err), 0);
	address_book_learned(c, NAME, 0, &none, now, &got);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.ip[0], "2001:db8::1");
	address_book_learned(c, STR("b.example"), 0, &none, now, &got);
	assert_int_equal(got.n, 1);
	address_book_learned(c, NAME, 0, &none, now + 1800 * US_PER_S, &got);
	assert_int_equal(got.n, 0); /* its day goes on from when it answered */
	address_book_free(b);
	address_book_free(c);

	/* the wall clock was put back: what answered "in a year" answered just now */
	c = address_book_new();
	assert_int_equal(address_book_read(c, buf_str(&text), now, wall - 365 * US_PER_DAY, &err), 0);
	address_book_learned(c, NAME, 0, &none, now, &got);
	assert_int_equal(got.n, 2);
	address_book_free(c);
	buf_fini(&text);
}

static void a_file_that_is_none_of_ours_is_refused_as_a_whole(void **state)
{
#define HEAD "tidemark addresses 1\n"
	static const char *const bad[] = { "", "tidemark addresses 1", "tidemark addresses 2\n",
		HEAD "a.example 192.0.2.1 1792000000", HEAD "a.example 192.0.2.1\n",
		HEAD "a.example 192.0.2.1 soon\n", HEAD "a.example 192.0.2.300 1792000000\n",
		HEAD "a.example 192.0.2.1 -5\n", HEAD "a.example 192.0.2.1 9223372036854775807\n",
		HEAD " 192.0.2.1 1792000000\n", HEAD "a\x01.example 192.0.2.1 1792000000\n",
		HEAD "a.example 192.0.2.1 1792000000\n\nb.example 192.0.2.1 1792000000\n",
		HEAD "a.example 192.0.2.1 1792000000\nb.example\n",
		HEAD "a.example 11111111111111111111111111111111111111111111111111111111 1\n" };
	int64_t wall = INT64_C(1792000000) * US_PER_S;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct address_book *b = address_book_new();
		struct addresses none = { .n = 0 }, got;
		struct err err;
		if (address_book_read(b, str_of(bad[i]), US_PER_S, wall, &err) != ERR_CORRUPT)
			fail_msg("taken: %s", bad[i]);
		address_book_learned(b, NAME, 0, &none, US_PER_S, &got);
		assert_int_equal(got.n, 0);
		address_book_free(b);
	}
}

/* More names than a book has room for: the rest is left out, here as when they answer. */
static void a_book_is_bounded(void **state)
{
	struct address_book *b = address_book_new();
	struct addresses none = { .n = 0 }, got;
	struct buf text;
	struct err err;
	char name[32];
	buf_init(&text, ADDRESSES_FILE_MAX);
	buf_addf(&text, HEAD);
	for (int i = 0; i <= ADDRESSES_NAMES_MAX; i++)
		buf_addf(&text, "n%05d.example 192.0.2.1 1792000000\n", i);
	assert_int_equal(
		address_book_read(b, buf_str(&text), US_PER_S, INT64_C(1792000000) * US_PER_S, &err), 0);
	(void)snprintf(name, sizeof(name), "n%05d.example", ADDRESSES_NAMES_MAX - 1);
	address_book_learned(b, str_of(name), 0, &none, US_PER_S, &got);
	assert_int_equal(got.n, 1);
	(void)snprintf(name, sizeof(name), "n%05d.example", ADDRESSES_NAMES_MAX);
	address_book_learned(b, str_of(name), 0, &none, US_PER_S, &got);
	assert_int_equal(got.n, 0);
	assert_false(address_book_answered(b, str_of(name), STR("192.0.2.1"), US_PER_S));
	address_book_free(b);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_a_set_and_bounded),
		cmocka_unit_test(a_name_is_looked_up_every_minute_at_least),
		cmocka_unit_test(who_answered_is_remembered_for_a_day),
		cmocka_unit_test(who_answered_is_known_after_a_restart),
		cmocka_unit_test(a_file_that_is_none_of_ours_is_refused_as_a_whole),
		cmocka_unit_test(a_book_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

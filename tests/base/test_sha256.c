/* Digests, tokens, clocks and chance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/sha256.h"

static void digests_are_those_of_the_standard(void **state)
{
	static const struct {
		const char *text, *hex;
	} cases[] = {
		/* FIPS 180-2, appendix B */
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char hex[SHA256_HEX];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sha256 h = sha256_of(str_of(cases[i].text));
		assert_string_equal(sha256_hex(&h, hex), cases[i].hex);
	}
	struct sha256 none = sha256_of(STR_NONE);
	assert_string_equal(sha256_hex(&none, hex), cases[0].hex);
}

static void bytes_are_compared_whole(void **state)
{
	assert_true(bytes_eq_constant_time("abc", "abc", 3));
	assert_false(bytes_eq_constant_time("abc", "abd", 3));
	assert_false(bytes_eq_constant_time("bbc", "abc", 3));
	assert_true(bytes_eq_constant_time("a\0b", "a\0b", 3));
	assert_false(bytes_eq_constant_time("a\0b", "a\0c", 3));
	assert_true(bytes_eq_constant_time("", "", 0));
}

static int base64url_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

static void tokens_are_256_bits_of_chance(void **state)
{
	char a[TOKEN_TEXT_MAX], b[TOKEN_TEXT_MAX];
	unsigned seen_set[43] = { 0 }, seen_clear[43] = { 0 };
	for (int round = 0; round < 200; round++) {
		token_new(a), token_new(b);
		assert_int_equal(strlen(a), 4 + 43);
		assert_memory_equal(a, "tmk_", 4);
		assert_string_not_equal(a, b);
		for (size_t i = 0; i < 43; i++) {
			int d = base64url_digit(a[4 + i]);
			assert_true(d >= 0);
			seen_set[i] |= (unsigned)d, seen_clear[i] |= ~(unsigned)d & 63;
		}
		assert_int_equal(base64url_digit(a[4 + 42]) & 3,
			0); /* 43 digits hold 258 bits: the last two are padding */
	}
	for (size_t i = 0; i < 43;
		i++) { /* each bit was seen on and off: nothing is constant, nothing is lost */
		assert_int_equal(seen_set[i], i == 42 ? 60 : 63);
		assert_int_equal(seen_clear[i], 63);
	}
}

static void a_token_is_read_back_or_refused_without_being_repeated(void **state)
{
	static const struct {
		const char *says, *text;
	} bad[] = {
		{ "nothing", "" },
		{ "the prefix alone", "tmk_" },
		{ "another program's", "ghp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "one character short", "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "one too long", "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "a character of the other base64", "tmk_AAAAAAAAAAAAAAAAAAAA+AAAAAAAAAAAAAAAAAAAAAA" },
		{ "a space within", "tmk_AAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA" },
	};
	unsigned char got[TOKEN_BYTES], before[TOKEN_BYTES];
	char text[TOKEN_TEXT_MAX], spaced[TOKEN_TEXT_MAX + 8];
	struct err err;
	assert_int_equal(token_read(STR("tmk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), got, &err), 0);
	for (int i = 0; i < TOKEN_BYTES; i++)
		assert_int_equal(got[i], i);
	for (int round = 0; round < 100;
		round++) { /* what is made differs, and is read the same both times */
		memcpy(before, got, sizeof(before));
		snprintf(spaced, sizeof(spaced), " %s\n", token_new(text));
		assert_int_equal(token_read(str_of(text), got, &err), 0);
		assert_memory_not_equal(got, before, sizeof(got));
		assert_int_equal(token_read(str_of(spaced), before, &err), 0);
		assert_memory_equal(got, before, sizeof(got));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (token_read(str_of(bad[i].text), got, &err) != ERR_SYNTAX)
			fail_msg("%s: was taken", bad[i].says);
		assert_null(strstr(err.text, "AAAA"));
		assert_memory_equal(got, before, sizeof(got));
	}
	assert_int_equal(
		token_read((struct str){ "tmk_AAAAAAAAAAAAAAAAAAAA\0AAAAAAAAAAAAAAAAAAAAAA", 47 }, got, &err),
		ERR_SYNTAX);
}

static void clocks_go_forward_and_stand_still_in_tests(void **state)
{
	int64_t wall_us = clock_wall_us(), boot_us = clock_boot_us();
	assert_true(wall_us > INT64_C(1600000000) * US_PER_S && boot_us > 0);
	assert_true(clock_boot_us() >= boot_us);
	clock_test_set(1000, 5);
	assert_int_equal(clock_wall_us(), 1000);
	assert_int_equal(clock_boot_us(), 5);
	clock_test_advance(US_PER_S);
	assert_int_equal(clock_wall_us(), 1000 + US_PER_S);
	assert_int_equal(clock_boot_us(), 5 + US_PER_S);
	clock_test_clear();
	assert_true(clock_wall_us() >= wall_us);
}

static void a_boot_has_one_name(void **state)
{
	uint64_t id = clock_boot_id();
	assert_true(id != 0);
	assert_true(clock_boot_id() == id);
}

static void chance_fills_every_byte(void **state)
{
	unsigned char seen[77] = { 0 }, bytes[79];
	for (int round = 0; round < 64; round++) {
		memset(bytes, 0, sizeof(bytes));
		random_bytes(bytes + 1, 77);
		for (size_t i = 0; i < 77; i++)
			seen[i] |= bytes[1 + i];
		assert_true(bytes[0] == 0 && bytes[78] == 0);
	}
	for (size_t i = 0; i < 77; i++)
		assert_int_equal(seen[i], 0xFF);
	assert_true(random_u64() != random_u64());
	random_bytes(bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_the_standard),
		cmocka_unit_test(bytes_are_compared_whole),
		cmocka_unit_test(tokens_are_256_bits_of_chance),
		cmocka_unit_test(a_token_is_read_back_or_refused_without_being_repeated),
		cmocka_unit_test(clocks_go_forward_and_stand_still_in_tests),
		cmocka_unit_test(a_boot_has_one_name),
		cmocka_unit_test(chance_fills_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

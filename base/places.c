#include "base/places.h"

#include <string.h>

#include "base/util.h"

/* Two tables: what a vendor says of its own codes, and IATA's codes. The first wins; the second is asked only
 * for vendors that document theirs as IATA's. Fastly and Azure name sites after airports as they come free
 * (KTU, WST), so there only the vendor's own table counts. */

struct place_row {
	int16_t lat, lon; /* hundredths of a degree */
	uint16_t text;    /* half the offset of "CCCity" in place_texts */
};

struct vendor_row {
	char key[40]; /* "vendor:code" */
	struct place_row at;
};

#define LETTER(c)     ((c) - 'A')
#define CODE(a, b, c) ((LETTER(a) * 26 + LETTER(b)) * 26 + LETTER(c))

/* iata_codes and iata_rows go in step, vendor_rows by key; all sorted */
#include "places_table.h"

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* -- the code within a spelling: each copies it to code and returns its length, 0 when it is not spelled so
 * -- */

#define CODE_MAX 24

static size_t upper_letters(struct str s, char code[CODE_MAX])
{
	size_t n = 0;
	for (; n < s.n && n < CODE_MAX && (is_upper(s.p[n]) || is_lower(s.p[n])); n++)
		code[n] = is_lower(s.p[n]) ? (char)(s.p[n] - 'a' + 'A') : s.p[n];
	return n;
}

static bool ends_or_digit(struct str s, size_t at)
{
	return at == s.n || is_digit(s.p[at]);
}

/* "FRA56-P4", "fra1", "FRA", "SEA-b9fa975e" */
static size_t airport_code(struct str pop, char code[CODE_MAX])
{
	size_t n = upper_letters(pop, code);
	return n == 3 && (ends_or_digit(pop, n) || pop.p[n] == '-') ? n : 0;
}

/* "FRA", or the machine "cache-fra-eddf8230052-FRA" */
static size_t fastly_code(struct str pop, char code[CODE_MAX])
{
	ptrdiff_t dash = str_starts_nocase(pop, "cache-") ? str_rfind(pop, '-') : -1;
	struct str last = dash < 0 ? pop : str_from(pop, (size_t)dash + 1);
	size_t n = upper_letters(last, code);
	return n == 3 && n == last.n ? n : 0;
}

/* "STOEDGE0417", "SIN30EDGE0713", "BN3SCHEDGE0512", "ATL331000110031", "AMS" */
static size_t azure_code(struct str pop, char code[CODE_MAX])
{
	size_t n = upper_letters(pop, code);
	if (!ends_or_digit(pop, n))
		return 0;
	return n > 4 && memcmp(code + n - 4, "EDGE", 4) == 0 ? n - 4 : n;
}

/* "DE1", "DE1-1071", "BunnyCDN-DE1-1071": what stands before the number of the site */
static size_t bunny_code(struct str pop, char code[CODE_MAX])
{
	if (str_starts_nocase(pop, "BunnyCDN-"))
		pop = str_from(pop, sizeof("BunnyCDN-") - 1);
	size_t n = upper_letters(pop, code);
	return ends_or_digit(pop, n) ? n : 0;
}

/* "frankfurtDE", "losangelesUSCA": a city, a country, perhaps a state */
static size_t cdn77_code(struct str pop, char code[CODE_MAX])
{
	size_t n = 0, upper = 0;
	while (n < pop.n && is_lower(pop.p[n]))
		n++;
	while (n + upper < pop.n && is_upper(pop.p[n + upper]))
		upper++;
	if (n == 0 || upper < 2 || n + upper != pop.n || n + 2 > CODE_MAX)
		return 0;
	memcpy(code, pop.p, n + 2);
	return n + 2;
}

/* "uswd": a country and a city */
static size_t keycdn_code(struct str pop, char code[CODE_MAX])
{
	if (pop.n != 4)
		return 0;
	for (size_t i = 0; i < pop.n; i++)
		code[i] = is_upper(pop.p[i]) ? (char)(pop.p[i] - 'A' + 'a') : pop.p[i];
	return pop.n;
}

/* "cp3072", a cache of Wikimedia: its first digit is the site */
static size_t wikimedia_code(struct str pop, char code[CODE_MAX])
{
	if (pop.n != 6 || !str_starts(pop, "cp"))
		return 0;
	for (size_t i = 2; i < pop.n; i++)
		if (!is_digit(pop.p[i]))
			return 0;
	memcpy(code, pop.p, 3);
	return 3;
}

static const struct spelling {
	const char *vendor;
	size_t (*code_of)(struct str pop, char code[CODE_MAX]);
	bool iata; /* documented as IATA's codes */
} spellings[] = {
	{ "cloudflare", airport_code, true },
	{ "cloudfront", airport_code, true },
	{ "google", airport_code, true },
	{ "vercel", airport_code, true },
	{ "fastly", fastly_code, false },
	{ "azure-frontdoor", azure_code, false },
	{ "bunny", bunny_code, false },
	{ "cdn77", cdn77_code, false },
	{ "keycdn", keycdn_code, false },
	{ "ats", wikimedia_code, false },
	{ "varnish", wikimedia_code, false },
};

/* -- the tables -- */

static const struct place_row *vendor_find(const char *key)
{
	size_t low = 0, high = ARRAY_LEN(vendor_rows);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int by = strcmp(vendor_rows[mid].key, key);
		if (by == 0)
			return &vendor_rows[mid].at;
		if (by < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static const struct place_row *iata_find(const char code[3])
{
	size_t low = 0, high = ARRAY_LEN(iata_codes);
	for (size_t i = 0; i < 3; i++)
		if (!is_upper(code[i]))
			return NULL;
	unsigned want = (unsigned)CODE(code[0], code[1], code[2]);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (iata_codes[mid] == want)
			return &iata_rows[mid];
		if (iata_codes[mid] < want)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void fill(const struct place_row *row, struct place *ret)
{
	const char *text = place_texts + (size_t)row->text * 2;
	*ret = (struct place){ .city = str_of(text + 2),
		.country = { text[0], text[1], '\0' },
		.lat = row->lat / 100.0,
		.lon = row->lon / 100.0 };
}

bool place_of(struct str vendor, struct str pop, struct place *ret)
{
	const struct spelling *by = NULL;
	for (size_t i = 0; i < ARRAY_LEN(spellings) && by == NULL; i++)
		if (str_is(vendor, spellings[i].vendor))
			by = &spellings[i];
	char code[CODE_MAX], key[sizeof(vendor_rows[0].key)];
	size_t n = by ? by->code_of(pop, code) : 0;
	if (n == 0 || vendor.n + 1 + n >= sizeof(key))
		return false;
	memcpy(key, vendor.p, vendor.n);
	key[vendor.n] = ':';
	memcpy(key + vendor.n + 1, code, n);
	key[vendor.n + 1 + n] = '\0';
	const struct place_row *row = vendor_find(key);
	if (row == NULL && by->iata)
		row = iata_find(code);
	if (row == NULL)
		return false;
	fill(row, ret);
	return true;
}

bool place_of_edge(struct str edge, struct place *ret)
{
	ptrdiff_t colon = str_find(edge, ':');
	return colon > 0 && place_of(str_first(edge, (size_t)colon), str_from(edge, (size_t)colon + 1), ret);
}

bool place_is_iata(const char code[3])
{
	return iata_find(code) != NULL;
}

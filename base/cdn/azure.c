/* azure.c - Azure Front Door. Source: Microsoft Learn, "Debug HTTP headers for Azure CDN from Microsoft" and
 * "Protocol support for HTTP headers in Azure Front Door". X-MSEdge-Ref names the machine as Ref B. The old
 * X-Azure-Ref is '0' and base64 of: epoch, 20 bytes of ids, and from byte 24 the machine's name up to a NUL
 * (observed); the new one is opaque. Redirects made at the edge carry no X-Cache: no cache was asked. */
#include "base/cdn/read.h"

#define NAME_AT        24 /* in the decoded reference */
#define NAME_MAX_BYTES 32

static const struct mark marks[] = { MARK("x-azure-ref", NULL), MARK("x-msedge-ref", NULL), MARKS_END };

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static struct str name_from_ref(struct edge_info *e, struct str ref)
{
	char name[NAME_MAX_BYTES];
	size_t n = 0, at = 0;
	uint32_t bits = 0;
	int n_bits = 0;
	if (ref.n < 1 + (NAME_AT + 1) * 4 / 3 || ref.p[0] != '0')
		return STR_NONE;
	for (size_t i = 1; i < ref.n; i++) {
		int digit = base64_digit(ref.p[i]);
		if (digit < 0)
			return STR_NONE;
		bits = bits << 6 | (uint32_t)digit;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		char c = (char)(bits >> n_bits & 0xff);
		if (at++ < NAME_AT)
			continue;
		if (c == '\0')
			return scratch_add(e, (struct str){ name, n });
		if (n == sizeof(name) ||
			!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			return STR_NONE; /* not the form we know */
		name[n++] = c;
	}
	return STR_NONE;
}

/* "Ref A: C24604CE... Ref B: STOEDGE0417 Ref C: 2018-02-07T12:07:24Z" */
static struct str name_from_msedge(struct str text)
{
	struct str word;
	bool ref = false, is_b = false;
	while (part_cut(&text, ' ', ENCLOSING_QUOTES, &word)) {
		if (is_b)
			return word;
		is_b = ref && str_eq_nocase(word, STR("B:"));
		ref = str_eq_nocase(word, STR("Ref"));
	}
	return STR_NONE;
}

static void azure_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	struct str text;
	if (headers_get_last(h, "x-msedge-ref", &text))
		pop_set(e, name_from_msedge(text), "x-msedge-ref");
	if (e->pop.n == 0 && headers_get_last(h, "x-azure-ref", &text))
		pop_set(e, name_from_ref(e, text), "x-azure-ref");
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	if (words.n == 0) {
		tier_add(e, TIER_EDGE, CACHE_NONE, e->pop);
		return;
	}
	e->cache_source = "x-cache";
	tier_add_word(e, TIER_EDGE, list_nearest(&words, 0), e->pop);
	x_cache_read(h, e, &words, 1);
}

const struct vendor vendor_azure = {
	.name = "azure-frontdoor", .marks = marks, .read = azure_read, .pops_are_iata = true
};

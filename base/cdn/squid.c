/* squid.c - Source: Squid's documentation of X-Cache and X-Cache-Lookup: one pair of lines a pass, the last
 * is the nearest. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("via", "squid"), MARK("server", "^squid"), MARKS_END };

static void squid_read(const struct headers *h, struct edge_info *e)
{
	struct list words;
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	pop_set(e, word_host(list_nearest(&words, 0)), "x-cache");
	if (x_cache_is_squids(h, &words)) {
		/* So every other word is of another cache, behind this one. */
		struct str word;
		x_cache_read(h, e, &words, 0);
		if (headers_get(h, "x-cache-status", &word))
			plain_words_read(h, e);
		x_varnish_read(h, e);
		return;
	}
	if (!x_cache_read(h, e, &words, 0) && !cache_status_read(h, e, NULL) && !plain_words_read(h, e))
		tier_add(e, TIER_EDGE, CACHE_UNKNOWN, STR_NONE);
}

const struct vendor vendor_squid = {
	.name = "squid", .marks = marks, .software = SOFTWARE_SQUID, .read = squid_read
};

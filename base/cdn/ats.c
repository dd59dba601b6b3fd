/* ats.c - Apache Traffic Server. Source: its documentation, "Decoding Via headers" (traffic_via). Wikimedia
 * runs it behind and in front of Varnish and tells both in X-Cache. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("via", "TrafficServer"), MARK("server", "^ATS"),
	MARK("server", "TrafficServer"), MARKS_END };

static void ats_read(const struct headers *h, struct edge_info *e)
{
	struct list via, words;
	struct str wikimedia = wikimedia_pop(h);
	list_read(h, "via", ENCLOSING_ALL, &via);
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	struct via last = via_parse(list_nearest(&via, 0));
	bool named = via_is_ats(&last);
	if (wikimedia.n > 0) {
		pop_set(e, wikimedia, "x-cache");
		x_cache_read(h, e, &words, 0);
		return;
	}
	if (named)
		pop_set(e, last.host, "via");
	enum cache_status status;
	if (named && via_ats_status(&last, &status)) {
		via_ats_read(h, e);
	} else if (!x_cache_read(h, e, &words, 0) && !cache_status_read(h, e, NULL) &&
		   !plain_words_read(h, e)) {
		/* Unless it is told to write Via, it only says when a copy is over. */
		bool stale = warned_stale(h, "TrafficServer");
		tier_add(e, TIER_EDGE, stale ? CACHE_STALE : CACHE_UNKNOWN, e->pop);
		e->cache_source = stale ? "warning" : e->cache_source;
	}
}

const struct vendor vendor_ats = {
	.name = "ats", .marks = marks, .software = SOFTWARE_ATS, .read = ats_read
};

/* nginx.c - whose word X-Cache-Status is. nginx shows nothing of its cache by itself; its operators add the
 * word ($upstream_cache_status), and generic.c reads it. Beside the lines of caches that name themselves, the
 * order of the lines tells whether nginx is in front of them or behind. Source: answers of Debian 12's nginx,
 * Varnish, Squid and Traffic Server in front of each other (tests/e2e/servers.sh). */
#include "base/cdn/read.h"

/* Which line of that name is the last; -1: none is. */
static ptrdiff_t line_of(const struct headers *h, const char *name)
{
	struct str value;
	size_t at = 0;
	ptrdiff_t last = -1;
	while (headers_next_line(h, str_of(name), &at, &value))
		last = (ptrdiff_t)at - 1;
	return last;
}

/* The last line of those that a cache of this make writes about itself. */
static ptrdiff_t own_line(const struct headers *h, enum software software)
{
	if (software == SOFTWARE_VARNISH)
		return line_of(h, "x-varnish");
	ptrdiff_t via = line_of(h, "via"), word = software == SOFTWARE_SQUID ? line_of(h, "x-cache") : -1;
	return MAX(via, word);
}

static bool has_plain_word(const struct headers *h) /* mostly not, and that costs nothing to know */
{
	return headers_may_have(h, STR("x-cache-status")) || headers_may_have(h, STR("x-proxy-cache"));
}

bool plain_word_is_last(const struct headers *h, enum software software)
{
	ptrdiff_t own = has_plain_word(h) ? own_line(h, software) : -1;
	return own >= 0 && (line_of(h, "x-cache-status") > own || line_of(h, "x-proxy-cache") > own);
}

/* Could X-Varnish and the word be of one cache? A hit has two ids. */
static bool varnish_agrees(const struct headers *h)
{
	struct str word, ids;
	if (!headers_get_last(h, "x-varnish", &ids))
		return false;
	if (!headers_get_last(h, "x-cache-status", &word) && !headers_get_last(h, "x-proxy-cache", &word))
		return true;
	ptrdiff_t comma = str_rfind(ids, ',');
	bool two = str_find(str_trim(str_from(ids, comma < 0 ? 0 : (size_t)comma + 1)), ' ') >= 0;
	enum cache_status status = cache_word(word);
	return status == CACHE_HIT ? two : status != CACHE_MISS || !two;
}

/* All nginx shows of its cache is the word its operator has it add ($upstream_cache_status), behind the lines
 * of the cache it asked. In Varnish, VCL adds such a word in the same place; Connection tells them apart,
 * which Varnish writes last and nginx before all that it passes on. HTTP/2 has none. */
static bool nginx_in_front(const struct headers *h, enum software software)
{
	struct str server;
	if (software != SOFTWARE_VARNISH && software != SOFTWARE_SQUID && software != SOFTWARE_ATS)
		return false;
	if (!plain_word_is_last(h, software) || !headers_get(h, "server", &server) ||
		!str_starts_nocase(server, "nginx"))
		return false;
	ptrdiff_t connection = line_of(h, "connection");
	return software == SOFTWARE_ATS || /* it calls itself so in Server */
	       (connection >= 0 ? connection < own_line(h, software) : !varnish_agrees(h));
}

bool plain_word_is_nearest(const struct headers *h)
{
	return has_plain_word(h) && nginx_in_front(h, software_named(h));
}

enum software software_of(const struct headers *h)
{
	enum software software = software_named(h);
	return has_plain_word(h) && nginx_in_front(h, software) ? SOFTWARE_NONE : software;
}

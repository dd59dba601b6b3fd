/* fastly.c - Source: Fastly documentation, "X-Served-By", "X-Cache", "Fastly-Debug". Both lists are
 * origin-first and aligned from the right: their lengths differ where VCL restarts or where an origin added a
 * word of its own. Names that are no Fastly nodes are the customer's own servers. jsDelivr, GitHub Pages and
 * Pantheon look the same. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("x-served-by", "cache-"), MARK("fastly-debug-", NULL), MARKS_END };
static const struct mark debug_marks[] = { MARK("fastly-debug-", NULL), MARKS_END };

static bool claims(const struct headers *h)
{
	struct list names, words;
	list_read(h, "x-served-by", ENCLOSING_QUOTES, &names);
	if (is_fastly_node(list_nearest(&names, 0))) {
		list_read(h, "x-cache", ENCLOSING_ALL, &words);
		if (!text_has(list_nearest(&words, 0), "from cloudfront"))
			return true;
	}
	return headers_match(h, debug_marks);
}

/* "(D cache-cph2320025-CPH 1728572145) (F cache-cph2320030-CPH 1728571542)": D delivered, F fetched. */
static struct str debug_node(const struct headers *h)
{
	struct str path, part;
	if (!headers_get(h, "fastly-debug-path", &path))
		return STR_NONE;
	while (str_cut(&path, ')', &part)) {
		part = str_trim(part);
		if (!str_starts(part, "(D "))
			continue;
		part = str_trim(str_from(part, 3));
		ptrdiff_t space = str_find(part, ' ');
		part = space < 0 ? part : str_first(part, (size_t)space);
		return is_fastly_node(part) ? part : STR_NONE;
	}
	return STR_NONE;
}

static void fastly_read(const struct headers *h, struct edge_info *e)
{
	struct list names, words, cf_pops;
	size_t n_named = 0, n_cf = 0;
	list_read(h, "x-served-by", ENCLOSING_QUOTES, &names);
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	list_read(h, "x-amz-cf-pop", ENCLOSING_QUOTES, &cf_pops);
	struct str edge = list_nearest(&names, 0);
	const char *source = "x-served-by";
	if (!is_fastly_node(edge)) {
		struct str debug = debug_node(h);
		edge = debug.n > 0 ? debug : edge;
		source = "fastly-debug-path";
	}
	if (is_fastly_node(edge))
		pop_set(e, str_from(edge, edge.n - 3), source);
	e->used |= USED_X_CACHE;
	if (words.n > 0)
		e->cache_source = "x-cache";
	for (size_t i = 0; i < words.n || n_named < names.n || i == 0; i++) {
		struct str word = list_nearest(&words, i), node = edge;
		if (text_has(word, "from cloudfront")) /* stacked, and not in X-Served-By */
			node = list_nearest(&cf_pops, n_cf++);
		else if (n_named++ > 0)
			node = list_nearest(&names, n_named - 1);
		tier_add_word(e,
			i == 0                 ? TIER_EDGE
			: is_fastly_node(node) ? TIER_SHIELD
					       : TIER_INNER,
			word, node);
		tiers_tell(e, MAX(i, 1), i < words.n ? "x-cache" : "x-served-by");
	}
}

const struct vendor vendor_fastly = {
	.name = "fastly", .marks = marks, .claims = claims, .read = fastly_read, .pops_are_iata = true
};

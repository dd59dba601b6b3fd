/* sucuri.c - Source: Sucuri documentation, "X-Sucuri-Cache"; recorded answers. X-Sucuri-ID differs from edge
 * to edge and is otherwise opaque. Redirects made at the edge carry no word: no cache was asked. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("server", "^Sucuri"), MARK("x-sucuri-", NULL), MARKS_END };

static void sucuri_read(const struct headers *h, struct edge_info *e)
{
	struct str id;
	if (headers_get_last(h, "x-sucuri-id", &id))
		pop_set(e, id, "x-sucuri-id");
	edge_from_word(h, e, "x-sucuri-cache", CACHE_NONE, e->pop);
}

const struct vendor vendor_sucuri = { .name = "sucuri", .marks = marks, .read = sucuri_read };

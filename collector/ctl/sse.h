/* sse.h - reads Server-Sent Events (WHATWG HTML, 9.2) from pieces of any size. Pure. */
#ifndef CTL_SSE_H
#define CTL_SSE_H

#include "base/buf.h"

#define SSE_EVENT_MAX (4 * 1024 * 1024)

struct sse_event { /* borrowed for the call */
	struct str type, data, id;
};
struct sse {
	struct buf line, data, type, id; /* id is the last one given, and goes on between connections */
	int64_t retry_us;                /* as the server asked; -1: it did not */
	bool after_cr, has_data;
	/* false ends the reading */
	bool (*on_event)(void *ctx, const struct sse_event *e);
	void *ctx;
};
void sse_init(struct sse *s, bool (*on_event)(void *ctx, const struct sse_event *e), void *ctx);
void sse_fini(struct sse *s);
void sse_restart(struct sse *s); /* a new connection: what was half read is forgotten, the id is not */
/* False: on_event ended it, or an event is over SSE_EVENT_MAX. */
bool sse_feed(struct sse *s, struct str bytes);

#endif

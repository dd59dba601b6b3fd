/* cdn.h - response headers in, edge and cache facts out. Pure and allocation-free: all strings borrow from the headers
 * or point to constants, or into the small scratch space of struct edge_info.
 * Sources: RFC 9110, 9111, 9211, 9213; vendor documents as named in each vendor's file.
 * A new CDN is one file (cdn/NAME.c), one line in cdn.c, and its recorded headers in tests/golden/cdn/. */
#ifndef BASE_CDN_H
#define BASE_CDN_H

#include "base/obs.h"

#define HEADERS_MAX 128
struct header {
	struct str name, value; /* value trimmed */
};
struct headers { /* in the order they came */
	struct header *h;
	size_t n;
	int64_t received_at_us; /* wall clock, for Date arithmetic; TIME_NONE when not known */
};

struct tier {
	enum tier_kind kind;
	enum cache_status status;
	struct str node; /* machine as named, else the pop, else empty */
};

struct edge_info {
	struct str vendor;        /* "cloudfront", ..., "generic", "none" */
	struct str pop;           /* in the vendor's spelling; empty: no header names it */
	char iata[4];             /* "" when the PoP code is no IATA code */
	struct tier tiers[OBS_TIERS_MAX];
	size_t n_tiers;           /* nearest first; 0 only for vendor none */
	enum cache_status cache;  /* of tiers[0] */
	int64_t age_s;            /* OBS_AGE_NONE */
	const char *age_source;   /* header that stood in for Age, or NULL */
	int64_t ttl_s;            /* remaining life in a shared cache; INT64_MIN: not told */
	const char *ttl_source;   /* "cache-status", "no-cache", "s-maxage", "max-age", "expires", ...; NULL */
	int64_t browser_ttl_s;    /* how long a browser may keep it from now; INT64_MIN */
	char scratch[256];
	size_t scratch_n;
};

struct cdn_options {
	struct str pop_header;    /* a header that names the PoP, by configuration; wins over all. Empty: none */
	struct str pop_vendor;    /* vendor to show with it; empty: "self" */
};

struct vendor {
	const char *name;                                           /* as shown in API and UI */
	bool (*claims)(const struct headers *h);                    /* is this answer theirs? */
	void (*read)(const struct headers *h, struct edge_info *e); /* fills only what was said */
};

/* Always succeeds: what is not told stays unknown. options may be NULL. */
void cdn_read(const struct headers *h, const struct cdn_options *options, struct edge_info *ret);
/* "vendor:pop" of what was read, "" when neither pop nor vendor is known: n bytes at most with the NUL. Returns text. */
const char *cdn_edge_name(const struct edge_info *e, char *text, size_t n);

/* One raw header block ("HTTP/1.1 200 OK\r\nName: value\r\n..."), borrowed: fills h->h (room for cap) and the status. */
MUST_USE int headers_parse(struct str block, struct header *room, size_t cap, struct headers *ret, int *ret_status,
	struct err *err);
/* First value of that name, any case; false when there is none. */
bool headers_get(const struct headers *h, const char *name, struct str *ret_value);
bool headers_get_last(const struct headers *h, const char *name, struct str *ret_value);
/* Walks the comma-separated members of all lines of that name, in order, quotes respected. *at starts as 0. */
bool headers_next_member(const struct headers *h, const char *name, size_t *at, struct str *ret_member);

#endif

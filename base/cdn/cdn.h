/* cdn.h - response headers in, edge and cache facts out. Pure and allocation-free: all strings borrow from
 * the headers, point to constants, or into the small scratch space of struct edge_info (so do not copy that
 * struct and outlive it). Sources: RFC 9110, 9111, 9211, 9213; vendor documents as named in each vendor's
 * file. A new CDN is one file (cdn/NAME.c), one line in cdn.c, and its recorded headers in
 * tests/cdn/golden/. */
#ifndef BASE_CDN_H
#define BASE_CDN_H

#include "base/obs.h"

#define HEADERS_MAX 128
struct header {
	struct str name, value; /* value trimmed */
};
struct span { /* of lines; first is only good when a bit says that there is one */
	uint8_t first, last;
};
struct headers { /* in the order they came */
	struct header *h;
	size_t n;
	int64_t received_at_us; /* the receiver's wall clock; TIME_NONE. Ages come from Date, not from here */
	/* made by headers_index(); names 0: every look-up walks all headers */
	uint64_t names, starts;
	struct span of_name[64], of_start[64]; /* by bit, where lines of it stand */
};

struct tier {
	enum tier_kind kind;
	enum cache_status status;
	struct str node;    /* machine as named, else the pop, else empty */
	const char *source; /* the header that told of it; NULL: see cache_source */
};

#define CDN_TTL_NONE INT64_MIN

/* pop and node are promised to be clean: 1 to CDN_NAME_MAX bytes of UTF-8 without control characters. What a
 * server sends beyond that counts as not said, so that no peer can spoil a batch with it. */
#define CDN_NAME_MAX 128

struct edge_info {
	struct str vendor; /* "cloudfront", ..., "generic", "none" */
	struct str pop;    /* in the vendor's spelling; empty: no header names it */
	char iata[4];      /* "" when the PoP code is no IATA code */
	struct tier tiers[OBS_TIERS_MAX];
	size_t n_tiers;          /* nearest first; 0 only for vendor none */
	enum cache_status cache; /* of tiers[0] */
	int64_t age_s;           /* OBS_AGE_NONE */
	const char *age_source;  /* header that stood in for Age, or NULL */

	/* Remaining life in a shared cache, may be negative; CDN_TTL_NONE: not told. ttl_source is
	 * "cache-status", "no-cache", "s-maxage", "max-age", "expires"; or why there is no ttl:
	 * "no-store/private", "rewritten-by-cdn"; or NULL: nothing was said. */
	int64_t ttl_s;
	const char *ttl_source;
	/* How long a browser may use it from now on without asking; never negative; CDN_TTL_NONE. */
	int64_t browser_ttl_s;
	/* What a field of RFC 9213 that this vendor obeys grants from now on; never part of ttl_s. */
	int64_t targeted_ttl_s;
	const char *targeted_source; /* that field, or NULL */

	struct str geo_country, geo_city; /* of the edge, where the vendor says so (Akamai); else empty */
	const char *pop_source, *cache_source; /* header that told it, lower case; NULL: none did */
	unsigned used;                         /* which sources of cache words were read (base/cdn/read.h) */
	char scratch[256];
	size_t scratch_n;
};

struct cdn_options {
	struct str pop_header; /* a header that names the PoP, by configuration; wins over all. Empty: none */
	struct str pop_vendor; /* vendor to show with it; empty: "self" */
};

/* A sign that an answer is of this vendor. */
/* clang-format off */
struct mark {
	const char *name; /* lower case; a trailing '-' stands for every header that starts so */
	size_t name_n;
	const char *has;  /* what its value contains, any case; "^x": begins with x; NULL: any will do */
};
#define MARK(name, has) { "" name, sizeof(name) - 1, has }
#define MARKS_END       { NULL, 0, NULL }
/* clang-format on */

/* Caches that anybody runs: who speaks is the last member of Via, else Server, else a header of its own. */
enum software {
	SOFTWARE_NONE,
	SOFTWARE_GOOGLE,
	SOFTWARE_SOUIN,
	SOFTWARE_ATS,
	SOFTWARE_SQUID,
	SOFTWARE_VARNISH,
	SOFTWARE_ENVOY
};

struct vendor {
	const char *name;         /* as shown in API and UI */
	const struct mark *marks; /* ended by MARKS_END; without any of these headers it is not theirs */
	enum software software;   /* theirs is what this speaks; SOFTWARE_NONE: by claims */
	bool (*claims)(const struct headers *h); /* is this answer theirs? NULL: any mark is enough */
	void (*read)(const struct headers *h, struct edge_info *e); /* fills only what was said */
	bool pops_are_iata;  /* the first three letters of a pop are an IATA code, where it exists */
	bool hides_lifetime; /* the visible Cache-Control is not the one its caches obey */
};

/* Always succeeds: what is not told stays unknown. options may be NULL. */
void cdn_read(const struct headers *h, const struct cdn_options *options, struct edge_info *ret);
/* "vendor:pop" of what was read, "vendor" when no header names the pop, "" for vendor none: n bytes at most
 * with the NUL. Returns text. */
const char *cdn_edge_name(const struct edge_info *e, char *text, size_t n);
/* Tiers, age and lifetimes into an observation. Seconds are clamped to 32 bits: an age over INT32_MAX (68
 * years) becomes INT32_MAX, a ttl INT32_MIN + 1 or INT32_MAX; "not said" stays OBS_AGE_NONE, OBS_TTL_NONE. */
void cdn_fill_obs(const struct edge_info *e, struct obs *ret_obs);
/* The table of vendors, for tests and explanations; NULL past its end. */
const struct vendor *cdn_vendor_at(size_t i);
/* Does this header carry that mark? */
bool mark_matches(const struct mark *m, const struct header *h);

/* One raw header block ("HTTP/1.1 200 OK\r\nName: value\r\n..."), borrowed: fills h->h (room for cap) and the
 * status. Ends at the first empty line. Lenient: LF alone ends a line, folded lines belong to the line before
 * (RFC 9112, 5.2; the line break stays inside the value), lines that are no header are left out, the status
 * line may be missing (status 0). ERR_TOO_BIG: more than cap headers. ERR_SYNTAX: a NUL byte, a broken status
 * line, or nothing at all. */
MUST_USE int headers_parse(struct str block, struct header *room, size_t cap, struct headers *ret,
	int *ret_status, struct err *err);
/* Makes look-ups quick. headers_parse() and cdn_read() do it themselves; again when h or n change. */
void headers_index(struct headers *h);

bool headers_find(const struct headers *h, struct str name, bool last, struct str *ret_value);
bool headers_walk(const struct headers *h, struct str name, size_t *at, struct str *ret_member);

/* One bit of 64 for a name, and one for its beginning: most names that are asked for are not there, and that
 * is known without walking. */
static inline unsigned header_name_slot(struct str name)
{
	if (name.n == 0)
		return 0;
	unsigned middle = (unsigned char)name.p[name.n / 2] | 32u,
		 last = (unsigned char)name.p[name.n - 1] | 32u;
	return (middle * 5 + last * 3 + (unsigned)name.n * 7) % 64;
}

static inline unsigned header_start_slot(struct str name)
{
	if (name.n < 3)
		return 0;
	unsigned a = (unsigned char)name.p[0] | 32u, b = (unsigned char)name.p[1] | 32u,
		 c = (unsigned char)name.p[2] | 32u;
	return (a * 3 + b * 5 + c * 7) % 64;
}

static inline bool headers_may_have(const struct headers *h, struct str name)
{
	return h->names == 0 || ((h->names >> header_name_slot(name) & 1) != 0 &&
					(h->starts >> header_start_slot(name) & 1) != 0);
}

/* First value of that name, any case; false when there is none. */
static inline bool headers_get(const struct headers *h, const char *name, struct str *ret_value)
{
	return headers_may_have(h, str_of(name)) && headers_find(h, str_of(name), false, ret_value);
}

static inline bool headers_get_last(const struct headers *h, const char *name, struct str *ret_value)
{
	return headers_may_have(h, str_of(name)) && headers_find(h, str_of(name), true, ret_value);
}

/* Walks the comma-separated members of all lines of that name, in order, quotes respected; empty members are
 * left out. A quote that is never closed runs to the end of its line. *at starts as 0. */
static inline bool headers_next_member(
	const struct headers *h, const char *name, size_t *at, struct str *ret_member)
{
	return headers_may_have(h, str_of(name)) && headers_walk(h, str_of(name), at, ret_member);
}

#endif

/* read.h - what the vendors' files share: lists, words, tiers, lifetimes. Private to base/cdn and its tests.
 * Pure. */
#ifndef BASE_CDN_READ_H
#define BASE_CDN_READ_H

#include "base/cdn/cdn.h"

/* Lists */
enum enclosing {
	ENCLOSING_QUOTES, /* "a, b" is one member */
	ENCLOSING_ALL,    /* so are (a, b) and [a, b]: Via has comments, Alibaba and Akamai brackets */
};
#define LIST_MAX 16
struct list { /* the last LIST_MAX members of all lines of one name: chains read origin-first, so the nearest
		 is last */
	struct str at[LIST_MAX];
	size_t n, last;
};
void list_fill(const struct headers *h, struct str name, enum enclosing enclosing, struct list *ret);
static inline void list_read(
	const struct headers *h, const char *name, enum enclosing enclosing, struct list *ret)
{
	ret->n = ret->last = 0;
	if (headers_may_have(h, str_of(name)))
		list_fill(h, str_of(name), enclosing, ret);
}
struct str list_nearest(
	const struct list *l, size_t i); /* 0 is the last member; empty when there are not so many */
/* separator is one of ",; ". */
size_t part_end(struct str s, char separator, enum enclosing enclosing);
/* Cuts the next part that is not empty off *s, trimmed. */
bool part_cut(struct str *s, char separator, enum enclosing enclosing, struct str *ret_part);
struct str token_of(struct str s); /* the leading characters that can be in a token (RFC 9110, 5.6.2) */
/* The lines of that name in turn; *at starts as 0. */
bool headers_next_line(const struct headers *h, struct str name, size_t *at, struct str *ret_value);
bool text_has(struct str s, const char *what); /* any case; what is not empty */
bool headers_match(const struct headers *h, const struct mark *marks);
bool headers_may_match(
	const struct headers *h, const struct mark *marks); /* false: for sure none of them is there */

/* Words */
enum cache_status cache_word(struct str text); /* by its first word; UNKNOWN when that is no cache word */
struct str word_host(struct str text);         /* "HIT from HOST:80 (x)": HOST; empty when it is not said */
bool word_is_wikimedia(struct str text);       /* "cp4009 hit/1079439", "cp1065 frontend hit (3756)" */

/* One Via member: "1.1 host:80 (comment)". */
struct via {
	struct str host, comment; /* host without port; comment without parentheses */
};
struct via via_parse(struct str member);
bool via_is_ats(const struct via *v);
bool via_ats_status(const struct via *v, enum cache_status *ret); /* false: it shows no code */
/* Does a cache whose name for itself contains this say that the copy is past its life? (RFC 7234, 5.5: 110
 * and 111. RFC 9111 has given Warning up; Squid and Traffic Server still send it.) */
bool warned_stale(const struct headers *h, const char *agent);

/* Filling edge_info. Names that are not clean (cdn.h) are dropped here. */
enum used {
	USED_X_CACHE = 1 << 0,
	USED_CACHE_STATUS = 1 << 1,
	USED_X_VARNISH = 1 << 2,
	USED_VIA = 1 << 3,
	USED_PLAIN = 1 << 4, /* X-Cache-Status or X-Proxy-Cache */
};
void pop_set(struct edge_info *e, struct str pop, const char *source);
/* The tiers from that one on, if nobody said so yet, were told of by this header. */
void tiers_tell(struct edge_info *e, size_t from, const char *source);
void tier_add(struct edge_info *e, enum tier_kind kind, enum cache_status status, struct str node);
/* TCP_REMOTE_HIT adds two: this one missed, a shield behind it hit. */
void tier_add_word(struct edge_info *e, enum tier_kind kind, struct str word, struct str node);
/* The edge tier from a header that holds one word; `silent` when it is not there. */
void edge_from_word(const struct headers *h, struct edge_info *e, const char *name, enum cache_status silent,
	struct str node);
struct str scratch_add(struct edge_info *e, struct str text); /* empty when the scratch space is full */

/* Chains that more than one vendor's file reads. The first tier that is added is the edge, when there is none
 * yet. */
bool x_cache_read(const struct headers *h, struct edge_info *e, const struct list *words, size_t skip);
bool cache_status_read(const struct headers *h, struct edge_info *e, const char *own_prefix);
bool x_varnish_read(const struct headers *h, struct edge_info *e);
bool plain_words_read(const struct headers *h, struct edge_info *e); /* X-Cache-Status, else X-Proxy-Cache */
bool via_ats_read(const struct headers *h, struct edge_info *e);
/* Everything a hop behind the vendor's edge told, after the vendor's own reading. */
void inner_read(const struct headers *h, struct edge_info *e);

/* Are the words of X-Cache Squid's? It alone writes X-Cache-Lookup beside them, from the same host. */
bool x_cache_is_squids(const struct headers *h, const struct list *words);
/* X-Cache-Status or X-Proxy-Cache stands behind all that this cache writes of itself: it is the word of the
 * same cache, or of one in front. */
bool plain_word_is_last(const struct headers *h, enum software software);
/* That word is from nginx in front of a cache that names itself. */
bool plain_word_is_nearest(const struct headers *h);

bool is_fastly_node(struct str name);    /* cache-fra19169-FRA */
struct str akamai_host(struct str text); /* "TCP_HIT from a23-62-155-202.deploy...": a23-62-155-202 */
struct str vercel_pop(const struct headers *h);
struct str wikimedia_pop(const struct headers *h);     /* the last cpNNNN of X-Cache */
enum software software_named(const struct headers *h); /* the nearest cache that names itself */
enum software software_of(const struct headers *h);    /* the same, unless nginx is in front of it */

/* RFC 9111, 9211, 9213 */
struct cache_control {
	bool present, no_store, no_cache, is_private; /* without an argument only */
	bool has_max_age, has_s_maxage;
	int64_t max_age_s, s_maxage_s; /* not a whole number: 0, that is, stale (RFC 9111, 4.2.1) */
};
struct cache_status_member {
	struct str name;
	bool hit, has_ttl;
	int64_t ttl_s;
	struct str fwd;
	int64_t fwd_status;
};
bool delta_seconds(
	struct str s, int64_t *ret_s); /* digits; what does not fit is INT64_MAX (RFC 9111, 1.2.2) */
void cache_control_read(const struct headers *h, struct cache_control *ret);
bool cache_status_next(const struct headers *h, size_t *at, struct cache_status_member *ret);
enum cache_status cache_status_word(const struct cache_status_member *m);
void age_read(const struct headers *h, struct edge_info *e);
void ttl_read(const struct headers *h, const struct vendor *v, struct edge_info *e);
#endif

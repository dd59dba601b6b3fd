/* visit.h - a visitor that writes fields as bytes, or reads them back: the same walk over a structure does
 * both. What is read is checked as it comes; the first thing that cannot be sets `bad`, and counts are 0 from
 * then on. */
#ifndef ENGINE_VISIT_H
#define ENGINE_VISIT_H

#include "collector/engine/engine_internal.h"

struct visit {
	bool load, bad;
	int64_t version; /* of the snapshot */
	struct buf *out; /* saving */
	struct str in;   /* loading: what is left */
};

void visit_u64(struct visit *v, uint64_t *x);
void visit_i64(struct visit *v, int64_t *x);
void visit_double(struct visit *v, double *x);
void visit_duration(struct visit *v, int64_t *us);
/* A count of things of at least a byte each. */
void visit_count(struct visit *v, size_t *n, size_t max);
/* Saving: writes s. Loading: what was written, borrowed from the input. */
struct str visit_str(struct visit *v, struct str s);
void visit_text(struct visit *v, char **text);
void visit_texts(struct visit *v, char ***texts, size_t *n);
void visit_names(struct visit *v, struct names *t);
bool time_is_bounded(int64_t at_us); /* far from where sums overflow, or TIME_NONE */

/* Any integer field; what does not fit it is refused. */
#define VISIT(v, field)                                                                                      \
	do {                                                                                                 \
		int64_t x_ = (v)->load ? 0 : (int64_t)(field);                                               \
		visit_i64((v), &x_);                                                                         \
		if ((v)->load) {                                                                             \
			(field) = x_;                                                                        \
			(v)->bad |= (int64_t)(field) != x_;                                                  \
		}                                                                                            \
	} while (0)
#define VISIT_BELOW(v, field, limit)                                                                         \
	do {                                                                                                 \
		VISIT(v, field);                                                                             \
		(v)->bad |= (uint64_t)(field) >= (uint64_t)(limit);                                          \
	} while (0)
#define VISIT_BELOW_OR_NONE(v, field, limit)                                                                 \
	do {                                                                                                 \
		VISIT(v, field);                                                                             \
		(v)->bad |= (field) != NONE32 && (field) >= (limit);                                         \
	} while (0)
#define VISIT_TIME(v, field)                                                                                 \
	do {                                                                                                 \
		VISIT(v, field);                                                                             \
		(v)->bad |= !time_is_bounded(field);                                                         \
	} while (0)
#define VISIT_TIME_OR_MAX(v, field)                                                                          \
	do {                                                                                                 \
		VISIT(v, field);                                                                             \
		(v)->bad |= (field) != INT64_MAX && !time_is_bounded(field);                                 \
	} while (0)

/* An array of a service: its count is read before, its members are visited one by one. */
#define VISIT_POOL(v, pool, n, cap, each)                                                                    \
	do {                                                                                                 \
		if ((v)->load) {                                                                             \
			(pool) = mem_new_array((n), sizeof(*(pool)));                                        \
			(cap) = (n);                                                                         \
		}                                                                                            \
		for (size_t i_ = 0; i_ < (n) && !(v)->bad; i_++)                                             \
			each;                                                                                \
	} while (0)

/* snapshot_told.c: what was told of purges and inner layers, and which answers came through */
struct sizes { /* what indexes are checked against */
	size_t names, texts, agents, services, endpoints, values, members, routes, cells, links;
};
void visit_purge(struct visit *v, struct purge *p);
void visit_inner(struct visit *v, struct inner *in);
void visit_drawlogs(struct visit *v, struct service *s, const struct sizes *z);

#endif

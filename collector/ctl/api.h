/* api.h - the collector's HTTP API, as the client asks it. libcurl and jansson inside. One thread. */
#ifndef CTL_API_H
#define CTL_API_H

#include <jansson.h>

#include "base/buf.h"

#define API_ANSWER_MAX (64 * 1024 * 1024)

struct api;
struct api_options {
	const char *server; /* http:// or https://, a path in front is kept */
	const char *token;  /* NULL: none */
	const char *ca;     /* PEM file, NULL: the system's */
};
/* options are copied. ERR_SYNTAX: the address makes no sense. */
MUST_USE int api_new(const struct api_options *options, struct api **ret, struct err *err);
void api_free(struct api *a);

/* Asks and waits up to timeout_us for the whole answer. body may be NULL. key: Idempotency-Key, may be NULL;
 * with one, what got no answer is sent again. *ret (may be NULL) is the caller's; NULL for an answer without
 * a body. ERR_NET out of reach · ERR_BUSY 5xx · ERR_CORRUPT what came is not from a collector · ERR_NOT_FOUND
 * 404 · ERR_DENIED 401, 403 · ERR_SYNTAX a service that nobody watches · ERR_NONSENSE any other refusal; for
 * all refusals the sentence has title and detail. */
MUST_USE int api_call(struct api *a, const char *method, const char *path, const json_t *body,
	const char *key, int64_t timeout_us, json_t **ret, struct err *err);
MUST_USE int api_get(struct api *a, const char *path, json_t **ret, struct err *err);
/* Every item of a list, page after page, as one array. path may have a query. */
MUST_USE int api_list(struct api *a, const char *path, json_t **ret, struct err *err);

/* An open-ended answer: on_bytes gets what comes; false ends it. Returns 0 when the server or on_bytes ended
 * it. */
typedef bool api_bytes(void *ctx, struct str bytes);
MUST_USE int api_stream(struct api *a, const char *path, const char *last_event_id, int64_t silence_us,
	int64_t max_us, api_bytes *on_bytes, void *ctx, struct err *err);

/* Adds ?name=value or &name=value, escaped; nothing for an empty value. */
void path_add_query(struct buf *path, const char *name, struct str value);
void path_add_segment(struct buf *path, struct str segment); /* "/" and the escaped segment */

/* Members, with the type checked: something else is as if it were not there. */
struct str json_text(const json_t *object, const char *name);
double json_num(const json_t *object, const char *name, double otherwise);

#endif

/* collector_conf_parts.h - what collector_conf.c and service_conf.c share. Nobody else's business. */
#ifndef COLLECTOR_CONF_PARTS_H
#define COLLECTOR_CONF_PARTS_H

#include "collector/collector_conf.h"

/* Memory that lives as long as c; zeroed. A string from it has a NUL behind it. */
void *conf_mem_new(struct collector_conf *c, size_t size);
struct str conf_mem_str(struct collector_conf *c, struct str s);
const struct conf_node *conf_map_get(const struct conf_node *map, const char *key); /* NULL: not there */

MUST_USE int services_read(struct collector_conf *c, const struct conf_node *list, struct err *err);
/* Request headers into ep->headers (room for ASSIGN_HEADERS_MAX), replacing those of the same name; map NULL:
 * none. */
MUST_USE int headers_read(
	struct collector_conf *c, const struct conf_node *map, struct endpoint_conf *ep, struct err *err);
/* addresses: dns, all, or a list of them; n NULL: not said. ep->ip_version is set. */
MUST_USE int addresses_read(
	struct collector_conf *c, const struct conf_node *n, struct endpoint_conf *ep, struct err *err);
#define ENDPOINT_ID_MAX 128 /* of an endpoint that is named after its url, its variant's name included */
/* How many endpoints an endpoint with this list of variants is; at least one. */
size_t variants_count(const struct conf_node *list);
/* Makes the endpoint at s->endpoints[s->n_endpoints] one for each variant, called ID.NAME, and counts them;
 * without variants (list NULL or empty) it stays as it is. There is room for variants_count(). */
MUST_USE int variants_expand(
	struct collector_conf *c, const struct conf_node *list, struct service_conf *s, struct err *err);
void variants_describe(struct buf *out);
void services_describe(struct buf *out);

#endif

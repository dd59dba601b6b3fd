/* variants.c - see collector_conf_parts.h: one endpoint asked in several ways. Caches keep a copy for each
 * way (Vary), and a purge may miss one of them; so each is an endpoint of its own. */
#include <stdio.h>

#include "base/name.h"
#include "collector/collector_conf_parts.h"

#define VARIANTS_MAX 32

struct variant {
	char *name;
	const struct conf_node *headers;
};

/* clang-format off */
static const struct conf_field variant_fields[] = {
	{ .key = "name", .type = CONF_STR, .offset = offsetof(struct variant, name), .required = true,
	  .says = "what follows the endpoint's id and a dot: version.br" },
	{ .key = "headers", .type = CONF_NODE, .offset = offsetof(struct variant, headers),
	  .says = "what it sends beside the endpoint's own headers, or instead of one of them" },
	{ .key = NULL },
};
/* clang-format on */

size_t variants_count(const struct conf_node *list)
{
	return MAX(conf_list_size(list), (size_t)1);
}

static int id_set(struct collector_conf *c, const struct conf_node *at, const struct variant *v,
	const struct service_conf *s, struct endpoint_conf *ep, struct err *err)
{
	char id[ENDPOINT_ID_MAX + 1];
	if (!name_is_fine(str_of(v->name)))
		return conf_error(
			c->file, at, err, ERR_SYNTAX, "'%s' is no variant's name: want " NAME_RULE, v->name);
	int n = snprintf(id, sizeof(id), "%.*s.%s", STR_ARG(ep->id), v->name);
	if ((size_t)n >= sizeof(id))
		return conf_error(c->file, at, err, ERR_TOO_BIG,
			"'%.*s' and '%s' are too long for one name: give the endpoint an id", STR_ARG(ep->id),
			v->name);
	for (const struct endpoint_conf *other = s->endpoints; other < ep; other++)
		if (str_is(other->id, id))
			return conf_error(c->file, at, err, ERR_EXISTS,
				"two endpoints of '%.*s' would be called '%s': give each a name of its own",
				STR_ARG(s->name), id);
	ep->id = conf_mem_str(c, str_of(id));
	return 0;
}

int variants_expand(
	struct collector_conf *c, const struct conf_node *list, struct service_conf *s, struct err *err)
{
	const struct endpoint_conf base = s->endpoints[s->n_endpoints];
	size_t n = conf_list_size(list);
	if (list && !conf_is_list(list))
		return conf_error(c->file, list, err, ERR_SYNTAX,
			"want a list of variants, such as [{name: br, headers: {Accept-Encoding: br}}]");
	if (n > VARIANTS_MAX)
		return conf_error(
			c->file, list, err, ERR_TOO_BIG, "%zu variants, limit is %d", n, VARIANTS_MAX);
	if (n == 0)
		s->n_endpoints++;
	for (size_t i = 0; i < n; i++) {
		const struct conf_node *at = conf_list_at(list, i);
		struct endpoint_conf *ep = &s->endpoints[s->n_endpoints];
		struct variant v = { .name = NULL };
		*ep = base;
		ep->headers = conf_mem_new(c, ASSIGN_HEADERS_MAX * sizeof(*ep->headers));
		for (size_t k = 0; k < base.n_headers; k++)
			ep->headers[k] = base.headers[k];
		int rc = conf_read(c->file, at, variant_fields, &v, err);
		if (rc == 0)
			rc = id_set(c, at, &v, s, ep, err);
		if (rc == 0)
			rc = headers_read(c, v.headers, ep, err);
		if (rc < 0)
			return rc;
		s->n_endpoints++;
	}
	return 0;
}

void variants_describe(struct buf *out)
{
	conf_describe(variant_fields, "services[].variants[]", out);
}

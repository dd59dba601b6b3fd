/* What was told of purges and inner layers, and which answers came through, as bytes and back. */
#include <stdlib.h>

#include "collector/engine/visit.h"

void visit_purge(struct visit *v, struct purge *p)
{
	visit_text(v, &p->id), visit_text(v, &p->vendor), visit_text(v, &p->zone), visit_text(v, &p->source);
	VISIT_TIME(v, p->recorded_us);
	VISIT_TIME(v, p->requested_us);
	VISIT_TIME(v, p->completed_us);
	visit_texts(v, &p->patterns, &p->n_patterns);
	visit_texts(v, &p->tags, &p->n_tags);
	VISIT(v, p->soft);
	VISIT(v, p->everything);
	VISIT(v, p->in_future);
	v->bad |= p->id == NULL;
}

void visit_inner(struct visit *v, struct inner *in)
{
	visit_text(v, &in->type);
	visit_text(v, &in->json);
	VISIT_TIME(v, in->at_us);
	if (v->load) {
		in->phase_since_us = in->moved_us = TIME_NONE;
		in->weight = -1;
	}
	v->bad |= in->type == NULL;
	if (v->version < 3)
		return;
	size_t unused = 0;
	VISIT_TIME(v, in->phase_since_us);
	visit_text(v, &in->controller), visit_text(v, &in->phase), visit_text(v, &in->reason);
	visit_text(v, &in->message), visit_text(v, &in->version);
	if (v->version > 3) {
		visit_text(v, &in->revision);
		visit_double(v, &in->weight);
		VISIT_TIME(v, in->moved_us);
	}
	visit_count(v, &in->n_routes, INNER_ROUTES_MAX);
	VISIT_POOL(v, in->routes, in->n_routes, unused, {
		visit_text(v, &in->routes[i_].subset);
		visit_text(v, &in->routes[i_].version);
		if (v->version > 3)
			visit_text(v, &in->routes[i_].host);
		visit_double(v, &in->routes[i_].weight);
		VISIT(v, in->routes[i_].ready);
	});
	visit_count(v, &in->n_pods, INNER_PODS_MAX);
	VISIT_POOL(v, in->pods, in->n_pods, unused, {
		visit_text(v, &in->pods[i_].name);
		visit_text(v, &in->pods[i_].version);
		visit_text(v, &in->pods[i_].digest);
		visit_text(v, &in->pods[i_].subset);
		if (v->version > 3)
			visit_text(v, &in->pods[i_].node);
		VISIT(v, in->pods[i_].ready);
		VISIT(v, in->pods[i_].terminating);
	});
	(void)unused;
}

static void visit_drawlog(struct visit *v, struct drawlog *l, const struct sizes *z)
{
	VISIT_BELOW(v, l->endpoint, z->endpoints);
	VISIT_BELOW(v, l->region, z->names);
	VISIT_BELOW(v, l->path, PATH_ORIGIN + 1);
	VISIT_TIME(v, l->newest_us);
	visit_count(v, &l->n, 100000);
	if (v->load)
		l->v = mem_grow(NULL, &l->cap, l->n, sizeof(*l->v));
	for (size_t i = 0; i < l->n && !v->bad; i++) {
		struct drawn *x = &l->v[i];
		VISIT_TIME(v, x->first_us);
		VISIT_TIME(v, x->last_us);
		VISIT_BELOW_OR_NONE(v, x->value, z->values);
		VISIT(v, x->n);
		VISIT_BELOW(v, x->edge, z->names);
		VISIT(v, x->status);
		VISIT(v, x->envoy);
		v->bad |= x->first_us == TIME_NONE || x->first_us > x->last_us || x->n == 0;
	}
}

void visit_drawlogs(struct visit *v, struct service *s, const struct sizes *z)
{
	visit_count(v, &s->n_drawlogs, NONE32 - 1);
	VISIT_POOL(v, s->drawlogs, s->n_drawlogs, s->cap_drawlogs, visit_drawlog(v, &s->drawlogs[i_], z));
}

/* Mesh, rollout and pods as they were told last. */
#include <stdlib.h>

#include "collector/engine/engine_internal.h"

static void inner_empty(struct inner *in)
{
	for (size_t i = 0; i < in->n_routes; i++)
		free(in->routes[i].subset), free(in->routes[i].version), free(in->routes[i].host);
	for (size_t i = 0; i < in->n_pods; i++)
		free(in->pods[i].name), free(in->pods[i].version), free(in->pods[i].digest),
			free(in->pods[i].subset), free(in->pods[i].node);
	free(in->routes), free(in->pods), free(in->json);
	free(in->controller), free(in->phase), free(in->reason), free(in->message), free(in->version);
	free(in->revision);
}

void inner_fini(struct inner *in)
{
	inner_empty(in);
	free(in->type);
}

static bool weight_is_sane(double weight)
{
	return weight >= 0 && weight <= EV_WEIGHT_MAX; /* not so: NaN */
}

int inner_check(const struct engine *e, const struct ev_inner *ev, struct err *err)
{
	if (service_find(e, ev->service, NULL) == NULL)
		return err_set(err, ERR_NOT_FOUND, "no service '%.*s'", STR_ARG(ev->service));
	if (!str_is(ev->type, "mesh") && !str_is(ev->type, "rollout") && !str_is(ev->type, "pods"))
		return err_set(err, ERR_NONSENSE, "no inner layer is called '%.*s'", STR_ARG(ev->type));
	if (ev->json.n > INNER_JSON_MAX)
		return err_set(err, ERR_TOO_BIG, "%.*s: %zu bytes, limit is %d", STR_ARG(ev->type),
			ev->json.n, INNER_JSON_MAX);
	if (ev->n_routes > INNER_ROUTES_MAX)
		return err_set(
			err, ERR_TOO_BIG, "mesh: %zu routes, limit is %d", ev->n_routes, INNER_ROUTES_MAX);
	if (ev->n_pods > INNER_PODS_MAX)
		return err_set(
			err, ERR_TOO_BIG, "pods: %zu of them, limit is %d", ev->n_pods, INNER_PODS_MAX);
	for (size_t i = 0; i < ev->n_routes; i++)
		if (!weight_is_sane(ev->routes[i].weight))
			return err_set(err, ERR_NONSENSE, "mesh: the weight of route %zu is out of range", i);
	if (ev->weight != -1 && !weight_is_sane(ev->weight))
		return err_set(err, ERR_NONSENSE, "rollout: the weight is out of range");
	if (!time_is_sane(ev->since_us))
		return err_set(err, ERR_NONSENSE, "rollout: since is out of range");
	return 0;
}

static struct inner *inner_get(struct service *s, struct str type)
{
	for (size_t i = 0; i < s->n_inner; i++)
		if (str_is(type, s->inner[i].type))
			return &s->inner[i];
	s->inner = mem_grow(s->inner, &s->cap_inner, s->n_inner + 1, sizeof(*s->inner));
	struct inner *in = &s->inner[s->n_inner++];
	*in = (struct inner){ .type = str_dup(type),
		.at_us = TIME_NONE,
		.weight = -1,
		.phase_since_us = TIME_NONE,
		.moved_us = TIME_NONE };
	return in;
}

static bool same_phase(const struct inner *was, const struct ev_inner *ev)
{
	return was->phase && str_is(ev->phase, was->phase);
}

/* A phase that is told again goes on; what the controller says of its beginning counts more than when it was
 * heard. */
static int64_t phase_since(const struct inner *was, const struct ev_inner *ev, int64_t at_us)
{
	if (ev->since_us != TIME_NONE)
		return MIN(ev->since_us, at_us);
	return same_phase(was, ev) && was->phase_since_us != TIME_NONE ? was->phase_since_us : at_us;
}

static int64_t moved(const struct inner *was, const struct ev_inner *ev, int64_t at_us)
{
	if (!same_phase(was, ev))
		return TIME_NONE;
	return was->weight >= 0 && ev->weight >= 0 && was->weight != ev->weight ? at_us : was->moved_us;
}

void inner_fold(struct engine *e, const struct ev_inner *ev, int64_t at_us)
{
	struct service *s = service_find(e, ev->service, NULL);
	struct inner *in = inner_get(s, ev->type);
	at_us = at_us == TIME_NONE ? e->now_us : MIN(at_us, e->now_us);
	if (at_us < in->at_us) /* it came late, and something newer is known */
		return;
	struct inner now = {
		.type = in->type,
		.json = str_dup(ev->json),
		.at_us = at_us,
		.controller = text_dup(ev->controller),
		.phase = text_dup(ev->phase),
		.reason = text_dup(ev->reason),
		.message = text_dup(ev->message),
		.version = text_dup(ev->version),
		.revision = text_dup(ev->revision),
		.weight = ev->weight,
		.routes = mem_new_array(ev->n_routes, sizeof(*now.routes)),
		.n_routes = ev->n_routes,
		.pods = mem_new_array(ev->n_pods, sizeof(*now.pods)),
		.n_pods = ev->n_pods,
	};
	now.phase_since_us = phase_since(in, ev, at_us);
	now.moved_us = moved(in, ev, at_us);
	for (size_t i = 0; i < ev->n_routes; i++) {
		const struct ev_route *r = &ev->routes[i];
		now.routes[i] = (struct inner_route){ text_dup(r->subset.n ? r->subset : r->host),
			text_dup(r->version), text_dup(r->host), r->weight, r->ready };
	}
	for (size_t i = 0; i < ev->n_pods; i++) {
		const struct ev_pod *p = &ev->pods[i];
		now.pods[i] =
			(struct inner_pod){ text_dup(p->name), text_dup(p->version), text_dup(p->digest),
				text_dup(p->subset), text_dup(p->node), p->ready, p->terminating };
	}
	inner_empty(in);
	*in = now;
	s->inner_serial++;
	s->check_verdict = s->progress = true;
}

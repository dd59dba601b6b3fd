/* entry_inner.c - what mesh, rollout controller and pods are told to be: checked, decoded, and kept as told.
 */
#include "collector/engine/told.h"
#include "collector/entry_impl.h"

static void inner_start(struct fields *f, struct event *ev, const char *type)
{
	struct str ignored = STR_NONE;
	ev->kind = EV_INNER;
	ev->inner = (struct ev_inner){ .type = str_of(type), .weight = -1, .since_us = TIME_NONE };
	field_required(f, "service");
	field_str(f, "service", OBS_NAME_MAX, &ev->inner.service);
	field_str(f, "source", TEXT_MAX, &ignored);
	field_str(f, "resource", TEXT_MAX, &ignored);
}

/* What the journal's own bookkeeping added is taken out again, so that live and replay keep the same text. */
static void inner_keep(struct fields *f, struct event *ev)
{
	static const char *const ours[] = { "position", "received_at" };
	if (fields_failed(f))
		return;
	json_t *copy = json_copy(f->object);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		(void)json_object_del(copy, ours[i]); /* absent is fine */
	size_t n = json_dumpb(copy, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS);
	char *text = entry_mem(f->r, n + 1, 1);
	json_dumpb(copy, text, n, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(copy);
	ev->inner.json = (struct str){ text, n };
}

static void read_weight(struct fields *f, double *ret)
{
	const json_t *v = field_get(f, "weight");
	if (v == NULL)
		return;
	if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > EV_WEIGHT_MAX)
		field_want(f, "weight", "a number from 0 to 1000000", v);
	else
		*ret = json_number_value(v);
}

/* Members of a list of flat objects, each read by `each` into a place of its own. */
struct inner_list {
	const char *key;
	size_t size, max;
	void (*each)(struct fields *f, void *to);
};

static void *read_inner_list(struct fields *f, const struct inner_list *shape, size_t *ret_n)
{
	*ret_n = 0;
	if (!field_required(f, shape->key))
		return NULL;
	const json_t *list = field_list(f, shape->key);
	size_t n = json_array_size(list);
	if (n > shape->max) {
		field_fail(f, shape->key, ERR_TOO_BIG, "has %zu members, limit is %zu", n, shape->max);
		return NULL;
	}
	char *v = entry_mem(f->r, n, shape->size);
	for (size_t i = 0; i < n && !fields_failed(f); i++) {
		struct fields in;
		if (!field_member(f, shape->key, json_array_get(list, i), i, &in))
			return NULL;
		shape->each(&in, v + i * shape->size);
		fields_end(&in);
	}
	*ret_n = n;
	return v;
}

static void read_route(struct fields *f, void *to)
{
	struct ev_route *r = to;
	int64_t ready = -1;
	*r = (struct ev_route){ .ready = -1 };
	field_str(f, "subset", TEXT_MAX, &r->subset);
	field_str(f, "version", TEXT_MAX, &r->version);
	field_str(f, "host", TEXT_MAX, &r->host);
	read_weight(f, &r->weight);
	field_int(f, "ready", 0, 1000000, &ready);
	r->ready = (int)ready;
}

void entry_read_mesh(struct fields *f, struct event *ev)
{
	static const struct inner_list routes = { "routes", sizeof(struct ev_route), INNER_ROUTES_MAX,
		read_route };
	inner_start(f, ev, "mesh");
	ev->inner.routes = read_inner_list(f, &routes, &ev->inner.n_routes);
	inner_keep(f, ev);
}

void entry_read_rollout(struct fields *f, struct event *ev)
{
	struct ev_inner *in = &ev->inner;
	inner_start(f, ev, "rollout");
	field_required(f, "phase");
	field_str(f, "phase", TEXT_MAX, &in->phase);
	field_str(f, "controller", TEXT_MAX, &in->controller);
	field_str(f, "reason", TEXT_MAX, &in->reason);
	field_str(f, "message", TEXT_MAX, &in->message);
	field_str(f, "version", TEXT_MAX, &in->version);
	field_str(f, "revision", TEXT_MAX, &in->revision);
	read_weight(f, &in->weight);
	field_time(f, "since", &in->since_us);
	inner_keep(f, ev);
}

static void read_pod(struct fields *f, void *to)
{
	struct ev_pod *p = to;
	*p = (struct ev_pod){ .ready = false };
	field_str(f, "name", TEXT_MAX, &p->name);
	field_str(f, "version", TEXT_MAX, &p->version);
	field_str(f, "digest", TEXT_MAX, &p->digest);
	field_str(f, "subset", TEXT_MAX, &p->subset);
	field_str(f, "node", TEXT_MAX, &p->node);
	field_bool(f, "ready", &p->ready);
	field_bool(f, "terminating", &p->terminating);
}

void entry_read_pods(struct fields *f, struct event *ev)
{
	static const struct inner_list pods = { "pods", sizeof(struct ev_pod), INNER_PODS_MAX, read_pod };
	inner_start(f, ev, "pods");
	ev->inner.pods = read_inner_list(f, &pods, &ev->inner.n_pods);
	inner_keep(f, ev);
}

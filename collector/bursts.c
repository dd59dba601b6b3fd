/* bursts.c - see bursts.h */
#include <jansson.h>

#include "base/units.h"
#include "collector/bursts.h"
#include "collector/engine/view.h"

#define VIEW_BYTES (4 * 1024 * 1024)
#define LOOK_US    US_PER_S /* while a burst is on: it ends early when the deploy is decided */

static int64_t time_member(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	int64_t at_us = TIME_NONE;
	if (json_is_string(value) && time_parse(str_of(json_string_value(value)), &at_us, NULL) < 0)
		return TIME_NONE;
	return at_us;
}

/* The first object of a list our own view wrote; NULL when the list is empty. */
static json_t *first_of(struct buf *text)
{
	json_t *list = buf_failed(text) || text->n == 0 ? NULL : json_loadb(text->p, text->n, 0, NULL);
	json_t *first = json_incref(json_array_get(list, 0));
	json_decref(list);
	return first;
}

static bool is_settled(const struct engine *e, struct str service)
{
	static const enum cell_state open[] = { CELL_STALE, CELL_MIXED, CELL_AHEAD, CELL_UNKNOWN,
		CELL_FAILING };
	size_t n = 0;
	for (size_t i = 0; i < view_service_count(e); i++) {
		struct service_counts c;
		view_service_counts(e, i, &c);
		for (size_t k = 0; k < ARRAY_LEN(open) && str_eq(c.name, service); k++)
			n += c.cells[open[k]];
	}
	return n == 0;
}

void burst_facts_read(const struct engine *e, struct str service, struct burst_facts *ret)
{
	struct buf text, next;
	*ret = (struct burst_facts){
		.started_at_us = TIME_NONE, .live_at_us = TIME_NONE, .purged_at_us = TIME_NONE
	};
	buf_init(&text, VIEW_BYTES);
	buf_init(&next, 4096);
	view_deploys(e, service, STR_NONE, STR_NONE, 1, &text, &next);
	json_t *deploy = first_of(&text);
	if (deploy) {
		ret->has_deploy = view_verdict(e, str_of(json_string_value(json_object_get(deploy, "id"))),
					  &ret->verdict, NULL) == 0;
		ret->started_at_us = time_member(deploy, "started_at");
		ret->live_at_us = time_member(deploy, "live_at");
	}
	buf_clear(&text);
	view_purges(e, service, 1, &text);
	json_t *purge = first_of(&text);
	if (purge)
		ret->purged_at_us = time_member(purge, "requested_at");
	ret->settled = is_settled(e, service);
	json_decref(deploy);
	json_decref(purge);
	buf_fini(&text);
	buf_fini(&next);
}

struct count {
	const struct service_conf *service;
	size_t n;
};

static int count_agent(void *ctx, const struct fleet_agent *a, bool connected)
{
	struct count *c = ctx;
	if (connected)
		c->n += assign_count(c->service, a->name, a->region);
	return 0;
}

struct assign_burst burst_of(const struct service_conf *s, const struct burst_facts *facts, struct fleet *f,
	int64_t now_us, int64_t *ret_next_us)
{
	struct assign_burst b = { 0 };
	struct count count = { .service = s };
	enum burst_pace pace = burst_pace_at(facts, s->burst.for_us, now_us, &b.until_us, ret_next_us);
	if (pace == BURST_NONE)
		return (struct assign_burst){ 0 };
	(void)fleet_each(f, count_agent, &count); /* count_agent never ends it early */
	b.interval_ms = burst_interval_ms(s, pace, count.n);
	*ret_next_us = MIN(*ret_next_us, now_us + LOOK_US);
	return b;
}

/* Where an edge is, as JSON: what its code means, or, marked as such, where the agents are that it answers.
 */
#include <math.h>

#include "base/places.h"
#include "collector/engine/view_internal.h"

#define NEAR_DEGREES 1.0 /* agents this close are in one place */

/* A CDN answers from near by, so where the agents are is a hint; agents in several places give none. */
static const struct agent *agent_nearby(const struct engine *e, const struct service *s, const struct cell *c)
{
	const struct agent *first = NULL;
	for (uint32_t i = c->links; i != NONE32; i = s->links[i].next_in_cell) {
		const struct link *l = &s->links[i];
		const struct agent *a = &e->agents[s->members[s->routes[l->route].member].agent];
		if (l->last_us < c->report_us - s->window_us)
			continue;
		if (!a->has_location)
			return NULL;
		if (first && (fabs(a->latitude - first->latitude) > NEAR_DEGREES ||
				     fabs(a->longitude - first->longitude) > NEAR_DEGREES))
			return NULL;
		if (first == NULL)
			first = a;
	}
	return first;
}

void view_cell_place(const struct engine *e, const struct service *s, const struct cell *c, struct buf *out)
{
	struct place p;
	bool known = place_of_edge(names_get(&e->names, c->edge), &p);
	const struct agent *a = known ? NULL : agent_nearby(e, s, c);
	buf_add_key(out, "place");
	if (!known && a == NULL) {
		buf_addf(out, "null");
		return;
	}
	buf_add_char(out, '{');
	json_text_or_null(out, "city", known ? p.city : STR_NONE);
	json_text_or_null(out, "country", known ? str_of(p.country) : STR_NONE);
	buf_addf(
		out, ",\"lat\":%.2f,\"lon\":%.2f", known ? p.lat : a->latitude, known ? p.lon : a->longitude);
	json_text(out, "from", known ? STR("header") : STR("agent"));
	buf_add_char(out, '}');
}

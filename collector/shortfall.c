/* shortfall.c - see shortfall.h */
#include "collector/shortfall.h"

#include <stdlib.h>

static void add_refusal(struct buf *json, const struct wire_refusal *r)
{
	buf_addf(json, "{\"service\":");
	buf_add_json(json, r->service);
	buf_add_key(json, "endpoint");
	buf_add_json(json, r->endpoint);
	buf_add_key(json, "why");
	buf_add_json(json, r->why);
	buf_add_char(json, '}');
}

void shortfall_keep(
	struct shortfall *to, const struct wire_shortfall *s, uint64_t *sum_held_back, uint64_t *sum_refused)
{
	struct buf json;
	buf_init(&json, 64 * 1024);
	for (size_t i = 0; i < s->n_refusals; i++) {
		buf_addf(&json, "%s", i ? "," : "");
		add_refusal(&json, &s->refusals[i]);
	}
	INVARIANT(!buf_failed(&json)); /* all of it is capped */
	/* a run counts from 0; what the one before it held back stays in the sum */
	*sum_held_back += s->held_back >= to->held_back ? s->held_back - to->held_back : s->held_back;
	*sum_refused = *sum_refused - to->refused + s->refused;
	free(to->refusals);
	*to = (struct shortfall){ s->held_back, s->refused, json.n ? buf_take(&json, NULL) : NULL };
	buf_fini(&json);
}

void shortfall_fini(struct shortfall *s)
{
	free(s->refusals);
	*s = (struct shortfall){ 0 };
}

void shortfall_json(const struct shortfall *s, const struct lost *l, struct buf *out)
{
	static const struct shortfall none = { 0 };
	s = s ? s : &none;
	buf_addf(out, ",\"held_back\":%" PRIu64 ",\"refused\":%" PRIu32 ",\"refusals\":[%s]", s->held_back,
		s->refused, s->refusals ? s->refusals : "");
	if (l == NULL || l->results == 0) {
		buf_addf(out, ",\"lost\":null");
		return;
	}
	buf_addf(out, ",\"lost\":{\"results\":%" PRIu64 ",\"from\":", l->results);
	buf_add_json_time(out, l->from_us);
	buf_add_key(out, "to");
	buf_add_json_time(out, l->to_us);
	buf_add_char(out, '}');
}

/* Undeclared deploys: a version that no deploy names, at the origin or uncached at several edges. Said once.
 */
#include "collector/engine/engine_internal.h"

static void notice_send(
	struct engine *e, struct service *s, struct str version, int64_t at_us, const char *where)
{
	uint32_t id = names_put(&e->names, version);
	for (size_t i = 0; i < s->n_noticed; i++)
		if (s->noticed[i] == id)
			return;
	if (s->n_noticed == NOTICED_MAX)
		return; /* a version that never repeats is no version: saying it a thousand times was enough
			 */
	s->noticed = mem_grow(s->noticed, &s->cap_noticed, s->n_noticed + 1, sizeof(*s->noticed));
	s->noticed[s->n_noticed++] = id;
	struct buf text;
	buf_init(&text, 8192);
	buf_addf(&text,
		"%.*s serves %.*s %s, and no deploy names it. To accept it: ", STR_ARG(service_name(e, s)),
		STR_ARG(version), where);
	buf_addf(&text, "{\"type\":\"deploy\",\"service\":");
	buf_add_json(&text, service_name(e, s));
	buf_add_key(&text, "version");
	buf_add_json(&text, version);
	buf_add_key(&text, "started_at");
	buf_add_json_time(&text, at_us);
	buf_addf(&text, "}");
	struct notice n = { engine_next_key(e), at_us, service_name(e, s), STR("undeclared_deploy"), version,
		buf_str(&text) };
	if (e->sink.on_notice)
		e->sink.on_notice(e->sink.ctx, &n);
	buf_fini(&text);
}

void notice_undeclared(
	struct engine *e, struct service *s, uint32_t value, int64_t at_us, bool origin, uint32_t edge)
{
	struct judgement j;
	struct value *v = &s->values[value];
	if (s->endpoints[v->endpoint].learned)
		return; /* a digest names no version */
	value_judge(s, value, at_us, &j);
	if (j.label != LABEL_UNKNOWN)
		return;
	struct str version = names_get(&s->texts, v->text);
	if (origin)
		notice_send(e, s, version, at_us, "at its origin");
	else if (v->uncached_edge == 0)
		v->uncached_edge = edge;
	else if (v->uncached_edge != edge)
		notice_send(e, s, version, at_us, "uncached at several edges");
}

#include "collector/derived_json.h"

static void add_key(struct buf *out, const struct out_key *key, int64_t at_us)
{
	buf_addf(out, "{\"position\":%" PRId64 ",\"seq\":%" PRIu32 ",\"at\":", key->position, key->seq);
	buf_add_json_time(out, at_us);
	buf_addf(out, ",\"at_us\":%" PRId64, at_us);
}

static void add_text(struct buf *out, const char *key, struct str s)
{
	buf_add_key(out, key);
	buf_add_json_or_null(out, s);
}

void transition_to_json(const struct transition *t, struct buf *out)
{
	add_key(out, &t->key, t->at_us);
	buf_addf(out, ",\"late\":%s", t->late ? "true" : "false");
	add_text(out, "service", t->service);
	add_text(out, "endpoint", t->endpoint);
	add_text(out, "edge", t->edge);
	add_text(out, "from", str_of(cell_state_name(t->from)));
	add_text(out, "to", str_of(cell_state_name(t->to)));
	add_text(out, "version", t->version);
	add_text(out, "expected", t->expected);
	buf_add_char(out, '}');
}

void verdict_to_json(const struct deploy_change *c, struct buf *out)
{
	add_key(out, &c->key, c->at_us);
	add_text(out, "id", c->id);
	add_text(out, "service", c->service);
	add_text(out, "version", c->version);
	add_text(out, "from", str_of(verdict_name(c->from)));
	add_text(out, "to", str_of(verdict_name(c->to)));
	add_text(out, "reason", c->reason);
	buf_add_char(out, '}');
}

void notice_to_json(const struct notice *n, struct buf *out)
{
	add_key(out, &n->key, n->at_us);
	add_text(out, "service", n->service);
	add_text(out, "kind", n->kind);
	add_text(out, "version", n->version);
	add_text(out, "text", n->text);
	buf_add_char(out, '}');
}

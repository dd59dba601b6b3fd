#include "tests/cdn/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void headers_from(const char *text, struct case_headers *ret)
{
	struct err err;
	int status;
	if (text[0] == '\0') {
		ret->h = (struct headers){ .h = ret->room, .n = 0, .received_at_us = TIME_NONE };
		return;
	}
	if (headers_parse(str_of(text), ret->room, HEADERS_MAX, &ret->h, &status, &err) < 0)
		fail_msg("%s: '%s'", err.text, text);
}

void edge_read(const char *text, struct case_headers *room, struct edge_info *ret)
{
	headers_from(text, room);
	cdn_read(&room->h, NULL, ret);
}

static void add_upper(struct buf *out, const char *word)
{
	for (; *word; word++)
		buf_add_char(out, *word >= 'a' && *word <= 'z' ? (char)(*word - 32) : *word);
}

static void add_or_dash(struct buf *out, struct str s)
{
	buf_add_str(out, s.n > 0 ? s : STR("-"));
}

static void add_seconds(struct buf *out, const char *key, int64_t s, int64_t none, const char *source)
{
	if (s == none)
		buf_addf(out, " %s=-", key);
	else
		buf_addf(out, " %s=%" PRId64, key, s);
	if (source)
		buf_addf(out, "(%s)", source);
}

void edge_print(const struct edge_info *e, const char *line_prefix, struct buf *out)
{
	buf_addf(out, "%svendor=%.*s pop=", line_prefix, STR_ARG(e->vendor));
	add_or_dash(out, e->pop);
	buf_addf(out, " iata=%s cache=", e->iata[0] ? e->iata : "-");
	add_upper(out, cache_status_name(e->cache));
	add_seconds(out, "age", e->age_s, OBS_AGE_NONE, e->age_source);
	add_seconds(out, "ttl", e->ttl_s, CDN_TTL_NONE, e->ttl_source);
	add_seconds(out, "browser_ttl", e->browser_ttl_s, CDN_TTL_NONE, NULL);
	if (e->targeted_source)
		add_seconds(out, "targeted", e->targeted_ttl_s, CDN_TTL_NONE, e->targeted_source);
	if (e->geo_country.n > 0)
		buf_addf(out, " geo=%.*s/%.*s", STR_ARG(e->geo_country), STR_ARG(e->geo_city));
	buf_add_char(out, '\n');
	for (size_t i = 0; i < e->n_tiers; i++) {
		buf_addf(out, "%stier %s ", line_prefix, tier_kind_name(e->tiers[i].kind));
		add_upper(out, cache_status_name(e->tiers[i].status));
		buf_add_char(out, ' ');
		add_or_dash(out, e->tiers[i].node);
		buf_add_char(out, '\n');
	}
}

void tiers_print(const struct edge_info *e, struct buf *out)
{
	for (size_t i = 0; i < e->n_tiers; i++) {
		buf_addf(out, "%s%s:", i ? " " : "", tier_kind_name(e->tiers[i].kind));
		add_upper(out, cache_status_name(e->tiers[i].status));
		buf_add_char(out, ':');
		add_or_dash(out, e->tiers[i].node);
	}
}

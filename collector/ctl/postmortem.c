/* postmortem.c - see postmortem.h */
#include "collector/ctl/postmortem_impl.h"

#define NOT_FRESH_MAX 50

int64_t postmortem_time_of(const json_t *object, const char *key)
{
	struct str text = json_text(object, key);
	int64_t us;
	return text.n && time_parse(text, &us, NULL) == 0 ? us : TIME_NONE;
}

/* 2026-03-01 10:00:33 */
void postmortem_add_time(struct buf *out, int64_t at_us)
{
	char text[TIME_TEXT_MAX];
	struct str t = str_of(time_format(at_us - at_us % US_PER_S, text));
	if (at_us == TIME_NONE)
		buf_addf(out, "not said");
	else
		buf_addf(out, "%.*s %.*s", STR_ARG(str_first(t, 10)), (int)MIN(t.n - 11, (size_t)8), t.p + 11);
}

void postmortem_add_span(struct buf *out, int64_t us)
{
	text_add_seconds(out, (double)us / (double)US_PER_S);
}

/* -- the head -- */

static void row_text(struct buf *out, const char *name, struct str text)
{
	if (text.n == 0)
		return;
	buf_addf(out, "| %s | ", name);
	md_add(out, text);
	buf_addf(out, " |\n");
}

static void row_time(struct buf *out, const char *name, int64_t at_us, int64_t since_us, const char *of)
{
	if (at_us == TIME_NONE)
		return;
	buf_addf(out, "| %s | ", name);
	postmortem_add_time(out, at_us);
	if (since_us != TIME_NONE && at_us >= since_us) {
		buf_addf(out, ", ");
		postmortem_add_span(out, at_us - since_us);
		buf_addf(out, " %s", of);
	}
	buf_addf(out, " |\n");
}

static void add_head(const struct postmortem *p, struct buf *out)
{
	const json_t *d = p->deploy;
	int64_t live_us = postmortem_time_of(d, "live_at");
	struct str source = json_text(d, "live_source");
	buf_addf(out, "# Postmortem: ");
	md_member(out, d, "service");
	buf_addf(out, " ");
	md_member(out, d, "version");
	buf_addf(out, "\n\nTimes are UTC.\n\n| | |\n|---|---|\n");
	row_text(out, "deploy", json_text(d, "id"));
	row_text(out, "source", json_text(d, "source"));
	row_text(out, "revision", json_text(d, "revision"));
	row_time(out, "started", postmortem_time_of(d, "started_at"), TIME_NONE, "");
	if (live_us != TIME_NONE) {
		buf_addf(out, "| live | ");
		postmortem_add_time(out, live_us);
		buf_addf(out, ", %.*s |\n", STR_ARG(source));
	} else {
		buf_addf(out, "| live | never |\n");
	}
	buf_addf(out, "| verdict | **");
	md_member(out, d, "verdict");
	buf_addf(out, "**");
	if (json_text(d, "reason").n) {
		buf_addf(out, ": ");
		md_member(out, d, "reason");
	}
	buf_addf(out, " |\n");
	row_time(out, "decided", postmortem_time_of(d, "decided_at"), live_us, "after it was live");
	if (p->incident != NULL) {
		int64_t opened_us = postmortem_time_of(p->incident, "opened_at"), resolved_us = postmortem_time_of(p->incident, "resolved_at");
		buf_addf(out, "| incident | ");
		md_member(out, p->incident, "severity");
		buf_addf(out, ", opened ");
		postmortem_add_time(out, opened_us);
		if (resolved_us == TIME_NONE) {
			buf_addf(out, ", **still open**");
		} else {
			buf_addf(out, ", resolved ");
			postmortem_add_time(out, resolved_us);
			buf_addf(out, ", ");
			postmortem_add_span(out, resolved_us - opened_us);
			buf_addf(out, " later");
		}
		buf_addf(out, "; at worst %.0f of %.0f cells |\n", json_num(p->incident, "worst", 0),
			json_num(p->incident, "cells", 0));
	}
}

/* -- propagation -- */

static void add_quantile(struct buf *out, const json_t *curve, const char *key)
{
	const json_t *t = json_object_get(curve, key);
	if (json_array_size(t) != 2) {
		buf_addf(out, " not reached |");
		return;
	}
	buf_add_char(out, ' ');
	text_add_seconds(out, json_number_value(json_array_get(t, 0)));
	buf_addf(out, " to ");
	text_add_seconds(out, json_number_value(json_array_get(t, 1)));
	buf_addf(out, " |");
}

static void add_curve(struct buf *out, const char *kind, struct str name, const json_t *curve)
{
	buf_addf(out, "| %s", kind);
	if (name.n) {
		buf_add_char(out, ' ');
		md_add(out, name);
	}
	buf_addf(out, " | %.0f | %.0f | %.0f |", json_num(curve, "known", 0), json_num(curve, "observed", 0),
		json_num(curve, "converged", 0));
	add_quantile(out, curve, "t50_s"), add_quantile(out, curve, "t95_s"), add_quantile(out, curve, "t100_s");
	buf_add_char(out, '\n');
}

static void add_propagation(const json_t *d, struct buf *out)
{
	static const char *const kinds[] = { "vendor", "region", "endpoint" };
	const json_t *p = json_object_get(d, "propagation"), *by = json_object_get(p, "by");
	buf_addf(out, "\n## Propagation\n\nFrom live to the first of the answers by which a cell had come along; each time is an earliest and a "
		      "latest.\n\n| | known | observed | converged | half | 95 %% | all |\n|---|---:|---:|---:|---|---|---|\n");
	add_curve(out, "all cells", STR_NONE, p);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		json_t *curve;
		const char *name;
		json_object_foreach((json_t *)(uintptr_t)json_object_get(by, kinds[i]), name, curve)
			add_curve(out, kinds[i], str_of(name), curve);
	}
	const json_t *missing = json_object_get(d, "unobserved"), *one;
	size_t i;
	if (json_array_size(missing) == 0)
		return;
	buf_addf(out, "\nNot observed since it started, %zu known before:", json_array_size(missing));
	json_array_foreach(missing, i, one)
	{
		if (i == NOT_FRESH_MAX) {
			buf_addf(out, " and %zu more", json_array_size(missing) - NOT_FRESH_MAX);
			break;
		}
		buf_addf(out, "%s", i ? ", " : " ");
		md_member(out, one, "endpoint");
		buf_addf(out, " at ");
		md_member(out, one, "edge");
	}
	buf_addf(out, ".\n");
}

/* -- causes -- */

static void add_evidence(const json_t *why, struct buf *out)
{
	const json_t *one;
	size_t i;
	json_array_foreach(json_object_get(why, "evidence"), i, one)
	{
		buf_addf(out, "- ");
		md_member(out, one, "text");
		buf_add_char(out, '\n');
	}
	if (json_text(why, "refuted_by").n) {
		buf_addf(out, "- It would be refuted by ");
		md_member(out, why, "refuted_by");
		buf_addf(out, ".\n");
	}
}

/* What was said of it when the incident changed: still there when every cell is right again. */
static void add_said(const json_t *incident, struct buf *out)
{
	const json_t *one;
	size_t i;
	json_array_foreach(json_object_get(incident, "events"), i, one)
	{
		if (json_text(one, "text").n == 0 || json_text(one, "cause").n == 0)
			continue;
		buf_addf(out, "- ");
		postmortem_add_time(out, postmortem_time_of(one, "at"));
		buf_addf(out, ", ");
		md_member(out, one, "event");
		buf_addf(out, ": ");
		md_member(out, one, "text");
		buf_addf(out, "\n");
	}
}

static void add_layers(const json_t *d, struct buf *out)
{
	static const char *const names[] = { "edge", "shield", "origin", "mesh", "rollout", "pods" };
	const json_t *layers = json_object_get(d, "layers"), *says = json_object_get(d, "layer_evidence");
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str state = json_text(layers, names[i]);
		if (state.n == 0 || str_is(state, "not_configured"))
			continue;
		if (n++ == 0)
			buf_addf(out, "\nThe layers as they are now, from the user inward:\n\n| layer | state | |\n|---|---|---|\n");
		buf_addf(out, "| %s | %.*s | ", names[i], STR_ARG(state));
		md_member(out, says, names[i]);
		buf_addf(out, " |\n");
	}
}

static void add_not_fresh(const json_t *d, struct buf *out)
{
	const json_t *cells = json_object_get(d, "not_fresh"), *one;
	size_t i;
	if (json_array_size(cells) == 0)
		return;
	buf_addf(out, "\nNot fresh now:\n\n| endpoint | edge | state | serves | wanted | cause |\n|---|---|---|---|---|---|\n");
	json_array_foreach(cells, i, one)
	{
		static const char *const keys[] = { "endpoint", "edge", "state", "version", "expected", "cause" };
		if (i == NOT_FRESH_MAX)
			break;
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			buf_addf(out, "| ");
			md_member(out, one, keys[k]);
			buf_add_char(out, ' ');
		}
		buf_addf(out, "|\n");
	}
	if (json_array_size(cells) > NOT_FRESH_MAX)
		buf_addf(out, "\n%zu more are not shown.\n", json_array_size(cells) - NOT_FRESH_MAX);
}

static void add_causes(const struct postmortem *p, struct buf *out)
{
	const json_t *d = p->deploy, *why = json_object_get(d, "why"), *causes = json_object_get(d, "causes");
	struct str cause = json_text(d, "cause");
	const char *name;
	json_t *cells;
	if (cause.n == 0)
		cause = json_text(p->incident, "cause");
	buf_addf(out, "\n## Causes\n\n");
	if (cause.n == 0) {
		buf_addf(out, "None was found: %s\n", json_text(d, "decided_at").n ? "no cell was wrong when it was decided." : "it is not decided yet.");
	} else {
		buf_addf(out, "**");
		md_add(out, cause);
		buf_addf(out, "**");
		if (json_is_object(why)) {
			buf_addf(out, ": ");
			md_member(out, why, "text");
		}
		buf_addf(out, "\n\n");
		add_evidence(why, out);
		add_said(p->incident, out);
	}
	if (json_object_size(causes)) {
		buf_addf(out, "\n| cause | cells |\n|---|---:|\n");
		json_object_foreach((json_t *)(uintptr_t)causes, name, cells)
		{
			buf_addf(out, "| ");
			md_add(out, str_of(name));
			buf_addf(out, " | %.0f |\n", json_number_value(cells));
		}
		if (json_num(d, "unexplained", 0) > 0)
			buf_addf(out, "\nThe deploy's cause does not explain %.0f of these cells.\n", json_num(d, "unexplained", 0));
	}
	add_layers(d, out);
	add_not_fresh(d, out);
}

static void add_remarks(const json_t *d, struct buf *out)
{
	const json_t *list = json_object_get(d, "advisories"), *one;
	size_t i;
	json_array_foreach(list, i, one)
	{
		buf_addf(out, "%s- ", i ? "" : "\n## To be known\n\n");
		if (json_text(one, "endpoint").n) {
			md_member(out, one, "endpoint");
			buf_addf(out, ": ");
		}
		md_member(out, one, "text");
		buf_addf(out, "\n");
	}
}

static void add_next(const struct postmortem *p, struct buf *out)
{
	struct str next = json_text(json_object_get(p->deploy, "why"), "next");
	if (next.n == 0)
		next = json_text(p->incident, "next");
	if (next.n == 0 && postmortem_end(p) != INT64_MAX)
		return;
	if (next.n == 0)
		next = str_of(json_string_value(json_array_get(json_object_get(p->deploy, "next"), 0)));
	if (next.n == 0)
		return;
	buf_addf(out, "\n## Next\n");
	md_command(out, next);
}

void postmortem_write(const struct postmortem *p, struct buf *out)
{
	add_head(p, out);
	postmortem_timeline(p, out);
	add_propagation(p->deploy, out);
	add_causes(p, out);
	add_remarks(p->deploy, out);
	add_next(p, out);
}

/* postmortem.c - see postmortem.h */
#include "collector/ctl/postmortem.h"

#include <stdlib.h>

#include "base/printable.h"
#include "base/units.h"
#include "collector/ctl/api.h"
#include "collector/ctl/term.h"

#define TEXT_MAX     (256 * 1024)
#define NAMED_MAX    4                /* cells of a group that are named */
#define TOGETHER_US  (10 * US_PER_S)  /* what the same happens to within it is one line */
#define NOT_FRESH_MAX 50

void md_add(struct buf *out, struct str text)
{
	struct buf safe;
	buf_init(&safe, TEXT_MAX);
	buf_add_printable(&safe, text);
	for (size_t i = 0; i < safe.n; i++) {
		char c = safe.p[i];
		if (c == '<')
			buf_addf(out, "&lt;");
		else if (c == '&')
			buf_addf(out, "&amp;");
		else if (strchr("\\`*_{}[]()>#+!|~$", c) != NULL)
			buf_addf(out, "\\%c", c);
		else if (c == '@' || (c == ':' && i + 2 < safe.n && safe.p[i + 1] == '/' && safe.p[i + 2] == '/'))
			buf_addf(out, "%s", c == '@' ? "&#64;" : "&#58;"); /* nobody is called, nothing is linked */
		else if (c == '.' && i >= 3 && memcmp(safe.p + i - 3, "www", 3) == 0)
			buf_addf(out, "&#46;");
		else
			buf_add_char(out, c);
	}
	if (buf_failed(&safe))
		buf_addf(out, "(too long to show)");
	buf_fini(&safe);
}

static void md_member(struct buf *out, const json_t *object, const char *key)
{
	md_add(out, json_text(object, key));
}

/* A command, to be copied: in a fence that nothing in it can close. */
static void md_command(struct buf *out, struct str command)
{
	struct buf safe;
	if (command.n == 0)
		return;
	buf_init(&safe, TEXT_MAX);
	buf_add_printable(&safe, command);
	size_t longest = 2, run = 0;
	for (size_t i = 0; i < safe.n; i++) {
		run = safe.p[i] == '`' ? run + 1 : 0;
		longest = MAX(longest, run);
	}
	struct buf fence;
	buf_init(&fence, TEXT_MAX);
	for (size_t i = 0; i <= longest; i++)
		buf_add_char(&fence, '`');
	buf_addf(out, "\n%.*ssh\n%.*s\n%.*s\n", STR_ARG(buf_str(&fence)), STR_ARG(buf_str(&safe)),
		STR_ARG(buf_str(&fence)));
	buf_fini(&fence), buf_fini(&safe);
}

/* -- times -- */

static int64_t time_of(const json_t *object, const char *key)
{
	struct str text = json_text(object, key);
	int64_t us;
	return text.n && time_parse(text, &us, NULL) == 0 ? us : TIME_NONE;
}

/* 2026-03-01 10:00:33 */
static void add_time(struct buf *out, int64_t at_us)
{
	char text[TIME_TEXT_MAX];
	struct str t = str_of(time_format(at_us - at_us % US_PER_S, text));
	if (at_us == TIME_NONE)
		buf_addf(out, "not said");
	else
		buf_addf(out, "%.*s %.*s", STR_ARG(str_first(t, 10)), (int)MIN(t.n - 11, (size_t)8), t.p + 11);
}

static void add_span(struct buf *out, int64_t us)
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
	add_time(out, at_us);
	if (since_us != TIME_NONE && at_us >= since_us) {
		buf_addf(out, ", ");
		add_span(out, at_us - since_us);
		buf_addf(out, " %s", of);
	}
	buf_addf(out, " |\n");
}

static void add_head(const struct postmortem *p, struct buf *out)
{
	const json_t *d = p->deploy;
	int64_t live_us = time_of(d, "live_at");
	struct str source = json_text(d, "live_source");
	buf_addf(out, "# Postmortem: ");
	md_member(out, d, "service");
	buf_addf(out, " ");
	md_member(out, d, "version");
	buf_addf(out, "\n\nTimes are UTC.\n\n| | |\n|---|---|\n");
	row_text(out, "deploy", json_text(d, "id"));
	row_text(out, "source", json_text(d, "source"));
	row_text(out, "revision", json_text(d, "revision"));
	row_time(out, "started", time_of(d, "started_at"), TIME_NONE, "");
	if (live_us != TIME_NONE) {
		buf_addf(out, "| live | ");
		add_time(out, live_us);
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
	row_time(out, "decided", time_of(d, "decided_at"), live_us, "after it was live");
	if (p->incident != NULL) {
		int64_t opened_us = time_of(p->incident, "opened_at"), resolved_us = time_of(p->incident, "resolved_at");
		buf_addf(out, "| incident | ");
		md_member(out, p->incident, "severity");
		buf_addf(out, ", opened ");
		add_time(out, opened_us);
		if (resolved_us == TIME_NONE) {
			buf_addf(out, ", **still open**");
		} else {
			buf_addf(out, ", resolved ");
			add_time(out, resolved_us);
			buf_addf(out, ", ");
			add_span(out, resolved_us - opened_us);
			buf_addf(out, " later");
		}
		buf_addf(out, "; at worst %.0f of %.0f cells |\n", json_num(p->incident, "worst", 0),
			json_num(p->incident, "cells", 0));
	}
}

/* -- the timeline -- */

struct moment {
	int64_t at_us;
	size_t order; /* of those at one time */
	struct buf text;
};
struct timeline {
	struct moment *v;
	size_t n, cap;
};

static struct buf *moment_add(struct timeline *t, int64_t at_us)
{
	t->v = mem_grow(t->v, &t->cap, t->n + 1, sizeof(*t->v));
	struct moment *m = &t->v[t->n];
	*m = (struct moment){ .at_us = at_us, .order = t->n };
	t->n++;
	buf_init(&m->text, TEXT_MAX);
	return &m->text;
}

static int moment_cmp(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;
	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void moments_of_deploy(struct timeline *t, const json_t *d)
{
	int64_t started_us = time_of(d, "started_at"), live_us = time_of(d, "live_at"),
		told_us = time_of(d, "received_at");
	if (started_us != TIME_NONE)
		buf_addf(moment_add(t, started_us), "the deploy started");
	if (told_us != TIME_NONE && told_us != started_us)
		buf_addf(moment_add(t, told_us), "tidemark was told of it");
	if (live_us != TIME_NONE) {
		struct buf *b = moment_add(t, live_us);
		buf_addf(b, "**live** (%.*s)", STR_ARG(json_text(d, "live_source")));
	}
}

static void add_texts(struct buf *b, const json_t *list)
{
	const json_t *one;
	size_t i;
	json_array_foreach(list, i, one)
	{
		buf_addf(b, "%s", i ? ", " : " ");
		md_add(b, str_of(json_string_value(one)));
	}
}

static void moments_of_purges(struct timeline *t, const struct postmortem *p)
{
	int64_t from_us = time_of(p->history, "from"), to_us = time_of(p->history, "to");
	const json_t *one;
	size_t i;
	json_array_foreach(p->purges, i, one)
	{
		int64_t at_us = time_of(one, "requested_at"), done_us = time_of(one, "completed_at");
		if (at_us == TIME_NONE || at_us < from_us - US_PER_H || at_us > to_us)
			continue;
		struct buf *b = moment_add(t, at_us);
		buf_addf(b, "purge ");
		md_member(b, one, "id");
		buf_addf(b, " at ");
		md_member(b, one, "vendor");
		buf_addf(b, " of");
		if (json_is_true(json_object_get(one, "everything")))
			buf_addf(b, " everything");
		add_texts(b, json_object_get(one, "patterns"));
		if (json_array_size(json_object_get(one, "tags"))) {
			buf_addf(b, " by tag");
			add_texts(b, json_object_get(one, "tags"));
		}
		if (done_us != TIME_NONE && done_us > at_us) {
			b = moment_add(t, done_us);
			buf_addf(b, "purge ");
			md_member(b, one, "id");
			buf_addf(b, " was complete");
		}
	}
}

static void moments_of_verdicts(struct timeline *t, const json_t *history)
{
	const json_t *one;
	size_t i;
	json_array_foreach(json_object_get(history, "verdicts"), i, one)
	{
		struct buf *b = moment_add(t, time_of(one, "at"));
		buf_addf(b, "verdict **");
		md_member(b, one, "to");
		buf_addf(b, "**");
		if (json_text(one, "reason").n) {
			buf_addf(b, ": ");
			md_member(b, one, "reason");
		}
	}
}

static void moments_of_incident(struct timeline *t, const json_t *incident)
{
	const json_t *one;
	size_t i;
	json_array_foreach(json_object_get(incident, "events"), i, one)
	{
		struct buf *b = moment_add(t, time_of(one, "at"));
		buf_addf(b, "incident **");
		md_member(b, one, "event");
		buf_addf(b, "** (");
		md_member(b, one, "severity");
		if (json_num(one, "not_fresh", 0) > 0)
			buf_addf(b, ", %.0f of %.0f cells", json_num(one, "not_fresh", 0), json_num(one, "cells", 0));
		buf_addf(b, ")");
		if (json_text(one, "cause").n) {
			buf_addf(b, ", ");
			md_member(b, one, "cause");
		}
	}
}

static bool happens_too(const json_t *a, const json_t *b)
{
	return str_eq(json_text(a, "from"), json_text(b, "from")) && str_eq(json_text(a, "to"), json_text(b, "to")) &&
	       str_eq(json_text(a, "version"), json_text(b, "version"));
}

/* Cells that come to be the same within ten seconds are one line. */
static void moments_of_cells(struct timeline *t, const json_t *history)
{
	const json_t *list = json_object_get(history, "transitions");
	size_t n = json_array_size(list);
	bool *said = mem_new_array(n, sizeof(*said));
	for (size_t i = 0; i < n; i++) {
		const json_t *first = json_array_get(list, i);
		int64_t at_us = time_of(first, "at");
		struct buf names;
		size_t cells = 0;
		if (said[i])
			continue;
		buf_init(&names, TEXT_MAX);
		for (size_t j = i; j < n; j++) {
			const json_t *one = json_array_get(list, j);
			if (said[j] || !happens_too(first, one))
				continue;
			if (time_of(one, "at") - at_us > TOGETHER_US)
				break;
			said[j] = true;
			if (cells++ >= NAMED_MAX)
				continue;
			buf_addf(&names, "%s", cells > 1 ? ", " : "");
			md_member(&names, one, "endpoint");
			buf_addf(&names, " at ");
			md_member(&names, one, "edge");
		}
		struct buf *b = moment_add(t, at_us);
		buf_addf(b, "%zu cell%s from %.*s to %.*s", cells, cells == 1 ? "" : "s", STR_ARG(json_text(first, "from")),
			STR_ARG(json_text(first, "to")));
		if (json_text(first, "version").n) {
			buf_addf(b, ", serving ");
			md_member(b, first, "version");
		}
		buf_addf(b, ": ");
		buf_add_str(b, buf_str(&names));
		if (cells > NAMED_MAX)
			buf_addf(b, " and %zu more", cells - NAMED_MAX);
		buf_fini(&names);
	}
	free(said);
}

/* What came later is of other deploys: a minute after all was said of this one. INT64_MAX: it still goes on. */
static int64_t end_of(const struct postmortem *p)
{
	int64_t decided_us = time_of(p->deploy, "decided_at"), resolved_us = time_of(p->incident, "resolved_at");
	if (decided_us == TIME_NONE || (p->incident && resolved_us == TIME_NONE))
		return INT64_MAX;
	return MAX(decided_us, resolved_us) + US_PER_MIN;
}

static void add_timeline(const struct postmortem *p, struct buf *out)
{
	struct timeline t = { 0 };
	int64_t end_us = end_of(p);
	int64_t live_us = time_of(p->deploy, "live_at");
	moments_of_deploy(&t, p->deploy);
	moments_of_purges(&t, p);
	moments_of_cells(&t, p->history);
	moments_of_verdicts(&t, p->history);
	moments_of_incident(&t, p->incident);
	if (t.n)
		qsort(t.v, t.n, sizeof(*t.v), moment_cmp);
	buf_addf(out, "\n## Timeline\n\n| when | since live | what |\n|---|---:|---|\n");
	for (size_t i = 0; i < t.n; i++) {
		struct moment *m = &t.v[i];
		if (m->at_us > end_us) {
			buf_fini(&m->text);
			continue;
		}
		buf_addf(out, "| ");
		add_time(out, m->at_us);
		buf_addf(out, " | ");
		if (live_us != TIME_NONE && m->at_us != TIME_NONE) {
			buf_addf(out, "%s", m->at_us < live_us ? "-" : "+");
			add_span(out, m->at_us < live_us ? live_us - m->at_us : m->at_us - live_us);
		}
		buf_addf(out, " | ");
		buf_add_str(out, buf_str(&m->text));
		buf_addf(out, " |\n");
		buf_fini(&m->text);
	}
	free(t.v);
	if (json_is_true(json_object_get(p->history, "transitions_cut")))
		buf_addf(out, "\nMore changes of cells followed than fit here; the last of them shown is of the time above.\n");
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
		add_time(out, time_of(one, "at"));
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
	if (next.n == 0 && end_of(p) != INT64_MAX)
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
	add_timeline(p, out);
	add_propagation(p->deploy, out);
	add_causes(p, out);
	add_remarks(p->deploy, out);
	add_next(p, out);
}

/* postmortem_timeline.c - what happened, in order. */
#include <stdlib.h>

#include "collector/ctl/postmortem_impl.h"

#define TEXT_MAX    (256 * 1024)
#define NAMED_MAX   4               /* cells of a group that are named */
#define TOGETHER_US (10 * US_PER_S) /* what the same happens to within it is one line */

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
	int64_t started_us = postmortem_time_of(d, "started_at"), live_us = postmortem_time_of(d, "live_at"),
		told_us = postmortem_time_of(d, "received_at");
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
	int64_t from_us = postmortem_time_of(p->history, "from"), to_us = postmortem_time_of(p->history, "to");
	const json_t *one;
	size_t i;
	json_array_foreach(p->purges, i, one)
	{
		int64_t at_us = postmortem_time_of(one, "requested_at"), done_us = postmortem_time_of(one, "completed_at");
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
		struct buf *b = moment_add(t, postmortem_time_of(one, "at"));
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
		struct buf *b = moment_add(t, postmortem_time_of(one, "at"));
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
		int64_t at_us = postmortem_time_of(first, "at");
		struct buf names;
		size_t cells = 0;
		if (said[i])
			continue;
		buf_init(&names, TEXT_MAX);
		for (size_t j = i; j < n; j++) {
			const json_t *one = json_array_get(list, j);
			if (said[j] || !happens_too(first, one))
				continue;
			if (postmortem_time_of(one, "at") - at_us > TOGETHER_US)
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
int64_t postmortem_end(const struct postmortem *p)
{
	int64_t decided_us = postmortem_time_of(p->deploy, "decided_at"), resolved_us = postmortem_time_of(p->incident, "resolved_at");
	if (decided_us == TIME_NONE || (p->incident && resolved_us == TIME_NONE))
		return INT64_MAX;
	return MAX(decided_us, resolved_us) + US_PER_MIN;
}

void postmortem_timeline(const struct postmortem *p, struct buf *out)
{
	struct timeline t = { 0 };
	int64_t end_us = postmortem_end(p);
	int64_t live_us = postmortem_time_of(p->deploy, "live_at");
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
		postmortem_add_time(out, m->at_us);
		buf_addf(out, " | ");
		if (live_us != TIME_NONE && m->at_us != TIME_NONE) {
			buf_addf(out, "%s", m->at_us < live_us ? "-" : "+");
			postmortem_add_span(out, m->at_us < live_us ? live_us - m->at_us : m->at_us - live_us);
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

/* inner.c - what mesh, rollout controller and pods say, and how a world and its truth are written out. */
#include <stdlib.h>
#include <string.h>

#include "tests/worlds/rows.h"

static void start(struct buf *b, const char *type, int64_t at_us)
{
	buf_init(b, 8192);
	buf_addf(b, "{\"type\":\"%s\",\"service\":\"shop\",\"at\":", type);
	buf_add_json_time(b, at_us);
}

static void finish(struct world *w, int64_t at_us, struct buf *b)
{
	world_line(w, at_us, "%s}", b->p);
	buf_fini(b);
}

void mesh_line(struct world *w, int64_t at_us, int new_weight, int old_ready)
{
	const struct roll *r = last_roll(w);
	struct buf b;
	start(&b, "mesh", at_us);
	buf_addf(&b, ",\"routes\":[{\"subset\":\"%s\",\"version\":\"%s\",\"weight\":%d", w->versions[r->to],
		w->versions[r->to], new_weight);
	if (old_ready >= 0)
		buf_addf(&b, ",\"ready\":3");
	buf_addf(&b, "},{\"subset\":\"%s\",\"version\":\"%s\",\"weight\":%d", w->versions[r->from],
		w->versions[r->from], 100 - new_weight);
	if (old_ready >= 0)
		buf_addf(&b, ",\"ready\":%d", old_ready);
	buf_addf(&b, "}]");
	finish(w, at_us, &b);
}

void rollout_line(
	struct world *w, int64_t at_us, const char *phase, int64_t since_us, int weight, const char *reason)
{
	struct buf b;
	start(&b, "rollout", at_us);
	buf_addf(&b, ",\"controller\":\"flagger\",\"phase\":\"%s\",\"weight\":%d,\"since\":", phase, weight);
	buf_add_json_time(&b, since_us);
	if (reason[0])
		buf_addf(&b, ",\"reason\":\"%s\"", reason);
	finish(w, at_us, &b);
}

void pods_line(struct world *w, int64_t at_us, int n_new, int n_old)
{
	const struct roll *r = last_roll(w);
	struct buf b;
	start(&b, "pods", at_us);
	buf_addf(&b, ",\"pods\":[");
	for (int i = 0; i < n_new + n_old; i++) {
		const char *version = w->versions[i < n_new ? r->to : r->from];
		buf_addf(&b,
			"%s{\"name\":\"shop-%s-%d\",\"version\":\"%s\",\"subset\":\"%s\",\"digest\":\"sha256:"
			"%s\","
			"\"ready\":true,\"terminating\":false}",
			i ? "," : "", version, i, version, version, i < n_new ? "beef" : "dead");
	}
	buf_addf(&b, "]");
	finish(w, at_us, &b);
}

static int by_arrival(const void *pa, const void *pb)
{
	const struct line *a = pa, *b = pb;
	if (a->received_at_us != b->received_at_us)
		return a->received_at_us < b->received_at_us ? -1 : 1;
	return a->seq < b->seq ? -1 : 1;
}

/* What arrives after the end is not known yet. */
void world_write_lines(struct world *w, FILE *f)
{
	struct buf b;
	qsort(w->lines, w->n_lines, sizeof(*w->lines), by_arrival);
	for (size_t i = 0; i < w->n_lines && w->lines[i].received_at_us <= w->end_us; i++)
		fprintf(f, "%s\n", w->lines[i].text);
	buf_init(&b, 256);
	buf_addf(&b, "{\"type\":\"clock\",\"at\":");
	buf_add_json_time(&b, w->end_us);
	fprintf(f, "%s}\n", b.p);
	buf_fini(&b);
}

void world_write_truth(const struct world *w, FILE *f)
{
	fprintf(f, "{\"row\":\"%s\",\"shape\":\"%s\",\"cdn\":\"%s\",\"observations\":%zu,\"deploy\":\"d%d\",",
		w->row->name, w->row->shape, w->cdn->name, w->n_observations, w->n_rolls);
	fprintf(f, "\"verdict\":\"%s\",\"before\":[", w->verdict);
	for (int i = 0; i < w->n_rolls - 1; i++)
		fprintf(f, "%s{\"deploy\":\"d%d\",\"verdict\":%s%s%s}", i ? "," : "", i + 1,
			w->other[i] ? "\"" : "", w->other[i] ? w->other[i] : "null", w->other[i] ? "\"" : "");
	fprintf(f, "],\"cause\":%s%s%s}\n", w->cause ? "\"" : "", w->cause ? w->cause : "null",
		w->cause ? "\"" : "");
}

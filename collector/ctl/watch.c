/* watch.c - tidemark watch: one line a change, for as long as one looks. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/printable.h"
#include "base/units.h"
#include "collector/ctl/ctl.h"
#include "collector/ctl/sse.h"

#define SILENCE_US   (45 * US_PER_S) /* the collector comments every 15 s; three missed: the link is dead */
#define RETRY_US     (2 * US_PER_S)
#define RETRY_MAX_US (30 * US_PER_S)

struct watch_options {
	int64_t for_us;
	const char *events;
};
static const struct opt watch_opts[] = {
	{ "events", OPT_TEXT, offsetof(struct watch_options, events), "N", "end after so many changes" },
	{ "for", OPT_DURATION, offsetof(struct watch_options, for_us), "D", "end after this time" },
	{ .name = NULL },
};

struct watch {
	struct ctl *c;
	struct sse sse;
	int64_t left;        /* events still wanted; -1: no end */
	int64_t deadline_us; /* INT64_MAX: none */
	bool seen_any;       /* this connection brought something */
	bool done;
};

static bool is_over(const struct watch *w)
{
	return w->done || clock_boot_us() >= w->deadline_us;
}

/* -- one line -- */

static void add_word(struct buf *b, const char *before, struct str text)
{
	if (text.n == 0)
		return;
	buf_addf(b, "%s", before);
	buf_add_printable(b, text);
}

static void add_cell(const struct term *t, struct buf *b, const json_t *d)
{
	char age[TIME_TEXT_MAX];
	struct str from = json_text(d, "from"), to = json_text(d, "to"), state = json_text(d, "state");
	add_word(b, " ", json_text(d, "service"));
	add_word(b, " ", json_text(d, "endpoint"));
	add_word(b, " ", json_text(d, "edge"));
	buf_addf(b, " ");
	if (from.n > 0) {
		term_add(t, b, state_style(from), from);
		buf_addf(b, " -> ");
	}
	term_add(t, b, state_style(to.n ? to : state), to.n ? to : state);
	add_word(b, ", serves ", json_text(d, "version"));
	if (json_num(d, "staleness_s", 0) > 0)
		buf_addf(b, ", stale for %s",
			duration_format((int64_t)MIN(json_num(d, "staleness_s", 0), 3e9) * US_PER_S, age));
}

static void add_deploy(const struct term *t, struct buf *b, const json_t *d)
{
	struct str to = json_text(d, "to"), verdict = json_text(d, "verdict");
	double share = json_num(json_object_get(d, "propagation"), "converged_share", -1);
	add_word(b, " ", json_text(d, "service"));
	add_word(b, " ", json_text(d, "version"));
	buf_addf(b, " ");
	term_add(t, b, verdict_style(to.n ? to : verdict), to.n ? to : verdict);
	if (share >= 0) {
		buf_addf(b, ", ");
		text_add_percent(b, share);
		buf_addf(b, " converged");
	}
	add_word(b, ": ", json_text(d, "reason"));
}

static void add_agent(const struct term *t, struct buf *b, const json_t *d)
{
	struct str state = json_text(d, "state");
	struct str name = json_text(d, "name");
	add_word(b, " ", name.n ? name : json_text(d, "agent"));
	add_word(b, " of ", json_text(d, "region"));
	buf_addf(b, " is ");
	term_add(t, b, state_style(state), state);
}

static void add_other(struct buf *b, const json_t *d)
{
	static const char *const members[] = { "service", "name", "vendor", "kind", "version", "id", "reason",
		"text" };
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		add_word(b, i > 5 ? ": " : " ", json_text(d, members[i]));
}

static void print_text(const struct term *t, const struct sse_event *e, const json_t *d)
{
	struct buf b;
	char when[TIME_TEXT_MAX];
	int64_t at_us = clock_wall_us();
	buf_init(&b, 65536);
	struct str at = json_text(d, "at"), seen = json_text(d, "last_seen");
	if (time_parse(at.n ? at : seen, &at_us, NULL) < 0)
		at_us = clock_wall_us();
	buf_addf(&b, "%s ", time_format(at_us - at_us % US_PER_S, when));
	buf_add_printable(&b, e->type);
	if (str_is(e->type, "cell"))
		add_cell(t, &b, d);
	else if (str_is(e->type, "deploy"))
		add_deploy(t, &b, d);
	else if (str_is(e->type, "agent"))
		add_agent(t, &b, d);
	else
		add_other(&b, d);
	buf_addf(&b, "\n");
	out_flush(&b);
	buf_fini(&b);
}

static void print_json_line(const struct sse_event *e, const json_t *d)
{
	struct buf b;
	char *data = json_dumps(d, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	buf_init(&b, 2 * (size_t)SSE_EVENT_MAX);
	buf_addf(&b, "{\"event\":");
	buf_add_json(&b, e->type);
	buf_add_key(&b, "id");
	buf_add_json_or_null(&b, e->id);
	buf_addf(&b, ",\"data\":%s}\n", data ? data : "null");
	out_flush(&b);
	free(data);
	buf_fini(&b);
}

static bool on_event(void *ctx, const struct sse_event *e)
{
	struct watch *w = ctx;
	json_error_t je;
	json_t *d = json_loadb(
		e->data.p ? e->data.p : "", e->data.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	w->seen_any = true;
	if (w->c->json)
		print_json_line(e, d);
	else
		print_text(&w->c->term, e, d);
	json_decref(d);
	if (w->left > 0 && --w->left == 0)
		w->done = true;
	return !is_over(w);
}

static bool on_bytes(void *ctx, struct str bytes)
{
	struct watch *w = ctx;
	return sse_feed(&w->sse, bytes) && !is_over(w);
}

/* -- connections -- */

static void pause_us(int64_t us)
{
	struct timespec t = { .tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000 };
	(void)nanosleep(&t, NULL); /* woken early: tries early */
}

static int watch_loop(struct watch *w, const char *path)
{
	struct err err = { 0 };
	int64_t backoff_us = 0;
	for (bool first = true;; first = false) {
		w->seen_any = false;
		sse_restart(&w->sse);
		int64_t left_us =
			w->deadline_us == INT64_MAX ? 0 : MAX(w->deadline_us - clock_boot_us(), US_PER_MS);
		int rc = api_stream(w->c->api, path, w->sse.id.n ? w->sse.id.p : NULL, SILENCE_US, left_us,
			on_bytes, w, &err);
		if (is_over(w))
			return EXIT_OK;
		bool lost = rc == 0 || rc == ERR_NET || rc == ERR_BUSY;
		if ((first && rc < 0 && !w->seen_any) || !lost)
			return ctl_fail(&err); /* it was never there, or does not want us */
		int64_t base_us = w->sse.retry_us >= 0 ? w->sse.retry_us : RETRY_US;
		backoff_us =
			w->seen_any || rc == 0 ? base_us : MIN(MAX(2 * backoff_us, base_us), RETRY_MAX_US);
		fprintf(stderr, "tidemark: the stream ended; connecting again in %" PRId64 " ms\n",
			backoff_us / US_PER_MS);
		pause_us(MIN(backoff_us, MAX(w->deadline_us - clock_boot_us(), INT64_C(0))));
		if (is_over(w))
			return EXIT_OK;
	}
}

static int watch_run(struct ctl *c, void *options, const struct texts *args)
{
	const struct watch_options *o = options;
	struct watch w = {
		.c = c, .left = -1, .deadline_us = o->for_us ? clock_boot_us() + o->for_us : INT64_MAX
	};
	struct buf path;
	if (o->events != NULL && (str_to_i64(str_of(o->events), &w.left, NULL) < 0 || w.left < 1))
		return ctl_usage("watch: --events wants a number from 1 on, got '%s'", o->events);
	if (args->n > 0) {
		int code = ctl_find_service(c, args->p[0], NULL);
		if (code != EXIT_OK)
			return code;
	}
	buf_init(&path, 8192);
	buf_addf(&path, "/api/v1/stream");
	path_add_query(&path, "service", args->n ? str_of(args->p[0]) : STR_NONE);
	sse_init(&w.sse, on_event, &w);
	int code = buf_failed(&path) ? ctl_usage("watch: the name is too long") : watch_loop(&w, path.p);
	sse_fini(&w.sse);
	buf_fini(&path);
	return code;
}

const struct command cmd_watch = {
	.name = "watch",
	.usage = "[SERVICE] [--events N] [--for D]",
	.says = "one line for every change, as it comes",
	.opts = watch_opts,
	.size = sizeof(struct watch_options),
	.max_args = 1,
	.run = watch_run,
	.more = "A lost connection is made again, and what was missed is told then, as far back as the "
		"collector remembers.\n",
};

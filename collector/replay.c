#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/printable.h"
#include "base/units.h"
#include "collector/derived_json.h"
#include "collector/engine/view.h"
#include "collector/entry_json.h"
#include "collector/refuse.h"
#include "collector/replay.h"

#define OUT_MAX (SIZE_MAX / 2) /* our own user's machine, and their own file */

static const char usage[] =
	"usage: tidemark-collector replay [--at TIME] [--transitions] [--keep-going]\n"
	"                                 FILE...\n"
	"Folds journal entries (JSON Lines, as export prints them; - is standard input)\n"
	"and prints what the collector would say: {\"at\",\"deploys\",\"cells\",\"services\"}.\n"
	"  --at TIME      as of this moment: what was received later is left out, timers\n"
	"                 run up to it\n"
	"  --transitions  also \"transitions\", \"verdicts\" and \"notices\" in the order they\n"
	"                 came about\n"
	"  --keep-going   report bad lines and go on without them\n"
	"exit status: 0 done, 1 a line or file could not be read, 2 usage\n";

/* Neighbouring observations with one position were one batch: folded as one, the engine does what it did
 * live. */
struct joined {
	struct batch_builder *builder;
	struct event ev; /* kind EV_OBSERVATIONS while open */
	struct batch batch;
	bool open;
	int64_t line_position;
	char *agent, *region, *service;
};

struct replay {
	struct engine *engine;
	struct entry_reader *reader;
	struct joined joined;
	struct buf transitions, verdicts, notices;
	const char *file;
	uint64_t line;
	int64_t position;    /* of the last event folded or joined */
	int64_t received_us; /* the largest so far; TIME_NONE: no line told a time yet */
	int64_t at_us;       /* --at; TIME_NONE */
	bool keep_going, list, ended;
	uint64_t n_bad;
};

/* -- what the engine puts out -- */

static void separate(struct buf *b)
{
	if (b->n)
		buf_add(b, ",\n", 2);
}

static void on_transition(void *ctx, const struct transition *t)
{
	struct replay *r = ctx;
	separate(&r->transitions);
	transition_to_json(t, &r->transitions);
}

static void on_deploy(void *ctx, const struct deploy_change *c)
{
	struct replay *r = ctx;
	separate(&r->verdicts);
	verdict_to_json(c, &r->verdicts);
}

static void on_notice(void *ctx, const struct notice *n)
{
	struct replay *r = ctx;
	separate(&r->notices);
	notice_to_json(n, &r->notices);
}

/* -- folding -- */

static void say(const struct replay *r, const char *text)
{
	struct buf safe; /* the line is quoted in it, and may be anybody's */
	buf_init(&safe, 4 * ERR_TEXT_MAX);
	buf_add_printable(&safe, str_of(text));
	fprintf(stderr, "%s:%" PRIu64 ": %s\n", r->file, r->line, safe.p ? safe.p : "");
	buf_fini(&safe);
}

static void complain(struct replay *r, const struct err *err)
{
	say(r, err->text);
	r->n_bad++;
}

static int fold(struct replay *r, const struct event *ev, bool of_journal, struct err *err)
{
	int rc = engine_fold(r->engine, ev, err);
	if (rc == 0 || !of_journal)
		return rc;
	/* The live collector met the same refusal and went on without the entry; or what it names was pruned
	 * since. */
	err_add(err, "without effect, as it was live");
	say(r, err->text);
	return 0;
}

static int flush(struct replay *r, struct err *err)
{
	struct joined *j = &r->joined;
	if (!j->open)
		return 0;
	j->open = false;
	struct batch b = *batch_builder_peek(j->builder);
	b.agent = str_of(j->agent);
	b.region = str_of(j->region);
	b.epoch = j->batch.epoch;
	b.number = j->batch.number;
	j->ev.observations.batch = &b;
	int rc = fold(r, &j->ev, true, err);
	free(j->agent);
	free(j->region);
	free(j->service);
	j->agent = j->region = j->service = NULL;
	return rc;
}

static bool joins(const struct joined *j, const struct event *ev, int64_t line_position)
{
	const struct batch *b = ev->observations.batch;
	return j->open && line_position == j->line_position && ev->received_at_us == j->ev.received_at_us &&
	       ev->observations.clock_uncertainty_us == j->ev.observations.clock_uncertainty_us &&
	       str_is(b->agent, j->agent) && str_is(b->region, j->region) && str_is(b->service, j->service) &&
	       b->epoch == j->batch.epoch && b->number == j->batch.number &&
	       batch_builder_peek(j->builder)->n_obs < BATCH_OBS_MAX;
}

/* The line's strings live until the next line only; the builder keeps its own. */
static bool join(struct joined *j, const struct batch *b)
{
	struct obs o = b->obs[0];
	bool full = false;
	const struct {
		uint16_t *index;
		size_t cap;
	} all[] = { { &o.endpoint, OBS_NAME_MAX }, { &o.edge, OBS_NAME_MAX }, { &o.node, OBS_NAME_MAX },
		{ &o.ip, OBS_NAME_MAX }, { &o.version, OBS_VERSION_MAX }, { &o.etag, OBS_NAME_MAX },
		{ &o.evidence, OBS_EVIDENCE_MAX } };
	for (size_t i = 0; i < ARRAY_LEN(all) && !full; i++)
		*all[i].index =
			batch_builder_intern(j->builder, batch_str(b, *all[i].index), all[i].cap, &full);
	if (!full)
		batch_builder_add(j->builder, &o);
	return !full;
}

static void open_joined(struct joined *j, const struct event *ev, int64_t line_position)
{
	const struct batch *b = ev->observations.batch;
	j->open = true;
	j->ev = *ev;
	j->line_position = line_position;
	j->batch = (struct batch){ .epoch = b->epoch, .number = b->number };
	j->agent = str_dup(b->agent);
	j->region = str_dup(b->region);
	j->service = str_dup(b->service);
	batch_builder_start(j->builder, str_of(j->service), b->generation);
}

static int take_event(struct replay *r, struct event *ev, struct err *err)
{
	int64_t line_position = entry_line_position(r->reader);
	struct joined *j = &r->joined;
	if (ev->kind == EV_OBSERVATIONS && line_position > 0 && joins(j, ev, line_position) &&
		join(j, ev->observations.batch))
		return 0;
	int rc = flush(r, err);
	if (rc < 0)
		return rc;
	/* Journals that were cut, joined or written into by hand still rise. */
	ev->position = r->position = MAX(line_position, r->position + 1);
	if (ev->kind != EV_OBSERVATIONS || line_position == 0)
		return fold(r, ev, line_position > 0, err);
	open_joined(j, ev, line_position);
	INVARIANT(join(j, ev->observations.batch)); /* one observation fits an empty dictionary */
	return 0;
}

static int take_line(struct replay *r, struct str line, int64_t default_us)
{
	struct event ev;
	struct err err = { 0 };
	if (str_trim(line).n == 0)
		return 0;
	int rc = entry_from_line(r->reader, line, r->position + 1, default_us, &ev, &err);
	if (rc == 0 && r->at_us != TIME_NONE && ev.received_at_us > r->at_us) {
		r->ended = true;
		return 0;
	}
	if (rc == 0) {
		r->received_us = ev.received_at_us;
		rc = take_event(r, &ev, &err);
	}
	if (rc < 0)
		complain(r, &err);
	return rc < 0 && !r->keep_going ? rc : 0;
}

/* -- reading -- */

/* Lines before the first that tells a time: they came when that one came. */
struct held {
	struct entry_reader *scout;
	char **lines;
	const char **files;
	uint64_t *numbers;
	size_t n, cap_lines, cap_files, cap_numbers;
};

static int release(struct replay *r, struct held *h, int64_t at_us)
{
	const char *file = r->file;
	uint64_t line = r->line;
	int rc = 0;
	r->received_us = at_us;
	for (size_t i = 0; i < h->n; i++) {
		r->file = h->files[i];
		r->line = h->numbers[i];
		if (rc == 0 && !r->ended)
			rc = take_line(r, str_of(h->lines[i]), r->received_us);
		free(h->lines[i]);
	}
	h->n = 0;
	r->file = file;
	r->line = line;
	return rc;
}

static int read_line(struct replay *r, struct held *h, struct str line)
{
	struct event ev;
	if (r->received_us != TIME_NONE)
		return take_line(r, line, r->received_us);
	bool told = entry_from_line(h->scout, line, 1, TIME_NONE, &ev, NULL) == 0 &&
		    ev.received_at_us != TIME_NONE;
	if (told) {
		int rc = release(r, h, ev.received_at_us);
		return rc == 0 && !r->ended ? take_line(r, line, ev.received_at_us) : rc;
	}
	h->lines = mem_grow(h->lines, &h->cap_lines, h->n + 1, sizeof(*h->lines));
	h->files = mem_grow(h->files, &h->cap_files, h->n + 1, sizeof(*h->files));
	h->numbers = mem_grow(h->numbers, &h->cap_numbers, h->n + 1, sizeof(*h->numbers));
	h->lines[h->n] = str_dup(line);
	h->files[h->n] = r->file;
	h->numbers[h->n++] = r->line;
	return 0;
}

/* One line without its end; false at the end of the file. A line over the cap is passed over to its end,
 * buf_failed() then. */
static bool next_line(FILE *f, struct buf *line)
{
	int c;
	bool any = false;
	buf_clear(line);
	while ((c = getc_unlocked(f)) != EOF && c != '\n') {
		char byte = (char)c;
		any = true;
		if (!buf_failed(line))
			buf_add(line, &byte, 1);
	}
	return any || c == '\n';
}

static int read_file(struct replay *r, struct held *h, const char *name)
{
	bool from_stdin = str_is(str_of(name), "-");
	FILE *f = from_stdin ? stdin : fopen(name, "r");
	struct buf line;
	int rc = 0;
	r->file = from_stdin ? "stdin" : name;
	r->line = 0;
	if (f == NULL) {
		fprintf(stderr, "%s: cannot open: %s\n", name, strerror(errno));
		return ERR_IO;
	}
	buf_init(&line, ENTRY_LINE_MAX);
	while (rc == 0 && !r->ended && next_line(f, &line)) {
		struct err err = { 0 };
		r->line++;
		if (!buf_failed(&line)) {
			rc = read_line(r, h, buf_str(&line));
			continue;
		}
		rc = err_set(&err, ERR_TOO_BIG, "line is over %d bytes", ENTRY_LINE_MAX);
		complain(r, &err);
		rc = r->keep_going ? 0 : rc;
	}
	if (ferror(f)) {
		fprintf(stderr, "%s: cannot read: %s\n", name, strerror(errno));
		rc = ERR_IO;
	}
	buf_fini(&line);
	if (!from_stdin)
		fclose(f);
	return rc;
}

/* -- writing -- */

static void add_list(struct buf *out, const char *key, const struct buf *list)
{
	buf_addf(out, ",\n\"%s\":[", key);
	buf_add_str(out, buf_str(list));
	buf_add_char(out, ']');
}

static int print(struct replay *r)
{
	struct buf out;
	buf_init(&out, OUT_MAX);
	view_all(r->engine, &out);
	if (r->list) {
		INVARIANT(out.n > 0 && out.p[out.n - 1] == '}');
		out.n--; /* the lists go inside the object */
		add_list(&out, "transitions", &r->transitions);
		add_list(&out, "verdicts", &r->verdicts);
		add_list(&out, "notices", &r->notices);
		buf_add_char(&out, '}');
	}
	buf_add_char(&out, '\n');
	bool ok = fwrite(out.p, 1, out.n, stdout) == out.n && fflush(stdout) == 0;
	if (!ok)
		fprintf(stderr, "replay: cannot write: %s\n", strerror(errno));
	buf_fini(&out);
	return ok ? 0 : ERR_IO;
}

static int run(struct replay *r, char **files, int n_files)
{
	struct held held = { .scout = entry_reader_new() };
	struct err err = { 0 };
	int rc = 0;
	for (int i = 0; i < n_files && rc == 0 && !r->ended; i++)
		rc = read_file(r, &held, files[i]);
	if (rc == 0 && held.n > 0) /* nobody ever told a time */
		rc = release(r, &held, r->at_us == TIME_NONE ? 0 : r->at_us);
	while (held.n > 0)
		free(held.lines[--held.n]);
	free(held.lines);
	free(held.files);
	free(held.numbers);
	entry_reader_free(held.scout);
	if (rc == 0)
		rc = flush(r, &err);
	if (rc == 0 && r->at_us != TIME_NONE)
		engine_advance(r->engine, r->at_us);
	return rc == 0 ? print(r) : rc;
}

static int replay_run(struct replay *r, char **files, int n_files)
{
	struct engine_sink sink = { .ctx = r };
	if (r->list) {
		sink.on_transition = on_transition;
		sink.on_deploy = on_deploy;
		sink.on_notice = on_notice;
	}
	buf_init(&r->transitions, OUT_MAX);
	buf_init(&r->verdicts, OUT_MAX);
	buf_init(&r->notices, OUT_MAX);
	r->engine = engine_new(&sink);
	r->reader = entry_reader_new();
	r->joined.builder = batch_builder_new();
	int rc = run(r, files, n_files);
	if (r->n_bad > 0 && r->keep_going)
		fprintf(stderr, "replay: %" PRIu64 " bad lines left out\n", r->n_bad);
	free(r->joined.agent);
	free(r->joined.region);
	free(r->joined.service);
	batch_builder_free(r->joined.builder);
	entry_reader_free(r->reader);
	engine_free(r->engine);
	buf_fini(&r->transitions);
	buf_fini(&r->verdicts);
	buf_fini(&r->notices);
	return rc < 0 ? 1 : 0;
}

int replay_main(int argc, char **argv)
{
	enum { OPT_AT = 256, OPT_TRANSITIONS, OPT_KEEP_GOING };
	static const struct option options[] = { { "at", required_argument, NULL, OPT_AT },
		{ "transitions", no_argument, NULL, OPT_TRANSITIONS },
		{ "keep-going", no_argument, NULL, OPT_KEEP_GOING }, { "help", no_argument, NULL, 'h' },
		{ 0 } };
	struct replay r = { .received_us = TIME_NONE, .at_us = TIME_NONE };
	struct err err = { 0 };
	int c;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (c) {
		case OPT_AT:
			if (time_parse(str_of(optarg), &r.at_us, &err) < 0) {
				fprintf(stderr, "replay: --at: %s\n", err.text);
				return 2;
			}
			break;
		case OPT_TRANSITIONS:
			r.list = true;
			break;
		case OPT_KEEP_GOING:
			r.keep_going = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			refuse_option("replay", c, argv, options);
			return 2;
		}
	}
	if (optind >= argc) {
		fprintf(stderr, "replay: no FILE; - is standard input\n%s", usage);
		return 2;
	}
	return replay_run(&r, argv + optind, argc - optind);
}

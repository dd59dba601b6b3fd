/* The commands replay and export, run as they are: files in, a document out, errors with their place. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "collector/engine/view.h"
#include "collector/entry_json.h"
#include "collector/export.h"
#include "collector/replay.h"
#include "gen.h"
#include "store_fixture.h"

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

/* -- running a command -- */

struct ran {
	int status;
	struct buf out, err;
};

static void ran_fini(struct ran *r)
{
	buf_fini(&r->out);
	buf_fini(&r->err);
}

static int redirect(int fd, const char *path, int flags)
{
	int saved = dup(fd), file = open(path, flags, 0600);
	assert_true(saved >= 0 && file >= 0);
	assert_true(dup2(file, fd) == fd);
	close(file);
	return saved;
}

static void restore(int fd, int saved)
{
	assert_true(dup2(saved, fd) == fd);
	close(saved);
}

static void slurp(const char *path, struct buf *out)
{
	char block[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY);
	buf_init(out, 256 << 20);
	while ((n = read(fd, block, sizeof(block))) > 0)
		buf_add(out, block, (size_t)n);
	close(fd);
}

static char *path_in(struct fixture *f, const char *name)
{
	static char paths[4][160];
	static size_t next;
	char *path = paths[next++ % ARRAY_LEN(paths)];
	snprintf(path, sizeof(paths[0]), "%s/%s", f->dir, name);
	return path;
}

/* args: separated by blanks. input: standard input, NULL for none. */
static struct ran run(struct fixture *f, int (*command)(int argc, char **argv), const char *args, const char *input)
{
	struct ran ran = { 0 };
	char *argv[16], *text = mem_strdup(args);
	struct str rest = str_of(text), word;
	int argc = 0;
	while (argc < 15 && str_cut(&rest, ' ', &word))
		if (word.n)
			argv[argc++] = str_dup(word);
	argv[argc] = NULL;
	const char *in = path_in(f, "stdin");
	int fd = open(in, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (input)
		assert_int_equal(write(fd, input, strlen(input)), strlen(input));
	close(fd);
	fflush(stdout);
	fflush(stderr);
	int saved_in = redirect(0, in, O_RDONLY);
	int saved_out = redirect(1, path_in(f, "stdout"), O_WRONLY | O_CREAT | O_TRUNC);
	int saved_err = redirect(2, path_in(f, "stderr"), O_WRONLY | O_CREAT | O_TRUNC);
	__fpurge(stdin); /* what an earlier run left unread is not this one's */
	clearerr(stdin);
	ran.status = command(argc, argv);
	fflush(stdout);
	fflush(stderr);
	restore(0, saved_in);
	restore(1, saved_out);
	restore(2, saved_err);
	slurp(path_in(f, "stdout"), &ran.out);
	slurp(path_in(f, "stderr"), &ran.err);
	while (argc > 0)
		free(argv[--argc]);
	free(text);
	return ran;
}

static json_t *document(const struct ran *ran)
{
	json_error_t e;
	json_t *root = json_loadb(ran->out.p ? ran->out.p : "", ran->out.n, JSON_REJECT_DUPLICATES, &e);
	if (ran->status != 0 || root == NULL)
		fail_msg("status %d, %s\n%s\n%s", ran->status, e.text, ran->out.p, ran->err.p);
	return root;
}

static const char *at(const json_t *root, const char *list, size_t i, const char *key)
{
	const json_t *v = json_object_get(json_array_get(json_object_get(root, list), i), key);
	return json_is_string(v) ? json_string_value(v) : json_is_null(v) ? "null" : "(absent)";
}

/* -- replay -- */

/* Two edges; v1 everywhere, then v2 goes live and lhr keeps the old one. A line each 10 s and edge. */
static void write_story(struct fixture *f, struct buf *out, int from, int to)
{
	(void)f;
	if (from == 0) {
		buf_addf(out, "{\"type\":\"service\",\"service\":\"shop\",\"interval\":\"10s\",\"verify\":{\"timeout\":\"1m\",\"watch\":\"1m\"},"
			      "\"agents\":[\"a1\"],\"endpoints\":[{\"id\":\"v\",\"url\":\"https://shop.example/version\"}]}\n");
		buf_addf(out, "\n");
		buf_addf(out, "{\"type\":\"deploy\",\"at\":%" PRId64 ",\"service\":\"shop\",\"version\":\"v1\",\"live_at\":%" PRId64 "}\n", T0, T0);
	}
	for (int i = from; i < to; i++) {
		int64_t now = T0 + i * 10 * US_PER_S;
		if (i == 12)
			buf_addf(out, "{\"type\":\"deploy\",\"id\":\"second\",\"at\":%" PRId64 ",\"service\":\"shop\",\"version\":\"v2\",\"live_at\":%" PRId64 "}\n",
				now, now);
		buf_addf(out, "{\"type\":\"observation\",\"at\":%" PRId64 ",\"endpoint\":\"v\",\"agent\":\"a1\",\"region\":\"eu\",\"edge\":\"self:fra\","
			      "\"version\":\"%s\"}\n", now + 1000000, i < 12 ? "v1" : "v2");
		buf_addf(out, "{\"type\":\"observation\",\"at\":%" PRId64 ",\"endpoint\":\"v\",\"agent\":\"a1\",\"region\":\"eu\",\"edge\":\"self:lhr\","
			      "\"version\":\"v1\"}\n", now + 2000000);
	}
}

static void put_file(const char *path, const struct buf *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, b->p, b->n), b->n);
	close(fd);
}

static void a_story_becomes_one_document(void **state)
{
	struct fixture *f = *state;
	struct buf story;
	buf_init(&story, 1 << 20);
	write_story(f, &story, 0, 24);
	struct ran ran = run(f, replay_main, "replay --transitions -", story.p);
	json_t *doc = document(&ran);
	assert_int_equal(json_array_size(json_object_get(doc, "deploys")), 2);
	assert_string_equal(at(doc, "deploys", 0, "id"), "deploy-1");
	assert_string_equal(at(doc, "deploys", 0, "verdict"), "verified");
	assert_string_equal(at(doc, "deploys", 1, "id"), "second");
	assert_string_equal(at(doc, "deploys", 1, "verdict"), "failed");
	assert_int_equal(json_array_size(json_object_get(doc, "cells")), 2);
	assert_string_equal(at(doc, "cells", 0, "state"), "fresh");
	assert_string_equal(at(doc, "cells", 1, "state"), "stale");
	assert_string_equal(at(doc, "cells", 1, "expected"), "v2");
	assert_true(json_array_size(json_object_get(doc, "transitions")) >= 3);
	assert_true(json_array_size(json_object_get(doc, "verdicts")) >= 3);
	assert_true(json_is_array(json_object_get(doc, "notices")));
	json_decref(doc);
	ran_fini(&ran);

	/* the lists only when asked for; the same in two files; the same again */
	struct ran plain = run(f, replay_main, "replay -", story.p);
	doc = document(&plain);
	assert_null(json_object_get(doc, "transitions"));
	json_decref(doc);
	buf_clear(&story);
	write_story(f, &story, 0, 10);
	put_file(path_in(f, "a.jsonl"), &story);
	buf_clear(&story);
	write_story(f, &story, 10, 24);
	put_file(path_in(f, "b.jsonl"), &story);
	char args[400];
	snprintf(args, sizeof(args), "replay %s %s", path_in(f, "a.jsonl"), path_in(f, "b.jsonl"));
	struct ran split = run(f, replay_main, args, NULL);
	assert_string_equal(split.out.p, plain.out.p);
	ran_fini(&plain);
	ran_fini(&split);
	buf_fini(&story);
}

static void as_of_a_moment(void **state)
{
	static const struct {
		const char *says, *time, *verdict, *lhr;
		size_t n_deploys;
	} cases[] = {
		{ "before the second deploy", "2026-03-01T10:01:30Z", "(absent)", "fresh", 1 },
		{ "while it converges", "2026-03-01T10:02:40Z", "converging", "stale", 2 },
		{ "past its deadline", "2026-03-01T10:03:30Z", "failed", "stale", 2 },
		{ "long after the last line: the agent fell silent", "2026-03-01T12:00:00Z", "failed", "silent", 2 },
	};
	struct fixture *f = *state;
	struct buf story;
	buf_init(&story, 1 << 20);
	write_story(f, &story, 0, 24);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char args[100];
		snprintf(args, sizeof(args), "replay --at %s -", cases[i].time);
		struct ran ran = run(f, replay_main, args, story.p);
		json_t *doc = document(&ran);
		const json_t *when = json_object_get(doc, "at");
		if (strcmp(at(doc, "deploys", 1, "verdict"), cases[i].verdict) != 0 || strcmp(at(doc, "cells", 1, "state"), cases[i].lhr) != 0 ||
			json_array_size(json_object_get(doc, "deploys")) != cases[i].n_deploys)
			fail_msg("%s: got %s", cases[i].says, ran.out.p);
		assert_string_equal(json_string_value(when), cases[i].time);
		json_decref(doc);
		ran_fini(&ran);
	}
	buf_fini(&story);
}

static void bad_input_is_named_by_file_and_line(void **state)
{
	static const char start[] = "{\"type\":\"service\",\"service\":\"shop\",\"endpoints\":[{\"id\":\"v\"}]}\n"
				    "{\"type\":\"clock\",\"at\":1772359200000000}\n";
	static const struct {
		const char *says, *args, *rest;
		int status;
		const char *err;
	} cases[] = {
		{ "a field", "replay -", "{\"type\":\"observation\",\"endpoint\":\"v\",\"agent\":\"a\",\"age_s\":\"x\"}\n", 1,
			"stdin:3: observation: \"age_s\": want a whole number, got \"x\"\n" },
		{ "a last line without an end", "replay -", "{", 1, "stdin:3: not JSON: at byte 1: string or '}' expected near end of file\n" },
		{ "what the engine refuses", "replay -", "{\"type\":\"deploy_patch\",\"id\":\"nope\",\"aborted\":true}\n", 1, "stdin:3: " },
		{ "nothing behind it is folded", "replay -", "[]\n[]\n", 1, "stdin:3: want a JSON object\n" },
		{ "unless it is to keep going", "replay --keep-going -", "[]\n\n5\n", 0,
			"stdin:3: want a JSON object\nstdin:5: not JSON: at byte 1: '[' or '{' expected near '5'\nreplay: 2 bad lines left out\n" },
		{ "a line cannot forge another", "replay -", "{\"type\":\"\033[31m\\u009b\\n\"}\n", 1,
			"stdin:3: not JSON: at byte 9: control character 0x1b near '\"'\n" },
		{ "what the live run refused too has no effect, and is no error", "replay -",
			"{\"type\":\"deploy_patch\",\"position\":9,\"id\":\"nope\",\"aborted\":true}\n", 0, "stdin:3: without effect, as it was live: " },
		{ "a file that is not there", "replay /nonexistent.jsonl", "", 1, "/nonexistent.jsonl: cannot open: No such file or directory\n" },
		{ "a directory", "replay /tmp", "", 1, "/tmp: cannot read: Is a directory\n" },
		{ "no file", "replay --transitions", "", 2, "replay: no FILE; - is standard input\n" },
		{ "no time", "replay --at noon -", "", 2, "replay: --at: 'noon' is no time" },
		{ "no such option", "replay --fast -", "", 2, "replay: unrecognized option '--fast'\n" },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char input[1000];
		snprintf(input, sizeof(input), "%s%s", start, cases[i].rest);
		struct ran ran = run(f, replay_main, cases[i].args, input);
		if (ran.status != cases[i].status || !str_starts(buf_str(&ran.err), cases[i].err))
			fail_msg("%s: status %d, said\n%s", cases[i].says, ran.status, ran.err.p);
		assert_int_equal(ran.out.n > 0, ran.status == 0);
		ran_fini(&ran);
	}
}

static void a_line_over_the_cap_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct buf input;
	buf_init(&input, 8 << 20);
	buf_addf(&input, "{\"type\":\"clock\",\"at\":5}\n");
	for (int i = 0; i < 3 << 20; i++)
		buf_add_char(&input, ' ');
	buf_addf(&input, "\n{\"type\":\"clock\",\"at\":7000000}\n");
	struct ran ran = run(f, replay_main, "replay --keep-going -", input.p);
	json_t *doc = document(&ran);
	assert_string_equal(ran.err.p, "stdin:2: line is over 1048576 bytes\nreplay: 1 bad lines left out\n");
	assert_string_equal(json_string_value(json_object_get(doc, "at")), "1970-01-01T00:00:07Z");
	json_decref(doc);
	ran_fini(&ran);
	buf_fini(&input);
}

/* Lines before the first time told came when that one came: a service at the epoch would be silent since 1970. */
static void lines_without_a_time_wait_for_the_first_one(void **state)
{
	struct fixture *f = *state;
	struct ran ran = run(f, replay_main, "replay --transitions -",
		"{\"type\":\"service\",\"service\":\"shop\",\"agents\":[\"a1\"],\"endpoints\":[{\"id\":\"v\"}]}\n"
		"{\"type\":\"deploy\",\"service\":\"shop\",\"version\":\"v1\"}\n"
		"{\"type\":\"agent\",\"at\":\"2026-03-01T10:00:00Z\",\"agent\":\"a1\",\"region\":\"eu\"}\n");
	json_t *doc = document(&ran);
	assert_string_equal(at(doc, "deploys", 0, "id"), "deploy-1"); /* read once */
	assert_string_equal(at(doc, "deploys", 0, "started_at"), "2026-03-01T10:00:00Z");
	assert_int_equal(json_array_size(json_object_get(doc, "deploys")), 1);
	json_decref(doc);
	ran_fini(&ran);
	/* and where no line tells one, there is a document all the same */
	ran = run(f, replay_main, "replay -", "{\"type\":\"service\",\"service\":\"shop\",\"endpoints\":[{\"id\":\"v\"}]}\n");
	doc = document(&ran);
	assert_int_equal(json_array_size(json_object_get(doc, "services")), 1);
	json_decref(doc);
	ran_fini(&ran);
}

/* -- a live run, its export, and the replay of that -- */

struct live {
	struct store *st;
	struct engine *engine;
	struct entry_reader *reader;
	struct err err;
};

static void on_transition(void *ctx, const struct transition *t)
{
	struct live *l = ctx;
	if (store_put_transition(l->st, t, &l->err) < 0)
		fail_msg("%s", l->err.text);
}

static void on_deploy(void *ctx, const struct deploy_change *c)
{
	struct live *l = ctx;
	if (store_put_verdict(l->st, c, &l->err) < 0)
		fail_msg("%s", l->err.text);
}

/* As the writer does it: append, commit, fold. What came about is put with the same group here, to keep the test short. */
static void live_entry(struct live *l, struct entry *e, int64_t now_us)
{
	struct event ev;
	bool duplicate;
	e->received_at_us = now_us;
	int rc = store_begin(l->st, &l->err);
	if (rc == 0)
		rc = store_append(l->st, e, &duplicate, &l->err);
	if (rc == 0)
		rc = entry_to_event(l->reader, e, &ev, &l->err);
	if (rc == 0)
		rc = engine_fold(l->engine, &ev, &l->err);
	if (rc == 0)
		rc = store_mark_alive(l->st, now_us, &l->err);
	if (rc == 0) {
		engine_advance(l->engine, now_us);
		rc = store_commit(l->st, &l->err);
	}
	if (rc < 0)
		fail_msg("%s", l->err.text);
}

static void live_json(struct live *l, enum entry_kind kind, const char *json, int64_t now_us)
{
	struct entry e = { .kind = kind, .service = kind == ENTRY_AGENT || kind == ENTRY_COLLECTOR ? STR_NONE : STR("shop"), .bytes = str_of(json) };
	live_entry(l, &e, now_us);
}

/* One agent's results of one interval: 20 endpoints at two edges, with failures, reuse, tiers and what else there is. */
static void live_batch(struct live *l, struct batch_builder *b, struct gen *g, const char *agent, uint64_t number, const char *version,
	int64_t now_us)
{
	struct buf sealed;
	struct entry e = { .kind = ENTRY_BATCH, .service = STR("shop"), .agent = str_of(agent), .region = STR("eu"), .epoch = 9,
		.number = number, .clock_offset_us = 12345678, .clock_uncertainty_us = 250 };
	bool full = false;
	batch_builder_start(b, STR("shop"), 3);
	for (unsigned i = 0; i < 20; i++) {
		struct obs o;
		char id[16];
		obs_init(&o);
		snprintf(id, sizeof(id), "v%u", i);
		o.endpoint = batch_builder_intern(b, str_of(id), OBS_NAME_MAX, &full);
		o.observed_at_us = (now_us - 12345678) / 1000 * 1000 - (int64_t)gen_below(g, 5000000) / 1000 * 1000;
		if (gen_often(g, 10)) {
			o.fail = gen_often(g, 50) ? FAIL_TIMEOUT : FAIL_HTTP;
			o.status = o.fail == FAIL_HTTP ? 503 : 0;
		} else {
			bool behind = i < 2 || gen_often(g, 5);
			o.edge = batch_builder_intern(b, gen_often(g, 50) ? STR("self:fra") : STR("self:lhr"), OBS_NAME_MAX, &full);
			o.version = batch_builder_intern(b, behind ? STR("v1") : str_of(version), OBS_VERSION_MAX, &full);
			o.status = 200;
			o.n_tiers = 2;
			o.tiers[0] = gen_often(g, 50) ? CACHE_HIT : CACHE_MISS;
			o.tiers[1] = CACHE_HIT;
			o.tier_kinds[1] = TIER_INNER;
			o.age_s = (int32_t)gen_below(g, 100);
			o.ttl_s = 100;
		}
		batch_builder_add(b, &o);
	}
	buf_init(&sealed, 1 << 20);
	assert_int_equal(batch_seal(batch_builder_peek(b), &sealed, &e.raw_size, &l->err), 0);
	e.bytes = buf_str(&sealed);
	live_entry(l, &e, now_us);
	buf_fini(&sealed);
}

static void live_run(struct fixture *f, struct buf *ret_view)
{
	struct live l = { 0 };
	struct gen g = { 42 };
	struct batch_builder *b = batch_builder_new();
	struct buf service;
	fixture_open(f);
	l.st = f->st;
	l.reader = entry_reader_new();
	l.engine = engine_new(&(struct engine_sink){ .ctx = &l, .on_transition = on_transition, .on_deploy = on_deploy });
	buf_init(&service, 1 << 16);
	buf_addf(&service, "{\"type\":\"service\",\"service\":\"shop\",\"interval\":10,\"verify\":{\"timeout\":60,\"watch\":60},\"agents\":[\"a1\",\"a2\"],"
			   "\"endpoints\":[{\"id\":\"v0\",\"url\":\"https://x/0\"}");
	for (int i = 1; i < 20; i++)
		buf_addf(&service, ",{\"id\":\"v%d\",\"url\":\"https://x/%d\"}", i, i);
	buf_addf(&service, "]}");
	live_json(&l, ENTRY_COLLECTOR, "{\"type\":\"collector\"}", T0);
	live_json(&l, ENTRY_SERVICE, service.p, T0 + 1);
	live_json(&l, ENTRY_AGENT, "{\"type\":\"agent\",\"agent\":\"a1\",\"region\":\"eu\",\"state\":\"connected\"}", T0 + 2);
	live_json(&l, ENTRY_DEPLOY, "{\"type\":\"deploy\",\"id\":\"d1\",\"service\":\"shop\",\"version\":\"v1\",\"live_at\":\"2026-03-01T10:00:00Z\"}", T0 + 3);
	for (uint64_t i = 1; i <= 60; i++) {
		int64_t now_us = T0 + (int64_t)i * 10 * US_PER_S;
		if (i == 15)
			live_json(&l, ENTRY_DEPLOY, "{\"type\":\"deploy\",\"id\":\"d2\",\"service\":\"shop\",\"version\":\"v2\"}", now_us);
		if (i == 16)
			live_json(&l, ENTRY_DEPLOY_PATCH, "{\"type\":\"deploy_patch\",\"id\":\"d2\",\"live_at\":1772359360000000}", now_us);
		if (i == 17)
			live_json(&l, ENTRY_PURGE, "{\"type\":\"purge\",\"id\":\"p\",\"service\":\"shop\",\"vendor\":\"self\",\"patterns\":[\"/0\"]}", now_us);
		if (i == 18)
			live_json(&l, ENTRY_MESH, "{\"service\":\"shop\",\"type\":\"mesh\",\"routes\":[{\"weight\":10}]}", now_us);
		if (i == 40)
			live_json(&l, ENTRY_COLLECTOR, "{\"type\":\"collector\",\"down_since\":1772359592000000}", now_us);
		live_batch(&l, b, &g, "a1", i, i < 15 ? "v1" : "v2", now_us + 100);
		if (i % 3)
			live_batch(&l, b, &g, "a2", i, i < 15 ? "v1" : "v2", now_us + 200);
	}
	int64_t end_us = T0 + 700 * US_PER_S; /* quiet at the end: timers alone */
	assert_int_equal(store_begin(l.st, &l.err), 0);
	engine_advance(l.engine, end_us);
	assert_int_equal(store_mark_alive(l.st, end_us, &l.err), 0);
	assert_int_equal(store_commit(l.st, &l.err), 0);
	view_all(l.engine, ret_view);
	engine_free(l.engine);
	entry_reader_free(l.reader);
	batch_builder_free(b);
	buf_fini(&service);
}

static void same_list(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
	for (size_t i = 0; i < MAX(json_array_size(x), json_array_size(y)); i++) {
		if (json_equal(json_array_get(x, i), json_array_get(y, i)))
			continue;
		char *p = json_dumps(json_array_get(x, i), JSON_ENCODE_ANY), *q = json_dumps(json_array_get(y, i), JSON_ENCODE_ANY);
		fail_msg("%s %zu: live\n%s\nreplayed\n%s", key, i, p, q);
	}
}

static void by_key(json_t *list)
{
	/* the live store gives transitions by time, replay in the order they came about: compare as sets, by key */
	size_t n = json_array_size(list);
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0; k--) {
			json_t *a = json_array_get(list, k - 1), *b = json_array_get(list, k);
			int64_t pa = json_integer_value(json_object_get(a, "position")), pb = json_integer_value(json_object_get(b, "position"));
			int64_t sa = json_integer_value(json_object_get(a, "seq")), sb = json_integer_value(json_object_get(b, "seq"));
			if (pa < pb || (pa == pb && sa <= sb))
				break;
			json_incref(a);
			json_incref(b);
			json_array_set_new(list, k - 1, b);
			json_array_set_new(list, k, a);
		}
}

static void export_and_replay_say_what_the_live_run_said(void **state)
{
	struct fixture *f = *state;
	struct buf live;
	char args[300];
	buf_init(&live, 64 << 20);
	live_run(f, &live);
	assert_true(store_count(f->st, "transitions") > 100); /* a run in which much happened */
	assert_true(store_count(f->st, "verdicts") > 3);
	assert_int_equal(store_count(f->st, "results"), 100 * 20);

	snprintf(args, sizeof(args), "export --store sqlite:%s", f->path); /* beside the writer, which is still open */
	struct ran exported = run(f, export_main, args, NULL);
	assert_int_equal(exported.status, 0);
	assert_int_equal(exported.err.n, 0);
	snprintf(args, sizeof(args), "export --transitions --store %s", f->path);
	struct ran stored = run(f, export_main, args, NULL);
	put_file(path_in(f, "journal.jsonl"), &exported.out);
	snprintf(args, sizeof(args), "replay --transitions %s", path_in(f, "journal.jsonl"));
	struct ran replayed = run(f, replay_main, args, NULL);
	assert_int_equal(replayed.err.n, 0);

	json_t *was = json_loadb(live.p, live.n, 0, NULL), *derived = document(&stored), *doc = document(&replayed);
	assert_non_null(was);
	same_list(was, doc, "deploys");
	same_list(was, doc, "cells");
	same_list(was, doc, "services");
	by_key(json_object_get(derived, "transitions"));
	same_list(derived, doc, "transitions");
	same_list(derived, doc, "verdicts");
	assert_true(json_equal(json_object_get(was, "at"), json_object_get(doc, "at")));
	json_decref(was);
	json_decref(derived);
	json_decref(doc);
	ran_fini(&exported);
	ran_fini(&stored);
	ran_fini(&replayed);
	buf_fini(&live);
}

/* -- export -- */

static size_t count_of(const struct buf *text, const char *what)
{
	size_t n = 0;
	for (const char *p = text->p; p && (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void export_can_leave_out(void **state)
{
	struct fixture *f = *state;
	struct buf live;
	char args[300];
	buf_init(&live, 64 << 20);
	live_run(f, &live);
	const struct {
		const char *says, *args;
		size_t observations, deploys, clocks;
	} cases[] = {
		{ "all", "", 2000, 2, 1 },
		{ "what was observed before a time", "--from 2026-03-01T10:09:00Z", 11 * 20, 2, 1 },
		{ "another service's", "--service other", 0, 0, 1 },
		{ "this service", "--service shop", 2000, 2, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(args, sizeof(args), "export %s --store %s", cases[i].args, f->path);
		struct ran ran = run(f, export_main, args, NULL);
		if (ran.status != 0 || count_of(&ran.out, "\"type\":\"observation\"") != cases[i].observations ||
			count_of(&ran.out, "\"type\":\"deploy\"") != cases[i].deploys || count_of(&ran.out, "\"type\":\"clock\"") != cases[i].clocks)
			fail_msg("%s: status %d, %zu observations %s", cases[i].says, ran.status, count_of(&ran.out, "\"type\":\"observation\""), ran.err.p);
		ran_fini(&ran);
	}
	buf_fini(&live);
}

static void export_takes_its_store_from_the_configuration(void **state)
{
	struct fixture *f = *state;
	struct buf yaml;
	char args[300];
	fixture_open(f);
	put_event(f->st, ENTRY_CLOCK, "", T0);
	buf_init(&yaml, 1000);
	buf_addf(&yaml, "store: \"sqlite:%s\"\n", f->path);
	put_file(path_in(f, "collector.yaml"), &yaml);
	snprintf(args, sizeof(args), "export --config %s", path_in(f, "collector.yaml"));
	struct ran ran = run(f, export_main, args, NULL);
	assert_string_equal(ran.out.p, "{\"type\":\"clock\",\"received_at\":1772359200000000,\"position\":1,\"some\":\"json\"}\n"
				       "{\"type\":\"clock\",\"at\":1772359200000000}\n");
	assert_int_equal(ran.status, 0);
	ran_fini(&ran);
	buf_fini(&yaml);
}

static void export_says_why_not(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *args;
		int status;
		const char *err;
	} cases[] = {
		{ "export", 2, "export: want one of --config FILE and --store URI, and nothing besides\n" },
		{ "export --store a --config b", 2, "export: want one of" },
		{ "export --store a more", 2, "export: want one of" },
		{ "export --from yesterday --store a", 2, "export: --from: 'yesterday' is no time" },
		{ "export --store /nonexistent.db", 1, "export: cannot open '/nonexistent.db': No such file or directory\n" },
		{ "export --config /nonexistent.yaml", 1, "export: " },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ran ran = run(f, export_main, cases[i].args, NULL);
		if (ran.status != cases[i].status || !str_starts(buf_str(&ran.err), cases[i].err))
			fail_msg("%s: status %d, said\n%s", cases[i].args, ran.status, ran.err.p);
		assert_int_equal(ran.out.n, 0);
		ran_fini(&ran);
	}
	/* an entry that cannot be read is left out, said, and makes the status 1; what follows is there */
	char args[300];
	fixture_open(f);
	put_batch(f->st, 1, T0); /* made-up bytes */
	put_event(f->st, ENTRY_CLOCK, "", T0);
	snprintf(args, sizeof(args), "export --store %s", f->path);
	struct ran ran = run(f, export_main, args, NULL);
	assert_int_equal(ran.status, 1);
	assert_int_equal(count_of(&ran.out, "\n"), 2);
	assert_true(str_starts(buf_str(&ran.err), "export: left out: entry 1: batch 1 of 'a1': "));
	ran_fini(&ran);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_story_becomes_one_document),
		TEST(as_of_a_moment),
		TEST(bad_input_is_named_by_file_and_line),
		TEST(a_line_over_the_cap_is_passed_over),
		TEST(lines_without_a_time_wait_for_the_first_one),
		TEST(export_and_replay_say_what_the_live_run_said),
		TEST(export_can_leave_out),
		TEST(export_takes_its_store_from_the_configuration),
		TEST(export_says_why_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

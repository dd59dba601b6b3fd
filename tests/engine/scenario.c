#include "tests/engine/scenario_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "base/units.h"

#define START_US  (-30 * US_PER_DAY) /* of lines before the first with a time */
#define LIST_MAX  16
#define STEPS_MAX 20000

enum mode { STRAIGHT, RELOADED, CREEPING };
static const char *const mode_names[] = { "straight", "saved and loaded before every entry",
	"time creeping between entries" };

/* -- what the engine puts out -- */

static void on_transition(void *ctx, const struct transition *t)
{
	struct run *r = ctx;
	buf_addf(&r->outs,
		"%" PRId64 ".%u %" PRId64 " cell %.*s/%.*s>%s late=%d version=%.*s expected=%.*s\n",
		t->key.position, t->key.seq, t->at_us - ZERO_US, STR_ARG(t->edge), STR_ARG(t->endpoint),
		cell_state_name(t->to), t->late, STR_ARG(t->version), STR_ARG(t->expected));
}

static void on_version(void *ctx, const struct transition *t)
{
	struct run *r = ctx;
	assert_int_equal(t->from, t->to);
	buf_addf(&r->outs, "%" PRId64 " served %.*s/%.*s>%.*s\n", t->at_us - ZERO_US, STR_ARG(t->edge),
		STR_ARG(t->endpoint), STR_ARG(t->version));
}

static void on_deploy(void *ctx, const struct deploy_change *c)
{
	struct run *r = ctx;
	buf_addf(&r->outs, "%" PRId64 ".%u %" PRId64 " deploy %.*s>%s %.*s\n", c->key.position, c->key.seq,
		c->at_us - ZERO_US, STR_ARG(c->id), verdict_name(c->to), STR_ARG(c->reason));
}

static void on_notice(void *ctx, const struct notice *n)
{
	struct run *r = ctx;
	buf_addf(&r->outs, "%" PRId64 ".%u %" PRId64 " notice %.*s>%.*s\n", n->key.position, n->key.seq,
		n->at_us - ZERO_US, STR_ARG(n->kind), STR_ARG(n->version));
}

static void on_incident(void *ctx, const struct incident_change *c)
{
	struct run *r = ctx;
	buf_addf(&r->outs, "%" PRId64 ".%u %" PRId64 " incident %.*s>%s %s %u/%u %.*s\n", c->key.position, c->key.seq,
		c->at_us - ZERO_US, STR_ARG(c->deploy), incident_event_name(c->event), severity_name(c->severity),
		c->not_fresh, c->cells, STR_ARG(c->text));
}

/* -- words -- */

NORETURN void story_fail(const struct run *r, const char *what, struct str word)
{
	print_error("line %zu: %s '%.*s'\n", r->line, what, STR_ARG(word));
	fail();
	abort();
}

static int64_t word_duration(const struct run *r, struct str word)
{
	bool negative = word.n && word.p[0] == '-';
	int64_t us = 0;
	if (duration_parse(negative ? str_from(word, 1) : word, &us, NULL) < 0)
		story_fail(r, "no duration:", word);
	return negative ? -us : us;
}

bool option(const struct step *s, const char *name, struct str *ret)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < s->n_words; i++)
		if (str_starts(s->words[i], name) && s->words[i].n > n && s->words[i].p[n] == '=') {
			*ret = str_from(s->words[i], n + 1);
			return true;
		}
	return false;
}

struct str option_or(const struct step *s, const char *name, const char *otherwise)
{
	struct str word = str_of(otherwise);
	(void)option(s, name, &word);
	return word;
}

static bool flag(const struct step *s, const char *name)
{
	for (size_t i = 0; i < s->n_words; i++)
		if (str_is(s->words[i], name))
			return true;
	return false;
}

static int64_t option_us(const struct run *r, const struct step *s, const char *name, int64_t otherwise)
{
	struct str word;
	return option(s, name, &word) ? word_duration(r, word) : otherwise;
}

static int64_t option_time(const struct run *r, const struct step *s, const char *name, int64_t otherwise)
{
	struct str word;
	return option(s, name, &word) ? ZERO_US + word_duration(r, word) : otherwise;
}

static double option_share(const struct run *r, const struct step *s, const char *name, double otherwise)
{
	struct str word;
	double share = otherwise;
	if (option(s, name, &word) && share_parse(word, &share, NULL) < 0)
		story_fail(r, "no share:", word);
	return share;
}

static int64_t option_int(const struct run *r, const struct step *s, const char *name, int64_t otherwise)
{
	struct str word;
	int64_t v = otherwise;
	if (option(s, name, &word) && str_to_i64(word, &v, NULL) < 0)
		story_fail(r, "no number:", word);
	return v;
}

static size_t word_list(struct str word, struct str *ret)
{
	size_t n = 0;
	struct str left = word, part;
	while (n < LIST_MAX && left.n && str_cut(&left, ',', &part))
		ret[n++] = part;
	return n;
}

struct str full_edge(struct str word, char text[OBS_NAME_MAX])
{
	if (str_is(word, "-"))
		return STR_NONE;
	if (str_find(word, ':') >= 0)
		return word;
	snprintf(text, OBS_NAME_MAX, "cdn:%.*s", STR_ARG(word));
	return str_of(text);
}

/* -- entries -- */

static void fold(struct run *r, const struct step *s, struct event *ev)
{
	struct err err = { 0 };
	struct str refused;
	ev->position = ++r->position;
	ev->received_at_us = ZERO_US + s->at_us;
	ev->at_us = ev->received_at_us;
	int accept = engine_would_accept(r->e, ev, NULL);
	int rc = engine_fold(r->e, ev, &err);
	if (option(s, "refused", &refused)) {
		if (rc == 0 || accept == 0 || !str_is(refused, err_name(rc)))
			story_fail(r, "not refused as it should be:", str_of(rc ? err_name(rc) : "accepted"));
		assert_true(err.text[0] != '\0');
	} else if (rc < 0 || accept < 0) {
		story_fail(r, "refused:", str_of(err.text));
	}
}

static void do_service(struct run *r, const struct step *s)
{
	struct str ids[LIST_MAX], agents[LIST_MAX];
	struct ev_endpoint endpoints[LIST_MAX];
	size_t n = word_list(option_or(s, "endpoints", "v"), ids);
	char urls[LIST_MAX][64];
	for (size_t i = 0; i < n; i++) {
		struct str id;
		(void)str_cut(&ids[i], ':', &id);
		snprintf(urls[i], sizeof(urls[i]), "https://shop.example/%.*s%.*s", STR_ARG(id),
			STR_ARG(option_or(s, "url", "")));
		endpoints[i] = (struct ev_endpoint){ id, str_of(urls[i]),
			str_is(ids[i], "prefix") ? MATCH_PREFIX : MATCH_EXACT, str_is(ids[i], "learned"),
			option_or(s, "cdn", ""), option_or(s, "cdnzone", "") };
	}
	struct event ev = { .kind = EV_SERVICE,
		.service = { .name = s->words[1],
			.removed = flag(s, "gone"),
			.interval_us = option_us(r, s, "interval", 10 * US_PER_S),
			.endpoints = endpoints,
			.n_endpoints = n,
			.has_origin = flag(s, "origin"),
			.agents = agents,
			.n_agents = word_list(option_or(s, "assigned", ""), agents),
			.timeout_us = option_us(r, s, "timeout", 15 * US_PER_MIN),
			.require = option_share(r, s, "require", 1),
			.min_coverage = option_share(r, s, "coverage", 0.9),
			.min_agents = option_int(r, s, "agents", 1),
			.watch_us = option_us(r, s, "watch", 30 * US_PER_MIN),
			.rollout_grace_us = option_us(r, s, "grace", 5 * US_PER_MIN),
			.alert_after_us = option_us(r, s, "alert", 5 * US_PER_MIN) } };
	fold(r, s, &ev);
}

static void do_deploy(struct run *r, const struct step *s)
{
	struct str aliases[LIST_MAX], values[LIST_MAX];
	struct ev_value pairs[LIST_MAX];
	size_t n_values = word_list(option_or(s, "value", ""), values);
	for (size_t i = 0; i < n_values; i++) {
		pairs[i].value = values[i];
		(void)str_cut(&pairs[i].value, ':', &pairs[i].endpoint);
	}
	struct str id = s->words[1];
	(void)option(s, "id", &id);
	struct event ev = { .kind = EV_DEPLOY,
		.deploy = { .id = id,
			.service = option_or(s, "service", "shop"),
			.version = s->words[1],
			.started_at_us = option_time(r, s, "started", ZERO_US + s->at_us),
			.live_at_us = option_time(r, s, "live", TIME_NONE),
			.aliases = aliases,
			.n_aliases = word_list(option_or(s, "alias", ""), aliases),
			.values = pairs,
			.n_values = n_values } };
	fold(r, s, &ev);
}

static void do_patch(struct run *r, const struct step *s)
{
	bool aborted = str_is(s->words[0], "abort");
	struct event ev = { .kind = EV_DEPLOY_PATCH,
		.deploy_patch = { .id = s->words[1],
			.live_at_us = aborted ? TIME_NONE : option_time(r, s, "at", ZERO_US + s->at_us),
			.aborted = aborted } };
	fold(r, s, &ev);
}

static void see_cache(struct run *r, const struct step *s, struct obs *o)
{
	struct str tiers[LIST_MAX];
	o->n_tiers = (uint8_t)word_list(option_or(s, "cache", ""), tiers);
	for (size_t i = 0; i < o->n_tiers; i++) {
		enum cache_status status;
		if (!cache_status_from(tiers[i], &status))
			story_fail(r, "no cache word:", tiers[i]);
		o->tiers[i] = (uint8_t)status;
		o->tier_kinds[i] = i ? TIER_SHIELD : TIER_EDGE;
	}
	o->age_s = (int32_t)option_int(r, s, "age", OBS_AGE_NONE);
	o->ttl_s = (int32_t)option_int(r, s, "ttl", OBS_TTL_NONE);
}

static void do_see(struct run *r, const struct step *s)
{
	char edge_text[OBS_NAME_MAX];
	struct str word;
	enum obs_fail why = FAIL_OK;
	bool origin = str_is(s->words[2], "origin");
	struct str dict[] = { STR_NONE, option_or(s, "ep", "v"),
		origin ? STR_NONE : full_edge(s->words[2], edge_text),
		str_is(s->words[3], "-") ? STR_NONE : s->words[3], option_or(s, "node", ""),
		option_or(s, "etag", ""), option_or(s, "head", "") };
	struct obs o;
	obs_init(&o);
	o.observed_at_us = option_time(r, s, "at", ZERO_US + s->at_us);
	o.endpoint = 1, o.edge = 2, o.version = 3, o.node = 4, o.etag = 5, o.evidence = 6;
	o.browser_ttl_s = (int32_t)option_int(r, s, "browser", OBS_TTL_NONE);
	o.path = origin ? PATH_ORIGIN : PATH_EDGE;
	o.status = (int16_t)option_int(r, s, "status", 200);
	if (option(s, "fail", &word)) {
		if (!obs_fail_from(word, &why))
			story_fail(r, "no way to fail:", word);
		o.status = 0;
		o.edge = 0;
	} else if (o.status >= 400) {
		why = FAIL_HTTP;
	} else if (dict[3].n == 0) {
		why = FAIL_NO_VERSION;
	}
	o.fail = (uint8_t)why;
	see_cache(r, s, &o);
	struct batch b = { .agent = s->words[1],
		.region = option_or(s, "region", "eu"),
		.service = option_or(s, "service", "shop"),
		.dict = dict,
		.n_dict = ARRAY_LEN(dict),
		.obs = &o,
		.n_obs = 1 };
	struct err err;
	if (batch_check(&b, &err) < 0)
		story_fail(r, "no batch:", str_of(err.text));
	struct event ev = { .kind = EV_OBSERVATIONS, .observations = { .batch = &b } };
	fold(r, s, &ev);
}

static void do_agent(struct run *r, const struct step *s)
{
	static const char *const told[] = { "connected", "disconnected", "drained", "revoked", "enrolled" };
	struct event ev = { .kind = EV_AGENT, .agent = { .agent = s->words[1], .state = AGENT_TOLD_COUNT } };
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		if (str_is(s->words[2], told[i]))
			ev.agent.state = (enum agent_told)i;
	fold(r, s, &ev);
}

static void do_purge(struct run *r, const struct step *s)
{
	struct str tag = option_or(s, "tag", "");
	bool path = s->n_words > 2 && str_starts(s->words[2], "/");
	struct event ev = { .kind = EV_PURGE,
		.purge = { .id = s->words[1],
			.service = STR("shop"),
			.vendor = option_or(s, "vendor", ""),
			.zone = option_or(s, "zone", ""),
			.requested_at_us = TIME_NONE,
			.completed_at_us = option_time(r, s, "completed", TIME_NONE),
			.patterns = &s->words[2],
			.n_patterns = path,
			.tags = &tag,
			.n_tags = tag.n > 0,
			.soft = flag(s, "soft"),
			.everything = flag(s, "everything") } };
	fold(r, s, &ev);
}

/* "v1:10:ready" to its parts. */
static struct str word_part(struct str *word)
{
	struct str part = STR_NONE;
	(void)str_cut(word, ':', &part);
	return part;
}

static void do_mesh(struct run *r, const struct step *s)
{
	struct ev_route routes[LIST_MAX];
	size_t n = 0;
	for (size_t i = 1; i < s->n_words && n < LIST_MAX; i++) {
		struct str word = s->words[i];
		int64_t weight = 0, ready = -1;
		struct str version = word_part(&word), w = word_part(&word);
		(void)str_to_i64(w, &weight, NULL);
		if (word.n)
			(void)str_to_i64(word, &ready, NULL);
		routes[n++] = (struct ev_route){ version, version, STR_NONE, (double)weight, (int)ready };
	}
	struct event ev = { .kind = EV_INNER,
		.inner = { .service = STR("shop"),
			.type = STR("mesh"),
			.json = STR("{}"),
			.routes = routes,
			.n_routes = n,
			.since_us = TIME_NONE } };
	fold(r, s, &ev);
}

static void do_rollout(struct run *r, const struct step *s)
{
	char text[200];
	struct str said = option_or(s, "reason", "");
	size_t n = MIN(said.n, sizeof(text));
	for (size_t i = 0; i < n; i++)
		text[i] = said.p[i] == '_' ? ' ' : said.p[i];
	struct event ev = { .kind = EV_INNER,
		.inner = { .service = STR("shop"),
			.type = STR("rollout"),
			.json = STR("{}"),
			.controller = STR("flagger"),
			.phase = s->words[1],
			.reason = { text, n },
			.since_us = option_time(r, s, "since", TIME_NONE) } };
	fold(r, s, &ev);
}

static void do_pods(struct run *r, const struct step *s)
{
	struct ev_pod pods[LIST_MAX];
	size_t n = 0;
	for (size_t i = 1; i < s->n_words && n < LIST_MAX; i++) {
		struct str word = s->words[i];
		struct str version = word_part(&word);
		pods[n++] = (struct ev_pod){ .name = version,
			.version = version,
			.subset = version,
			.ready = !str_is(word, "unready"),
			.terminating = str_is(word, "terminating") };
	}
	struct event ev = { .kind = EV_INNER,
		.inner = { .service = STR("shop"),
			.type = STR("pods"),
			.json = STR("{}"),
			.pods = pods,
			.n_pods = n,
			.since_us = TIME_NONE } };
	fold(r, s, &ev);
}

static void do_down(struct run *r, const struct step *s)
{
	struct event ev = { .kind = EV_COLLECTOR,
		.collector = { .down_since_us = ZERO_US + word_duration(r, s->words[1]) } };
	fold(r, s, &ev);
}

/* -- a whole story -- */

static const struct {
	const char *word;
	void (*run)(struct run *r, const struct step *s);
} verbs[] = {
	{ "service", do_service },
	{ "deploy", do_deploy },
	{ "live", do_patch },
	{ "abort", do_patch },
	{ "see", do_see },
	{ "agent", do_agent },
	{ "purge", do_purge },
	{ "mesh", do_mesh },
	{ "rollout", do_rollout },
	{ "pods", do_pods },
	{ "down", do_down },
	{ "expect", do_expect },
};

static bool is_verb(struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (str_is(word, verbs[i].word))
			return true;
	return false;
}

static size_t split_words(struct str line, struct str words[WORDS_MAX])
{
	size_t n = 0;
	struct str word;
	while (n < WORDS_MAX && str_cut(&line, ' ', &word))
		if (str_trim(word).n)
			words[n++] = str_trim(word);
	return n;
}

static void add_steps(const struct run *r, struct str line, struct step *steps, size_t *n)
{
	struct step s = { .line = r->line };
	struct str words[WORDS_MAX], from, to;
	size_t skip = 0, n_words = split_words(line, words);
	int64_t at = *n ? steps[*n - 1].at_us : START_US, end, pace = 1;
	if (n_words == 0 || words[0].p[0] == '#')
		return;
	if (str_is(words[0], "every")) {
		pace = word_duration(r, words[1]);
		to = words[2];
		(void)str_cut(&to, '.', &from);
		at = word_duration(r, from);
		to = str_from(to, 1);
		end = word_duration(r, to);
		skip = 3;
	} else if (!is_verb(words[0])) {
		at = word_duration(r, words[0]);
		skip = 1;
		end = at;
	} else {
		end = at;
	}
	s.n_words = n_words - skip;
	memcpy(s.words, words + skip, s.n_words * sizeof(*words));
	if (s.n_words == 0 || !is_verb(s.words[0]))
		story_fail(r, "no verb in", line);
	for (; at <= end; at += pace) {
		assert_true(*n < STEPS_MAX);
		s.at_us = at;
		steps[(*n)++] = s;
	}
}

static struct step *read_steps(struct run *r, const char *text, size_t *ret_n)
{
	struct step *steps = mem_new_array(STEPS_MAX, sizeof(*steps));
	struct str left = str_of(text), line;
	size_t n = 0;
	while (left.n && str_cut(&left, '\n', &line)) {
		r->line++;
		add_steps(r, line, steps, &n);
	}
	for (size_t i = 1; i < n; i++) { /* stable */
		struct step s = steps[i];
		size_t at = i;
		for (; at > 0 && steps[at - 1].at_us > s.at_us; at--)
			steps[at] = steps[at - 1];
		steps[at] = s;
	}
	*ret_n = n;
	return steps;
}

static void reload(struct run *r)
{
	struct buf bytes, again;
	struct engine *loaded = NULL;
	struct err err = { 0 };
	buf_init(&bytes, 1 << 26), buf_init(&again, 1 << 26);
	engine_save(r->e, &bytes);
	if (engine_load(buf_str(&bytes), &r->sink, &loaded, &err) < 0)
		story_fail(r, "not loaded:", str_of(err.text));
	engine_save(loaded, &again);
	if (!str_eq(buf_str(&bytes), buf_str(&again)))
		story_fail(r, "saved, loaded and saved again, it is not the same", STR_NONE);
	engine_free(r->e);
	r->e = loaded;
	buf_fini(&bytes), buf_fini(&again);
}

static void story_play(const char *text, enum mode mode, struct buf *outs, struct buf *view)
{
	struct run r = { 0 };
	size_t n;
	uint64_t dice = 88172645463325252u;
	buf_init(&r.outs, 1 << 26);
	r.sink = (struct engine_sink){ &r, on_transition, on_deploy, on_notice, on_version, NULL, on_incident };
	r.e = engine_new(&r.sink);
	struct step *steps = read_steps(&r, text, &n);
	for (size_t i = 0; i < n; i++) {
		r.line = steps[i].line;
		if (mode == RELOADED)
			reload(&r);
		int64_t now = engine_now_us(r.e), to = ZERO_US + steps[i].at_us;
		if (str_is(steps[i].words[0], "down"))
			to = MIN(to, ZERO_US + word_duration(&r, steps[i].words[1]));
		for (int k = 0; mode == CREEPING && k < 3 && to > now && now > 0; k++) {
			dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
			now += (int64_t)(dice % (uint64_t)(to - now + 1));
			engine_advance(r.e, now);
		}
		for (size_t v = 0; v < ARRAY_LEN(verbs); v++)
			if (str_is(steps[i].words[0], verbs[v].word))
				verbs[v].run(&r, &steps[i]);
	}
	view_all(r.e, view);
	*outs = r.outs;
	engine_free(r.e);
	free(steps);
}

static void story_test(void **state)
{
	const struct story *story = *state;
	struct buf outs[3], views[3];
	for (size_t i = 0; i < 3; i++) {
		buf_init(&views[i], 1 << 26);
		story_play(story->text, (enum mode)i, &outs[i], &views[i]);
		if (i && !str_eq(buf_str(&outs[i]), buf_str(&outs[0]))) {
			print_error("%s:\n%.*s\nstraight:\n%.*s\n", mode_names[i], STR_ARG(buf_str(&outs[i])),
				STR_ARG(buf_str(&outs[0])));
			fail();
		}
		if (i && !str_eq(buf_str(&views[i]), buf_str(&views[0]))) {
			print_error("%s:\n%.*s\nstraight:\n%.*s\n", mode_names[i],
				STR_ARG(buf_str(&views[i])), STR_ARG(buf_str(&views[0])));
			fail();
		}
	}
	for (size_t i = 0; i < 3; i++)
		buf_fini(&outs[i]), buf_fini(&views[i]);
}

int stories_run(const struct story *stories, size_t n)
{
	struct CMUnitTest *tests = mem_new_array(n, sizeof(*tests));
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){ stories[i].says, story_test, NULL, NULL,
			(void *)(uintptr_t)&stories[i] };
	int rc = _cmocka_run_group_tests("stories", tests, n, NULL, NULL);
	free(tests);
	return rc;
}

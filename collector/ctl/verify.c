/* verify.c - tidemark verify: waits for the verdict of a deploy, shows how far it is, and says it by the exit
 * code. */
#include "collector/ctl/verify.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"

#define COVERAGE_MIN 0.9 /* of a recheck; the verdict itself uses the service's own */
#define POLL_US      US_PER_S
#define RETRY_US     US_PER_S
#define ANSWER_US    (15 * US_PER_S)

/* -- what an answer says -- */

static size_t json_count(const json_t *object, const char *name)
{
	double v = json_num(object, name, 0);
	return v > 0 && v < 1e9 ? (size_t)v : 0;
}

static bool cell_serves_wrong(const json_t *cell)
{
	static const char *const wrong[] = { "stale", "mixed", "unknown", "ahead" };
	struct str state = json_text(cell, "state");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (str_is(state, wrong[i]))
			return true;
	return false;
}

int deploy_read(const json_t *answer, struct deploy_seen *ret, struct err *err)
{
	static const char *const verdicts[] = { "pending", "converging", "verified", "failed", "inconclusive",
		"superseded", "aborted" };
	struct deploy_seen d = { .id = json_text(answer, "id"), .verdict = json_text(answer, "verdict") };
	const json_t *p = json_object_get(answer, "propagation"), *cell;
	size_t i;
	bool known = false;
	for (i = 0; i < ARRAY_LEN(verdicts); i++)
		known = known || str_is(d.verdict, verdicts[i]);
	if (d.id.n == 0 || !known)
		return err_set(err, ERR_CORRUPT,
			"the answer is no deploy: '%s' is missing or not known to tidemark %s: is it a "
			"tidemark collector, as new as this?",
			d.id.n == 0 ? "id" : "verdict", TIDEMARK_VERSION);
	d.reason = json_text(answer, "reason");
	d.propagation = p;
	d.answer = answer;
	d.share = json_num(p, "converged_share", -1);
	d.coverage = json_num(p, "coverage", -1);
	d.known = json_count(p, "known"), d.observed = json_count(p, "observed"),
	d.converged = json_count(p, "converged");
	d.not_fresh = json_object_get(answer, "not_fresh");
	d.unobserved = json_object_get(answer, "unobserved");
	d.next = json_object_get(answer, "next");
	d.overtaken = json_is_true(json_object_get(answer, "overtaken"));
	d.explained = json_text(answer, "cause").n > 0;
	d.is_final = !str_is(d.verdict, "pending") && !str_is(d.verdict, "converging");
	json_array_foreach(d.not_fresh, i, cell) d.wrong_seen = d.wrong_seen || cell_serves_wrong(cell);
	*ret = d;
	return 0;
}

static bool share_reaches(double share, double require)
{
	return share >= require - 1e-9; /* 0.1 + 0.2 and the like */
}

enum verify_step verify_decide(const struct deploy_seen *d, bool recheck, double require, bool time_is_up)
{
	bool failed = str_is(d->verdict, "failed"), verified = str_is(d->verdict, "verified");
	bool covered = d->observed > 0 && share_reaches(d->coverage, COVERAGE_MIN);
	if (str_is(d->verdict, "superseded") || str_is(d->verdict, "aborted") || d->overtaken)
		return VERIFY_SUPERSEDED;
	if (verified && (require < 0 || share_reaches(d->share, require)))
		return VERIFY_PASSED;
	/* Who asks for less than the service does, gets it before the verdict; who comes after it, asks for
	 * what is so now. */
	bool live = !str_is(d->verdict, "pending");
	if (live && covered && (recheck || require >= 0) &&
		share_reaches(d->share, require < 0 ? 1 : require))
		return VERIFY_PASSED;
	if (failed && !recheck)
		return VERIFY_FAILED;
	if (d->is_final && !verified && !recheck)
		return VERIFY_INCONCLUSIVE;
	if (!time_is_up)
		return VERIFY_WAIT;
	return d->wrong_seen ? VERIFY_FAILED : VERIFY_INCONCLUSIVE;
}

/* -- asking -- */

struct verify {
	struct ctl *c;
	const struct verify_options *o;
	const char *service;
	struct verify_view view;
	int64_t deadline_us;
	char *id;     /* of the deploy; NULL: not announced yet */
	json_t *last; /* its newest answer */
	struct deploy_seen seen;
	bool recheck, decided_before; /* decided_before: recheck is settled */
};

static void pause_us(int64_t us)
{
	struct timespec t = { .tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000 };
	(void)nanosleep(&t, NULL); /* woken early: asks early */
}

static int64_t left_us(const struct verify *v)
{
	return MAX(v->deadline_us - clock_boot_us(), INT64_C(0));
}

/* The newest deploy of this version, or id = NULL. */
static int find_deploy(struct verify *v, char **ret_id, struct err *err)
{
	struct buf path;
	json_t *page = NULL;
	buf_init(&path, 8192);
	buf_addf(&path, "/api/v1/deploys?limit=1");
	path_add_query(&path, "service", str_of(v->service));
	path_add_query(&path, "version", str_of(v->o->version));
	int rc = buf_failed(&path) ? err_set(err, ERR_SYNTAX, "verify: the names are too long")
				   : api_get(v->c->api, path.p, &page, err);
	const json_t *items = json_object_get(page, "items");
	if (rc == 0 && !json_is_array(items))
		rc = err_set(
			err, ERR_CORRUPT, "the answer is no list of deploys: is it a tidemark collector?");
	const json_t *first = json_array_get(items, 0);
	struct str id = json_text(first, "id");
	if (rc == 0 && first != NULL && id.n == 0)
		rc = err_set(err, ERR_CORRUPT,
			"the answer lists a deploy without an id: is it a tidemark collector?");
	if (rc == 0)
		*ret_id = id.n ? str_dup(id) : NULL;
	json_decref(page);
	buf_fini(&path);
	return rc;
}

/* Asks for the deploy; the collector answers on a verdict, or after the wait. */
static int look(struct verify *v, int64_t wait_us, struct err *err)
{
	struct buf path;
	json_t *answer = NULL;
	struct deploy_seen seen;
	buf_init(&path, 8192);
	buf_addf(&path, "/api/v1/deploys");
	path_add_segment(&path, str_of(v->id));
	if (wait_us > 0)
		buf_addf(&path, "?wait=%" PRId64 "ms", MAX(wait_us / US_PER_MS, INT64_C(1)));
	int rc = buf_failed(&path)
			 ? err_set(err, ERR_CORRUPT, "the deploy's id is absurdly long")
			 : api_call(v->c->api, "GET", path.p, NULL, NULL, wait_us + ANSWER_US, &answer, err);
	if (rc == 0)
		rc = deploy_read(answer, &seen, err);
	buf_fini(&path);
	if (rc < 0) {
		json_decref(answer);
		return rc;
	}
	json_decref(v->last);
	v->last = answer;
	v->seen = seen;
	return 0;
}

static json_t *curve_get(struct verify *v)
{
	struct buf path;
	json_t *answer = NULL;
	struct err err;
	buf_init(&path, 8192);
	buf_addf(&path, "/api/v1/deploys");
	path_add_segment(&path, str_of(v->id));
	buf_addf(&path, "/propagation");
	if (buf_failed(&path) || api_get(v->c->api, path.p, &answer, &err) < 0)
		answer = NULL; /* a picture less; the verdict does not hang on it */
	buf_fini(&path);
	return answer;
}

/* -- the loop -- */

static void forget(struct verify *v)
{
	free(v->id);
	v->id = NULL;
	json_decref(v->last);
	v->last = NULL;
	v->seen = (struct deploy_seen){ 0 };
	v->recheck = v->decided_before = false;
}

/* A failed or inconclusive verdict that was there before us stays; then we look at the cells. */
static void settle_recheck(struct verify *v)
{
	if (v->decided_before)
		return;
	v->decided_before = true;
	v->recheck = str_is(v->seen.verdict, "failed") || str_is(v->seen.verdict, "inconclusive");
}

/* Superseded by a later deploy of the same version: that one is meant. */
static bool newer_of_same(struct verify *v)
{
	char *id = NULL;
	struct err err;
	if (find_deploy(v, &id, &err) < 0 || id == NULL || strcmp(id, v->id) == 0) {
		free(id);
		return false;
	}
	forget(v);
	v->id = id;
	return true;
}

/* One look; *ret_step says what came of it. */
static int verify_step(struct verify *v, enum verify_step *ret_step, struct err *err)
{
	bool first = v->last == NULL;
	int64_t wait_us = first || v->recheck ? 0 : MIN(POLL_US, left_us(v));
	*ret_step = VERIFY_WAIT;
	if (v->id == NULL) {
		int rc = find_deploy(v, &v->id, err);
		if (rc < 0)
			return rc;
	}
	if (v->id == NULL) {
		char what[128];
		snprintf(what, sizeof(what), "waiting for the deploy to be announced");
		view_waiting(&v->view, what, clock_boot_us());
		pause_us(MIN(POLL_US, left_us(v)));
		return 0;
	}
	int64_t asked_us = clock_boot_us();
	int rc = look(v, wait_us, err);
	if (rc == ERR_NOT_FOUND) { /* another journal, perhaps; look for it again */
		forget(v);
		pause_us(MIN(POLL_US, left_us(v)));
		return 0;
	}
	if (rc < 0)
		return rc;
	settle_recheck(v);
	*ret_step = verify_decide(&v->seen, v->recheck, v->o->require, left_us(v) == 0);
	if (*ret_step == VERIFY_SUPERSEDED && newer_of_same(v)) {
		*ret_step = VERIFY_WAIT;
		return 0;
	}
	if (*ret_step != VERIFY_WAIT)
		return 0;
	json_t *curve = v->view.term->tty && !v->view.silent ? curve_get(v) : NULL;
	view_progress(&v->view, &v->seen, json_object_get(curve, "points"), v->recheck, clock_boot_us());
	json_decref(curve);
	if (v->seen.is_final) /* the collector would answer at once */
		pause_us(MIN(POLL_US, left_us(v)));
	else if (wait_us > 0 &&
		 clock_boot_us() - asked_us < wait_us / 2) /* it, or a proxy, does not wait: we do */
		pause_us(MIN(POLL_US / 5, left_us(v)));
	return 0;
}

static int exit_of(enum verify_step how)
{
	static const int codes[] = { [VERIFY_WAIT] = EXIT_INCONCLUSIVE,
		[VERIFY_PASSED] = EXIT_OK,
		[VERIFY_FAILED] = EXIT_FAILED,
		[VERIFY_INCONCLUSIVE] = EXIT_INCONCLUSIVE,
		[VERIFY_SUPERSEDED] = EXIT_SUPERSEDED };
	return codes[how];
}

static void print_json(const struct verify *v, const char *result, int code)
{
	json_t *all = json_object();
	json_object_set_new(all, "service", json_string(v->service));
	json_object_set_new(all, "version", json_string(v->o->version));
	json_object_set_new(all, "result", json_string(result));
	json_object_set_new(all, "exit", json_integer(code));
	json_object_set_new(all, "recheck", json_boolean(v->recheck));
	if (v->last != NULL)
		json_object_set(all, "deploy", v->last);
	else
		json_object_set_new(all, "deploy", json_null());
	out_json(all);
	json_decref(all);
}

/* Told apart from a refusal, which is final: these may pass. */
static bool may_pass(int rc)
{
	return rc == ERR_NET || rc == ERR_BUSY;
}

static int verify_loop(struct verify *v)
{
	static const char *const results[] = { [VERIFY_WAIT] = "no_deploy",
		[VERIFY_PASSED] = "verified",
		[VERIFY_FAILED] = "failed",
		[VERIFY_INCONCLUSIVE] = "inconclusive",
		[VERIFY_SUPERSEDED] = "superseded" };
	enum verify_step step = VERIFY_WAIT;
	struct err err = { 0 };
	bool silent_now = false;
	for (;;) {
		bool last = left_us(v) == 0;
		int rc = verify_step(v, &step, &err);
		if (rc < 0 && !may_pass(rc)) {
			view_clear(&v->view);
			int code = ctl_fail(&err);
			return rc == ERR_CORRUPT ? EXIT_UNREACHABLE : code == EXIT_FAILED ? EXIT_USAGE : code;
		}
		silent_now = rc < 0;
		if (step != VERIFY_WAIT || last)
			break;
		if (silent_now) {
			view_waiting(&v->view, err.text, clock_boot_us());
			pause_us(MIN(RETRY_US, left_us(v)));
		}
	}
	if (silent_now) {
		view_clear(&v->view);
		return ctl_fail(&err);
	}
	int code = exit_of(step);
	if (v->c->json)
		print_json(v, str_is(v->seen.verdict, "aborted") ? "aborted" : results[step], code);
	else if (v->last == NULL)
		view_no_deploy(&v->view, clock_boot_us());
	else
		view_end(&v->view, &v->seen, step, v->recheck, v->o->require, clock_boot_us());
	return code;
}

/* -- the command -- */

static const struct opt verify_opts[] = {
	{ "version", OPT_TEXT, offsetof(struct verify_options, version), "V",
		"the version that should be served" },
	{ "timeout", OPT_DURATION, offsetof(struct verify_options, timeout_us), "D",
		"how long to wait in all; default 15m" },
	{ "require", OPT_SHARE, offsetof(struct verify_options, require), "SHARE",
		"share of cells; default: what the service asks for" },
	{ .name = NULL },
};

static void verify_defaults(void *options)
{
	*(struct verify_options *)options =
		(struct verify_options){ .timeout_us = 15 * US_PER_MIN, .require = -1 };
}

static int verify_run(struct ctl *c, void *options, const struct texts *args)
{
	const struct verify_options *o = options;
	if (str_trim(str_of(o->version)).n == 0)
		return ctl_usage(
			"verify: --version V is missing: usage: tidemark verify %s", cmd_verify.usage);
	if (!str_is_utf8(str_of(o->version)) || !str_is_utf8(str_of(args->p[0])))
		return ctl_usage("verify: the command line is not UTF-8");
	json_t *service = NULL;
	int code = ctl_find_service(
		c, args->p[0], &service); /* a name nobody knows would be waited for in vain */
	if (code != EXIT_OK)              /* 1 would say that the deploy failed */
		return code == EXIT_FAILED ? EXIT_USAGE : code;
	int64_t now_us = clock_boot_us();
	struct verify v = {
		.c = c,
		.o = o,
		.service = args->p[0],
		.deadline_us = now_us + o->timeout_us,
		.view = { .term = &c->term,
			.silent = c->json,
			.service = args->p[0],
			.version = o->version,
			.endpoints = json_object_get(service, "endpoints"),
			.started_us = now_us,
			.timeout_us = o->timeout_us },
	};
	code = verify_loop(&v);
	forget(&v);
	json_decref(service);
	return code;
}

const struct command cmd_verify = {
	.name = "verify",
	.usage = "SERVICE --version V [--timeout 15m] [--require 100%]",
	.says = "wait until a version is served everywhere; the exit code tells",
	.opts = verify_opts,
	.size = sizeof(struct verify_options),
	.min_args = 1,
	.max_args = 1,
	.run = verify_run,
	.defaults = verify_defaults,
	.more = "exit codes: 0 verified; 1 failed: a wrong version is served; 2 usage;\n"
		"3 inconclusive: data or time is missing, or no such deploy was announced in time;\n"
		"4 superseded or aborted; 5 collector out of reach.\n"
		"After a verdict of failed or inconclusive, verify waits for the cells to be right\n"
		"now: run it again after a purge.\n",
};

/* cmd_events.c - tidemark deploy, tidemark purge: what happened, told to the collector. */
#include <stdio.h>

#include "base/clock.h"
#include "base/printable.h"
#include "base/units.h"
#include "collector/ctl/ctl.h"

#define TELL_US (30 * US_PER_S)

static void set_text(json_t *body, const char *name, const char *value)
{
	if (value != NULL)
		json_object_set_new(body, name, json_string(value));
}

static void set_time(json_t *body, const char *name, int64_t at_us)
{
	char text[TIME_TEXT_MAX];
	json_object_set_new(body, name, json_string(time_format(at_us, text)));
}

static void set_opt_time(json_t *body, const char *name, const struct opt_time *t)
{
	if (t->given)
		set_time(body, name, t->now ? clock_wall_us() : t->at_us);
}

static void set_texts(json_t *body, const char *name, const char *const *p, size_t n)
{
	if (n == 0)
		return;
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(p[i]));
	json_object_set_new(body, name, list);
}

/* jansson keeps no string that is not UTF-8; saying so beats a key that is silently gone. */
static bool all_utf8(const char *const *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != NULL && !str_is_utf8(str_of(p[i])))
			return false;
	return true;
}

/* Whatever the shape of the answer: on stderr, where also a script's log has it. */
static void warnings_show(const json_t *answer)
{
	const json_t *w;
	size_t i;
	json_array_foreach(json_object_get(answer, "warnings"), i, w)
	{
		struct buf b;
		buf_init(&b, 8192);
		if (json_is_string(w))
			buf_add_printable(&b, (struct str){ json_string_value(w), json_string_length(w) });
		if (b.n > 0)
			fprintf(stderr, "tidemark: warning: %s\n", b.p);
		buf_fini(&b);
	}
}

/* Tells it, and prints what was made of it. */
static int tell(struct ctl *c, const char *method, const char *path, json_t *body,
	void (*show)(const struct ctl *c, const json_t *answer))
{
	char key[40];
	json_t *answer = NULL;
	struct err err;
	key_new(key);
	int rc = api_call(c->api, method, path, body, key, TELL_US, &answer, &err);
	if (rc == 0 && !json_is_object(answer))
		rc = err_set(&err, ERR_CORRUPT, "the answer is no object: is it a tidemark collector?");
	if (rc == 0)
		warnings_show(answer);
	if (rc == 0 && c->json)
		out_json(answer);
	else if (rc == 0)
		show(c, answer);
	json_decref(answer);
	return rc < 0 ? ctl_fail(&err) : EXIT_OK;
}

/* -- deploy -- */

struct deploy_options {
	const char *version, *source, *revision, *abort_id, *live_id;
	struct opt_time live_at, started_at;
	struct texts aliases;
};

static const struct opt deploy_opts[] = {
	{ "version", OPT_TEXT, offsetof(struct deploy_options, version), "V", "what the endpoints will say" },
	{ "live-at", OPT_TIME, offsetof(struct deploy_options, live_at), "T|now",
		"since when all of the origin serves it" },
	{ "started-at", OPT_TIME, offsetof(struct deploy_options, started_at), "T",
		"when the rollout began; default: now" },
	{ "alias", OPT_LIST, offsetof(struct deploy_options, aliases), "A",
		"another name of this version: a tag, a SHA" },
	{ "source", OPT_TEXT, offsetof(struct deploy_options, source), "S", "who deployed it" },
	{ "revision", OPT_TEXT, offsetof(struct deploy_options, revision), "R",
		"the commit it was built from" },
	{ "live", OPT_TEXT, offsetof(struct deploy_options, live_id), "ID",
		"this deploy is live now, or since --live-at" },
	{ "abort", OPT_TEXT, offsetof(struct deploy_options, abort_id), "ID",
		"this deploy was cancelled, or rolled back before it was live" },
	{ .name = NULL },
};

static void deploy_fini(void *options)
{
	texts_fini(&((struct deploy_options *)options)->aliases);
}

static void deploy_show(const struct ctl *c, const json_t *d)
{
	struct buf b;
	struct str live = json_text(d, "live_at");
	buf_init(&b, 8192);
	term_add(&c->term, &b, STYLE_BOLD, json_text(d, "service"));
	buf_addf(&b, " ");
	term_add(&c->term, &b, STYLE_BOLD, json_text(d, "version"));
	buf_addf(&b, " is ");
	term_add(&c->term, &b, verdict_style(json_text(d, "verdict")), json_text(d, "verdict"));
	if (live.n > 0) {
		buf_addf(&b, ", live since ");
		buf_add_printable(&b, live);
	}
	buf_addf(&b, "\nid ");
	buf_add_printable(&b, json_text(d, "id"));
	buf_addf(&b, "\n");
	if (live.n == 0 && str_is(json_text(d, "verdict"), "pending")) {
		buf_addf(&b, "say when the origin serves it: tidemark deploy --live ");
		buf_add_printable(&b, json_text(d, "id"));
		buf_addf(&b, "\n");
	} else if (!str_is(json_text(d, "verdict"), "aborted")) {
		buf_addf(&b, "follow it: tidemark verify ");
		buf_add_printable(&b, json_text(d, "service"));
		buf_addf(&b, " --version ");
		buf_add_printable(&b, json_text(d, "version"));
		buf_addf(&b, "\n");
	}
	out_flush(&b);
	buf_fini(&b);
}

static int deploy_patch(struct ctl *c, const struct deploy_options *o, const struct texts *args)
{
	if (args->n > 0 || o->version != NULL || o->source != NULL || o->revision != NULL ||
		o->aliases.n > 0 || o->started_at.given)
		return ctl_usage("deploy: --live and --abort name the deploy by its id; only --live-at may "
				 "stand beside them");
	if (o->live_id != NULL && o->abort_id != NULL)
		return ctl_usage("deploy: --live or --abort, not both");
	if (o->abort_id != NULL && o->live_at.given)
		return ctl_usage("deploy: a deploy that is aborted was never live: leave --live-at out");
	struct buf path;
	json_t *body = json_object();
	buf_init(&path, 4096);
	buf_addf(&path, "/api/v1/deploys");
	path_add_segment(&path, str_of(o->live_id ? o->live_id : o->abort_id));
	if (o->abort_id != NULL)
		json_object_set_new(body, "aborted", json_true());
	else
		set_time(body, "live_at",
			o->live_at.given && !o->live_at.now ? o->live_at.at_us : clock_wall_us());
	int code = buf_failed(&path) ? ctl_usage("deploy: the id is too long")
				     : tell(c, "PATCH", path.p, body, deploy_show);
	json_decref(body);
	buf_fini(&path);
	return code;
}

static int deploy_run(struct ctl *c, void *options, const struct texts *args)
{
	const struct deploy_options *o = options;
	if (o->live_id != NULL || o->abort_id != NULL)
		return deploy_patch(c, o, args);
	if (args->n == 0 || o->version == NULL)
		return ctl_usage("deploy: %s is missing: usage: tidemark deploy %s",
			args->n == 0 ? "SERVICE" : "--version V", cmd_deploy.usage);
	const char *const all[] = { args->p[0], o->version, o->source, o->revision };
	if (!all_utf8(all, ARRAY_LEN(all)) || !all_utf8(o->aliases.p, o->aliases.n))
		return ctl_usage("deploy: the command line is not UTF-8");
	json_t *body = json_object();
	set_text(body, "service", args->p[0]);
	set_text(body, "version", o->version);
	set_text(body, "source", o->source);
	set_text(body, "revision", o->revision);
	set_texts(body, "aliases", o->aliases.p, o->aliases.n);
	set_opt_time(body, "started_at", &o->started_at);
	set_opt_time(body, "live_at", &o->live_at);
	int code = tell(c, "POST", "/api/v1/deploys", body, deploy_show);
	json_decref(body);
	return code;
}

const struct command cmd_deploy = {
	.name = "deploy",
	.usage = "SERVICE --version V [OPTIONS] | --live ID [--live-at T] | --abort ID",
	.says = "tell the collector of a deploy",
	.opts = deploy_opts,
	.size = sizeof(struct deploy_options),
	.max_args = 1,
	.run = deploy_run,
	.fini = deploy_fini,
	.more = "Without --live-at the deploy is pending until --live, or until the origin is seen to serve "
		"it.\n",
};

/* -- purge -- */

struct purge_options {
	const char *vendor, *zone, *source;
	struct texts tags;
	bool soft, everything, completed;
};

static const struct opt purge_opts[] = {
	{ "vendor", OPT_TEXT, offsetof(struct purge_options, vendor), "V",
		"whose caches: cloudfront, fastly, self, ..." },
	{ "zone", OPT_TEXT, offsetof(struct purge_options, zone), "Z",
		"zone, distribution or service there" },
	{ "tag", OPT_LIST, offsetof(struct purge_options, tags), "T",
		"a tag or surrogate key instead of a pattern" },
	{ "soft", OPT_FLAG, offsetof(struct purge_options, soft), NULL,
		"copies were marked stale, not dropped" },
	{ "everything", OPT_FLAG, offsetof(struct purge_options, everything), NULL,
		"all of the zone was dropped" },
	{ "completed", OPT_FLAG, offsetof(struct purge_options, completed), NULL, "it is done already" },
	{ "source", OPT_TEXT, offsetof(struct purge_options, source), "S", "who purged" },
	{ .name = NULL },
};

static void purge_fini(void *options)
{
	texts_fini(&((struct purge_options *)options)->tags);
}

static void purge_show(const struct ctl *c, const json_t *p)
{
	struct buf b;
	buf_init(&b, 8192);
	buf_addf(&b, "purge of ");
	term_add(&c->term, &b, STYLE_BOLD, json_text(p, "service"));
	buf_addf(&b, " at ");
	buf_add_printable(&b, json_text(p, "vendor"));
	buf_addf(&b, " is noted%s\nid ", json_text(p, "completed_at").n ? ", completed" : "");
	buf_add_printable(&b, json_text(p, "id"));
	buf_addf(&b, "\n");
	out_flush(&b);
	buf_fini(&b);
}

static int purge_run(struct ctl *c, void *options, const struct texts *args)
{
	const struct purge_options *o = options;
	if (o->vendor == NULL)
		return ctl_usage("purge: --vendor V is missing: usage: tidemark purge %s", cmd_purge.usage);
	if (args->n == 1 && o->tags.n == 0 && !o->everything)
		return ctl_usage("purge: what was purged? Give patterns, --tag or --everything");
	const char *const all[] = { o->vendor, o->zone, o->source };
	if (!all_utf8(all, ARRAY_LEN(all)) || !all_utf8(args->p, args->n) || !all_utf8(o->tags.p, o->tags.n))
		return ctl_usage("purge: the command line is not UTF-8");
	json_t *body = json_object();
	set_text(body, "service", args->p[0]);
	set_text(body, "vendor", o->vendor);
	set_text(body, "zone", o->zone);
	set_text(body, "source", o->source);
	set_texts(body, "patterns", args->p + 1, args->n - 1);
	set_texts(body, "tags", o->tags.p, o->tags.n);
	if (o->soft)
		json_object_set_new(body, "soft", json_true());
	if (o->everything)
		json_object_set_new(body, "everything", json_true());
	if (o->completed) { /* one clock for both, or a slow client's purge would end before it began */
		int64_t now_us = clock_wall_us();
		set_time(body, "requested_at", now_us);
		set_time(body, "completed_at", now_us);
	}
	int code = tell(c, "POST", "/api/v1/purges", body, purge_show);
	json_decref(body);
	return code;
}

const struct command cmd_purge = {
	.name = "purge",
	.usage = "SERVICE --vendor V [--zone Z] PATTERN... [OPTIONS]",
	.says = "tell the collector of a purge",
	.opts = purge_opts,
	.size = sizeof(struct purge_options),
	.min_args = 1,
	.max_args = 2000,
	.run = purge_run,
	.fini = purge_fini,
	.more = "This purges nothing: it notes what somebody purged, so that what is still stale can be "
		"explained.\n",
};

/* api_write.c - what changes something: deploys, purges, events of inner layers, agents. Runs in the
 * journal's workers, because an answer is only given when the entry is on disk and folded. */
#include <jansson.h>

#include "base/clock.h"
#include "base/name.h"
#include "collector/http/handlers.h"
#include "collector/http/json_text.h"
#include "collector/http/known.h"
#include "collector/http/purge_note.h"

/* Crockford's alphabet, lower case: sorts as the number does, and nobody reads l for 1. 48 bits of
 * milliseconds, 32 of chance. */
static void id_new(const char *prefix, int64_t now_us, char text[ID_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t high = (uint64_t)(now_us / US_PER_MS) << 16 | (random_u64() & 0xffff), low = random_u64();
	size_t n = strlen(prefix);
	memcpy(text, prefix, n);
	/* 80 bits, five at a time: 60 of them in high's upper part, the rest from its end and low */
	for (int i = 0; i < 12; i++)
		text[n + (size_t)i] = digits[high >> (59 - 5 * i) & 31];
	for (int i = 12; i < 16; i++)
		text[n + (size_t)i] = digits[low >> (5 * (i - 12)) & 31];
	text[n + 16] = '\0';
}

/* The body as an object; answers 400 with the place of a syntax error. */
static json_t *read_object(struct request *r)
{
	json_error_t e = { 0 };
	json_t *root = json_loadb(r->body.p ? r->body.p : "", r->body.n, JSON_REJECT_DUPLICATES, &e);
	if (root == NULL) {
		answer_problem(r, 400, "syntax", "the body is not JSON: line %d, column %d: %s", e.line,
			e.column,
			json_error_code(&e) == json_error_null_character ? "\\u0000 is not allowed in text"
									 : e.text);
		return NULL;
	}
	if (!json_is_object(root)) {
		answer_problem(r, 400, "syntax", "the body is JSON, but not an object");
		json_decref(root);
		return NULL;
	}
	return root;
}

/* An address that does not exist is 404; a body that names what does not exist is 422. */
static void answer_refusal(struct request *r, struct err *err, bool named_by_body)
{
	if (named_by_body && err->code == ERR_NOT_FOUND)
		answer_problem(r, 422, "not_found", "%s", err->text);
	else
		answer_err(r, err);
}

enum submit_flags {
	NAMED_BY_BODY = 1, /* what is not found is a mistake in the body, not in the address */
	MAYBE_MADE = 2,    /* that it exists already is success */
};

/* Checked already that it is an entry. */
static bool names_are_known(struct request *r, enum entry_kind kind, struct str service)
{
	if (!body_service_known(r, service))
		return false;
	if (kind != ENTRY_PURGE)
		return true;
	json_t *body = read_object(r);
	bool known = body != NULL && body_vendor_known(r, service, json_text_of(body, "vendor")) &&
		     purge_patterns_fine(r, body);
	json_decref(body);
	return known;
}

/* Body to entry to journal. False: r is answered. */
static bool submit(struct request *r, struct worker *w, enum entry_kind kind, struct str service,
	struct str id, unsigned flags)
{
	struct buf entry;
	struct err err;
	buf_init(&entry, 2 * REQUEST_BODY_MAX);
	int rc = entry_from_body(w->reader, kind, buf_str(&r->body), id, clock_wall_us(), &entry, &err);
	if (rc < 0) {
		/* the JSON itself was fine: what is wrong is what it says */
		answer_problem(r, 422, rc == ERR_TOO_BIG ? "too_big" : "invalid", "%s", err.text);
	} else if ((flags & NAMED_BY_BODY) && !names_are_known(r, kind, service)) {
		rc = ERR_NOT_FOUND;
	} else {
		rc = hub_submit(
			r->http->hub, kind, service, buf_str(&entry), r->http->limits.submit_us, &err);
		if (rc == ERR_EXISTS && (flags & MAYBE_MADE))
			rc = 0;
		if (rc < 0)
			answer_refusal(r, &err, flags & NAMED_BY_BODY);
	}
	buf_fini(&entry);
	return rc == 0;
}

static void answer_deploy(struct request *r, struct str id, int status)
{
	struct err err;
	int rc = view_deploy(hub_read(r->http->hub), id, &r->out, &err);
	hub_read_done(r->http->hub);
	if (rc < 0)
		answer_err(r, &err);
	else
		answer_json(r, status);
}

static void answer_purge(struct request *r, struct str id, int status)
{
	struct err err;
	if (purge_find(r->http, id, &r->out, &err))
		answer_json(r, status);
	else
		answer_err(r, &err);
}

/* POST of a deploy or a purge: the same but for the words. */
static void create(struct request *r, struct worker *w, enum entry_kind kind, const char *prefix,
	const char *path, void (*answer)(struct request *r, struct str id, int status))
{
	char id[ID_TEXT_MAX];
	json_t *body = read_object(r);
	if (body == NULL)
		return;
	id_new(prefix, clock_wall_us(), id);
	enum idem begun = idem_begin(r->http->idem, r, clock_boot_us(), id);
	if (begun == IDEM_NEW || begun == IDEM_AGAIN) {
		unsigned flags = NAMED_BY_BODY | (begun == IDEM_AGAIN ? MAYBE_MADE : 0);
		if (submit(r, w, kind, json_text_of(body, "service"), str_of(id), flags)) {
			request_add_header(r, "Location", "%s/%s", path, id);
			answer(r, str_of(id), 201);
			if (kind == ENTRY_PURGE && r->status == 201)
				purge_add_warnings(r, body);
		}
		idem_end(r->http->idem, r);
	}
	json_decref(body);
}

void handle_deploy_post(struct request *r, struct worker *w)
{
	create(r, w, ENTRY_DEPLOY, "d_", "/api/v1/deploys", answer_deploy);
}

void handle_purge_post(struct request *r, struct worker *w)
{
	create(r, w, ENTRY_PURGE, "p_", "/api/v1/purges", answer_purge);
}

/* Aborting changes nothing any more: said, instead of nodded at. What is aborted already stays so, that a
 * lost answer can be asked for again. */
static bool is_decided(struct request *r, struct str id)
{
	enum verdict v = VERDICT_PENDING;
	int rc = view_verdict(hub_read(r->http->hub), id, &v, NULL);
	hub_read_done(r->http->hub);
	if (rc < 0 || !verdict_is_final(v) || v == VERDICT_ABORTED)
		return false;
	answer_problem(r, 409, "decided",
		"/aborted: deploy '%.*s' is %s: only one that is pending or converging can be aborted; to go "
		"back, deploy the old version again",
		STR_ARG(str_first(id, 64)), verdict_name(v));
	return true;
}

void handle_deploy_patch(struct request *r, struct worker *w)
{
	struct str id = request_param(r, "id");
	struct buf service;
	struct err err;
	json_t *body = read_object(r);
	if (body == NULL)
		return;
	buf_init(&service, 2 * OBS_NAME_MAX);
	if (!deploy_service(r->http, id, &service, &err))
		answer_err(r, &err);
	else if (json_is_true(json_object_get(body, "aborted")) && is_decided(r, id))
		; /* it answered */
	else if (submit(r, w, ENTRY_DEPLOY_PATCH, buf_str(&service), id, 0))
		answer_deploy(r, id, 200);
	buf_fini(&service);
	json_decref(body);
}

void handle_purge_patch(struct request *r, struct worker *w)
{
	struct str id = request_param(r, "id");
	struct buf purge;
	struct err err;
	json_t *body = read_object(r), *found = NULL;
	if (body == NULL)
		return;
	buf_init(&purge, 2 * REQUEST_BODY_MAX);
	if (!purge_find(r->http, id, &purge, &err)) {
		answer_err(r, &err);
	} else {
		found = json_loadb(purge.p, purge.n, 0, NULL);
		if (submit(r, w, ENTRY_PURGE_PATCH, json_text_of(found, "service"), id, 0))
			answer_purge(r, id, 200);
	}
	json_decref(found);
	buf_fini(&purge);
	json_decref(body);
}

void handle_event_post(struct request *r, struct worker *w)
{
	json_t *body = read_object(r);
	enum entry_kind kind;
	if (body == NULL)
		return;
	struct str type = json_text_of(body, "type");
	if (!entry_kind_from(type, &kind) ||
		(kind != ENTRY_MESH && kind != ENTRY_ROLLOUT && kind != ENTRY_PODS)) {
		answer_problem(r, 422, "invalid", "/type: want mesh, rollout or pods, got '%.*s'",
			STR_ARG(str_first(type, 64)));
	} else if (submit(r, w, kind, json_text_of(body, "service"), STR_NONE, NAMED_BY_BODY)) {
		buf_clear(&r->out);
		buf_addf(&r->out, "{\"accepted\":1}\n");
		answer_json(r, 200);
	}
	json_decref(body);
}

static bool check_agent(struct request *r, json_t *body)
{
	const char *key;
	json_t *value;
	json_object_foreach(body, key, value)
	{
		bool is_region = strcmp(key, "region") == 0;
		if (!is_region && strcmp(key, "name") != 0) {
			answer_problem(
				r, 422, "invalid", "/%s: unknown; an agent has a name and a region", key);
			return false;
		}
		if (!json_is_string(value) || !name_is_fine(json_text_of(body, key))) {
			answer_problem(r, 422, "invalid", "/%s: want " NAME_RULE, key);
			return false;
		}
	}
	if (!json_object_get(body, "name")) {
		answer_problem(r, 422, "invalid", "/name: is missing");
		return false;
	}
	return true;
}

static void answer_token(struct request *r, struct str name, struct str region, const char *token, int status)
{
	buf_clear(&r->out);
	buf_addf(&r->out, "{\"name\":");
	buf_add_json(&r->out, name);
	if (region.n) {
		buf_add_key(&r->out, "region");
		buf_add_json(&r->out, region);
	}
	buf_addf(&r->out, ",\"token\":\"%s\"}\n", token);
	answer_json(r, status);
}

void handle_agent_post(struct request *r, struct worker *w)
{
	char token[TOKEN_TEXT_MAX];
	struct err err;
	json_t *body = read_object(r);
	(void)w;
	if (body == NULL)
		return;
	struct str name = json_text_of(body, "name"), region = json_text_of(body, "region");
	if (check_agent(r, body)) {
		if (hub_agent_enroll(r->http->hub, name, region, token, &err) < 0) {
			answer_err(r, &err);
		} else {
			request_add_header(r, "Location", "/api/v1/agents/%.*s", STR_ARG(name));
			answer_token(r, name, region, token, 201);
		}
	}
	explicit_bzero(token, sizeof(token));
	json_decref(body);
}

void handle_agent_rotate(struct request *r, struct worker *w)
{
	char token[TOKEN_TEXT_MAX];
	struct str name = request_param(r, "name");
	struct err err;
	(void)w;
	if (hub_agent_rotate(r->http->hub, name, token, &err) < 0)
		answer_err(r, &err);
	else
		answer_token(r, name, STR_NONE, token, 200);
	explicit_bzero(token, sizeof(token));
}

void handle_agent_delete(struct request *r, struct worker *w)
{
	struct err err;
	(void)w;
	if (hub_agent_revoke(r->http->hub, request_param(r, "name"), &err) < 0)
		answer_err(r, &err);
	else
		r->status = 204;
}

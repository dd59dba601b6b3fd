/* entry_body.c - what the API is told, checked and completed into what the journal holds. */
#include "collector/entry_impl.h"

static int dump(const char *p, size_t n, void *out)
{
	buf_add(out, p, n);
	return 0;
}

static bool has_id(enum entry_kind kind)
{
	return kind == ENTRY_DEPLOY || kind == ENTRY_DEPLOY_PATCH || kind == ENTRY_PURGE ||
	       kind == ENTRY_PURGE_PATCH;
}

static int take_type_and_id(struct entry_reader *r, enum entry_kind kind, struct str id, struct err *err)
{
	int rc = 0;
	struct fields f = { .r = r, .object = r->root, .err = err, .rc = &rc };
	struct str type = STR_NONE, own = STR_NONE;
	field_str(&f, "type", OBS_NAME_MAX, &type);
	if (type.n && !str_is(type, entry_kind_name(kind)))
		field_fail(&f, "type", ERR_NONSENSE, "want \"%s\", got \"%.*s\"", entry_kind_name(kind),
			(int)MIN(type.n, 40), type.p);
	if (!has_id(kind))
		return rc;
	field_str(&f, "id", OBS_NAME_MAX, &own);
	if (own.n && id.n && !str_eq(own, id))
		field_fail(&f, "id", ERR_NONSENSE, "is not the one in the address, '%.*s'", STR_ARG(id));
	if (rc == 0 && own.n == 0 && id.n > 0)
		json_object_set_new(r->root, "id", json_stringn(id.p, id.n));
	if (rc == 0)
		field_required(&f, "id");
	return rc;
}

/* What others' clocks call the future is now, as far as clocks differ; the entry says where that was done.
 * What lies further ahead is a plan, and nobody here keeps those. */
static int take_times(struct entry_reader *r, int64_t now_us, int64_t *ret_at_us, struct err *err)
{
	static const char *const names[] = { "at", "started_at", "live_at", "requested_at", "completed_at" };
	int rc = 0;
	struct fields f = { .r = r, .object = r->root, .err = err, .rc = &rc };
	json_t *clamped = json_array();
	*ret_at_us = now_us;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int64_t at_us = TIME_NONE;
		field_time(&f, names[i], &at_us);
		if (at_us != TIME_NONE && at_us > now_us + ENTRY_CLOCKS_DIFFER_US) {
			const char *when = strcmp(names[i], "live_at") == 0 ? "the origin serves the version"
									    : "it has happened";
			field_fail(&f, names[i], ERR_NONSENSE,
				"is %" PRId64 " s in the future; leave it out and send it when %s",
				(at_us - now_us) / US_PER_S, when);
		} else if (at_us != TIME_NONE && at_us > now_us) {
			json_object_set_new(r->root, names[i], json_integer(now_us));
			json_array_append_new(clamped, json_string(names[i]));
		}
		if (i == 0 && at_us != TIME_NONE)
			*ret_at_us = MIN(at_us, now_us);
	}
	if (rc == 0 && json_array_size(clamped) > 0)
		json_object_set(r->root, "clamped", clamped);
	json_decref(clamped);
	return rc;
}

int entry_from_body(struct entry_reader *r, enum entry_kind kind, struct str body, struct str id,
	int64_t now_us, struct buf *out_json, struct err *err)
{
	struct event ev = { .received_at_us = now_us };
	int rc = entry_parse(r, body, err);
	if (rc == 0)
		rc = take_type_and_id(r, kind, id, err);
	if (rc < 0)
		return rc;
	/* Before "clamped" is there, which is ours and not theirs to say. */
	ev.at_us = now_us;
	rc = entry_read_event(r, kind, true, &ev, err);
	if (rc == 0)
		rc = take_times(r, now_us, &ev.at_us, err);
	if (rc < 0)
		return rc;
	json_t *entry = json_object();
	json_object_set_new(entry, "type", json_string(entry_kind_name(kind)));
	if (has_id(kind))
		json_object_set(entry, "id", json_object_get(r->root, "id"));
	json_object_set_new(entry, "at", json_integer(ev.at_us));
	json_object_update_missing(entry, r->root);
	json_dump_callback(entry, dump, out_json, JSON_COMPACT);
	json_decref(entry);
	return buf_failed(out_json)
		       ? err_set(err, ERR_TOO_BIG, "the entry does not fit %zu bytes", out_json->cap)
		       : 0;
}

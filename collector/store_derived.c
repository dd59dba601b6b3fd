/* store_derived.c - what is derived from the journal: transitions with their evidence, verdicts. Evidence is
 * kept twice: the newest block of each cell, version and status, as long as batches are, because a cell may
 * change its state without a new answer (a deploy went live); and a copy with each transition, which a
 * trigger deletes with it. */
#include "collector/store_impl.h"

int store_put_transition(struct store *st, const struct transition *t, struct err *err)
{
	int64_t service_id = 0, endpoint_id = 0, edge_id = 0;
	int rc = store_need_group(st, err);
	if (rc == 0)
		rc = store_name_id(st, t->service, &service_id, err);
	if (rc == 0)
		rc = store_name_id(st, t->endpoint, &endpoint_id, err);
	if (rc == 0)
		rc = store_name_id(st, t->edge, &edge_id, err);
	sqlite3_stmt *s = NULL;
	if (rc == 0)
		rc = store_stmt(st, STMT_TRANSITION, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, t->key.position);
	sqlite3_bind_int64(s, 2, t->key.seq);
	sqlite3_bind_int64(s, 3, t->at_us);
	sqlite3_bind_int(s, 4, t->late);
	sqlite3_bind_int64(s, 5, service_id);
	sqlite3_bind_int64(s, 6, endpoint_id);
	sqlite3_bind_int64(s, 7, edge_id);
	stmt_bind_str(s, 8, str_of(cell_state_name(t->from)));
	stmt_bind_str(s, 9, str_of(cell_state_name(t->to)));
	stmt_bind_str(s, 10, t->version);
	stmt_bind_str(s, 11, t->expected);
	rc = store_run(st, s, "keep a transition", err);
	if (rc == 0)
		rc = store_stmt(st, STMT_TRANSITION_EVIDENCE, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, t->key.position);
	sqlite3_bind_int64(s, 2, t->key.seq);
	sqlite3_bind_int64(s, 3, service_id);
	sqlite3_bind_int64(s, 4, endpoint_id);
	sqlite3_bind_int64(s, 5, edge_id);
	sqlite3_bind_int(s, 6, t->to == CELL_FAILING);
	stmt_bind_str(s, 7, t->version);
	return store_run(st, s, "keep a transition's evidence", err);
}

int store_put_verdict(struct store *st, const struct deploy_change *c, struct err *err)
{
	int64_t service_id = 0;
	int rc = store_need_group(st, err);
	if (rc == 0)
		rc = store_name_id(st, c->service, &service_id, err);
	sqlite3_stmt *s = NULL;
	if (rc == 0)
		rc = store_stmt(st, STMT_VERDICT, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, c->key.position);
	sqlite3_bind_int64(s, 2, c->key.seq);
	sqlite3_bind_int64(s, 3, c->at_us);
	stmt_bind_str(s, 4, c->id);
	sqlite3_bind_int64(s, 5, service_id);
	stmt_bind_str(s, 6, c->version);
	stmt_bind_str(s, 7, str_of(verdict_name(c->from)));
	stmt_bind_str(s, 8, str_of(verdict_name(c->to)));
	stmt_bind_str(s, 9, c->reason);
	return store_run(st, s, "keep a verdict", err);
}

/* -- evidence -- */

int store_put_evidence(struct store *st, const struct cell_evidence *ev, struct err *err)
{
	const struct str names[] = { ev->service, ev->endpoint, ev->edge, ev->agent };
	int64_t ids[ARRAY_LEN(names)] = { 0 };
	sqlite3_stmt *s = NULL;
	int rc = store_need_group(st, err);
	for (size_t i = 0; i < ARRAY_LEN(names) && rc == 0; i++)
		rc = store_name_id(st, names[i], &ids[i], err);
	if (rc == 0)
		rc = store_stmt(st, STMT_EVIDENCE_PUT, &s, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < 3; i++)
		sqlite3_bind_int64(s, i + 1, ids[i]);
	stmt_bind_str(s, 4, ev->version);
	sqlite3_bind_int(s, 5, ev->status);
	sqlite3_bind_int64(s, 6, ev->at_us);
	sqlite3_bind_int64(s, 7, ids[3]);
	stmt_bind_blob(s, 8, ev->block);
	return store_run(st, s, "keep evidence", err);
}

static int each_evidence(struct store *st, sqlite3_stmt *s,
	int (*each)(void *ctx, const struct cell_evidence *ev), void *ctx, struct cell_evidence ev,
	struct err *err)
{
	int code, rc = 0;
	while ((code = sqlite3_step(s)) == SQLITE_ROW && rc == 0) {
		ev.at_us = sqlite3_column_int64(s, 0);
		ev.agent = stmt_str(s, 1);
		ev.version = stmt_str(s, 2);
		ev.status = sqlite3_column_int(s, 3);
		ev.block = stmt_blob(s, 4);
		rc = each(ctx, &ev);
	}
	if (rc == 0 && code != SQLITE_DONE)
		return store_failed(st, "read evidence", err);
	sqlite3_reset(s);
	return rc;
}

int store_transition_evidence(struct store *st, const struct transition *t,
	int (*each)(void *ctx, const struct cell_evidence *ev), void *ctx, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_EVIDENCE_OF, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, t->key.position);
	sqlite3_bind_int64(s, 2, t->key.seq);
	return each_evidence(st, s, each, ctx,
		(struct cell_evidence){ .service = t->service, .endpoint = t->endpoint, .edge = t->edge },
		err);
}

int store_each_evidence(struct store *st, struct str service, struct str endpoint, struct str edge,
	size_t limit, int (*each)(void *ctx, const struct cell_evidence *ev), void *ctx, struct err *err)
{
	const struct str names[] = { service, endpoint, edge };
	int64_t ids[ARRAY_LEN(names)] = { 0 };
	sqlite3_stmt *s = NULL;
	bool none = false;
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(names) && rc == 0; i++)
		rc = store_find_name(st, names[i], &ids[i], &none, err);
	if (rc < 0 || none)
		return rc;
	rc = store_stmt(st, STMT_EVIDENCE, &s, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < 3; i++)
		sqlite3_bind_int64(s, i + 1, ids[i]);
	sqlite3_bind_int64(s, 4, (int64_t)MIN(limit, (size_t)INT32_MAX));
	return each_evidence(st, s, each, ctx,
		(struct cell_evidence){ .service = service, .endpoint = endpoint, .edge = edge }, err);
}

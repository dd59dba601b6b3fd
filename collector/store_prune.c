/* store_prune.c - retention: small steps of deletion by the writer, so that no group grows large for its
 * sake. What a fold from the older of the two snapshots needs is never touched; a batch's identity stays
 * behind as a range. */
#include "collector/store_impl.h"

#define STEP_ENTRIES 256
#define SWEEP_US     US_PER_H
#define FREE_PAGES_KEPT                                                                                      \
	1024 /* left for what comes next: giving them back only to take them again costs writes */

/* -- identities -- */

static int range_put(struct store *st, int64_t agent_id, int64_t epoch, int64_t first, int64_t last,
	int64_t received_us, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_RANGE_PUT, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, agent_id);
	sqlite3_bind_int64(s, 2, epoch);
	sqlite3_bind_int64(s, 3, first);
	sqlite3_bind_int64(s, 4, last);
	sqlite3_bind_int64(s, 5, received_us);
	return store_run(st, s, "keep a batch's identity", err);
}

static int range_delete(struct store *st, int64_t agent_id, int64_t epoch, int64_t first, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_RANGE_DELETE, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, agent_id);
	sqlite3_bind_int64(s, 2, epoch);
	sqlite3_bind_int64(s, 3, first);
	return store_run(st, s, "merge batches' identities", err);
}

/* One row of a range query at `number`; *ret_found false when there is none. Columns go to a and b. */
static int range_ask(struct store *st, enum stmt which, int64_t agent_id, int64_t epoch, int64_t number,
	bool *ret_found, int64_t *ret_a, int64_t *ret_b, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, which, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, agent_id);
	sqlite3_bind_int64(s, 2, epoch);
	sqlite3_bind_int64(s, 3, number);
	int code = sqlite3_step(s);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return store_failed(st, "read batches' identities", err);
	*ret_found = code == SQLITE_ROW;
	if (*ret_found) {
		*ret_a = sqlite3_column_int64(s, 0);
		if (ret_b)
			*ret_b = sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return 0;
}

/* Adds one number to the ranges of its agent and epoch, joining what has become neighbours. */
static int identity_keep(struct store *st, int64_t agent_id, int64_t epoch, int64_t number,
	int64_t received_us, struct err *err)
{
	bool has_left = false, has_right = false;
	int64_t first = number, last = number, left_first = 0, left_last = 0, right_last = 0;
	int rc = range_ask(
		st, STMT_RANGE_LEFT, agent_id, epoch, number, &has_left, &left_first, &left_last, err);
	if (rc == 0 && number < INT64_MAX)
		rc = range_ask(st, STMT_RANGE_RIGHT, agent_id, epoch, number + 1, &has_right, &right_last,
			NULL, err);
	if (rc < 0)
		return rc;
	if (has_left && left_last >= number - 1) {
		first = left_first;
		last = MAX(left_last, number);
	}
	if (has_right) {
		last = right_last;
		rc = range_delete(st, agent_id, epoch, number + 1, err);
	}
	return rc == 0 ? range_put(st, agent_id, epoch, first, last, received_us, err) : rc;
}

/* -- one step of each kind; *ret_more: there may be more -- */

struct victim {
	int64_t position, agent_id, epoch, number, received_us;
	int64_t kind, service_id;
};

static int entry_delete(struct store *st, int64_t position, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_DELETE_ENTRY, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, position);
	return store_run(st, s, "delete an entry", err);
}

/* Reads the next step's rows before anything is deleted below the open query. */
static int victims_read(struct store *st, enum stmt which, int64_t after, int64_t to,
	struct victim v[STEP_ENTRIES], size_t *ret_n, struct err *err)
{
	sqlite3_stmt *s = NULL;
	size_t n = 0;
	int code, rc = store_stmt(st, which, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, after);
	sqlite3_bind_int64(s, 2, to);
	sqlite3_bind_int(s, 3, STEP_ENTRIES);
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		INVARIANT(n < STEP_ENTRIES);
		v[n] = (struct victim){ .position = sqlite3_column_int64(s, 0) };
		if (which == STMT_PRUNE_BATCHES) {
			v[n].agent_id = sqlite3_column_int64(s, 1);
			v[n].epoch = sqlite3_column_int64(s, 2);
			v[n].number = sqlite3_column_int64(s, 3);
			v[n].received_us = sqlite3_column_int64(s, 4);
		} else {
			v[n].kind = sqlite3_column_int64(s, 1);
			v[n].service_id = sqlite3_column_int64(s, 2);
		}
		n++;
	}
	if (code != SQLITE_DONE)
		return store_failed(st, "find what is old", err);
	sqlite3_reset(s);
	*ret_n = n;
	return 0;
}

static int prune_batches(struct store *st, int64_t to, bool *ret_more, struct err *err)
{
	struct victim v[STEP_ENTRIES];
	size_t n = 0;
	int rc = victims_read(st, STMT_PRUNE_BATCHES, st->batches_swept_to, to, v, &n, err);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = identity_keep(st, v[i].agent_id, v[i].epoch, v[i].number, v[i].received_us, err);
		if (rc == 0)
			rc = entry_delete(st, v[i].position, err);
	}
	if (rc == 0)
		st->batches_swept_to = n == STEP_ENTRIES ? v[n - 1].position : MAX(st->batches_swept_to, to);
	*ret_more |= n == STEP_ENTRIES;
	return rc;
}

/* An export must still know what is being served: the newest configuration of each service and its last two
 * deploys stay. */
static int event_is_needed(struct store *st, const struct victim *v, bool *ret, struct err *err)
{
	sqlite3_stmt *s = NULL;
	bool service = v->kind == ENTRY_SERVICE,
	     deploy = v->kind == ENTRY_DEPLOY || v->kind == ENTRY_DEPLOY_PATCH;
	*ret = false;
	if (!service && !deploy)
		return 0;
	int rc = store_stmt(st, STMT_EVENT_NEEDED, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, v->service_id);
	sqlite3_bind_int64(s, 2, service ? ENTRY_SERVICE : ENTRY_DEPLOY);
	sqlite3_bind_int64(s, 3, v->position);
	if (sqlite3_step(s) != SQLITE_ROW)
		return store_failed(st, "find what is old", err);
	*ret = sqlite3_column_int64(s, 0) < (service ? 1 : 2);
	sqlite3_reset(s);
	return 0;
}

static int prune_events(struct store *st, int64_t to, bool *ret_more, struct err *err)
{
	struct victim v[STEP_ENTRIES];
	size_t n = 0;
	int rc = victims_read(st, STMT_PRUNE_EVENTS, st->events_swept_to, to, v, &n, err);
	for (size_t i = 0; i < n && rc == 0; i++) {
		bool needed = false;
		rc = event_is_needed(st, &v[i], &needed, err);
		if (rc == 0 && !needed)
			rc = entry_delete(st, v[i].position, err);
	}
	if (rc == 0) /* from the start again once through: what was needed may not be any more */
		st->events_swept_to = n == STEP_ENTRIES ? v[n - 1].position : 0;
	*ret_more |= n == STEP_ENTRIES;
	return rc;
}

/* By their own time: the entries they came from may be gone long since. */
static int prune_derived(
	struct store *st, enum stmt which, int64_t to, int64_t before_us, bool *ret_more, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, which, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, to);
	sqlite3_bind_int(s, 2, STEP_ENTRIES);
	sqlite3_bind_int64(s, 3, before_us);
	rc = store_run(st, s, "delete what is old", err);
	*ret_more |= rc == 0 && sqlite3_changes(st->db) == STEP_ENTRIES;
	return rc;
}

/* Each block is renewed every ten minutes while its cell answers so: what is old is said by nobody any more.
 */
static int prune_evidence(struct store *st, int64_t before_us, bool *ret_more, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_PRUNE_EVIDENCE, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, before_us);
	sqlite3_bind_int(s, 2, STEP_ENTRIES);
	rc = store_run(st, s, "delete old evidence", err);
	*ret_more |= rc == 0 && sqlite3_changes(st->db) == STEP_ENTRIES;
	return rc;
}

/* Walks all ranges, so only now and then. */
static int expire_identities(struct store *st, int64_t now_us, struct err *err)
{
	sqlite3_stmt *s = NULL;
	if (now_us < st->identities_swept_us + SWEEP_US)
		return 0;
	st->identities_swept_us = now_us;
	int rc = store_stmt(st, STMT_RANGE_EXPIRE, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, now_us - STORE_IDENTITY_KEPT_US);
	return store_run(st, s, "forget old batches' identities", err);
}

/* Gives free pages at the file's end back, a few at a time. */
static int give_pages_back(struct store *st, bool *ret_more, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_FREE_PAGES, &s, err);
	if (rc < 0)
		return rc;
	if (sqlite3_step(s) != SQLITE_ROW)
		return store_failed(st, "count free pages", err);
	int64_t n = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	if (n <= FREE_PAGES_KEPT)
		return 0;
	rc = store_stmt(st, STMT_VACUUM, &s, err);
	if (rc < 0)
		return rc;
	int code;
	while ((code = sqlite3_step(s)) == SQLITE_ROW)
		; /* a step a page */
	if (code != SQLITE_DONE)
		return store_failed(st, "give pages back", err);
	sqlite3_reset(s);
	*ret_more = true;
	return 0;
}

/* How far the older snapshot covers the journal; 0 while there are not two. */
static int covered_to(struct store *st, int64_t *ret, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = store_stmt(st, STMT_COVERED_TO, &s, err);
	if (rc < 0)
		return rc;
	sqlite3_bind_int(s, 1, STORE_SNAPSHOTS_KEPT - 1);
	int code = sqlite3_step(s);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return store_failed(st, "read a snapshot", err);
	*ret = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	return 0;
}

int store_prune(
	struct store *st, const struct store_retention *r, int64_t now_us, bool *ret_more, struct err *err)
{
	bool own = false, more = false;
	int64_t covered = 0, batches_to = 0, events_to = 0;
	int rc = store_join_group(st, &own, err);
	if (rc == 0)
		rc = covered_to(st, &covered, err);
	if (rc == 0)
		rc = store_position_before(st, now_us - r->observations_us, &batches_to, err);
	if (rc == 0)
		rc = store_position_before(st, now_us - r->events_us, &events_to, err);
	if (rc == 0)
		rc = prune_batches(st, MIN(batches_to, covered), &more, err);
	if (rc == 0)
		rc = prune_events(st, MIN(events_to, covered), &more, err);
	if (rc == 0)
		rc = prune_derived(
			st, STMT_PRUNE_TRANSITIONS, covered, now_us - r->transitions_us, &more, err);
	if (rc == 0)
		rc = prune_derived(st, STMT_PRUNE_VERDICTS, covered, now_us - r->transitions_us, &more, err);
	if (rc == 0)
		rc = prune_evidence(st, now_us - r->observations_us, &more, err);
	if (rc == 0)
		rc = expire_identities(st, now_us, err);
	if (rc == 0)
		rc = give_pages_back(st, &more, err);
	if (rc == 0 && own)
		rc = store_commit(st, err);
	if (rc == 0)
		*ret_more = more;
	return rc;
}

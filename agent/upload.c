#include <stdatomic.h>

#include "agent/uplink_impl.h"
#include "base/clock.h"

void uploads_cut(struct uplink *u)
{
	u->backlog = spool_end(u->shared->spool);
	u->live = u->backlog - 1;
	u->live_done = u->backlog_done = false;
	u->backlog_at_us = clock_boot_us(); /* no credit for the time before */
}

void uploads_forget(struct uplink *u)
{
	for (size_t i = 0; i < UPLOADS_AT_ONCE; i++) {
		u->uploads[i].active = false;
		exchange_cancel(u->uploads[i].ex);
	}
}

int64_t uploads_unanswered_since_us(const struct uplink *u)
{
	int64_t since_us = INT64_MAX;
	for (size_t i = 0; i < UPLOADS_AT_ONCE; i++)
		if (u->uploads[i].active && !exchange_is_free(u->uploads[i].ex))
			since_us = MIN(since_us, u->uploads[i].sent_boot_us);
	return since_us;
}

bool uploads_are_idle(const struct uplink *u)
{
	bool idle = u->live_done && u->backlog_done;
	for (size_t i = 0; i < UPLOADS_AT_ONCE; i++)
		idle = idle && !u->uploads[i].active;
	return idle;
}

static void start_upload(struct uplink *u, struct upload *up)
{
	struct spool_stats s;
	spool_stats(u->shared->spool, &s);
	struct wire_msg m = { .kind = WIRE_UPLOAD,
		.upload = {
			.epoch = up->b.epoch,
			.number = up->b.number,
			.raw_size = up->b.raw_size,
			.body = buf_str(&up->body),
			.boot_id = clock_boot_id(),
			.sent_boot_us = clock_boot_us(),
			.sent_wall_us = clock_wall_us(),
			.spool_batches = s.batches,
			.spool_bytes = s.bytes,
			.lost_results = s.lost_results,
			.lost_from_us = s.lost_from_us,
			.lost_to_us = s.lost_to_us,
			.held_back = atomic_load(&u->shared->held_back),
		} };
	int64_t offset_us, uncertainty_us;
	if (clockmap_get(&u->clock, m.upload.sent_boot_us, &offset_us, &uncertainty_us)) {
		m.upload.has_offset = true;
		m.upload.clock_offset_us = offset_us;
		m.upload.clock_uncertainty_us = (uint64_t)uncertainty_us;
	}
	up->sent_boot_us = m.upload.sent_boot_us;
	if (!send_message(u, up->ex, &m, uplink_timeouts.upload_us)) {
		spool_drop(u->shared->spool,
			up->b.position); /* no collector would ever take it; the log has said so */
		up->active = false;
		COUNT(u, refused);
		return;
	}
	COUNT(u, sent);
}

static void retry_upload(struct upload *up, int64_t wait_us)
{
	up->retry_at_us = clock_boot_us() + wait_us;
}

static void on_ack(struct uplink *u, struct upload *up, const struct wire_msg *m)
{
	if (m->ack.epoch != up->b.epoch || m->ack.number != up->b.number) {
		log_warn("ack_of_another", "number=%" PRIu64 " acknowledged=%" PRIu64 " sending it again",
			up->b.number, m->ack.number);
		retry_upload(up, BACKOFF_MIN_US);
		return;
	}
	if (m->ack.refused.n) {
		log_error("batch_refused",
			"epoch=%016" PRIx64 " number=%" PRIu64 " results=%" PRIu32 " why=\"%.*s\" given up",
			up->b.epoch, up->b.number, up->b.n_results, STR_ARG(m->ack.refused));
		COUNT(u, refused);
	}
	spool_drop(u->shared->spool, up->b.position);
	up->active = false;
	path_answered(u);
	COUNT(u, acknowledged);
}

static void on_upload_reply(
	struct uplink *u, struct upload *up, const struct wire_msg *m, int64_t received_us)
{
	heard(u, m, up->sent_boot_us, received_us);
	if (m->kind == WIRE_ACK) {
		on_ack(u, up, m);
	} else if (m->kind == WIRE_BUSY) {
		int64_t wait_us =
			MIN(MAX((int64_t)m->busy.retry_after_ms * US_PER_MS, BUSY_MIN_US), BUSY_MAX_US);
		COUNT(u, busy);
		u->uploads_at_us = received_us + wait_us; /* for all of them: the queue over there is full */
		retry_upload(up, jittered(wait_us));
	} else if (m->kind == WIRE_DENIED && denial_from(m->denied.reason) == DENIED_IDENTITY_CONFLICT) {
		/* Our bytes cannot get in under this number, ever. They stay, to be looked at, until the
		 * spool's bounds take and count them; everything else goes on. */
		log_error("identity_conflict",
			"epoch=%016" PRIx64 " number=%" PRIu64 " cure=\"%s\" kept in the spool", up->b.epoch,
			up->b.number, denial_text(DENIED_IDENTITY_CONFLICT));
		COUNT(u, denied);
		up->active = false;
	} else if (m->kind == WIRE_DENIED) {
		on_denied(u, m);
	} else {
		redial(u, "an answer of the wrong kind");
	}
}

static void finish_upload(struct uplink *u, struct upload *up)
{
	struct wire_msg m;
	struct str reply;
	struct err err;
	int64_t received_us;
	int code;
	if (!exchange_take(up->ex, &code, &reply, &received_us, &err))
		return;
	if (!up->active || u->state != UPLINK_UP)
		return; /* of a connection that is gone, or held */
	if (code == 0) {
		if (decode_reply(u, reply, &m)) {
			on_upload_reply(u, up, &m, received_us);
			wire_free(&m);
		}
	} else if (code == ERR_TIMEOUT) {
		COUNT(u, timeouts);
		if (received_us - u->heard_us >= uplink_timeouts.upload_us)
			redial(u, "silence");
		else
			retry_upload(up, jittered(BACKOFF_MIN_US));
	} else {
		retry_upload(up, jittered(BUSY_MIN_US));
	}
}

static bool is_under_way(const struct uplink *u, int64_t position)
{
	for (size_t i = 0; i < UPLOADS_AT_ONCE; i++)
		if (u->uploads[i].active && u->uploads[i].b.position == position)
			return true;
	return false;
}

static int next_live(struct uplink *u, struct upload *up, int64_t now_us, struct err *err)
{
	int rc = spool_next(u->shared->spool, SPOOL_NEWER, u->live, &up->b, &up->body, err);
	u->live_done = rc == ERR_NOT_FOUND;
	if (rc < 0)
		return rc;
	if (up->b.boot_id == clock_boot_id() && now_us - up->b.sealed_boot_us > LIVE_LAG_US) {
		uploads_cut(u); /* too slow for what comes in: the newest matters most */
		return err_set(err, ERR_NOT_FOUND, "now part of the backlog");
	}
	u->live = up->b.position;
	return 0;
}

static int next_backlog(struct uplink *u, struct upload *up, int64_t now_us, struct err *err)
{
	if (u->backlog_done || (now_us < u->backlog_at_us && !u->draining))
		return err_set(err, ERR_NOT_FOUND, "not now");
	int rc;
	do {
		rc = spool_next(u->shared->spool, SPOOL_OLDER, u->backlog, &up->b, &up->body, err);
		if (rc == 0)
			u->backlog = up->b.position;
	} while (rc == 0 && is_under_way(u, up->b.position));
	u->backlog_done = rc == ERR_NOT_FOUND;
	if (rc == 0)
		u->backlog_at_us = MAX(u->backlog_at_us, now_us - US_PER_S / 2) + US_PER_S / BACKLOG_PER_S;
	return rc;
}

/* Puts the next batch into a free slot. */
static bool fill_upload(struct uplink *u, struct upload *up, int64_t now_us)
{
	struct err err;
	int rc = next_live(u, up, now_us, &err);
	if (rc == ERR_NOT_FOUND)
		rc = next_backlog(u, up, now_us, &err);
	if (rc < 0 && rc != ERR_NOT_FOUND) {
		log_error("spool_unreadable", "err=\"%s\" trying again", err.text);
		u->uploads_at_us = now_us + US_PER_S;
	}
	up->active = rc == 0;
	up->retry_at_us = 0;
	return rc == 0;
}

void uploads_start(struct uplink *u, int64_t now_us)
{
	bool more = true; /* in the spool; slots that wait to be sent again do not depend on it */
	for (size_t i = 0; i < UPLOADS_AT_ONCE && u->state == UPLINK_UP && now_us >= u->uploads_at_us; i++) {
		struct upload *up = &u->uploads[i];
		if (!exchange_is_free(up->ex) || (up->active && now_us < up->retry_at_us))
			continue;
		if (!up->active && more)
			more = fill_upload(u, up, now_us);
		if (up->active)
			start_upload(u, up);
	}
}

void uploads_finish(struct uplink *u)
{
	for (size_t i = 0; i < UPLOADS_AT_ONCE; i++)
		finish_upload(u, &u->uploads[i]);
}

int64_t uploads_due_us(const struct uplink *u)
{
	int64_t due = INT64_MAX;
	bool room = false;
	for (size_t i = 0; i < UPLOADS_AT_ONCE; i++) {
		const struct upload *up = &u->uploads[i];
		if (!exchange_is_free(up->ex))
			continue;
		if (up->active)
			due = MIN(due, MAX(up->retry_at_us, u->uploads_at_us));
		else
			room = true;
	}
	if (room && !u->live_done)
		due = MIN(due, u->uploads_at_us);
	if (room && !u->backlog_done)
		due = MIN(due, MAX(u->draining ? 0 : u->backlog_at_us, u->uploads_at_us));
	return due;
}

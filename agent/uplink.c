#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/uplink_impl.h"
#include "base/clock.h"

#define DENIED_PATIENCE_US (5 * US_PER_S) /* told to wait longer, we give the connection back meanwhile */
#define DENIED_MIN_US      (100 * US_PER_MS)
#define DENIED_MAX_US      US_PER_H
#define WATCH_PAUSE_US                                                                                       \
	(20 * US_PER_MS)       /* between two Watches, should the collector have news all the time           \
				*/
#define DRAIN_DIAL_US US_PER_S /* so long a stopping agent waits for a connection */
#define DIAL_PAUSE_US (500 * US_PER_MS) /* jittered: those whom one network kept away do not all come at once */
#define NEW_FIRST_US  (2 * US_PER_S)  /* somebody who has just set an agent up is looking; a connection takes less */
#define LOST_FIRST_US (20 * US_PER_S) /* a look at what is wrong is a handshake for the collector: no thousand at once */
#define STUCK_US      (30 * US_PER_S)

struct uplink_timeouts uplink_timeouts = { HELLO_TIMEOUT_MS *US_PER_MS, UPLOAD_TIMEOUT_MS *US_PER_MS,
	WATCH_TIMEOUT_MS *US_PER_MS, LOST_FIRST_US };

void uplink_test_timeouts(int64_t hello_us, int64_t upload_us, int64_t watch_us)
{
	atomic_store(&uplink_timeouts.hello_us, hello_us);
	atomic_store(&uplink_timeouts.upload_us, upload_us);
	atomic_store(&uplink_timeouts.watch_us, watch_us);
}

void uplink_test_lost(int64_t lost_us)
{
	atomic_store(&uplink_timeouts.lost_us, lost_us);
}

/* ---- small things ---- */

int64_t jittered(int64_t us)
{
	return us / 2 + (int64_t)(random_u64() % (uint64_t)MAX(us, 1));
}

static void set_state(struct uplink *u, enum uplink_state state)
{
	bool lost = u->state == UPLINK_UP && state != UPLINK_UP;
	u->state = state;
	if (lost)
		down_begin(u, clock_boot_us(), jittered(atomic_load(&uplink_timeouts.lost_us)), true);
	pthread_mutex_lock(&u->lock);
	u->stats.state = state;
	if (state == UPLINK_UP) {
		u->stats.denial[0] = u->stats.down_reason[0] = '\0';
		u->stats.down_told = 0;
	}
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

bool send_message(struct uplink *u, struct exchange *ex, const struct wire_msg *m, int64_t timeout_us)
{
	struct err err;
	buf_clear(&u->out);
	if (wire_encode(m, &u->out, &err) < 0) {
		log_error("message_not_sent", "err=\"%s\"", err.text);
		return false;
	}
	exchange_start(ex, buf_str(&u->out), timeout_us);
	return true;
}

void heard(struct uplink *u, const struct wire_msg *m, int64_t sent_us, int64_t received_us)
{
	u->heard_us = received_us;
	if (m->clock.there && m->clock.sent_us >= m->clock.received_us)
		path_heard(u, MAX(received_us - sent_us - (m->clock.sent_us - m->clock.received_us), 0));
	if (m->clock.there)
		clockmap_add(&u->clock, sent_us, m->clock.received_us, m->clock.sent_us, received_us);
	pthread_mutex_lock(&u->lock);
	u->stats.clock_known = clockmap_get(
		&u->clock, received_us, &u->stats.clock_offset_us, &u->stats.clock_uncertainty_us);
	pthread_mutex_unlock(&u->lock);
}

/* ---- connection ---- */

static void forget_all(struct uplink *u)
{
	uploads_forget(u);
	exchange_cancel(u->control);
	path_reset(u);
}

static void hold(struct uplink *u, int64_t wait_us)
{
	net_hang_up(u->net);
	forget_all(u);
	u->held_until_us = clock_boot_us() + wait_us;
	set_state(u, UPLINK_HELD);
}

/* The other side is gone though nobody said so: a dead NAT entry, a hung collector. */
void redial(struct uplink *u, const char *why)
{
	int64_t wait_us = jittered(u->backoff_us);
	log_warn("uplink_lost", "collector=%s why=\"%s\" dialing again, wait_ms=%" PRId64,
		u->shared->conf->collector, why, wait_us / US_PER_MS);
	u->backoff_us = MIN(u->backoff_us * 2, u->shared->conf->reconnect_max_us);
	hold(u, wait_us);
}

static void dial(struct uplink *u)
{
	struct err err;
	u->turned_away = false;
	down_tell_dialing(u);
	if (net_dial(u->net, &err) < 0) {
		log_error("dial_failed", "err=\"%s\" trying again", err.text);
		hold(u, jittered(u->shared->conf->reconnect_max_us));
		return;
	}
	u->dialed_us = clock_boot_us();
	set_state(u, UPLINK_DOWN);
}

/* nng dials on by itself after a failure. Should it ever not, a new dialer does. */
static int64_t dial_over_us(const struct uplink *u)
{
	return u->dialed_us + 2 * u->shared->conf->reconnect_max_us + STUCK_US;
}

static void notice_connection(struct uplink *u, int64_t now_us)
{
	uint64_t connection = net_connection(u->net);
	if (u->state == UPLINK_HELD) {
		u->connection = 0;
		if (now_us >= u->held_until_us)
			dial(u);
		return;
	}
	if (connection == u->connection) {
		if (u->state == UPLINK_DOWN && now_us > dial_over_us(u))
			hold(u, 0);
		return;
	}
	if (u->connection) {
		forget_all(u);
		u->dialed_us = now_us;
		if (connection == 0)
			log_warn("uplink_down", "collector=%s results stay in the spool, dialing again",
				u->shared->conf->collector);
	}
	u->connection = connection;
	u->heard_us = u->control_at_us = now_us;
	if (connection)
		path_reset(u); /* what was found of the way while there was none says nothing of this one */
	set_state(u, connection ? UPLINK_HELLO : UPLINK_DOWN);
	if (connection)
		COUNT(u, connections);
}

/* ---- answers that any message may get ---- */

enum denial denial_from(struct str reason)
{
	enum denial d = 0;
	while (d < DENIAL_COUNT && !str_is(reason, denial_name(d)))
		d++;
	return d;
}

void on_denied(struct uplink *u, const struct wire_msg *m)
{
	int64_t wait_us = (int64_t)m->denied.retry_after_ms * US_PER_MS;
	wait_us = jittered(MIN(MAX(wait_us, DENIED_MIN_US), DENIED_MAX_US));
	enum denial d = denial_from(m->denied.reason);
	char reason[sizeof(u->stats.denial)];
	snprintf(reason, sizeof(reason), "%.*s", STR_ARG(m->denied.reason));

	pthread_mutex_lock(&u->lock);
	bool news = strcmp(reason, u->stats.denial) != 0; /* once for each reason, not once a minute */
	u->stats.denied++;
	memcpy(u->stats.denial, reason, sizeof(reason));
	pthread_mutex_unlock(&u->lock);

	if (news && d != DENIED_HELLO_FIRST)
		log_error("denied", "collector=%s reason=%s says=\"%.*s\" trying again, wait_ms=%" PRId64,
			u->shared->conf->collector, reason,
			STR_ARG(m->denied.text.n ? m->denied.text : str_of(denial_text(d))),
			wait_us / US_PER_MS);
	if (d == DENIED_HELLO_FIRST || wait_us <= DENIED_PATIENCE_US) {
		forget_all(u);
		u->control_at_us = clock_boot_us() + MIN(wait_us, DENIED_PATIENCE_US);
		set_state(u, UPLINK_HELLO);
	} else {
		hold(u, wait_us);
		u->turned_away = true;
	}
}

/* ---- Hello and Watch ---- */

static void take_assignments(struct uplink *u, const struct assignments *a, int64_t received_us)
{
	struct err err;
	if (a->unchanged)
		return;
	struct assign_set *s = assign_set_new(a, received_us);
	if (assign_save(u->assign_path, s, &err) < 0)
		log_warn("assignments_not_saved",
			"err=\"%s\" probing goes on, but a restart would have to wait for the collector",
			err.text);
	u->generation = a->generation;
	pthread_mutex_lock(&u->lock);
	u->stats.generation = a->generation;
	pthread_mutex_unlock(&u->lock);
	log_info("assigned", "services=%zu generation=%" PRIu64, a->n_services, a->generation);
	assign_box_put(u->shared->assignments, s);
}

static void start_hello(struct uplink *u)
{
	const struct agent_conf *c = u->shared->conf;
	struct wire_msg m = { .kind = WIRE_HELLO,
		.hello = {
			.protocol = PROTOCOL_VERSION,
			.agent = str_of(c->name),
			.token = { (const char *)c->token_bytes, sizeof(c->token_bytes) },
			.software = STR("tidemark-agent " TIDEMARK_VERSION),
			.region = str_of(c->region),
			.epoch = u->shared->epoch,
			.boot_id = clock_boot_id(),
			.generation = u->generation,
			.latitude = c->latitude,
			.longitude = c->longitude,
			.sent_boot_us = clock_boot_us(),
			.sent_wall_us = clock_wall_us(),
		} };
	u->control_is_watch = false;
	u->control_sent_us = m.hello.sent_boot_us;
	if (!send_message(u, u->control, &m, uplink_timeouts.hello_us))
		u->control_at_us = u->control_sent_us + US_PER_MIN;
	explicit_bzero(u->out.p, u->out.n); /* the token */
}

static void start_watch(struct uplink *u)
{
	struct wire_msg m = { .kind = WIRE_WATCH,
		.watch = { .generation = u->generation,
			.boot_id = clock_boot_id(),
			.sent_boot_us = clock_boot_us(),
			.leaving = u->leaving } };
	shortfall_get(&u->shared->shortfall, &u->told);
	shortfall_wire(&u->told, atomic_load(&u->shared->held_back), &m.watch.shortfall);
	u->control_is_watch = true;
	u->control_sent_us = m.watch.sent_boot_us;
	send_message(u, u->control, &m, uplink_timeouts.watch_us);
}

/* What is refused changes with every assignment and every reload: the collector hears of it before the next
 * Watch would be due. */
static void notice_shortfall(struct uplink *u)
{
	struct shortfall now;
	if (!u->control_is_watch || u->leaving || exchange_is_free(u->control))
		return;
	shortfall_get(&u->shared->shortfall, &now);
	if (now.version != u->told.version)
		exchange_cancel(u->control);
}

static void tell_left(struct uplink *u, bool left)
{
	pthread_mutex_lock(&u->lock);
	u->left = left;
	u->leave_asked = false;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

/* Somebody waits in uplink_leave(). A parked Watch makes room for one that says so. */
static void notice_leave(struct uplink *u)
{
	pthread_mutex_lock(&u->lock);
	bool asked = u->leave_asked;
	pthread_mutex_unlock(&u->lock);
	if (!asked)
		return;
	if (u->state != UPLINK_UP) {
		tell_left(u, false); /* there is nobody to tell */
	} else if (!u->leaving && exchange_is_free(u->control)) {
		u->leaving = true;
		start_watch(u);
	} else if (!u->leaving) {
		exchange_cancel(u->control);
	}
}

static void on_welcome(struct uplink *u, const struct wire_msg *m, int64_t received_us)
{
	log_info("uplink_up", "collector=%s software=\"%.*s\" epoch=%016" PRIx64, u->shared->conf->collector,
		STR_ARG(m->welcome.software), u->shared->epoch);
	if (m->welcome.has_assignments)
		take_assignments(u, &m->assignments, received_us);
	u->backoff_us = BACKOFF_MIN_US;
	u->uploads_at_us = 0;
	uploads_cut(u);
	set_state(u, UPLINK_UP);
	COUNT(u, welcomes);
}

static void on_control_reply(struct uplink *u, const struct wire_msg *m, int64_t received_us)
{
	heard(u, m, u->control_sent_us, received_us);
	if (m->kind == WIRE_DENIED) {
		on_denied(u, m);
	} else if (m->kind == WIRE_BUSY) {
		COUNT(u, busy);
		u->control_at_us = received_us +
				   jittered(MIN(MAX((int64_t)m->busy.retry_after_ms * US_PER_MS, BUSY_MIN_US),
					   BUSY_MAX_US));
	} else if (m->kind == WIRE_WELCOME && !u->control_is_watch) {
		on_welcome(u, m, received_us);
	} else if (m->kind == WIRE_ASSIGNMENTS && u->control_is_watch) {
		take_assignments(u, &m->assignments, received_us);
		u->control_at_us = received_us + WATCH_PAUSE_US;
	} else {
		redial(u, "an answer of the wrong kind");
	}
}

/* True: there is a decoded message in *ret. */
bool decode_reply(struct uplink *u, struct str reply, struct wire_msg *ret)
{
	struct err err;
	if (wire_decode(reply, ret, &err) == 0)
		return true;
	log_warn("answer_refused", "err=\"%s\"", err.text);
	redial(u, "an answer that does not decode");
	return false;
}

static void finish_control(struct uplink *u)
{
	struct wire_msg m;
	struct str reply;
	struct err err;
	int64_t received_us;
	int code;
	if (!exchange_take(u->control, &code, &reply, &received_us, &err))
		return;
	if (u->leaving)
		tell_left(u, code == 0);
	if (code == 0 && u->state != UPLINK_HELD) {
		if (decode_reply(u, reply, &m)) {
			on_control_reply(u, &m, received_us);
			wire_free(&m);
		}
	} else if (code == ERR_TIMEOUT && u->state != UPLINK_HELD) {
		COUNT(u, timeouts);
		redial(u, u->control_is_watch ? "silence" : "no answer to Hello");
	} else {
		u->control_at_us =
			received_us + jittered(BUSY_MIN_US); /* the connection's end is noticed by itself */
	}
}

static void start_control(struct uplink *u, int64_t now_us)
{
	if (u->leaving || !exchange_is_free(u->control) || now_us < u->control_at_us)
		return;
	if (u->state == UPLINK_HELLO)
		start_hello(u);
	else if (u->state == UPLINK_UP)
		start_watch(u);
}

/* ---- the thread ---- */

static int64_t next_due_us(const struct uplink *u)
{
	int64_t due = MIN(down_due_us(u), path_due_us(u));
	if (u->draining && u->state != UPLINK_UP)
		due = MIN(due, MAX(u->drain_since_us + DRAIN_DIAL_US, clock_boot_us() + DRAIN_DIAL_US / 10));
	if (u->state == UPLINK_HELD)
		return MIN(due, u->held_until_us);
	if (u->state == UPLINK_DOWN)
		return MIN(due, dial_over_us(u) + US_PER_MS);
	if ((u->state == UPLINK_HELLO || u->state == UPLINK_UP) && !u->leaving &&
		exchange_is_free(u->control))
		due = MIN(due, u->control_at_us);
	return u->state == UPLINK_UP ? MIN(due, uploads_due_us(u)) : due;
}

/* Somebody waits in uplink_drain(): look once more. True: an answer is wanted. */
static bool notice_drain(struct uplink *u, int64_t now_us)
{
	pthread_mutex_lock(&u->lock);
	bool asked = u->drain_asked;
	pthread_mutex_unlock(&u->lock);
	if (asked && !u->draining && u->state == UPLINK_DOWN)
		hold(u, 0); /* the pause between two attempts may have grown long: one more, now */
	if (asked && !u->draining)
		u->drain_since_us = now_us;
	u->draining |= asked;
	u->live_done = u->live_done && !asked;
	return asked;
}

static void tell_drained(struct uplink *u, int64_t now_us)
{
	pthread_mutex_lock(&u->lock);
	u->drained = u->state == UPLINK_UP && uploads_are_idle(u);
	u->settled = u->state == UPLINK_UP || now_us - u->drain_since_us >= DRAIN_DIAL_US;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

static void clear_fd(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));
	(void)n; /* nothing there: fine */
}

static void notice_path(struct uplink *u, int64_t now_us)
{
	switch (path_look(u, now_us)) {
	case PATH_SHUT:
		redial(u, "nothing is heard, and no other connection comes about");
		u->path_was_shut = true;
		break;
	case PATH_OPEN_AGAIN:
		hold(u, jittered(DIAL_PAUSE_US));
		path_begin_anew(u, now_us);
		break;
	case PATH_NOTHING:
		break;
	}
}

static void *uplink_main(void *arg)
{
	struct uplink *u = arg;
	struct pollfd fds[] = { { .fd = u->wake_fd, .events = POLLIN },
		{ .fd = spool_fd(u->shared->spool), .events = POLLIN } };
	u->held_until_us = clock_boot_us() + (int64_t)(random_u64() % (uint64_t)(300 * US_PER_MS));
	while (!atomic_load(&u->stop)) {
		int64_t now_us = clock_boot_us();
		bool drain = notice_drain(u, now_us);
		notice_connection(u, now_us);
		finish_control(u);
		uploads_finish(u);
		notice_leave(u);
		notice_shortfall(u);
		notice_path(u, now_us);
		start_control(u, now_us);
		uploads_start(u, now_us);
		down_look(u, now_us);
		if (drain)
			tell_drained(u, now_us);

		int64_t wait_us = next_due_us(u) - clock_boot_us();
		int timeout_ms = wait_us <= 0 ? 0 : (int)MIN(wait_us / US_PER_MS + 1, (int64_t)60000);
		if (poll(fds, ARRAY_LEN(fds), timeout_ms) > 0) {
			clear_fd(u->wake_fd);
			if (fds[1].revents)
				clear_fd(fds[1].fd);
			u->live_done = u->live_done && !fds[1].revents;
		}
	}
	return NULL;
}

/* ---- what others call ---- */

static int open_exchanges(struct uplink *u, struct err *err)
{
	int rc = exchange_new(u->net, &u->control, err);
	for (size_t i = 0; rc == 0 && i < UPLOADS_AT_ONCE; i++) {
		buf_init(&u->uploads[i].body, BATCH_PACKED_MAX);
		rc = exchange_new(u->net, &u->uploads[i].ex, err);
	}
	return rc;
}

static void uplink_free(struct uplink *u)
{
	down_end(u);
	path_reset(u);
	shortfall_watch(&u->shared->shortfall, -1);
	for (size_t i = 0; i < UPLOADS_AT_ONCE; i++) {
		exchange_free(u->uploads[i].ex);
		buf_fini(&u->uploads[i].body);
	}
	exchange_free(u->control);
	net_close(u->net);
	if (u->wake_fd >= 0)
		close(u->wake_fd);
	buf_fini(&u->out);
	pthread_cond_destroy(&u->changed);
	pthread_mutex_destroy(&u->lock);
	free(u->assign_path);
	free(u);
}

int uplink_start(struct agent_shared *shared, const char *assign_path, struct uplink **ret, struct err *err)
{
	struct uplink *u = mem_new(sizeof(*u));
	pthread_condattr_t attr;
	u->shared = shared;
	u->assign_path = mem_strdup(assign_path);
	u->state = u->stats.state = UPLINK_HELD;
	u->backoff_us = BACKOFF_MIN_US;
	path_reset(u);
	down_begin(u, clock_boot_us(), NEW_FIRST_US, false);
	buf_init(&u->out, WIRE_MESSAGE_MAX);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->changed, &attr);
	pthread_condattr_destroy(&attr);
	u->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int rc = u->wake_fd < 0 ? err_set(err, ERR_IO, "eventfd: %s", strerror(errno)) : 0;
	if (rc == 0)
		shortfall_watch(&shared->shortfall, u->wake_fd);
	if (rc == 0)
		rc = net_open(shared->conf, u->wake_fd, &u->net, err);
	if (rc == 0)
		rc = open_exchanges(u, err);
	if (rc == 0 && pthread_create(&u->thread, NULL, uplink_main, u) != 0)
		rc = err_set(err, ERR_IO, "no thread for the uplink");
	if (rc < 0)
		uplink_free(u);
	else
		*ret = u;
	return rc;
}

static void wake_up(struct uplink *u)
{
	uint64_t one = 1;
	ssize_t n = write(u->wake_fd, &one, sizeof(one));
	(void)n; /* full means that it is readable already */
}

bool uplink_drain(struct uplink *u, int64_t timeout_us)
{
	struct timespec at = clock_deadline(timeout_us);
	pthread_mutex_lock(&u->lock);
	u->drain_asked = true;
	wake_up(u);
	int rc = 0;
	while (rc == 0 && !u->drained && !(u->settled && u->stats.state != UPLINK_UP))
		rc = pthread_cond_timedwait(&u->changed, &u->lock, &at);
	bool drained = u->drained;
	pthread_mutex_unlock(&u->lock);
	return drained;
}

bool uplink_leave(struct uplink *u, int64_t timeout_us)
{
	struct timespec at = clock_deadline(timeout_us);
	pthread_mutex_lock(&u->lock);
	u->leave_asked = true;
	wake_up(u);
	int rc = 0;
	while (rc == 0 && u->leave_asked)
		rc = pthread_cond_timedwait(&u->changed, &u->lock, &at);
	bool left = u->left;
	pthread_mutex_unlock(&u->lock);
	return left;
}

void uplink_stop(struct uplink *u)
{
	if (u == NULL)
		return;
	atomic_store(&u->stop, true);
	wake_up(u);
	pthread_join(u->thread, NULL);
	uplink_free(u);
}

void uplink_stats(struct uplink *u, struct uplink_stats *ret)
{
	pthread_mutex_lock(&u->lock);
	*ret = u->stats;
	pthread_mutex_unlock(&u->lock);
}

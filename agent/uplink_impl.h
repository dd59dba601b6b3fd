/* uplink_impl.h - between uplink.c (connection, Hello, Watch, the thread) and upload.c (batches) only. */
#ifndef AGENT_UPLINK_IMPL_H
#define AGENT_UPLINK_IMPL_H

#include <pthread.h>

#include "agent/clockmap.h"
#include "agent/net.h"
#include "agent/reach.h"
#include "agent/uplink.h"

#define BUSY_MIN_US    (20 * US_PER_MS)
#define BUSY_MAX_US    US_PER_MIN
#define BACKOFF_MIN_US US_PER_S
#define DOWN_LOG_US                                                                                          \
	(10 * US_PER_MIN) /* the longest silence of the log about a collector that is not there              \
			   */

struct upload {
	struct exchange *ex;
	struct spool_batch b;
	struct buf body;
	int64_t sent_boot_us, retry_at_us;
	bool active; /* b is to be sent, under way, or waits for retry_at_us */
};

struct uplink {
	struct agent_shared *shared;
	char *assign_path;
	struct net *net;
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop;

	/* the thread's own from here on */
	bool control_is_watch;        /* else it is Hello */
	bool live_done, backlog_done; /* nothing more in the spool, when last looked */
	bool draining;                /* about to stop: the backlog's rate is not bounded any more */
	enum uplink_state state;
	uint64_t connection;      /* the one we are on; 0: none */
	struct exchange *control; /* Hello, then Watch after Watch */
	int64_t control_sent_us;
	int64_t control_at_us; /* the next may go */
	int64_t round_trip_us;                 /* as it has been lately; 0: nothing known */
	struct reach_job *path;                /* NULL: nobody is looking whether the way is open */
	int64_t quiet_us, path_at_us;          /* so long nothing may be heard; the next look, at the earliest */
	bool path_was_shut, path_is_open;      /* since the dial under way began */
	struct upload uploads[UPLOADS_AT_ONCE];
	int64_t uploads_at_us;  /* after Busy: none before */
	int64_t live, backlog;  /* positions in the spool: the next is newer than live, older than backlog */
	int64_t backlog_at_us;  /* its next may go */
	int64_t drain_since_us; /* when draining */
	int64_t held_until_us, backoff_us, dialed_us, heard_us;
	int64_t down_since_us, down_due_us, down_pause_us; /* since it was lost, or we started */
	struct reach_job *reach;                           /* NULL: nobody is looking why */
	bool down_lost;                                    /* there was a connection before */
	bool dialing_told, turned_away; /* turned_away: held because the collector said so */
	struct shortfall told;          /* with the last Watch */
	bool leaving;                   /* the last Watch said so */
	uint64_t generation; /* received in this run, so that a restart learns of a burst; 0: none */
	struct clockmap clock;
	struct buf out;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct uplink_stats stats;
	bool drain_asked, drained, settled, leave_asked, left;
};

#define COUNT(u, field)                                                                                      \
	do {                                                                                                 \
		pthread_mutex_lock(&(u)->lock);                                                              \
		(u)->stats.field++;                                                                          \
		pthread_mutex_unlock(&(u)->lock);                                                            \
	} while (0)

/* uplink.c */
struct uplink_timeouts {
	_Atomic int64_t hello_us, upload_us, watch_us;
	_Atomic int64_t lost_us; /* from the loss of a connection to the first look at why there is none */
};
extern struct uplink_timeouts uplink_timeouts; /* changes in tests only */
int64_t jittered(int64_t us); /* half of it to one and a half: no two agents come at the same moment */
bool send_message(struct uplink *u, struct exchange *ex, const struct wire_msg *m, int64_t timeout_us);
void heard(struct uplink *u, const struct wire_msg *m, int64_t sent_us, int64_t received_us);
bool decode_reply(
	struct uplink *u, struct str reply, struct wire_msg *ret); /* false: the connection is given up */
void redial(struct uplink *u, const char *why);
void on_denied(struct uplink *u, const struct wire_msg *m);
enum denial denial_from(struct str reason); /* DENIAL_COUNT: of a newer collector */

/* uplink_path.c */
enum path_says {
	PATH_NOTHING,
	PATH_SHUT,       /* the connection we have is worth nothing */
	PATH_OPEN_AGAIN, /* the dial under way began while it was shut, or takes too long */
};
void path_reset(struct uplink *u); /* a new connection, or none; frees what is under way */
void path_heard(struct uplink *u, int64_t round_trip_us);
void path_begin_anew(struct uplink *u, int64_t now_us); /* a fresh dial over a way that is open */
void path_answered(struct uplink *u); /* a batch is durable: neither busy nor slow */
enum path_says path_look(struct uplink *u, int64_t now_us);
int64_t path_due_us(const struct uplink *u);

/* uplink_down.c */
/* first_us from now: the first word. lost: there was a connection */
void down_begin(struct uplink *u, int64_t now_us, int64_t first_us, bool lost);
void down_end(struct uplink *u);
void down_tell_dialing(struct uplink *u);
void down_look(struct uplink *u, int64_t now_us);
int64_t down_due_us(const struct uplink *u);
int64_t down_pause_after(int64_t pause_us);

/* upload.c */
void uploads_cut(struct uplink *u); /* what is sealed from now on is live; all that lies there is backlog */
void uploads_forget(struct uplink *u); /* the batches are in the spool */
void uploads_finish(struct uplink *u);
void uploads_start(struct uplink *u, int64_t now_us);
int64_t uploads_due_us(const struct uplink *u); /* INT64_MAX: nothing to do until something happens */
int64_t uploads_unanswered_since_us(const struct uplink *u); /* INT64_MAX: none is under way */
bool uploads_are_idle(const struct uplink *u);  /* nothing waits or is under way */

#endif

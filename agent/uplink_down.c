/* While there is no collector: says why, and what would help. The first time within seconds, because somebody
 * who has just set an agent up is looking; then ever more rarely. */
#include "agent/uplink_impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

#define DOWN_NEXT_US  (10 * US_PER_S) /* then three times that, and so on */

int64_t down_pause_after(int64_t pause_us)
{
	return pause_us ? MIN(pause_us * 3, DOWN_LOG_US) : DOWN_NEXT_US;
}

void down_begin(struct uplink *u, int64_t now_us, int64_t first_us, bool lost)
{
	down_end(u);
	u->down_since_us = now_us;
	u->down_due_us = now_us + first_us;
	u->down_pause_us = 0;
	u->down_lost = lost;
}

void down_end(struct uplink *u)
{
	reach_drop(u->reach);
	u->reach = NULL;
}

void down_tell_dialing(struct uplink *u)
{
	const struct agent_conf *c = u->shared->conf;
	if (u->dialing_told)
		return;
	u->dialing_told = true;
	if (c->use_tls)
		log_info("dialing", "collector=%s certificate_name=%s trusted=%s", c->collector,
			c->tls.server_name ? c->tls.server_name : c->host, net_trusted(c));
	else
		log_info("dialing", "collector=%s without TLS", c->collector);
}

static void tell(struct uplink *u, int64_t now_us, const char *reason, const char *why, const char *cure)
{
	struct spool_stats s;
	spool_stats(u->shared->spool, &s);
	u->down_pause_us = down_pause_after(u->down_pause_us);
	u->down_due_us = now_us + u->down_pause_us;
	log_warn("uplink_still_down",
		"collector=%s for_s=%" PRId64 " reason=%s why=\"%s\" cure=\"%s\" spool_batches=%" PRIu64
		" lost_results=%" PRIu64 " results stay in the spool, next_word_s=%" PRId64,
		u->shared->conf->collector, (now_us - u->down_since_us) / US_PER_S, reason, why, cure,
		s.batches, s.lost_results, u->down_pause_us / US_PER_S);
	pthread_mutex_lock(&u->lock);
	snprintf(u->stats.down_reason, sizeof(u->stats.down_reason), "%s", reason);
	u->stats.down_for_us = now_us - u->down_since_us;
	u->stats.down_told++;
	pthread_mutex_unlock(&u->lock);
}

static void look_again(struct uplink *u, int64_t now_us)
{
	enum reach got;
	struct err why = { 0 };
	/* Whoever was up before has the right files: what is looked at first costs a collector that has a thousand to greet
	 * nothing. */
	enum reach_depth depth = u->down_lost && u->down_pause_us == 0 ? REACH_CONNECT : REACH_ALL;
	if (u->reach == NULL)
		u->reach = reach_start(u->shared->conf, depth, REACH_TIMEOUT_US, u->wake_fd);
	if (u->reach == NULL) {
		u->down_due_us = now_us + DOWN_NEXT_US; /* no thread to be had */
		return;
	}
	if (!reach_take(u->reach, &got, &why))
		return;
	down_end(u);
	tell(u, now_us, reach_name(got), why.text, reach_cure(got));
}

void down_look(struct uplink *u, int64_t now_us)
{
	if (u->state == UPLINK_UP) {
		down_end(u);
		return;
	}
	if (now_us < u->down_due_us)
		return;
	if (u->state == UPLINK_HELD && u->turned_away) {
		pthread_mutex_lock(&u->lock);
		enum denial d = denial_from(str_of(u->stats.denial));
		pthread_mutex_unlock(&u->lock);
		tell(u, now_us, denial_name(d), "the collector answers, and turns this agent away",
			denial_text(d));
	} else if (u->state != UPLINK_HELLO) {
		look_again(u, now_us);
	}
}

int64_t down_due_us(const struct uplink *u)
{
	if (u->state == UPLINK_UP || u->state == UPLINK_HELLO || u->reach)
		return INT64_MAX; /* a look that ends wakes us */
	return u->down_due_us;
}

/* hub_impl.h - what hub.c and hub_submit.c share. Nobody else includes it. */
#ifndef COLLECTOR_HUB_IMPL_H
#define COLLECTOR_HUB_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "collector/hub_run.h"
#include "collector/recv.h"
#include "collector/services.h"

struct burst_slot {
	struct assign_burst now;
	int64_t next_look_us; /* wall; INT64_MAX: on news */
};

struct hub {
	char *conf_path, *store_uri;
	struct fleet *fleet;
	struct writer *writer;
	struct recv *recv;
	struct services *services; /* under services_lock */
	uint64_t services_version; /* the fleet's, when the journal was told last; under services_lock */
	pthread_mutex_t services_lock, reload_lock, agents_lock;
	atomic_bool draining;

	pthread_mutex_t lock; /* below */
	pthread_cond_t wake;
	struct collector_conf *conf;
	struct burst_slot *bursts; /* as many as conf has services */
	bool bursts_look, kicked, stopping;
	bool last_reload_ok;
	int64_t last_reload_at_us;
	void (*reloaded)(void *ctx, const struct collector_conf *c);
	void *reloaded_ctx;

	pthread_t jobs;
	bool jobs_run;
	int64_t started_boot_us;
	bool absent_forgotten;
};

void hub_fleet_changed(void *hub); /* an agent came, left or changed; any thread, does not wait */
void hub_kick(struct hub *h);      /* jobs has something to look at */

#endif

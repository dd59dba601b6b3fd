/* fleet_impl.h - what the fleet's files share: one mutex over two hash tables, agents by name and peers by
 * pipe. fleet.c: agents, pipes, news; fleet_watch.c: parked Watches. All functions here want the lock held.
 */
#ifndef COLLECTOR_FLEET_IMPL_H
#define COLLECTOR_FLEET_IMPL_H

#include <pthread.h>

#include "collector/fleet.h"
#include "collector/shortfall.h"

#define BUCKETS 4096

struct peer;
struct agent {
	struct agent *next; /* in its bucket */
	struct agent *next_news;
	struct agent_record record; /* its strings point to text */
	bool enrolled, is_static, in_news;
	struct peer *peer; /* its one live connection */
	bool ever_told;
	enum agent_told told, want; /* what the journal has; what is so */
	bool suspect, told_suspect;
	bool has_location;
	double latitude, longitude;
	char *software;
	struct lost lost;
	struct shortfall shortfall;
};
struct peer {              /* one pipe */
	struct peer *next; /* in its bucket */
	uint32_t pipe;
	struct agent *agent; /* NULL before Hello, and after it was let go */
	enum denial why_not; /* DENIAL_COUNT: may speak */
	int64_t last_boot_us;
	struct peer *newer, *older; /* among the parked */
	struct fleet_parked parked; /* msg NULL: none */
};
struct text {
	struct text *next;
	char bytes[];
};

struct fleet {
	pthread_mutex_t lock;
	struct agent *agents[BUCKETS];
	struct peer *peers[BUCKETS];
	struct peer *oldest, *newest; /* parked, by deadline: all wait equally long */
	struct agent *news;
	struct text *texts;
	size_t n_enrolled, n_connected, n_pipes, n_parked;
	uint64_t lost_results, held_back, refused, version;
	uint64_t pushes; /* how often all Watches were taken to be answered */
};

struct peer **fleet_peer_at(struct fleet *f, uint32_t pipe); /* where it is, or would be hung in */
void *fleet_unpark(struct fleet *f, struct peer *p);         /* its Watch, or NULL */

#endif

/* world.h - a small world with a known truth: an origin that changes its version, caches in tiers, purges
 * with their vendors' delays, users who fill caches, probes that look. What the probes see becomes replay's
 * JSON Lines.
 *
 * Everything follows from causes: an answer is old because some cache or some origin really gave the old one.
 * Written from the definitions of verdicts and causes, and shares no code with the engine, so that each
 * checks the other. Same seed, same bytes. One thread; memory is the world's. */
#ifndef WORLDS_WORLD_H
#define WORLDS_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/util.h"

enum { REGIONS_MAX = 3, EDGES_MAX = 10, ENDPOINTS_MAX = 4, AGENTS_MAX = 14, ROLLS_MAX = 3, PURGES_MAX = 3 };
enum { VERSIONS_MAX = 4, CELLS_MAX = EDGES_MAX * ENDPOINTS_MAX };
enum {
	NODES_MAX = EDGES_MAX + 2,
	SHIELD = EDGES_MAX,
	HIDDEN
}; /* nodes: the edges, the shield, a mute cache */

enum age_says { AGE_CARRIED, AGE_RESTARTS, AGE_MUTE };
enum key_style {
	KEY_PATH,      /* patterns are path?query; '*' last */
	KEY_URL,       /* whole URLs, query and all */
	KEY_PATH_ONLY, /* paths; the query is not looked at */
};

struct cdn {
	const char *name;
	int window_s; /* how long its purges may take */
	enum key_style key;
	bool ignores_case, star, inner_words, history, raw, has_stale_word;
	const char *const pops[EDGES_MAX];
};
extern const struct cdn cdns[];
extern const size_t n_cdns;
const struct cdn *cdn_named(const char *name);

struct page {                          /* an endpoint */
	const char *id, *path, *query; /* query with its '?', or "" */
	bool cached;
	int ttl_s;
	bool own_host; /* on a host of its own, which one agent may fail to reach */
};

struct copy {
	bool there, soft, revalidated;
	int version;
	int64_t age_from_us, filled_at_us, expires_at_us;
	const char *history; /* the word of the tier behind at the time of the fill, or NULL */
};

struct node {
	char name[40]; /* "fastly:FRA"; edges only */
	const char *pop;
	const struct cdn *cdn;
	int region;
	bool cannot_fetch; /* since the old version is on its way out: what it has, it keeps serving */
	bool behind_hidden, behind_shield;
	bool purge_is_lost;
	int error_status; /* from fault_at_us on, of its own */
	struct copy copies[ENDPOINTS_MAX];
};

struct agent {
	char name[16];
	int region, home, away; /* edges */
	enum { STAYS, GLIMPSES, FLAPS } moves;
	int64_t dwell_us;
	int64_t skew_us, uncertainty_us;
	bool origin_probes;
	bool cannot_reach_own_host;
	int64_t dies_at_us; /* 0: never */
	bool blind_for_a_while;
};

struct roll {
	int64_t started_at_us, live_at_us;
	int from, to;
	bool abandoned; /* never lives: the origin goes back to `from` at live_at_us */
	int64_t told_live_at_us;
};

struct purge {
	int64_t at_us, completed_at_us;
	bool covers[ENDPOINTS_MAX], soft, spares_shield;
	const char *vendor;
	int slowest_s, fastest_s; /* when it reaches an edge after at_us */
	int never_s;              /* some edges are reached only that late; 0: none */
	char patterns[512];       /* JSON fields that say what: "patterns":[...] or "tags":[...] or
				     "everything":true */
};

struct seen_cell { /* what the probes saw of an endpoint at an edge */
	bool known_wrong;
	int64_t last_at_us, last_old_us, last_good_us;
	int old_answers, errors_late; /* after the last live_at; errors in the last 50 s of the world */
	bool last_is_old, saw_revalidation;
	int64_t last_cached_at_us;
	const char *last_word;
};

struct line {
	int64_t received_at_us;
	size_t seq;
	char *text;
};

struct row;
struct world {
	uint64_t rng;
	const struct row *row;
	int64_t now_us, begin_us, end_us, timeout_us, interval_us;
	int n_edges, n_regions, n_pages, n_agents, n_rolls, n_purges;
	struct node nodes[NODES_MAX];
	struct page pages[ENDPOINTS_MAX];
	struct agent agents[AGENTS_MAX];
	struct roll rolls[ROLLS_MAX];
	struct purge purges[PURGES_MAX];
	const char *versions[VERSIONS_MAX];
	const struct cdn *cdn;
	enum age_says age;
	bool raw_headers, ttl_told, one_etag, learned_page, envoy_errors, error_word;
	bool asks_anew;       /* caches fetch whole: no conditional requests */
	bool soft_asks_first; /* a soft purge makes the next request wait for the revalidation */
	bool early_events; /* a deploy is told at its start, and live_at later; else once, when it is live */
	const char *through_word;
	double users_per_s;
	double old_share[REGIONS_MAX][ENDPOINTS_MAX]; /* of the origin's answers, whatever it should give */
	double error_share;
	int error_status;
	int64_t fault_at_us;
	bool origin_path; /* probed */
	double timeouts, late, repeated;

	/* what came of it */
	struct seen_cell seen[EDGES_MAX][ENDPOINTS_MAX];
	bool behind_seen[ENDPOINTS_MAX], etag_of_both_seen;
	int origin_seen[2];
	struct line *lines;
	size_t n_lines, cap_lines, n_observations;

	/* the truth */
	const char *verdict, *verdict_or; /* of the last deploy */
	const char *cause;                /* NULL: none */
	const char *other[ROLLS_MAX];     /* verdicts of the deploys before, where they are sure; else NULL */
	const char *variant;
};

/* Chance */
double chance(struct world *w);                  /* [0, 1) */
int pick(struct world *w, int n);                /* 0 .. n-1 */
int between(struct world *w, int low, int high); /* both included */
bool coin(struct world *w, double p);

/* The rows: one fault each, and the healthy ones. */
struct row {
	const char *name;  /* the cause, or "healthy" */
	const char *shape; /* which kind of world */
	void (*make)(struct world *w);
	/* Did the probes see what tells this fault? A world where nobody could have seen it proves nothing.
	 */
	bool (*telling)(const struct world *w);
};
extern const struct row rows[];
extern const size_t n_rows;

struct roll *last_roll(struct world *w);
int64_t live_at(const struct world *w);
void world_line(struct world *w, int64_t at_us, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Builds, runs and keeps the world of that row; tries sub-seeds until the fault could be seen. */
void world_make(struct world *w, const struct row *row, uint64_t seed);
void world_write_lines(struct world *w, FILE *f);
void world_write_truth(const struct world *w, FILE *f);
void world_fini(struct world *w);

/* Inside: world.c makes answers, lines.c writes what a probe saw of one. */
struct answer {
	int status; /* 0: nothing came */
	int version;
	const char *words[3];
	int n_words;
	int64_t age_us, ttl_us; /* age -1: not said */
	bool has_ttl, envoy;
};
void observation_line(struct world *w, const struct agent *a, int page, bool origin, const struct node *edge,
	int64_t at_us, const struct answer *ans);
void purge_patterns_all(struct world *w, struct purge *p);
/* Patterns that cover every page but those in missed; near misses instead of them. Sets p->covers. */
void purge_patterns_narrow(struct world *w, struct purge *p, const bool missed[ENDPOINTS_MAX]);

/* Judge: reads NNNN.truth and NNNN.out of dir. Exit status. */
int judge(const char *dir, int n);

#endif

/* engine_internal.h - the engine's memory. Everything of a service hangs below struct service, so that
 * services can be folded apart. Pools are dense arrays addressed by index; things leave them only in
 * service_sweep(), which renumbers.
 *
 *   names    strings <-> ids, once per dictionary entry of a batch: work per observation is integer work
 *   member   an agent as seen by one service        route   member x endpoint: where its probes go
 *   cell     endpoint x edge                        link    route x cell: what this agent saw at this edge
 *   value    endpoint x text served there; its place in the ledger is cached until the ledger changes
 *   runs     what a cell served, run-length coded and capped; all that is said of a cell is computed from it,
 * so that late data and a ledger that changes afterwards need no second way */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include "base/cdn/purge.h"
#include "collector/engine/engine.h"
#include "collector/engine/told.h"

#define NONE32 UINT32_MAX

#define WINDOW_MIN_US       (60 * US_PER_S)
#define WINDOW_INTERVALS    5
#define SILENT_INTERVALS    3
#define CONVERGED_COUNT     3
#define CONVERGED_INTERVALS 2
#define FAILING_COUNT       3
#define LATE_US             (60 * US_PER_S)
#define KNOWN_US            US_PER_DAY
#define FORGET_US           (7 * US_PER_DAY) /* a cell nobody was answered by for so long is dropped */
#define SWEEP_US            US_PER_DAY
#define COUNT_BUCKET_US     (12 * US_PER_H) /* two of them: the 24 h that a cell's weight is taken from */
#define WEIGHT_ONE          UINT32_C(1000000) /* whole numbers, so that what is added can be taken back exactly */
#define PREFIX_MIN          7
#define DURATION_MAX_US     (3660 * US_PER_DAY)
#define SAME_OBJECT_US      (2 * US_PER_S)
#define CLOCKS_APART_US     (30 * US_PER_S) /* what may be told of a moment that has not come */

#define RUNS_MAX            16
#define LINKS_PER_ROUTE_MAX 1000 /* edges that one agent can name for one endpoint before it is swept */
#define DEPLOYS_MAX         500  /* a service; the oldest settled ones go first */
#define PENDING_MAX         64   /* a service */
#define DOWNS_MAX           32
#define MATCHES_MAX         4
#define DRAWS_MAX           128
#define NODES_MAX           8
#define DEPLOY_CAUSES_MAX   32
#define OBJECTS_PER_NODE    4
#define NOTICED_MAX         1000
#define INCIDENT_STEPS_MAX  32

/* -- strings and indexes (intern.c) -- */

struct name {
	char *p;
	uint32_t n;
	uint32_t hash;
};
struct names { /* id 0 is the empty string */
	struct name *v;
	size_t n, cap;
	uint32_t *slots; /* id; 0: free */
	size_t n_slots;
};
void names_init(struct names *t), names_fini(struct names *t);
uint32_t names_put(struct names *t, struct str s);
uint32_t names_find(const struct names *t, struct str s); /* NONE32: not there */
struct str names_get(const struct names *t, uint32_t id);

/* u64 key -> index into a pool that knows its own keys; four bytes an entry. */
struct index {
	uint32_t *slots; /* index + 1; 0: free */
	size_t n_slots, n;
};
typedef uint64_t (*index_key)(const void *pool, uint32_t i);
void index_clear(struct index *ix), index_fini(struct index *ix);
uint32_t index_get(const struct index *ix, uint64_t key, const void *pool, index_key key_of);
void index_put(struct index *ix, uint32_t i, const void *pool, index_key key_of);
static inline uint64_t key_of_pair(uint32_t a, uint32_t b)
{
	return (uint64_t)a << 32 | b;
}
/* Room for one more in a pool that grows by an eighth, a large one by a 128th: a million cells must not be two million. What is new
 * is zeroed. */
void *pool_room(void *pool, size_t n, size_t *cap, size_t size);

/* -- runs (runs.c) -- */

struct run { /* one value, seen n times from first to last */
	int64_t first_us, last_us;
	uint32_t value;
	uint32_t n : 31, after_break : 1; /* errors lie before it: a run of fresh answers starts anew */
};
struct runs { /* oldest first; never overlapping */
	union {
		struct run in[2];
		struct run *heap; /* when cap > 2 */
	};
	uint8_t n, cap;
};
void runs_init(struct runs *r), runs_fini(struct runs *r);
static inline struct run *runs_at(struct runs *r)
{
	return r->cap > 2 ? r->heap : r->in;
}
static inline const struct run *runs_of(const struct runs *r)
{
	return r->cap > 2 ? r->heap : r->in;
}
void runs_reserve(struct runs *r, size_t n);
/* Puts one observation where its time belongs. False: older than all that is kept. */
bool runs_add(struct runs *r, uint32_t value, int64_t at_us, bool after_break);
/* How many of a run's observations lie at or after `from`; they are taken to be evenly spaced. */
uint32_t run_count_from(const struct run *r, int64_t from_us);

/* -- one service -- */

struct value {
	uint32_t endpoint, text;
	uint32_t
		uncached_edge; /* the first edge that had it uncached while no deploy named it; 0: none yet */
	uint32_t etag[2]; /* hash of the validator it came with, by enum obs_path of answers from behind all
			     caches; 0: none */
	/* cache, for one generation of the ledger */
	uint32_t gen;
	struct deploy *match[MATCHES_MAX]; /* newest first */
	uint8_t n_match;
	bool serves_tracked;
	int64_t from_us, until_us; /* what is said below holds for this span */
	uint8_t label;
	uint32_t behind;
	int32_t rank;
	int64_t stale_since_us;
};
enum label { LABEL_FRESH, LABEL_STALE, LABEL_AHEAD, LABEL_UNKNOWN };
struct judgement {
	enum label label;
	int64_t stale_since_us; /* TIME_NONE unless stale */
	uint32_t behind;
	int32_t rank; /* place in the ledger: greater is newer; 0: left it; -1: in no entry */
};

struct draw {
	int64_t at_us;
	uint32_t value; /* NONE32: a 5xx */
};
struct node_objects { /* the last cached objects of one node */
	uint64_t node;
	int64_t cached_at_us[OBJECTS_PER_NODE];
	uint32_t value[OBJECTS_PER_NODE];
	uint32_t next;
};
struct draws {
	struct draw *v; /* a ring once it is DRAWS_MAX long */
	struct node_objects *nodes;
	size_t n, cap, n_nodes, cap_nodes;
	uint32_t next, next_node;
};
struct answer { /* what one said of the copy it came from */
	int64_t at_us;
	uint32_t value;
	int32_t age_s, ttl_s;
	uint32_t tiers; /* as in a cell */
};
struct trouble {                 /* what a quiet cell does not need */
	int64_t err5_us[2];      /* the two newest 5xx, newest first */
	int64_t http_error_us;   /* newest HTTP error */
	uint32_t http_agents[2]; /* agents that saw HTTP errors: first two different ones, since the cell was
				    last quiet */
	int64_t broke_us;        /* newest error that broke a run of fresh answers */
	bool broken;             /* the next good answer starts a new run */
	uint8_t error_fail;      /* enum obs_fail: of the newest failure */
	int16_t error_status;    /* its HTTP status; 0: none came */
	int64_t error_us;        /* when that was */
	int64_t error_since_us;  /* the first one since the last good answer */
	int64_t odd_since_us;    /* since when it is not fresh; TIME_NONE */
	struct answer wrong;     /* the newest answer that was not fresh, since there is trouble */
	struct draws *draws;
};

enum cell_flags {
	CELL_KNOWN = 1 << 0, /* in the denominator of the tracked deploy */
	CELL_OBSERVED = 1 << 1,
	CELL_CONVERGED = 1 << 2,
	CELL_WRONG = 1 << 3,     /* the last thing seen since live_at was a wrong version */
	CELL_TOLERATED = 1 << 4, /* was not converged when the deploy was verified: no relapse of it */
	CELL_RELAPSE1 = 1 << 5,
	CELL_REVALIDATED = 1 << 6, /* the last fill seen was a 304 */
};
struct cell {
	uint32_t endpoint, edge; /* index; name */
	uint32_t links;          /* first of the list */
	uint32_t region;         /* name: of the agent that found it */
	struct runs runs;
	struct trouble *trouble;
	int64_t report_us;              /* newest report of any of its agents, failures included */
	int64_t seen_us, first_seen_us; /* newest and first answer */
	int64_t armed_us;               /* due time of its timer in the heap; INT64_MAX: none */
	int32_t age_s, ttl_s;           /* of the newest answer */
	uint32_t tiers;                 /* of the newest answer: count in bits 0-2, then 4 bits each */
	uint32_t weight : 20;           /* in the tracked deploy: WEIGHT_ONE at most */
	uint32_t state : 4;             /* enum cell_state */
	uint32_t flags : 8;             /* enum cell_flags */
	uint32_t fill_s;                /* seconds since the epoch: our own last miss here; 0: none */
	uint16_t early, late; /* once converged: its bins in the curves of the tracked deploy */
};
/* One of every cell and agent: as small as it can be, and so aligned to four. */
struct __attribute__((packed, aligned(4))) link {
	uint32_t cell, route, next_in_cell, next_in_route;
	int64_t last_us;
	uint32_t recent[3];                  /* marks of the last results: one told twice counts once */
	uint64_t n_now : 23, n_before : 23; /* answers in this and the bucket before: LINK_COUNT_MAX at most */
	uint64_t bucket : 16;
	uint64_t fails : 2; /* in a row: FAILING_COUNT at most */
};
#define LINK_COUNT_MAX ((1u << 23) - 1)
_Static_assert(FAILING_COUNT <= 3, "two bits of a link");
struct route {
	uint32_t endpoint, member;
	uint32_t cell, link; /* last reached; NONE32: nothing yet */
	uint32_t links;
	uint32_t next_in_member;
	int64_t report_us;  /* newest result of any kind */
	int64_t reached_us; /* newest answer that named its edge */
};
struct member {
	uint32_t agent; /* index into the engine's agents */
	uint32_t routes;
	bool assigned; /* by configuration; where that names nobody, whoever reports is */
	int64_t report_us, through_us;
};
struct endpoint {
	uint32_t id; /* name */
	char *url;
	uint8_t match; /* enum match_kind */
	bool learned;
	char *cdn_vendor, *cdn_zone; /* by configuration; NULL: as seen */
	struct runs origin, through; /* what the origin path, and uncached answers of all edges, gave */
	struct behind *behind;       /* a ring, once it is BEHIND_MAX long */
	size_t n_behind, cap_behind;
	uint32_t next_behind;
	int64_t browser_us; /* until when a browser may keep what was seen last; TIME_NONE */
	/* for the current deploy */
	bool informs;   /* its right value is not known: nothing is judged by it */
	bool unchanged; /* the right value is that of the deploy before */
};

/* -- deploys -- */

struct hist { /* weight by time since live_at; bins as propagation.c has them */
	uint64_t *bins;
	size_t n;
};
#define HIST_BINS (1024 + 24 * 128)
#define QUANTILES 5 /* 50, 90, 95, 99, 100 */
enum curve_kind { CURVE_ALL, CURVE_ENDPOINT, CURVE_VENDOR, CURVE_REGION };
struct curve {
	uint8_t kind;
	uint32_t name;
	uint32_t known, known_observed, observed, converged;         /* cells */
	uint64_t w_known, w_known_observed, w_observed, w_converged; /* weights */
	struct hist earliest, latest;
	int64_t t_us[QUANTILES][2]; /* once retired; TIME_NONE: not reached */
};
enum live_source { LIVE_NOT, LIVE_DECLARED, LIVE_OBSERVED, LIVE_ASSUMED };
struct deploy_value {
	uint32_t endpoint; /* name */
	char *text;
};
struct known_cell {
	uint32_t cell, weight;
};
struct advisory {          /* an endpoint that did not judge it */
	uint32_t endpoint; /* name */
	bool unchanged;    /* else: it informed only */
};
struct incident_step {
	int64_t at_us;
	uint8_t event, severity, cause; /* enum incident_event, severity, cause */
	uint32_t bad, all;              /* cells that were not fresh, of those that said something */
	char *text;
};
struct incident {
	int64_t opened_us, resolved_us; /* TIME_NONE: open */
	int64_t cause_us;               /* when the cause was asked for last */
	uint8_t severity, cause;        /* as it is now */
	uint32_t bad, all, worst;       /* cells */
	char *next;                     /* a command that looks closer */
	struct incident_step steps[INCIDENT_STEPS_MAX];
	size_t n_steps;
	uint32_t n_dropped; /* steps after the first that there was no room for */
};
struct deploy {
	uint32_t serial; /* rises in the order they were recorded, over all services */
	char *id, *version, *source, *revision, *digest;
	char **aliases;
	size_t n_aliases;
	struct deploy_value *values, *learned;
	size_t n_values, n_learned, cap_learned;
	int64_t recorded_us, started_us;
	int64_t told_live_us;    /* as declared; may be still to come */
	int64_t live_us, end_us; /* TIME_NONE while not live; end: of its interval in the ledger, INT64_MAX */
	uint8_t live_source;     /* enum live_source */
	uint8_t verdict;         /* enum verdict */
	bool in_future;          /* a time lay in the future when it was told */
	bool left;               /* aborted, or superseded before it was live: not in the ledger */
	bool retired;            /* curves are closed */
	int64_t decided_us;
	char *reason;
	struct known_cell *known; /* until it is tracked */
	size_t n_known;
	struct curve *curves; /* [0] is the one over all */
	size_t n_curves, cap_curves;
	struct index ix_curves;
	/* first deploy: assigned agents, endpoints that judge, pairs of them that answered since */
	uint32_t n_assigned, n_endpoints, n_answered;
	uint32_t relapse_cells, relapse_agent;
	/* what its cells told when it failed or was inconclusive */
	uint8_t cause; /* enum cause */
	uint32_t causes[DEPLOY_CAUSES_MAX], n_not_fresh_then;
	/* when retired */
	uint32_t n_not_fresh;
	struct incident *incident; /* NULL: never one */
	struct advisory *advisories;
	size_t n_advisories;
};

struct service {
	uint32_t name;
	bool removed;
	int64_t interval_us, window_us, timeout_us, watch_us, grace_us, min_agents;
	int64_t alert_us;        /* 0: only deploys that fail open incidents */
	int64_t incident_due_us; /* when incidents are looked at next; INT64_MAX: nothing is wrong */
	double require, min_coverage;
	bool has_origin;
	uint32_t *assigned; /* agent names */
	size_t n_assigned;

	struct endpoint *endpoints;
	size_t n_endpoints;
	struct names texts;
	struct value *values;
	size_t n_values, cap_values;
	struct member *members;
	size_t n_members, cap_members;
	struct route *routes;
	size_t n_routes, cap_routes;
	struct cell *cells;
	size_t n_cells, cap_cells;
	struct link *links;
	size_t n_links, cap_links;
	struct index ix_endpoints, ix_values, ix_members, ix_routes, ix_cells;
	uint32_t *order; /* cells by endpoint id, then edge; the first n_order of them */
	size_t n_order, cap_order;
	size_t sweep_values_at;
	int64_t sweep_due_us;

	struct deploy **deploys; /* in the order they were recorded */
	size_t n_deploys, cap_deploys;
	struct deploy **ledger; /* live ones, by live_at */
	size_t n_ledger, cap_ledger;
	struct deploy *tracked; /* the current one, whose curves are kept */
	uint32_t gen;           /* of the ledger; never 0 */

	struct purge *purges;
	size_t n_purges, cap_purges;
	struct drawlog *drawlogs;
	size_t n_drawlogs, cap_drawlogs;
	struct index ix_drawlogs;
	struct inner *inner;
	size_t n_inner, cap_inner;
	/* whether one of them fails, for one generation of the ledger and of what was told */
	uint32_t inner_serial, layers_serial, layers_gen;
	bool layers_failing;
	uint32_t *noticed; /* texts' names in the engine's table */
	size_t n_noticed, cap_noticed;

	size_t n_state[CELL_STATE_COUNT];
	/* what this fold touched */
	bool check_live, check_verdict, progress;
};

/* -- the whole -- */

struct agent {
	uint32_t name, region;
	char *software;
	uint8_t told; /* enum agent_told; AGENT_TOLD_COUNT: nothing was told */
	bool has_location, clock_suspect;
	double latitude, longitude;
	int64_t told_us;
	int64_t report_us; /* newest observed_at */
	uint64_t results;
	/* blind: nothing gets through, anywhere */
	uint32_t streak; /* transport failures in a row */
	uint64_t place;  /* that answered last, else of the first of them */
	uint8_t failed;  /* FAILED_HERE: that place since, FAILED_ELSEWHERE: another one */
	bool blind;
};
enum timer_kind { TIMER_LIVE, TIMER_DEADLINE, TIMER_CELL, TIMER_SWEEP, TIMER_INCIDENT };
struct timer {
	int64_t due_us;
	uint32_t what; /* kind << 28 | service */
	uint32_t id;   /* cell's index or deploy's serial */
};
struct down {
	int64_t from_us, to_us;
};
struct engine {
	struct engine_sink sink;
	int64_t now_us, position;
	uint32_t seq;
	uint32_t next_serial;
	struct names names;
	uint32_t *vendors; /* by name of an edge: name of its vendor + 1; 0: not asked for yet */
	size_t cap_vendors;
	struct agent *agents;
	size_t n_agents, cap_agents;
	struct index ix_agents;
	struct service **services; /* removed ones stay as empty shells: their index is in timers */
	size_t n_services, cap_services;
	struct timer *heap;
	size_t n_heap, cap_heap;
	struct down downs[DOWNS_MAX];
	size_t n_downs;
	uint64_t dropped; /* observations of unknown services or endpoints, or over a cap */
	/* scratch of one batch */
	struct scratch *scratch;
};

/* timer.c */
/* base + duration, longer by the time the collector was down in between. */
int64_t engine_due(const struct engine *e, int64_t base_us, int64_t duration_us);
/* How much of (from, to] the collector was up. */
int64_t engine_elapsed(const struct engine *e, int64_t from_us, int64_t to_us);
void timer_push(struct engine *e, enum timer_kind kind, uint32_t service, uint32_t id, int64_t due_us);
void timers_rebuild(struct engine *e);
void engine_advance_to(struct engine *e, int64_t now_us);
void engine_down(struct engine *e, int64_t from_us, int64_t to_us);

/* engine.c */
bool time_is_sane(int64_t at_us); /* TIME_NONE, or between 1970 and 9999 */
char *text_dup(struct str s);     /* NULL for the empty string */
struct service *service_find(const struct engine *e, struct str name, uint32_t *ret_index);
struct str service_name(const struct engine *e, const struct service *s);
void engine_settle(struct engine *e, uint32_t service);
uint32_t agent_get(struct engine *e, struct str name);
uint64_t agent_key(const void *pool, uint32_t i);
struct out_key engine_next_key(struct engine *e);
struct deploy *deploy_find(const struct engine *e, struct str id, uint32_t *ret_service);

/* service.c, pools.c */
int service_check(const struct ev_service *ev, struct err *err);
void service_fold(struct engine *e, const struct ev_service *ev);
void service_free(struct service *s);
void service_empty(struct service *s); /* frees what is in it */
uint32_t endpoint_find(const struct engine *e, const struct service *s, struct str id);
void service_sweep(struct engine *e, uint32_t service, bool forget_cells);
void service_order(struct engine *e, struct service *s);
void service_reindex(struct service *s);
uint64_t cell_key(const void *pool, uint32_t i), route_key(const void *pool, uint32_t i);
uint64_t value_key(const void *pool, uint32_t i), member_key(const void *pool, uint32_t i);
uint64_t endpoint_key(const void *pool, uint32_t i);
void service_renumber(struct engine *e, struct service *s, uint32_t *endpoint_map, int64_t forget_before_us);
void member_assign(const struct engine *e, const struct service *s, struct member *m);
void cell_fini(struct cell *c);
void endpoint_fini(struct endpoint *ep);
void purge_fini(struct purge *p);

/* inner.c */
int inner_check(const struct engine *e, const struct ev_inner *ev, struct err *err);
void inner_fold(struct engine *e, const struct ev_inner *ev, int64_t at_us);
void inner_fini(struct inner *in);

/* ledger.c */
uint32_t value_get(struct service *s, uint32_t endpoint, uint32_t text);
void value_judge(struct service *s, uint32_t value, int64_t at_us, struct judgement *ret);
/* The same for readers, of whom there may be many at once: it leaves the cache alone. */
void value_look(const struct service *s, uint32_t value, int64_t at_us, struct judgement *ret);
bool value_serves(const struct service *s, const struct value *v, const struct deploy *d);
bool value_serves_tracked(struct service *s, uint32_t value);
/* The right value of d at an endpoint; empty: not known. */
struct str deploy_value_at(const struct service *s, const struct deploy *d, uint32_t endpoint);
struct str service_expected(const struct service *s, uint32_t endpoint);
bool endpoint_judges(const struct service *s, uint32_t endpoint);
void ledger_rebuild(struct engine *e, uint32_t service);
/* Order, spans, which endpoints judge: all that follows from the deploys alone. */
void ledger_derive(struct service *s);
const struct deploy *ledger_current(const struct service *s);
/* Learned values and observed live_at, from what the origin and uncached answers gave. */
bool ledger_learn(struct service *s);
bool ledger_observed_live(const struct service *s, const struct deploy *d, int64_t *ret_us);

/* incident.c */
void incident_free(struct incident *in);
void incident_cell(struct engine *e, uint32_t service, struct cell *c, int64_t at_us); /* its state changed */
void incident_failed(struct engine *e, uint32_t service, struct deploy *d, struct str reason);
void incidents_resolve(struct engine *e, uint32_t service, const struct deploy *by);
bool incident_is_open(const struct deploy *d);
/* A verdict changed, and with it which cells nobody waits for any more. */
void incident_look(struct engine *e, uint32_t service);
void incident_scan(struct engine *e, uint32_t service);

/* observe.c */
void observe_fold(struct engine *e, const struct ev_observations *ev);
struct scratch *scratch_new(void);
void scratch_free(struct scratch *x);
uint32_t link_count(const struct link *l, int64_t now_us);

/* cell.c */
/* State and progress anew from what the cell holds; says what changed. at_us and late are the transition's.
 */
void cell_refresh(struct engine *e, uint32_t service, uint32_t cell, int64_t at_us, bool late);
void cells_refresh(struct engine *e, uint32_t service, int64_t at_us); /* after the ledger changed */
/* It serves another version, and that is no transition. */
void cell_tell_version(
	struct engine *e, const struct service *s, const struct cell *c, int64_t at_us, bool late);
void cell_timer(struct engine *e, uint32_t service, uint32_t cell);
struct trouble *cell_trouble(struct cell *c);
/* Why the cell does not answer as it should, and since when it has not. One failure alone is noise, and not
 * worth the memory. The link is as it was before. */
void cell_error(struct cell *c, const struct link *l, const struct obs *o, int64_t at_us);
void agent_went_blind(struct engine *e, uint32_t agent, int64_t at_us, bool late); /* or sees again */
struct str edge_vendor(struct str edge);
/* Does no cache stand there, as far as anybody says? Agents call that direct:IP. */
bool edge_is_bare(struct str edge);
bool cell_is_not_fresh(const struct cell *c); /* seen, and wrong: not silent, moved or never seen */
bool cell_mixes_versions(struct engine *e, struct service *s, const struct cell *c);

/* draws.c */
void draws_add(
	struct cell *c, uint32_t value, int64_t at_us, bool through, uint64_t node, int64_t cached_at_us);
void draws_seed(struct cell *c, int64_t since_us);
void draws_free(struct draws *d);
struct share {
	uint32_t value, n; /* NONE32: 5xx */
	double share, low, high;
};
size_t draws_shares(
	const struct cell *c, int64_t since_us, struct share *ret, size_t cap, uint32_t *ret_total);
void wilson95(uint32_t k, uint32_t n, double *ret_low, double *ret_high);

/* deploy.c, verdict.c */
enum verdict_event {
	EVENT_WENT_LIVE,
	EVENT_NEWER_LIVE,
	EVENT_CANCELLED,
	EVENT_ALL_FRESH,
	EVENT_TIME_UP_WRONG,
	EVENT_TIME_UP_DATA,
	EVENT_RELAPSED,
	EVENT_EXPLAINED, /* what looked like a relapse was the next deploy */
	VERDICT_EVENT_COUNT
};
enum verdict verdict_after(enum verdict from, enum verdict_event on);
void deploy_step(
	struct engine *e, uint32_t service, struct deploy *d, enum verdict_event on, struct str reason);
int deploy_check(const struct engine *e, const struct ev_deploy *ev, struct err *err);
int deploy_patch_check(
	const struct engine *e, const struct ev_deploy_patch *ev, int64_t received_us, struct err *err);
void deploy_fold(struct engine *e, const struct ev_deploy *ev);
void deploy_patch_fold(struct engine *e, const struct ev_deploy_patch *ev, int64_t at_us);
void deploy_free(struct deploy *d);
void deploy_try_live(struct engine *e, uint32_t service, struct deploy *d);
void deploy_evaluate(struct engine *e, uint32_t service);
void deploy_relapse(struct engine *e, uint32_t service, struct cell *c, bool http_error, uint32_t agent);
void deploy_arm(struct engine *e, uint32_t service, struct deploy *d);
bool deploy_is_everywhere(const struct engine *e, const struct service *s); /* the tracked one: enough to verify it */
bool deploy_inner_fails(const struct engine *e, struct service *s); /* a layer that was told is in its way */
bool deploy_is_unchanged(const struct service *s, const struct deploy *d);
double deploy_coverage(const struct deploy *d);
double deploy_share(const struct curve *c);
void deploy_count_pairs(struct service *s);

/* progress.c */
void progress_refresh(struct engine *e, struct service *s, uint32_t cell);
void progress_start(struct engine *e, uint32_t service, struct deploy *d);
void progress_restart(struct engine *e, uint32_t service); /* live_at or the judged endpoints changed */
/* Which endpoints did not judge the tracked deploy: while they are still asked about it, and not about the
 * one that overtakes it. */
void progress_note_advisories(struct service *s);
void progress_retire(struct engine *e, struct service *s, struct deploy *d);
void progress_note_known(struct engine *e, struct service *s, struct deploy *d);
/* The tracked deploy's sums from what its cells say. */
void progress_sum(struct engine *e, struct service *s);

/* propagation.c */
size_t hist_bin(int64_t us, bool up); /* up: the bin whose end is the first at or after us */
int64_t hist_time(size_t bin);        /* what a bin stands for, microseconds */
void hist_add(struct hist *h, size_t bin, uint64_t weight);
void hist_take(struct hist *h, size_t bin, uint64_t weight);
void hist_fini(struct hist *h);
struct curve *curve_get(struct deploy *d, enum curve_kind kind, uint32_t name);
/* [earliest, latest] by which that share of `total` had converged; TIME_NONE: not yet. */
void curve_quantile(const struct curve *c, bool retired, size_t q, int64_t ret_us[2]);
void curve_fini(struct curve *c);
void curves_clear(struct deploy *d); /* leaves the one over all, empty */
extern const unsigned quantile_percent[QUANTILES];

/* notice.c */
void notice_undeclared(
	struct engine *e, struct service *s, uint32_t value, int64_t at_us, bool origin, uint32_t edge);

#endif

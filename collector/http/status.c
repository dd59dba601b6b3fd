/* status.c - /api/v2: status feeds in the shape of Atlassian Statuspage's public API, so that what reads
 * those reads us. A component is a service. Its status is what a user of the service meets, from the states
 * of its cells:
 *
 *   judged    cells that say something now: fresh, stale, mixed, failing, ahead, unknown
 *   major_outage          failing cells are at least half of the judged
 *   partial_outage        failing cells are at least a tenth; or failing, stale and mixed ones are at least
 * half degraded_performance  any failing, stale or mixed cell; or nothing is judged; or at least half of the
 * cells that were ever seen are silent: no data is never a green page operational           otherwise
 *
 * While a deploy is on its way (pending, converging), stale and mixed cells are expected and do not count.
 * The page's indicator is the worst component: degraded is minor, partial is major, major is critical. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/units.h"
#include "collector/http/handlers.h"

#define COMPONENT_STATES(X)                                                                                  \
	X(OPERATIONAL, "operational", "none", "All Systems Operational")                                     \
	X(DEGRADED, "degraded_performance", "minor", "Partially Degraded Service")                           \
	X(PARTIAL, "partial_outage", "major", "Partial System Outage")                                       \
	X(MAJOR, "major_outage", "critical", "Major Service Outage")
#define X(id, name, indicator, says) COMPONENT_##id,
enum component_state { COMPONENT_STATES(X) COMPONENT_STATE_COUNT };
#undef X
#define X(id, name, indicator, says) { name, indicator, says },
static const struct {
	const char *name, *indicator, *says;
} component_states[] = { COMPONENT_STATES(X) };
#undef X

struct component {
	char *name, *says;
	enum component_state state;
	int64_t created_at_us, updated_at_us;
	bool present;
};
struct components {
	pthread_mutex_t lock;
	struct component *list;
	size_t n, cap;
	int64_t updated_at_us;
};

struct components *components_new(void)
{
	struct components *c = mem_new(sizeof(*c));
	c->updated_at_us = clock_wall_us();
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void component_fini(struct component *k)
{
	free(k->name);
	free(k->says);
}

void components_free(struct components *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++)
		component_fini(&c->list[i]);
	free(c->list);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static enum component_state state_of(const struct service_counts *k, struct buf *says)
{
	const size_t *n = k->cells;
	bool rolling = k->has_deploy && (k->verdict == VERDICT_PENDING || k->verdict == VERDICT_CONVERGING);
	size_t failing = n[CELL_FAILING], old = rolling ? 0 : n[CELL_STALE] + n[CELL_MIXED];
	size_t judged = n[CELL_FRESH] + n[CELL_STALE] + n[CELL_MIXED] + n[CELL_FAILING] + n[CELL_AHEAD] +
			n[CELL_UNKNOWN];
	if (judged == 0) {
		buf_addf(says, "nothing is known: no agent reports on it");
		return COMPONENT_DEGRADED;
	}
	buf_addf(says, "%zu of %zu edges are up to date", n[CELL_FRESH], judged);
	if (n[CELL_STALE] + n[CELL_MIXED])
		buf_addf(says, ", %zu still serve an older release%s", n[CELL_STALE] + n[CELL_MIXED],
			rolling ? ", which is on its way out" : "");
	if (failing)
		buf_addf(says, ", %zu do not answer", failing);
	if (n[CELL_SILENT])
		buf_addf(says, ", %zu are not observed", n[CELL_SILENT]);
	if (2 * failing >= judged)
		return COMPONENT_MAJOR;
	if (10 * failing >= judged || 2 * (failing + old) >= judged)
		return COMPONENT_PARTIAL;
	if (failing + old > 0 || n[CELL_SILENT] >= judged)
		return COMPONENT_DEGRADED;
	return COMPONENT_OPERATIONAL;
}

static struct component *component_of(struct components *c, struct str name, int64_t now_us)
{
	for (size_t i = 0; i < c->n; i++)
		if (str_is(name, c->list[i].name))
			return &c->list[i];
	c->list = mem_grow(c->list, &c->cap, c->n + 1, sizeof(*c->list));
	struct component *k = &c->list[c->n++];
	*k = (struct component){ .name = str_dup(name),
		.says = mem_strdup(""),
		.created_at_us = now_us,
		.updated_at_us = now_us };
	c->updated_at_us = now_us;
	return k;
}

/* Called by the timer, so that updated_at is when it changed and not when somebody asked. */
void components_refresh(struct components *c, struct hub *hub, int64_t now_us)
{
	struct buf says;
	buf_init(&says, 512);
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n; i++)
		c->list[i].present = false;
	const struct engine *e = hub_read(hub);
	size_t n = view_service_count(e);
	for (size_t i = 0; i < n; i++) {
		struct service_counts counts;
		view_service_counts(e, i, &counts);
		buf_clear(&says);
		enum component_state state = state_of(&counts, &says);
		struct component *k = component_of(c, counts.name, now_us);
		k->present = true;
		if (k->state != state)
			c->updated_at_us = k->updated_at_us = now_us;
		k->state = state;
		if (!str_is(buf_str(&says), k->says)) {
			free(k->says);
			k->says = mem_strdup(says.p);
		}
	}
	hub_read_done(hub);
	for (size_t i = 0; i < c->n;) {
		if (c->list[i].present) {
			i++;
			continue;
		}
		component_fini(&c->list[i]);
		memmove(&c->list[i], &c->list[i + 1], (--c->n - i) * sizeof(*c->list));
		c->updated_at_us = now_us;
	}
	pthread_mutex_unlock(&c->lock);
	buf_fini(&says);
}

/* Twelve characters as Statuspage's ids have; the same name gives the same id for ever. */
void status_add_id(struct buf *b, struct str name)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t h = str_hash(name);
	buf_add_char(b, '"');
	for (int i = 0; i < 12; i++)
		buf_add_char(b, digits[h >> (5 * i) & 31]);
	buf_add_char(b, '"');
}

void status_add_millis(struct buf *b, int64_t at_us) /* clients parse three decimals */
{
	char text[TIME_TEXT_MAX];
	struct str t = str_of(time_format(at_us - at_us % US_PER_S, text));
	buf_addf(b, "\"%.*s.%03dZ\"", (int)t.n - 1, t.p, (int)(at_us / US_PER_MS % 1000));
}

static void add_page(struct buf *b, struct http *h, const struct components *c)
{
	pthread_rwlock_rdlock(&h->settings_lock);
	struct str title = str_of(h->settings.page_title), url = str_of(h->settings.page_url);
	buf_addf(b, "{\"page\":{\"id\":");
	status_add_id(b, title);
	buf_add_key(b, "name");
	buf_add_json(b, title);
	buf_add_key(b, "url");
	buf_add_json(b, url.n ? url : str_of(h->listen_url));
	pthread_rwlock_unlock(&h->settings_lock);
	buf_addf(b, ",\"time_zone\":\"Etc/UTC\",\"updated_at\":");
	status_add_millis(b, c->updated_at_us);
	buf_add_char(b, '}');
}

static void add_components(struct buf *b, struct http *h, const struct components *c)
{
	buf_addf(b, ",\"components\":[");
	for (size_t i = 0; i < c->n; i++) {
		const struct component *k = &c->list[i];
		buf_addf(b, "%s{\"id\":", i ? "," : "");
		status_add_id(b, str_of(k->name));
		buf_add_key(b, "name");
		buf_add_json(b, str_of(k->name));
		buf_addf(b, ",\"status\":\"%s\",\"created_at\":", component_states[k->state].name);
		status_add_millis(b, k->created_at_us);
		buf_addf(b, ",\"updated_at\":");
		status_add_millis(b, k->updated_at_us);
		buf_addf(b, ",\"position\":%zu,\"description\":", i + 1);
		buf_add_json(b, str_of(k->says));
		buf_addf(b, ",\"showcase\":true,\"start_date\":null,\"group_id\":null,\"page_id\":");
		pthread_rwlock_rdlock(&h->settings_lock);
		status_add_id(b, str_of(h->settings.page_title));
		pthread_rwlock_unlock(&h->settings_lock);
		buf_addf(b, ",\"group\":false,\"only_show_if_degraded\":false}");
	}
	buf_add_char(b, ']');
}

static void add_status(struct buf *b, const struct components *c)
{
	enum component_state worst = COMPONENT_OPERATIONAL;
	for (size_t i = 0; i < c->n; i++)
		worst = MAX(worst, c->list[i].state);
	buf_addf(b, ",\"status\":{\"indicator\":\"%s\",\"description\":\"%s\"}",
		component_states[worst].indicator, component_states[worst].says);
}

enum feed { FEED_STATUS = 1, FEED_COMPONENTS = 2, FEED_INCIDENTS = 4, FEED_MAINTENANCES = 8 };

static void answer_feed(struct request *r, unsigned feed)
{
	struct http *h = r->http;
	struct components *c = h->components;
	components_refresh(c, h->hub, clock_wall_us());
	pthread_mutex_lock(&c->lock);
	add_page(&r->out, h, c);
	if (feed & FEED_COMPONENTS)
		add_components(&r->out, h, c);
	if (feed & FEED_INCIDENTS) { /* the summary has the unresolved ones only */
		pthread_rwlock_rdlock(&h->settings_lock);
		struct str page = str_of(h->settings.page_title);
		if (h->settings.draft_incidents)
			buf_addf(&r->out, ",\"incidents\":[]");
		else
			incidents_feed(h, feed & FEED_COMPONENTS, page, &r->out);
		pthread_rwlock_unlock(&h->settings_lock);
	}
	if (feed & FEED_MAINTENANCES)
		buf_addf(&r->out, ",\"scheduled_maintenances\":[]");
	if (feed & FEED_STATUS)
		add_status(&r->out, c);
	pthread_mutex_unlock(&c->lock);
	buf_addf(&r->out, "}\n");
	answer_json(r, 200);
}

void handle_status_summary(struct request *r, struct worker *w)
{
	(void)w;
	answer_feed(r, FEED_STATUS | FEED_COMPONENTS | FEED_INCIDENTS | FEED_MAINTENANCES);
}

void handle_status_status(struct request *r, struct worker *w)
{
	(void)w;
	answer_feed(r, FEED_STATUS);
}

void handle_status_components(struct request *r, struct worker *w)
{
	(void)w;
	answer_feed(r, FEED_COMPONENTS);
}

void handle_status_incidents(struct request *r, struct worker *w)
{
	(void)w;
	answer_feed(r, FEED_INCIDENTS);
}

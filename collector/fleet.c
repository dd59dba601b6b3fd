/* fleet.c - see fleet.h and fleet_impl.h: who is enrolled, who is there, what the journal hears of it. */
#include <pthread.h>
#include <stdlib.h>

#include "collector/fleet_impl.h"
#include "collector/token.h"

#define CLOCK_SUSPECT_US (2 * US_PER_S)

struct fleet *fleet_new(void)
{
	struct fleet *f = mem_new(sizeof(*f));
	INVARIANT(pthread_mutex_init(&f->lock, NULL) == 0);
	return f;
}

void fleet_free(struct fleet *f, void (*drop)(void *msg))
{
	if (!f)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct agent *a = f->agents[i], *next; a; a = next) {
			next = a->next;
			free(a->software);
			shortfall_fini(&a->shortfall);
			free(a);
		}
		for (struct peer *p = f->peers[i], *next; p; p = next) {
			next = p->next;
			if (p->parked.msg)
				drop(p->parked.msg);
			free(p);
		}
	}
	for (struct text *t = f->texts, *next; t; t = next) {
		next = t->next;
		free(t);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* Names and regions are handed out without a lock, so what was once given out is never freed; a region
 * changes about never. */
static struct str text_keep(struct fleet *f, struct str s)
{
	struct text *t = mem_new(sizeof(*t) + s.n + 1);
	if (s.n > 0)
		memcpy(t->bytes, s.p, s.n);
	t->next = f->texts;
	f->texts = t;
	return (struct str){ t->bytes, s.n };
}

static struct agent *agent_find(struct fleet *f, struct str name, bool make)
{
	struct agent **at = &f->agents[str_hash(name) % BUCKETS], *a;
	for (a = *at; a; a = a->next)
		if (str_eq(a->record.name, name))
			return a;
	if (!make)
		return NULL;
	a = mem_new(sizeof(*a));
	a->record.name = text_keep(f, name);
	a->next = *at;
	*at = a;
	return a;
}

struct peer **fleet_peer_at(struct fleet *f, uint32_t pipe)
{
	struct peer **at = &f->peers[pipe % BUCKETS];
	while (*at && (*at)->pipe != pipe)
		at = &(*at)->next;
	return at;
}

/* -- news -- */

static void news_check(struct fleet *f, struct agent *a)
{
	bool same = a->ever_told && a->told == a->want && a->told_suspect == a->suspect;
	if (same || a->in_news)
		return;
	a->in_news = true;
	a->next_news = f->news;
	f->news = a;
}

static void want(struct fleet *f, struct agent *a, enum agent_told state)
{
	a->want = state;
	news_check(f, a);
}

bool fleet_take_news(struct fleet *f, struct fleet_news *ret)
{
	bool found = false;
	pthread_mutex_lock(&f->lock);
	while (f->news && !found) {
		struct agent *a = f->news;
		f->news = a->next_news;
		a->in_news = false;
		if (a->ever_told && a->told == a->want && a->told_suspect == a->suspect)
			continue;
		a->ever_told = true;
		a->told = a->want;
		a->told_suspect = a->suspect;
		*ret = (struct fleet_news){ .name = a->record.name,
			.region = a->record.region,
			.state = a->want,
			.has_location = a->has_location,
			.latitude = a->latitude,
			.longitude = a->longitude,
			.clock_suspect = a->suspect };
		ret->software = (struct str){ mem_strdup(a->software ? a->software : ""),
			a->software ? strlen(a->software) : 0 };
		found = true;
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

void fleet_was_connected(struct fleet *f, struct str name, struct str region)
{
	pthread_mutex_lock(&f->lock);
	struct agent *a = agent_find(f, name, true);
	if (a->record.region.n == 0 && region.n > 0)
		a->record.region = text_keep(f, region);
	a->ever_told = true;
	a->told = a->want = AGENT_CONNECTED;
	pthread_mutex_unlock(&f->lock);
}

void fleet_was_known(struct fleet *f, struct str name, bool revoked)
{
	pthread_mutex_lock(&f->lock);
	struct agent *a = agent_find(f, name, true);
	a->ever_told = true;
	a->told = a->want = revoked ? AGENT_REVOKED : AGENT_DISCONNECTED;
	pthread_mutex_unlock(&f->lock);
}

void fleet_forget_absent(struct fleet *f)
{
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct agent *a = f->agents[i]; a; a = a->next)
			if (a->want == AGENT_CONNECTED && !a->peer)
				want(f, a, AGENT_DISCONNECTED);
	pthread_mutex_unlock(&f->lock);
}

/* -- credentials -- */

static void set_enrolled(struct fleet *f, struct agent *a, bool enrolled)
{
	if (enrolled != a->enrolled) {
		f->n_enrolled += enrolled ? 1 : (size_t)-1;
		f->version++;
	}
	a->enrolled = enrolled;
}

static void agent_let_go(struct fleet *f, struct agent *a, enum denial why)
{
	if (!a->peer)
		return;
	a->peer->why_not = why;
	a->peer->agent = NULL;
	a->peer = NULL;
	f->n_connected--;
}

/* So that it is listed before it ever connects. */
static void want_enrolled(struct fleet *f, struct agent *a)
{
	if (!a->peer && (!a->ever_told || a->want == AGENT_REVOKED))
		want(f, a, AGENT_ENROLLED);
}

static void record_set(struct fleet *f, struct agent *a, const struct agent_record *r)
{
	struct str name = a->record.name, region = a->record.region;
	if (!str_eq(region, r->region) && r->region.n > 0) {
		region = text_keep(f, r->region);
		f->version++;
	}
	a->record = *r;
	a->record.name = name;
	a->record.region = region;
	set_enrolled(f, a, !r->revoked);
}

void fleet_put(struct fleet *f, const struct agent_record *r, void **ret_parked)
{
	void *parked = NULL;
	pthread_mutex_lock(&f->lock);
	struct agent *a = agent_find(f, r->name, true);
	if (!a->is_static) {
		record_set(f, a, r);
		if (r->revoked) {
			if (a->peer)
				parked = fleet_unpark(f, a->peer);
			agent_let_go(f, a, DENIED_REVOKED);
			want(f, a, AGENT_REVOKED);
		} else {
			want_enrolled(f, a);
		}
	}
	pthread_mutex_unlock(&f->lock);
	*ret_parked = parked;
}

void fleet_set_static(struct fleet *f, const struct collector_conf *c)
{
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct agent *a = f->agents[i]; a; a = a->next) {
			if (!a->is_static)
				continue;
			a->is_static = false; /* until it is found below */
			set_enrolled(f, a, false);
		}
	}
	for (size_t i = 0; i < c->n_agents; i++) {
		const struct agent_conf_entry *e = &c->agents[i];
		struct agent *a = agent_find(f, e->name, true);
		struct agent_record r = { .name = e->name, .region = e->region, .token = e->token };
		record_set(f, a, &r);
		a->is_static = true;
		want_enrolled(f, a);
	}
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct agent *a = f->agents[i]; a; a = a->next) {
			if (a->peer && !a->enrolled)
				agent_let_go(f, a, DENIED_UNKNOWN_AGENT), want(f, a, AGENT_DISCONNECTED);
			else if (!a->enrolled && a->want == AGENT_ENROLLED && a->ever_told)
				want(f, a, AGENT_REVOKED); /* left the configuration before it ever came */
		}
	pthread_mutex_unlock(&f->lock);
}

bool fleet_find(struct fleet *f, struct str name, struct agent_record *ret, bool *ret_static)
{
	pthread_mutex_lock(&f->lock);
	struct agent *a = agent_find(f, name, false);
	bool found = a && (a->enrolled || a->record.revoked);
	if (found) {
		*ret = a->record;
		*ret_static = a->is_static;
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

static int by_name(const void *a, const void *b)
{
	const struct agent *const *x = a, *const *y = b;
	return str_cmp((*x)->record.name, (*y)->record.name);
}

uint64_t fleet_version(struct fleet *f)
{
	pthread_mutex_lock(&f->lock);
	uint64_t version = f->version;
	pthread_mutex_unlock(&f->lock);
	return version;
}

int fleet_each(
	struct fleet *f, int (*each)(void *ctx, const struct fleet_agent *a, bool connected), void *ctx)
{
	size_t n = 0;
	int rc = 0;
	pthread_mutex_lock(&f->lock);
	struct agent **list = mem_new_array(f->n_enrolled + 1, sizeof(*list));
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct agent *a = f->agents[i]; a; a = a->next)
			if (a->enrolled)
				list[n++] = a;
	INVARIANT(n == f->n_enrolled);
	qsort(list, n, sizeof(*list), by_name);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = each(ctx, &(struct fleet_agent){ list[i]->record.name, list[i]->record.region },
			list[i]->peer != NULL);
	pthread_mutex_unlock(&f->lock);
	free(list);
	return rc;
}

/* -- pipes -- */

void fleet_pipe_added(struct fleet *f, uint32_t pipe, int64_t boot_us)
{
	pthread_mutex_lock(&f->lock);
	struct peer **at = fleet_peer_at(f, pipe);
	if (!*at) {
		*at = mem_new(sizeof(**at));
		(*at)->pipe = pipe;
		(*at)->why_not = DENIED_HELLO_FIRST;
		(*at)->last_boot_us = boot_us;
		f->n_pipes++;
	}
	pthread_mutex_unlock(&f->lock);
}

static void *peer_remove(struct fleet *f, struct peer **at)
{
	struct peer *p = *at;
	void *parked = fleet_unpark(f, p);
	if (p->agent) {
		struct agent *a = p->agent;
		agent_let_go(f, a, DENIAL_COUNT);
		if (a->want != AGENT_DRAINED) /* it said that it would go */
			want(f, a, AGENT_DISCONNECTED);
	}
	*at = p->next;
	free(p);
	f->n_pipes--;
	return parked;
}

void *fleet_pipe_gone(struct fleet *f, uint32_t pipe)
{
	pthread_mutex_lock(&f->lock);
	struct peer **at = fleet_peer_at(f, pipe);
	void *parked = *at ? peer_remove(f, at) : NULL;
	pthread_mutex_unlock(&f->lock);
	return parked;
}

/* Both tokens are always compared, so that the time taken does not tell which one it was. */
static enum denial check_token(const struct agent *a, struct str token)
{
	struct sha256 hash;
	if (!token_hash_bytes(token, &hash))
		return DENIED_BAD_TOKEN;
	bool is_new = bytes_eq_constant_time(&hash, &a->record.token, sizeof(hash));
	bool is_old = bytes_eq_constant_time(&hash, &a->record.token_old, sizeof(hash)) && a->record.has_old;
	return is_new || is_old ? DENIAL_COUNT : DENIED_BAD_TOKEN;
}

static enum denial hello_check(const struct agent *a, const struct wire_hello *h)
{
	if (!a || !(a->enrolled || a->record.revoked))
		return DENIED_UNKNOWN_AGENT;
	enum denial d = check_token(a, h->token);
	if (d != DENIAL_COUNT)
		return d;
	return a->record.revoked ? DENIED_REVOKED : DENIAL_COUNT;
}

static void hello_note(struct fleet *f, struct agent *a, const struct wire_hello *h, int64_t received_us)
{
	if (a->record.region.n == 0 && h->region.n > 0 && h->region.n <= OBS_NAME_MAX) {
		a->record.region = text_keep(f, h->region);
		f->version++;
	}
	free(a->software);
	a->software = str_dup(str_first(h->software, OBS_NAME_MAX));
	a->has_location = h->latitude != 0 || h->longitude != 0;
	a->latitude = h->latitude;
	a->longitude = h->longitude;
	int64_t ahead_us = h->sent_wall_us - received_us;
	a->suspect = ahead_us > CLOCK_SUSPECT_US || ahead_us < -CLOCK_SUSPECT_US;
}

enum denial fleet_hello(struct fleet *f, uint32_t pipe, const struct wire_hello *h, int64_t received_us,
	int64_t boot_us, struct fleet_agent *ret, void **ret_parked)
{
	enum denial d = DENIED_HELLO_FIRST;
	void *parked = NULL;
	pthread_mutex_lock(&f->lock);
	struct peer *p = *fleet_peer_at(f, pipe);
	struct agent *a = agent_find(f, h->agent, false);
	if (p) { /* else it went away while its Hello was under way: the answer reaches nobody */
		p->last_boot_us = boot_us;
		d = h->protocol == PROTOCOL_VERSION ? hello_check(a, h) : DENIED_PROTOCOL;
	}
	if (d == DENIAL_COUNT) {
		if (p->agent && p->agent != a) { /* one connection, another agent: the former one left */
			struct agent *former = p->agent;
			agent_let_go(f, former, DENIAL_COUNT);
			want(f, former, AGENT_DISCONNECTED);
		}
		if (a->peer != p) {
			if (a->peer)
				parked = fleet_unpark(f, a->peer);
			agent_let_go(f, a, DENIED_REPLACED);
			a->peer = p;
			f->n_connected++;
		}
		p->agent = a;
		p->why_not = DENIAL_COUNT;
		hello_note(f, a, h, received_us);
		want(f, a, AGENT_CONNECTED);
		*ret = (struct fleet_agent){ a->record.name, a->record.region };
	}
	pthread_mutex_unlock(&f->lock);
	*ret_parked = parked;
	return d;
}

enum denial fleet_message(struct fleet *f, uint32_t pipe, int64_t boot_us, struct fleet_agent *ret)
{
	enum denial d = DENIED_HELLO_FIRST;
	pthread_mutex_lock(&f->lock);
	struct peer *p = *fleet_peer_at(f, pipe);
	if (p) {
		p->last_boot_us = boot_us;
		d = p->why_not;
	}
	if (d == DENIAL_COUNT)
		*ret = (struct fleet_agent){ p->agent->record.name, p->agent->record.region };
	pthread_mutex_unlock(&f->lock);
	return d;
}

bool fleet_upload(struct fleet *f, uint32_t pipe, const struct wire_upload *u, bool clock_suspect)
{
	bool news = false;
	pthread_mutex_lock(&f->lock);
	struct peer *p = *fleet_peer_at(f, pipe);
	if (p && p->agent) {
		struct agent *a = p->agent;
		f->lost_results += u->lost_results -
				   a->lost.results; /* unsigned: also right when a new spool starts at 0 */
		a->lost = (struct lost){ u->lost_results, u->lost_from_us, u->lost_to_us };
		a->suspect = clock_suspect;
		news_check(f, a);
		news = a->in_news;
	}
	pthread_mutex_unlock(&f->lock);
	return news;
}

bool fleet_watch(struct fleet *f, uint32_t pipe, bool leaving, const struct wire_shortfall *s)
{
	bool news = false;
	pthread_mutex_lock(&f->lock);
	struct peer *p = *fleet_peer_at(f, pipe);
	if (p && p->agent) {
		if (s->there)
			shortfall_keep(&p->agent->shortfall, s, &f->held_back, &f->refused);
		if (leaving)
			want(f, p->agent, AGENT_DRAINED);
		news = p->agent->in_news;
	}
	pthread_mutex_unlock(&f->lock);
	return news;
}

void fleet_shortfall_json(struct fleet *f, struct str name, struct buf *out)
{
	pthread_mutex_lock(&f->lock);
	const struct agent *a = agent_find(f, name, false);
	shortfall_json(a ? &a->shortfall : NULL, a ? &a->lost : NULL, out);
	pthread_mutex_unlock(&f->lock);
}

bool fleet_take_dead(struct fleet *f, int64_t boot_us, uint32_t *ret_pipe, void **ret_parked)
{
	bool found = false;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < BUCKETS && !found; i++) {
		for (struct peer **at = &f->peers[i]; *at; at = &(*at)->next) {
			int64_t silent_us = boot_us - (*at)->last_boot_us;
			if (silent_us < FLEET_MUTE_US ||
				((*at)->why_not != DENIED_HELLO_FIRST && silent_us < FLEET_SILENT_US))
				continue;
			*ret_pipe = (*at)->pipe;
			*ret_parked = peer_remove(f, at);
			found = true;
			break;
		}
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

void fleet_counts(struct fleet *f, struct fleet_counts *ret)
{
	pthread_mutex_lock(&f->lock);
	*ret = (struct fleet_counts){ f->n_enrolled, f->n_connected, f->n_pipes, f->n_parked, f->lost_results,
		f->held_back, f->refused };
	pthread_mutex_unlock(&f->lock);
}

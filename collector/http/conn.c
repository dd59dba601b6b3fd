/* conn.c - connections and their absolute deadlines. libmicrohttpd's timeout only counts inactivity: a client
 * that drips a byte a second would hold its place for ever. So each connection has one deadline for what it
 * is doing now, and the timer shuts the socket down when it is over; the mhd thread then finds it closed. The
 * lock keeps the number of a socket from being reused between the look and the shutdown: conns_remove() comes
 * before the close. */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/clock.h"
#include "collector/http/server.h"

#define CONN_MAGIC 0x7c0117ec

/* With less than a quarter of the places left, a connection that asks for nothing goes first. */
#define IDLE_WHEN_FULL_US US_PER_S

void conns_init(struct conns *c, const struct http_limits *limits)
{
	*c = (struct conns){ .limits = *limits };
	pthread_mutex_init(&c->lock, NULL);
}

void conns_fini(struct conns *c)
{
	while (c->list)
		conns_remove(c, c->list);
	pthread_mutex_destroy(&c->lock);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr *b)
{
	if (a->ss_family != b->sa_family)
		return false;
	if (b->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	if (b->sa_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
			       &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
			       sizeof(struct in6_addr)) == 0;
	return true;
}

/* Where our bytes are stuck, the close must not wait for them: the kernel would keep them, perhaps for
 * minutes. */
static void kill_locked(struct conns *c, struct conn *k)
{
	struct linger now = { .l_onoff = 1 };
	if (k->killed)
		return;
	if (k->phase == CONN_SEND || k->phase == CONN_STREAM)
		(void)setsockopt(k->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)shutdown(k->fd, SHUT_RDWR); /* it may have gone by itself */
	k->killed = true;
	c->n_killed++;
}

static size_t hash_of(const struct sockaddr *a)
{
	uint64_t h = 14695981039346656037u;
	const unsigned char *p = a->sa_family == AF_INET6
					 ? (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr
					 : (const unsigned char *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
	for (size_t i = 0; i < (a->sa_family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr)); i++)
		h = (h ^ p[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

static const struct sockaddr *address_of(const struct conn *k)
{
	return (const struct sockaddr *)&k->address;
}

/* Who asks for something has a place; who has not yet, or not any more, may lose it. */
static bool may_go(const struct conn *k)
{
	return !k->killed && (k->phase == CONN_IDLE || k->phase == CONN_HEADER || k->phase == CONN_BODY);
}

/* Every place is taken: the address that holds the most of them gives one that it is not using, if it holds more than
 * the newcomer's. So one client among thousands of connections of others gets its answer. */
static bool make_room(struct conns *c, const struct sockaddr *newcomer)
{
	struct holder {
		struct conn *oldest; /* the list has the newest first */
		size_t n;
	};
	size_t size = 2 * c->n + 1, own = 0;
	struct holder *table = mem_new_array(size, sizeof(*table)), *most = NULL;
	for (struct conn *k = c->list; k; k = k->next) {
		own += !k->killed && same_address(&k->address, newcomer);
		if (!may_go(k))
			continue;
		size_t i = hash_of(address_of(k)) % size;
		while (table[i].oldest && !same_address(&table[i].oldest->address, address_of(k)))
			i = (i + 1) % size;
		table[i].oldest = k;
		if (++table[i].n > (most ? most->n : 0))
			most = &table[i];
	}
	bool made = most && most->n > own + 1;
	if (made) {
		kill_locked(c, most->oldest);
		c->crowded_out++;
	}
	free(table);
	return made;
}

bool conns_may_accept(struct conns *c, const struct sockaddr *address)
{
	size_t same = 0;
	pthread_mutex_lock(&c->lock);
	for (const struct conn *k = c->list; k; k = k->next)
		same += !k->killed && same_address(&k->address, address);
	bool may = same < c->limits.per_address && c->n_killed < CONNS_CLOSING_MAX &&
		   (c->n - c->n_killed < c->limits.connections || make_room(c, address));
	if (!may)
		c->refused++;
	pthread_mutex_unlock(&c->lock);
	return may;
}

static int64_t deadline_of(const struct http_limits *l, enum conn_phase phase, int64_t now_us)
{
	switch (phase) {
	case CONN_HEADER:
		return now_us + l->header_us;
	case CONN_BODY:
		return now_us + l->body_us;
	case CONN_SEND:
		return now_us + l->send_us;
	case CONN_IDLE:
		return now_us + l->idle_us;
	default: /* our own work ends by its own deadline; a stream by its queue */
		return INT64_MAX;
	}
}

struct conn *conns_add(struct conns *c, int fd, const struct sockaddr *address)
{
	struct conn *k = mem_new(sizeof(*k));
	k->magic = CONN_MAGIC;
	k->fd = fd;
	if (address && address->sa_family == AF_INET)
		memcpy(&k->address, address, sizeof(struct sockaddr_in));
	else if (address && address->sa_family == AF_INET6)
		memcpy(&k->address, address, sizeof(struct sockaddr_in6));
	k->phase = CONN_HEADER;
	k->deadline_us = deadline_of(&c->limits, CONN_HEADER, clock_boot_us());
	pthread_mutex_lock(&c->lock);
	k->next = c->list;
	if (c->list)
		c->list->prev = k;
	c->list = k;
	c->n++;
	c->accepted++;
	c->per_phase[k->phase]++;
	pthread_mutex_unlock(&c->lock);
	return k;
}

void conns_remove(struct conns *c, struct conn *conn)
{
	struct conn *k = OBJ_CAST(struct conn, conn, CONN_MAGIC);
	pthread_mutex_lock(&c->lock);
	if (k->prev)
		k->prev->next = k->next;
	else
		c->list = k->next;
	if (k->next)
		k->next->prev = k->prev;
	c->n--;
	c->n_killed -= k->killed;
	c->per_phase[k->phase]--;
	pthread_mutex_unlock(&c->lock);
	free(k);
}

void conns_phase(struct conns *c, struct conn *conn, enum conn_phase phase)
{
	struct conn *k = OBJ_CAST(struct conn, conn, CONN_MAGIC);
	int64_t now_us = clock_boot_us();
	pthread_mutex_lock(&c->lock);
	c->per_phase[k->phase]--;
	k->phase = phase;
	k->deadline_us = deadline_of(&c->limits, phase, now_us);
	c->per_phase[phase]++;
	pthread_mutex_unlock(&c->lock);
}

void conns_kill(struct conns *c, struct conn *conn)
{
	struct conn *k = OBJ_CAST(struct conn, conn, CONN_MAGIC);
	pthread_mutex_lock(&c->lock);
	kill_locked(c, k);
	pthread_mutex_unlock(&c->lock);
}

void conns_expire(struct conns *c, int64_t now_us)
{
	pthread_mutex_lock(&c->lock);
	bool crowded = c->n > c->limits.connections / 4 * 3;
	for (struct conn *k = c->list; k; k = k->next) {
		int64_t due_us = k->deadline_us;
		if (crowded && k->phase == CONN_IDLE && c->limits.idle_us > IDLE_WHEN_FULL_US)
			due_us -= c->limits.idle_us - IDLE_WHEN_FULL_US;
		if (due_us > now_us || k->killed)
			continue;
		kill_locked(c, k);
		c->expired[k->phase]++;
	}
	pthread_mutex_unlock(&c->lock);
}

size_t conns_at_work(struct conns *c)
{
	pthread_mutex_lock(&c->lock);
	size_t n = c->per_phase[CONN_BODY] + c->per_phase[CONN_BUSY] + c->per_phase[CONN_SEND] +
		   c->per_phase[CONN_STREAM];
	pthread_mutex_unlock(&c->lock);
	return n;
}

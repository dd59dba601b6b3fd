#include "agent/shortfall.h"

#include <stdio.h>
#include <unistd.h>

/* Cut, but never within a character. */
static void keep(char *to, size_t size, struct str s)
{
	size_t n = MIN(s.n, size - 1);
	while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xC0) == 0x80)
		n--;
	(void)snprintf(to, size, "%.*s", (int)n, s.p);
}

void shortfall_add(struct shortfall *s, struct str service, struct str endpoint, const char *why)
{
	s->refused++;
	if (s->n == SHORTFALL_NAMES_MAX)
		return;
	struct shortfall_name *name = &s->names[s->n++];
	keep(name->service, sizeof(name->service), service);
	keep(name->endpoint, sizeof(name->endpoint), endpoint);
	keep(name->why, sizeof(name->why), str_of(why));
	if (!str_is_utf8(str_of(name->why))) /* it may quote what somebody else wrote */
		keep(name->why, sizeof(name->why), STR("see this agent's log"));
}

void shortfall_put(struct shortfall_box *box, struct shortfall *s)
{
	(void)pthread_mutex_lock(&box->lock);
	s->version = box->now.version + 1;
	box->now = *s;
	if (box->watched) {
		uint64_t one = 1;
		ssize_t n = write(box->watch_fd, &one, sizeof(one));
		(void)n; /* full means that it is readable already */
	}
	(void)pthread_mutex_unlock(&box->lock);
}

void shortfall_watch(struct shortfall_box *box, int fd)
{
	(void)pthread_mutex_lock(&box->lock);
	box->watched = fd >= 0;
	box->watch_fd = fd;
	(void)pthread_mutex_unlock(&box->lock);
}

void shortfall_get(struct shortfall_box *box, struct shortfall *ret)
{
	(void)pthread_mutex_lock(&box->lock);
	*ret = box->now;
	(void)pthread_mutex_unlock(&box->lock);
}

void shortfall_wire(const struct shortfall *s, uint64_t held_back, struct wire_shortfall *ret)
{
	*ret = (struct wire_shortfall){
		.there = true, .held_back = held_back, .refused = s->refused, .n_refusals = s->n
	};
	for (size_t i = 0; i < s->n; i++)
		ret->refusals[i] = (struct wire_refusal){ str_of(s->names[i].service),
			str_of(s->names[i].endpoint), str_of(s->names[i].why) };
}

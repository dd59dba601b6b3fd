#include "agent/addresses.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

struct name {
	char *name;
	bool wanted, under_way, good; /* good: the last lookup brought something */
	int64_t every_us, due_us, found_us;
	struct addresses found;
	struct {
		char ip[ADDRESS_TEXT_MAX];
		int64_t seen_us;
	} learned[ADDRESSES_LEARNED_MAX];
	size_t n_learned;
};

struct address_book {
	struct name **names; /* by name */
	size_t n, cap;
	int64_t next_us; /* when the first of them is due */
};

void addresses_add(struct addresses *a, const char *ip)
{
	size_t at = 0;
	while (at < a->n && strcmp(a->ip[at], ip) < 0)
		at++;
	if ((at < a->n && strcmp(a->ip[at], ip) == 0) || at == ADDRESSES_FOUND_MAX)
		return;
	a->n = MIN(a->n + 1, (size_t)ADDRESSES_FOUND_MAX); /* full: the last one falls off */
	memmove(a->ip[at + 1], a->ip[at], (a->n - at - 1) * sizeof(a->ip[0]));
	(void)snprintf(a->ip[at], sizeof(a->ip[at]), "%s", ip);
}

bool addresses_have(const struct addresses *a, struct str ip)
{
	for (size_t i = 0; i < a->n; i++)
		if (str_is(ip, a->ip[i]))
			return true;
	return false;
}

bool address_is_version(const char *ip, int version)
{
	return version == 0 || (version == 6) == (strchr(ip, ':') != NULL);
}

/* --- names --- */

struct address_book *address_book_new(void)
{
	struct address_book *b = mem_new(sizeof(*b));
	b->next_us = INT64_MAX;
	return b;
}

static void name_free(struct name *n)
{
	free(n->name);
	free(n);
}

void address_book_free(struct address_book *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->n; i++)
		name_free(b->names[i]);
	free(b->names);
	free(b);
}

/* Where it is, or would be. */
static size_t place_of(const struct address_book *b, struct str name)
{
	size_t low = 0, high = b->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (str_cmp(str_of(b->names[mid]->name), name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct name *name_find(const struct address_book *b, struct str name)
{
	size_t at = place_of(b, name);
	return at < b->n && str_is(name, b->names[at]->name) ? b->names[at] : NULL;
}

static struct name *name_get(struct address_book *b, struct str name)
{
	size_t at = place_of(b, name);
	if (at < b->n && str_is(name, b->names[at]->name))
		return b->names[at];
	if (b->n == ADDRESSES_NAMES_MAX)
		return NULL;
	b->names = mem_grow(b->names, &b->cap, b->n + 1, sizeof(*b->names));
	memmove(b->names + at + 1, b->names + at, (b->n - at) * sizeof(*b->names));
	b->names[at] = mem_new(sizeof(**b->names));
	b->names[at]->name = str_dup(name);
	b->n++;
	return b->names[at];
}

/* --- what is to be looked up --- */

void address_book_begin(struct address_book *b)
{
	for (size_t i = 0; i < b->n; i++) {
		b->names[i]->wanted = false;
		b->names[i]->every_us = ADDRESSES_LOOK_MAX_US;
	}
}

void address_book_want(struct address_book *b, struct str name, int64_t every_us)
{
	struct name *n = name_get(b, name);
	if (n == NULL)
		return;
	n->wanted = true;
	n->every_us = MIN(
		n->every_us > 0 ? n->every_us : ADDRESSES_LOOK_MAX_US, MAX(every_us, ADDRESSES_LOOK_MIN_US));
}

static bool is_over(const struct name *n, int64_t now_us)
{
	if (n->wanted || n->under_way)
		return false;
	for (size_t i = 0; i < n->n_learned; i++)
		if (now_us - n->learned[i].seen_us < ADDRESSES_LEARNED_US)
			return false;
	return true;
}

static void next_find(struct address_book *b)
{
	b->next_us = INT64_MAX;
	for (size_t i = 0; i < b->n; i++)
		if (b->names[i]->wanted && !b->names[i]->under_way)
			b->next_us = MIN(b->next_us, b->names[i]->due_us);
}

void address_book_end(struct address_book *b, int64_t now_us)
{
	size_t kept = 0;
	for (size_t i = 0; i < b->n; i++) {
		struct name *n = b->names[i];
		if (is_over(n, now_us)) {
			name_free(n);
			continue;
		}
		n->due_us = MIN(n->due_us, now_us + n->every_us);
		b->names[kept++] = n;
	}
	b->n = kept;
	next_find(b);
}

const char *address_book_due(struct address_book *b, int64_t now_us)
{
	for (size_t i = 0; b->next_us <= now_us && i < b->n; i++) {
		struct name *n = b->names[i];
		if (!n->wanted || n->under_way || n->due_us > now_us)
			continue;
		n->under_way = true;
		n->due_us = now_us + n->every_us;
		next_find(b);
		return n->name;
	}
	return NULL;
}

int64_t address_book_next_us(const struct address_book *b)
{
	return b->next_us;
}

void address_book_put_off(struct address_book *b, struct str name, int64_t until_us)
{
	struct name *n = name_find(b, name);
	if (n == NULL)
		return;
	n->under_way = false;
	n->due_us = until_us;
	next_find(b);
}

/* --- what came of it --- */

static bool same(const struct addresses *a, const struct addresses *b)
{
	for (size_t i = 0; a->n == b->n && i < a->n; i++)
		if (strcmp(a->ip[i], b->ip[i]) != 0)
			return false;
	return a->n == b->n;
}

bool address_book_found(
	struct address_book *b, struct str name, const struct addresses *found, int64_t now_us)
{
	struct name *n = name_find(b, name);
	if (n == NULL)
		return false;
	bool was_good = n->good, good = found->n > 0, changed = good && !same(&n->found, found);
	n->under_way = false;
	next_find(b);
	n->good = good;
	if (good) {
		n->found = *found;
		n->found_us = now_us;
	}
	return changed || good != was_good;
}

bool address_book_answered(struct address_book *b, struct str name, struct str ip, int64_t now_us)
{
	struct name *n = ip.n > 0 && ip.n < ADDRESS_TEXT_MAX ? name_get(b, name) : NULL;
	size_t at = 0;
	if (n == NULL)
		return false;
	for (size_t i = 0; i < n->n_learned; i++) {
		if (str_is(ip, n->learned[i].ip)) {
			bool again = now_us - n->learned[i].seen_us >= ADDRESSES_LEARNED_US;
			n->learned[i].seen_us = now_us;
			return again;
		}
		if (n->learned[i].seen_us < n->learned[at].seen_us)
			at = i;
	}
	if (n->n_learned < ADDRESSES_LEARNED_MAX)
		at = n->n_learned++;
	(void)snprintf(n->learned[at].ip, sizeof(n->learned[at].ip), "%.*s", STR_ARG(ip));
	n->learned[at].seen_us = now_us;
	return true;
}

bool address_book_get(
	const struct address_book *b, struct str name, int ip_version, int64_t now_us, struct addresses *ret)
{
	const struct name *n = name_find(b, name);
	ret->n = 0;
	if (n == NULL || now_us - n->found_us >= ADDRESSES_LEARNED_US)
		return false;
	for (size_t i = 0; i < n->found.n; i++)
		if (address_is_version(n->found.ip[i], ip_version))
			addresses_add(ret, n->found.ip[i]);
	return n->good;
}

void address_book_learned(const struct address_book *b, struct str name, int ip_version,
	const struct addresses *but, int64_t now_us, struct addresses *ret)
{
	const struct name *n = name_find(b, name);
	ret->n = 0;
	for (size_t i = 0; n && i < n->n_learned; i++)
		if (now_us - n->learned[i].seen_us < ADDRESSES_LEARNED_US &&
			address_is_version(n->learned[i].ip, ip_version) &&
			!addresses_have(but, str_of(n->learned[i].ip)))
			addresses_add(ret, n->learned[i].ip);
}

/* --- kept over a restart --- */

#define BOOK_MAGIC "tidemark addresses 1\n"

void address_book_write(const struct address_book *b, int64_t now_us, int64_t wall_us, struct buf *out)
{
	buf_addf(out, BOOK_MAGIC);
	for (size_t i = 0; i < b->n; i++)
		for (size_t k = 0; k < b->names[i]->n_learned; k++) {
			int64_t ago_us = now_us - b->names[i]->learned[k].seen_us;
			if (ago_us < ADDRESSES_LEARNED_US)
				buf_addf(out, "%s %s %" PRId64 "\n", b->names[i]->name,
					b->names[i]->learned[k].ip, (wall_us - ago_us) / US_PER_S);
		}
}

struct learned_line {
	struct str name;
	char ip[ADDRESS_TEXT_MAX];
	int64_t seen_s;
};

static bool line_read(struct str line, struct learned_line *ret)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	struct str ip;
	if (!str_cut(&line, ' ', &ret->name) || !str_cut(&line, ' ', &ip) || ret->name.n == 0 ||
		ret->name.n > 253 || ip.n >= sizeof(ret->ip))
		return false;
	for (size_t i = 0; i < ret->name.n; i++)
		if ((unsigned char)ret->name.p[i] <= ' ' || (unsigned char)ret->name.p[i] >= 0x7f)
			return false;
	memcpy(ret->ip, ip.p, ip.n);
	ret->ip[ip.n] = '\0';
	return memchr(ret->ip, '\0', ip.n) == NULL &&
	       inet_pton(strchr(ret->ip, ':') ? AF_INET6 : AF_INET, ret->ip, bytes) == 1 &&
	       str_to_i64(line, &ret->seen_s, NULL) == 0 && ret->seen_s >= 0 &&
	       ret->seen_s < INT64_MAX / US_PER_S;
}

int address_book_read(
	struct address_book *b, struct str text, int64_t now_us, int64_t wall_us, struct err *err)
{
	size_t magic = sizeof(BOOK_MAGIC) - 1, number = 1;
	struct learned_line l;
	struct str line;
	if (!str_starts(text, BOOK_MAGIC) || text.p[text.n - 1] != '\n')
		return err_set(err, ERR_CORRUPT, "it does not begin and end like a file of addresses");
	struct str lines = (struct str){ text.p + magic, text.n - magic };
	for (struct str rest = lines; str_cut(&rest, '\n', &line) && (line.n > 0 || rest.n > 0);) {
		number++;
		if (!line_read(line, &l))
			return err_set(err, ERR_CORRUPT, "line %zu is not NAME ADDRESS TIME", number);
	}
	while (str_cut(&lines, '\n', &line) && line.n > 0 && line_read(line, &l)) {
		int64_t ago_us = MAX(wall_us - l.seen_s * US_PER_S, (int64_t)0);
		if (ago_us < ADDRESSES_LEARNED_US)
			(void)address_book_answered(b, l.name, str_of(l.ip), now_us - ago_us);
	}
	return 0;
}

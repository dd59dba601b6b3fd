/* idem.c - Idempotency-Key: the same request sent twice (a CI step that lost the answer) makes one deploy and
 * gets one answer. Kept for 24 h in bounded memory, oldest out first; a key belongs to a token and an
 * address. A restart forgets them: what a repeat then makes is a second deploy of the same version, which the
 * ledger takes. */
#include <stdlib.h>

#include "collector/http/server.h"

#define IDEM_KEPT_US   US_PER_DAY
#define IDEM_MAX       4096
#define IDEM_BYTES_MAX (16 * 1024 * 1024)

struct kept {
	struct kept *next; /* younger */
	struct sha256 key, body;
	int64_t at_us; /* boot clock */
	bool running;
	char id[ID_TEXT_MAX]; /* of what it makes */
	int status;           /* 0: the first try got no answer from the journal, which may have taken it */
	char *location;
	char *text;
	size_t n;
};

struct idem_table {
	pthread_mutex_t lock;
	struct kept *oldest, *youngest;
	size_t n, bytes;
};

struct idem_table *idem_new(void)
{
	struct idem_table *t = mem_new(sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void kept_free(struct kept *k)
{
	free(k->location);
	free(k->text);
	free(k);
}

/* before is the one older than k, NULL for the oldest. */
static void unlink_after(struct idem_table *t, struct kept *before, struct kept *k)
{
	if (before)
		before->next = k->next;
	else
		t->oldest = k->next;
	if (t->youngest == k)
		t->youngest = before;
	t->n--;
	t->bytes -= k->n;
	kept_free(k);
}

void idem_free(struct idem_table *t)
{
	if (t == NULL)
		return;
	while (t->oldest)
		unlink_after(t, NULL, t->oldest);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct sha256 key_hash(const struct request *r)
{
	struct buf b;
	buf_init(&b, sizeof(r->who) + IDEMPOTENCY_KEY_MAX + 256);
	buf_addf(&b, "%s\n%s %s\n%s", r->who, r->route->method, r->route->pattern, r->idempotency_key);
	struct sha256 h = sha256_of(buf_str(&b));
	buf_fini(&b);
	return h;
}

static struct kept *find(struct idem_table *t, const struct sha256 *key, struct kept **ret_before)
{
	*ret_before = NULL;
	for (struct kept *k = t->oldest; k; *ret_before = k, k = k->next)
		if (memcmp(k->key.b, key->b, sizeof(key->b)) == 0)
			return k;
	return NULL;
}

static void make_room(struct idem_table *t, int64_t now_us)
{
	struct kept *before = NULL, *k = t->oldest;
	while (k) {
		struct kept *next = k->next;
		bool over = t->n >= IDEM_MAX || t->bytes > IDEM_BYTES_MAX || now_us - k->at_us > IDEM_KEPT_US;
		if (!over)
			break;
		if (k->running) /* its worker will come back to it */
			before = k;
		else
			unlink_after(t, before, k);
		k = next;
	}
}

static void answer_kept(struct request *r, const struct kept *k)
{
	buf_clear(&r->out);
	buf_add(&r->out, k->text, k->n);
	if (k->location)
		request_add_header(r, "Location", "%s", k->location);
	request_add_header(r, "Idempotency-Replayed", "true");
	answer_json(r, k->status);
}

enum idem idem_begin(struct idem_table *t, struct request *r, int64_t now_us, char id[ID_TEXT_MAX])
{
	enum idem result = IDEM_NEW;
	struct kept *before;
	if (r->idempotency_key[0] == '\0')
		return IDEM_NEW;
	struct sha256 key = key_hash(r), body = sha256_of(buf_str(&r->body));
	pthread_mutex_lock(&t->lock);
	make_room(t, now_us);
	struct kept *k = find(t, &key, &before);
	if (k == NULL) {
		k = mem_new(sizeof(*k));
		*k = (struct kept){ .key = key, .body = body, .at_us = now_us, .running = true };
		memcpy(k->id, id, ID_TEXT_MAX);
		if (t->youngest)
			t->youngest->next = k;
		else
			t->oldest = k;
		t->youngest = k;
		t->n++;
	} else if (memcmp(k->body.b, body.b, sizeof(body.b)) != 0) {
		result = IDEM_CONFLICT;
		answer_problem(r, 422, "idempotency_key_reused",
			"this Idempotency-Key was sent with another body before");
	} else if (k->running) {
		result = IDEM_RUNNING;
		answer_problem(r, 409, "idempotency_key_running",
			"the first request with this Idempotency-Key is still under way");
	} else if (k->status == 0) {
		result = IDEM_AGAIN;
		k->running = true;
		memcpy(id, k->id, ID_TEXT_MAX);
	} else {
		result = IDEM_REPLAYED;
		answer_kept(r, k);
	}
	pthread_mutex_unlock(&t->lock);
	return result;
}

void idem_end(struct idem_table *t, struct request *r)
{
	struct kept *before;
	if (r->idempotency_key[0] == '\0')
		return;
	struct sha256 key = key_hash(r);
	pthread_mutex_lock(&t->lock);
	struct kept *k = find(t, &key, &before);
	INVARIANT(k != NULL && k->running);
	k->running = false;
	if (r->status / 100 == 4) { /* refused: the next try is a first one */
		unlink_after(t, before, k);
	} else if (r->status / 100 == 2) {
		k->status = r->status;
		k->text = str_dup(buf_str(&r->out));
		k->n = r->out.n;
		t->bytes += k->n;
		for (size_t i = 0; i < r->n_headers; i++)
			if (strcmp(r->headers[i].name, "Location") == 0)
				k->location = mem_strdup(r->headers[i].value);
	}
	pthread_mutex_unlock(&t->lock);
}

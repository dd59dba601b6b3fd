/* sse.c - GET /api/v1/stream: Server-Sent Events. One ring holds the recent events as they go over the wire;
 * a reader is a place in it. So a client costs no copy, Last-Event-ID is a search, and a client that does not
 * read is one whose place has left the ring: it is cut, and resumes by Last-Event-ID or is told to start anew
 * (event: reset).
 *
 * A reader with nothing to send suspends its connection; whether there is something and the suspending happen
 * under one lock, the same that telling takes. libmicrohttpd notices a vanished client only when writing:
 * hence the comments. */
#include <stdlib.h>

#include "base/clock.h"
#include "collector/http/handlers.h"

#define READER_MAGIC 0x55e4ead4
#define SNDBUF_BYTES (128 * 1024) /* else the kernel takes megabytes for a reader that reads nothing */
#define RETRY_MS     2000         /* what a browser waits before it reconnects */

struct reader {
	uint32_t magic;
	struct http *http;
	struct request_link {
		struct MHD_Connection *connection;
		struct conn *conn;
	} link;
	struct reader *next, *prev;
	char *service; /* "" for all */
	uint64_t at;   /* slot to send next */
	size_t offset; /* of it already sent */
	struct buf prelude;
	size_t prelude_sent;
	int64_t quiet_since_us;
	bool suspended, comment_due, dropped;
};

static int key_cmp(struct out_key a, struct out_key b)
{
	if (a.position != b.position)
		return a.position < b.position ? -1 : 1;
	return (a.seq > b.seq) - (a.seq < b.seq);
}

void stream_init(struct stream *s, const struct http_limits *l, struct conns *conns, int64_t position)
{
	/* What came before this start is not in the ring: whoever has seen less must start anew. */
	struct out_key start = { position, UINT32_MAX };
	*s = (struct stream){
		.n_ring = l->stream_events,
		.bytes_max = l->stream_bytes,
		.n_readers_max = l->streams,
		.comment_us = l->comment_us,
		.floor = start,
		.head = start,
		.conns = conns,
	};
	s->ring = mem_new_array(s->n_ring, sizeof(*s->ring));
	pthread_mutex_init(&s->lock, NULL);
}

static struct event_slot *slot_of(struct stream *s, uint64_t index)
{
	return &s->ring[index % s->n_ring];
}

static void forget_oldest(struct stream *s)
{
	struct event_slot *e = slot_of(s, s->first++);
	if (key_cmp(e->key, s->floor) > 0)
		s->floor = e->key;
	s->bytes -= e->n;
	free(e->text);
	free(e->service);
	*e = (struct event_slot){ 0 };
}

void stream_fini(struct stream *s)
{
	INVARIANT(s->readers == NULL);
	while (s->first < s->next)
		forget_oldest(s);
	free(s->ring);
	pthread_mutex_destroy(&s->lock);
}

/* A line break inside the data would end its field: each line gets its own. */
static void render(struct buf *b, const struct change *c)
{
	struct str rest = c->json, line;
	buf_addf(b, "event: %s\nid: %" PRId64 ".%" PRIu32 "\n", change_kind_name(c->kind), c->key.position,
		c->key.seq);
	while (str_cut(&rest, '\n', &line))
		buf_addf(b, "data: %.*s\n", STR_ARG(line));
	buf_addf(b, "\n");
}

/* Events that concern no service (agents) concern everybody. */
static bool wants(const struct reader *r, const struct event_slot *e)
{
	return r->service[0] == '\0' || e->service[0] == '\0' || strcmp(r->service, e->service) == 0;
}

/* On to the next event for this reader; false when there is none yet, or its place has left the ring. */
static bool find_next(struct stream *s, struct reader *r)
{
	while (r->at >= s->first && r->at < s->next && r->offset == 0 && !wants(r, slot_of(s, r->at)))
		r->at++;
	return r->at >= s->first && r->at < s->next;
}

static void wake(struct reader *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->link.connection);
}

static void drop(struct stream *s, struct reader *r)
{
	if (r->dropped)
		return;
	r->dropped = true;
	s->dropped++;
	conns_kill(s->conns, r->link.conn); /* it may sit in a write that never ends */
	wake(r);
}

static void add_event(struct stream *s, const struct change *c)
{
	struct buf text;
	buf_init(&text, 2 * c->json.n + 256);
	render(&text, c);
	INVARIANT(!buf_failed(&text) || c->json.n > 0);
	while (s->first < s->next && (s->next - s->first == s->n_ring || s->bytes + text.n > s->bytes_max))
		forget_oldest(s);
	struct event_slot *e = slot_of(s, s->next++);
	e->key = c->key;
	e->service = str_dup(c->service);
	e->text = buf_take(&text, &e->n);
	s->bytes += e->n;
	s->head = c->key;
	s->told++;
}

void stream_tell(struct stream *s, const struct change *c, size_t n)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n; i++) {
		add_event(s, &c[i]);
		for (struct reader *r = s->readers; r; r = r->next) {
			if (r->at < s->first)
				drop(s, r);
			else if (find_next(s, r)) /* also skips what a busy reader does not want */
				wake(r);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

void stream_tick(struct stream *s, int64_t now_us)
{
	pthread_mutex_lock(&s->lock);
	for (struct reader *r = s->readers; r; r = r->next)
		if (r->suspended && now_us - r->quiet_since_us >= s->comment_us) {
			r->comment_due = true;
			wake(r);
		}
	pthread_mutex_unlock(&s->lock);
}

void stream_stop(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	for (struct reader *r = s->readers; r; r = r->next)
		wake(r);
	pthread_mutex_unlock(&s->lock);
}

static size_t take(const char *from, size_t n, size_t *at, char *to, size_t room)
{
	size_t k = MIN(n - *at, room);
	memcpy(to, from + *at, k);
	*at += k;
	return k;
}

/* libmicrohttpd has room for max bytes. 0 is only said suspended, or it would ask again at once. */
static ssize_t read_stream(void *cls, uint64_t pos, char *out, size_t max)
{
	static const char comment[] = ": still here\n\n";
	struct reader *r = OBJ_CAST(struct reader, cls, READER_MAGIC);
	struct stream *s = &r->http->stream;
	size_t n = 0;
	(void)pos;
	pthread_mutex_lock(&s->lock);
	n += take(r->prelude.p, r->prelude.n, &r->prelude_sent, out, max);
	while (n < max && find_next(s, r)) {
		struct event_slot *e = slot_of(s, r->at);
		n += take(e->text, e->n, &r->offset, out + n, max - n);
		if (r->offset == e->n)
			r->at++, r->offset = 0;
	}
	if (r->at < s->first)
		drop(s, r);
	ssize_t ret = (ssize_t)n;
	if (r->dropped) {
		ret = MHD_CONTENT_READER_END_WITH_ERROR;
	} else if (n == 0 && s->stopping) {
		ret = MHD_CONTENT_READER_END_OF_STREAM;
	} else if (n == 0 && r->comment_due && max >= sizeof(comment) - 1) {
		memcpy(out, comment, sizeof(comment) - 1);
		ret = sizeof(comment) - 1;
	} else if (n == 0) {
		r->suspended = true;
		MHD_suspend_connection(r->link.connection);
	}
	if (ret > 0) {
		r->comment_due = false;
		r->quiet_since_us = clock_boot_us();
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}

static void reader_free(void *cls)
{
	struct reader *r = OBJ_CAST(struct reader, cls, READER_MAGIC);
	struct stream *s = &r->http->stream;
	pthread_mutex_lock(&s->lock);
	if (r->prev)
		r->prev->next = r->next;
	else
		s->readers = r->next;
	if (r->next)
		r->next->prev = r->prev;
	s->n_readers--;
	pthread_mutex_unlock(&s->lock);
	buf_fini(&r->prelude);
	free(r->service);
	free(r);
}

static bool key_parse(struct str text, struct out_key *ret)
{
	struct str position;
	int64_t p, q;
	if (!str_cut(&text, '.', &position) || str_to_i64(position, &p, NULL) < 0 ||
		str_to_i64(text, &q, NULL) < 0 || p < 0 || q < 0 || q > UINT32_MAX)
		return false;
	*ret = (struct out_key){ p, (uint32_t)q };
	return true;
}

/* Where a reader begins. One that has seen something goes on behind it, if all that came since is still here;
 * an id from the future is from another life of the journal. */
static bool find_place(struct stream *s, struct str last_id, uint64_t *ret_at)
{
	struct out_key seen;
	*ret_at = s->next;
	if (last_id.n == 0)
		return true;
	if (!key_parse(last_id, &seen) || key_cmp(seen, s->floor) < 0 || key_cmp(seen, s->head) > 0)
		return false;
	*ret_at = s->first;
	for (uint64_t i = s->next; i > s->first; i--)
		if (key_cmp(slot_of(s, i - 1)->key, seen) <= 0) {
			*ret_at = i;
			break;
		}
	return true;
}

/* The first words: how long to wait before coming back, and an id, so that a reader which was told nothing
 * yet can resume too (a block with an id and no data raises no event in a browser). */
static void write_prelude(struct reader *r, const struct stream *s, bool reset, bool resumed)
{
	buf_init(&r->prelude, 512);
	buf_addf(&r->prelude, ": tidemark\nretry: %d\n", RETRY_MS);
	if (reset)
		buf_addf(&r->prelude, "event: reset\n");
	if (!resumed)
		buf_addf(&r->prelude, "id: %" PRId64 ".%" PRIu32 "\n", s->head.position, s->head.seq);
	if (reset)
		buf_addf(&r->prelude, "data: {\"reason\":\"the events since your last one are not kept any "
				      "more; read everything anew\"}\n");
	buf_addf(&r->prelude, "\n");
}

void handle_stream(struct request *r, struct worker *w)
{
	struct stream *s = &r->http->stream;
	struct str last_id = request_header(r, "Last-Event-ID");
	(void)w;
	r->type = "text/event-stream";
	r->status = 200;
	request_add_header(r, "X-Accel-Buffering", "no"); /* nginx in front would hold events back */
	if (r->head) {
		r->static_body = "";
		return;
	}
	struct reader *reader = mem_new(sizeof(*reader));
	reader->magic = READER_MAGIC;
	reader->http = r->http;
	reader->link = (struct request_link){ r->connection, r->conn };
	reader->service = str_dup(request_query(r, "service"));
	reader->quiet_since_us = clock_boot_us();
	pthread_mutex_lock(&s->lock);
	bool room = s->n_readers < s->n_readers_max && !s->stopping;
	if (room) {
		bool placed = find_place(s, last_id, &reader->at);
		s->resets += !placed;
		write_prelude(reader, s, !placed, placed && last_id.n > 0);
		reader->next = s->readers;
		if (s->readers)
			s->readers->prev = reader;
		s->readers = reader;
		s->n_readers++;
	}
	pthread_mutex_unlock(&s->lock);
	if (!room) {
		free(reader->service);
		free(reader);
		answer_problem(r, 503, "too_many_streams", "%zu streams are open, which is the limit",
			s->n_readers_max);
		return;
	}
	r->response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 16 * 1024, read_stream, reader, reader_free);
	INVARIANT(r->response != NULL);
	int sndbuf = SNDBUF_BYTES;
	(void)setsockopt(r->conn->fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)); /* only saves memory */
}

#include "proto/arena.h"
#include "proto/wire_impl.h"
#include "tidemark.pb-c.h"

/* Sets an optional member of a protobuf-c struct and its has_ flag. */
#define SET(msg, field, v) ((msg)->has_##field = true, (msg)->field = (v))
#define SET_TEXT(msg, name, s)                                                                               \
	((msg)->has_##name = (s).n > 0,                                                                      \
		(msg)->name = (ProtobufCBinaryData){ (s).n, (uint8_t *)(uintptr_t)(const void *)(s).p })

/* One encoded message: every struct it is made of. Assignments are in the arena. */
struct encoder {
	struct arena arena;
	Tidemark__Envelope envelope;
	union {
		Tidemark__Hello hello;
		Tidemark__Upload upload;
		Tidemark__Watch watch;
		Tidemark__Welcome welcome;
		Tidemark__Denied denied;
		Tidemark__Ack ack;
		Tidemark__Busy busy;
	};
	Tidemark__Assignments assignments;
	Tidemark__Shortfall shortfall;
	Tidemark__Clock clock;
};

static void write_hello(const struct wire_hello *h, struct encoder *en)
{
	Tidemark__Hello *p = &en->hello;
	tidemark__hello__init(p);
	SET(p, protocol, h->protocol);
	SET_TEXT(p, agent, h->agent);
	SET_TEXT(p, token, h->token);
	SET(p, epoch, h->epoch);
	SET_TEXT(p, software, h->software);
	SET_TEXT(p, region, h->region);
	if (h->latitude != 0 || h->longitude != 0) {
		SET(p, latitude, h->latitude);
		SET(p, longitude, h->longitude);
	}
	SET(p, sent_boot_us, h->sent_boot_us);
	SET(p, sent_wall_us, h->sent_wall_us);
	SET(p, boot_id, h->boot_id);
	SET(p, generation, h->generation);
	en->envelope.body_case = TIDEMARK__ENVELOPE__BODY_HELLO;
	en->envelope.hello = p;
}

static void write_upload(const struct wire_upload *u, struct encoder *en)
{
	Tidemark__Upload *p = &en->upload;
	tidemark__upload__init(p);
	SET(p, epoch, u->epoch);
	SET(p, number, u->number);
	SET(p, raw_size, u->raw_size);
	SET_TEXT(p, body, u->body);
	SET(p, boot_id, u->boot_id);
	if (u->has_offset) {
		SET(p, clock_offset_us, u->clock_offset_us);
		SET(p, clock_uncertainty_us, u->clock_uncertainty_us);
	}
	SET(p, sent_boot_us, u->sent_boot_us);
	SET(p, sent_wall_us, u->sent_wall_us);
	SET(p, spool_batches, u->spool_batches);
	SET(p, spool_bytes, u->spool_bytes);
	if (u->lost_results) {
		SET(p, lost_results, u->lost_results);
		SET(p, lost_from_us, u->lost_from_us);
		SET(p, lost_to_us, u->lost_to_us);
	}
	if (u->held_back)
		SET(p, held_back, u->held_back);
	en->envelope.body_case = TIDEMARK__ENVELOPE__BODY_UPLOAD;
	en->envelope.upload = p;
}

/* An array of n messages and the array of pointers to them that protobuf-c wants; false past the arena's cap.
 */
static bool message_array(struct arena *arena, size_t n, size_t size, void *ret_messages, void *ret_pointers)
{
	char *messages = arena_array(arena, n, size);
	char **pointers = arena_array(arena, n, sizeof(*pointers));
	if (messages == NULL || pointers == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		pointers[i] = messages + i * size;
	memcpy(ret_messages, &messages, sizeof(messages));
	memcpy(ret_pointers, &pointers, sizeof(pointers));
	return true;
}

static bool write_shortfall(const struct wire_shortfall *s, struct encoder *en)
{
	Tidemark__Shortfall *p = &en->shortfall;
	Tidemark__Refusal *refusals;
	tidemark__shortfall__init(p);
	SET(p, held_back, s->held_back);
	SET(p, refused, s->refused);
	if (!message_array(&en->arena, s->n_refusals, sizeof(*refusals), &refusals, &p->refusals))
		return false;
	p->n_refusals = s->n_refusals;
	for (size_t i = 0; i < s->n_refusals; i++) {
		tidemark__refusal__init(&refusals[i]);
		SET_TEXT(&refusals[i], service, s->refusals[i].service);
		SET_TEXT(&refusals[i], endpoint, s->refusals[i].endpoint);
		SET_TEXT(&refusals[i], why, s->refusals[i].why);
	}
	en->watch.shortfall = p;
	return true;
}

static bool write_watch(const struct wire_msg *m, struct encoder *en)
{
	tidemark__watch__init(&en->watch);
	SET(&en->watch, generation, m->watch.generation);
	SET(&en->watch, boot_id, m->watch.boot_id);
	SET(&en->watch, sent_boot_us, m->watch.sent_boot_us);
	if (m->watch.leaving)
		SET(&en->watch, leaving, true);
	en->envelope.body_case = TIDEMARK__ENVELOPE__BODY_WATCH;
	en->envelope.watch = &en->watch;
	return !m->watch.shortfall.there || write_shortfall(&m->watch.shortfall, en);
}

static Tidemark__Clock *write_clock(const struct wire_clock *c, struct encoder *en)
{
	if (!c->there)
		return NULL;
	tidemark__clock__init(&en->clock);
	SET(&en->clock, received_us, c->received_us);
	SET(&en->clock, sent_us, c->sent_us);
	return &en->clock;
}

static bool write_endpoint(const struct assign_endpoint *e, Tidemark__Endpoint *p, struct arena *arena)
{
	Tidemark__Header *headers;
	tidemark__endpoint__init(p);
	SET_TEXT(p, id, e->id);
	SET_TEXT(p, url, e->url);
	SET(p, extract, (uint32_t)e->extract);
	SET_TEXT(p, extract_arg, e->extract_arg);
	SET_TEXT(p, connect_to, e->connect_to);
	SET(p, path, e->path);
	SET(p, fresh_connection, e->fresh_connection);
	SET(p, redirects, e->redirects);
	SET(p, max_body, e->max_body);
	SET_TEXT(p, pop_header, e->pop_header);
	SET_TEXT(p, pop_vendor, e->pop_vendor);
	SET(p, ip_version, (uint32_t)e->ip_version);
	if (e->addresses != ADDRESSES_DNS)
		SET(p, addresses, (uint32_t)e->addresses);
	SET_TEXT(p, address, e->address);
	if (!message_array(arena, e->n_headers, sizeof(*headers), &headers, &p->headers))
		return false;
	p->n_headers = e->n_headers;
	for (size_t i = 0; i < e->n_headers; i++) {
		tidemark__header__init(&headers[i]);
		SET_TEXT(&headers[i], name, e->headers[i].name);
		SET_TEXT(&headers[i], value, e->headers[i].value);
		SET_TEXT(&headers[i], agent_env, e->headers[i].agent_env);
	}
	return true;
}

static bool write_service(const struct assign_service *s, Tidemark__Service *p, struct arena *arena)
{
	Tidemark__Endpoint *endpoints;
	tidemark__service__init(p);
	SET_TEXT(p, name, s->name);
	SET(p, interval_ms, s->interval_ms);
	SET(p, timeout_ms, s->timeout_ms);
	if (s->burst_left_ms) {
		p->burst = arena_alloc(arena, sizeof(*p->burst));
		if (p->burst == NULL)
			return false;
		tidemark__burst__init(p->burst);
		SET(p->burst, interval_ms, s->burst_interval_ms);
		SET(p->burst, left_ms, s->burst_left_ms);
	}
	if (!message_array(arena, s->n_endpoints, sizeof(*endpoints), &endpoints, &p->endpoints))
		return false;
	p->n_endpoints = s->n_endpoints;
	for (size_t i = 0; i < s->n_endpoints; i++)
		if (!write_endpoint(&s->endpoints[i], &endpoints[i], arena))
			return false;
	return true;
}

static bool write_assignments(const struct assignments *a, struct encoder *en)
{
	Tidemark__Assignments *p = &en->assignments;
	Tidemark__Service *services;
	tidemark__assignments__init(p);
	SET(p, generation, a->generation);
	if (a->unchanged) {
		SET(p, unchanged, true);
		return true;
	}
	if (!message_array(&en->arena, a->n_services, sizeof(*services), &services, &p->services))
		return false;
	p->n_services = a->n_services;
	for (size_t i = 0; i < a->n_services; i++)
		if (!write_service(&a->services[i], &services[i], &en->arena))
			return false;
	return true;
}

static bool write_welcome(const struct wire_msg *m, struct encoder *en)
{
	Tidemark__Welcome *p = &en->welcome;
	tidemark__welcome__init(p);
	SET(p, protocol, m->welcome.protocol);
	SET_TEXT(p, software, m->welcome.software);
	p->clock = write_clock(&m->clock, en);
	en->envelope.body_case = TIDEMARK__ENVELOPE__BODY_WELCOME;
	en->envelope.welcome = p;
	if (m->welcome.has_assignments) {
		p->assignments = &en->assignments;
		return write_assignments(&m->assignments, en);
	}
	return true;
}

static void write_denied(const struct wire_msg *m, struct encoder *en)
{
	tidemark__denied__init(&en->denied);
	SET_TEXT(&en->denied, reason, m->denied.reason);
	SET_TEXT(&en->denied, text, m->denied.text);
	SET(&en->denied, retry_after_ms, m->denied.retry_after_ms);
	en->envelope.body_case = TIDEMARK__ENVELOPE__BODY_DENIED;
	en->envelope.denied = &en->denied;
}

static void write_ack(const struct wire_msg *m, struct encoder *en)
{
	tidemark__ack__init(&en->ack);
	SET(&en->ack, epoch, m->ack.epoch);
	SET(&en->ack, number, m->ack.number);
	SET_TEXT(&en->ack, refused, m->ack.refused);
	en->ack.clock = write_clock(&m->clock, en);
	en->envelope.body_case = TIDEMARK__ENVELOPE__BODY_ACK;
	en->envelope.ack = &en->ack;
}

static bool write_message(const struct wire_msg *m, struct encoder *en)
{
	switch (m->kind) {
	case WIRE_HELLO:
		write_hello(&m->hello, en);
		break;
	case WIRE_UPLOAD:
		write_upload(&m->upload, en);
		break;
	case WIRE_WATCH:
		return write_watch(m, en);
	case WIRE_WELCOME:
		return write_welcome(m, en);
	case WIRE_DENIED:
		write_denied(m, en);
		break;
	case WIRE_ACK:
		write_ack(m, en);
		break;
	case WIRE_BUSY:
		tidemark__busy__init(&en->busy);
		SET(&en->busy, retry_after_ms, m->busy.retry_after_ms);
		en->envelope.body_case = TIDEMARK__ENVELOPE__BODY_BUSY;
		en->envelope.busy = &en->busy;
		break;
	case WIRE_ASSIGNMENTS:
		en->envelope.body_case = TIDEMARK__ENVELOPE__BODY_ASSIGNMENTS;
		en->envelope.assignments = &en->assignments;
		if (!write_assignments(&m->assignments, en))
			return false;
		en->assignments.clock = write_clock(&m->clock, en);
		break;
	case WIRE_NONE:
		break;
	}
	return true;
}

struct buf_appender {
	ProtobufCBuffer base; /* first: protobuf-c calls append with it */
	struct buf *out;
};

static void append(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
	buf_add(((struct buf_appender *)buffer)->out, data, len);
}

int wire_encode(const struct wire_msg *msg, struct buf *out, struct err *err)
{
	struct encoder en;
	int rc = wire_check(msg, err);
	if (rc < 0)
		return rc;
	arena_init(&en.arena, WIRE_ARENA_MAX);
	tidemark__envelope__init(&en.envelope);
	bool fits = write_message(msg, &en);
	if (fits) {
		struct buf_appender a = { { append }, out };
		size_t before = out->n;
		tidemark__envelope__pack_to_buffer(&en.envelope, &a.base);
		fits = !buf_failed(out) && out->n - before <= WIRE_MESSAGE_MAX;
	}
	arena_fini(&en.arena);
	return fits ? 0 : err_set(err, ERR_TOO_BIG, "a message over %d bytes", WIRE_MESSAGE_MAX);
}

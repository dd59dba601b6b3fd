#include <stdlib.h>

#include "base/obs.h"
#include "proto/arena.h"
#include "proto/wire_impl.h"
#include "tidemark.pb-c.h"

#define TIME_LIMIT_US                                                                                        \
	(INT64_C(253402300800) * US_PER_S) /* the year 10000: sums of a few such times cannot overflow */
#define SHORT_TEXT 1024

#define X(id, name, says) name,
static const char *const denial_names[] = { DENIALS(X) };
#undef X
#define X(id, name, says) says,
static const char *const denial_texts[] = { DENIALS(X) };
#undef X

const char *denial_name(enum denial d)
{
	return d < DENIAL_COUNT ? denial_names[d] : "unknown";
}

const char *denial_text(enum denial d)
{
	return d < DENIAL_COUNT ? denial_texts[d] : "";
}

/* ---- checks ---- */

static int check_text(const char *field, struct str s, size_t max, struct err *err)
{
	if (s.n > max)
		return err_set(err, ERR_TOO_BIG, "%s has %zu bytes, limit is %zu", field, s.n, max);
	if (!str_is_utf8(s))
		return err_set(err, ERR_SYNTAX, "%s is not UTF-8 without NUL", field);
	return 0;
}

static int check_name(const char *field, struct str s, struct err *err)
{
	if (s.n == 0)
		return err_set(err, ERR_NONSENSE, "%s is missing", field);
	return check_text(field, s, OBS_NAME_MAX, err);
}

static int check_time(const char *field, int64_t us, struct err *err)
{
	if (us > TIME_LIMIT_US || us < -TIME_LIMIT_US)
		return err_set(err, ERR_NONSENSE, "%s is out of range", field);
	return 0;
}

static int check_hello(const struct wire_hello *h, struct err *err)
{
	int rc = check_name("hello.agent", h->agent, err);
	if (rc == 0 && h->token.n > HELLO_TOKEN_BYTES)
		rc = err_set(err, ERR_TOO_BIG, "hello.token has %zu bytes, limit is %d", h->token.n,
			HELLO_TOKEN_BYTES);
	if (rc == 0)
		rc = check_text("hello.software", h->software, OBS_NAME_MAX, err);
	if (rc == 0)
		rc = check_text("hello.region", h->region, OBS_NAME_MAX, err);
	if (rc == 0 &&
		!(h->latitude >= -90 && h->latitude <= 90 && h->longitude >= -180 && h->longitude <= 180))
		rc = err_set(err, ERR_NONSENSE, "hello.latitude or hello.longitude is nowhere on Earth");
	if (rc == 0)
		rc = check_time("hello.sent_boot_us", h->sent_boot_us, err);
	if (rc == 0)
		rc = check_time("hello.sent_wall_us", h->sent_wall_us, err);
	return rc;
}

static int check_upload(const struct wire_upload *u, struct err *err)
{
	const struct {
		const char *field;
		int64_t us;
	} times[] = {
		{ "upload.clock_offset_us", u->clock_offset_us },
		{ "upload.sent_boot_us", u->sent_boot_us },
		{ "upload.sent_wall_us", u->sent_wall_us },
		{ "upload.lost_from_us", u->lost_from_us },
		{ "upload.lost_to_us", u->lost_to_us },
	};
	if (u->body.n == 0)
		return err_set(err, ERR_NONSENSE, "upload.body is missing");
	if (u->body.n > BATCH_PACKED_MAX)
		return err_set(err, ERR_TOO_BIG, "upload.body has %zu bytes, limit is %d", u->body.n,
			BATCH_PACKED_MAX);
	if (u->raw_size == 0 || u->raw_size > BATCH_RAW_MAX)
		return err_set(err, ERR_TOO_BIG, "upload.raw_size is %" PRIu32 ", 1 to %d are allowed",
			u->raw_size, BATCH_RAW_MAX);
	if (u->clock_uncertainty_us > (uint64_t)TIME_LIMIT_US)
		return err_set(err, ERR_NONSENSE, "upload.clock_uncertainty_us is out of range");
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		int rc = check_time(times[i].field, times[i].us, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_header(const struct assign_header *h, struct err *err)
{
	int rc = check_name("a header's name", h->name, err);
	if (rc == 0)
		rc = check_text("a header's value", h->value, ASSIGN_TEXT_MAX, err);
	if (rc == 0)
		rc = check_text("a header's agent_env", h->agent_env, OBS_NAME_MAX, err);
	return rc;
}

static int check_endpoint(const struct assign_endpoint *e, struct err *err)
{
	const struct {
		const char *field;
		struct str s;
		size_t max;
	} texts[] = {
		{ "url", e->url, ASSIGN_TEXT_MAX },
		{ "extract_arg", e->extract_arg, ASSIGN_TEXT_MAX },
		{ "connect_to", e->connect_to, SHORT_TEXT },
		{ "address", e->address, OBS_NAME_MAX },
		{ "pop_header", e->pop_header, OBS_NAME_MAX },
		{ "pop_vendor", e->pop_vendor, OBS_NAME_MAX },
	};
	int rc = check_name("id", e->id, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++)
		rc = check_text(texts[i].field, texts[i].s, texts[i].max, err);
	if (rc == 0 && e->url.n == 0)
		rc = err_set(err, ERR_NONSENSE, "url is missing");
	if (rc == 0 && (unsigned)e->extract >= EXTRACT_COUNT)
		rc = err_set(err, ERR_UNSUPPORTED, "extract %u is not known to this version",
			(unsigned)e->extract);
	if (rc == 0 && e->path > PATH_ORIGIN)
		rc = err_set(err, ERR_UNSUPPORTED, "path %u is not known to this version", e->path);
	if (rc == 0 && e->ip_version != 0 && e->ip_version != 4 && e->ip_version != 6)
		rc = err_set(err, ERR_NONSENSE, "ip_version is %d", e->ip_version);
	if (rc == 0 && (unsigned)e->addresses >= ADDRESSES_COUNT)
		rc = err_set(err, ERR_UNSUPPORTED, "addresses %u is not known to this version",
			(unsigned)e->addresses);
	if (rc == 0 && e->address.n > 0 && (e->connect_to.n > 0 || e->addresses != ADDRESSES_DNS))
		rc = err_set(err, ERR_NONSENSE, "an address, and another word on where to connect");
	if (rc == 0 && e->n_headers > ASSIGN_HEADERS_MAX)
		rc = err_set(err, ERR_TOO_BIG, "%zu headers, limit is %d", e->n_headers, ASSIGN_HEADERS_MAX);
	for (size_t i = 0; rc == 0 && i < e->n_headers; i++)
		rc = check_header(&e->headers[i], err);
	return rc;
}

static int check_assignments(const struct assignments *a, struct err *err)
{
	size_t n = 0;
	if (a->n_services > ASSIGN_SERVICES_MAX)
		return err_set(err, ERR_TOO_BIG, "assignments: %zu services, limit is %d", a->n_services,
			ASSIGN_SERVICES_MAX);
	for (size_t i = 0; i < a->n_services; i++) {
		const struct assign_service *s = &a->services[i];
		int rc = check_name("name", s->name, err);
		if (rc == 0 && (n += s->n_endpoints) > ASSIGN_ENDPOINTS_MAX)
			rc = err_set(err, ERR_TOO_BIG, "over %d endpoints", ASSIGN_ENDPOINTS_MAX);
		if (rc == 0 && s->interval_ms == 0)
			rc = err_set(err, ERR_NONSENSE, "interval_ms is missing");
		for (size_t k = 0; rc == 0 && k < s->n_endpoints; k++) {
			rc = check_endpoint(&s->endpoints[k], err);
			if (rc < 0)
				err_add(err, "endpoint %zu", k);
		}
		if (rc < 0) {
			err_add(err, "assignments: service %zu", i);
			return rc;
		}
	}
	return 0;
}

static int check_shortfall(const struct wire_shortfall *s, struct err *err)
{
	int rc = s->n_refusals <= SHORTFALL_NAMES_MAX
			 ? 0
			 : err_set(err, ERR_TOO_BIG, "shortfall: %zu refusals, limit is %d", s->n_refusals,
				   SHORTFALL_NAMES_MAX);
	for (size_t i = 0; rc == 0 && i < s->n_refusals; i++) {
		rc = check_name("refusal.service", s->refusals[i].service, err);
		if (rc == 0)
			rc = check_name("refusal.endpoint", s->refusals[i].endpoint, err);
		if (rc == 0)
			rc = check_text("refusal.why", s->refusals[i].why, SHORTFALL_WHY_MAX, err);
	}
	return rc;
}

int wire_check(const struct wire_msg *m, struct err *err)
{
	int rc = 0;
	switch (m->kind) {
	case WIRE_HELLO:
		return check_hello(&m->hello, err);
	case WIRE_UPLOAD:
		return check_upload(&m->upload, err);
	case WIRE_WATCH:
		rc = check_time("watch.sent_boot_us", m->watch.sent_boot_us, err);
		return rc < 0 ? rc : check_shortfall(&m->watch.shortfall, err);
	case WIRE_WELCOME:
		rc = check_text("welcome.software", m->welcome.software, OBS_NAME_MAX, err);
		break;
	case WIRE_DENIED:
		rc = check_text("denied.reason", m->denied.reason, OBS_NAME_MAX, err);
		if (rc == 0)
			rc = check_text("denied.text", m->denied.text, SHORT_TEXT, err);
		break;
	case WIRE_ACK:
		rc = check_text("ack.refused", m->ack.refused, SHORT_TEXT, err);
		break;
	case WIRE_BUSY:
	case WIRE_ASSIGNMENTS:
		break;
	case WIRE_NONE:
	default:
		return err_set(err, ERR_UNSUPPORTED, "a message of no known kind");
	}
	if (rc == 0)
		rc = check_time("clock.received_us", m->clock.received_us, err);
	if (rc == 0)
		rc = check_time("clock.sent_us", m->clock.sent_us, err);
	if (rc == 0 &&
		(m->kind == WIRE_ASSIGNMENTS || (m->kind == WIRE_WELCOME && m->welcome.has_assignments)))
		rc = check_assignments(&m->assignments, err);
	return rc;
}

/* ---- protobuf-c's structs to ours ---- */

static struct str text(ProtobufCBinaryData d)
{
	return (struct str){ (const char *)d.data, d.len };
}

static struct wire_clock read_clock(const Tidemark__Clock *c)
{
	return c ? (struct wire_clock){ true, c->received_us, c->sent_us } : (struct wire_clock){ 0 };
}

static void read_hello(const Tidemark__Hello *h, struct wire_msg *m)
{
	m->kind = WIRE_HELLO;
	m->hello = (struct wire_hello){
		.protocol = h->protocol,
		.agent = text(h->agent),
		.token = text(h->token),
		.software = text(h->software),
		.region = text(h->region),
		.epoch = h->epoch,
		.boot_id = h->boot_id,
		.generation = h->generation,
		.latitude = h->latitude,
		.longitude = h->longitude,
		.sent_boot_us = h->sent_boot_us,
		.sent_wall_us = h->sent_wall_us,
	};
}

static void read_upload(const Tidemark__Upload *u, struct wire_msg *m)
{
	m->kind = WIRE_UPLOAD;
	m->upload = (struct wire_upload){
		.epoch = u->epoch,
		.number = u->number,
		.raw_size = u->raw_size,
		.body = text(u->body),
		.boot_id = u->boot_id,
		.has_offset = u->has_clock_offset_us,
		.clock_offset_us = u->clock_offset_us,
		.clock_uncertainty_us = u->clock_uncertainty_us,
		.sent_boot_us = u->sent_boot_us,
		.sent_wall_us = u->sent_wall_us,
		.spool_batches = u->spool_batches,
		.spool_bytes = u->spool_bytes,
		.lost_results = u->lost_results,
		.held_back = u->held_back,
		.lost_from_us = u->lost_from_us,
		.lost_to_us = u->lost_to_us,
	};
}

static void read_watch(const Tidemark__Watch *w, struct wire_msg *m)
{
	const Tidemark__Shortfall *ps = w->shortfall;
	struct wire_shortfall *s = &m->watch.shortfall;
	m->kind = WIRE_WATCH;
	m->watch.generation = w->generation;
	m->watch.boot_id = w->boot_id;
	m->watch.sent_boot_us = w->sent_boot_us;
	m->watch.leaving = w->leaving;
	if (ps == NULL)
		return;
	s->there = true;
	s->held_back = ps->held_back;
	s->refused = ps->refused;
	s->n_refusals = ps->n_refusals; /* wire_check() refuses too many of them */
	for (size_t i = 0; i < MIN(ps->n_refusals, (size_t)SHORTFALL_NAMES_MAX); i++)
		s->refusals[i] = (struct wire_refusal){ text(ps->refusals[i]->service),
			text(ps->refusals[i]->endpoint), text(ps->refusals[i]->why) };
}

static bool read_endpoint(const Tidemark__Endpoint *pe, struct assign_endpoint *e, struct arena *arena)
{
	*e = (struct assign_endpoint){
		.id = text(pe->id),
		.url = text(pe->url),
		.extract_arg = text(pe->extract_arg),
		.connect_to = text(pe->connect_to),
		.address = text(pe->address),
		.addresses = (enum assign_addresses)MIN(pe->addresses, (uint32_t)ADDRESSES_COUNT),
		.pop_header = text(pe->pop_header),
		.pop_vendor = text(pe->pop_vendor),
		.headers = arena_array(arena, pe->n_headers, sizeof(*e->headers)),
		.n_headers = pe->n_headers,
		.extract = (enum extract_kind)MIN(pe->extract, (uint32_t)EXTRACT_COUNT),
		.path = (uint8_t)MIN(pe->path, 255u),
		.fresh_connection = pe->fresh_connection,
		.redirects = pe->redirects,
		.max_body = pe->max_body,
		.ip_version = (int)MIN(pe->ip_version, 255u),
	};
	for (size_t i = 0; e->headers && i < pe->n_headers; i++)
		e->headers[i] = (struct assign_header){ text(pe->headers[i]->name),
			text(pe->headers[i]->value), text(pe->headers[i]->agent_env) };
	return e->headers != NULL;
}

static bool read_service(const Tidemark__Service *ps, struct assign_service *s, struct arena *arena)
{
	*s = (struct assign_service){
		.name = text(ps->name),
		.endpoints = arena_array(arena, ps->n_endpoints, sizeof(*s->endpoints)),
		.n_endpoints = ps->n_endpoints,
		.interval_ms = ps->interval_ms,
		.timeout_ms = ps->timeout_ms,
		.burst_interval_ms = ps->burst ? ps->burst->interval_ms : 0,
		.burst_left_ms = ps->burst ? ps->burst->left_ms : 0,
	};
	for (size_t i = 0; s->endpoints && i < ps->n_endpoints; i++)
		if (!read_endpoint(ps->endpoints[i], &s->endpoints[i], arena))
			return false;
	return s->endpoints != NULL;
}

static bool read_assignments(const Tidemark__Assignments *pa, struct wire_msg *m, struct arena *arena)
{
	struct assignments *a = &m->assignments;
	*a = (struct assignments){
		.generation = pa->generation,
		.unchanged = pa->unchanged,
		.services = arena_array(arena, pa->n_services, sizeof(*a->services)),
		.n_services = pa->n_services,
	};
	for (size_t i = 0; a->services && i < pa->n_services; i++)
		if (!read_service(pa->services[i], &a->services[i], arena))
			return false;
	return a->services != NULL;
}

static bool read_welcome(const Tidemark__Welcome *w, struct wire_msg *m, struct arena *arena)
{
	m->kind = WIRE_WELCOME;
	m->welcome.protocol = w->protocol;
	m->welcome.software = text(w->software);
	m->welcome.has_assignments = w->assignments != NULL;
	m->clock = read_clock(w->clock);
	return w->assignments == NULL || read_assignments(w->assignments, m, arena);
}

/* False: past the arena's cap. A kind we do not know leaves WIRE_NONE. */
static bool read_envelope(const Tidemark__Envelope *e, struct wire_msg *m, struct arena *arena)
{
	switch (e->body_case) {
	case TIDEMARK__ENVELOPE__BODY_HELLO:
		read_hello(e->hello, m);
		break;
	case TIDEMARK__ENVELOPE__BODY_UPLOAD:
		read_upload(e->upload, m);
		break;
	case TIDEMARK__ENVELOPE__BODY_WATCH:
		read_watch(e->watch, m);
		break;
	case TIDEMARK__ENVELOPE__BODY_WELCOME:
		return read_welcome(e->welcome, m, arena);
	case TIDEMARK__ENVELOPE__BODY_DENIED:
		m->kind = WIRE_DENIED;
		m->denied.reason = text(e->denied->reason);
		m->denied.text = text(e->denied->text);
		m->denied.retry_after_ms = e->denied->retry_after_ms;
		break;
	case TIDEMARK__ENVELOPE__BODY_ACK:
		m->kind = WIRE_ACK;
		m->ack.epoch = e->ack->epoch;
		m->ack.number = e->ack->number;
		m->ack.refused = text(e->ack->refused);
		m->clock = read_clock(e->ack->clock);
		break;
	case TIDEMARK__ENVELOPE__BODY_BUSY:
		m->kind = WIRE_BUSY;
		m->busy.retry_after_ms = e->busy->retry_after_ms;
		break;
	case TIDEMARK__ENVELOPE__BODY_ASSIGNMENTS:
		m->kind = WIRE_ASSIGNMENTS;
		m->clock = read_clock(e->assignments->clock);
		return read_assignments(e->assignments, m, arena);
	default:
		break;
	}
	return true;
}

int wire_decode(struct str bytes, struct wire_msg *ret, struct err *err)
{
	struct wire_msg m = { 0 };
	int rc;
	if (bytes.n > WIRE_MESSAGE_MAX)
		return err_set(
			err, ERR_TOO_BIG, "a message of %zu bytes, limit is %d", bytes.n, WIRE_MESSAGE_MAX);
	struct arena *arena = mem_new(sizeof(*arena));
	arena_init(arena, MIN((size_t)WIRE_ARENA_MAX, bytes.n * WIRE_ARENA_FACTOR + 64 * 1024));
	m.arena = arena;
	Tidemark__Envelope *e = tidemark__envelope__unpack(&arena->pb, bytes.n, (const uint8_t *)bytes.p);
	if (e && read_envelope(e, &m, arena))
		rc = wire_check(&m, err);
	else if (arena->exceeded)
		rc = err_set(err, ERR_TOO_BIG, "a message of %zu bytes that takes over %zu in memory",
			bytes.n, arena->cap);
	else
		rc = err_set(err, ERR_SYNTAX, "%zu bytes that are no Envelope", bytes.n);
	if (rc < 0)
		wire_free(&m);
	else
		*ret = m;
	return rc;
}

void wire_free(struct wire_msg *msg)
{
	if (msg->arena) {
		arena_fini(msg->arena);
		free(msg->arena);
	}
	*msg = (struct wire_msg){ 0 };
}

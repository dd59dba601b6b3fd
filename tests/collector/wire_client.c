/* wire_client.c - see wire_client.h */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/pem.h"
#include "collector/collector_conf.h"
#include "collector/socket_close.h"
#include "wire_client.h"

struct client {
	nng_socket socket;
	nng_ctx lines[CLIENT_LINES];
	nng_aio *aio[CLIENT_LINES];
	nng_tls_config *tls;
	int send_ms; /* to a collector that is not there, or lets nobody in */
};

void pause_ms(int ms)
{
	(void)poll(NULL, 0, ms); /* a signal may end it early, which is fine */
}

static struct client *client_new(void)
{
	struct client *c = mem_new(sizeof(*c));
	c->send_ms = CLIENT_WAIT_MS;
	INVARIANT(nng_req0_open(&c->socket) == 0);
	INVARIANT(nng_socket_set_ms(c->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) == 0);
	INVARIANT(nng_socket_set_ms(c->socket, NNG_OPT_RECONNMINT, 20) == 0);
	for (size_t i = 0; i < CLIENT_LINES; i++) {
		INVARIANT(nng_ctx_open(&c->lines[i], c->socket) == 0);
		INVARIANT(nng_aio_alloc(&c->aio[i], NULL, NULL) == 0);
	}
	return c;
}

/* Not waiting for it: the collector may not listen yet, or again. */
struct client *client_dial(const char *address)
{
	struct client *c = client_new();
	INVARIANT(nng_dial(c->socket, address, NULL, NNG_FLAG_NONBLOCK) == 0);
	return c;
}

static void pem(const char *path, struct buf *out)
{
	struct err err;
	buf_init(out, PEM_MAX);
	if (pem_file_read(path, out, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	INVARIANT(out->n > 0);
}

struct client *client_dial_tls(
	const char *address, const char *ca, const char *cert, const char *key, const char *server_name)
{
	struct client *c = client_new();
	struct buf ca_text, cert_text, key_text;
	nng_dialer d;
	pem(ca, &ca_text);
	INVARIANT(nng_tls_config_alloc(&c->tls, NNG_TLS_MODE_CLIENT) == 0);
	INVARIANT(nng_tls_config_ca_chain(c->tls, ca_text.p, NULL) == 0);
	INVARIANT(nng_tls_config_server_name(c->tls, server_name) == 0);
	INVARIANT(nng_tls_config_auth_mode(c->tls, NNG_TLS_AUTH_MODE_REQUIRED) == 0);
	if (cert) {
		pem(cert, &cert_text);
		pem(key, &key_text);
		INVARIANT(nng_tls_config_own_cert(c->tls, cert_text.p, key_text.p, NULL) == 0);
		buf_fini(&cert_text);
		buf_fini(&key_text);
	}
	buf_fini(&ca_text);
	INVARIANT(nng_dialer_create(&d, c->socket, address) == 0);
	INVARIANT(nng_dialer_set_ptr(d, NNG_OPT_TLS_CONFIG, c->tls) == 0);
	INVARIANT(nng_dialer_start(d, NNG_FLAG_NONBLOCK) == 0);
	c->send_ms = 3000;
	return c;
}

void client_hang_up(struct client *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CLIENT_LINES; i++)
		nng_aio_stop(c->aio[i]);
	bool closed = socket_close_end(socket_close_begin(c->socket), 2 * US_PER_S);
	for (size_t i = 0; i < CLIENT_LINES; i++)
		nng_aio_free(c->aio[i]);
	if (c->tls && closed)
		nng_tls_config_free(c->tls);
	free(c);
}

void client_start(struct client *c, size_t line, struct str bytes)
{
	nng_msg *msg;
	nng_aio *aio = c->aio[line];
	INVARIANT(nng_msg_alloc(&msg, 0) == 0 && nng_msg_append(msg, bytes.p ? bytes.p : "", bytes.n) == 0);
	nng_aio_set_timeout(aio, c->send_ms);
	nng_aio_set_msg(aio, msg);
	nng_ctx_send(c->lines[line], aio);
	nng_aio_wait(aio);
	if (nng_aio_result(aio) != 0)
		nng_msg_free(msg); /* client_finish says so */
}

void client_send(struct client *c, size_t line, const struct wire_msg *m)
{
	struct buf bytes;
	buf_init(&bytes, WIRE_MESSAGE_MAX);
	INVARIANT(wire_encode(m, &bytes, NULL) == 0);
	client_start(c, line, buf_str(&bytes));
	buf_fini(&bytes);
}

bool client_finish(struct client *c, size_t line, int wait_ms, struct wire_msg *ret)
{
	nng_aio *aio = c->aio[line];
	nng_aio_set_timeout(aio, wait_ms);
	nng_ctx_recv(c->lines[line], aio);
	nng_aio_wait(aio);
	if (nng_aio_result(aio) != 0)
		return false;
	nng_msg *msg = nng_aio_get_msg(aio);
	struct err err;
	int rc = wire_decode((struct str){ nng_msg_body(msg), nng_msg_len(msg) }, ret, &err);
	if (rc < 0)
		fprintf(stderr, "the collector's answer does not decode: %s\n", err.text);
	INVARIANT(rc == 0);
	nng_msg_free(msg);
	return true;
}

bool client_ask(struct client *c, size_t line, const struct wire_msg *m, struct wire_msg *ret)
{
	client_send(c, line, m);
	return client_finish(c, line, CLIENT_WAIT_MS, ret);
}

void token_bytes(const char *text, unsigned char ret[HELLO_TOKEN_BYTES])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	size_t n_bits = 0, n = 0;
	for (const char *p = text + 4; *p && n < HELLO_TOKEN_BYTES; p++) {
		bits = bits << 6 | (uint32_t)(strchr(digits, *p) - digits);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			ret[n++] = (unsigned char)(bits >> n_bits);
		}
	}
	INVARIANT(n == HELLO_TOKEN_BYTES);
}

struct wire_msg hello_of(const char *agent, const unsigned char token[HELLO_TOKEN_BYTES])
{
	return (struct wire_msg){ .kind = WIRE_HELLO,
		.hello = { .protocol = PROTOCOL_VERSION,
			.agent = str_of(agent),
			.token = { (const char *)token, HELLO_TOKEN_BYTES },
			.software = STR("test"),
			.epoch = 7,
			.boot_id = clock_boot_id(),
			.sent_boot_us = clock_boot_us(),
			.sent_wall_us = clock_wall_us() } };
}

char *sealed_batch(const char *service, uint64_t number, size_t n, size_t *ret_n, uint32_t *ret_raw_size)
{
	return sealed_batch_at(service, number, n, clock_boot_us(), clock_wall_us(), ret_n, ret_raw_size);
}

char *sealed_batch_at(const char *service, uint64_t number, size_t n, int64_t boot_us, int64_t wall_us,
	size_t *ret_n, uint32_t *ret_raw_size)
{
	struct batch_builder *b = batch_builder_new();
	struct buf out;
	bool full = false;
	struct err err;
	batch_builder_start(b, str_of(service), 1);
	for (size_t i = 0; i < n; i++) {
		struct obs o;
		char version[32];
		obs_init(&o);
		(void)snprintf(version, sizeof(version), "v%" PRIu64, number % 7 + i % 2);
		o.observed_at_us = boot_us - (int64_t)(n - i) * US_PER_MS;
		o.endpoint = batch_builder_intern(b, STR("version"), OBS_NAME_MAX, &full);
		o.edge = batch_builder_intern(b, STR("self:fra"), OBS_NAME_MAX, &full);
		o.version = batch_builder_intern(b, str_of(version), OBS_VERSION_MAX, &full);
		o.status = 200;
		o.timing = (struct obs_timing){ 1000, 2000, -1, 4000, 5000 + (int32_t)(number % 1000) };
		batch_builder_add(b, &o);
	}
	struct batch copy = *batch_builder_peek(b);
	copy.boot_id = clock_boot_id();
	copy.sealed_boot_us = boot_us;
	copy.sealed_wall_us = wall_us;
	copy.generation = number; /* no two are the same bytes */
	buf_init(&out, BATCH_PACKED_MAX);
	if (batch_seal(&copy, &out, ret_raw_size, &err) < 0)
		fprintf(stderr, "cannot seal: %s\n", err.text);
	INVARIANT(!buf_failed(&out) && out.n > 0);
	batch_builder_free(b);
	return buf_take(&out, ret_n);
}

struct wire_msg upload_of(uint64_t epoch, uint64_t number, struct str body, uint32_t raw_size)
{
	return (struct wire_msg){ .kind = WIRE_UPLOAD,
		.upload = { .epoch = epoch,
			.number = number,
			.raw_size = raw_size,
			.body = body,
			.boot_id = clock_boot_id(),
			.sent_boot_us = clock_boot_us(),
			.sent_wall_us = clock_wall_us() } };
}

/* wire_client.h - an agent's end of the wire, as small as it can be: a REQ socket with a few contexts. Every
 * wait has an end. */
#ifndef TESTS_WIRE_CLIENT_H
#define TESTS_WIRE_CLIENT_H

#include "base/sha256.h"
#include "proto/batch.h"
#include "proto/wire.h"

#define CLIENT_LINES   8
#define CLIENT_WAIT_MS 10000

/* Between two looks at what must come by itself. */
void pause_ms(int ms);

struct client;
struct client *client_dial(const char *address);
/* PEM files; cert and key may be NULL. The collector must be server_name. */
struct client *client_dial_tls(
	const char *address, const char *ca, const char *cert, const char *key, const char *server_name);
void client_hang_up(struct client *c);
/* Asks on a line (0 up to CLIENT_LINES - 1) and waits for the answer; false: none came. wire_free() the
 * answer. */
bool client_ask(struct client *c, size_t line, const struct wire_msg *m, struct wire_msg *ret);
void client_start(struct client *c, size_t line, struct str bytes); /* sends, and returns */
bool client_finish(struct client *c, size_t line, int wait_ms, struct wire_msg *ret);
void client_send(struct client *c, size_t line, const struct wire_msg *m);

/* The 32 bytes that a token's text stands for. */
void token_bytes(const char *text, unsigned char ret[HELLO_TOKEN_BYTES]);
struct wire_msg hello_of(const char *agent, const unsigned char token[HELLO_TOKEN_BYTES]);

/* n results of endpoint "version" at edge "self:fra", sealed: free() what is returned. number makes them
 * differ; the same arguments give the same bytes. */
char *sealed_batch_at(const char *service, uint64_t number, size_t n, int64_t boot_us, int64_t wall_us,
	size_t *ret_n, uint32_t *ret_raw_size);
char *sealed_batch(
	const char *service, uint64_t number, size_t n, size_t *ret_n, uint32_t *ret_raw_size); /* now */
struct wire_msg upload_of(uint64_t epoch, uint64_t number, struct str body, uint32_t raw_size);

#endif

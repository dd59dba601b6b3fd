/* world.h - a whole collector on a scratch directory, with one service "shop" and one enrolled agent "fra-1",
 * for tests that reach it over the wire. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "collector/hub_run.h"
#include "wire_client.h"

struct world {
	char dir[64], conf[128], store[160];
	struct hub *hub;
	char token[TOKEN_TEXT_MAX];
	unsigned char key[HELLO_TOKEN_BYTES];
};

#define WORLD_SERVICE                                                                                        \
	"  - name: shop\n    version: {json: /version}\n    interval: 10s\n    burst: {interval: 1s, for: "  \
	"1m, max_rate: 2/s}\n"                                                                               \
	"    endpoints: [{url: 'https://shop.example/version'}]\n"

/* For cmocka's set-up and tear-down; state is a struct world. */
int world_start(void **state);
int world_end(void **state);
/* Rewrites the configuration: the list of services, and how to listen (NULL: plain, on a free port). */
void world_conf(struct world *w, const char *services, const char *listen);
void world_up(struct world *w); /* starts a collector on what there is */
int64_t world_stored(struct world *w, const char *what);

struct client *world_dial(struct world *w);
struct client *world_dial_and_hello(struct world *w);
void world_upload(
	struct client *c, size_t line, uint64_t epoch, uint64_t number, uint64_t salt, struct wire_msg *ret);
void expect_denied(const struct wire_msg *m, const char *reason);
void ask_denied(struct client *c, const struct wire_msg *m, const char *reason);

/* Waits for what must come by itself; the condition is looked at again and again until a deadline. */
#define EVENTUALLY(cond)                                                                                     \
	do {                                                                                                 \
		int64_t until_us = clock_boot_us() + 10 * US_PER_S;                                          \
		while (!(cond) && clock_boot_us() < until_us)                                                \
			pause_ms(2);                                                                         \
		if (!(cond))                                                                                 \
			fail_msg("still not so after 10 s: %s", #cond);                                      \
	} while (0)

#endif

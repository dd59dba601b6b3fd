/* uplink_world.h - an uplink with all it needs: a spool, a configuration, and a collector that does what it
 * is told. What every test of the uplink starts from. */
#ifndef TESTS_UPLINK_WORLD_H
#define TESTS_UPLINK_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/uplink.h"
#include "base/clock.h"
#include "fake_collector.h"
#include "temp_dir.h"

#define TOKEN_OF_ZEROS "tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

struct world {
	const char *dir;
	struct fake *fake;
	struct agent_conf *conf;
	struct agent_shared shared;
	struct uplink *uplink;
	char assign_path[4096];
	uint64_t number;
};

struct agent_conf *conf_for(const char *url, const char *dir, const char *more);
/* cert and key: TLS; more: lines of the configuration. */
struct world *world_new(const char *cert, const char *key, const char *more);
int setup(void **state); /* without TLS */
int teardown(void **state);
void start_uplink(struct world *w);
void put(struct world *w); /* a batch, on disk when it returns */
struct uplink_stats stats_of(struct world *w);
uint64_t spooled(struct world *w);
void wait_up(struct world *w);
void usual_timeouts(void);

/* Every body is the one its number had, however often it came. */
size_t check_bodies(struct world *w, struct fake_seen *seen, size_t room);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

/* engine_bench.c - results per CPU-second through the fold, and bytes per quiet cell, at 100,000 cells: 1,000
 * agents, each reaching its own edge for 100 endpoints. Prints one line a figure. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collector/engine/view.h"

#define AGENTS      1000
#define ENDPOINTS   100
#define CELLS       (AGENTS * ENDPOINTS)
#define INTERVAL_US (30 * US_PER_S)
#define START_US    INT64_C(1772359200000000)

static char endpoint_text[ENDPOINTS][16], agent_text[AGENTS][16], edge_text[AGENTS][16];

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

static void must_fold(struct engine *e, struct event *ev)
{
	static int64_t position;
	struct err err;
	ev->position = ++position;
	ev->at_us = ev->received_at_us;
	if (engine_fold(e, ev, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

static void tell_service(struct engine *e)
{
	static struct ev_endpoint endpoints[ENDPOINTS];
	for (int i = 0; i < ENDPOINTS; i++) {
		snprintf(endpoint_text[i], sizeof(endpoint_text[i]), "endpoint-%d", i);
		endpoints[i] = (struct ev_endpoint){ .id = str_of(endpoint_text[i]),
			.url = str_of(endpoint_text[i]) };
	}
	for (int i = 0; i < AGENTS; i++) {
		snprintf(agent_text[i], sizeof(agent_text[i]), "agent-%d", i);
		snprintf(edge_text[i], sizeof(edge_text[i]), "cdn:E%03d", i);
	}
	struct event ev = { .kind = EV_SERVICE,
		.received_at_us = START_US,
		.service = { .name = STR("shop"),
			.interval_us = INTERVAL_US,
			.endpoints = endpoints,
			.n_endpoints = ENDPOINTS,
			.timeout_us = 15 * US_PER_MIN,
			.require = 1,
			.min_coverage = 0.9,
			.min_agents = 1,
			.watch_us = 30 * US_PER_MIN,
			.rollout_grace_us = 5 * US_PER_MIN,
			.alert_after_us = 5 * US_PER_MIN } };
	must_fold(e, &ev);
}

static void tell_deploy(struct engine *e, const char *version, int64_t at_us)
{
	struct event ev = { .kind = EV_DEPLOY,
		.received_at_us = at_us,
		.deploy = { .id = str_of(version),
			.service = STR("shop"),
			.version = str_of(version),
			.started_at_us = at_us,
			.live_at_us = at_us } };
	must_fold(e, &ev);
}

/* One interval: every agent's batches of `size` results, over all endpoints, filled in and folded. Returns
 * CPU seconds. */
static double tell_answers(struct engine *e, const char *version, int64_t at_us, size_t size, enum cache_status cache)
{
	static struct str dict[ENDPOINTS + 4];
	static struct obs obs[BATCH_OBS_MAX];
	double start = cpu_s();
	for (int a = 0; a < AGENTS; a++) {
		for (int from = 0; from < ENDPOINTS; from += (int)size) {
			struct batch b = { .agent = str_of(agent_text[a]),
				.region = STR("eu"),
				.service = STR("shop"),
				.dict = dict,
				.n_dict = 3,
				.obs = obs };
			dict[1] = str_of(version), dict[2] = str_of(edge_text[a]);
			for (int i = from; i < ENDPOINTS && i < from + (int)size; i++) {
				struct obs *o = &obs[b.n_obs++];
				obs_init(o);
				dict[b.n_dict] = str_of(endpoint_text[i]);
				*o = (struct obs){ .observed_at_us =
							   at_us +
							   (int64_t)(a * 7919 + i * 104729) % INTERVAL_US,
					.endpoint = (uint16_t)b.n_dict++,
					.edge = 2,
					.version = 1,
					.status = 200,
					.n_tiers = 1,
					.tiers = { cache },
					.age_s = cache == CACHE_HIT ? 30 : OBS_AGE_NONE,
					.ttl_s = 60,
					.browser_ttl_s = OBS_TTL_NONE };
			}
			struct event ev = { .kind = EV_OBSERVATIONS,
				.received_at_us = at_us + INTERVAL_US,
				.observations = { .batch = &b } };
			must_fold(e, &ev);
		}
	}
	return cpu_s() - start;
}

static double tell_round(struct engine *e, const char *version, int64_t at_us, size_t size)
{
	return tell_answers(e, version, at_us, size, CACHE_HIT);
}

static void report(const char *what, double results, double seconds)
{
	printf("engine %-42s %10.0f results per CPU-second\n", what, results / seconds);
}

int main(void)
{
	size_t before = heap_bytes();
	struct engine *e = engine_new(NULL);
	int64_t at = START_US;
	double used = 0, start;
	tell_service(e);
	tell_deploy(e, "v1", at);
	report("first sight of 100,000 cells", CELLS, tell_round(e, "v1", at, 100));
	for (int i = 0; i < 5; i++)
		(void)tell_round(e, "v1", at += INTERVAL_US, 100);
	printf("engine %-42s %10zu bytes\n", "a quiet cell, with its agent's route",
		(heap_bytes() - before) / CELLS);
	for (int i = 0; i < 20; i++)
		used += tell_round(e, "v1", at += INTERVAL_US, 100);
	report("quiet cells, 100 a batch", 20.0 * CELLS, used);
	used = 0;
	for (int i = 0; i < 5; i++)
		used += tell_round(e, "v1", at += INTERVAL_US, 3);
	report("quiet cells, 3 a batch", 5.0 * CELLS, used);
	used = 0;
	for (int i = 0; i < 5; i++)
		used += tell_answers(e, "v1", at += INTERVAL_US, 100, CACHE_MISS);
	report("quiet cells that no cache answers", 5.0 * CELLS, used);
	start = cpu_s();
	tell_deploy(e, "v2", at += INTERVAL_US);
	printf("engine %-42s %10.1f ms\n", "a deploy goes live over 100,000 cells", (cpu_s() - start) * 1e3);
	used = tell_round(e, "v1", at, 100);
	used += tell_round(e, "v1", at += INTERVAL_US, 100);
	report("cells going stale", 2.0 * CELLS, used);
	used = 0;
	for (int i = 0; i < 4; i++)
		used += tell_round(e, "v2", at += INTERVAL_US, 100);
	report("cells converging", 4.0 * CELLS, used);
	enum verdict v;
	if (view_verdict(e, STR("v2"), &v, NULL) < 0 || v != VERDICT_VERIFIED) {
		fprintf(stderr, "v2 is not verified: what was measured is not what it says\n");
		return 1;
	}
	struct buf bytes;
	buf_init(&bytes, (size_t)1 << 30);
	start = cpu_s();
	engine_save(e, &bytes);
	printf("engine %-42s %10.1f ms, %zu bytes a cell\n", "a snapshot", (cpu_s() - start) * 1e3,
		bytes.n / CELLS);
	struct engine *loaded;
	start = cpu_s();
	if (engine_load(buf_str(&bytes), NULL, &loaded, NULL) < 0)
		return 1;
	printf("engine %-42s %10.1f ms\n", "and back", (cpu_s() - start) * 1e3);
	engine_free(loaded);
	buf_clear(&bytes);
	start = cpu_s();
	if (view_deploy(e, STR("v2"), &bytes, NULL) < 0)
		return 1;
	printf("engine %-42s %10.2f ms\n", "a deploy's view", (cpu_s() - start) * 1e3);
	buf_fini(&bytes);
	engine_free(e);
	return 0;
}

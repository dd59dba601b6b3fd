/* The fetch thread as a whole: assignments in, sealed batches out. The spool is this file's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "agent/prober.h"
#include "base/clock.h"
#include "base/log.h"
#include "proto/batch.h"
#include "tests/agent/http_fake.h"

/* --- a spool that keeps what it is given, opened --- */

struct row {
	struct obs obs;
	uint64_t number, generation;
	size_t batch_size;
	char service[64], endpoint[64], version[64], edge[64], evidence[OBS_EVIDENCE_MAX + 1];
};

static pthread_mutex_t rows_lock = PTHREAD_MUTEX_INITIALIZER;
static struct row *rows;
static size_t n_rows, rows_cap;
static uint64_t last_number;
static bool spool_broken;
static struct batch_decoder *decoder;

static void text(char *out, size_t n, const struct batch *b, uint16_t index)
{
	(void)snprintf(out, n, "%.*s", STR_ARG(batch_str(b, index)));
}

int spool_put(struct spool *sp, const struct spool_batch *in, struct err *err)
{
	struct batch b;
	struct err why;
	(void)pthread_mutex_lock(&rows_lock);
	if (spool_broken) {
		(void)pthread_mutex_unlock(&rows_lock);
		return err_set(err, ERR_TOO_BIG, "this spool takes nothing");
	}
	if (batch_unseal(decoder, in->body, in->raw_size, &b, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(b.n_obs, in->n_results);
	assert_int_equal(in->number, last_number + 1); /* no holes */
	assert_int_equal(in->epoch, 42);
	assert_int_equal(in->boot_id, clock_boot_id());
	last_number = in->number;
	for (size_t i = 0; i < b.n_obs; i++) {
		rows = mem_grow(rows, &rows_cap, n_rows + 1, sizeof(*rows));
		struct row *r = &rows[n_rows++];
		r->obs = b.obs[i];
		r->number = in->number;
		r->generation = b.generation;
		r->batch_size = b.n_obs;
		(void)snprintf(r->service, sizeof(r->service), "%.*s", STR_ARG(b.service));
		text(r->endpoint, sizeof(r->endpoint), &b, b.obs[i].endpoint);
		text(r->version, sizeof(r->version), &b, b.obs[i].version);
		text(r->edge, sizeof(r->edge), &b, b.obs[i].edge);
		text(r->evidence, sizeof(r->evidence), &b, b.obs[i].evidence);
	}
	(void)pthread_mutex_unlock(&rows_lock);
	return 0;
}

/* --- the server, the agent --- */

static struct http_fake *server;
static _Atomic int deployed = 1;

static bool answer(struct http_fake_conn *c, const char *path, const char *request)
{
	char out[512];
	bool said;
	int n = strcmp(path, "/old") == 0 ? 0 : atomic_load(&deployed);
	if (strcmp(path, "/slow") == 0)
		(void)http_fake_wait_gone(c, 20000);
	(void)snprintf(out, sizeof(out),
		"HTTP/1.1 200 OK\r\nX-Pop: fra\r\nSet-Cookie: id=secret\r\nContent-Length: "
		"15\r\n\r\n{\"version\":\"%c\"}",
		'a' + n);
	said = http_fake_say(c, out);
	return said && strcmp(path, "/slow") != 0;
}

struct agent {
	struct agent_conf conf;
	struct agent_shared shared;
	struct prober *prober;
	char urls[8][128];
};

static const char *addresses_path;
static const char *loopback[] = { "127.0.0.0/8" };

static void agent_start(struct agent *a, bool may_loopback)
{
	struct err err;
	memset(a, 0, sizeof(*a));
	a->conf.name = (char *)(uintptr_t) "fra-1";
	a->conf.allow_networks = loopback;
	a->conf.n_allow_networks = may_loopback;
	a->conf.max_rate = 10000;
	a->conf.max_rate_per_host = 10000;
	a->conf.max_inflight = 100;
	a->shared.conf = &a->conf;
	a->shared.assignments = assign_box_new();
	a->shared.epoch = 42;
	a->shared.addresses_path = addresses_path;
	free(rows);
	rows = NULL;
	n_rows = rows_cap = 0;
	last_number = 0;
	spool_broken = false;
	atomic_store(&deployed, 1);
	if (prober_start(&a->shared, &a->prober, &err) < 0)
		fail_msg("%s", err.text);
}

static void agent_stop(struct agent *a)
{
	prober_stop(a->prober);
	assign_box_free(a->shared.assignments);
}

/* Endpoint i has the id "e0", "e1", ... and the path given. */
static void assign(struct agent *a, uint64_t generation, uint32_t interval_ms, uint32_t burst_ms,
	const char *const *paths, size_t n)
{
	struct assign_endpoint endpoints[8] = { 0 };
	static const char *const ids[] = { "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7" };
	struct assign_service service = { .name = STR("shop@test"),
		.endpoints = endpoints,
		.n_endpoints = n,
		.interval_ms = interval_ms,
		.timeout_ms = 5000,
		.burst_interval_ms = burst_ms,
		.burst_left_ms = burst_ms ? 60000 : 0 };
	struct assignments all = { .generation = generation, .services = &service, .n_services = 1 };
	for (size_t i = 0; i < n; i++) {
		if (paths[i][0] == '/')
			(void)snprintf(a->urls[i], sizeof(a->urls[i]), "http://127.0.0.1:%d%s",
				http_fake_port(server), paths[i]);
		else
			(void)snprintf(a->urls[i], sizeof(a->urls[i]), "%s", paths[i]);
		endpoints[i] = (struct assign_endpoint){ .id = str_of(ids[i]),
			.url = str_of(a->urls[i]),
			.extract = EXTRACT_JSON,
			.extract_arg = STR("/version"),
			.pop_header = STR("X-Pop") };
	}
	assign_box_put(a->shared.assignments, assign_set_new(&all, clock_boot_us()));
}

static size_t count(const char *endpoint, const char *version, int flags)
{
	size_t n = 0;
	(void)pthread_mutex_lock(&rows_lock);
	for (size_t i = 0; i < n_rows; i++)
		n += (endpoint == NULL || strcmp(rows[i].endpoint, endpoint) == 0) &&
		     (version == NULL || strcmp(rows[i].version, version) == 0) &&
		     (rows[i].obs.flags & flags) == flags;
	(void)pthread_mutex_unlock(&rows_lock);
	return n;
}

#define wait_for(cond)                                                                                       \
	do {                                                                                                 \
		int64_t deadline = clock_boot_us() + 20 * US_PER_S;                                          \
		while (!(cond)) {                                                                            \
			if (clock_boot_us() > deadline)                                                      \
				fail_msg("not within 20 s: %s", #cond);                                      \
			(void)poll(NULL, 0, 5);                                                              \
		}                                                                                            \
	} while (0)

/* --- tests --- */

static void results_come_in_sealed_batches(void **state)
{
	struct agent a;
	struct prober_stats stats;
	agent_start(&a, true);
	assign(&a, 7, 100, 0, (const char *const[]){ "/new", "/old" }, 2);
	wait_for(count("e0", "b", 0) >= 5 && count("e1", "a", 0) >= 5);
	atomic_store(&deployed, 2);
	wait_for(count("e0", "c", 0) >= 2);
	prober_stats(a.prober, &stats);
	assert_true(stats.started >= stats.finished && stats.finished >= 12 && stats.batches >= 2);
	assert_int_equal(stats.endpoints, 2);
	assert_int_equal(stats.failed, 0);
	agent_stop(&a);
	size_t evidence[2] = { 0 };
	for (size_t i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];
		assert_string_equal(r->service, "shop@test");
		assert_string_equal(r->edge, "self:fra");
		assert_int_equal(r->generation, 7);
		assert_int_equal(r->obs.status, 200);
		if (r->evidence[0] == '\0')
			continue;
		evidence[strcmp(r->endpoint, "e1") == 0]++;
		assert_true(strncmp(r->evidence, "HTTP/1.1 200 OK\r\n", 17) == 0);
		assert_null(strstr(r->evidence, "secret"));
	}
	assert_int_equal(evidence[0], 2); /* at first sight, and when the version changed */
	assert_int_equal(evidence[1], 1);
}

static void a_batch_waits_no_longer_than_it_says(void **state)
{
	struct agent a;
	agent_start(&a, true);
	assign(&a, 1, 100, 0, (const char *const[]){ "/new" }, 1);
	wait_for(count(NULL, NULL, 0) >= 10);
	agent_stop(&a);
	for (size_t i = 0; i < n_rows; i++) /* 250 ms of ten a second, and room for a slow machine */
		assert_true(rows[i].batch_size <= 20);
	assert_true(last_number >= 2);
}

static void an_empty_batch_is_never_sealed(void **state)
{
	struct agent a;
	agent_start(&a, true);
	assign(&a, 1, 3600000, 0, (const char *const[]){ "/new" }, 1);
	wait_for(count("e0", "b", 0) == 1);
	assign(&a, 2, 3600000, 0, (const char *const[]){ "/new" }, 1); /* neither by a new set */
	assign(&a, 3, 3600000, 0, (const char *const[]){ "/new" }, 0);
	agent_stop(&a); /* nor by the end */
	assert_int_equal(last_number, 1);
	assert_int_equal(n_rows, 1);
}

static void where_it_may_not_go_is_an_observation(void **state)
{
	struct agent a;
	struct err err;
	agent_start(&a, false);
	assign(&a, 1, 100, 0, (const char *const[]){ "/new" }, 1);
	wait_for(count("e0", "", 0) >= 2);
	(void)pthread_mutex_lock(&rows_lock);
	assert_int_equal(rows[0].obs.fail, FAIL_REFUSED);
	(void)pthread_mutex_unlock(&rows_lock);
	a.conf.n_allow_networks = 1; /* SIGHUP */
	assert_int_equal(prober_reload(a.prober, &a.conf, &err), 0);
	wait_for(count("e0", "b", 0) >= 2);
	const char *bad[] = { "no network" };
	a.conf.allow_networks = bad;
	assert_int_equal(prober_reload(a.prober, &a.conf, &err), ERR_SYNTAX);
	size_t before = count("e0", "b", 0);
	wait_for(count("e0", "b", 0) >= before + 2); /* the old rules stay */
	agent_stop(&a);
}

static void what_it_cannot_probe_is_named_and_the_rest_is_probed(void **state)
{
	struct agent a;
	struct prober_stats stats;
	agent_start(&a, true);
	assign(&a, 1, 100, 0, (const char *const[]){ "file:///etc/passwd", "/new", "http://" }, 3);
	wait_for(count("e1", "b", 0) >= 2);
	prober_stats(a.prober, &stats);
	assert_int_equal(stats.endpoints, 1);
	assert_int_equal(stats.refused, 2);
	agent_stop(&a);
}

static void a_burst_is_marked_and_quick(void **state)
{
	struct agent a;
	agent_start(&a, true);
	assign(&a, 1, 3600000, 100, (const char *const[]){ "/new" }, 1);
	wait_for(count("e0", "b", OBS_BURST) >= 5); /* an hour's interval otherwise */
	agent_stop(&a);
}

static void new_assignments_take_over_while_old_ones_are_under_way(void **state)
{
	struct agent a;
	struct prober_stats stats;
	agent_start(&a, true);
	assign(&a, 1, 100, 0, (const char *const[]){ "/slow", "/new" }, 2);
	wait_for((prober_stats(a.prober, &stats), stats.inflight >= 1) && count("e1", NULL, 0) >= 2);
	assign(&a, 2, 100, 0, (const char *const[]){ "/slow", "/old" }, 2);
	wait_for(count("e1", "a", 0) >= 2);
	for (uint64_t g = 3; g < 20; g++)
		assign(&a, g, 100, 0, (const char *const[]){ "/slow", g % 2 ? "/new" : "/old" }, 2);
	size_t before = count("e1", NULL, 0);
	wait_for(count("e1", NULL, 0) >= before + 3);
	wait_for(count("e0", "", 0) >= 1); /* the slow one ends, in the set it began in */
	agent_stop(&a);
	for (size_t i = 0; i < n_rows; i++)
		if (strcmp(rows[i].endpoint, "e1") == 0)
			assert_string_equal(rows[i].version, rows[i].generation % 2 ? "b" : "a");
}

static void a_spool_that_takes_nothing_leaves_no_hole(void **state)
{
	struct agent a;
	struct prober_stats stats;
	agent_start(&a, true);
	assign(&a, 1, 100, 0, (const char *const[]){ "/new" }, 1);
	wait_for(count(NULL, NULL, 0) >= 1);
	(void)pthread_mutex_lock(&rows_lock);
	spool_broken = true;
	(void)pthread_mutex_unlock(&rows_lock);
	prober_stats(a.prober, &stats);
	uint64_t before = stats.finished;
	wait_for((prober_stats(a.prober, &stats), stats.finished >= before + 8));
	(void)pthread_mutex_lock(&rows_lock);
	spool_broken = false;
	size_t rows_before = n_rows;
	(void)pthread_mutex_unlock(&rows_lock);
	wait_for(count(NULL, NULL, 0) > rows_before); /* spool_put() checks the numbers */
	agent_stop(&a);
}

static void stopping_seals_what_was_collected_and_gives_up_the_rest(void **state)
{
	struct agent a;
	struct prober_stats stats;
	agent_start(&a, true);
	assign(&a, 1, 100, 0, (const char *const[]){ "/new", "/slow" }, 2);
	wait_for((prober_stats(a.prober, &stats), stats.finished >= 3 && stats.inflight >= 1));
	int64_t began = clock_boot_us();
	agent_stop(&a);
	assert_true(clock_boot_us() - began < 3 * US_PER_S); /* not until the slow one's time is up */
	assert_true(n_rows >= stats.finished);
	assert_int_equal(count("e1", NULL, 0), 0); /* given up by us: no failure of anybody's */
}

static void who_answered_is_kept_in_a_file(void **state)
{
	char path[] = "/tmp/tidemark-test-addresses-XXXXXX", name[128], text[256];
	int fd = mkstemp(path);
	assert_true(fd >= 0 && close(fd) == 0); /* empty: damaged, which stops nobody */
	for (int life = 0; life < 2; life++) {
		struct agent a;
		addresses_path = path;
		agent_start(&a, true);
		addresses_path = NULL;
		(void)snprintf(name, sizeof(name), "http://localhost:%d/new", http_fake_port(server));
		if (life == 0) {
			assign(&a, 1, 100, 0, (const char *const[]){ name }, 1);
			wait_for(count("e0", "b", 0) >= 1);
		}
		agent_stop(&a);
		FILE *f = fopen(path, "re");
		assert_non_null(f);
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		(void)fclose(f);
		assert_non_null(strstr(text, "tidemark addresses 1\nlocalhost 127.0.0.1 "));
	}
	(void)unlink(path);
}

static int setup(void **state)
{
	log_init("test", LOG_ERROR, LOG_TEXT);
	decoder = batch_decoder_new();
	server = http_fake_start(answer);
	return 0;
}

static int teardown(void **state)
{
	http_fake_stop(server);
	batch_decoder_free(decoder);
	free(rows);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_come_in_sealed_batches),
		cmocka_unit_test(a_batch_waits_no_longer_than_it_says),
		cmocka_unit_test(an_empty_batch_is_never_sealed),
		cmocka_unit_test(where_it_may_not_go_is_an_observation),
		cmocka_unit_test(what_it_cannot_probe_is_named_and_the_rest_is_probed),
		cmocka_unit_test(a_burst_is_marked_and_quick),
		cmocka_unit_test(new_assignments_take_over_while_old_ones_are_under_way),
		cmocka_unit_test(a_spool_that_takes_nothing_leaves_no_hole),
		cmocka_unit_test(who_answered_is_kept_in_a_file),
		cmocka_unit_test(stopping_seals_what_was_collected_and_gives_up_the_rest),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

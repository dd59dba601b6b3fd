/* fleet_sim - many agents in one process: real uplinks, each with a spool and a connection of its own, that put batches without
 * fetching anything.
 *   fleet_sim --conf FIRST COUNT        the lines of `agents:` for the collector's file, with their tokens
 *   fleet_sim FIRST COUNT URL CA DIR EVERY_MS RESULTS SERVICE      runs agents sim-FIRST and so on; CA "-": without TLS
 * DIR holds their spools. Every EVERY_MS each puts a batch of RESULTS results of its own, until SIGTERM; then it waits until all is
 * acknowledged (at most 3 min). Every second a line: how many are connected, what was put, what is not acknowledged yet. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/uplink.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sha256.h"
#include "tests/collector/wire_client.h"

static volatile sig_atomic_t over;

struct sim {
	struct agent_conf *conf;
	struct agent_shared shared;
	struct uplink *uplink;
	uint64_t number;
	int64_t next_us;
	char assign_path[512];
};

static NORETURN void die(const char *what, const char *why)
{
	fprintf(stderr, "fleet_sim: %s: %s\n", what, why);
	exit(1);
}

static size_t number_of(const char *text)
{
	int64_t n;
	struct err err;
	if (str_to_i64(str_of(text), &n, &err) < 0 || n < 0)
		die(text, "not a number");
	return (size_t)n;
}

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

/* base64url of 32 bytes, without padding, as enrolment makes them */
static void token_of(size_t i, char ret[64])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char b[34] = { 0 };
	for (size_t k = 0; k < 32; k++)
		b[k] = (unsigned char)(k < 8 ? i >> 8 * k : 0xa5 ^ k);
	char *p = ret + 4;
	memcpy(ret, "tmk_", 4);
	for (size_t k = 0; k < 33; k += 3) {
		uint32_t v = (uint32_t)b[k] << 16 | (uint32_t)b[k + 1] << 8 | b[k + 2];
		for (int shift = 18; shift >= 0; shift -= 6)
			*p++ = digits[v >> shift & 63];
	}
	ret[4 + 43] = '\0';
}

static void sim_start(struct sim *s, size_t i, const char *url, const char *ca, const char *dir)
{
	static const struct spool_limits roomy = { .max_bytes = 1 << 30, .max_age_us = US_PER_H };
	struct err err;
	struct buf text;
	char token[64], own[512];
	snprintf(own, sizeof(own), "%s/sim-%zu", dir, i);
	if (mkdir(own, 0700) < 0 && access(own, W_OK) < 0)
		die(own, "cannot be made");
	snprintf(s->assign_path, sizeof(s->assign_path), "%s/a", own);
	token_of(i, token);
	buf_init(&text, 65536);
	buf_addf(&text, "name: sim-%zu\nregion: sim\ncollector: %s\ntoken: %s\nspool: {dir: %s}\n", i, url, token, own);
	if (*ca == '/')
		buf_addf(&text, "tls: {ca: %s}\n", ca);
	if (agent_conf_parse(buf_str(&text), "sim", &s->conf, &err) < 0)
		die("configuration", err.text);
	buf_fini(&text);
	s->shared.conf = s->conf;
	s->shared.epoch = random_u64();
	s->shared.assignments = assign_box_new();
	if (spool_open(own, &roomy, &s->shared.spool, &err) < 0)
		die(own, err.text);
	if (uplink_start(&s->shared, s->assign_path, &s->uplink, &err) < 0)
		die("uplink", err.text);
}

static void put(struct sim *s, const char *service, size_t results)
{
	size_t n;
	uint32_t raw_size;
	struct err err;
	int64_t boot_us = clock_boot_us(), wall_us = clock_wall_us();
	char *body = sealed_batch_at(service, s->shared.epoch + ++s->number, results, boot_us, wall_us, &n, &raw_size);
	struct spool_batch b = { .epoch = s->shared.epoch, .number = s->number, .raw_size = raw_size, .n_results = (uint32_t)results,
		.boot_id = clock_boot_id(), .sealed_boot_us = boot_us, .sealed_wall_us = wall_us, .body = { body, n } };
	if (spool_put(s->shared.spool, &b, &err) < 0)
		die("spool", err.text);
	free(body);
}

struct sum {
	size_t up;
	uint64_t left, put, refused, lost, connections;
};

static struct sum sum_of(struct sim *sims, size_t n)
{
	struct sum t = { 0 };
	for (size_t i = 0; i < n; i++) {
		struct uplink_stats u;
		struct spool_stats sp;
		uplink_stats(sims[i].uplink, &u);
		spool_stats(sims[i].shared.spool, &sp);
		t.up += u.state == UPLINK_UP;
		t.left += sp.batches;
		t.lost += sp.lost_results;
		t.put += sims[i].number;
		t.refused += u.refused;
		t.connections += u.connections;
	}
	return t;
}

static void tell(const char *what, const struct sum *t)
{
	printf("%s connected=%zu put=%llu left=%llu refused=%llu lost=%llu connections=%llu\n", what, t->up, (unsigned long long)t->put,
		(unsigned long long)t->left, (unsigned long long)t->refused, (unsigned long long)t->lost, (unsigned long long)t->connections);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--conf") == 0) {
		size_t first = number_of(argv[2]), n = number_of(argv[3]);
		for (size_t i = first; i < first + n; i++) {
			char token[64];
			token_of(i, token);
			printf("  - {name: sim-%zu, region: sim, token: %s}\n", i, token);
		}
		return 0;
	}
	if (argc != 9) {
		fputs("usage: fleet_sim FIRST COUNT URL CA DIR EVERY_MS RESULTS SERVICE\n", stderr);
		return 2;
	}
	size_t first = number_of(argv[1]), n = number_of(argv[2]), results = number_of(argv[7]);
	int64_t every_us = (int64_t)number_of(argv[6]) * US_PER_MS;
	struct sim *sims = mem_new_array(n, sizeof(*sims));
	struct sum t;
	log_init("fleet_sim", getenv("FLEET_SIM_LOG") ? LOG_INFO : LOG_ERROR, LOG_TEXT);
	signal(SIGTERM, on_term);
	process_open_files();
	for (size_t i = 0; i < n; i++) {
		sim_start(&sims[i], first + i, argv[3], argv[4], argv[5]);
		sims[i].next_us = clock_boot_us() + (int64_t)(random_u64() % (uint64_t)every_us);
	}
	for (int64_t next_word_us = clock_boot_us(); !over;) {
		int64_t now_us = clock_boot_us(), due_us = next_word_us;
		for (size_t i = 0; i < n; i++) {
			for (; sims[i].next_us <= now_us; sims[i].next_us += every_us)
				put(&sims[i], argv[8], results);
			due_us = MIN(due_us, sims[i].next_us);
		}
		if (now_us >= next_word_us) {
			t = sum_of(sims, n);
			tell("running", &t);
			next_word_us = now_us + US_PER_S;
		}
		poll(NULL, 0, (int)MAX(MIN((due_us - clock_boot_us()) / US_PER_MS, (int64_t)1000), 1));
	}
	int64_t until_us = clock_boot_us() + 3 * US_PER_MIN;
	do {
		poll(NULL, 0, 200);
		t = sum_of(sims, n);
	} while (t.left > 0 && clock_boot_us() < until_us);
	tell("done", &t);
	/* not taken apart: the end of the process does that, and 2,000 orderly goodbyes are not what is measured */
	_exit(t.left == 0 && t.refused == 0 && t.lost == 0 ? 0 : 1);
}

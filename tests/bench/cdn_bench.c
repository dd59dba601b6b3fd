/* cdn_bench.c - what reading one response costs: the raw block into headers, and headers into edge and cache
 * facts. Answers are the recorded ones of tests/cdn/samples.jsonl, each with eight headers added that real
 * answers carry and the recordings left out. Best of seven rounds, as the machine is not ours alone. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/cdn/cdn.h"
#include "base/places.h"

#define ANSWERS_MAX 512
#define ROUNDS      7
#define REPEATS     200
#define TARGET_NS   2000

static struct buf blocks[ANSWERS_MAX];
static size_t n_blocks, n_headers;

static void block_add(const json_t *headers)
{
	static const char fillers[] =
		"Content-Type: text/html; charset=utf-8\r\nContent-Length: 5120\r\n"
		"Connection: keep-alive\r\nStrict-Transport-Security: max-age=31536000\r\n"
		"X-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\n"
		"Referrer-Policy: same-origin\r\nNEL: {\"max_age\":604800}\r\n";
	struct buf *b = &blocks[n_blocks++];
	const json_t *pair;
	size_t i;
	buf_init(b, 64 * 1024);
	buf_addf(b, "HTTP/1.1 200 OK\r\n%s", fillers);
	n_headers += 8 + json_array_size(headers);
	json_array_foreach(headers, i, pair)
	{
		buf_addf(b, "%s: %s\r\n", json_string_value(json_array_get(pair, 0)),
			json_string_value(json_array_get(pair, 1)));
	}
	buf_addf(b, "\r\n");
}

static int answers_load(const char *path)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "re");
	if (f == NULL) {
		fprintf(stderr, "%s: %m\n", path);
		return -1;
	}
	while (getline(&line, &size, f) > 0 && n_blocks < ANSWERS_MAX) {
		json_t *sample = json_loads(line, 0, NULL);
		block_add(json_object_get(sample, "headers"));
		json_decref(sample);
	}
	free(line);
	fclose(f);
	return n_blocks > 0 ? 0 : -1;
}

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t sum; /* of what was read, so that no compiler leaves the work out */

static double parse_ns(bool also_read)
{
	struct header room[HEADERS_MAX];
	double best = 1e18;
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns();
		for (int i = 0; i < REPEATS; i++)
			for (size_t k = 0; k < n_blocks; k++) {
				struct headers h;
				struct edge_info e;
				int status;
				if (headers_parse(buf_str(&blocks[k]), room, HEADERS_MAX, &h, &status, NULL) <
					0)
					continue;
				sum += h.n;
				if (!also_read)
					continue;
				cdn_read(&h, NULL, &e);
				sum += e.n_tiers + (uint64_t)e.ttl_s;
			}
		double ns = (now_ns() - start) / REPEATS / (double)n_blocks;
		best = MIN(best, ns);
	}
	return best;
}

/* Where each answer's PoP is: what the lookup costs, and how many have a place. */
static double place_ns(size_t *ret_pops, size_t *ret_placed)
{
	static struct edge_info edges[ANSWERS_MAX];
	struct header room[HEADERS_MAX];
	size_t n = 0;
	double best = 1e18;
	*ret_placed = 0;
	for (size_t k = 0; k < n_blocks; k++) {
		struct headers h;
		int status;
		if (headers_parse(buf_str(&blocks[k]), room, HEADERS_MAX, &h, &status, NULL) < 0)
			continue;
		cdn_read(&h, NULL, &edges[n]);
		n += edges[n].pop.n > 0;
	}
	for (int round = 0; round < ROUNDS; round++) {
		size_t placed = 0;
		double start = now_ns();
		for (int i = 0; i < REPEATS * 10; i++)
			for (size_t k = 0; k < n; k++) {
				struct place p;
				bool found = place_of(edges[k].vendor, edges[k].pop, &p);
				placed += found;
				sum += found ? p.city.n : 0;
			}
		double ns = (now_ns() - start) / (REPEATS * 10) / (double)MAX(n, 1);
		best = MIN(best, ns);
		*ret_placed = placed / (REPEATS * 10);
	}
	*ret_pops = n;
	return best;
}

int main(int argc, char **argv)
{
	if (answers_load(argc > 1 ? argv[1] : TESTS_DIR "/cdn/samples.jsonl") < 0)
		return 1;
	double parse = parse_ns(false), both = parse_ns(true);
	printf("cdn: %zu answers of %.1f headers: %.0f ns a response (headers_parse %.0f, cdn_read %.0f), "
	       "target %d ns "
	       "[%" PRIu64 "]\n",
		n_blocks, (double)n_headers / (double)n_blocks, both, parse, both - parse, TARGET_NS,
		sum % 10);
	size_t pops, placed;
	double place = place_ns(&pops, &placed);
	printf("places: %zu of %zu PoPs have one: %.0f ns a lookup [%" PRIu64 "]\n", placed, pops, place,
		sum % 10);
	for (size_t i = 0; i < n_blocks; i++)
		buf_fini(&blocks[i]);
	return both <= TARGET_NS ? 0 : 3;
}

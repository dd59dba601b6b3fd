/* collector_bench.c - results per CPU-second through a real collector: received, checked, durable, folded, acknowledged.
 *   collector_bench COLLECTOR BATCH_SIZE RESULTS
 * Starts the program COLLECTOR on a scratch folder, uploads as one agent through several contexts of one connection, and reads the
 * collector's CPU time from the system. Prints one line. What it uploads is what an agent really sees (tests/proto/gen.h). */
#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/proto/gen.h"

#define UPLOADERS 24
#define VARIANTS  16
#define EPOCH     7

static NORETURN void die(const char *what, const char *why)
{
	fprintf(stderr, "collector_bench: %s: %s\n", what, why);
	exit(1);
}

struct sealed {
	struct buf body;
	uint32_t raw_size;
};

struct bench {
	nng_socket sock;
	struct sealed sealed[VARIANTS];
	size_t batch_size;
	uint64_t n_batches;
	_Atomic uint64_t next;
	_Atomic uint64_t wire_bytes, busy;
};

static void send_and_wait(nng_ctx ctx, const struct wire_msg *out, struct wire_msg *ret, _Atomic uint64_t *bytes)
{
	struct buf b;
	struct err err;
	buf_init(&b, WIRE_MESSAGE_MAX);
	if (wire_encode(out, &b, &err) < 0)
		die("encode", err.text);
	nng_aio *aio;
	nng_msg *msg;
	if (nng_aio_alloc(&aio, NULL, NULL) || nng_msg_alloc(&msg, 0) || nng_msg_append(msg, b.p, b.n))
		die("nng", "out of memory");
	if (bytes)
		*bytes += b.n;
	buf_fini(&b);
	nng_aio_set_timeout(aio, 30000);
	nng_aio_set_msg(aio, msg);
	nng_ctx_send(ctx, aio);
	nng_aio_wait(aio);
	int rc = nng_aio_result(aio);
	if (rc == 0) {
		nng_ctx_recv(ctx, aio);
		nng_aio_wait(aio);
		rc = nng_aio_result(aio);
	}
	if (rc)
		die("the collector does not answer", nng_strerror(rc));
	msg = nng_aio_get_msg(aio);
	if (wire_decode((struct str){ nng_msg_body(msg), nng_msg_len(msg) }, ret, &err) < 0)
		die("decode", err.text);
	nng_msg_free(msg);
	nng_aio_free(aio);
}

static void *uploader(void *arg)
{
	struct bench *be = arg;
	nng_ctx ctx;
	if (nng_ctx_open(&ctx, be->sock))
		die("nng", "no context");
	for (;;) {
		uint64_t i = be->next++;
		if (i >= be->n_batches)
			break;
		const struct sealed *s = &be->sealed[i % VARIANTS];
		for (bool done = false; !done;) {
			struct wire_msg out = { .kind = WIRE_UPLOAD }, in;
			out.upload = (struct wire_upload){
				.epoch = EPOCH,
				.number = i + 1,
				.raw_size = s->raw_size,
				.body = buf_str(&s->body),
				.boot_id = clock_boot_id(),
				.has_offset = true,
				.clock_offset_us = clock_wall_us() - clock_boot_us(),
				.clock_uncertainty_us = 100,
				.sent_boot_us = clock_boot_us(),
				.sent_wall_us = clock_wall_us(),
			};
			send_and_wait(ctx, &out, &in, &be->wire_bytes);
			done = in.kind == WIRE_ACK && in.ack.refused.n == 0;
			if (in.kind == WIRE_BUSY)
				be->busy++;
			else if (!done)
				die("upload refused", in.kind == WIRE_DENIED ? str_dup(in.denied.reason) : "by Ack");
			wire_free(&in);
		}
	}
	nng_ctx_close(ctx);
	return NULL;
}

static void seal_all(struct bench *be)
{
	struct gen g = { 88172645463325252u };
	struct batch_builder *b = batch_builder_new();
	for (size_t i = 0; i < VARIANTS; i++) {
		struct err err;
		struct batch copy = *gen_real_batch(&g, b, be->batch_size);
		copy.boot_id = clock_boot_id();
		int64_t shift = clock_boot_us() - copy.sealed_boot_us;
		copy.sealed_boot_us += shift;
		copy.sealed_wall_us = clock_wall_us();
		for (size_t k = 0; k < copy.n_obs; k++)
			copy.obs[k].observed_at_us += shift;
		buf_init(&be->sealed[i].body, BATCH_PACKED_MAX);
		if (batch_seal(&copy, &be->sealed[i].body, &be->sealed[i].raw_size, &err) < 0)
			die("seal", err.text);
	}
	batch_builder_free(b);
}

/* A configuration that knows every endpoint that gen_real_batch() names. */
static void write_conf(const char *dir, struct bench *be)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/collector.yaml", dir);
	FILE *f = fopen(path, "w");
	if (f == NULL)
		die(path, strerror(errno));
	fprintf(f,
		"listen: {http: \"127.0.0.1:0\", agents: \"tcp://127.0.0.1:0\"}\nstore: \"sqlite:%s/bench.db\"\n"
		"agents:\n  - {name: bench-1, region: eu, token: tmk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}\n"
		"services:\n",
		dir);
	struct batch_decoder *d = batch_decoder_new();
	struct batch b;
	struct err err;
	if (batch_unseal(d, buf_str(&be->sealed[0].body), be->sealed[0].raw_size, &b, &err) < 0)
		die("unseal", err.text);
	struct str rest = b.service, name;
	str_cut(&rest, '@', &name);
	fprintf(f, "  - name: \"%.*s\"\n    interval: 10s\n    version: {json: /version}\n", STR_ARG(name));
	if (rest.n)
		fprintf(f, "    environment: \"%.*s\"\n", STR_ARG(rest));
	fprintf(f, "    endpoints:\n");
	bool seen[BATCH_DICT_MAX] = { false };
	for (size_t i = 0; i < b.n_obs; i++) {
		if (seen[b.obs[i].endpoint])
			continue;
		seen[b.obs[i].endpoint] = true;
		struct str id = batch_str(&b, b.obs[i].endpoint);
		fprintf(f, "      - {id: \"%.*s\", url: \"http://bench.test/%zu\"}\n", STR_ARG(id), i);
	}
	batch_decoder_free(d);
	fclose(f);
}

static int64_t cpu_us(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	char *p = strrchr(text, ')');
	unsigned long user = 0, sys = 0;
	if (p == NULL || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		die(path, "cannot be read");
	return (int64_t)(user + sys) * US_PER_S / sysconf(_SC_CLK_TCK);
}

static int64_t disk_bytes(const char *dir)
{
	int64_t all = 0;
	for (int i = 0; i < 2; i++) {
		char path[300];
		struct stat st;
		snprintf(path, sizeof(path), "%s/bench.db%s", dir, i ? "-wal" : "");
		if (stat(path, &st) == 0)
			all += st.st_size;
	}
	return all;
}

/* The address the agents' listener got, from the start line of the log: agents=tcp://127.0.0.1:PORT */
static void find_address(const char *log, char *url, size_t n)
{
	for (int tries = 0; tries < 400; tries++) {
		char text[8192];
		FILE *f = fopen(log, "r");
		size_t got = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
		if (f)
			fclose(f);
		text[got] = '\0';
		char *p = strstr(text, "agents=tcp://");
		size_t len = p ? strcspn(p += strlen("agents="), " \n") : 0;
		if (len > 0 && len < n && strchr(p, '\n') != NULL) {
			memcpy(url, p, len);
			url[len] = '\0';
			return;
		}
		(void)poll(NULL, 0, 25);
	}
	die(log, "the collector does not say where it listens");
}

int main(int argc, char **argv)
{
	int64_t size = 0, results = 0;
	if (argc != 4 || str_to_i64(str_of(argv[2]), &size, NULL) < 0 || str_to_i64(str_of(argv[3]), &results, NULL) < 0 ||
		size < 1 || size > BATCH_OBS_MAX || results < size) {
		fprintf(stderr, "usage: collector_bench COLLECTOR BATCH_SIZE RESULTS\n");
		return 2;
	}
	static struct bench be;
	be.batch_size = (size_t)size;
	be.n_batches = (uint64_t)(results / size);
	seal_all(&be);
	char dir[] = "/tmp/tidemark-bench.XXXXXX", conf[300], log[300], url[64];
	if (mkdtemp(dir) == NULL)
		die(dir, strerror(errno));
	write_conf(dir, &be);
	snprintf(conf, sizeof(conf), "%s/collector.yaml", dir);
	snprintf(log, sizeof(log), "%s/log", dir);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		if (fd >= 0)
			dup2(fd, 2);
		execl(argv[1], argv[1], "--config", conf, (char *)NULL);
		_exit(127);
	}
	find_address(log, url, sizeof(url));

	nng_ctx ctx = NNG_CTX_INITIALIZER;
	if (nng_req0_open(&be.sock) || nng_socket_set_ms(be.sock, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) ||
		nng_dial(be.sock, url, NULL, 0) || nng_ctx_open(&ctx, be.sock))
		die(url, "no connection");
	static const char token[HELLO_TOKEN_BYTES];
	struct wire_msg hello = { .kind = WIRE_HELLO }, in;
	hello.hello = (struct wire_hello){ .protocol = PROTOCOL_VERSION,
		.agent = STR("bench-1"),
		.token = { token, sizeof(token) },
		.epoch = EPOCH,
		.software = STR("bench"),
		.region = STR("eu"),
		.boot_id = clock_boot_id(),
		.sent_boot_us = clock_boot_us(),
		.sent_wall_us = clock_wall_us() };
	send_and_wait(ctx, &hello, &in, NULL);
	if (in.kind != WIRE_WELCOME)
		die("Hello", "not welcome");
	wire_free(&in);

	int64_t cpu_before = cpu_us(pid), disk_before = disk_bytes(dir), wall_before = clock_boot_us();
	pthread_t threads[UPLOADERS];
	for (size_t i = 0; i < UPLOADERS; i++)
		if (pthread_create(&threads[i], NULL, uploader, &be))
			die("thread", strerror(errno));
	for (size_t i = 0; i < UPLOADERS; i++)
		pthread_join(threads[i], NULL);
	int64_t wall_us = clock_boot_us() - wall_before, cpu = cpu_us(pid) - cpu_before;
	kill(pid, SIGTERM); /* drains, checkpoints */
	int status = 0;
	waitpid(pid, &status, 0);
	double sent = (double)(be.n_batches * be.batch_size);
	printf("batches of %3zu: %8.0f results per CPU-second (%.0f/s), %.1f B/result on the wire, %.1f on disk, %llu busy answers\n",
		be.batch_size, sent / ((double)cpu / 1e6), sent / ((double)wall_us / 1e6), (double)be.wire_bytes / sent,
		(double)(disk_bytes(dir) - disk_before) / sent, (unsigned long long)be.busy);
	nng_close(be.sock);
	for (int i = 0; i < 8; i++) {
		static const char *const names[] = { "collector.yaml", "log", "bench.db", "bench.db-wal", "bench.db-shm",
			"bench.db.lock", "bench.db-journal", "" };
		char path[300];
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path); /* what is not there need not go */
	}
	return status == 0 ? 0 : 1;
}

/* tidemark-collector as people and init systems meet it: arguments, exit status, the start line, signals. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "store_fixture.h"

struct run {
	pid_t pid;
	int fd; /* what it says on stdout and stderr */
	char said[65536];
	size_t n;
};

static void run_start(struct run *r, const char *const *args)
{
	int ends[2];
	const char *argv[8] = { TIDEMARK_COLLECTOR };
	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	*r = (struct run){ 0 };
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	r->pid = fork();
	if (r->pid == 0) {
		(void)dup2(ends[1], 1);
		(void)dup2(ends[1], 2);
		execv(TIDEMARK_COLLECTOR, (char *const *)argv);
		_exit(127);
	}
	(void)close(ends[1]);
	r->fd = ends[0];
}

/* Reads on until text was said; false when the program ended, or after 20 s. */
static bool run_says(struct run *r, const char *text)
{
	int64_t until_us = clock_boot_us() + 20 * US_PER_S;
	while (!strstr(r->said, text)) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		if (clock_boot_us() > until_us || r->n + 1 >= sizeof(r->said))
			return false;
		if (poll(&p, 1, 100) <= 0)
			continue;
		ssize_t n = read(r->fd, r->said + r->n, sizeof(r->said) - 1 - r->n);
		if (n <= 0)
			return false;
		r->n += (size_t)n;
	}
	return true;
}

static int run_end(struct run *r)
{
	int status;
	(void)run_says(r, "\1"); /* to its end */
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	(void)close(r->fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void write_conf(struct fixture *f, char path[160], const char *more)
{
	char text[1024];
	(void)snprintf(path, 160, "%s/c.yaml", f->dir);
	(void)snprintf(text, sizeof(text),
		"listen: {http: '127.0.0.1:0', agents: 'tcp://127.0.0.1:0'}\nstore: 'sqlite:%s'\n%s", f->path,
		more);
	write_file(path, text);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

static void test_arguments(void **state)
{
	struct fixture *f = *state;
	char good[160], bad[160], none[160];
	write_conf(f, good, "");
	(void)snprintf(bad, sizeof(bad), "%s/bad.yaml", f->dir);
	(void)snprintf(none, sizeof(none), "%s/none.yaml", f->dir);
	write_file(bad, "services:\n- name: a\n  intervall: 1s\n");
	const struct {
		const char *says, *args[4], *want;
		int status;
	} cases[] = {
		{ "its version", { "--version" }, "tidemark-collector ", 0 },
		{ "help names every key", { "--help" }, "services[].burst.max_rate", 0 },
		{ "an unknown argument", { "--bogus" },
			"unknown argument '--bogus'; --help shows what there is", 2 },
		{ "a misspelt one", { "--verison" }, "did you mean '--version'?", 2 },
		{ "a misspelt command", { "exprot" }, "did you mean 'export'?", 2 },
		{ "a file is missing", { "--config" }, "a file is missing behind '--config'", 2 },
		{ "a good file", { "--config", good, "--config.check" }, "c.yaml: fine, 0 services", 0 },
		{ "the other spelling", { "--config.check", "--config", good }, "fine", 0 },
		{ "a bad file", { "--config", bad, "--config.check" },
			"bad.yaml:3:3: unknown key 'intervall' in services[0]; did you mean 'interval'?", 1 },
		{ "a bad file does not start", { "--config", bad }, "bad.yaml:3:3:", 1 },
		{ "no file", { "--config", none }, "No such file", 1 },
		{ "replay is another program", { "replay" }, "replay", 2 },
		{ "and has help of its own", { "replay", "-h" }, "usage: tidemark-collector replay", 0 },
		{ "so has export", { "export", "-h" }, "usage: tidemark-collector export", 0 },
		{ "and export", { "export", "--bogus" },
			"export: unknown argument '--bogus'; --help shows what there is", 2 },
		{ "its options misspelt", { "export", "--stroe=x" },
			"export: unknown argument '--stroe'; did you mean '--store'?", 2 },
		{ "an option without its value", { "export", "--config" },
			"export: a value is missing behind '--config'", 2 },
		{ "a value where none belongs", { "export", "--transitions=x" },
			"export: '--transitions' takes no value", 2 },
		{ "a letter that is no option", { "export", "-x" },
			"export: unknown argument '-x'; --help shows what there is", 2 },
		{ "replay's options misspelt", { "replay", "--keepgoing", "-" },
			"replay: unknown argument '--keepgoing'; did you mean '--keep-going'?", 2 },
		{ "and after a file", { "replay", "-", "--transition_s" }, "did you mean '--transitions'?",
			2 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run r;
		run_start(&r, cases[i].args);
		int status = run_end(&r);
		if (strstr(r.said, "warning"))
			fail_msg("%s: warns of nothing:\n%s", cases[i].says, r.said);
		if (status != cases[i].status || !strstr(r.said, cases[i].want))
			fail_msg("%s: status %d, want %d; said:\n%s\nwant: %s", cases[i].says, status,
				cases[i].status, r.said, cases[i].want);
	}
}

static void test_a_life(void **state)
{
	struct fixture *f = *state;
	char conf[160];
	struct run r, second;
	write_conf(f, conf, "");
	const char *args[] = { "--config", conf, NULL };
	run_start(&r, args);
	assert_true(run_says(&r, "event=listening"));
	/* port 0 became a port, and it is said which */
	assert_non_null(strstr(r.said, "http=127.0.0.1:"));
	assert_null(strstr(r.said, "http=127.0.0.1:0 "));
	assert_non_null(strstr(r.said, "agents=tcp://127.0.0.1:"));
	assert_null(strstr(r.said, "agents=tcp://127.0.0.1:0 "));
	/* a second one on the same store would fold beside it */
	run_start(&second, args);
	assert_int_equal(run_end(&second), 1);
	assert_non_null(strstr(second.said, "another collector (process "));
	/* a reload, a bad one, and it goes on */
	write_conf(
		f, conf, "services: [{name: a, version: etag, endpoints: [{url: 'https://a.example/'}]}]\n");
	assert_int_equal(kill(r.pid, SIGHUP), 0);
	assert_true(run_says(&r, "event=reloaded"));
	write_conf(f, conf,
		"http: {tls: {cert: " TESTS_DIR "/collector/tls/collector.pem, key: " TESTS_DIR
		"/collector/tls/collector.key}}\n"
		"services: [{name: a, version: etag, endpoints: [{url: 'https://a.example/'}]}]\n");
	assert_int_equal(kill(r.pid, SIGHUP), 0);
	assert_true(run_says(&r, "event=reload_needs_restart key=http.tls still=off"));
	write_conf(f, conf, "nonsense: 1\n");
	assert_int_equal(kill(r.pid, SIGHUP), 0);
	assert_true(run_says(&r, "event=reload_failed"));
	assert_non_null(strstr(r.said, "going on with the old configuration"));
	assert_int_equal(kill(r.pid, SIGTERM), 0);
	assert_int_equal(run_end(&r), 0);
	assert_non_null(strstr(r.said, "event=stopped"));
	/* what it was told is in its journal, with a snapshot of all of it */
	struct store *st = fixture_reader(f);
	struct buf bytes;
	int64_t position;
	struct err err;
	buf_init(&bytes, 1024 * 1024);
	assert_int_equal(store_count(st, "entries"), 2); /* that it started; the service */
	assert_int_equal(store_snapshot(st, &bytes, &position, &err), 0);
	assert_int_equal(position, store_last_position(st));
	buf_fini(&bytes);
	store_close(st);
}

static void test_it_cannot_start_and_says_why(void **state)
{
	struct fixture *f = *state;
	char conf[160], text[512];
	const struct {
		const char *says, *conf, *want;
	} cases[] = {
		{ "a folder that is not there", "store: 'sqlite:/nowhere/at/all.db'\n",
			"/nowhere/at/all.db" },
		{ "an address of somebody else",
			"insecure: true\nlisten: {http: '127.0.0.1:0', agents: 'tcp://192.0.2.1:0'}\n",
			"cannot listen on 192.0.2.1:0: Cannot assign requested address" },
	};
	(void)snprintf(conf, sizeof(conf), "%s/c.yaml", f->dir);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run r;
		const char *args[] = { "--config", conf, NULL };
		(void)snprintf(text, sizeof(text), "%s%s%s%s%s%s", cases[i].conf,
			strstr(cases[i].conf, "store:") ? "" : "store: 'sqlite:",
			strstr(cases[i].conf, "store:") ? "" : f->path,
			strstr(cases[i].conf, "store:") ? "" : "'\n",
			strstr(cases[i].conf, "listen:")
				? ""
				: "listen: {http: '127.0.0.1:0', agents: 'tcp://127.0.0.1:0'}",
			"\n");
		write_file(conf, text);
		run_start(&r, args);
		int status = run_end(&r);
		if (status != 1 || !strstr(r.said, "event=start_failed") || !strstr(r.said, cases[i].want))
			fail_msg("%s: status %d, said:\n%s", cases[i].says, status, r.said);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_arguments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_it_cannot_start_and_says_why, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

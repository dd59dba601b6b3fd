/* world.c - see world.h */
#include "world.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void world_conf(struct world *w, const char *services, const char *listen)
{
	FILE *f = fopen(w->conf, "we");
	assert_non_null(f);
	if (!listen)
		listen = "listen: {http: '127.0.0.1:0', agents: 'tcp://127.0.0.1:0'}\n";
	assert_true(fprintf(f, "%sstore: 'sqlite:%s'\nservices:\n%s", listen, w->store, services) > 0);
	assert_int_equal(fclose(f), 0);
}

void world_up(struct world *w)
{
	struct collector_conf *c;
	struct err err = { 0 };
	if (collector_conf_load(w->conf, &c, &err) < 0 || hub_start(c, &w->hub, &err) < 0)
		fail_msg("%s", err.text);
	collector_conf_unref(c);
}

int world_start(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	struct err err = { 0 };
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/test-hub-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->conf, sizeof(w->conf), "%s/collector.yaml", w->dir);
	(void)snprintf(w->store, sizeof(w->store), "%s/tidemark.db", w->dir);
	world_conf(w, WORLD_SERVICE, NULL);
	world_up(w);
	if (hub_agent_enroll(w->hub, STR("fra-1"), STR("eu-central"), w->token, &err) < 0)
		fail_msg("%s", err.text);
	token_bytes(w->token, w->key);
	*state = w;
	return 0;
}

int world_end(void **state)
{
	struct world *w = *state;
	hub_stop(w->hub);
	DIR *d = opendir(w->dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[512];
		(void)snprintf(path, sizeof(path), "%s/%s", w->dir, e->d_name);
		(void)unlink(path);
	}
	(void)closedir(d);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

int64_t world_stored(struct world *w, const char *what)
{
	struct store *st;
	struct err err;
	if (hub_open_store(w->hub, &st, &err) < 0)
		fail_msg("%s", err.text);
	int64_t n = store_count(st, what);
	store_close(st);
	return n;
}

struct client *world_dial(struct world *w)
{
	return client_dial(hub_agents_address(w->hub));
}

void expect_denied(const struct wire_msg *m, const char *reason)
{
	assert_int_equal(m->kind, WIRE_DENIED);
	if (!str_is(m->denied.reason, reason))
		fail_msg("denied for %.*s, want %s", STR_ARG(m->denied.reason), reason);
	assert_true(m->denied.text.n > 0);
}

void ask_denied(struct client *c, const struct wire_msg *m, const char *reason)
{
	struct wire_msg answer;
	assert_true(client_ask(c, 0, m, &answer));
	expect_denied(&answer, reason);
	wire_free(&answer);
}

struct client *world_dial_and_hello(struct world *w)
{
	struct client *c = world_dial(w);
	struct wire_msg m = hello_of("fra-1", w->key), answer;
	assert_true(client_ask(c, 0, &m, &answer));
	assert_int_equal(answer.kind, WIRE_WELCOME);
	wire_free(&answer);
	return c;
}

void world_upload(
	struct client *c, size_t line, uint64_t epoch, uint64_t number, uint64_t salt, struct wire_msg *ret)
{
	size_t n;
	uint32_t raw_size;
	char *body = sealed_batch("shop", salt, 3, &n, &raw_size);
	struct wire_msg m = upload_of(epoch, number, (struct str){ body, n }, raw_size);
	assert_true(client_ask(c, line, &m, ret));
	free(body);
}

/* The embedded page, and HTTPS: embed.cmake's work on fixtures/page, linked instead of the collector's own.
 */
#include <curl/curl.h>
#include <stdlib.h>

#include "collector/http/server.h"
#include "tests/http/fixture.h"

static char *file_text(const char *name, size_t *ret_n)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/http/fixtures/%s", TESTS_DIR, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	char *text = mem_new(65536);
	*ret_n = fread(text, 1, 65535, f);
	fclose(f);
	return text;
}

static void files(void **state)
{
	static const struct {
		const char *target, *file, *type;
	} cases[] = {
		{ "/", "page/index.html", "text/html; charset=utf-8" },
		{ "/index.html", "page/index.html", "text/html; charset=utf-8" },
		{ "/app.js", "page/app.js", "text/javascript; charset=utf-8" },
		{ "/app.css", "page/app.css", "text/css; charset=utf-8" },
	};
	(void)state;
	assert_int_equal(n_assets, 3);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n;
		char *want = file_text(cases[i].file, &n), etag[128], header[256];
		struct answer a = get(cases[i].target);
		assert_int_equal(a.status, 200);
		assert_string_equal(answer_header(&a, "Content-Type"), cases[i].type);
		assert_string_equal(answer_header(&a, "Cache-Control"), "no-cache");
		assert_int_equal(a.body.n, n);
		assert_memory_equal(a.body.p, want, n);
		snprintf(etag, sizeof(etag), "%s", answer_header(&a, "ETag"));
		assert_int_equal(strlen(etag), 34);
		answer_fini(&a);
		free(want);

		static const char *const same[] = { "If-None-Match: %s\r\n", "If-None-Match: \"x\", W/%s\r\n",
			"If-None-Match: *%.0s\r\n" };
		for (size_t k = 0; k < ARRAY_LEN(same); k++) {
			snprintf(header, sizeof(header), same[k], etag);
			a = client_do(port, "GET", cases[i].target, header, NULL);
			assert_int_equal(a.status, 304);
			assert_string_equal(answer_header(&a, "ETag"), etag);
			answer_fini(&a);
		}
		a = client_do(port, "GET", cases[i].target, "If-None-Match: \"other\"\r\n", NULL);
		assert_int_equal(a.status, 200);
		answer_fini(&a);
	}
}

static void page_policy(void **state)
{
	(void)state;
	struct answer a = get("/");
	const char *csp = answer_header(&a, "Content-Security-Policy");
	assert_non_null(strstr(csp, "script-src 'self'"));
	assert_null(strstr(csp, "unsafe"));
	assert_null(strstr(csp, "http:"));
	answer_fini(&a);
	a = client_do(port, "POST", "/app.js", "", "{}");
	assert_int_equal(a.status, 405);
	answer_fini(&a);
	a = get("/app.js.map");
	assert_int_equal(a.status, 404);
	answer_fini(&a);
}

static size_t keep(char *p, size_t size, size_t n, void *to)
{
	buf_add(to, p, size * n);
	return size * n;
}

/* 0: no connection, as its certificate is not the one of this file. */
static long https_by(const char *target, const char *ca, struct buf *body)
{
	char url[128];
	long status = 0;
	CURL *c = curl_easy_init();
	snprintf(url, sizeof(url), "https://localhost:%d%s", port, target);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_CAINFO, ca);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 10L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	CURLcode rc = curl_easy_perform(c);
	if (rc != CURLE_OK && rc != CURLE_PEER_FAILED_VERIFICATION)
		fail_msg("%s: %s", url, curl_easy_strerror(rc));
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	return status;
}

#define FIRST  TESTS_DIR "/http/fixtures/server.pem"
#define SECOND TESTS_DIR "/http/fixtures/server2.pem"

static long https(const char *target, struct buf *body)
{
	return https_by(target, FIRST, body);
}

static void a_new_certificate_is_shown_without_a_restart(void **state)
{
	size_t n;
	char *cert = file_text("server.pem", &n), *key = file_text("server.key", &n), *cert2 = file_text("server2.pem", &n),
	     *key2 = file_text("server2.key", &n);
	struct buf body;
	(void)state;
	server_start((struct http_options){ .tls_cert = cert, .tls_key = key });
	buf_init(&body, 1024 * 1024);
	assert_int_equal(https_by("/healthz", SECOND, &body), 0);
	http_set_options(server, &(struct http_options){ .tls_cert = cert2, .tls_key = key2 });
	assert_int_equal(https_by("/healthz", SECOND, &body), 200);
	assert_int_equal(https_by("/healthz", FIRST, &body), 0);
	/* a pair that is none changes nothing */
	http_set_options(server, &(struct http_options){ .tls_cert = cert, .tls_key = key2 });
	assert_int_equal(https_by("/healthz", SECOND, &body), 200);
	http_set_options(server, &(struct http_options){ .tls_cert = "no certificate", .tls_key = key2 });
	assert_int_equal(https_by("/healthz", SECOND, &body), 200);
	http_set_options(server, &(struct http_options){ .tls_cert = cert, .tls_key = key });
	assert_int_equal(https_by("/healthz", FIRST, &body), 200);
	buf_fini(&body);
	teardown(NULL);
	free(cert), free(key), free(cert2), free(key2);
}

static void over_tls(void **state)
{
	size_t n;
	char *cert = file_text("server.pem", &n), *key = file_text("server.key", &n);
	struct buf body;
	(void)state;
	server_start((struct http_options){
		.tls_cert = cert, .tls_key = key, .limits.header_us = 300 * US_PER_MS });
	buf_init(&body, 1024 * 1024);
	assert_int_equal(https("/api/v1/services", &body), 200);
	assert_non_null(strstr(body.p, "\"shop\""));
	buf_clear(&body);
	assert_int_equal(https("/api/v2/status.json", &body), 200);
	assert_non_null(strstr(body.p, "\"url\":\"https://127.0.0.1:"));
	buf_fini(&body);
	int fd = client_dial(port); /* plain HTTP at the TLS port, and a handshake that never comes */
	client_send(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	assert_true(client_sees_end(fd, CLIENT_WAIT_MS));
	close(fd);
	fd = client_dial(port);
	assert_true(client_sees_end(fd, 3000));
	close(fd);
	teardown(NULL);

	struct err err = { 0 };
	struct http *h = NULL;
	struct http_options half = { .listen = STR("127.0.0.1:0"), .tls_cert = cert };
	assert_int_equal(http_start(fake_hub_new(), &half, &h, &err), ERR_NONSENSE);
	struct http_options wrong = { .listen = STR("127.0.0.1:0"), .tls_cert = cert, .tls_key = "no key" };
	assert_int_equal(http_start(fake_hub(), &wrong, &h, &err), ERR_NONSENSE);
	assert_non_null(strstr(err.text, "certificate"));
	fake_hub_free();
	free(cert);
	free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files, setup, teardown),
		cmocka_unit_test_setup_teardown(page_policy, setup, teardown),
		cmocka_unit_test(over_tls),
		cmocka_unit_test(a_new_certificate_is_shown_without_a_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

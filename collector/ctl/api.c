#include "collector/ctl/api.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

#define CONNECT_MS     5000L
#define SEND_TRIES     3
#define PAGES_MAX      10000
#define TOKEN_LINE_MAX 4200

struct api {
	CURL *curl;
	char *server; /* no slash at its end */
	char *token, *ca;
	bool loopback;
};

static bool host_is_loopback(struct str server)
{
	ptrdiff_t at = str_find(server, '/');
	struct str host = str_from(server, (size_t)at + 2);
	return str_starts(host, "127.") || str_starts_nocase(host, "localhost") || str_starts(host, "[::1]");
}

int api_new(const struct api_options *options, struct api **ret, struct err *err)
{
	struct str server = str_of(options->server);
	while (str_ends(server, "/"))
		server.n--;
	if (!str_starts(server, "http://") && !str_starts(server, "https://"))
		return err_set(err, ERR_SYNTAX,
			"the collector's address is '%s': want http://HOST:PORT or https://HOST:PORT",
			options->server);
	if (options->token != NULL)
		for (const char *p = options->token; *p; p++)
			if (*p <= ' ' || *p >= 0x7F)
				return err_set(err, ERR_SYNTAX,
					"the token holds a space or a character no token has");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return err_set(err, ERR_IO, "libcurl does not start");
	struct api *a = mem_new(sizeof(*a));
	a->server = str_dup(server);
	a->token = options->token ? mem_strdup(options->token) : NULL;
	a->ca = options->ca ? mem_strdup(options->ca) : NULL;
	a->loopback = host_is_loopback(server);
	a->curl = curl_easy_init();
	INVARIANT(a->curl != NULL);
	*ret = a;
	return 0;
}

void api_free(struct api *a)
{
	if (a == NULL)
		return;
	curl_easy_cleanup(a->curl);
	curl_global_cleanup();
	if (a->token != NULL)
		explicit_bzero(a->token, strlen(a->token));
	free(a->server), free(a->token), free(a->ca);
	free(a);
}

/* -- one exchange -- */

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct buf *body = ctx;
	buf_add(body, p, size * n);
	return buf_failed(body) ? 0 : size * n;
}

static struct curl_slist *headers_of(
	const struct api *a, const char *accept, const char *name, const char *value, bool json)
{
	struct curl_slist *list = NULL;
	char line[TOKEN_LINE_MAX + 64];
	snprintf(line, sizeof(line), "Accept: %s", accept);
	list = curl_slist_append(list, line);
	if (json)
		list = curl_slist_append(list, "Content-Type: application/json");
	if (a->token != NULL) {
		snprintf(line, sizeof(line), "Authorization: Bearer %s", a->token);
		list = curl_slist_append(list, line);
		explicit_bzero(line, sizeof(line));
	}
	if (value != NULL) {
		snprintf(line, sizeof(line), "%s: %s", name, value);
		list = curl_slist_append(list, line);
	}
	return list;
}

static void handle_prepare(struct api *a, const char *url, struct curl_slist *headers)
{
	CURL *c = a->curl;
	curl_easy_reset(c); /* connections stay */
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L); /* an agent may be called ".." */
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "tidemark/" TIDEMARK_VERSION);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	if (a->loopback) /* a proxy of the environment cannot reach our own machine */
		curl_easy_setopt(c, CURLOPT_PROXY, "");
	if (a->ca != NULL)
		curl_easy_setopt(c, CURLOPT_CAINFO, a->ca);
}

static int transport_error(const struct api *a, CURLcode code, const char *detail, struct err *err)
{
	const char *why = detail[0] ? detail : curl_easy_strerror(code);
	const char *cure = "is the collector running there? --server or TIDEMARK_SERVER names another";
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		cure = "--ca FILE names the certificate authority to trust";
	else if (code == CURLE_URL_MALFORMAT)
		cure = "want http://HOST:PORT or https://HOST:PORT";
	return err_set(err, ERR_NET, "cannot reach %s: %s; %s", a->server, why, cure);
}

/* RFC 9457: "Conflict: agent 'fra-1' is enrolled already (HTTP 409)". */
static int problem(const struct api *a, long status, json_t *answer, struct err *err)
{
	struct str title = json_text(answer, "title"), detail = json_text(answer, "detail");
	int code = status == 404                                          ? ERR_NOT_FOUND
		   : status == 401 || status == 403                       ? ERR_DENIED
		   : status == 409                                        ? ERR_EXISTS
		   : status >= 500 || status == 429                       ? ERR_BUSY
		   : str_is(json_text(answer, "code"), "unknown_service") ? ERR_SYNTAX
									  : ERR_NONSENSE;
	const char *cure = "";
	if (status == 401)
		cure = a->token ? "; the token is not known there"
				: "; --token-file or TIDEMARK_TOKEN gives a token";
	if (title.n == 0 && detail.n == 0)
		return err_set(err, status >= 500 ? ERR_BUSY : ERR_CORRUPT,
			"%s answered HTTP %ld without saying why: is it a tidemark collector?%s", a->server,
			status, cure);
	return err_set(err, code, "%.*s%s%.*s (HTTP %ld)%s", STR_ARG(title), title.n && detail.n ? ": " : "",
		STR_ARG(detail), status, cure);
}

static int answer_read(
	const struct api *a, long status, const struct buf *body, json_t **ret, struct err *err)
{
	json_error_t je = { 0 };
	json_t *answer = body->n ? json_loadb(body->p, body->n, JSON_REJECT_DUPLICATES, &je) : NULL;
	if (status >= 300 && status < 400) {
		json_decref(answer);
		return err_set(err, ERR_CORRUPT,
			"%s answered HTTP %ld, a redirect: give the address it leads to with --server",
			a->server, status);
	}
	if (status < 200 || status >= 300) {
		int rc = problem(a, status, answer, err);
		json_decref(answer);
		return rc;
	}
	if (body->n > 0 && answer == NULL)
		return err_set(err, ERR_CORRUPT,
			"%s answered something that is not JSON (line %d: %s): is it a tidemark collector?",
			a->server, je.line, je.text);
	if (ret != NULL)
		*ret = answer;
	else
		json_decref(answer);
	return 0;
}

static int exchange(struct api *a, const char *method, const char *url, const char *text, const char *key,
	int64_t timeout_us, json_t **ret, struct err *err)
{
	char why[CURL_ERROR_SIZE] = "";
	struct buf body;
	long status = 0;
	struct curl_slist *headers = headers_of(a, "application/json", "Idempotency-Key", key, text != NULL);
	buf_init(&body, API_ANSWER_MAX);
	handle_prepare(a, url, headers);
	curl_easy_setopt(a->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, &body);
	curl_easy_setopt(a->curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(a->curl, CURLOPT_TIMEOUT_MS, (long)(timeout_us / US_PER_MS));
	curl_easy_setopt(a->curl, CURLOPT_ACCEPT_ENCODING, "");
	if (text != NULL)
		curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, text);
	else if (strcmp(method, "POST") == 0)
		curl_easy_setopt(a->curl, CURLOPT_POSTFIELDS, "");
	CURLcode code = curl_easy_perform(a->curl);
	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	int rc = 0;
	if (buf_failed(&body))
		rc = err_set(
			err, ERR_CORRUPT, "%s answered with over %d MiB", a->server, API_ANSWER_MAX >> 20);
	else if (code != CURLE_OK)
		rc = transport_error(a, code, why, err);
	else
		rc = answer_read(a, status, &body, ret, err);
	buf_fini(&body);
	curl_slist_free_all(headers);
	return rc;
}

int api_call(struct api *a, const char *method, const char *path, const json_t *body, const char *key,
	int64_t timeout_us, json_t **ret, struct err *err)
{
	struct buf url;
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int rc = 0;
	buf_init(&url, 64 * 1024);
	buf_addf(&url, "%s%s", a->server, path);
	if (buf_failed(&url))
		rc = err_set(err, ERR_TOO_BIG, "the address would be over 64 KiB long");
	for (int i = 1; rc == 0; i++) {
		rc = exchange(a, method, url.p, text, key, timeout_us, ret, err);
		if ((rc != ERR_NET && rc != ERR_BUSY) || key == NULL || i == SEND_TRIES)
			break;
		rc = 0;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 300 * 1000 * 1000 },
			NULL); /* woken early: tries early */
	}
	buf_fini(&url);
	free(text);
	return rc;
}

int api_get(struct api *a, const char *path, json_t **ret, struct err *err)
{
	int rc = api_call(a, "GET", path, NULL, NULL, 30 * US_PER_S, ret, err);
	if (rc == 0 && *ret == NULL)
		return err_set(
			err, ERR_CORRUPT, "%s answered nothing: is it a tidemark collector?", a->server);
	return rc;
}

int api_list(struct api *a, const char *path, json_t **ret, struct err *err)
{
	json_t *all = json_array();
	char *cursor = NULL;
	int rc = 0;
	for (int page = 0; rc == 0; page++) {
		json_t *answer = NULL;
		struct buf url;
		buf_init(&url, 64 * 1024);
		buf_addf(&url, "%s", path);
		path_add_query(&url, "cursor", str_of(cursor));
		rc = buf_failed(&url) ? err_set(err, ERR_TOO_BIG, "the address would be over 64 KiB long")
				      : api_get(a, url.p, &answer, err);
		buf_fini(&url);
		json_t *items = json_object_get(answer, "items");
		struct str next = json_text(answer, "next");
		bool stuck = page == PAGES_MAX || (cursor != NULL && str_is(next, cursor));
		if (rc == 0 && (!json_is_array(items) || stuck))
			rc = err_set(err, ERR_CORRUPT,
				"%s answered something that is no list: is it a tidemark collector?",
				a->server);
		if (rc == 0)
			json_array_extend(all, items);
		free(cursor);
		cursor = rc == 0 && next.n ? str_dup(next) : NULL;
		json_decref(answer);
		if (cursor == NULL)
			break;
	}
	free(cursor);
	if (rc == 0)
		*ret = all;
	else
		json_decref(all);
	return rc;
}

/* -- streams -- */

struct stream {
	struct api *api;
	api_bytes *on_bytes;
	void *ctx;
	bool ended;
	struct buf refusal; /* the body of an answer that is no stream */
};

static size_t on_stream(char *p, size_t size, size_t n, void *ctx)
{
	struct stream *s = ctx;
	long status = 0;
	curl_easy_getinfo(s->api->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		buf_add(&s->refusal, p, size * n);
		return buf_failed(&s->refusal) ? 0 : size * n;
	}
	s->ended = !s->on_bytes(s->ctx, (struct str){ p, size * n });
	return s->ended ? 0 : size * n;
}

int api_stream(struct api *a, const char *path, const char *last_event_id, int64_t silence_us, int64_t max_us,
	api_bytes *on_bytes, void *ctx, struct err *err)
{
	char why[CURL_ERROR_SIZE] = "";
	struct stream s = { .api = a, .on_bytes = on_bytes, .ctx = ctx };
	struct buf url;
	long status = 0;
	const char *type = NULL;
	struct curl_slist *headers =
		headers_of(a, "text/event-stream", "Last-Event-ID", last_event_id, false);
	buf_init(&s.refusal, 64 * 1024);
	buf_init(&url, 64 * 1024);
	buf_addf(&url, "%s%s", a->server, path);
	handle_prepare(a, url.p ? url.p : "", headers);
	curl_easy_setopt(a->curl, CURLOPT_WRITEFUNCTION, on_stream);
	curl_easy_setopt(a->curl, CURLOPT_WRITEDATA, &s);
	curl_easy_setopt(a->curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(a->curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* a dead link is one without even comments */
	curl_easy_setopt(a->curl, CURLOPT_LOW_SPEED_TIME, (long)(silence_us / US_PER_S));
	if (max_us > 0)
		curl_easy_setopt(a->curl, CURLOPT_TIMEOUT_MS, (long)(max_us / US_PER_MS) + 1);
	CURLcode code = curl_easy_perform(a->curl);
	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(a->curl, CURLINFO_CONTENT_TYPE, &type);
	int rc = 0;
	if (s.ended)
		rc = 0;
	else if (status != 0 && status != 200)
		rc = answer_read(a, status, &s.refusal, NULL, err);
	else if (code != CURLE_OK)
		rc = transport_error(a, code, why, err);
	else if (type == NULL || !str_starts_nocase(str_of(type), "text/event-stream"))
		rc = err_set(err, ERR_CORRUPT,
			"%s answered something that is no stream: is it a tidemark collector?", a->server);
	buf_fini(&url);
	buf_fini(&s.refusal);
	curl_slist_free_all(headers);
	return rc;
}

/* -- paths and members -- */

static void add_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			     (c && strchr("-._~", c) != NULL);
		if (plain)
			buf_add_char(b, (char)c);
		else
			buf_addf(b, "%%%02X", c);
	}
}

void path_add_query(struct buf *path, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	buf_addf(path, "%c%s=", str_find(buf_str(path), '?') >= 0 ? '&' : '?', name);
	add_escaped(path, value);
}

void path_add_segment(struct buf *path, struct str segment)
{
	buf_add_char(path, '/');
	add_escaped(path, segment);
}

struct str json_text(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) } : STR_NONE;
}

double json_num(const json_t *object, const char *name, double otherwise)
{
	const json_t *v = json_object_get(object, name);
	return json_is_number(v) ? json_number_value(v) : otherwise;
}

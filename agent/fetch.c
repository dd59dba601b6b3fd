#include "agent/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/fetch_loop.h"
#include "base/buf.h"
#include "base/clock.h"

#define SLOT_MAGIC      0x51070a11u
#define BODY_KEEP_BYTES (64 * 1024) /* a body's memory over this is given back after the fetch */

/* One libcurl handle and what its present fetch has brought so far. */
struct slot {
	uint32_t magic;
	struct fetch *f;
	CURL *easy;
	struct slot *next_free, *next_all;
	struct target *t; /* NULL: free */
	void *user;
	bool burst;
	int64_t began_us;                     /* monotonic */
	int64_t first_boot_us, first_wall_us; /* first byte of the answer; 0: none yet */
	bool looking_up;                      /* counted in f->lookups */
	bool looked_up, opened, sent, too_big, whole_block;
	int block_status;
	size_t header_bytes, header_lines, body_bytes;
	const char *refused_why; /* kind of address that was refused last */
	uint32_t hops;
	struct obs_timing before; /* of redirects followed */
	struct buf headers, body;
	char ip[INET6_ADDRSTRLEN];
	char error[CURL_ERROR_SIZE];
};

struct waiting {
	struct target *t;
	void *user;
	bool burst;
};

struct fetch {
	struct fetch_conf conf;
	struct loop loop;
	bool recheck; /* the policy changed: kept connections were made under another */
	struct slot *free, *all;
	size_t lookups, running;
	struct waiting *queue; /* a ring: waiting for lookups to end */
	size_t queue_size, queue_at, queue_n;
	struct answer answer;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
	INVARIANT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* --- what libcurl calls during a transfer --- */

static void lookup_over(struct slot *s)
{
	if (s->looking_up) {
		s->looking_up = false;
		s->f->lookups--;
	}
}

static int on_lookup(void *resolver, void *reserved, void *arg)
{
	struct slot *s = OBJ_CAST(struct slot, arg, SLOT_MAGIC);
	s->looked_up = true;
	return 0;
}

static void ip_text(const struct sockaddr *sa, char out[INET6_ADDRSTRLEN])
{
	const void *from =
		sa->sa_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr
			: (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	if ((sa->sa_family != AF_INET && sa->sa_family != AF_INET6) ||
		inet_ntop(sa->sa_family, from, out, INET6_ADDRSTRLEN) == NULL)
		out[0] = '\0';
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct slot *s = OBJ_CAST(struct slot, arg, SLOT_MAGIC);
	lookup_over(s);
	ip_text(&to->addr, s->ip);
	if (!netpolicy_allows_address(s->f->conf.policy, &to->addr, &s->refused_why))
		return CURL_SOCKET_BAD;
	s->opened = true;
	return loop_open(&s->f->loop, to->family, to->socktype, to->protocol);
}

static int on_close(void *arg, curl_socket_t fd)
{
	return loop_close(arg, fd);
}

static bool ip_allowed(struct slot *s, const char *ip)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
		return netpolicy_allows_address(
			s->f->conf.policy, (const struct sockaddr *)&v4, &s->refused_why);
	if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
		return netpolicy_allows_address(
			s->f->conf.policy, (const struct sockaddr *)&v6, &s->refused_why);
	s->refused_why = "no address";
	return false;
}

static int on_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct slot *s = OBJ_CAST(struct slot, arg, SLOT_MAGIC);
	lookup_over(s);
	s->sent = true;
	if (s->opened || !s->f->recheck || ip_allowed(s, ip))
		return CURL_PREREQFUNC_OK;
	(void)snprintf(s->ip, sizeof(s->ip), "%s", ip);
	return CURL_PREREQFUNC_ABORT;
}

/* "HTTP/1.1 200 OK": 200. */
static int status_of(struct str line)
{
	ptrdiff_t space = str_find(line, ' ');
	struct str digits = str_first(str_from(line, (size_t)space + 1), 3);
	int64_t status;
	return space < 0 || str_to_i64(digits, &status, NULL) < 0 ? 0 : (int)status;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = OBJ_CAST(struct slot, arg, SLOT_MAGIC);
	struct str line = { p, size * n };
	if (s->first_boot_us == 0) {
		s->first_boot_us = clock_boot_us();
		s->first_wall_us = clock_wall_us();
	}
	s->header_bytes += line.n;
	s->header_lines++;
	if (s->header_bytes > FETCH_HEADER_BYTES_MAX || s->header_lines > HEADERS_MAX + 2) {
		s->too_big = true;
		return 0;
	}
	if (s->whole_block) {
		/* What comes behind a block is another answer after an interim one, or a trailer, which is no
		 * header. */
		if (s->block_status >= 200)
			return line.n;
		buf_clear(&s->headers);
		s->whole_block = false;
	}
	if (s->headers.n == 0)
		s->block_status = status_of(line);
	buf_add_str(&s->headers, line);
	s->whole_block = line.n == 0 || line.p[0] == '\r' || line.p[0] == '\n';
	return line.n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = OBJ_CAST(struct slot, arg, SLOT_MAGIC);
	size_t bytes = size * n;
	s->body_bytes += bytes; /* decoded: a small answer that unpacks to gigabytes ends here */
	if (s->body_bytes > s->t->max_body) {
		s->too_big = true;
		return 0;
	}
	if (extractor_needs_body(s->t->extractor))
		buf_add(&s->body, p, bytes);
	return bytes;
}

/* --- handles --- */

static void slot_options(struct slot *s)
{
	CURL *e = s->easy;
	struct fetch *f = s->f;
	CURLcode rc = CURLE_OK;
#define SET(option, value) (rc = rc ? rc : curl_easy_setopt(e, option, value))
	SET(CURLOPT_PRIVATE, s);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, ""); /* nor what the environment says */
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_QUICK_EXIT,
		1L); /* a lookup that hangs must not hang the loop: its thread ends by itself */
	SET(CURLOPT_ACCEPT_ENCODING, "gzip, br"); /* decodes; what is asked for is in the target's headers */
	SET(CURLOPT_CAPATH,
		NULL); /* with a CApath libcurl reads the whole CA bundle again for every connection */
	SET(CURLOPT_UPLOAD_BUFFERSIZE, 16384L); /* a request is small; the default is 64 KiB a handle */
	SET(CURLOPT_MAXLIFETIME_CONN, (long)FETCH_KEPT_LIFE_S);
	SET(CURLOPT_ERRORBUFFER, s->error);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, s);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, s);
	SET(CURLOPT_RESOLVER_START_FUNCTION, on_lookup);
	SET(CURLOPT_RESOLVER_START_DATA, s);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(CURLOPT_OPENSOCKETDATA, s);
	SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
	SET(CURLOPT_CLOSESOCKETDATA, &f->loop);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_PREREQDATA, s);
	if (f->conf.ca_file)
		SET(CURLOPT_CAINFO, f->conf.ca_file);
#undef SET
	INVARIANT(rc == CURLE_OK); /* options of the libcurl we are built against, or out of memory */
}

static struct slot *slot_take(struct fetch *f)
{
	struct slot *s = f->free;
	if (s) {
		f->free = s->next_free;
		return s;
	}
	s = mem_new(sizeof(*s));
	s->magic = SLOT_MAGIC;
	s->f = f;
	s->easy = curl_easy_init();
	INVARIANT(s->easy != NULL);
	buf_init(&s->headers, FETCH_HEADER_BYTES_MAX);
	buf_init(&s->body, TARGET_BODY_MAX);
	slot_options(s);
	s->next_all = f->all;
	f->all = s;
	return s;
}

static void slot_release(struct slot *s)
{
	struct fetch *f = s->f;
	target_unref(s->t);
	s->t = NULL;
	if (s->body.size > BODY_KEEP_BYTES) {
		buf_fini(&s->body);
		buf_init(&s->body, TARGET_BODY_MAX);
	}
	s->next_free = f->free;
	f->free = s;
	f->running--;
}

static void slot_reset(struct slot *s)
{
	buf_clear(&s->headers);
	buf_clear(&s->body);
	s->first_boot_us = s->first_wall_us = 0;
	s->looked_up = s->opened = s->sent = s->too_big = s->whole_block = false;
	s->block_status = 0;
	s->header_bytes = s->header_lines = s->body_bytes = 0;
	s->refused_why = NULL;
	s->ip[0] = s->error[0] = '\0';
}

/* A handle is never reset: every option that differs between targets is set here, each time. */
static void slot_go(struct slot *s, const char *url, int32_t timeout_ms)
{
	struct target *t = s->t;
	CURL *e = s->easy;
	CURLcode rc = CURLE_OK;
	slot_reset(s);
#define SET(option, value) (rc = rc ? rc : curl_easy_setopt(e, option, value))
	SET(CURLOPT_URL, url);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_CONNECT_TO, t->connect_to);
	SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	SET(CURLOPT_FRESH_CONNECT, (long)t->fresh);
	SET(CURLOPT_FORBID_REUSE, (long)t->fresh);
	SET(CURLOPT_SSL_SESSIONID_CACHE, (long)!t->fresh);
	SET(CURLOPT_DNS_CACHE_TIMEOUT, t->fresh ? 0L : (long)FETCH_DNS_LIFE_S);
	SET(CURLOPT_IPRESOLVE, t->ip_version == 4   ? (long)CURL_IPRESOLVE_V4
			       : t->ip_version == 6 ? (long)CURL_IPRESOLVE_V6
						    : (long)CURL_IPRESOLVE_WHATEVER);
#undef SET
	INVARIANT(rc == CURLE_OK);
	if (t->named) {
		s->looking_up = true;
		s->f->lookups++;
	}
	INVARIANT(curl_multi_add_handle(s->f->loop.multi, e) == CURLM_OK);
}

/* --- ends --- */

static enum obs_fail fail_of(const struct slot *s, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return FAIL_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return FAIL_DNS;
	case CURLE_COULDNT_CONNECT:
		return s->refused_why && !s->opened ? FAIL_REFUSED : FAIL_CONNECT;
	case CURLE_ABORTED_BY_CALLBACK:
		return s->refused_why ? FAIL_REFUSED : FAIL_OTHER;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_USE_SSL_FAILED:
		return FAIL_TLS;
	case CURLE_OPERATION_TIMEDOUT:
		return FAIL_TIMEOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_SSL_SHUTDOWN_FAILED:
		return FAIL_RESET;
	case CURLE_UNSUPPORTED_PROTOCOL: /* also HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_URL_MALFORMAT:
		return FAIL_PROTOCOL;
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_OUT_OF_MEMORY: /* what 7.88 says of one header line over 100 KiB */
		return FAIL_TOO_BIG;
	case CURLE_WRITE_ERROR: /* ours, or a body whose coding breaks in the middle */
		return s->too_big ? FAIL_TOO_BIG : FAIL_PROTOCOL;
	default:
		return FAIL_OTHER;
	}
}

static int64_t info_us(CURL *e, CURLINFO what)
{
	curl_off_t us = 0;
	(void)curl_easy_getinfo(e, what, &us); /* stays 0 */
	return us;
}

static int32_t clamp_us(int64_t us)
{
	return (int32_t)MIN(MAX(us, (int64_t)0), (int64_t)INT32_MAX);
}

static int32_t plus(int32_t before, int32_t now)
{
	return before < 0 ? now : now < 0 ? before : clamp_us((int64_t)before + now);
}

/* libcurl counts from the start; a phase that did not happen reads 0, and so do connect and appconnect when
 * the certificate was refused (7.88), which is the same to us: they did not come to their end. */
static void timing_read(const struct slot *s, struct obs_timing *ret)
{
	CURL *e = s->easy;
	int64_t total = loop_now_us() - s->began_us;
	*ret = (struct obs_timing){ -1, -1, -1, -1, -1 };
	if (s->opened) {
		int64_t dns = info_us(e, CURLINFO_NAMELOOKUP_TIME_T),
			tcp = info_us(e, CURLINFO_CONNECT_TIME_T),
			tls = info_us(e, CURLINFO_APPCONNECT_TIME_T);
		if (s->looked_up && s->t->named)
			ret->dns_us = clamp_us(dns);
		if (tcp > 0)
			ret->connect_us = clamp_us(tcp - dns);
		if (tls > 0)
			ret->tls_us = clamp_us(tls - tcp);
	}
	if (s->first_boot_us != 0) {
		int64_t ttfb = info_us(e, CURLINFO_STARTTRANSFER_TIME_T);
		ret->ttfb_us = plus(s->before.total_us, clamp_us(ttfb));
		total = MAX(total, (int64_t)ret->ttfb_us);
	}
	ret->dns_us = plus(s->before.dns_us, ret->dns_us);
	ret->connect_us = plus(s->before.connect_us, ret->connect_us);
	ret->tls_us = plus(s->before.tls_us, ret->tls_us);
	ret->total_us = clamp_us(total);
}

static const char *why_of(const struct slot *s, CURLcode code, enum obs_fail fail, char *text, size_t n)
{
	if (fail == FAIL_REFUSED)
		(void)snprintf(text, n, "%s is %s; allow_networks does not list it", s->ip, s->refused_why);
	else if (s->too_big && s->body_bytes > s->t->max_body)
		(void)snprintf(text, n, "the body is over its %zu bytes", s->t->max_body);
	else if (s->too_big)
		(void)snprintf(text, n, "the headers are over %d bytes or %d lines", FETCH_HEADER_BYTES_MAX,
			HEADERS_MAX);
	else
		return s->error[0] ? s->error : curl_easy_strerror(code);
	return text;
}

/* True: a redirect was followed, the fetch goes on. */
static bool follow(struct slot *s)
{
	char *to = NULL;
	int32_t left = s->t->timeout_ms - (int32_t)((loop_now_us() - s->began_us) / US_PER_MS);
	const char *from = NULL;
	struct obs_timing so_far;
	if (s->hops >= s->t->redirects || s->block_status < 300 || s->block_status > 308 || left <= 0 ||
		curl_easy_getinfo(s->easy, CURLINFO_REDIRECT_URL, &to) != CURLE_OK || to == NULL ||
		curl_easy_getinfo(s->easy, CURLINFO_EFFECTIVE_URL, &from) != CURLE_OK || from == NULL ||
		!target_may_redirect(from, to))
		return false;
	timing_read(s, &so_far);
	s->before = so_far;
	s->hops++;
	char *url = mem_strdup(to); /* belongs to the handle that is about to start anew */
	slot_go(s, url, left);
	free(url);
	return true;
}

static void finish(struct slot *s, CURLcode code)
{
	struct fetch *f = s->f;
	char why[256], *ip = NULL;
	struct transfer tr = { .fail = fail_of(s, code), .burst = s->burst };
	(void)curl_multi_remove_handle(f->loop.multi, s->easy);
	lookup_over(s);
	if (code == CURLE_OK && follow(s))
		return;
	if (curl_easy_getinfo(s->easy, CURLINFO_PRIMARY_IP, &ip) != CURLE_OK || ip == NULL || ip[0] == '\0' ||
		!s->sent)
		ip = s->ip; /* as far as it came */
	if (tr.fail != FAIL_OK)
		tr.why = why_of(s, code, tr.fail, why, sizeof(why));
	tr.observed_boot_us = s->first_boot_us ? s->first_boot_us : clock_boot_us();
	tr.observed_wall_us = s->first_boot_us ? s->first_wall_us : clock_wall_us();
	tr.reused = s->sent && !s->opened && s->hops == 0;
	timing_read(s, &tr.timing);
	if (s->whole_block && s->block_status >= 200)
		tr.headers = buf_str(&s->headers);
	tr.body = s->body.p ? buf_str(&s->body) : (struct str){ "", 0 };
	tr.ip = str_of(ip);
	answer_read(&f->answer, s->t, &tr);
	f->conf.done(f->conf.arg, s->user, &f->answer);
	slot_release(s);
}

static bool drain(struct fetch *f)
{
	bool any = false;
	int left;
	for (CURLMsg *m; (m = curl_multi_info_read(f->loop.multi, &left)) != NULL;) {
		char *private = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private); /* checked by the cast */
		finish(OBJ_CAST(struct slot, private, SLOT_MAGIC), code);
		any = true;
	}
	return any;
}

/* --- starts --- */

static void begin(struct fetch *f, const struct waiting *w)
{
	struct slot *s = slot_take(f);
	s->t = w->t;
	s->user = w->user;
	s->burst = w->burst;
	s->hops = 0;
	s->before = (struct obs_timing){ -1, -1, -1, -1, -1 };
	s->began_us = loop_now_us();
	f->running++;
	slot_go(s, s->t->url, s->t->timeout_ms);
}

static bool may_begin(const struct fetch *f, const struct target *t)
{
	return !t->named || f->lookups < FETCH_LOOKUPS_MAX;
}

static void queue_add(struct fetch *f, const struct waiting *w)
{
	if (f->queue_n == f->queue_size) {
		size_t size = MAX(f->queue_size * 2, (size_t)64);
		struct waiting *bigger = mem_new_array(size, sizeof(*bigger));
		for (size_t i = 0; i < f->queue_n; i++)
			bigger[i] = f->queue[(f->queue_at + i) % f->queue_size];
		free(f->queue);
		f->queue = bigger;
		f->queue_size = size;
		f->queue_at = 0;
	}
	f->queue[(f->queue_at + f->queue_n++) % f->queue_size] = *w;
}

static void queue_run(struct fetch *f)
{
	while (f->queue_n > 0 && may_begin(f, f->queue[f->queue_at].t)) {
		struct waiting w = f->queue[f->queue_at];
		f->queue_at = (f->queue_at + 1) % f->queue_size;
		f->queue_n--;
		begin(f, &w);
	}
}

void fetch_start(struct fetch *f, struct target *t, bool burst, void *user)
{
	struct waiting w = { target_ref(t), user, burst };
	if (may_begin(f, t) && (f->queue_n == 0 || !t->named))
		begin(f, &w);
	else
		queue_add(f, &w);
}

size_t fetch_inflight(const struct fetch *f)
{
	return f->running + f->queue_n;
}

int fetch_watch(struct fetch *f, int fd, void (*ready)(void *arg), void *arg, struct err *err)
{
	return loop_watch(&f->loop, fd, ready, arg, err);
}

void fetch_turn(struct fetch *f, int64_t wait_us)
{
	size_t before;
	do { /* what can start at once does: kept connections and addresses need no lookup */
		before = f->queue_n;
		queue_run(f);
		loop_kick(&f->loop);
	} while (f->queue_n < before);
	if (drain(f)) /* some ended as they began: whoever waits for them must not wait for a socket too */
		wait_us = 0;
	loop_wait(&f->loop, wait_us);
	(void)drain(f);
}

void fetch_set_policy(struct fetch *f, const struct netpolicy *policy)
{
	f->conf.policy = policy;
	f->recheck = true;
}

int fetch_new(const struct fetch_conf *conf, struct fetch **ret, struct err *err)
{
	struct fetch *f;
	int rc;
	INVARIANT(pthread_once(&curl_once, curl_start) == 0);
	f = mem_new(sizeof(*f));
	f->conf = *conf;
	rc = loop_init(&f->loop, err);
	if (rc < 0) {
		fetch_free(f);
		return rc;
	}
	(void)curl_multi_setopt(f->loop.multi, CURLMOPT_MAXCONNECTS, (long)FETCH_KEPT_MAX);
	*ret = f;
	return 0;
}

void fetch_free(struct fetch *f)
{
	if (f == NULL)
		return;
	for (struct slot *s = f->all, *next; s; s = next) {
		next = s->next_all;
		if (s->t)
			(void)curl_multi_remove_handle(f->loop.multi, s->easy);
		curl_easy_cleanup(s->easy);
		target_unref(s->t);
		buf_fini(&s->headers);
		buf_fini(&s->body);
		s->magic = 0;
		free(s);
	}
	for (size_t i = 0; i < f->queue_n; i++)
		target_unref(f->queue[(f->queue_at + i) % f->queue_size].t);
	loop_fini(&f->loop);
	free(f->queue);
	free(f);
}

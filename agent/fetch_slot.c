#include "agent/fetch_slot.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define BODY_KEEP_BYTES (64 * 1024) /* a body's memory over this is given back after the fetch */

/* --- what libcurl calls during a transfer --- */

static void lookup_over(struct slot *s, bool good)
{
	if (s->looking_up) {
		s->looking_up = false;
		names_end(&s->env->names, s->t->lookup_hash, good);
	}
}

/* Only now is it known that there will be a lookup: kept connections and remembered names need none. */
static int on_lookup(void *resolver, void *reserved, void *arg)
{
	struct slot *s = OBJ_CAST(struct slot, arg, SLOT_MAGIC);
	if (!s->t->named) /* an address is only read, but libcurl asks all the same */
		return 0;
	if (s->looking_up) /* another family of the same */
		return 0;
	int64_t now_us = loop_now_us();
	if (!names_may(&s->env->names, s->t->lookup_hash, FETCH_LOOKUPS_MAX, now_us)) {
		s->postponed = true;
		return 1;
	}
	s->looked_up = s->looking_up = true;
	names_begin(&s->env->names, s->t->lookup_hash, now_us);
	return 0;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct slot *s = OBJ_CAST(struct slot, arg, SLOT_MAGIC);
	lookup_over(s, true);
	memcpy(&s->tried, &to->addr, MIN((size_t)to->addrlen, sizeof(s->tried)));
	if (!netpolicy_allows_address(s->env->policy, &to->addr, &s->refused_why))
		return CURL_SOCKET_BAD;
	s->opened = true;
	return loop_open(&s->env->loop, to->family, to->socktype, to->protocol);
}

static int on_close(void *arg, curl_socket_t fd)
{
	return loop_close(arg, fd);
}

static bool ip_allowed(struct slot *s, const char *ip)
{
	return netpolicy_allows_ip(s->env->policy, str_of(ip), &s->refused_why);
}

static int on_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct slot *s = OBJ_CAST(struct slot, arg, SLOT_MAGIC);
	lookup_over(s, true);
	s->sent = true;
	if (s->opened || !s->env->recheck || ip_allowed(s, ip))
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
	CURLcode rc = CURLE_OK;
#define SET(option, value) (rc = rc ? rc : curl_easy_setopt(e, option, value))
	SET(CURLOPT_PRIVATE, s);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOPROXY, ""); /* the environment has no say; the proxy itself: slot_go() */
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_HEADEROPT,
		(long)CURLHEADER_SEPARATE); /* an endpoint's headers are not the proxy's to see */
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
	SET(CURLOPT_CLOSESOCKETDATA, &s->env->loop);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_PREREQDATA, s);
	if (s->env->ca_file)
		SET(CURLOPT_CAINFO, s->env->ca_file);
	if (s->env->ca_file)
		SET(CURLOPT_PROXY_CAINFO, s->env->ca_file);
#undef SET
	INVARIANT(rc == CURLE_OK); /* options of the libcurl we are built against, or out of memory */
}

struct slot *slot_new(struct fetch_env *env)
{
	struct slot *s = mem_new(sizeof(*s));
	s->magic = SLOT_MAGIC;
	s->env = env;
	s->easy = curl_easy_init();
	INVARIANT(s->easy != NULL);
	buf_init(&s->headers, FETCH_HEADER_BYTES_MAX);
	buf_init(&s->body, TARGET_BODY_MAX);
	slot_options(s);
	return s;
}

void slot_free(struct slot *s)
{
	curl_easy_cleanup(s->easy);
	buf_fini(&s->headers);
	buf_fini(&s->body);
	s->magic = 0;
	free(s);
}

static void slot_reset(struct slot *s)
{
	buf_clear(&s->headers);
	if (s->body.size > BODY_KEEP_BYTES)
		buf_fini(&s->body);
	else
		buf_clear(&s->body);
	s->first_boot_us = s->first_wall_us = 0;
	s->postponed = s->looked_up = s->opened = s->sent = s->too_big = s->whole_block = false;
	s->block_status = 0;
	s->header_bytes = s->header_lines = s->body_bytes = 0;
	s->refused_why = NULL;
	s->ip[0] = s->error[0] = s->why[0] = '\0';
	s->tried.sin6_family = AF_UNSPEC;
}

/* A handle is never reset: every option that differs between targets is set here, when it differs from what
 * it was. */
void slot_go(struct slot *s, const char *url, int32_t timeout_ms)
{
	struct target *t = s->t;
	CURL *e = s->easy;
	CURLcode rc = CURLE_OK;
	slot_reset(s);
	s->by_proxy = netpolicy_proxy(s->env->policy) != NULL;
#define SET(option, value) (rc = rc ? rc : curl_easy_setopt(e, option, value))
	SET(CURLOPT_URL, url ? url : t->url);
	SET(CURLOPT_CURLU, url ? NULL : t->parsed);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_CONNECT_TO, t->connect_to);
	SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	if (!s->set || s->set_policy_number != s->env->policy_number) {
		const char *proxy = netpolicy_proxy(s->env->policy);
		SET(CURLOPT_PROXY, proxy ? proxy : ""); /* "": nor what the environment says */
		SET(CURLOPT_PROXYUSERPWD, netpolicy_proxy_auth(s->env->policy));
	}
	if (!s->set || s->set_fresh != t->fresh) {
		SET(CURLOPT_FRESH_CONNECT, (long)t->fresh);
		SET(CURLOPT_FORBID_REUSE, (long)t->fresh);
		SET(CURLOPT_SSL_SESSIONID_CACHE, (long)!t->fresh);
		SET(CURLOPT_DNS_CACHE_TIMEOUT, t->fresh ? 0L : (long)FETCH_DNS_LIFE_S);
	}
	if (!s->set || s->set_ip_version != t->ip_version)
		SET(CURLOPT_IPRESOLVE, t->ip_version == 4   ? (long)CURL_IPRESOLVE_V4
				       : t->ip_version == 6 ? (long)CURL_IPRESOLVE_V6
							    : (long)CURL_IPRESOLVE_WHATEVER);
#undef SET
	INVARIANT(rc == CURLE_OK);
	s->set = true;
	s->set_policy_number = s->env->policy_number;
	s->set_fresh = t->fresh;
	s->set_ip_version = t->ip_version;
	INVARIANT(curl_multi_add_handle(s->env->loop.multi, e) == CURLM_OK);
}

void slot_stop(struct slot *s)
{
	(void)curl_multi_remove_handle(s->env->loop.multi, s->easy); /* fails only when it is not in there */
	lookup_over(s, false);
}

/* --- ends --- */

/* The proxy answered, but made no tunnel: libcurl calls this an error of receiving. */
static bool connect_refused(const struct slot *s)
{
	long status = 0;
	return curl_easy_getinfo(s->easy, CURLINFO_HTTP_CONNECTCODE, &status) == CURLE_OK && status >= 300;
}

/* Its time was up before the name led anywhere. */
static bool lookup_hung(const struct slot *s)
{
	curl_off_t us = 0;
	return s->t->named && !s->opened &&
	       curl_easy_getinfo(s->easy, CURLINFO_NAMELOOKUP_TIME_T, &us) == CURLE_OK && us == 0;
}

static enum obs_fail fail_of(const struct slot *s, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return FAIL_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return FAIL_DNS;
	case CURLE_PROXY: /* a SOCKS proxy that could not, or would not */
		return FAIL_CONNECT;
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
		return lookup_hung(s) ? FAIL_DNS : FAIL_TIMEOUT;
	case CURLE_RECV_ERROR:
		return connect_refused(s) ? FAIL_CONNECT : FAIL_RESET;
	case CURLE_GOT_NOTHING:
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
void slot_timing(const struct slot *s, struct obs_timing *ret)
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

/* As far as it came: the address that was tried last. Written out only where it is asked for. */
static const char *ip_tried(struct slot *s)
{
	const void *from =
		s->tried.sin6_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)(const void *)&s->tried)->sin_addr
			: (const void *)&s->tried.sin6_addr;
	if (s->ip[0] == '\0' && s->tried.sin6_family != AF_UNSPEC &&
		inet_ntop(s->tried.sin6_family, from, s->ip, sizeof(s->ip)) == NULL)
		s->ip[0] = '\0';
	return s->ip;
}

static const char *why_of(struct slot *s, CURLcode code, enum obs_fail fail)
{
	if (fail == FAIL_REFUSED)
		(void)snprintf(s->why, sizeof(s->why), "%s%s is %s; allow_networks does not list it",
			s->by_proxy ? "probe_proxy " : "", ip_tried(s), s->refused_why);
	else if (s->too_big && s->body_bytes > s->t->max_body)
		(void)snprintf(s->why, sizeof(s->why), "the body is over its %zu bytes", s->t->max_body);
	else if (s->too_big)
		(void)snprintf(s->why, sizeof(s->why), "the headers are over %d bytes or %d lines",
			FETCH_HEADER_BYTES_MAX, HEADERS_MAX);
	else
		return s->error[0] ? s->error : curl_easy_strerror(code);
	return s->why;
}

char *slot_redirect(const struct slot *s)
{
	char *to = NULL;
	const char *from = NULL;
	if (s->hops >= s->t->redirects || s->block_status < 300 || s->block_status > 308 ||
		curl_easy_getinfo(s->easy, CURLINFO_REDIRECT_URL, &to) != CURLE_OK || to == NULL ||
		curl_easy_getinfo(s->easy, CURLINFO_EFFECTIVE_URL, &from) != CURLE_OK || from == NULL ||
		!target_may_redirect(from, to))
		return NULL;
	return mem_strdup(to); /* libcurl's own goes when the handle starts anew */
}

void slot_transfer(struct slot *s, CURLcode code, struct transfer *ret)
{
	char *ip = NULL;
	*ret = (struct transfer){ .fail = fail_of(s, code), .burst = s->burst };
	if (ret->fail != FAIL_OK)
		ret->why = why_of(s, code, ret->fail);
	ret->observed_boot_us = s->first_boot_us ? s->first_boot_us : clock_boot_us();
	ret->observed_wall_us = s->first_boot_us ? s->first_wall_us : clock_wall_us();
	ret->reused = s->sent && !s->opened && s->hops == 0;
	slot_timing(s, &ret->timing);
	if (s->whole_block && s->block_status >= 200)
		ret->headers = buf_str(&s->headers);
	ret->body = s->body.p ? buf_str(&s->body) : (struct str){ "", 0 };
	if (s->by_proxy) /* the socket's address is the proxy's */
		ret->ip = str_of(s->t->pin);
	else if (!s->sent || curl_easy_getinfo(s->easy, CURLINFO_PRIMARY_IP, &ip) != CURLE_OK || ip == NULL ||
		 ip[0] == '\0')
		ret->ip = str_of(ip_tried(s));
	else
		ret->ip = str_of(ip);
}

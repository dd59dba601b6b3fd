#include "agent/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net.h"
#include "base/clock.h"
#include "base/thread.h"

#define GREETING_US (3 * US_PER_S)

#define X(id, name, cure) name,
static const char *const reach_names[] = { REACHES(X) };
#undef X
#define X(id, name, cure) cure,
static const char *const reach_cures[] = { REACHES(X) };
#undef X

const char *reach_name(enum reach r)
{
	return r < REACH_COUNT ? reach_names[r] : "unknown";
}

const char *reach_cure(enum reach r)
{
	return r < REACH_COUNT ? reach_cures[r] : "";
}

/* What of the configuration it takes, copied: the job may outlive it. */
struct route {
	char *host, *port, *server_name, *ca, *cert, *key;
	bool use_tls;
	enum reach_depth depth;
	int64_t timeout_us;
};

struct way { /* one connection, not blocking */
	int fd;
	int64_t until_us;
};

static enum reach found(struct err *why, enum reach r, const char *text)
{
	(void)err_set(why, ERR_NET, "%s", text);
	return r;
}

/* False: time is up. */
static bool wait_for(const struct way *w, short events)
{
	struct pollfd p = { .fd = w->fd, .events = events };
	int64_t left_us = w->until_us - clock_boot_us();
	return left_us > 0 && poll(&p, 1, (int)(left_us / US_PER_MS) + 1) > 0;
}

/* ---- name and connection ---- */

static enum reach errno_means(int code)
{
	switch (code) {
	case ECONNREFUSED:
		return REACH_REFUSED;
	case ETIMEDOUT:
	case EINPROGRESS:
		return REACH_TIMED_OUT;
	default:
		return REACH_NO_ROUTE;
	}
}

static enum reach connect_one(struct way *w, const struct addrinfo *a, struct err *why)
{
	int code = 0;
	socklen_t n = sizeof(code);
	w->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return found(why, REACH_NO_ROUTE, strerror(errno));
	if (connect(w->fd, a->ai_addr, a->ai_addrlen) < 0) {
		code = errno;
		if (code == EINPROGRESS && wait_for(w, POLLOUT))
			(void)getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &code, &n);
	}
	if (code == 0)
		return REACH_OK;
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
	(void)getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV); /* for the sentence only */
	(void)err_set(why, ERR_NET, "connecting to %s port %s: %s", host, port,
		code == EINPROGRESS ? "no answer" : strerror(code));
	close(w->fd);
	w->fd = -1;
	return errno_means(code);
}

static enum reach connect_any(const struct route *r, struct way *w, struct err *why)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	enum reach got = REACH_DNS;
	int rc = getaddrinfo(r->host, r->port, &want, &list);
	if (rc != 0) {
		(void)err_set(why, ERR_NET, "looking up %s: %s", r->host, gai_strerror(rc));
		return REACH_DNS;
	}
	w->until_us = clock_boot_us() + r->timeout_us;
	for (const struct addrinfo *a = list; a && got != REACH_OK; a = a->ai_next)
		got = connect_one(w, a, why);
	freeaddrinfo(list);
	return got;
}

/* ---- TLS ---- */

struct tls {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt ca, own;
	mbedtls_pk_context key;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
};

static int tls_send(void *ctx, const unsigned char *bytes, size_t n)
{
	const struct way *w = ctx;
	ssize_t sent = send(w->fd, bytes, n, MSG_NOSIGNAL);
	if (sent >= 0)
		return (int)sent;
	return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int tls_recv(void *ctx, unsigned char *bytes, size_t n)
{
	const struct way *w = ctx;
	ssize_t got = recv(w->fd, bytes, n, 0);
	if (got >= 0)
		return (int)got;
	return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

static enum reach tls_says(struct err *why, enum reach r, const char *doing, int code)
{
	char text[160];
	mbedtls_strerror(code, text, sizeof(text));
	(void)err_set(why, ERR_NET, "%s: %s", doing, text);
	return r;
}

static void tls_init(struct tls *t)
{
	mbedtls_ssl_init(&t->ssl);
	mbedtls_ssl_config_init(&t->conf);
	mbedtls_x509_crt_init(&t->ca);
	mbedtls_x509_crt_init(&t->own);
	mbedtls_pk_init(&t->key);
	mbedtls_entropy_init(&t->entropy);
	mbedtls_ctr_drbg_init(&t->random);
}

static void tls_fini(struct tls *t)
{
	mbedtls_ssl_free(&t->ssl);
	mbedtls_ssl_config_free(&t->conf);
	mbedtls_x509_crt_free(&t->ca);
	mbedtls_x509_crt_free(&t->own);
	mbedtls_pk_free(&t->key);
	mbedtls_ctr_drbg_free(&t->random);
	mbedtls_entropy_free(&t->entropy);
}

static enum reach tls_configure(struct tls *t, const struct route *r, struct err *why)
{
	int rc = mbedtls_ctr_drbg_seed(&t->random, mbedtls_entropy_func, &t->entropy, NULL, 0);
	if (rc == 0)
		rc = mbedtls_ssl_config_defaults(&t->conf, MBEDTLS_SSL_IS_CLIENT,
			MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	if (rc != 0)
		return tls_says(why, REACH_TLS, "TLS", rc);
	if (r->ca == NULL || (rc = mbedtls_x509_crt_parse_file(&t->ca, r->ca)) < 0)
		return tls_says(why, REACH_OWN_FILES, r->ca ? r->ca : "no file of trusted certificates", rc);
	if (r->cert && ((rc = mbedtls_x509_crt_parse_file(&t->own, r->cert)) < 0 ||
			       (rc = mbedtls_pk_parse_keyfile(&t->key, r->key, NULL)) < 0 ||
			       (rc = mbedtls_ssl_conf_own_cert(&t->conf, &t->own, &t->key)) < 0))
		return tls_says(why, REACH_OWN_FILES, r->cert, rc);
	mbedtls_ssl_conf_rng(&t->conf, mbedtls_ctr_drbg_random, &t->random);
	mbedtls_ssl_conf_ca_chain(&t->conf, &t->ca, NULL);
	mbedtls_ssl_conf_authmode(
		&t->conf, MBEDTLS_SSL_VERIFY_OPTIONAL); /* all that is wrong, not the first */
	rc = mbedtls_ssl_setup(&t->ssl, &t->conf);
	if (rc == 0)
		rc = mbedtls_ssl_set_hostname(&t->ssl, r->server_name);
	return rc == 0 ? REACH_OK : tls_says(why, REACH_TLS, "TLS", rc);
}

/* The one that has to be mended first. */
static enum reach certificate_check(const struct tls *t, const struct route *r, struct err *why)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&t->ssl);
	char subject[200] = "", issuer[200] = "";
	if (crt == NULL)
		return found(why, REACH_TLS, "the collector showed no certificate");
	if (flags == 0)
		return REACH_OK;
	(void)mbedtls_x509_dn_gets(subject, sizeof(subject), &crt->subject);
	(void)mbedtls_x509_dn_gets(issuer, sizeof(issuer), &crt->issuer);
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
		(void)err_set(why, ERR_DENIED, "the certificate of %s, signed by %s, is not trusted by %s",
			subject, issuer, r->ca);
		return REACH_UNTRUSTED;
	}
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED) {
		const mbedtls_x509_time *to = &crt->valid_to;
		(void)err_set(why, ERR_DENIED, "the certificate of %s expired on %04d-%02d-%02d", subject,
			to->year, to->mon, to->day);
		return REACH_EXPIRED;
	}
	if (flags & MBEDTLS_X509_BADCERT_FUTURE) {
		const mbedtls_x509_time *from = &crt->valid_from;
		(void)err_set(why, ERR_DENIED, "the certificate of %s is valid from %04d-%02d-%02d on only",
			subject, from->year, from->mon, from->day);
		return REACH_NOT_YET;
	}
	if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
		(void)err_set(
			why, ERR_DENIED, "the certificate is for %s, not for %s", subject, r->server_name);
		return REACH_WRONG_NAME;
	}
	char text[200];
	int n = mbedtls_x509_crt_verify_info(text, sizeof(text), "", flags);
	(void)err_set(why, ERR_DENIED, "the certificate of %s: %.*s", subject, MAX(n - 1, 0), text);
	return REACH_UNTRUSTED;
}

static enum reach handshake(struct tls *t, struct way *w, struct err *why)
{
	int rc;
	mbedtls_ssl_set_bio(&t->ssl, w, tls_send, tls_recv, NULL);
	while ((rc = mbedtls_ssl_handshake(&t->ssl)) == MBEDTLS_ERR_SSL_WANT_READ ||
		rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		if (!wait_for(w, rc == MBEDTLS_ERR_SSL_WANT_READ ? POLLIN : POLLOUT))
			return found(why, REACH_NO_TLS, "it connects, and nobody answers in TLS");
	if (rc == 0)
		return REACH_OK;
	if (rc == MBEDTLS_ERR_SSL_INVALID_RECORD)
		return found(why, REACH_NO_TLS, "what answers does not speak TLS");
	return tls_says(why, REACH_TLS, "the TLS handshake failed", rc);
}

/* ---- greeting ---- */

/* Either side of nng's protocol sends eight bytes at once: NUL S P NUL and which protocol it is. */
static enum reach greeting_check(const unsigned char *got, size_t n, struct err *why)
{
	if (n == 0)
		return found(
			why, REACH_NOT_A_COLLECTOR, "it connects, and nobody greets as a collector does");
	if (n < 4 || memcmp(got, "\0SP", 4) != 0)
		return found(why, REACH_NOT_A_COLLECTOR, "what answers there is no collector");
	(void)err_set(why, ERR_NET, "this time it answered as it should");
	return REACH_OK;
}

static enum reach greeting_read(struct way *w, struct tls *t, struct err *why)
{
	unsigned char got[8];
	size_t n = 0;
	w->until_us = MIN(w->until_us, clock_boot_us() + GREETING_US);
	while (n < sizeof(got)) {
		int rc = t ? mbedtls_ssl_read(&t->ssl, got + n, sizeof(got) - n)
			   : tls_recv(w, got + n, sizeof(got) - n);
		if (rc == MBEDTLS_ERR_SSL_WANT_READ && wait_for(w, POLLIN))
			continue;
		if (t && n == 0 && rc < 0 && rc != MBEDTLS_ERR_SSL_WANT_READ &&
			rc != MBEDTLS_ERR_SSL_CONN_EOF) /* TLS 1.3 and some servers judge us only now */
			return tls_says(why, REACH_TLS, "the collector ended TLS", rc);
		if (rc <= 0)
			break;
		n += (size_t)rc;
	}
	return greeting_check(got, n, why);
}

/* ---- all of it ---- */

static enum reach look_tls(const struct route *r, struct way *w, struct err *why)
{
	struct tls t;
	tls_init(&t);
	enum reach got = tls_configure(&t, r, why);
	if (got == REACH_OK)
		got = handshake(&t, w, why);
	if (got == REACH_OK)
		got = certificate_check(&t, r, why);
	if (got == REACH_OK)
		got = greeting_read(w, &t, why);
	tls_fini(&t);
	return got;
}

static enum reach look(const struct route *r, struct err *why)
{
	struct way w = { .fd = -1 };
	enum reach got = connect_any(r, &w, why);
	if (got == REACH_OK && r->depth == REACH_CONNECT)
		(void)err_set(why, ERR_NET, "it connects; the collector may be busy");
	else if (got == REACH_OK)
		got = r->use_tls ? look_tls(r, &w, why) : greeting_read(&w, NULL, why);
	if (w.fd >= 0)
		close(w.fd);
	return got;
}

static char *copy(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

static void route_init(
	struct route *r, const struct agent_conf *conf, enum reach_depth depth, int64_t timeout_us)
{
	struct str url = str_of(conf->collector);
	*r = (struct route){ .host = mem_strdup(conf->host),
		.port = str_dup(
			str_from(url, (size_t)str_rfind(url, ':') + 1)), /* checked when it was read */
		.server_name = mem_strdup(conf->tls.server_name ? conf->tls.server_name : conf->host),
		.ca = copy(conf->use_tls ? net_trusted(conf) : NULL),
		.cert = copy(conf->tls.cert),
		.key = copy(conf->tls.key),
		.use_tls = conf->use_tls,
		.depth = depth,
		.timeout_us = timeout_us };
}

static void route_fini(struct route *r)
{
	free(r->host);
	free(r->port);
	free(r->server_name);
	free(r->ca);
	free(r->cert);
	free(r->key);
}

enum reach reach_look(const struct agent_conf *conf, struct err *ret_why)
{
	struct route r;
	route_init(&r, conf, REACH_ALL, REACH_TIMEOUT_US);
	enum reach got = look(&r, ret_why);
	route_fini(&r);
	return got;
}

/* ---- on a thread ---- */

struct reach_job {
	struct route route;
	int wake_fd;     /* ours: a copy */
	atomic_int refs; /* the thread's, and who started it */
	atomic_bool done;
	enum reach got; /* written before done is set */
	struct err why;
};

static void job_unref(struct reach_job *job)
{
	if (atomic_fetch_sub(&job->refs, 1) > 1)
		return;
	route_fini(&job->route);
	if (job->wake_fd >= 0)
		close(job->wake_fd);
	free(job);
}

static void *job_main(void *arg)
{
	struct reach_job *job = arg;
	uint64_t one = 1;
	job->got = look(&job->route, &job->why);
	atomic_store(&job->done, true);
	ssize_t n = write(job->wake_fd, &one, sizeof(one));
	(void)n; /* full means that it is readable already */
	job_unref(job);
	return NULL;
}

struct reach_job *reach_start(
	const struct agent_conf *conf, enum reach_depth depth, int64_t timeout_us, int wake_fd)
{
	struct reach_job *job = mem_new(sizeof(*job));
	route_init(&job->route, conf, depth, timeout_us);
	job->wake_fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);
	atomic_store(&job->refs, 2);
	if (job->wake_fd >= 0 && thread_start(job_main, job, NULL) == 0)
		return job;
	job_unref(job);
	job_unref(job);
	return NULL;
}

bool reach_take(struct reach_job *job, enum reach *ret, struct err *ret_why)
{
	if (!atomic_load(&job->done))
		return false;
	*ret = job->got;
	*ret_why = job->why;
	return true;
}

void reach_drop(struct reach_job *job)
{
	if (job)
		job_unref(job);
}

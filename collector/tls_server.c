/* tls_server.c - see tls_server.h */
#include "collector/tls_server.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/pem.h"

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

struct credentials { /* counted: sessions use them until they end */
	size_t refs;
	gnutls_certificate_credentials_t c;
	bool require_cert;
};

struct tls_server {
	pthread_mutex_t lock;
	struct credentials *now;
	gnutls_priority_t priorities;
};

struct tls_session {
	struct tls_server *server;
	struct credentials *credentials;
	gnutls_session_t s;
};

static void credentials_unref(struct tls_server *t, struct credentials *c)
{
	pthread_mutex_lock(&t->lock);
	bool last = c && --c->refs == 0;
	pthread_mutex_unlock(&t->lock);
	if (!last)
		return;
	gnutls_certificate_free_credentials(c->c);
	free(c);
}

static gnutls_datum_t datum_of(const struct buf *b)
{
	return (gnutls_datum_t){ (unsigned char *)b->p, (unsigned)b->n };
}

static int credentials_fill(
	struct credentials *c, const struct tls_server_pem *pem, struct buf texts[3], struct err *err)
{
	int rc = pem_file_read(pem->cert, &texts[0], err);
	if (rc == 0)
		rc = pem_file_read(pem->key, &texts[1], err);
	if (rc == 0 && pem->ca)
		rc = pem_file_read(pem->ca, &texts[2], err);
	if (rc < 0)
		return rc;
	gnutls_datum_t cert = datum_of(&texts[0]), key = datum_of(&texts[1]), ca = datum_of(&texts[2]);
	int bad = gnutls_certificate_set_x509_key_mem(c->c, &cert, &key, GNUTLS_X509_FMT_PEM);
	if (bad < 0)
		return err_set(err, ERR_NONSENSE, "certificate or key do not fit together: %s: %s", pem->cert, gnutls_strerror(bad));
	if (pem->ca && (bad = gnutls_certificate_set_x509_trust_mem(c->c, &ca, GNUTLS_X509_FMT_PEM)) <= 0)
		return err_set(err, ERR_NONSENSE, "no certificates in %s: %s", pem->ca, bad < 0 ? gnutls_strerror(bad) : "it is empty");
	return 0;
}

static int credentials_new(const struct tls_server_pem *pem, struct credentials **ret, struct err *err)
{
	struct buf texts[3];
	struct credentials *c = mem_new(sizeof(*c));
	c->refs = 1;
	c->require_cert = pem->require_cert;
	INVARIANT(gnutls_certificate_allocate_credentials(&c->c) == 0); /* memory only */
	buf_init(&texts[0], PEM_MAX);
	buf_init(&texts[1], PEM_MAX);
	buf_init(&texts[2], PEM_CA_MAX);
	int rc = credentials_fill(c, pem, texts, err);
	if (texts[1].p)
		explicit_bzero(texts[1].p, texts[1].n);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		buf_fini(&texts[i]);
	if (rc == 0) {
		*ret = c;
	} else {
		gnutls_certificate_free_credentials(c->c);
		free(c);
	}
	return rc;
}

int tls_server_new(const struct tls_server_pem *pem, struct tls_server **ret, struct err *err)
{
	struct tls_server *t = mem_new(sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	int bad = gnutls_priority_init(&t->priorities, PRIORITIES, NULL);
	int rc = bad < 0 ? err_set(err, ERR_UNSUPPORTED, "TLS: this machine's GnuTLS takes no %s: %s", PRIORITIES, gnutls_strerror(bad))
			 : tls_server_set(t, pem, err);
	if (rc == 0)
		*ret = t;
	else
		tls_server_free(t);
	return rc;
}

int tls_server_set(struct tls_server *t, const struct tls_server_pem *pem, struct err *err)
{
	struct credentials *c = NULL;
	int rc = credentials_new(pem, &c, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&t->lock);
	struct credentials *before = t->now;
	t->now = c;
	pthread_mutex_unlock(&t->lock);
	credentials_unref(t, before);
	return 0;
}

void tls_server_free(struct tls_server *t)
{
	if (!t)
		return;
	credentials_unref(t, t->now);
	if (t->priorities)
		gnutls_priority_deinit(t->priorities);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

struct tls_session *tls_session_new(struct tls_server *t, int fd)
{
	/* the library keeps a pointer to it */
	static gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
	struct tls_session *s = mem_new(sizeof(*s));
	s->server = t;
	pthread_mutex_lock(&t->lock);
	s->credentials = t->now;
	s->credentials->refs++;
	pthread_mutex_unlock(&t->lock);
	if (gnutls_init(&s->s, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
		gnutls_priority_set(s->s, t->priorities) < 0 ||
		gnutls_credentials_set(s->s, GNUTLS_CRD_CERTIFICATE, s->credentials->c) < 0) {
		tls_session_free(s);
		return NULL;
	}
	bool require = s->credentials->require_cert;
	gnutls_certificate_server_set_request(s->s, require ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
	if (require)
		gnutls_session_set_verify_cert2(s->s, &purpose, 1, 0);
	gnutls_transport_set_int(s->s, fd);
	return s;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	if (s->s)
		gnutls_deinit(s->s);
	credentials_unref(s->server, s->credentials);
	free(s);
}

/* "The certificate is NOT trusted. The certificate chain uses expired certificate. " */
static void say_verification(struct tls_session *s, struct err *err)
{
	gnutls_datum_t text = { NULL, 0 };
	unsigned status = gnutls_session_get_verify_cert_status(s->s);
	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0) {
		(void)err_set(err, ERR_DENIED, "its certificate is not accepted");
		return;
	}
	struct str words = str_trim((struct str){ (const char *)text.data, text.size });
	while (words.n > 0 && words.p[words.n - 1] == '\0')
		words = str_trim(str_first(words, words.n - 1));
	(void)err_set(err, ERR_DENIED, "%.*s", STR_ARG(words));
	gnutls_free(text.data);
}

static int handshake_failed(struct tls_session *s, int rc, struct err *err)
{
	switch (rc) {
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
		say_verification(s, err);
		break;
	case GNUTLS_E_CERTIFICATE_REQUIRED:
	case GNUTLS_E_NO_CERTIFICATE_FOUND: /* the library says so, too, where an alert comes instead of the certificate */
		if (gnutls_alert_get(s->s) == GNUTLS_A_CLOSE_NOTIFY) {
			(void)err_set(err, ERR_DENIED, "it shows no certificate, and one is required here");
			break;
		}
		/* fall through */
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		(void)err_set(err, ERR_DENIED, "it broke the handshake off: %s", gnutls_alert_get_name(gnutls_alert_get(s->s)));
		break;
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_RECORD_OVERFLOW:
		(void)err_set(err, ERR_SYNTAX, "it does not speak TLS, or none that we do: %s", gnutls_strerror(rc));
		break;
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		(void)err_set(err, ERR_NET, "it went away during the handshake");
		break;
	default:
		(void)err_set(err, ERR_NET, "TLS: %s", gnutls_strerror(rc));
	}
	(void)gnutls_alert_send_appropriate(s->s, rc); /* who is gone does not hear it */
	return TLS_FAILED;
}

int tls_handshake(struct tls_session *s, struct err *err)
{
	int rc;
	do {
		rc = gnutls_handshake(s->s);
	} while (rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED);
	if (rc == GNUTLS_E_AGAIN)
		return TLS_AGAIN;
	return rc == 0 ? 0 : handshake_failed(s, rc, err);
}

bool tls_wants_write(const struct tls_session *s)
{
	return gnutls_record_get_direction(s->s) == 1;
}

ssize_t tls_recv(struct tls_session *s, void *p, size_t n)
{
	ssize_t got;
	do {
		got = gnutls_record_recv(s->s, p, n);
	} while (got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_WARNING_ALERT_RECEIVED);
	return got >= 0 ? got : got == GNUTLS_E_AGAIN ? TLS_AGAIN : TLS_FAILED; /* a renegotiation fails, too */
}

bool tls_pending(const struct tls_session *s)
{
	return gnutls_record_check_pending(s->s) > 0;
}

ssize_t tls_send(struct tls_session *s, const void *p, size_t n)
{
	ssize_t put;
	do {
		put = gnutls_record_send(s->s, p, n);
	} while (put == GNUTLS_E_INTERRUPTED);
	return put >= 0 ? put : put == GNUTLS_E_AGAIN ? TLS_AGAIN : TLS_FAILED;
}

void tls_bye(struct tls_session *s)
{
	(void)gnutls_bye(s->s, GNUTLS_SHUT_WR); /* best effort: the socket is closed next */
}

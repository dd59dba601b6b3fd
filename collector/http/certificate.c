#include "collector/http/certificate.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdlib.h>

#define CHAIN_MAX 16

struct shown {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned n;
	gnutls_privkey_t key;
	uint64_t hash;        /* of both texts */
	struct shown *before; /* replaced; connections may still hold it */
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shown *newest;

static gnutls_datum_t datum_of(const char *text)
{
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)text, (unsigned)strlen(text) };
}

static void shown_free(struct shown *s)
{
	for (unsigned i = 0; i < s->n; i++)
		gnutls_pcert_deinit(&s->chain[i]);
	if (s->key)
		gnutls_privkey_deinit(s->key);
	free(s);
}

/* GnuTLS' own check that the key is the certificate's. */
static int pair_check(const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
	gnutls_certificate_credentials_t c;
	int rc = gnutls_certificate_allocate_credentials(&c);
	if (rc < 0)
		return rc;
	rc = gnutls_certificate_set_x509_key_mem(c, cert, key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(c);
	return rc;
}

int certificate_set(const char *cert, const char *key, struct err *err)
{
	gnutls_datum_t c = datum_of(cert), k = datum_of(key);
	uint64_t hash = str_hash(str_of(cert)) * 31 + str_hash(str_of(key));
	pthread_mutex_lock(&lock);
	bool same = newest && newest->hash == hash;
	pthread_mutex_unlock(&lock);
	if (same)
		return 0;
	struct shown *s = mem_new(sizeof(*s));
	unsigned n = CHAIN_MAX;
	int rc = pair_check(&c, &k);
	if (rc >= 0)
		rc = gnutls_pcert_list_import_x509_raw(s->chain, &n, &c, GNUTLS_X509_FMT_PEM, 0);
	if (rc >= 0)
		s->n = n;
	if (rc >= 0)
		rc = gnutls_privkey_init(&s->key);
	if (rc >= 0)
		rc = gnutls_privkey_import_x509_raw(s->key, &k, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rc < 0) {
		shown_free(s);
		return err_set(err, ERR_NONSENSE, "certificate and key cannot be used: %s", gnutls_strerror(rc));
	}
	s->hash = hash;
	pthread_mutex_lock(&lock);
	s->before = newest;
	newest = s;
	pthread_mutex_unlock(&lock);
	return 0;
}

static int on_handshake(gnutls_session_t session, const gnutls_datum_t *ca_names, int n_ca_names,
	const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret_chain, unsigned *ret_n,
	gnutls_privkey_t *ret_key)
{
	(void)session, (void)ca_names, (void)n_ca_names, (void)algorithms, (void)n_algorithms;
	pthread_mutex_lock(&lock);
	struct shown *s = newest;
	pthread_mutex_unlock(&lock);
	if (s == NULL)
		return -1;
	*ret_chain = s->chain, *ret_n = s->n, *ret_key = s->key;
	return 0;
}

void *certificate_callback(void)
{
	return (void *)(uintptr_t)on_handshake;
}

void certificate_clear(void)
{
	pthread_mutex_lock(&lock);
	for (struct shown *s = newest, *before; s; s = before) {
		before = s->before;
		shown_free(s);
	}
	newest = NULL;
	pthread_mutex_unlock(&lock);
}

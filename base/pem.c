/* pem.c - see pem.h */
#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <string.h>

#include "base/pem.h"

int pem_file_read(const char *path, struct buf *out, struct err *err)
{
	char part[4096];
	size_t n;
	int rc = 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot read %s: %s", path,
			strerror(errno));
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && !buf_failed(out))
		buf_add(out, part, n);
	if (ferror(f))
		rc = err_set(err, ERR_IO, "cannot read %s: %s", path, strerror(errno));
	else if (buf_failed(out))
		rc = err_set(
			err, ERR_TOO_BIG, "%s is larger than %zu bytes: is it a PEM file?", path, out->cap);
	else if (str_find(buf_str(out), '\0') >= 0 || out->n == 0)
		rc = err_set(err, ERR_SYNTAX, "%s is no PEM file", path);
	(void)fclose(f);                    /* only read from */
	explicit_bzero(part, sizeof(part)); /* keys pass through it */
	return rc;
}

static int library_failed(int rc, const char *what, const char *path, struct err *err)
{
	char why[128];
	if (rc == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
		return err_set(err, ERR_DENIED, "the key in %s wants a password: store it without one", path);
	mbedtls_strerror(rc, why, sizeof(why));
	int code = rc == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG || rc == MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE ||
				   rc == MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG
			   ? ERR_UNSUPPORTED
			   : ERR_SYNTAX;
	return err_set(err, code, "no %s in %s: %s", what, path, why);
}

/* With a bad one in the middle mbedTLS would go on without it, and nng refuse all: so it is refused here. */
static int certs_read(const char *path, size_t max, mbedtls_x509_crt *ret, struct err *err)
{
	struct buf text;
	buf_init(&text, max);
	int rc = pem_file_read(path, &text, err);
	if (rc == 0) {
		int bad = mbedtls_x509_crt_parse(ret, (const unsigned char *)text.p, text.n + 1);
		if (bad < 0)
			rc = library_failed(bad, "certificate", path, err);
		else if (bad > 0)
			rc = err_set(
				err, ERR_SYNTAX, "%d of the certificates in %s cannot be read", bad, path);
	}
	buf_fini(&text);
	return rc;
}

int pem_check_certs(const char *path, size_t max, struct buf *ret_warning, struct err *err)
{
	mbedtls_x509_crt certs;
	mbedtls_x509_crt_init(&certs);
	int rc = certs_read(path, max, &certs, err);
	for (const mbedtls_x509_crt *c = &certs; rc == 0 && ret_warning && c; c = c->next) {
		bool past = mbedtls_x509_time_is_past(&c->valid_to);
		if (!past && !mbedtls_x509_time_is_future(&c->valid_from))
			continue;
		const mbedtls_x509_time *t = past ? &c->valid_to : &c->valid_from;
		buf_addf(ret_warning, "the certificate in %s %s %04d-%02d-%02d", path,
			past ? "expired on" : "is valid only from", t->year, t->mon, t->day);
		break; /* one says enough: the file has to be looked at */
	}
	mbedtls_x509_crt_free(&certs);
	return rc;
}

int pem_check_key(const char *cert_path, const char *key_path, struct err *err)
{
	mbedtls_x509_crt certs;
	mbedtls_pk_context key;
	struct buf text;
	mbedtls_x509_crt_init(&certs);
	mbedtls_pk_init(&key);
	buf_init(&text, PEM_MAX);
	int rc = certs_read(cert_path, PEM_MAX, &certs, err);
	if (rc == 0)
		rc = pem_file_read(key_path, &text, err);
	if (rc == 0) {
		int bad = mbedtls_pk_parse_key(&key, (const unsigned char *)text.p, text.n + 1, NULL, 0);
		if (bad != 0)
			rc = library_failed(bad, "key", key_path, err);
		else if (mbedtls_pk_check_pair(&certs.pk, &key) != 0)
			rc = err_set(err, ERR_NONSENSE, "the key in %s is not that of the certificate in %s",
				key_path, cert_path);
	}
	if (text.p)
		explicit_bzero(text.p, text.n);
	buf_fini(&text);
	mbedtls_pk_free(&key);
	mbedtls_x509_crt_free(&certs);
	return rc;
}

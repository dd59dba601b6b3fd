/* pem.h - files of certificates and keys, looked at before anything relies on them: a wrong one is found when
 * the configuration is read, not at the first handshake. Not pure: reads files and the clock. */
#ifndef BASE_PEM_H
#define BASE_PEM_H

#include "base/buf.h"

#define PEM_MAX    (64 * 1024)   /* a certificate with its chain, or a key */
#define PEM_CA_MAX (1024 * 1024) /* all authorities a system trusts are a quarter of it */

/* Of text only; out's cap bounds it. */
MUST_USE int pem_file_read(const char *path, struct buf *out, struct err *err);
/* There, readable, at least one certificate and each of them sound. One outside its time is no error: why is
 * said in ret_warning, which may be NULL. */
MUST_USE int pem_check_certs(const char *path, size_t max, struct buf *ret_warning, struct err *err);
/* The key can be read, and is that of the first certificate. ERR_UNSUPPORTED: of a kind that mbedTLS does not
 * know. */
MUST_USE int pem_check_key(const char *cert_path, const char *key_path, struct err *err);

#endif

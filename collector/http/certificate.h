/* certificate.h - the certificate that HTTPS shows; it can be replaced while connections are open, as they expire in weeks. One in a
 * process: GnuTLS asks for it without saying for whom. gnutls inside. */
#ifndef HTTP_CERTIFICATE_H
#define HTTP_CERTIFICATE_H

#include "base/buf.h"

/* PEM texts: a chain, the server's own first, and its key. They must belong together. ERR_NONSENSE: they do not, or make no sense; what
 * was shown before stays. */
MUST_USE int certificate_set(const char *cert, const char *key, struct err *err);
/* What the library asks at each handshake: a gnutls_certificate_retrieve_function2. */
void *certificate_callback(void);
void certificate_clear(void); /* when no connection is left */

#endif

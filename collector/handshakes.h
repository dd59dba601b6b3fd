/* handshakes.h - peers that never got as far as a message: no certificate or one that is not ours, no TLS at all, another
 * protocol. nng keeps them from its users and only counts them; who it was, its log or ours cannot say. */
#ifndef COLLECTOR_HANDSHAKES_H
#define COLLECTOR_HANDSHAKES_H

#include "base/util.h"

/* Of all listeners of this process, since they were made. 0 where nng was built without its statistics. Takes time with the
 * number of connections (some microseconds each): not for every message. */
uint64_t handshakes_failed(void);

#endif

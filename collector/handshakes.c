/* handshakes.c - see handshakes.h */
#include "collector/handshakes.h"

#include <nng/nng.h>
#include <string.h>

/* Of a listener's: "auth" is all that TLS refuses, "proto" who speaks TLS and no REQ. Those of pipes and dialers have other
 * names above them. */
static uint64_t failed_below(nng_stat *parent)
{
	uint64_t n = 0;
	for (nng_stat *s = nng_stat_child(parent); s; s = nng_stat_next(s))
		if (strcmp(nng_stat_name(s), "auth") == 0 || strcmp(nng_stat_name(s), "proto") == 0)
			n += nng_stat_value(s);
	return n;
}

uint64_t handshakes_failed(void)
{
	nng_stat *root = NULL;
	uint64_t n = 0;
	if (nng_stats_get(&root) != 0)
		return 0;
	for (nng_stat *s = nng_stat_child(root); s; s = nng_stat_next(s))
		if (strcmp(nng_stat_name(s), "listener") == 0)
			n += failed_below(s);
	nng_stats_free(root);
	return n;
}

#include "base/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

void process_harden(void)
{
	const char *core = getenv("TIDEMARK_CORE");
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (core == NULL || strcmp(core, "on") != 0)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

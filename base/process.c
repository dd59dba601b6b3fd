#include "base/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void process_harden(void)
{
	const char *core = getenv("TIDEMARK_CORE");
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (core == NULL || strcmp(core, "on") != 0)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

uint64_t process_open_files(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 0;
	struct rlimit most = { .rlim_cur = l.rlim_max, .rlim_max = l.rlim_max };
	return setrlimit(RLIMIT_NOFILE, &most) == 0 ? most.rlim_cur : l.rlim_cur;
}

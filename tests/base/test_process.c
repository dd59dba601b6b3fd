/* What a program asks of the kernel for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/process.h"

/* In a process of its own: it cannot be taken back. */
static int dumpable_after(const char *core)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (core)
			setenv("TIDEMARK_CORE", core, 1);
		else
			unsetenv("TIDEMARK_CORE");
		process_harden();
		_exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) + 10 * (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1));
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void secrets_are_in_no_core_file(void **state)
{
	(void)state;
	assert_int_equal(dumpable_after(NULL), 10);
	assert_int_equal(dumpable_after("off"), 10);
}

static void unless_somebody_looks_for_a_fault(void **state)
{
	(void)state;
	assert_int_equal(dumpable_after("on"), 11);
}

static void it_may_open_as_many_files_as_there_can_be(void **state)
{
	struct rlimit l;
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	rlim_t soft = l.rlim_cur;
	l.rlim_cur = MIN(soft, (rlim_t)64);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
	assert_int_equal(process_open_files(), l.rlim_max);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	assert_int_equal(l.rlim_cur, l.rlim_max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_in_no_core_file),
		cmocka_unit_test(unless_somebody_looks_for_a_fault),
		cmocka_unit_test(it_may_open_as_many_files_as_there_can_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

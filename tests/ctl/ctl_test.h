/* ctl_test.h - what the tests of the client have in common. */
#ifndef TESTS_CTL_TEST_H
#define TESTS_CTL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/ctl/fake_collector.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline void must_contain(const char *says, const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("%s: '%s' is not in:\n%s", says, what, text);
}

static inline void must_not_contain(const char *says, const char *text, const char *what)
{
	if (strstr(text, what) != NULL)
		fail_msg("%s: '%s' is in:\n%s", says, what, text);
}

#endif

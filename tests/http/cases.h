/* cases.h - tables of requests with what is answered to each. */
#ifndef TESTS_HTTP_CASES_H
#define TESTS_HTTP_CASES_H

#include "tests/http/fixture.h"

struct api_case {
	const char *says, *method, *target, *headers, *body;
	int status;
	const char *contains; /* in the body */
};

static int failures;

static inline void run_cases(const struct api_case *c, size_t n)
{
	failures = 0;
	for (size_t i = 0; i < n; i++) {
		struct answer a = client_do(
			port, c[i].method, c[i].target, c[i].headers ? c[i].headers : "", c[i].body);
		if (a.status != c[i].status || (c[i].contains && !answer_says(&a, c[i].contains))) {
			print_error("%s: %s %s: want %d with '%s', got %d: %s\n", c[i].says, c[i].method,
				c[i].target, c[i].status, c[i].contains ? c[i].contains : "", a.status,
				a.body.n ? a.body.p : "");
			failures++;
		}
		bool problem = a.status >= 400 && strncmp(c[i].target, "/readyz", 7) != 0;
		if (problem && strcmp(c[i].method, "HEAD") != 0 &&
			strcmp(answer_header(&a, "Content-Type"), "application/problem+json") != 0) {
			print_error("%s: an error is no problem document but %s\n", c[i].says,
				answer_header(&a, "Content-Type"));
			failures++;
		}
		answer_fini(&a);
	}
	assert_int_equal(failures, 0);
}

#endif

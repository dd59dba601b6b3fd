/* A whole answer as the agent reads it: how to find the version, the header block, the body. One byte says
 * the kind, then follow its argument, a NUL, the headers, a NUL, the body. */
#include <stdlib.h>

#include "agent/answer.h"
#include "agent/evidence.h"
#include "fuzz.h"

static struct target *target(enum extract_kind kind, struct str arg)
{
	static struct netpolicy *open;
	struct assign_endpoint e = {
		.url = STR("https://www.example.com/"), .extract = kind, .extract_arg = arg
	};
	struct target *t = NULL;
	struct err err = { 0 };
	if (open == NULL)
		open = netpolicy_new_open();
	if (target_new(&e, 1000, open, "fuzz", &t, &err) < 0)
		INVARIANT(err.text[0] != '\0');
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct answer a;
	static struct buf evidence = { .cap = OBS_EVIDENCE_MAX };
	struct str rest = fuzz_str(data + 1, n ? n - 1 : 0), arg = STR_NONE, headers = STR_NONE;
	if (n == 0)
		return 0;
	(void)str_cut(&rest, '\0', &arg);
	(void)str_cut(&rest, '\0', &headers);
	struct target *t = target((enum extract_kind)(data[0] % (EXTRACT_COUNT + 1)), arg);
	if (t == NULL)
		return 0;
	char *body = str_dup(rest); /* with the NUL behind it that is promised */
	struct transfer tr = { .headers = headers,
		.body = { body, rest.n },
		.ip = STR("192.0.2.7"),
		.observed_wall_us = INT64_C(1764000000000000) };
	answer_read(&a, t, &tr);
	INVARIANT(a.obs.fail < OBS_FAIL_COUNT && (a.obs.fail == FAIL_OK) == (a.version.n > 0));
	INVARIANT(a.obs.fail == FAIL_OK || a.why.text[0] != '\0');
	INVARIANT(a.version.n <= OBS_VERSION_MAX && str_is_utf8(a.version));
	INVARIANT(a.obs.n_tiers <= OBS_TIERS_MAX && a.obs.age_s >= OBS_AGE_NONE && a.obs.status >= 0 &&
		  a.obs.status <= 999);
	evidence_write(&evidence, headers);
	INVARIANT(evidence.n <= OBS_EVIDENCE_MAX && !buf_failed(&evidence));
	free(body);
	target_unref(t);
	return 0;
}

/* verify_fixture.h - canned answers about one deploy, for the tests of `tidemark verify`. */
#ifndef TESTS_VERIFY_FIXTURE_H
#define TESTS_VERIFY_FIXTURE_H

#include "tests/ctl/ctl_test.h"

/* clang-format off: one answer, one line; one case, one sentence */
#define SERVICES                                                                                             \
	"{\"items\":[{\"name\":\"shop\",\"endpoints\":["                                                     \
	"{\"id\":\"version-json\",\"url\":\"https://api.example.com/version?format=json\"},"                 \
	"{\"id\":\"a\",\"url\":\"https://api.example.com:8443/a\"},{\"id\":\"root\",\"url\":\"http://x\"},"  \
	"{\"id\":\"evil\",\"url\":\"http://x/"                                                               \
	"a'$(reboot)\\u001b\"},{\"id\":7},{\"id\":\"odd\",\"url\":\":\"}],"                                  \
	"\"cells\":{}},{\"name\":\"pay@staging\",\"endpoints\":null,\"cells\":{}}],\"next\":null}"
#define NONE "{\"items\":[],\"next\":null}"
#define FOUND                                                                                                \
	"{\"items\":[{\"id\":\"d_1\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"converging\"}],"  \
	"\"next\":null}"
#define FOUND_NEW                                                                                            \
	"{\"items\":[{\"id\":\"d_2\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"converging\"}],"  \
	"\"next\":null}"
#define STALE_CELL                                                                                           \
	"{\"service\":\"shop\",\"endpoint\":\"version-json\","                                               \
	"\"edge\":\"self:nrt\",\"vendor\":\"self\",\"state\":\"stale\","                                     \
	"\"version\":\"v1\",\"expected\":\"v2\",\"staleness_s\":42,\"age_s\":57}"
#define SILENT_CELL                                                                                          \
	"{\"service\":\"shop\",\"endpoint\":\"version\","                                                    \
	"\"edge\":\"self:sin\",\"state\":\"silent\",\"version\":null,"                                       \
	"\"expected\":\"v2\",\"staleness_s\":null,\"age_s\":null}"
#define DEPLOY(id, verdict, reason, known, observed, converged, share, coverage, cells, unseen)              \
	"{\"id\":\"" id "\",\"service\":\"shop\",\"version\":\"v2\",\"verdict\":\"" verdict                  \
	"\",\"reason\":" reason ",\"live_at\":\"2026-03-01T10:00:00Z\",\"propagation\":{\"known\":" #known   \
	",\"observed\":" #observed ",\"converged\":" #converged ",\"converged_share\":" #share               \
	",\"coverage\":" #coverage                                                                           \
	",\"t50_s\":[2.5,3],\"t90_s\":null,\"t100_s\":[40,42]},\"not_fresh\":[" cells                        \
	"],\"unobserved\":[" unseen "],\"advisories\":[],"                                                   \
	"\"next\":[]}"

#define UNSEEN "{\"endpoint\":\"/version\",\"edge\":\"self:sin\"},{\"endpoint\":\"/b\",\"edge\":\"self:sin\"}"

#define PENDING    DEPLOY("d_1", "pending", "null", 6, 6, 0, 0.0, 1.0, "", "")
#define CONVERGING DEPLOY("d_1", "converging", "null", 6, 6, 2, 0.333, 1.0, STALE_CELL, "")
#define VERIFIED   DEPLOY("d_1", "verified", "\"every observed cell serves it\"", 6, 6, 6, 1.0, 1.0, "", "")
#define FAILED     DEPLOY("d_1", "failed", "\"4 of 6 cells serve v1\"", 6, 6, 2, 0.333, 1.0, STALE_CELL, "")
#define INCONCLUSIVE                                                                                         \
	DEPLOY("d_1", "inconclusive", "\"coverage is 50 %\"", 6, 3, 3, 1.0, 0.5, SILENT_CELL, UNSEEN)
#define SUPERSEDED DEPLOY("d_1", "superseded", "\"v3 went live first\"", 6, 6, 2, 0.333, 1.0, STALE_CELL, "")
#define ABORTED    DEPLOY("d_1", "aborted", "\"cancelled\"", 6, 6, 0, 0.0, 1.0, "", "")
#define HEALED     DEPLOY("d_1", "failed", "\"4 of 6 cells serve v1\"", 6, 6, 6, 1.0, 1.0, "", "")
#define THIN       DEPLOY("d_1", "converging", "null", 6, 2, 2, 1.0, 0.33, SILENT_CELL, UNSEEN)
#define RELAPSING  DEPLOY("d_1", "verified", "\"95 % are enough here\"", 6, 6, 5, 0.95, 1.0, STALE_CELL, "")
/* clang-format on */

/* verify shop --version v2, and what else is said; without a --timeout a short one. */
static inline void run_verify(
	struct run *r, struct fake *f, bool tty, const char *const *env, const char *const *more)
{
	const char *args[16] = { "verify", "shop", "--version", "v2" };
	size_t n = 4;
	bool own_timeout = false;
	for (; more[0] != NULL && n < 12; more++) {
		own_timeout = own_timeout || strcmp(more[0], "--timeout") == 0;
		args[n++] = more[0];
	}
	if (!own_timeout)
		args[n++] = "--timeout", args[n++] = "300ms";
	run_client(r, f, tty, env, args);
}

#endif

/* verify.h - inside of `tidemark verify`: what was asked, what is known of the deploy, and how it is shown.
 */
#ifndef CTL_VERIFY_H
#define CTL_VERIFY_H

#include "collector/ctl/ctl.h"

struct verify_options {
	const char *version;
	int64_t timeout_us;
	double require; /* -1: what the service asks for */
};

/* One answer of GET /deploys/{id}, checked. The json_t * are borrowed from it. */
struct deploy_seen {
	struct str id, verdict, reason;
	double share, coverage; /* -1: not known */
	size_t known, observed, converged;
	const json_t *not_fresh, *unobserved, *next, *propagation;
	const json_t *answer; /* all of it */
	bool overtaken;       /* another deploy is current by now, whatever this one's verdict was */
	bool explained;       /* it names a cause: then its next steps are better than ours */
	bool is_final;        /* nothing more is coming, but a relapse */
	bool wrong_seen;      /* a cell serves another version: positive evidence */
};
/* ERR_CORRUPT: this is no deploy. */
MUST_USE int deploy_read(const json_t *answer, struct deploy_seen *ret, struct err *err);

/* What to do about it. Pure. recheck: the verdict was failed or inconclusive before we came, and stays so
 * "for good"; what counts then is whether the cells are right now. require: -1, the service's own. */
enum verify_step { VERIFY_WAIT, VERIFY_PASSED, VERIFY_FAILED, VERIFY_INCONCLUSIVE, VERIFY_SUPERSEDED };
enum verify_step verify_decide(const struct deploy_seen *d, bool recheck, double require, bool time_is_up);

/* -- showing -- */

struct verify_view {
	const struct term *term;
	bool silent; /* -o json: only the end */
	const char *service, *version;
	const json_t *endpoints; /* of the service: [{id, url}] */
	int64_t started_us, timeout_us;
	size_t n_drawn; /* lines on the screen that the next drawing replaces */
	char last[256]; /* the last plain line */
	int64_t last_us;
};
/* curve: points of GET /deploys/{id}/propagation; NULL: none. */
void view_progress(struct verify_view *v, const struct deploy_seen *d, const json_t *curve, bool recheck,
	int64_t now_us);
void view_waiting(struct verify_view *v, const char *what, int64_t now_us); /* no deploy yet, or no answer */
void view_end(struct verify_view *v, const struct deploy_seen *d, enum verify_step how, bool recheck,
	double require, int64_t now_us);
void view_no_deploy(struct verify_view *v, int64_t now_us);
void view_clear(struct verify_view *v);

#endif

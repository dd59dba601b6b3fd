/* known.c - see known.h */
#include "collector/http/known.h"

#include "base/cdn/cdn.h"
#include "base/known.h"
#include "collector/http/json_scan.h"

#define SAYS_MAX  768
#define CELLS_MAX (16 * 1024 * 1024) /* bytes of a service's cells, which are looked through for vendors */

bool body_service_known(struct request *r, struct str name)
{
	char says[SAYS_MAX];
	struct known k = known_start(name);
	const struct engine *e = hub_read(r->http->hub);
	for (size_t i = 0; i < view_service_count(e); i++) {
		struct service_counts c;
		view_service_counts(e, i, &c);
		known_add(&k, c.name);
	}
	hub_read_done(r->http->hub);
	bool fine = name.n == 0 || k.found;
	if (!fine)
		answer_problem(r, 422, "unknown_service", "/service: no service '%.*s' is watched here%s",
			STR_ARG(str_first(name, 64)), known_says(&k, says, sizeof(says)));
	known_end(&k);
	return fine;
}

static void add_vendors_seen(struct request *r, struct str service, struct known *k)
{
	struct cell_filter f = { .service = service };
	struct buf cells, next;
	struct str item, raw;
	struct err err;
	buf_init(&cells, CELLS_MAX);
	buf_init(&next, 1024);
	int rc = view_cells(hub_read(r->http->hub), &f, &cells, &next, &err);
	hub_read_done(r->http->hub);
	if (rc == 0 && !buf_failed(&cells))
		for (size_t at = 0; json_next(buf_str(&cells), &at, &item);)
			if (json_member(item, "vendor", &raw) && raw.n > 2)
				known_add(k, (struct str){ raw.p + 1, raw.n - 2 });
	buf_fini(&cells);
	buf_fini(&next);
}

bool body_vendor_known(struct request *r, struct str service, struct str vendor)
{
	char says[SAYS_MAX];
	struct known k = known_start(vendor);
	const struct vendor *v;
	known_add(&k, STR("self"));
	for (size_t i = 0; (v = cdn_vendor_at(i)) != NULL; i++)
		if (strcmp(v->name, "none") != 0)
			known_add(&k, str_of(v->name));
	if (vendor.n > 0 && !k.found)
		add_vendors_seen(r, service, &k);
	bool fine = vendor.n == 0 || k.found;
	if (!fine)
		answer_problem(r, 422, "unknown_vendor", "/vendor: no edge goes by '%.*s'%s",
			STR_ARG(str_first(vendor, 64)), known_says(&k, says, sizeof(says)));
	known_end(&k);
	return fine;
}

bool query_state_known(struct request *r, struct str state)
{
	char says[SAYS_MAX];
	enum cell_state s;
	if (state.n == 0 || cell_state_from(state, &s))
		return true;
	struct known k = known_start(state);
	for (int i = 0; i < CELL_STATE_COUNT; i++)
		known_add(&k, str_of(cell_state_name((enum cell_state)i)));
	answer_problem(r, 400, "bad_parameter", "state: '%.*s' is no state of a cell%s",
		STR_ARG(str_first(state, 64)), known_says(&k, says, sizeof(says)));
	known_end(&k);
	return false;
}

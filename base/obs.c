#include "base/obs.h"

#define X(id, name, says) name,
static const char *const cache_names[] = { CACHE_STATUSES(X) };
static const char *const fail_names[] = { OBS_FAILS(X) };
#undef X

const char *cache_status_name(enum cache_status s)
{
	return s < CACHE_STATUS_COUNT ? cache_names[s] : "unknown";
}

bool cache_status_from(struct str name, enum cache_status *ret)
{
	for (size_t i = 0; i < CACHE_STATUS_COUNT; i++)
		if (str_eq_nocase(name, str_of(cache_names[i]))) {
			*ret = (enum cache_status)i;
			return true;
		}
	return false;
}

const char *obs_fail_name(enum obs_fail f)
{
	return f < OBS_FAIL_COUNT ? fail_names[f] : "other";
}

bool obs_fail_from(struct str name, enum obs_fail *ret)
{
	for (size_t i = 0; i < OBS_FAIL_COUNT; i++)
		if (str_is(name, fail_names[i])) {
			*ret = (enum obs_fail)i;
			return true;
		}
	return false;
}

const char *obs_path_name(enum obs_path p)
{
	return p == PATH_ORIGIN ? "origin" : "edge";
}

const char *tier_kind_name(enum tier_kind k)
{
	static const char *const names[] = { "edge", "shield", "inner" };
	return k < ARRAY_LEN(names) ? names[k] : "inner";
}

void obs_init(struct obs *o)
{
	*o = (struct obs){
		.age_s = OBS_AGE_NONE,
		.ttl_s = OBS_TTL_NONE,
		.browser_ttl_s = OBS_TTL_NONE,
		.timing = { -1, -1, -1, -1, -1 },
	};
}

static int check_index(const struct batch *b, size_t row, const char *field, uint16_t index, size_t cap, struct err *err)
{
	if (index >= b->n_dict)
		return err_set(err, ERR_NONSENSE, "observation %zu: %s %u is outside the dictionary of %zu", row, field,
			index, b->n_dict);
	if (b->dict[index].n > cap)
		return err_set(err, ERR_TOO_BIG, "observation %zu: %s has %zu bytes, limit is %zu", row, field,
			b->dict[index].n, cap);
	return 0;
}

static int check_strings(const struct batch *b, const struct obs *o, size_t row, struct err *err)
{
	const struct {
		const char *field;
		uint16_t index;
		size_t cap;
	} all[] = {
		{ "endpoint", o->endpoint, OBS_NAME_MAX }, { "edge", o->edge, OBS_NAME_MAX },
		{ "node", o->node, OBS_NAME_MAX },         { "ip", o->ip, OBS_NAME_MAX },
		{ "version", o->version, OBS_VERSION_MAX },{ "etag", o->etag, OBS_NAME_MAX },
		{ "evidence", o->evidence, OBS_EVIDENCE_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int rc = check_index(b, row, all[i].field, all[i].index, all[i].cap, err);
		if (rc < 0)
			return rc;
	}
	if (o->endpoint == 0 || b->dict[o->endpoint].n == 0)
		return err_set(err, ERR_NONSENSE, "observation %zu: no endpoint", row);
	return 0;
}

static int check_obs(const struct batch *b, const struct obs *o, size_t row, struct err *err)
{
	int rc = check_strings(b, o, row, err);
	if (rc < 0)
		return rc;
	if (o->path > PATH_ORIGIN || o->fail >= OBS_FAIL_COUNT || (o->flags & ~OBS_FLAGS_ALL))
		return err_set(err, ERR_NONSENSE, "observation %zu: path %u, fail %u or flags %u is not known", row,
			o->path, o->fail, o->flags);
	if (o->n_tiers > OBS_TIERS_MAX)
		return err_set(err, ERR_TOO_BIG, "observation %zu: %u tiers, limit is %d", row, o->n_tiers, OBS_TIERS_MAX);
	for (size_t i = 0; i < o->n_tiers; i++)
		if (o->tiers[i] >= CACHE_STATUS_COUNT || o->tier_kinds[i] > TIER_INNER)
			return err_set(err, ERR_NONSENSE, "observation %zu: tier %zu is not known", row, i);
	if (o->status < 0 || o->status > 999)
		return err_set(err, ERR_NONSENSE, "observation %zu: status %d", row, o->status);
	if (o->age_s < OBS_AGE_NONE)
		return err_set(err, ERR_NONSENSE, "observation %zu: age %d", row, o->age_s);
	const int32_t phases[] = { o->timing.dns_us, o->timing.connect_us, o->timing.tls_us, o->timing.ttfb_us,
		o->timing.total_us };
	for (size_t i = 0; i < ARRAY_LEN(phases); i++)
		if (phases[i] < -1)
			return err_set(err, ERR_NONSENSE, "observation %zu: a phase took %d us", row, phases[i]);
	if (o->observed_at_us < -US_PER_DAY || o->observed_at_us > INT64_C(253402300800) * US_PER_S)
		return err_set(err, ERR_NONSENSE, "observation %zu: time %" PRId64, row, o->observed_at_us);
	return 0;
}

static int check_dict(const struct batch *b, struct err *err)
{
	size_t bytes = 0;
	if (b->n_dict == 0 || b->n_dict > BATCH_DICT_MAX || b->dict[0].n != 0)
		return err_set(err, ERR_NONSENSE, "dictionary of %zu entries: 1 to %d, the first of them empty", b->n_dict,
			BATCH_DICT_MAX);
	for (size_t i = 0; i < b->n_dict; i++) {
		bytes += MIN(b->dict[i].n, (size_t)BATCH_DICT_BYTES + 1); /* so that the sum cannot wrap */
		if (bytes > BATCH_DICT_BYTES)
			return err_set(err, ERR_TOO_BIG, "dictionary of over %d bytes", BATCH_DICT_BYTES);
		if (!str_is_utf8(b->dict[i]))
			return err_set(err, ERR_SYNTAX, "dictionary entry %zu is not UTF-8", i);
	}
	return 0;
}

static int check_names(const struct batch *b, struct err *err)
{
	if (b->service.n == 0 || b->service.n > OBS_NAME_MAX || b->agent.n > OBS_NAME_MAX || b->region.n > OBS_NAME_MAX)
		return err_set(err, ERR_NONSENSE, "service, agent or region is missing or over %d bytes", OBS_NAME_MAX);
	const char *bad = !str_is_utf8(b->service) ? "service" :
			  !str_is_utf8(b->agent)   ? "agent" :
			  !str_is_utf8(b->region)  ? "region" :
						     NULL;
	return bad ? err_set(err, ERR_SYNTAX, "%s is not UTF-8", bad) : 0;
}

int batch_check(const struct batch *b, struct err *err)
{
	if (b->n_obs == 0 || b->n_obs > BATCH_OBS_MAX)
		return err_set(err, ERR_TOO_BIG, "%zu observations in a batch, 1 to %d are allowed", b->n_obs, BATCH_OBS_MAX);
	int rc = check_dict(b, err);
	if (rc == 0)
		rc = check_names(b, err);
	for (size_t i = 0; rc == 0 && i < b->n_obs; i++)
		rc = check_obs(b, &b->obs[i], i, err);
	return rc;
}

void batch_map_clock(struct batch *b, int64_t offset_us)
{
	for (size_t i = 0; i < b->n_obs; i++)
		b->obs[i].observed_at_us += offset_us;
}

bool obs_is_cached(const struct obs *o)
{
	for (size_t i = 0; i < o->n_tiers; i++)
		if (o->tiers[i] == CACHE_HIT || o->tiers[i] == CACHE_STALE || o->tiers[i] == CACHE_UPDATING ||
			o->tiers[i] == CACHE_REVALIDATED)
			return true;
	return o->age_s > 1;
}

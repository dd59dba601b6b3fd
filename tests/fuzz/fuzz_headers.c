/* Response headers as a server sent them: the raw block, then what every CDN's reader makes of it. */
#include "base/cdn/cdn.h"
#include "base/places.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct cdn_options with_pop = { .pop_header = { "x-pop", 5 },
		.pop_vendor = { "mine", 4 } };
	struct header room[HEADERS_MAX];
	struct headers h;
	struct err err = { 0 };
	int status = -1;
	char name[OBS_NAME_MAX];
	if (headers_parse(fuzz_str(data, n), room, HEADERS_MAX, &h, &status, &err) < 0) {
		INVARIANT(err.text[0] != '\0');
		return 0;
	}
	INVARIANT(h.n <= HEADERS_MAX);
	for (int round = 0; round < 4; round++) {
		struct edge_info e;
		h.received_at_us = round & 1 ? TIME_NONE : INT64_C(1764000000000000);
		cdn_read(&h, round & 2 ? &with_pop : NULL, &e);
		INVARIANT(e.n_tiers <= OBS_TIERS_MAX && e.age_s >= OBS_AGE_NONE &&
			  e.scratch_n <= sizeof(e.scratch));
		for (size_t i = 0; i < e.n_tiers; i++)
			INVARIANT(e.tiers[i].status < CACHE_STATUS_COUNT && e.tiers[i].kind <= TIER_INNER);
		INVARIANT(memchr(e.iata, '\0', sizeof(e.iata)) != NULL);
		(void)cdn_edge_name(&e, name, sizeof(name));
		INVARIANT(memchr(name, '\0', sizeof(name)) != NULL);
		INVARIANT(str_is_utf8(str_of(name)));
		struct place p;
		if (place_of(e.vendor, e.pop, &p))
			INVARIANT(strlen(p.country) == 2 && p.lat >= -90 && p.lat <= 90 && p.lon >= -180 &&
				  p.lon <= 180);
		/* any bytes as a PoP, of every vendor */
		const struct vendor *v;
		for (size_t i = 0; (v = cdn_vendor_at(i)) != NULL; i++)
			(void)place_of(str_of(v->name), fuzz_str(data, n), &p);
	}
	return 0;
}

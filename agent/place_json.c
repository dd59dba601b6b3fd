#include "agent/place_json.h"

#include "base/places.h"

void place_add_json(struct buf *out, struct str vendor, struct str pop)
{
	struct place p;
	buf_add_key(out, "place");
	if (!place_of(vendor, pop, &p)) {
		buf_addf(out, "null");
		return;
	}
	buf_add_char(out, '{');
	buf_add_key(out, "city");
	buf_add_json_or_null(out, p.city);
	buf_add_key(out, "country");
	buf_add_json(out, str_of(p.country));
	buf_addf(out, ",\"lat\":%.2f,\"lon\":%.2f}", p.lat, p.lon);
}

/* places.h - where a PoP is: a vendor and its code in, city, country and coordinates out. A code that is in
 * no table stays unknown: nothing is made of a code that only looks like one. Pure, no allocation, O(log n).
 * The tables are made from base/places/iata.csv and base/places/vendors.csv; their licence is CC BY-SA 4.0
 * (base/places/README.md). */
#ifndef BASE_PLACES_H
#define BASE_PLACES_H

#include "base/str.h"

struct place {
	struct str city; /* empty: only the country is known, as of airports that no CDN was seen to use */
	char country[3]; /* ISO 3166-1, two letters */
	double lat, lon; /* degrees, to a hundredth: of the airport or city that gives the code its name */
};

/* pop as that vendor spells it: "FRA56-P4" of cloudfront, "FRA" or "cache-fra-eddf8230052-FRA" of fastly,
 * "fra1" of vercel, "STOEDGE0417" of azure-frontdoor, "DE1" or "DE1-1071" of bunny, "losangelesUSCA" of
 * cdn77. */
bool place_of(struct str vendor, struct str pop, struct place *ret);
/* edge: "vendor:pop", as edges are named. */
bool place_of_edge(struct str edge, struct place *ret);

/* Upper case; an airport or a metropolitan area (TYO), not a vendor's own code (WDC). */
bool place_is_iata(const char code[3]);

#endif

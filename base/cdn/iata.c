#include "base/cdn/read.h"

#define PAIR(first, second)      (((first) - 'A') * 26 + ((second) - 'A'))
#define P(first, second, thirds) [PAIR(first, second)] = thirds,
static const char *const thirds_of[26 * 26] = {
#include "base/cdn/data/iata_codes.inc"
};
#undef P

bool iata_known(const char code[3])
{
	for (size_t i = 0; i < 3; i++)
		if (code[i] < 'A' || code[i] > 'Z')
			return false;
	const char *thirds = thirds_of[PAIR(code[0], code[1])];
	return thirds != NULL && strchr(thirds, code[2]) != NULL;
}

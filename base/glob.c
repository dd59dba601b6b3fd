/* glob.c - see glob.h */
#include "base/glob.h"

static bool same(struct str a, size_t i, struct str b, size_t k, bool any_case)
{
	struct str x = { a.p + i, 1 }, y = { b.p + k, 1 };
	return any_case ? str_eq_nocase(x, y) : str_eq(x, y);
}

bool glob_matches(struct str glob, struct str text, bool any_case)
{
	size_t g = 0, t = 0, star = SIZE_MAX, resume = 0;
	while (t < text.n) {
		if (g < glob.n && glob.p[g] == '*') {
			star = g++;
			resume = t;
		} else if (g < glob.n && same(glob, g, text, t, any_case)) {
			g++, t++;
		} else if (star != SIZE_MAX) { /* the last '*' takes one more */
			g = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (g < glob.n && glob.p[g] == '*')
		g++;
	return g == glob.n;
}

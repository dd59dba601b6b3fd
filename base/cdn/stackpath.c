/* stackpath.c - StackPath, earlier Highwinds and MaxCDN (NetDNA). Source: recorded answers. X-HW is
 * "EPOCH.MACHINE.SITE.FLAG,...", the client's side first; the second site is a shield. Its flags are not
 * documented, so a status comes from X-Cache alone. */
#include "base/cdn/read.h"

static const struct mark marks[] = { MARK("x-hw", NULL), MARK("server", "^NetDNA-cache"), MARKS_END };

struct hop {
	struct str site, node;
};

/* "1567797125.dop019.se2.t", or in its oldest form "1298453633.cm038a4" */
static bool hop_parse(struct str text, struct hop *ret)
{
	struct str rest = text, epoch, machine, site;
	if (!str_cut(&rest, '.', &epoch) || !str_cut(&rest, '.', &machine) || machine.n == 0)
		return false;
	if (!str_cut(&rest, '.', &site) || site.n == 0) {
		*ret = (struct hop){ machine, machine };
		return true;
	}
	*ret = (struct hop){ site, { machine.p, (size_t)(site.p + site.n - machine.p) } };
	return true;
}

static void stackpath_read(const struct headers *h, struct edge_info *e)
{
	struct hop sites[OBS_TIERS_MAX], hop;
	size_t n = 0;
	struct list words;
	struct str member;
	list_read(h, "x-cache", ENCLOSING_ALL, &words);
	for (size_t at = 0; n < OBS_TIERS_MAX && headers_next_member(h, "x-hw", &at, &member);) {
		if (!hop_parse(member, &hop))
			continue;
		bool known = false;
		for (size_t i = 0; i < n; i++)
			known = known || str_eq_nocase(sites[i].site, hop.site);
		if (!known)
			sites[n++] = hop;
	}
	if (n > 0)
		pop_set(e, sites[0].site, "x-hw");
	if (words.n > 0)
		e->cache_source = "x-cache";
	for (size_t i = 0; i < MAX(n, 1); i++)
		tier_add_word(e, i == 0 ? TIER_EDGE : TIER_SHIELD, list_nearest(&words, i),
			i < n ? sites[i].node : STR_NONE);
	tiers_tell(e, 1, words.n > 1 ? "x-cache" : "x-hw");
	x_cache_read(h, e, &words, MAX(n, 1));
}

const struct vendor vendor_stackpath = { .name = "stackpath", .marks = marks, .read = stackpath_read };

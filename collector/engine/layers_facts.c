/* What mesh and pods were told to be, beside one deploy. See layers.h */
#include <stdlib.h>

#include "collector/engine/layers.h"

#define FULL_SHA_LEN 40

/* -- is it this deploy's? -- */

enum whose { WHOSE_NEW, WHOSE_OLD, WHOSE_UNKNOWN };
struct found {
	enum whose whose;
	const struct deploy *of; /* NULL: no deploy of the ledger */
};

static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr("0123456789abcdefABCDEF", s.p[i]) == NULL || s.p[i] == '\0')
			return false;
	return true;
}

/* Byte for byte; and a label has no room for a whole commit id, so that one is often cut short. */
static bool is_same_name(struct str a, struct str b)
{
	struct str longer = a.n >= b.n ? a : b, shorter = a.n >= b.n ? b : a;
	if (str_eq(a, b))
		return a.n > 0;
	return longer.n == FULL_SHA_LEN && shorter.n >= PREFIX_MIN && is_hex(longer) &&
	       str_eq_nocase(str_first(longer, shorter.n), shorter);
}

static bool is_called(const struct deploy *d, struct str word)
{
	if (is_same_name(word, str_of(d->version)) || is_same_name(word, str_of(d->revision)))
		return true;
	for (size_t i = 0; i < d->n_aliases; i++)
		if (is_same_name(word, str_of(d->aliases[i])))
			return true;
	return false;
}

/* The hex behind "@sha256:", however the image is named before it. */
static struct str digest_hex(const char *digest)
{
	static const struct str mark = { "sha256:", 7 };
	struct str whole = str_of(digest);
	for (size_t i = whole.n; i >= mark.n; i--)
		if (str_eq((struct str){ whole.p + i - mark.n, mark.n }, mark))
			return str_from(whole, i);
	return whole;
}

static bool is_image_of(const struct deploy *d, struct str hex)
{
	return d->digest && hex.n && str_eq_nocase(digest_hex(d->digest), hex);
}

/* The deploy asked about goes first: the same version or image may have been deployed before. */
static const struct deploy *deploy_called(const struct service *s, const struct deploy *d, struct str word)
{
	if (word.n == 0 || is_called(d, word))
		return word.n ? d : NULL;
	for (size_t i = s->n_deploys; i-- > 0;)
		if (is_called(s->deploys[i], word))
			return s->deploys[i];
	return NULL;
}

static const struct deploy *deploy_of_image(
	const struct service *s, const struct deploy *d, const char *digest)
{
	struct str hex = digest_hex(digest);
	if (is_image_of(d, hex))
		return d;
	for (size_t i = s->n_deploys; i-- > 0;)
		if (is_image_of(s->deploys[i], hex))
			return s->deploys[i];
	return NULL;
}

/* One that rolls out beside the current one is as acceptable as at the edges. Not by its started_at: a
 * layer's state follows from what was told alone, and not from when that is asked for. */
static struct found found(const struct deploy *d, const struct deploy *of)
{
	bool rolls_out = of && !of->left && of->live_us == TIME_NONE;
	if (of == NULL)
		return (struct found){ WHOSE_UNKNOWN, NULL };
	return (struct found){ of == d || rolls_out ? WHOSE_NEW : WHOSE_OLD, of };
}

/* An image says more than a label. A digest that no deploy has beside the right version is no proof of
 * another image: what a node reports may be that of the index or of the platform's manifest. */
static struct found find(
	const struct service *s, const struct deploy *d, const char *version, const char *digest)
{
	const struct deploy *by_image = digest ? deploy_of_image(s, d, digest) : NULL;
	const struct deploy *by_name = by_image ? NULL : deploy_called(s, d, str_of(version));
	if (by_image)
		return found(d, by_image);
	if (by_name == d && digest && d->digest)
		return (struct found){ WHOSE_UNKNOWN, d };
	if (by_name == NULL && version == NULL && digest && d->digest)
		return (struct found){ WHOSE_OLD, NULL };
	return found(d, by_name);
}

bool layers_is_of(const struct service *s, const struct deploy *d, const char *version, bool *ret_other)
{
	struct found f = find(s, d, version, NULL);
	*ret_other = f.whose == WHOSE_OLD;
	return f.whose == WHOSE_NEW;
}

/* What was told before the deploy began says nothing about it. */
const struct inner *layers_inner(const struct service *s, const struct deploy *d, const char *type)
{
	for (size_t i = 0; i < s->n_inner; i++)
		if (str_is(str_of(type), s->inner[i].type))
			return s->inner[i].at_us >= d->started_us ? &s->inner[i] : NULL;
	return NULL;
}

/* -- pods -- */

static bool serves(const struct inner_pod *p)
{
	return p->ready && !p->terminating;
}

void pods_facts(const struct service *s, const struct deploy *d, struct pods_facts *ret)
{
	const struct inner *in = layers_inner(s, d, "pods");
	*ret = (struct pods_facts){ .known = in != NULL };
	for (size_t i = 0; in && i < in->n_pods; i++) {
		const struct inner_pod *p = &in->pods[i];
		if (!serves(p))
			continue;
		switch (find(s, d, p->version, p->digest).whose) {
		case WHOSE_NEW:
			ret->fresh++;
			break;
		case WHOSE_OLD:
			if (ret->old < ARRAY_LEN(ret->old_names))
				ret->old_names[ret->old] = p->name;
			ret->old++;
			break;
		case WHOSE_UNKNOWN:
			if (ret->unknown_version == NULL)
				ret->unknown_version = p->version;
			ret->unknown++;
			break;
		}
	}
}

/* -- mesh -- */

static bool same(const char *a, const char *b)
{
	return a && b && str_eq(str_of(a), str_of(b));
}

/* The pods beside which routes are held, each found once: routes x pods x deploys would be too many. */
struct pods_seen {
	const struct inner *in; /* NULL: nothing was told of pods */
	struct found *of;
};

/* Does a pod stand behind this route? -1: what was told of the two cannot be compared. */
static int is_behind(
	const struct inner_route *r, struct found route, const struct inner_pod *p, struct found pod)
{
	bool by_subset = r->subset && p->subset, by_version = route.of && pod.of;
	if (same(r->version, p->version) || same(r->subset, p->subset) || (by_version && route.of == pod.of))
		return 1;
	return by_subset || by_version || (r->version && p->version) ? 0 : -1;
}

/* Has a route no ready pod? Where neither it nor the pods can say, it is taken to have one. */
static bool is_dead(const struct inner_route *r, struct found route, const struct pods_seen *pods)
{
	if (r->ready >= 0)
		return r->ready == 0;
	if (pods->in == NULL)
		return false;
	for (size_t i = 0; i < pods->in->n_pods; i++)
		if (serves(&pods->in->pods[i]) && is_behind(r, route, &pods->in->pods[i], pods->of[i]) != 0)
			return false;
	return true;
}

/* "stable" and "canary" are no versions: the pods behind them tell, where they agree. */
static struct found find_subset(const char *subset, const struct pods_seen *pods)
{
	struct found all = { WHOSE_UNKNOWN, NULL };
	bool any = false;
	for (size_t i = 0; pods->in && i < pods->in->n_pods; i++) {
		const struct inner_pod *p = &pods->in->pods[i];
		if (!serves(p) || !same(subset, p->subset))
			continue;
		if (any && pods->of[i].whose != all.whose)
			return (struct found){ WHOSE_UNKNOWN, NULL };
		all = pods->of[i];
		any = true;
	}
	return all;
}

static struct found find_route(const struct service *s, const struct deploy *d, const struct inner_route *r,
	const struct pods_seen *pods)
{
	struct found f = find(s, d, r->version ? r->version : r->subset, NULL);
	return f.of || r->version ? f : find_subset(r->subset, pods);
}

static void add_route(const struct inner_route *r, double share, bool dead, struct found f,
	struct mesh_facts *ret, double most[2])
{
	const char *name = r->subset ? r->subset : r->version;
	if (dead) {
		ret->dead_weight += share;
		if (share > most[0])
			most[0] = share, ret->dead_subset = name;
	}
	switch (f.whose) {
	case WHOSE_NEW:
		ret->new_weight += share;
		break;
	case WHOSE_OLD:
		ret->old_weight += share;
		if (share > most[1])
			most[1] = share, ret->old_subset = name;
		break;
	case WHOSE_UNKNOWN:
		ret->unknown_weight += share;
		break;
	}
}

void mesh_facts(const struct service *s, const struct deploy *d, struct mesh_facts *ret)
{
	const struct inner *in = layers_inner(s, d, "mesh");
	struct pods_seen pods = { layers_inner(s, d, "pods"), NULL };
	double sum = 0, most[2] = { 0, 0 };
	*ret = (struct mesh_facts){ .known = in != NULL };
	if (in == NULL)
		return;
	if (pods.in)
		pods.of = mem_new_array(pods.in->n_pods, sizeof(*pods.of));
	for (size_t i = 0; pods.in && i < pods.in->n_pods; i++)
		pods.of[i] = find(s, d, pods.in->pods[i].version, pods.in->pods[i].digest);
	for (size_t i = 0; i < in->n_routes; i++)
		sum += in->routes[i].weight;
	for (size_t i = 0; i < in->n_routes; i++) {
		const struct inner_route *r = &in->routes[i];
		/* one destination gets everything, whatever its weight */
		double share = in->n_routes == 1 ? 100 : sum > 0 ? 100 * r->weight / sum : 0;
		struct found f = find_route(s, d, r, &pods);
		if (share > 0)
			add_route(r, share, is_dead(r, f, &pods), f, ret, most);
	}
	free(pods.of);
}

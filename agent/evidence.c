#include "agent/evidence.h"

#define STRUCK_OUT "[struck out]"

static uint64_t mix(uint64_t h, uint64_t more)
{
	h = (h ^ more) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

/* The place of this pair, or the one to give up for it: free ones first, they were sent at 0. */
static struct evidence_pair *place_of(struct evidence *e, uint64_t pair)
{
	struct evidence_pair *best = &e->pairs[0];
	for (size_t i = 0; i < EVIDENCE_PAIRS_MAX; i++) {
		if (e->pairs[i].pair == pair)
			return &e->pairs[i];
		if (e->pairs[i].sent_us < best->sent_us)
			best = &e->pairs[i];
	}
	return best;
}

/* Each edge is compared with itself: where several answer in turn, none of them has changed. */
bool evidence_due(struct evidence *e, struct str edge, struct str version, int status, int64_t now_us)
{
	uint64_t hash = str_hash(edge);
	uint64_t pair = mix(mix(1, hash), str_hash(version)) | 1; /* never 0, which is a free place */
	struct evidence_pair *p = place_of(e, pair);
	bool known = p->pair == pair, same = known && p->is_last && p->status == status;
	int64_t pause_us = !known ? 0 : same ? EVIDENCE_AGAIN_US : EVIDENCE_CHANGED_US;
	for (size_t i = 0; i < EVIDENCE_PAIRS_MAX; i++)
		if (e->pairs[i].edge == hash && &e->pairs[i] != p)
			e->pairs[i].is_last = false;
	/* A change that came too soon after the one before stays one, until it has been sent. */
	if (known && now_us - p->sent_us < pause_us)
		return false;
	*p = (struct evidence_pair){
		.pair = pair, .edge = hash, .status = status, .is_last = true, .sent_us = now_us
	};
	return true;
}

/* Rather too many than one too few: what is struck out is seldom what explains a stale edge. */
static bool is_secret(struct str name)
{
	static const char *const words[] = { "cookie", "auth", "token", "secret", "api-key", "apikey",
		"access-key", "password", "passwd", "session", "signature", "credential", "csrf", "xsrf",
		"jwt", "bearer" };
	char lower[128];
	if (name.n >= sizeof(lower))
		return true; /* no cache has names this long */
	for (size_t i = 0; i < name.n; i++)
		lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] + 32 : name.p[i]);
	lower[name.n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strstr(lower, words[i]))
			return true;
	return false;
}

void evidence_write(struct buf *out, struct str block)
{
	struct str line;
	bool secret = false; /* a folded line belongs to the one before */
	buf_clear(out);
	while (str_cut(&block, '\n', &line)) {
		size_t before = out->n;
		ptrdiff_t colon = str_find(line, ':');
		bool folded = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
		line = str_trim(line);
		if (line.n == 0)
			continue;
		if (!folded)
			secret = colon > 0 && is_secret(str_first(line, (size_t)colon));
		if (secret && folded)
			continue;
		buf_add_str(out, secret ? str_first(line, (size_t)colon) : line);
		if (secret)
			buf_add(out, ": " STRUCK_OUT, sizeof(": " STRUCK_OUT) - 1);
		buf_add(out, "\r\n", 2);
		if (buf_failed(out) || out->n > OBS_EVIDENCE_MAX) {
			out->n = before;
			out->failed = false;
			out->p[before] = '\0';
			return;
		}
	}
}

#include "agent/evidence.h"

#define STRUCK_OUT "[struck out]"

static uint64_t mix(uint64_t h, uint64_t more)
{
	h = (h ^ more) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

/* The place of this pair, or the one to give up for it: free ones first, they were sent at 0. */
static size_t place_of(const struct evidence *e, uint64_t pair)
{
	size_t best = 0;
	for (size_t i = 0; i < EVIDENCE_PAIRS_MAX; i++) {
		if (e->sent[i].pair == pair)
			return i;
		if (e->sent[i].sent_us < e->sent[best].sent_us)
			best = i;
	}
	return best;
}

bool evidence_due(struct evidence *e, struct str edge, struct str version, int status, int64_t now_us)
{
	uint64_t pair =
		mix(mix(1, str_hash(edge)), str_hash(version)) | 1; /* never 0, which is a free place */
	uint64_t all = mix(pair, (uint64_t)status) | 1;
	size_t at = place_of(e, pair);
	bool changed = e->last != all;
	e->last = all;
	if (!changed || (e->sent[at].pair == pair && now_us - e->sent[at].sent_us < EVIDENCE_EVERY_US))
		return false;
	e->sent[at].pair = pair;
	e->sent[at].sent_us = now_us;
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

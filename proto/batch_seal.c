/* Collecting and sealing: struct batch to columns to zstd. */
#include <stdlib.h>
#include <zstd.h>

#include "proto/arena.h"
#include "proto/batch.h"
#include "proto/columns.h"

#define ZSTD_LEVEL 3

/* ---- builder ---- */

struct batch_builder {
	struct batch b;
	struct arena text; /* the dictionary's strings */
	size_t text_bytes;
	size_t dict_cap, obs_cap;
	uint16_t *slots; /* open addressing over dict; 0: free */
	size_t n_slots;  /* a power of two, at least twice n_dict */
	struct buf mend;
};

struct batch_builder *batch_builder_new(void)
{
	struct batch_builder *bb = mem_new(sizeof(*bb));
	/* text is bounded by BATCH_DICT_BYTES below; the arena's own rounding and headers come on top */
	arena_init(&bb->text, 2 * BATCH_DICT_BYTES);
	buf_init(&bb->mend, 3 * OBS_EVIDENCE_MAX);
	batch_builder_start(bb, STR_NONE, 0);
	return bb;
}

void batch_builder_free(struct batch_builder *bb)
{
	if (bb == NULL)
		return;
	arena_fini(&bb->text);
	buf_fini(&bb->mend);
	free(bb->b.dict);
	free(bb->b.obs);
	free(bb->slots);
	free(bb);
}

void batch_builder_start(struct batch_builder *bb, struct str service, uint64_t generation)
{
	struct str *dict = bb->b.dict;
	struct obs *obs = bb->b.obs;
	arena_reset(&bb->text);
	bb->text_bytes = 0;
	if (bb->slots)
		memset(bb->slots, 0, bb->n_slots * sizeof(*bb->slots));
	dict = mem_grow(dict, &bb->dict_cap, 1, sizeof(*dict));
	dict[0] = STR_NONE;
	bb->b = (struct batch){ .generation = generation, .dict = dict, .n_dict = 1, .obs = obs };
	bool copied = arena_copy(&bb->text, str_first(service, OBS_NAME_MAX), &bb->b.service);
	INVARIANT(copied);
}

static uint16_t *slot_of(struct batch_builder *bb, struct str s)
{
	size_t at = str_hash(s) & (bb->n_slots - 1);
	while (bb->slots[at] && !str_eq(bb->b.dict[bb->slots[at]], s))
		at = (at + 1) & (bb->n_slots - 1);
	return &bb->slots[at];
}

static void slots_grow(struct batch_builder *bb)
{
	if (bb->b.n_dict * 2 < bb->n_slots)
		return;
	free(bb->slots);
	bb->n_slots = MAX(bb->n_slots * 2, (size_t)64);
	bb->slots = mem_new_array(bb->n_slots, sizeof(*bb->slots));
	for (size_t i = 1; i < bb->b.n_dict; i++)
		*slot_of(bb, bb->b.dict[i]) = (uint16_t)i;
}

/* At most cap bytes of s, ending where a character ends. */
static struct str cut_text(struct str s, size_t cap)
{
	if (s.n <= cap)
		return s;
	while (cap > 0 && ((unsigned char)s.p[cap] & 0xC0) == 0x80)
		cap--;
	return str_first(s, cap);
}

/* What is not UTF-8, and every NUL, becomes U+FFFD. Borrowed from bb->mend. */
static struct str mend_text(struct batch_builder *bb, struct str s)
{
	if (str_is_utf8(s))
		return s;
	buf_clear(&bb->mend);
	for (size_t i = 0; i < s.n;) {
		size_t len = 1;
		while (len <= 4 && i + len <= s.n && !str_is_utf8((struct str){ s.p + i, len }))
			len++;
		bool good = len <= 4 && i + len <= s.n;
		if (good)
			buf_add(&bb->mend, s.p + i, len);
		else
			buf_add(&bb->mend, "\xEF\xBF\xBD", 3);
		i += good ? len : 1;
	}
	return buf_str(&bb->mend);
}

uint16_t batch_builder_intern(struct batch_builder *bb, struct str s, size_t cap, bool *ret_full)
{
	uint16_t *slot;
	cap = MIN(cap, (size_t)OBS_EVIDENCE_MAX);
	if (s.n == 0)
		return 0;
	slots_grow(bb);
	if (s.n <= cap && *(slot = slot_of(bb, s))) /* the usual case: what is in there was mended when it came */
		return *slot;
	s = cut_text(mend_text(bb, str_first(s, cap + 1)), cap);
	if (s.n == 0)
		return 0;
	slot = slot_of(bb, s);
	if (*slot)
		return *slot;
	struct str kept;
	if (bb->b.n_dict >= BATCH_DICT_MAX || bb->text_bytes + s.n > BATCH_DICT_BYTES ||
		!arena_copy(&bb->text, s, &kept)) {
		*ret_full = true;
		return 0;
	}
	bb->text_bytes += s.n;
	bb->b.dict = mem_grow(bb->b.dict, &bb->dict_cap, bb->b.n_dict + 1, sizeof(*bb->b.dict));
	bb->b.dict[bb->b.n_dict] = kept;
	*slot = (uint16_t)bb->b.n_dict++;
	return *slot;
}

void batch_builder_add(struct batch_builder *bb, const struct obs *o)
{
	INVARIANT(bb->b.n_obs < BATCH_OBS_MAX);
	bb->b.obs = mem_grow(bb->b.obs, &bb->obs_cap, bb->b.n_obs + 1, sizeof(*bb->b.obs));
	bb->b.obs[bb->b.n_obs++] = *o;
}

const struct batch *batch_builder_peek(const struct batch_builder *bb)
{
	return &bb->b;
}

/* ---- columns ---- */

static size_t put_varint(unsigned char *p, uint64_t v)
{
	size_t n = 0;
	while (v >= 0x80) {
		p[n++] = (unsigned char)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (unsigned char)v;
	return n;
}

static void add_varint_field(struct buf *out, unsigned field, uint64_t v)
{
	unsigned char b[20];
	size_t n = put_varint(b, (uint64_t)field << 3);
	n += put_varint(b + n, v);
	buf_add(out, b, n);
}

static void add_bytes_field(struct buf *out, unsigned field, const void *p, size_t len)
{
	unsigned char b[20];
	size_t n = put_varint(b, (uint64_t)field << 3 | 2);
	n += put_varint(b + n, len);
	buf_add(out, b, n);
	buf_add(out, p, len);
}

static void add_fixed64_field(struct buf *out, unsigned field, uint64_t v)
{
	unsigned char b[16];
	size_t n = put_varint(b, (uint64_t)field << 3 | 1);
	for (int i = 0; i < 8; i++)
		b[n++] = (unsigned char)(v >> (8 * i));
	buf_add(out, b, n);
}

static uint64_t tiers_code(const struct obs *o)
{
	uint64_t code = 0;
	for (size_t i = o->n_tiers; i > 0; i--)
		code = code << 6 | (1u + o->tiers[i - 1] + 16u * o->tier_kinds[i - 1]);
	return code;
}

#define EACH_ROW(expression)                                                                                 \
	for (size_t i = 0; i < b->n_obs; i++) {                                                              \
		const struct obs *o = &b->obs[i];                                                            \
		code[i] = (expression);                                                                      \
	}                                                                                                    \
	break

static void column_codes(const struct batch *b, enum column c, uint64_t *code)
{
	int64_t last_ms = b->sealed_boot_us / 1000, ms;
	switch (c) {
	case COL_AT:
		EACH_ROW((ms = o->observed_at_us / 1000, ms -= last_ms, last_ms += ms, zigzag(ms)));
	case COL_ENDPOINT:
		EACH_ROW(o->endpoint);
	case COL_EDGE:
		EACH_ROW(o->edge);
	case COL_NODE:
		EACH_ROW(o->node);
	case COL_IP:
		EACH_ROW(o->ip);
	case COL_VERSION:
		EACH_ROW(o->version);
	case COL_ETAG:
		EACH_ROW(o->etag);
	case COL_EVIDENCE:
		EACH_ROW(o->evidence);
	case COL_PATH:
		EACH_ROW(o->path);
	case COL_FAIL:
		EACH_ROW(o->fail);
	case COL_FLAGS:
		EACH_ROW(o->flags);
	case COL_STATUS:
		EACH_ROW((uint64_t)o->status);
	case COL_TIERS:
		EACH_ROW(tiers_code(o));
	case COL_AGE:
		EACH_ROW((uint64_t)((int64_t)o->age_s + 1));
	case COL_TTL:
		EACH_ROW(ttl_code(o->ttl_s, o->age_s));
	case COL_BROWSER_TTL:
		EACH_ROW(ttl_code(o->browser_ttl_s, o->age_s));
	case COL_DNS:
		EACH_ROW(phase_code(o->timing.dns_us));
	case COL_CONNECT:
		EACH_ROW(phase_code(o->timing.connect_us));
	case COL_TLS:
		EACH_ROW(phase_code(o->timing.tls_us));
	case COL_TTFB:
		EACH_ROW(phase_code(o->timing.ttfb_us));
	case COL_TOTAL:
		EACH_ROW(zigzag(
			(int64_t)phase_code(o->timing.total_us) - (int64_t)phase_code(o->timing.ttfb_us)));
	case COLUMN_COUNT:
		break;
	}
}

/* prev[i]: the row before i with the same endpoint, n when there is none. */
static void rows_before(const struct batch *b, uint16_t *prev)
{
	uint16_t last[BATCH_DICT_MAX];
	for (size_t i = 0; i < b->n_dict; i++)
		last[i] = (uint16_t)b->n_obs;
	for (size_t i = 0; i < b->n_obs; i++) {
		prev[i] = last[b->obs[i].endpoint];
		last[b->obs[i].endpoint] = (uint16_t)i;
	}
}

#define X(id, name, predicted, max) predicted,
static const bool column_predicted[] = { COLUMNS(X) };
#undef X

static void add_columns(const struct batch *b, struct buf *out)
{
	uint64_t code[BATCH_OBS_MAX + 1];
	unsigned char bytes[BATCH_OBS_MAX * 10];
	uint16_t prev[BATCH_OBS_MAX];
	rows_before(b, prev);
	for (unsigned c = 0; c < COLUMN_COUNT; c++) {
		uint64_t any = 0;
		size_t n = 0;
		column_codes(b, c, code);
		code[b->n_obs] = 0; /* what a row without one before it is predicted from */
		for (size_t i = 0; i < b->n_obs; i++) {
			uint64_t v = code[i];
			if (column_predicted[c])
				v = v == code[prev[i]] ? 0 : v + 1;
			any |= v;
			n += put_varint(bytes + n, v);
		}
		if (any)
			add_bytes_field(out, F_COLUMNS + c, bytes, n);
	}
}

static void add_batch(const struct batch *b, struct buf *out)
{
	add_bytes_field(out, F_SERVICE, b->service.p, b->service.n);
	add_varint_field(out, F_GENERATION, b->generation);
	add_fixed64_field(out, F_BOOT_ID, b->boot_id);
	add_varint_field(out, F_SEALED_BOOT_US, zigzag(b->sealed_boot_us));
	add_varint_field(out, F_SEALED_WALL_US, zigzag(b->sealed_wall_us));
	add_varint_field(out, F_N, b->n_obs);
	for (size_t i = 1; i < b->n_dict; i++)
		add_bytes_field(out, F_DICT, b->dict[i].p, b->dict[i].n);
	add_columns(b, out);
}

int batch_seal(const struct batch *b, struct buf *out, uint32_t *ret_raw_size, struct err *err)
{
	struct buf raw;
	char *packed = NULL;
	buf_init(&raw, BATCH_RAW_MAX);
	int rc = batch_check(b, err);
	if (rc < 0)
		goto out;
	add_batch(b, &raw);
	if (buf_failed(&raw)) {
		rc = err_set(err, ERR_TOO_BIG, "a batch of %zu results does not fit %d bytes", b->n_obs,
			BATCH_RAW_MAX);
		goto out;
	}
	size_t room = ZSTD_compressBound(raw.n);
	packed = malloc(room);
	INVARIANT(packed != NULL);
	size_t n = ZSTD_compress(packed, room, raw.p, raw.n, ZSTD_LEVEL);
	INVARIANT(!ZSTD_isError(n));
	if (n > BATCH_PACKED_MAX) {
		rc = err_set(
			err, ERR_TOO_BIG, "a sealed batch of %zu bytes, limit is %d", n, BATCH_PACKED_MAX);
		goto out;
	}
	buf_add(out, packed, n);
	if (buf_failed(out)) {
		rc = err_set(err, ERR_TOO_BIG, "a sealed batch of %zu bytes does not fit %zu", n, out->cap);
		goto out;
	}
	*ret_raw_size = (uint32_t)raw.n;
out:
	free(packed);
	buf_fini(&raw);
	return rc;
}

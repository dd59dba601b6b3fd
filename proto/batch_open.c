/* Unsealing: zstd to columns to struct batch. Read by hand: every column into memory that is kept for the
 * next batch. The bytes are hostile until the last line. */
#include <stdlib.h>
#include <zstd.h>

#include "proto/batch.h"
#include "proto/columns.h"

struct batch_decoder {
	ZSTD_DCtx *zstd;
	unsigned char *raw; /* unpacked bytes; the dictionary's strings point into it */
	size_t raw_cap;
	struct str dict[BATCH_DICT_MAX];
	struct obs obs[BATCH_OBS_MAX];
};

struct span { /* p NULL: absent */
	const unsigned char *p, *end;
};

struct columns {
	struct batch b;
	uint64_t n;
	size_t dict_bytes;
	struct span column[COLUMN_COUNT];
};

#define X(id, name, predicted, max) { name, predicted, max },
static const struct {
	const char *name;
	bool predicted;
	uint64_t max;
} column_info[] = { COLUMNS(X) };
#undef X

struct batch_decoder *batch_decoder_new(void)
{
	struct batch_decoder *d = mem_new(sizeof(*d));
	d->zstd = ZSTD_createDCtx();
	INVARIANT(d->zstd != NULL);
	return d;
}

void batch_decoder_free(struct batch_decoder *d)
{
	if (d == NULL)
		return;
	ZSTD_freeDCtx(d->zstd);
	free(d->raw);
	free(d);
}

/* At most 10 bytes and 64 bits; false when they end early or say more. */
static bool take_long_varint(struct span *s, uint64_t *ret)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64 && s->p < s->end; shift += 7) {
		unsigned char c = *s->p++;
		if (shift == 63 && c > 1)
			return false;
		v |= (uint64_t)(c & 0x7F) << shift;
		if (c < 0x80) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* Most numbers are one byte. Only copies have their address taken, so that a loop over a column stays in
 * registers. */
static inline __attribute__((always_inline)) bool take_varint(struct span *s, uint64_t *ret)
{
	if (s->p < s->end && *s->p < 0x80) {
		*ret = *s->p++;
		return true;
	}
	struct span rest = *s;
	uint64_t v = 0;
	bool good = take_long_varint(&rest, &v);
	*s = rest;
	*ret = v;
	return good;
}

struct field {
	uint64_t number;
	unsigned type;
	uint64_t value;    /* of types 0, 1 and 5 */
	struct span bytes; /* of type 2 */
};

static bool take_fixed(struct span *s, size_t n, uint64_t *ret)
{
	if ((size_t)(s->end - s->p) < n)
		return false;
	*ret = 0;
	for (size_t i = 0; i < n; i++)
		*ret |= (uint64_t)*s->p++ << (8 * i);
	return true;
}

static bool take_field(struct span *s, struct field *f)
{
	uint64_t key, len;
	if (!take_varint(s, &key))
		return false;
	*f = (struct field){ .number = key >> 3, .type = key & 7 };
	switch (f->type) {
	case 0:
		return take_varint(s, &f->value);
	case 1:
		return take_fixed(s, 8, &f->value);
	case 5:
		return take_fixed(s, 4, &f->value);
	case 2:
		if (!take_varint(s, &len) || len > (size_t)(s->end - s->p))
			return false;
		f->bytes = (struct span){ s->p, s->p + len };
		s->p += len;
		return true;
	default: /* groups: nothing of ours has them, and skipping them would need a stack */
		return false;
	}
}

static struct str span_str(struct span s)
{
	return (struct str){ (const char *)s.p, (size_t)(s.end - s.p) };
}

static int add_to_dict(struct batch_decoder *d, struct columns *c, struct str s, struct err *err)
{
	if (c->b.n_dict == BATCH_DICT_MAX)
		return err_set(err, ERR_TOO_BIG, "column dict: over %d entries", BATCH_DICT_MAX - 1);
	c->dict_bytes += s.n;
	if (c->dict_bytes > BATCH_DICT_BYTES)
		return err_set(err, ERR_TOO_BIG, "column dict: over %d bytes", BATCH_DICT_BYTES);
	d->dict[c->b.n_dict++] = s;
	return 0;
}

/* The wire type each field before the columns has. */
static const unsigned head_types[] = { [F_SERVICE] = 2,
	[F_GENERATION] = 0,
	[F_BOOT_ID] = 1,
	[F_SEALED_BOOT_US] = 0,
	[F_SEALED_WALL_US] = 0,
	[F_N] = 0,
	[F_DICT] = 2 };

static int read_head_field(struct batch_decoder *d, struct columns *c, const struct field *f, struct err *err)
{
	if (f->type != head_types[f->number])
		return err_set(err, ERR_SYNTAX, "field %u has wire type %u, want %u", (unsigned)f->number,
			f->type, head_types[f->number]);
	switch (f->number) {
	case F_SERVICE:
		c->b.service = span_str(f->bytes);
		break;
	case F_GENERATION:
		c->b.generation = f->value;
		break;
	case F_BOOT_ID:
		c->b.boot_id = f->value;
		break;
	case F_SEALED_BOOT_US:
		c->b.sealed_boot_us = unzigzag(f->value);
		break;
	case F_SEALED_WALL_US:
		c->b.sealed_wall_us = unzigzag(f->value);
		break;
	case F_N:
		c->n = f->value;
		break;
	case F_DICT:
		return add_to_dict(d, c, span_str(f->bytes), err);
	}
	return 0;
}

/* Splits the message into its fields. Unknown ones are skipped: a newer agent may send them. */
static int read_fields(struct batch_decoder *d, struct span s, struct columns *c, struct err *err)
{
	const unsigned char *start = s.p;
	while (s.p < s.end) {
		struct field f;
		const unsigned char *at = s.p;
		if (!take_field(&s, &f))
			return err_set(err, ERR_SYNTAX, "no whole field at byte %zu of the columns",
				(size_t)(at - start));
		if (f.number >= F_COLUMNS + COLUMN_COUNT)
			continue;
		if (f.number == 0)
			return err_set(err, ERR_SYNTAX, "field number 0 at byte %zu of the columns",
				(size_t)(at - start));
		if (f.number < F_COLUMNS) {
			int rc = read_head_field(d, c, &f, err);
			if (rc < 0)
				return rc;
			continue;
		}
		unsigned col = (unsigned)f.number - F_COLUMNS;
		if (f.type != 2)
			return err_set(err, ERR_SYNTAX, "column %s: not packed", column_info[col].name);
		if (c->column[col].p)
			return err_set(err, ERR_SYNTAX, "column %s: there twice", column_info[col].name);
		c->column[col] = f.bytes;
	}
	return 0;
}

/* The column's n numbers, predictions resolved, each at most its max. code has a member more than n. */
static int read_codes(
	const struct columns *c, enum column col, const uint16_t *prev, uint64_t *code, struct err *err)
{
	size_t n = c->b.n_obs;
	struct span s = c->column[col];
	const char *name = column_info[col].name;
	uint64_t max = column_info[col].max;
	bool predicted = column_info[col].predicted;
	code[n] = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t v;
		if (!take_varint(&s, &v))
			return err_set(err, ERR_SYNTAX, "column %s: %s at row %zu of %zu", name,
				s.p == s.end ? "ends" : "no number", i, n);
		if (predicted)
			v = v == 0 ? code[prev[i]] : v - 1;
		if (v > max)
			return err_set(err, ERR_NONSENSE,
				"column %s: row %zu says %" PRIu64 ", largest is %" PRIu64, name, i, v, max);
		code[i] = v;
	}
	if (s.p != s.end)
		return err_set(err, ERR_SYNTAX, "column %s: more than %zu rows", name, n);
	return 0;
}

static int set_times(const struct columns *c, const uint64_t *code, struct obs *obs, struct err *err)
{
	const int64_t limit_ms = INT64_C(253402300800) * 1000; /* the year 10000 */
	int64_t ms = c->b.sealed_boot_us / 1000;
	for (size_t i = 0; i < c->b.n_obs; i++) {
		if (__builtin_add_overflow(ms, unzigzag(code[i]), &ms) || ms > limit_ms || ms < -limit_ms)
			return err_set(err, ERR_NONSENSE, "column at_ms: row %zu is out of range", i);
		obs[i].observed_at_us = ms * 1000;
	}
	return 0;
}

static int set_tiers(const struct columns *c, const uint64_t *code, struct obs *obs, struct err *err)
{
	for (size_t i = 0; i < c->b.n_obs; i++) {
		for (uint64_t v = code[i]; v; v >>= 6) {
			unsigned tier = (unsigned)(v & 63) - 1, status = tier & 15, kind = tier >> 4;
			if ((v & 63) == 0 || status >= CACHE_STATUS_COUNT || kind > TIER_INNER)
				return err_set(err, ERR_NONSENSE,
					"column tiers: row %zu: tier %u is not known", i, obs[i].n_tiers);
			obs[i].tiers[obs[i].n_tiers] = (uint8_t)status;
			obs[i].tier_kinds[obs[i].n_tiers++] = (uint8_t)kind;
		}
	}
	return 0;
}

static int set_ttls(
	const struct columns *c, enum column col, const uint64_t *code, struct obs *obs, struct err *err)
{
	for (size_t i = 0; i < c->b.n_obs; i++) {
		if (code[i] == 0)
			continue;
		int64_t ttl = unzigzag(code[i] - 1) - MAX(obs[i].age_s, 0);
		if (ttl <= OBS_TTL_NONE || ttl > INT32_MAX)
			return err_set(err, ERR_NONSENSE, "column %s: row %zu is out of range",
				column_info[col].name, i);
		if (col == COL_TTL)
			obs[i].ttl_s = (int32_t)ttl;
		else
			obs[i].browser_ttl_s = (int32_t)ttl;
	}
	return 0;
}

static int set_totals(const struct columns *c, const uint64_t *code, struct obs *obs, struct err *err)
{
	for (size_t i = 0; i < c->b.n_obs; i++) {
		int64_t total = unzigzag(code[i]) + (int64_t)phase_code(obs[i].timing.ttfb_us);
		if (total < 0 || total > PHASE_CODE_MAX)
			return err_set(err, ERR_NONSENSE, "column total: row %zu is out of range", i);
		obs[i].timing.total_us = phase_us((uint64_t)total);
	}
	return 0;
}

#define EACH_ROW(assignment)                                                                                 \
	for (size_t i = 0; i < c->b.n_obs; i++) {                                                            \
		struct obs *o = &obs[i];                                                                     \
		uint64_t v = code[i];                                                                        \
		assignment;                                                                                  \
	}                                                                                                    \
	return 0

static int set_column(
	const struct columns *c, enum column col, const uint64_t *code, struct obs *obs, struct err *err)
{
	switch (col) {
	case COL_AT:
		return set_times(c, code, obs, err);
	case COL_ENDPOINT:
		EACH_ROW(o->endpoint = (uint16_t)v);
	case COL_EDGE:
		EACH_ROW(o->edge = (uint16_t)v);
	case COL_NODE:
		EACH_ROW(o->node = (uint16_t)v);
	case COL_IP:
		EACH_ROW(o->ip = (uint16_t)v);
	case COL_VERSION:
		EACH_ROW(o->version = (uint16_t)v);
	case COL_ETAG:
		EACH_ROW(o->etag = (uint16_t)v);
	case COL_EVIDENCE:
		EACH_ROW(o->evidence = (uint16_t)v);
	case COL_PATH:
		EACH_ROW(o->path = (uint8_t)v);
	case COL_FAIL:
		EACH_ROW(o->fail = (uint8_t)v);
	case COL_FLAGS:
		EACH_ROW(o->flags = (uint8_t)v);
	case COL_STATUS:
		EACH_ROW(o->status = (int16_t)v);
	case COL_TIERS:
		return set_tiers(c, code, obs, err);
	case COL_AGE:
		EACH_ROW(o->age_s = (int32_t)((int64_t)v - 1));
	case COL_TTL:
	case COL_BROWSER_TTL:
		return set_ttls(c, col, code, obs, err);
	case COL_DNS:
		EACH_ROW(o->timing.dns_us = phase_us(v));
	case COL_CONNECT:
		EACH_ROW(o->timing.connect_us = phase_us(v));
	case COL_TLS:
		EACH_ROW(o->timing.tls_us = phase_us(v));
	case COL_TTFB:
		EACH_ROW(o->timing.ttfb_us = phase_us(v));
	case COL_TOTAL:
		return set_totals(c, code, obs, err);
	case COLUMN_COUNT:
		break;
	}
	return 0;
}

/* prev[i]: the row before i with the same endpoint, n when there is none. endpoint codes are below
 * BATCH_DICT_MAX. */
static void rows_before(const struct columns *c, const uint64_t *endpoint, uint16_t *prev)
{
	uint16_t last[BATCH_DICT_MAX];
	for (size_t i = 0; i < BATCH_DICT_MAX; i++)
		last[i] = (uint16_t)c->b.n_obs;
	for (size_t i = 0; i < c->b.n_obs; i++) {
		prev[i] = last[endpoint[i]];
		last[endpoint[i]] = (uint16_t)i;
	}
}

static int read_rows(const struct columns *c, struct obs *obs, struct err *err)
{
	uint64_t code[BATCH_OBS_MAX + 1];
	uint16_t prev[BATCH_OBS_MAX];
	if (c->column[COL_ENDPOINT].p == NULL)
		return err_set(err, ERR_NONSENSE, "column endpoint: missing");
	int rc = read_codes(c, COL_ENDPOINT, NULL, code, err);
	if (rc < 0)
		return rc;
	rows_before(c, code, prev);
	for (size_t i = 0; i < c->b.n_obs; i++) {
		obs_init(&obs[i]);
		obs[i].observed_at_us = c->b.sealed_boot_us / 1000 * 1000;
	}
	for (unsigned col = 0; rc == 0 && col < COLUMN_COUNT; col++) {
		if (c->column[col].p == NULL && col != COL_TOTAL)
			continue;
		if (c->column[col].p)
			rc = read_codes(c, col, prev, code, err);
		else /* the total is told as the difference to ttfb, which may be none */
			memset(code, 0, sizeof(code));
		if (rc == 0)
			rc = set_column(c, col, code, obs, err);
	}
	return rc;
}

/* One zstd frame that says its size, and that size is raw_size: nothing else is unpacked at all. */
static int unpack(struct batch_decoder *d, struct str sealed, uint32_t raw_size, struct err *err)
{
	if (sealed.n > BATCH_PACKED_MAX)
		return err_set(err, ERR_TOO_BIG, "a sealed batch of %zu bytes, limit is %d", sealed.n,
			BATCH_PACKED_MAX);
	if (raw_size > BATCH_RAW_MAX)
		return err_set(
			err, ERR_TOO_BIG, "raw_size is %" PRIu32 ", limit is %d", raw_size, BATCH_RAW_MAX);
	unsigned long long says =
		sealed.n ? ZSTD_getFrameContentSize(sealed.p, sealed.n) : ZSTD_CONTENTSIZE_ERROR;
	if (says == ZSTD_CONTENTSIZE_ERROR)
		return err_set(err, ERR_SYNTAX, "body: not zstd");
	if (says == ZSTD_CONTENTSIZE_UNKNOWN)
		return err_set(err, ERR_SYNTAX, "body: a zstd frame that does not say its size");
	if (says != raw_size)
		return err_set(err, ERR_NONSENSE, "body: raw_size is %" PRIu32 ", the zstd frame says %llu",
			raw_size, says);
	if (ZSTD_findFrameCompressedSize(sealed.p, sealed.n) != sealed.n)
		return err_set(err, ERR_SYNTAX, "body: not exactly one zstd frame");
	if (raw_size >= d->raw_cap)
		d->raw = mem_grow(d->raw, &d->raw_cap, MAX((size_t)raw_size + 1, (size_t)64 * 1024), 1);
	size_t n = ZSTD_decompressDCtx(d->zstd, d->raw, raw_size, sealed.p, sealed.n);
	if (ZSTD_isError(n))
		return err_set(err, ERR_SYNTAX, "body: %s", ZSTD_getErrorName(n));
	if (n != raw_size)
		return err_set(
			err, ERR_NONSENSE, "body: raw_size is %" PRIu32 ", unpacked it has %zu", raw_size, n);
	return 0;
}

int batch_unseal(
	struct batch_decoder *d, struct str sealed, uint32_t raw_size, struct batch *ret, struct err *err)
{
	int rc = unpack(d, sealed, raw_size, err);
	if (rc < 0)
		return rc;
	struct columns c = { .b = { .dict = d->dict, .n_dict = 1, .obs = d->obs } };
	d->dict[0] = STR_NONE;
	rc = read_fields(d, (struct span){ d->raw, d->raw + raw_size }, &c, err);
	if (rc < 0)
		return rc;
	if (c.n == 0 || c.n > BATCH_OBS_MAX)
		return err_set(err, ERR_TOO_BIG, "n is %" PRIu64 ", 1 to %d are allowed", c.n, BATCH_OBS_MAX);
	c.b.n_obs = c.n;
	rc = read_rows(&c, d->obs, err);
	if (rc == 0 && !str_is_utf8(c.b.service))
		rc = err_set(err, ERR_SYNTAX, "service is not UTF-8");
	if (rc == 0)
		rc = batch_check(&c.b, err);
	if (rc < 0)
		return rc;
	*ret = c.b;
	return 0;
}

static struct str put_text(struct str s, char **at)
{
	struct str kept = { *at, s.n };
	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

struct batch *batch_copy(const struct batch *b, size_t *ret_bytes)
{
	const struct str names[] = { b->agent, b->region, b->service };
	size_t text = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		text += names[i].n;
	for (size_t i = 0; i < b->n_dict; i++)
		text += b->dict[i].n;
	size_t bytes = sizeof(*b) + b->n_obs * sizeof(*b->obs) + b->n_dict * sizeof(*b->dict) + text;
	struct batch *copy = malloc(bytes);
	INVARIANT(copy != NULL);
	*copy = *b;
	copy->obs = memcpy(copy + 1, b->obs, b->n_obs * sizeof(*b->obs));
	copy->dict = (struct str *)(copy->obs + b->n_obs);
	char *at = (char *)(copy->dict + b->n_dict);
	copy->agent = put_text(b->agent, &at);
	copy->region = put_text(b->region, &at);
	copy->service = put_text(b->service, &at);
	for (size_t i = 0; i < b->n_dict; i++)
		copy->dict[i] = put_text(b->dict[i], &at);
	*ret_bytes = bytes;
	return copy;
}

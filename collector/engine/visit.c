#include "collector/engine/visit.h"

#define TEXT_MAX    (1024 * 1024)
#define TIME_MAX_US (INT64_C(300000000000) * US_PER_S)

void visit_u64(struct visit *v, uint64_t *x)
{
	if (!v->load) {
		uint8_t bytes[10];
		size_t n = 0;
		for (uint64_t left = *x; n == 0 || left; left >>= 7)
			bytes[n++] = (uint8_t)((left & 127) | (left > 127 ? 128 : 0));
		buf_add(v->out, bytes, n);
		return;
	}
	*x = 0;
	for (unsigned shift = 0;; shift += 7) {
		if (v->in.n == 0 || shift > 63) {
			v->bad = true;
			return;
		}
		uint8_t byte = (uint8_t)v->in.p[0];
		v->in = str_from(v->in, 1);
		*x |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return;
	}
}

void visit_i64(struct visit *v, int64_t *x)
{
	uint64_t zigzag = (uint64_t)*x << 1 ^ (*x < 0 ? UINT64_MAX : 0);
	visit_u64(v, &zigzag);
	*x = (int64_t)(zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0));
}

bool time_is_bounded(int64_t at_us)
{
	return at_us == TIME_NONE || (at_us > -TIME_MAX_US && at_us < TIME_MAX_US);
}

void visit_duration(struct visit *v, int64_t *us)
{
	VISIT(v, *us);
	v->bad |= *us < 0 || *us > DURATION_MAX_US;
}

void visit_double(struct visit *v, double *x)
{
	uint64_t bits;
	memcpy(&bits, x, sizeof(bits));
	visit_u64(v, &bits);
	memcpy(x, &bits, sizeof(bits));
	v->bad |= !(*x >= -1e9 && *x <= 1e9);
}

/* A count of things of at least a byte each. */
void visit_count(struct visit *v, size_t *n, size_t max)
{
	INVARIANT(v->load || *n <= max);
	VISIT(v, *n);
	v->bad |= v->load && (*n > max || *n > v->in.n);
	if (v->bad)
		*n = 0;
}

struct str visit_str(struct visit *v, struct str s)
{
	visit_count(v, &s.n, TEXT_MAX);
	if (!v->load) {
		buf_add_str(v->out, s);
		return s;
	}
	struct str got = str_first(v->in, s.n);
	v->in = str_from(v->in, s.n);
	v->bad |= got.n && memchr(got.p, '\0', got.n) != NULL;
	return got;
}

void visit_text(struct visit *v, char **text)
{
	struct str s = visit_str(v, str_of(*text));
	if (v->load)
		*text = text_dup(s);
}

void visit_texts(struct visit *v, char ***texts, size_t *n)
{
	visit_count(v, n, 100000);
	if (v->load)
		*texts = mem_new_array(*n, sizeof(char *));
	for (size_t i = 0; i < *n; i++)
		visit_text(v, &(*texts)[i]);
}

void visit_names(struct visit *v, struct names *t)
{
	size_t n = t->n - 1;
	visit_count(v, &n, NONE32 / 2);
	for (uint32_t i = 1; i <= n && !v->bad; i++) {
		struct str s = visit_str(v, v->load ? STR_NONE : names_get(t, i));
		if (v->load)
			v->bad |= names_put(t, s) != i; /* empty or there twice */
	}
}

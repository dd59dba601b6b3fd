/* pattern_impl.h - a compiled expression, between pattern_compile.c and pattern.c. */
#ifndef BASE_PATTERN_IMPL_H
#define BASE_PATTERN_IMPL_H

#include "base/pattern.h"

#define PATTERN_MAGIC    0x9a77e201u
#define PATTERN_SETS_MAX 128

enum op { OP_BYTE, OP_SET, OP_SPLIT, OP_JUMP, OP_OPEN, OP_CLOSE, OP_LINE_START, OP_LINE_END, OP_MATCH };

struct step { /* jumps are relative to the step itself: a piece of program may be moved and copied */
	uint8_t op, byte;
	int16_t x, y; /* SPLIT: first choice, second; JUMP: x; SET: x is the set's index */
};

struct set {
	uint64_t bits[4];
};

struct pattern {
	uint32_t magic;
	struct step steps[PATTERN_STEPS_MAX];
	size_t n_steps;
	struct set *sets;
	size_t n_sets, sets_size;
	struct set first; /* bytes a match can begin with */
	bool any_first;   /* or it can be empty, or begins with an anchor */
	bool grouped;
};

static inline void set_add(struct set *s, unsigned char c)
{
	s->bits[c >> 6] |= UINT64_C(1) << (c & 63);
}

static inline bool set_has(const struct set *s, unsigned char c)
{
	return s->bits[c >> 6] >> (c & 63) & 1;
}

static inline void set_merge(struct set *s, const struct set *with)
{
	for (size_t i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] |= with->bits[i];
}

/* Fills p's steps, sets and grouped. */
MUST_USE int pattern_compile(struct pattern *p, struct str expression, struct err *err);

#endif

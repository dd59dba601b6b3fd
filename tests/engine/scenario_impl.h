/* scenario_impl.h - what the two halves of the stories share: telling (scenario.c) and expecting (expect.c).
 */
#ifndef TESTS_ENGINE_SCENARIO_IMPL_H
#define TESTS_ENGINE_SCENARIO_IMPL_H

#include "tests/engine/scenario.h"

#define ZERO_US   INT64_C(1772359200000000) /* 2026-03-01T10:00:00Z */
#define WORDS_MAX 32

struct step {
	int64_t at_us;
	size_t line;
	struct str words[WORDS_MAX];
	size_t n_words;
};

struct run {
	struct engine *e;
	struct engine_sink sink;
	struct buf outs; /* everything the engine put out */
	int64_t position;
	size_t line;
	bool loud;
};

/* The line, what is wrong with it, and the word. */
NORETURN void story_fail(const struct run *r, const char *what, struct str word);
bool option(const struct step *s, const char *name, struct str *ret);
struct str option_or(const struct step *s, const char *name, const char *otherwise);
struct str full_edge(struct str word, char text[OBS_NAME_MAX]);
void do_expect(struct run *r, const struct step *s);

#endif

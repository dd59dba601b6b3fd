/* observe_impl.h - one batch on its way into a service: what observe.c and observe_facts.c share */
#ifndef ENGINE_OBSERVE_IMPL_H
#define ENGINE_OBSERVE_IMPL_H

#include "collector/engine/engine_internal.h"

#define UNSEEN (UINT32_MAX - 1)

struct scratch { /* of one batch, by dictionary index */
	uint32_t endpoint[BATCH_DICT_MAX], edge[BATCH_DICT_MAX], text[BATCH_DICT_MAX];
	uint32_t value[BATCH_DICT_MAX], value_endpoint[BATCH_DICT_MAX];
	uint64_t hash[BATCH_DICT_MAX]; /* 0: not asked for yet */
	uint16_t order[BATCH_OBS_MAX], spare[BATCH_OBS_MAX];
};

enum result { RESULT_GOOD, RESULT_HTTP_ERROR, RESULT_NO_VERSION, RESULT_NO_ANSWER };

struct fold { /* what holds for the whole batch */
	struct engine *e;
	struct service *s;
	const struct batch *b;
	uint32_t service, agent, member;
	bool was_blind;
};

struct seen { /* one observation, decoded */
	const struct obs *o;
	int64_t at_us;
	bool late, through;
	enum result result;
	uint32_t endpoint, value, route, cell, link;
};

/* Of a word of the batch's dictionary; 0 for none. */
uint64_t observe_word_hash(const struct fold *f, uint16_t word);

/* observe_facts.c: what causes are told from */
void note_draw(struct fold *f, const struct seen *o);
void note_behind(struct fold *f, const struct seen *o, uint32_t edge);
void note_wrong(struct fold *f, struct trouble *t, const struct seen *o);
uint32_t tiers_of(const struct obs *o);
void cell_fill(struct cell *c, const struct obs *o, int64_t at_us);

#endif

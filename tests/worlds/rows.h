/* rows.h - what the recipes need beside world.h: how the inner layers say what they see. */
#ifndef WORLDS_ROWS_H
#define WORLDS_ROWS_H

#include "tests/worlds/world.h"

/* Routes to the new and the old version's subset. old_ready: pods of the old subset; -1: the mesh does not
 * say. */
void mesh_line(struct world *w, int64_t at_us, int new_weight, int old_ready);
void rollout_line(
	struct world *w, int64_t at_us, const char *phase, int64_t since_us, int weight, const char *reason);
void pods_line(struct world *w, int64_t at_us, int n_new, int n_old);

#endif

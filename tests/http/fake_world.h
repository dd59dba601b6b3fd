/* fake_world.h - the fake collector's state, shared by the files that play its headers. */
#ifndef TESTS_FAKE_WORLD_H
#define TESTS_FAKE_WORLD_H

#include "tests/http/fake_hub.h"

#define ITEMS_MAX 64

struct fake_deploy {
	char id[64], service[64], version[64];
	enum verdict verdict;
	bool aborted;
};
struct fake_purge {
	char id[64], service[64];
	bool completed;
};
struct fake_cell {
	const char *service, *endpoint, *edge, *vendor, *region;
	enum cell_state state;
};
struct fake_agent {
	char name[72], region[72];
	bool revoked;
};
struct engine {
	struct fake_deploy deploys[ITEMS_MAX]; /* oldest first */
	size_t n_deploys;
	struct fake_purge purges[ITEMS_MAX];
	size_t n_purges;
	struct fake_cell cells[ITEMS_MAX];
	size_t n_cells;
	struct fake_agent agents[ITEMS_MAX];
	size_t n_agents;
	int64_t position;
};

int fake_reading(struct err *err); /* what reading the store says */

#endif

/* judge.c - what replay told of each world, against its truth. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/worlds/world.h"

enum { NAMES_MAX = 64 };
struct names {
	char text[NAMES_MAX][48];
	int n;
};
struct tally {
	struct names truths, told;
	int matrix[NAMES_MAX][NAMES_MAX];
	int worlds, verdicts, causes, with_cause, cells, cells_right, healthy, false_alarms, broken;
};

static int name_index(struct names *all, const char *name)
{
	int i = 0;
	while (i < all->n && strcmp(all->text[i], name) != 0)
		i++;
	if (i == all->n) {
		if (all->n == NAMES_MAX)
			abort();
		snprintf(all->text[all->n++], sizeof(all->text[0]), "%s", name);
	}
	return i;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *v = json_string_value(json_object_get(object, key));
	return v ? v : "none";
}

static const json_t *deploy_of(const json_t *out, const char *id)
{
	size_t i;
	json_t *d;
	json_array_foreach(json_object_get(out, "deploys"), i, d)
	{
		if (strcmp(text_of(d, "id"), id) == 0)
			return d;
	}
	return NULL;
}

static bool is_not_fresh(const json_t *cell)
{
	static const char *const states[] = { "stale", "mixed", "failing", "unknown", "ahead" };
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(text_of(cell, "state"), states[i]) == 0)
			return true;
	return false;
}

/* The cells' own causes are counted, and listed; the bar is the deploy's. */
static void judge_cells(struct tally *t, int number, const json_t *truth, const json_t *out)
{
	const char *cause = text_of(truth, "cause");
	size_t i;
	json_t *cell;
	json_array_foreach(json_object_get(out, "cells"), i, cell)
	{
		if (!is_not_fresh(cell))
			continue;
		bool right = strcmp(text_of(cell, "cause"), cause) == 0;
		t->cells++;
		t->cells_right += right;
		if (!right)
			printf("%04d cell %s %s %s: %s, told %s\n", number, text_of(cell, "endpoint"),
				text_of(cell, "edge"), text_of(cell, "state"), cause, text_of(cell, "cause"));
	}
}

/* Anything that would wake somebody up where nothing is wrong. */
static bool is_alarm(const json_t *out, const json_t *d)
{
	const char *verdict = text_of(d, "verdict");
	size_t i;
	json_t *each;
	if (strcmp(verdict, "failed") == 0 || strcmp(text_of(d, "cause"), "none") != 0 ||
		json_array_size(json_object_get(out, "incidents")) > 0)
		return true;
	json_array_foreach(json_object_get(out, "deploys"), i, each)
	{
		if (strcmp(text_of(each, "verdict"), "failed") == 0)
			return true;
	}
	return false;
}

static bool before_right(const json_t *truth, const json_t *out)
{
	size_t i;
	json_t *b;
	json_array_foreach(json_object_get(truth, "before"), i, b)
	{
		const json_t *d = deploy_of(out, text_of(b, "deploy"));
		if (json_is_string(json_object_get(b, "verdict")) &&
			(d == NULL || strcmp(text_of(d, "verdict"), text_of(b, "verdict")) != 0))
			return false;
	}
	return true;
}

static void judge_world(struct tally *t, int number, const json_t *truth, const json_t *out)
{
	const json_t *d = deploy_of(out, text_of(truth, "deploy"));
	const char *row = text_of(truth, "row"), *verdict = text_of(truth, "verdict"),
		   *cause = text_of(truth, "cause");
	t->worlds++;
	if (d == NULL) {
		t->broken++;
		printf("%04d %s: no deploy %s in what replay told\n", number, row, text_of(truth, "deploy"));
		return;
	}
	bool verdict_right = strcmp(text_of(d, "verdict"), verdict) == 0 && before_right(truth, out);
	bool cause_right = strcmp(text_of(d, "cause"), cause) == 0;
	bool well = strcmp(row, "healthy") == 0;
	bool alarm = well && is_alarm(out, d);
	t->verdicts += verdict_right;
	t->causes += cause_right;
	t->healthy += well;
	t->false_alarms += alarm;
	t->matrix[name_index(&t->truths, row)][name_index(&t->told, text_of(d, "cause"))]++;
	if (!verdict_right || !cause_right || alarm)
		printf("%04d %s (%s, %s): %s %s, told %s %s: %s%s\n", number, row, text_of(truth, "shape"),
			text_of(truth, "cdn"), verdict, cause, text_of(d, "verdict"), text_of(d, "cause"),
			text_of(d, "reason"), alarm ? " - FALSE ALARM" : "");
	judge_cells(t, number, truth, out);
}

static json_t *load(const char *dir, int number, const char *what)
{
	char path[4096];
	json_error_t e;
	snprintf(path, sizeof(path), "%s/%04d.%s", dir, number, what);
	json_t *v = json_load_file(path, 0, &e);
	if (v == NULL)
		printf("%s: %s\n", path, e.text);
	return v;
}

static void print_matrix(const struct tally *t)
{
	char letter[NAMES_MAX];
	printf("\ntruth (rows) and what was told (columns)\n");
	for (int j = 0; j < t->told.n; j++) {
		letter[j] = (char)(j < 26 ? 'a' + j : 'A' + j - 26);
		printf("  %c = %s\n", letter[j], t->told.text[j]);
	}
	printf("%-24s", "");
	for (int j = 0; j < t->told.n; j++)
		printf("%4c", letter[j]);
	printf("\n");
	for (int i = 0; i < t->truths.n; i++) {
		printf("%-24s", t->truths.text[i]);
		for (int j = 0; j < t->told.n; j++)
			t->matrix[i][j] ? printf("%4d", t->matrix[i][j]) : printf("%4s", ".");
		printf("\n");
	}
}

static double percent(int part, int whole)
{
	return whole ? 100.0 * part / whole : 100.0;
}

int judge(const char *dir, int n)
{
	struct tally *t = calloc(1, sizeof(*t));
	if (t == NULL)
		abort();
	for (int i = 0; i < n; i++) {
		json_t *truth = load(dir, i, "truth"), *out = load(dir, i, "out");
		if (truth != NULL && out != NULL)
			judge_world(t, i, truth, out);
		else
			t->worlds++, t->broken++;
		json_decref(truth);
		json_decref(out);
	}
	print_matrix(t);
	double verdicts = percent(t->verdicts, t->worlds), causes = percent(t->causes, t->worlds);
	printf("\n%d worlds: right verdict %.1f %% (at least 99), right deploy cause %.1f %% (at least 97), "
	       "right cause of a cell %.1f %% of %d, false alarms %d in %d healthy worlds (none allowed)\n",
		t->worlds, verdicts, causes, percent(t->cells_right, t->cells), t->cells, t->false_alarms,
		t->healthy);
	bool good = n > 0 && t->broken == 0 && verdicts >= 99 && causes >= 97 && t->false_alarms == 0;
	free(t);
	return good ? 0 : 1;
}

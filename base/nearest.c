#include "base/nearest.h"

#define WORD_MAX 64

size_t edit_distance(struct str a, struct str b)
{
	/* Optimal string alignment: three rows of the table are enough, as a swap looks two rows back. */
	size_t rows[3][WORD_MAX + 1];
	if (a.n > WORD_MAX || b.n > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t d = above[j - 1] + (a.p[i - 1] != b.p[j - 1]);
			d = MIN(d, above[j] + 1);
			d = MIN(d, row[j - 1] + 1);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				d = MIN(d, above2[j - 2] + 1);
			row[j] = d;
		}
	}
	return rows[a.n % 3][b.n];
}

struct nearest nearest_to(struct str word)
{
	/* Up to a third of the letters may be wrong, and at least one, else every short word is near every
	 * other. */
	return (struct nearest){ .word = word, .distance = MAX(word.n / 3, (size_t)1) + 1 };
}

void nearest_try(struct nearest *n, const char *known)
{
	size_t d = edit_distance(n->word, str_of(known));
	if (d < n->distance && d < strlen(known)) {
		n->distance = d;
		n->best = known;
	}
}

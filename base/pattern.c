#include "base/pattern_impl.h"

#include <stdlib.h>

struct thread {
	int16_t at;
	size_t open, close; /* SIZE_MAX: not passed */
};

struct threads { /* in order of preference; each step once */
	struct thread list[PATTERN_STEPS_MAX];
	size_t n;
	uint32_t seen[PATTERN_STEPS_MAX]; /* round in which it was added */
};

static bool at_line_start(struct str text, size_t at)
{
	return at == 0 || text.p[at - 1] == '\n';
}

static bool at_line_end(struct str text, size_t at)
{
	return at == text.n || text.p[at] == '\n' ||
	       (text.p[at] == '\r' && at + 1 < text.n && text.p[at + 1] == '\n');
}

/* Adds t and all that it leads to without reading a byte, most preferred first. */
static void add(const struct pattern *p, struct threads *to, struct thread t, struct str text, size_t at,
	uint32_t round)
{
	struct thread stack[PATTERN_STEPS_MAX + 1];
	size_t n = 0;
	stack[n++] = t;
	while (n > 0) {
		struct thread now = stack[--n];
		const struct step *s = &p->steps[now.at];
		if (to->seen[now.at] == round)
			continue;
		to->seen[now.at] = round;
		switch (s->op) {
		case OP_JUMP:
			now.at = (int16_t)(now.at + s->x);
			stack[n++] = now;
			break;
		case OP_SPLIT:
			stack[n] = now;
			stack[n++].at = (int16_t)(now.at + s->y);
			stack[n] = now;
			stack[n++].at = (int16_t)(now.at + s->x);
			break;
		case OP_OPEN:
			now.open = at;
			now.close = SIZE_MAX;
			now.at++;
			stack[n++] = now;
			break;
		case OP_CLOSE:
			now.close = at;
			now.at++;
			stack[n++] = now;
			break;
		case OP_LINE_START:
		case OP_LINE_END:
			now.at++;
			if (s->op == OP_LINE_START ? at_line_start(text, at) : at_line_end(text, at))
				stack[n++] = now;
			break;
		default:
			to->list[to->n++] = now;
		}
	}
}

static bool reads(const struct pattern *p, const struct step *s, unsigned char byte)
{
	return s->op == OP_BYTE ? s->byte == byte : s->op == OP_SET && set_has(&p->sets[s->x], byte);
}

bool pattern_search(const struct pattern *p, struct str text, struct str *ret)
{
	struct threads lists[2], *now = &lists[0], *then = &lists[1];
	struct thread found = { -1, SIZE_MAX, SIZE_MAX };
	bool matched = false;
	uint32_t round = 0;
	INVARIANT(p->magic == PATTERN_MAGIC);
	if (text.p == NULL)
		text.p = ""; /* so that what is found has an address */
	now->n = then->n = 0;
	memset(now->seen, 0, sizeof(now->seen));
	memset(then->seen, 0, sizeof(then->seen));
	for (size_t at = 0; at <= text.n; at++) {
		if (now->n == 0) {
			if (matched)
				break;
			while (!p->any_first && at < text.n && !set_has(&p->first, (unsigned char)text.p[at]))
				at++;
		}
		if (now->n == 0)
			round++; /* its own round, if nobody was carried over */
		if (!matched)    /* a match that begins later is the least preferred */
			add(p, now, (struct thread){ 0, p->grouped ? SIZE_MAX : at, SIZE_MAX }, text, at,
				round);
		then->n = 0;
		round++;
		for (size_t i = 0; i < now->n; i++) {
			struct thread t = now->list[i];
			const struct step *s = &p->steps[t.at];
			if (s->op == OP_MATCH) {
				found = t;
				if (!p->grouped)
					found.close = at;
				matched = true;
				break; /* those behind are less preferred */
			}
			if (at < text.n && reads(p, s, (unsigned char)text.p[at])) {
				t.at++;
				add(p, then, t, text, at + 1, round);
			}
		}
		struct threads *swap = now;
		now = then;
		then = swap;
	}
	if (!matched || found.open == SIZE_MAX || found.close == SIZE_MAX)
		return false;
	*ret = (struct str){ text.p + found.open, found.close - found.open };
	return true;
}

static void first_find(struct pattern *p)
{
	struct threads all = { .n = 0 };
	static const char none[] = "";
	add(p, &all, (struct thread){ 0, 0, 0 }, (struct str){ none, 0 }, 0,
		1); /* an empty text: every anchor holds */
	for (size_t i = 0; i < all.n; i++) {
		const struct step *s = &p->steps[all.list[i].at];
		if (s->op == OP_BYTE)
			set_add(&p->first, s->byte);
		else if (s->op == OP_SET)
			set_merge(&p->first, &p->sets[s->x]);
		else
			p->any_first = true;
	}
}

int pattern_new(struct str expression, struct pattern **ret, struct err *err)
{
	struct pattern *p;
	int rc;
	if (expression.n == 0 || expression.n > PATTERN_BYTES_MAX)
		return err_set(err, ERR_TOO_BIG, "the expression has %zu bytes, 1 to %d are allowed",
			expression.n, PATTERN_BYTES_MAX);
	p = mem_new(sizeof(*p));
	p->magic = PATTERN_MAGIC;
	rc = pattern_compile(p, expression, err);
	if (rc < 0) {
		pattern_free(p);
		return rc;
	}
	first_find(p);
	*ret = p;
	return 0;
}

void pattern_free(struct pattern *p)
{
	if (p == NULL)
		return;
	INVARIANT(p->magic == PATTERN_MAGIC);
	free(p->sets);
	free(p);
}

bool pattern_has_group(const struct pattern *p)
{
	return p->grouped;
}

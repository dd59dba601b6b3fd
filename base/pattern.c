#include "base/pattern.h"

#include <stdlib.h>

#define PATTERN_MAGIC    0x9a77e201u
#define PATTERN_SETS_MAX 128
#define NESTING_MAX      64
#define REPEAT_MAX       1000

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

static void set_add(struct set *s, unsigned char c)
{
	s->bits[c >> 6] |= UINT64_C(1) << (c & 63);
}

static bool set_has(const struct set *s, unsigned char c)
{
	return s->bits[c >> 6] >> (c & 63) & 1;
}

static void set_invert(struct set *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] = ~s->bits[i];
}

static void set_merge(struct set *s, const struct set *with)
{
	for (size_t i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] |= with->bits[i];
}

static void set_range(struct set *s, unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to; c++)
		set_add(s, (unsigned char)c);
}

/* --- compiling --- */

struct compiler {
	struct pattern *p;
	struct str text;
	size_t at;
	int depth;
	struct err *err;
};

static int compile_choice(struct compiler *c);

static int wrong(const struct compiler *c, int code, const char *what)
{
	return err_set(c->err, code, "the expression at byte %zu: %s", c->at + 1, what);
}

static bool more(const struct compiler *c)
{
	return c->at < c->text.n;
}

static char next(const struct compiler *c)
{
	return c->text.p[c->at];
}

static bool take(struct compiler *c, char want)
{
	if (!more(c) || next(c) != want)
		return false;
	c->at++;
	return true;
}

/* Room for n steps at `at`; what is there moves up. */
static int insert(struct compiler *c, size_t at, size_t n)
{
	struct pattern *p = c->p;
	if (p->n_steps + n > PATTERN_STEPS_MAX)
		return wrong(c, ERR_TOO_BIG, "it grows too big: fewer or smaller repeats would help");
	memmove(p->steps + at + n, p->steps + at, (p->n_steps - at) * sizeof(p->steps[0]));
	p->n_steps += n;
	return 0;
}

static int append(struct compiler *c, struct step s)
{
	int rc = insert(c, c->p->n_steps, 1);
	if (rc == 0)
		c->p->steps[c->p->n_steps - 1] = s;
	return rc;
}

static int append_set(struct compiler *c, const struct set *s)
{
	struct pattern *p = c->p;
	if (p->n_sets == PATTERN_SETS_MAX)
		return wrong(c, ERR_TOO_BIG, "too many sets");
	p->sets = mem_grow(p->sets, &p->sets_size, p->n_sets + 1, sizeof(*p->sets));
	p->sets[p->n_sets] = *s;
	return append(c, (struct step){ .op = OP_SET, .x = (int16_t)p->n_sets++ });
}

/* \d and its like. */
static bool class_of(char letter, struct set *ret)
{
	*ret = (struct set){ { 0 } };
	switch (letter | 32) {
	case 'd':
		set_range(ret, '0', '9');
		break;
	case 'w':
		set_range(ret, '0', '9');
		set_range(ret, 'a', 'z');
		set_range(ret, 'A', 'Z');
		set_add(ret, '_');
		break;
	case 's':
		set_range(ret, '\t', '\r');
		set_add(ret, ' ');
		break;
	default:
		return false;
	}
	if (letter < 'a')
		set_invert(ret);
	return true;
}

/* Behind a backslash, which is not a class: the byte meant. */
static int escape(struct compiler *c, unsigned char *ret)
{
	char e = next(c);
	if (e == 'n' || e == 't' || e == 'r') {
		*ret = e == 'n' ? '\n' : e == 't' ? '\t' : '\r';
	} else if ((e >= '0' && e <= '9') || ((e | 32) >= 'a' && (e | 32) <= 'z')) {
		return wrong(c, ERR_UNSUPPORTED,
			"this escape is not known here (back references are not, nor is \\b)");
	} else {
		*ret = (unsigned char)e;
	}
	c->at++;
	return 0;
}

/* At "[:alpha:]" inside brackets, behind its "[:". */
static int named_class(struct compiler *c, struct set *s)
{
	static const struct {
		const char *name, *ranges; /* pairs */
	} classes[] = {
		{ "alpha", "azAZ" },
		{ "digit", "09" },
		{ "alnum", "azAZ09" },
		{ "upper", "AZ" },
		{ "lower", "az" },
		{ "xdigit", "09afAF" },
		{ "space", "\t\r  " },
		{ "blank", "\t\t  " },
		{ "punct", "!/:@[`{~" },
		{ "print", " ~" },
		{ "graph", "!~" },
		{ "cntrl", "\x01\x1f\x7f\x7f" },
	};
	struct str rest = str_from(c->text, c->at);
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		size_t n = strlen(classes[i].name);
		if (!str_starts(rest, classes[i].name) || rest.n < n + 2 || rest.p[n] != ':' ||
			rest.p[n + 1] != ']')
			continue;
		for (const char *r = classes[i].ranges; *r; r += 2)
			set_range(s, (unsigned char)r[0], (unsigned char)r[1]);
		c->at += n + 2;
		return 0;
	}
	return wrong(c, ERR_SYNTAX, "no such class of characters");
}

/* One member of a set: a byte into *ret (single), or a class straight into s. */
static int set_member(struct compiler *c, struct set *s, unsigned char *ret, bool *ret_single)
{
	struct set class;
	*ret_single = true;
	if (take(c, '[')) {
		if (take(c, ':')) {
			*ret_single = false;
			return named_class(c, s);
		}
		*ret = '[';
		return 0;
	}
	if (take(c, '\\')) {
		if (!more(c))
			return wrong(c, ERR_SYNTAX, "a backslash at the end");
		if (class_of(next(c), &class)) {
			set_merge(s, &class);
			*ret_single = false;
			c->at++;
			return 0;
		}
		return escape(c, ret);
	}
	*ret = (unsigned char)next(c);
	c->at++;
	return 0;
}

static int compile_set(struct compiler *c)
{
	struct set s = { { 0 } };
	bool inverted = take(c, '^'), first = true;
	for (;; first = false) {
		unsigned char from = 0, to;
		bool single, end_single;
		int rc;
		if (!more(c))
			return wrong(c, ERR_SYNTAX, "a '[' without its ']'");
		if (!first && take(c, ']'))
			break;
		if ((rc = set_member(c, &s, &from, &single)) < 0)
			return rc;
		to = from;
		if (single && c->at + 1 < c->text.n && next(c) == '-' && c->text.p[c->at + 1] != ']') {
			c->at++;
			if ((rc = set_member(c, &s, &to, &end_single)) < 0)
				return rc;
			if (!end_single || to < from)
				return wrong(c, ERR_SYNTAX, "a range that runs backwards");
		}
		if (single)
			set_range(&s, from, to);
	}
	if (inverted) {
		set_add(&s, '\n'); /* as '.': a line's end is asked for, never met by chance */
		set_invert(&s);
	}
	return append_set(c, &s);
}

static int compile_group(struct compiler *c)
{
	bool capture = !c->p->grouped;
	int rc = 0;
	if (take(c, '?')) {
		if (!take(c, ':'))
			return wrong(
				c, ERR_UNSUPPORTED, "of the groups that begin with (? only (?:...) is known");
		capture = false;
	}
	if (++c->depth > NESTING_MAX)
		return wrong(c, ERR_TOO_BIG, "groups in groups in groups");
	if (capture) {
		c->p->grouped = true;
		rc = append(c, (struct step){ .op = OP_OPEN });
	}
	if (rc == 0)
		rc = compile_choice(c);
	if (rc == 0 && !take(c, ')'))
		rc = wrong(c, ERR_SYNTAX, "a '(' without its ')'");
	if (rc == 0 && capture)
		rc = append(c, (struct step){ .op = OP_CLOSE });
	c->depth--;
	return rc;
}

static int compile_atom(struct compiler *c)
{
	struct set s = { { 0 } };
	unsigned char byte = 0;
	int rc;
	char a = next(c);
	c->at++;
	switch (a) {
	case '(':
		return compile_group(c);
	case '[':
		return compile_set(c);
	case '.':
		set_add(&s, '\n');
		set_invert(&s);
		return append_set(c, &s);
	case '^':
		return append(c, (struct step){ .op = OP_LINE_START });
	case '$':
		return append(c, (struct step){ .op = OP_LINE_END });
	case '*':
	case '+':
	case '?':
	case '{':
		c->at--;
		return wrong(c, ERR_SYNTAX,
			"nothing to repeat in front of it (an ordinary one is written with a \\)");
	case '\\':
		if (!more(c))
			return wrong(c, ERR_SYNTAX, "a backslash at the end");
		if (class_of(next(c), &s)) {
			c->at++;
			return append_set(c, &s);
		}
		if ((rc = escape(c, &byte)) < 0)
			return rc;
		return append(c, (struct step){ .op = OP_BYTE, .byte = byte });
	default:
		return append(c, (struct step){ .op = OP_BYTE, .byte = (unsigned char)a });
	}
}

static int number(struct compiler *c, int *ret)
{
	int n = 0;
	if (!more(c) || next(c) < '0' || next(c) > '9')
		return wrong(c, ERR_SYNTAX,
			"expected a number: {n}, {n,} or {n,m} (an ordinary '{' is written \\{)");
	for (; more(c) && next(c) >= '0' && next(c) <= '9'; c->at++) {
		n = n * 10 + (next(c) - '0');
		if (n > REPEAT_MAX)
			return wrong(c, ERR_TOO_BIG, "a repeat over 1000");
	}
	*ret = n;
	return 0;
}

/* The piece from `from` to the end becomes optional: SPLIT over it. */
static int make_optional(struct compiler *c, size_t from, bool lazy)
{
	int16_t over = (int16_t)(c->p->n_steps - from + 1);
	int rc = insert(c, from, 1);
	if (rc == 0)
		c->p->steps[from] = lazy ? (struct step){ .op = OP_SPLIT, .x = over, .y = 1 }
					 : (struct step){ .op = OP_SPLIT, .x = 1, .y = over };
	return rc;
}

static int make_star(struct compiler *c, size_t from, bool lazy)
{
	int16_t n = (int16_t)(c->p->n_steps - from);
	int rc = append(c, (struct step){ .op = OP_JUMP, .x = (int16_t)(-n - 1) });
	return rc < 0 ? rc : make_optional(c, from, lazy);
}

/* least copies, then up to most (-1: any number) more or less. The piece is there once already. */
static int repeat(struct compiler *c, size_t from, int least, int most, bool lazy)
{
	struct step piece[PATTERN_STEPS_MAX];
	size_t n = c->p->n_steps - from;
	int rc = 0;
	memcpy(piece, c->p->steps + from, n * sizeof(piece[0]));
	c->p->n_steps = from;
	for (int i = 0; rc == 0 && (i < least || i < most || (most < 0 && i == least)); i++) {
		size_t at = c->p->n_steps;
		rc = insert(c, at, n);
		if (rc == 0)
			memcpy(c->p->steps + at, piece, n * sizeof(piece[0]));
		if (rc == 0 && i >= least)
			rc = most < 0 ? make_star(c, at, lazy) : make_optional(c, at, lazy);
	}
	return rc;
}

static int compile_repeats(struct compiler *c, size_t from)
{
	while (more(c)) {
		int least = 0, most = -1, rc = 0;
		if (take(c, '*')) {
			least = 0;
		} else if (take(c, '+')) {
			least = 1;
		} else if (take(c, '?')) {
			most = 1;
		} else if (take(c, '{')) {
			rc = number(c, &least);
			most = least;
			if (rc == 0 && take(c, ','))
				rc = more(c) && next(c) == '}' ? (most = -1, 0) : number(c, &most);
			if (rc == 0 && !take(c, '}'))
				rc = wrong(c, ERR_SYNTAX, "a '{' without its '}'");
			if (rc == 0 && most >= 0 && most < least)
				rc = wrong(c, ERR_SYNTAX, "a repeat that runs backwards");
		} else {
			return 0;
		}
		if (rc == 0)
			rc = repeat(c, from, least, most, take(c, '?'));
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int compile_choice(struct compiler *c)
{
	size_t from = c->p->n_steps;
	int rc;
	while (more(c) && next(c) != '|' && next(c) != ')') {
		size_t atom = c->p->n_steps;
		if ((rc = compile_atom(c)) < 0 || (rc = compile_repeats(c, atom)) < 0)
			return rc;
	}
	if (!take(c, '|'))
		return 0;
	if (++c->depth > NESTING_MAX)
		return wrong(c, ERR_TOO_BIG, "too many alternatives");
	if ((rc = append(c, (struct step){ .op = OP_JUMP })) < 0 || (rc = make_optional(c, from, false)) < 0)
		return rc;
	size_t jump = c->p->n_steps - 1;
	if ((rc = compile_choice(c)) < 0)
		return rc;
	c->p->steps[jump].x = (int16_t)(c->p->n_steps - jump);
	c->depth--;
	return 0;
}

/* --- running --- */

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

/* --- both --- */

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
	struct compiler c = { .text = expression, .err = err };
	int rc;
	if (expression.n == 0 || expression.n > PATTERN_BYTES_MAX)
		return err_set(err, ERR_TOO_BIG, "the expression has %zu bytes, 1 to %d are allowed",
			expression.n, PATTERN_BYTES_MAX);
	c.p = p = mem_new(sizeof(*p));
	p->magic = PATTERN_MAGIC;
	rc = compile_choice(&c);
	if (rc == 0 && c.at < c.text.n)
		rc = wrong(&c, ERR_SYNTAX, "a ')' without its '('");
	if (rc == 0)
		rc = append(&c, (struct step){ .op = OP_MATCH });
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

/* pattern_compile.c - an expression to the steps that pattern.c runs. */
#include "base/pattern_impl.h"

#define NESTING_MAX 64
#define REPEAT_MAX  1000

static void set_invert(struct set *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] = ~s->bits[i];
}

static void set_range(struct set *s, unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to; c++)
		set_add(s, (unsigned char)c);
}

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

int pattern_compile(struct pattern *p, struct str expression, struct err *err)
{
	struct compiler c = { .p = p, .text = expression, .err = err };
	int rc = compile_choice(&c);
	if (rc == 0 && c.at < c.text.n)
		rc = wrong(&c, ERR_SYNTAX, "a ')' without its '('");
	if (rc == 0)
		rc = append(&c, (struct step){ .op = OP_MATCH });
	return rc;
}

#include "base/cdn/read.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* The hottest loop here: most names differ in length or in their first letter. */
static bool same_name(struct str a, struct str b)
{
	if (a.n != b.n || a.n == 0 || lower(a.p[0]) != lower(b.p[0]))
		return false;
	for (size_t i = 1; i < a.n; i++)
		if (a.p[i] != b.p[i] && lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

struct str token_of(struct str s)
{
	size_t i = 0;
	while (i < s.n && is_token_char(s.p[i]))
		i++;
	return str_first(s, i);
}

/* "HTTP/1.1 200 OK", "HTTP/2 204" */
static int status_of(struct str line, int *ret_status, struct err *err)
{
	struct str version, code;
	int64_t status = 0;
	if (!str_cut(&line, ' ', &version) || !str_cut(&line, ' ', &code) || code.n != 3 ||
		str_to_i64(code, &status, NULL) < 0 || status < 100)
		return err_set(err, ERR_SYNTAX, "the status line has no code of three digits");
	*ret_status = (int)status;
	return 0;
}

static bool header_of(struct str line, struct header *ret)
{
	ptrdiff_t colon = str_find(line, ':');
	if (colon <= 0)
		return false;
	struct str name = str_trim(str_first(line, (size_t)colon));
	if (name.n == 0 || token_of(name).n != name.n || name.p != line.p)
		return false;
	/* An empty value still points into the block, so that a folded line can extend it. */
	ret->name = name;
	ret->value = str_trim((struct str){ line.p + colon + 1, line.n - (size_t)colon - 1 });
	return true;
}

int headers_parse(struct str block, struct header *room, size_t cap, struct headers *ret, int *ret_status,
	struct err *err)
{
	struct headers h = { room, 0, TIME_NONE };
	struct str rest = block, line;
	bool begun = false, folds = false; /* folds: the last line was a header, so a folded one can belong to it */
	int status = 0, rc;

	for (size_t number = 1; str_cut(&rest, '\n', &line); number++) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0 && !begun)
			continue;
		if (line.n == 0)
			break;
		if (str_find(line, '\0') >= 0)
			return err_set(err, ERR_SYNTAX, "line %zu holds a NUL byte", number);
		if (!begun && str_starts_nocase(line, "HTTP/")) {
			if ((rc = status_of(line, &status, err)) < 0)
				return rc;
			begun = true;
			continue;
		}
		begun = true;
		if (line.p[0] == ' ' || line.p[0] == '\t') {
			if (folds) {
				struct str *value = &room[h.n - 1].value;
				*value = str_trim((struct str){ value->p, (size_t)(line.p + line.n - value->p) });
			}
			continue;
		}
		struct header one;
		folds = header_of(line, &one);
		if (!folds)
			continue;
		if (h.n == cap)
			return err_set(err, ERR_TOO_BIG, "line %zu: more than %zu headers", number, cap);
		room[h.n++] = one;
	}
	if (status == 0 && h.n == 0)
		return err_set(err, ERR_SYNTAX, "neither a status line nor a header");
	*ret = h;
	*ret_status = status;
	return 0;
}

bool headers_get(const struct headers *h, const char *name, struct str *ret_value)
{
	struct str want = str_of(name);
	for (size_t i = 0; i < h->n; i++)
		if (same_name(h->h[i].name, want)) {
			*ret_value = h->h[i].value;
			return true;
		}
	return false;
}

bool headers_get_last(const struct headers *h, const char *name, struct str *ret_value)
{
	struct str want = str_of(name);
	for (size_t i = h->n; i > 0; i--)
		if (same_name(h->h[i - 1].name, want)) {
			*ret_value = h->h[i - 1].value;
			return true;
		}
	return false;
}

/* Index behind the bracket or quote that opens at s.p[at]; s.n when it is never closed. */
static size_t skip_enclosed(struct str s, size_t at, char close)
{
	for (at++; at < s.n && s.p[at] != close; at++)
		if (close != ']' && s.p[at] == '\\' && at + 1 < s.n)
			at++;
	return at < s.n ? at + 1 : s.n;
}

size_t part_end(struct str s, char separator, enum enclosing enclosing)
{
	size_t at = 0;
	while (at < s.n && s.p[at] != separator) {
		if (s.p[at] == '"')
			at = skip_enclosed(s, at, '"');
		else if (s.p[at] == '(' && enclosing == ENCLOSING_ALL)
			at = skip_enclosed(s, at, ')');
		else if (s.p[at] == '[' && enclosing == ENCLOSING_ALL)
			at = skip_enclosed(s, at, ']');
		else
			at++;
	}
	return at;
}

bool part_cut(struct str *s, char separator, enum enclosing enclosing, struct str *ret_part)
{
	while (s->n > 0) {
		size_t end = part_end(*s, separator, enclosing);
		struct str part = str_trim(str_first(*s, end));
		*s = str_from(*s, end + 1);
		if (part.n > 0) {
			*ret_part = part;
			return true;
		}
	}
	return false;
}

bool headers_next_member(const struct headers *h, const char *name, size_t *at, struct str *ret_member)
{
	struct str want = str_of(name);
	size_t line_starts = 0; /* *at counts the bytes of all lines of that name, one more for each line's end */
	for (size_t i = 0; i < h->n; i++) {
		struct str value = h->h[i].value;
		if (!same_name(h->h[i].name, want))
			continue;
		if (*at <= line_starts + value.n) {
			struct str rest = str_from(value, *at - line_starts);
			bool found = part_cut(&rest, ',', ENCLOSING_QUOTES, ret_member);
			*at = line_starts + (rest.n > 0 ? value.n - rest.n : value.n + 1);
			if (found)
				return true;
		}
		line_starts += value.n + 1;
	}
	return false;
}

void list_read(const struct headers *h, const char *name, enum enclosing enclosing, struct list *ret)
{
	struct str want = str_of(name), member;
	size_t seen = 0;
	for (size_t i = 0; i < h->n; i++) {
		if (!same_name(h->h[i].name, want))
			continue;
		struct str rest = h->h[i].value;
		while (part_cut(&rest, ',', enclosing, &member))
			ret->at[seen++ % LIST_MAX] = member;
	}
	ret->n = MIN(seen, LIST_MAX);
	ret->last = seen ? (seen - 1) % LIST_MAX : 0;
}

struct str list_nearest(const struct list *l, size_t i)
{
	return i < l->n ? l->at[(l->last + LIST_MAX - i) % LIST_MAX] : STR_NONE;
}

bool mark_matches(const struct mark *m, const struct header *h)
{
	struct str name = str_of(m->name);
	if (name.p[name.n - 1] == '-') {
		if (h->name.n <= name.n || !same_name(str_first(h->name, name.n), name))
			return false;
	} else if (!same_name(h->name, name)) {
		return false;
	}
	return m->has == NULL || str_contains_nocase(h->value, m->has);
}

bool headers_match(const struct headers *h, const struct mark *marks)
{
	for (; marks->name; marks++)
		for (size_t i = 0; i < h->n; i++)
			if (mark_matches(marks, &h->h[i]))
				return true;
	return false;
}

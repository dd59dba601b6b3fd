#include "base/cdn/read.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* The hottest question here: most names differ in their length or near their end. */
static inline bool same_name(struct str a, struct str b)
{
	if (a.n != b.n || a.n == 0 || (a.p[a.n - 1] | 32) != (b.p[b.n - 1] | 32))
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (a.p[i] != b.p[i] && lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

/* RFC 9110, 5.6.2: letters, digits and !#$%&'*+-.^_`|~, a bit for each character. */
static inline bool is_token_char(char c)
{
	static const uint64_t set[2] = { UINT64_C(0x03ff6cfa00000000), UINT64_C(0x57ffffffc7fffffe) };
	unsigned char u = (unsigned char)c;
	return u < 128 && (set[u / 64] >> u % 64 & 1) != 0;
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

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A name that is no token is found by nobody, so it is not looked at letter by letter. */
static bool header_of(struct str line, struct header *ret)
{
	const char *colon = memchr(line.p, ':', line.n), *name_end = colon, *value, *end = line.p + line.n;
	while (colon != NULL && name_end > line.p && is_blank(name_end[-1]))
		name_end--;
	if (colon == NULL || name_end == line.p || memchr(line.p, ' ', (size_t)(name_end - line.p)) != NULL)
		return false;
	for (value = colon + 1; value < end && is_blank(*value);)
		value++;
	while (end > value && is_blank(end[-1]))
		end--;
	/* An empty value still points into the block, so that a folded line can extend it. */
	ret->name = (struct str){ line.p, (size_t)(name_end - line.p) };
	ret->value = (struct str){ value, (size_t)(end - value) };
	return true;
}

int headers_parse(struct str block, struct header *room, size_t cap, struct headers *ret, int *ret_status,
	struct err *err)
{
	struct headers h = { .h = room, .received_at_us = TIME_NONE };
	struct str line;
	const char *at = block.p, *end = block.n > 0 ? block.p + block.n : at;
	bool begun = false,
	     folds = false; /* folds: the last line was a header, so a folded one can belong to it */
	bool has_nul = str_find(block, '\0') >= 0;
	int status = 0, rc;

	for (size_t number = 1; at < end; number++) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		line = (struct str){ at, (size_t)((feed ? feed : end) - at) };
		at = feed ? feed + 1 : end;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0 && !begun)
			continue;
		if (line.n == 0)
			break;
		if (has_nul && str_find(line, '\0') >= 0)
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
				*value = str_trim(
					(struct str){ value->p, (size_t)(line.p + line.n - value->p) });
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
	headers_index(&h);
	*ret = h;
	*ret_status = status;
	return 0;
}

struct lines {
	size_t from, to;
};

static inline void span_add(uint64_t *bits, struct span *spans, unsigned slot, size_t at)
{
	if ((*bits >> slot & 1) == 0)
		spans[slot].first = (uint8_t)at;
	spans[slot].last = (uint8_t)at;
	*bits |= UINT64_C(1) << slot;
}

void headers_index(struct headers *h)
{
	h->names = h->starts = 0;
	if (h->n > UINT8_MAX + 1)
		return; /* more than a span can count: nothing real, so it may be slow */
	for (size_t i = 0; i < h->n; i++) {
		span_add(&h->names, h->of_name, header_name_slot(h->h[i].name), i);
		span_add(&h->starts, h->of_start, header_start_slot(h->h[i].name), i);
	}
}

/* The lines among which that name, or that beginning of names, can be: [from, to). */
static inline struct lines lines_of_name(const struct headers *h, struct str name)
{
	unsigned slot = header_name_slot(name);
	if (h->names == 0)
		return (struct lines){ 0, h->n };
	if ((h->names >> slot & 1) == 0)
		return (struct lines){ 0, 0 };
	return (struct lines){ h->of_name[slot].first, h->of_name[slot].last + (size_t)1 };
}

static inline struct lines lines_of_start(const struct headers *h, struct str start)
{
	unsigned slot = header_start_slot(start);
	if (h->names == 0)
		return (struct lines){ 0, h->n };
	if ((h->starts >> slot & 1) == 0)
		return (struct lines){ 0, 0 };
	return (struct lines){ h->of_start[slot].first, h->of_start[slot].last + (size_t)1 };
}

bool headers_find(const struct headers *h, struct str name, bool last, struct str *ret_value)
{
	struct lines lines = lines_of_name(h, name);
	for (size_t i = lines.from; i < lines.to; i++) {
		const struct header *one = &h->h[last ? lines.to - 1 - (i - lines.from) : i];
		if (same_name(one->name, name)) {
			*ret_value = one->value;
			return true;
		}
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
	static const unsigned char halts[256] = {
		[','] = 1, [';'] = 1, [' '] = 1, ['"'] = 1, ['('] = 1, ['['] = 1
	};
	size_t at = 0;
	while (at < s.n) {
		if (!halts[(unsigned char)s.p[at]])
			at++;
		else if (s.p[at] == separator)
			break;
		else if (s.p[at] == '"')
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

bool headers_next_line(const struct headers *h, struct str name, size_t *at, struct str *ret_value)
{
	if (!headers_may_have(h, name))
		return false;
	struct lines lines = lines_of_name(h, name);
	for (*at = MAX(*at, lines.from); *at < lines.to; ++*at)
		if (same_name(h->h[*at].name, name)) {
			*ret_value = h->h[(*at)++].value;
			return true;
		}
	return false;
}

bool headers_walk(const struct headers *h, struct str name, size_t *at, struct str *ret_member)
{
	size_t line_starts =
		0; /* *at counts the bytes of all lines of that name, one more for each line's end */
	struct lines lines = lines_of_name(h, name);
	for (size_t i = lines.from; i < lines.to; i++) {
		struct str value = h->h[i].value;
		if (!same_name(h->h[i].name, name))
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

void list_fill(const struct headers *h, struct str name, enum enclosing enclosing, struct list *ret)
{
	struct str rest, member;
	size_t seen = 0;
	for (size_t at = 0; headers_next_line(h, name, &at, &rest);) {
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

bool text_has(struct str s, const char *what)
{
	size_t n = strlen(what);
	char first = lower(what[0]);
	for (size_t i = 0; i + n <= s.n; i++)
		if (lower(s.p[i]) == first &&
			str_eq_nocase((struct str){ s.p + i, n }, (struct str){ what, n }))
			return true;
	return false;
}

static inline bool mark_names(const struct mark *m, struct str name)
{
	struct str want = { m->name, m->name_n };
	if (m->name[m->name_n - 1] != '-')
		return same_name(name, want);
	return name.n > want.n && same_name((struct str){ name.p, want.n }, want);
}

static bool mark_has(const struct mark *m, struct str value)
{
	if (m->has == NULL)
		return true;
	return m->has[0] == '^' ? str_starts_nocase(value, m->has + 1) : text_has(value, m->has);
}

bool mark_matches(const struct mark *m, const struct header *h)
{
	return mark_names(m, h->name) && mark_has(m, h->value);
}

static bool mark_may_match(const struct headers *h, const struct mark *m)
{
	struct str name = { m->name, m->name_n };
	if (m->name[m->name_n - 1] == '-')
		return h->names == 0 || (h->starts >> header_start_slot(name) & 1) != 0;
	return headers_may_have(h, name);
}

bool headers_may_match(const struct headers *h, const struct mark *marks)
{
	for (; marks->name; marks++)
		if (mark_may_match(h, marks))
			return true;
	return false;
}

bool headers_match(const struct headers *h, const struct mark *marks)
{
	for (; marks->name; marks++) {
		if (!mark_may_match(h, marks))
			continue;
		struct str name = { marks->name, marks->name_n };
		bool is_start = marks->name[marks->name_n - 1] == '-';
		struct lines lines = is_start ? lines_of_start(h, name) : lines_of_name(h, name);
		for (size_t i = lines.from; i < lines.to; i++)
			if (mark_names(marks, h->h[i].name) && mark_has(marks, h->h[i].value))
				return true;
	}
	return false;
}

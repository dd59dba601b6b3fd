#include "agent/json_find.h"

struct scan {
	struct str doc;
	size_t at;
	struct json_value found;
	struct err *err;
};

int json_pointer_check(struct str pointer, struct err *err)
{
	if (pointer.n > 0 && pointer.p[0] != '/')
		return err_set(err, ERR_SYNTAX,
			"'%.*s' is no JSON pointer: it starts with '/', like /version", STR_ARG(pointer));
	for (size_t i = 0; i < pointer.n; i++)
		if (pointer.p[i] == '~' &&
			(i + 1 == pointer.n || (pointer.p[i + 1] != '0' && pointer.p[i + 1] != '1')))
			return err_set(err, ERR_SYNTAX,
				"'%.*s': a '~' in a JSON pointer is written ~0, a '/' in a name ~1",
				STR_ARG(pointer));
	return 0;
}

static int scan_value(struct scan *s, struct str pointer, bool on_path, int depth);

static int bad(struct scan *s, const char *expected)
{
	if (s->at >= s->doc.n)
		return err_set(s->err, ERR_SYNTAX, "the JSON ends at byte %zu, expected %s", s->at, expected);
	return err_set(s->err, ERR_SYNTAX, "no JSON at byte %zu: expected %s", s->at, expected);
}

static int peek(struct scan *s)
{
	while (s->at < s->doc.n) {
		char c = s->doc.p[s->at];
		if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
			return (unsigned char)c;
		s->at++;
	}
	return -1;
}

static int hex4(struct str s, size_t at, uint32_t *ret)
{
	uint32_t u = 0;
	if (at + 4 > s.n)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		char c = s.p[i];
		if (c >= '0' && c <= '9')
			u = u << 4 | (uint32_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			u = u << 4 | (uint32_t)((c | 32) - 'a' + 10);
		else
			return -1;
	}
	*ret = u;
	return 0;
}

/* What ends a run of plain characters in a string: its quote, an escape, and what may not stand there. */
static const bool not_plain[256] = { [0 ... 0x1F] = true, ['"'] = true, ['\\'] = true };

/* At the opening quote. */
static int scan_string(struct scan *s, struct str *ret_raw)
{
	const unsigned char *p = (const unsigned char *)s->doc.p;
	size_t at = s->at + 1, from = at, n = s->doc.n;
	uint32_t u;
	for (;;) {
		while (at < n && !not_plain[p[at]])
			at++;
		s->at = at;
		if (at >= n)
			return bad(s, "the end of a string");
		if (p[at] == '"') {
			*ret_raw = (struct str){ s->doc.p + from, at - from };
			s->at++;
			return 0;
		}
		if (p[at] != '\\')
			return bad(s, "no control character in a string");
		s->at = ++at;
		if (at >= n)
			return bad(s, "the end of a string");
		if (p[at] == 'u' && hex4(s->doc, at + 1, &u) < 0)
			return bad(s, "four hex digits");
		if (p[at] != 'u' && memchr("\"\\/bfnrt", p[at], 8) == NULL)
			return bad(s, "an escape of JSON");
		at += p[at] == 'u' ? 5 : 1;
	}
}

static bool digits(struct scan *s)
{
	size_t from = s->at;
	while (s->at < s->doc.n && s->doc.p[s->at] >= '0' && s->doc.p[s->at] <= '9')
		s->at++;
	return s->at > from;
}

static bool accept(struct scan *s, char c)
{
	if (s->at < s->doc.n && s->doc.p[s->at] == c) {
		s->at++;
		return true;
	}
	return false;
}

static int scan_number(struct scan *s)
{
	(void)accept(s, '-');
	if (!accept(s, '0') && !digits(s))
		return bad(s, "a digit");
	if (accept(s, '.') && !digits(s))
		return bad(s, "a digit behind the point");
	if (accept(s, 'e') || accept(s, 'E')) {
		if (!accept(s, '+'))
			(void)accept(s, '-');
		if (!digits(s))
			return bad(s, "a digit of the exponent");
	}
	return 0;
}

/* The pointer's first token equals a member's name, both with their own escapes. */
static bool token_is(struct str token, struct str raw)
{
	size_t t = 0, r = 0;
	char piece[16];
	while (r < raw.n) {
		size_t step = 1, n = 1;
		const char *p = raw.p + r;
		if (*p == '\\') {
			bool pair = raw.p[r + 1] == 'u' && r + 12 <= raw.n && raw.p[r + 6] == '\\' &&
				    raw.p[r + 7] == 'u' &&
				    (raw.p[r + 2] | 32) ==
					    'd'; /* maybe a surrogate pair: let json_unescape decide */
			step = raw.p[r + 1] != 'u' ? 2 : pair ? 12 : 6;
			n = json_unescape((struct str){ p, step }, piece, sizeof(piece));
			p = piece;
		}
		for (size_t i = 0; i < n; i++, t++) {
			char want;
			if (t >= token.n)
				return false;
			want = token.p[t];
			if (want == '~') /* json_pointer_check() saw that something follows */
				want = token.p[++t] == '1' ? '/' : '~';
			if (want != p[i])
				return false;
		}
		r += step;
	}
	return t == token.n;
}

/* "/a/b" to "a" and "/b". */
static void pointer_split(struct str pointer, struct str *ret_token, struct str *ret_rest)
{
	struct str s = str_from(pointer, 1);
	ptrdiff_t slash = str_find(s, '/');
	*ret_token = slash < 0 ? s : str_first(s, (size_t)slash);
	*ret_rest = slash < 0 ? STR_NONE : str_from(s, (size_t)slash);
}

static int scan_object(struct scan *s, struct str pointer, bool on_path, int depth)
{
	struct str token = STR_NONE, rest = STR_NONE, name;
	int rc;
	if (on_path)
		pointer_split(pointer, &token, &rest);
	s->at++;
	if (peek(s) == '}') {
		s->at++;
		return 0;
	}
	for (;;) {
		if (peek(s) != '"')
			return bad(s, "a name in quotes");
		if ((rc = scan_string(s, &name)) < 0)
			return rc;
		if (peek(s) != ':')
			return bad(s, "':'");
		s->at++;
		bool match = on_path && token_is(token, name);
		if (match)
			s->found = (struct json_value){ 0 }; /* a repeated name: the last one counts */
		if ((rc = scan_value(s, rest, match, depth + 1)) < 0)
			return rc;
		int c = peek(s);
		if (c != ',' && c != '}')
			return bad(s, "',' or '}'");
		s->at++;
		if (c == '}')
			return 0;
	}
}

static int scan_array(struct scan *s, struct str pointer, bool on_path, int depth)
{
	struct str token = STR_NONE, rest = STR_NONE;
	int64_t want = -1;
	int rc;
	if (on_path) {
		pointer_split(pointer, &token, &rest);
		bool plain = token.n > 0 && token.p[0] != '-' && (token.n == 1 || token.p[0] != '0');
		if (!plain || str_to_i64(token, &want, NULL) < 0)
			want = -1;
	}
	s->at++;
	if (peek(s) == ']') {
		s->at++;
		return 0;
	}
	for (int64_t i = 0;; i++) {
		if ((rc = scan_value(s, rest, i == want, depth + 1)) < 0)
			return rc;
		int c = peek(s);
		if (c != ',' && c != ']')
			return bad(s, "',' or ']'");
		s->at++;
		if (c == ']')
			return 0;
	}
}

static int scan_word(struct scan *s, const char *word)
{
	struct str rest = str_from(s->doc, s->at);
	if (!str_starts(rest, word))
		return bad(s, "true, false or null");
	s->at += strlen(word);
	return 0;
}

static int scan_value(struct scan *s, struct str pointer, bool on_path, int depth)
{
	bool here = on_path && pointer.n == 0;
	enum json_kind kind;
	struct str raw = STR_NONE;
	int c = peek(s), rc;
	size_t from = s->at;
	if (depth > JSON_FIND_DEPTH_MAX)
		return err_set(s->err, ERR_TOO_BIG, "the JSON is nested deeper than %d", JSON_FIND_DEPTH_MAX);
	switch (c) {
	case '{':
		kind = JSON_KIND_OBJECT;
		rc = scan_object(s, pointer, on_path && !here, depth);
		break;
	case '[':
		kind = JSON_KIND_ARRAY;
		rc = scan_array(s, pointer, on_path && !here, depth);
		break;
	case '"':
		kind = JSON_KIND_STRING;
		rc = scan_string(s, &raw);
		break;
	case 't':
		kind = JSON_KIND_BOOL;
		rc = scan_word(s, "true");
		break;
	case 'f':
		kind = JSON_KIND_BOOL;
		rc = scan_word(s, "false");
		break;
	case 'n':
		kind = JSON_KIND_NULL;
		rc = scan_word(s, "null");
		break;
	default:
		kind = JSON_KIND_NUMBER;
		if (c != '-' && (c < '0' || c > '9'))
			return bad(s, "a value");
		rc = scan_number(s);
	}
	if (rc == 0 && here) {
		if (kind != JSON_KIND_STRING)
			raw = (struct str){ s->doc.p + from, s->at - from };
		s->found = (struct json_value){ kind, raw };
	}
	return rc;
}

int json_find(struct str document, struct str pointer, struct json_value *ret, struct err *err)
{
	struct scan s = { .doc = document, .err = err };
	int rc = json_pointer_check(pointer, err);
	if (rc < 0)
		return rc;
	if (str_starts(document,
		    "\xEF\xBB\xBF")) /* a byte order mark: not JSON, but people's editors write it */
		s.at = 3;
	rc = scan_value(&s, pointer, true, 0);
	if (rc == 0 && peek(&s) >= 0)
		rc = bad(&s, "nothing behind the document");
	if (rc == 0)
		*ret = s.found;
	return rc;
}

static size_t utf8_put(uint32_t u, char out[4])
{
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xC0 | u >> 6);
		out[1] = (char)(0x80 | (u & 0x3F));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xE0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 0x3F));
		out[2] = (char)(0x80 | (u & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 0x3F));
	out[2] = (char)(0x80 | (u >> 6 & 0x3F));
	out[3] = (char)(0x80 | (u & 0x3F));
	return 4;
}

/* At "\uXXXX", which scan_string() has checked. Steps over a whole surrogate pair. */
static uint32_t escape_read(struct str raw, size_t *at)
{
	uint32_t u = 0xFFFD, low;
	if (hex4(raw, *at + 2, &u) < 0) {
		*at = raw.n;
		return 0xFFFD;
	}
	*at += 6;
	if (u < 0xD800 || u > 0xDFFF)
		return u;
	if (u < 0xDC00 && *at + 6 <= raw.n && raw.p[*at] == '\\' && raw.p[*at + 1] == 'u' &&
		hex4(raw, *at + 2, &low) == 0 && low >= 0xDC00 && low <= 0xDFFF) {
		*at += 6;
		return 0x10000 + ((u - 0xD800) << 10 | (low - 0xDC00));
	}
	return 0xFFFD;
}

size_t json_unescape(struct str raw, char *out, size_t cap)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	size_t n = 0, at = 0;
	char piece[4];
	while (at < raw.n) {
		size_t len = 1;
		piece[0] = raw.p[at];
		if (piece[0] == '\\' && at + 1 < raw.n && raw.p[at + 1] == 'u') {
			len = utf8_put(escape_read(raw, &at), piece);
		} else if (piece[0] == '\\' && at + 1 < raw.n) {
			const char *which = memchr(from, raw.p[at + 1], sizeof(from) - 1);
			piece[0] = which ? to[which - from] : raw.p[at + 1];
			at += 2;
		} else {
			at++;
		}
		if (n + len > cap)
			break;
		memcpy(out + n, piece, len);
		n += len;
	}
	return n;
}

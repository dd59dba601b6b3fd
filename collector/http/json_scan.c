#include "collector/http/json_scan.h"

#include "base/buf.h"

static size_t skip_blank(struct str s, size_t i)
{
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == '\t'))
		i++;
	return i;
}

/* Where the string that begins at i ends: behind its closing quote. */
static size_t skip_string(struct str s, size_t i)
{
	for (i++; i < s.n && s.p[i] != '"'; i++)
		if (s.p[i] == '\\')
			i++;
	return i < s.n ? i + 1 : s.n;
}

/* Where the value that begins at i ends. */
static size_t skip_value(struct str s, size_t i)
{
	size_t depth = 0;
	while (i < s.n) {
		char c = s.p[i];
		if (c == '"') {
			i = skip_string(s, i);
			if (depth == 0)
				return i;
			continue;
		}
		if (depth == 0 && (c == ',' || c == ']' || c == '}'))
			return i; /* behind a number or a word */
		if (c == '[' || c == '{')
			depth++;
		i++;
		if ((c == ']' || c == '}') && --depth == 0)
			return i;
	}
	return s.n;
}

bool json_next(struct str array, size_t *at, struct str *ret_item)
{
	size_t i = skip_blank(array, *at);
	if (i >= array.n || (*at == 0 && array.p[i] != '['))
		return false;
	if (array.p[i] == '[' && *at == 0)
		i = skip_blank(array, i + 1);
	else if (array.p[i] == ',')
		i = skip_blank(array, i + 1);
	if (i >= array.n || array.p[i] == ']')
		return false;
	size_t end = skip_value(array, i);
	*ret_item = str_trim((struct str){ array.p + i, end - i });
	*at = end;
	return true;
}

bool json_member(struct str object, const char *key, struct str *ret_value)
{
	struct str want = str_of(key);
	size_t i = skip_blank(object, 0);
	if (i >= object.n || object.p[i] != '{')
		return false;
	for (i = skip_blank(object, i + 1); i < object.n && object.p[i] == '"';) {
		size_t end = skip_string(object, i);
		struct str name = { object.p + i + 1, end - i - 2 };
		i = skip_blank(object, end);
		if (i >= object.n || object.p[i] != ':')
			return false;
		i = skip_blank(object, i + 1);
		end = skip_value(object, i);
		if (str_eq(name, want)) {
			*ret_value = str_trim((struct str){ object.p + i, end - i });
			return true;
		}
		i = skip_blank(object, end);
		if (i < object.n && object.p[i] == ',')
			i = skip_blank(object, i + 1);
	}
	return false;
}

bool json_raw_is(struct str raw, struct str text)
{
	struct buf b;
	buf_init(&b, 6 * text.n + 2);
	buf_add_json(&b, text);
	bool same = str_eq(buf_str(&b), raw);
	buf_fini(&b);
	return same;
}

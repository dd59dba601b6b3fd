/* entry_field.c - single fields of a JSON object: types, bounds, and the sentence that names the place. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/nearest.h"
#include "base/units.h"
#include "collector/entry_impl.h"

#define GOT_MAX 80

/* -- memory and parsing -- */

void entry_forget(struct entry_reader *r)
{
	while (r->chunks != NULL) {
		struct chunk *c = r->chunks;
		r->chunks = c->next;
		free(c);
	}
	json_decref(r->root);
	r->root = NULL;
}

void *entry_mem(struct entry_reader *r, size_t n, size_t size)
{
	struct chunk *c = mem_new(sizeof(*c) + n * size);
	c->next = r->chunks;
	r->chunks = c;
	return c->bytes;
}

/* jansson's parser recurses: what is too deep is refused before it sees it. Strings are skipped as JSON
 * writes them; where that guess is wrong the text is no JSON anyway. */
static bool too_deep(struct str s)
{
	size_t depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '[' || c == '{') && ++depth > ENTRY_DEPTH_MAX)
			return true;
		else if (!in_string && (c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return false;
}

int entry_parse(struct entry_reader *r, struct str text, struct err *err)
{
	json_error_t e;
	entry_forget(r);
	if (text.n > ENTRY_LINE_MAX)
		return err_set(err, ERR_TOO_BIG, "%zu bytes of JSON, limit is %d", text.n, ENTRY_LINE_MAX);
	if (too_deep(text))
		return err_set(err, ERR_TOO_BIG, "JSON is nested deeper than %d levels", ENTRY_DEPTH_MAX);
	r->root = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &e);
	if (r->root == NULL)
		return err_set(err, ERR_SYNTAX, "not JSON: at byte %d: %s", e.position,
			json_error_code(&e) == json_error_null_character ? "\\u0000 is not allowed in text"
									 : e.text);
	if (!json_is_object(r->root))
		return err_set(err, ERR_SYNTAX, "want a JSON object");
	return 0;
}

struct str json_borrow(const json_t *v)
{
	return (struct str){ json_string_value(v), json_string_length(v) };
}

/* -- errors -- */

bool fields_failed(const struct fields *f)
{
	return *f->rc < 0;
}

/* RFC 6901: '~' and '/' inside a key are escaped. */
static void path_add(struct fields *f, const char *key)
{
	size_t n = strlen(f->path);
	if (n + 1 < sizeof(f->path))
		f->path[n++] = '/';
	for (; *key && n + 2 < sizeof(f->path); key++) {
		if (*key == '~' || *key == '/') {
			f->path[n++] = '~';
			f->path[n++] = *key == '~' ? '0' : '1';
		} else {
			f->path[n++] = *key;
		}
	}
	f->path[n] = '\0';
}

void field_fail(struct fields *f, const char *key, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	if (fields_failed(f))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct fields at = *f;
	if (key != NULL)
		path_add(&at, key);
	if (f->type != NULL && at.path[0])
		*f->rc = err_set(f->err, code, "%s: \"%s\": %s", f->type, at.path + 1, text);
	else if (f->type != NULL)
		*f->rc = err_set(f->err, code, "%s: %s", f->type, text);
	else
		*f->rc = err_set(f->err, code, "%s%s%s", at.path, at.path[0] ? ": " : "", text);
}

static const char *describe(const json_t *v, char text[GOT_MAX])
{
	if (json_is_string(v)) {
		struct str s = json_borrow(v), shown = str_first(s, 40);
		while (shown.n < s.n && shown.n > 0 && ((unsigned char)s.p[shown.n] & 0xC0) == 0x80)
			shown.n--; /* not in the middle of a character */
		snprintf(text, GOT_MAX, "\"%.*s\"%s", STR_ARG(shown), shown.n < s.n ? "..." : "");
	} else if (json_is_array(v)) {
		snprintf(text, GOT_MAX, "a list");
	} else if (json_is_object(v)) {
		snprintf(text, GOT_MAX, "an object");
	} else if (json_is_integer(v)) {
		snprintf(text, GOT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	} else if (json_is_real(v)) {
		snprintf(text, GOT_MAX, "%.6g", json_real_value(v));
	} else {
		snprintf(text, GOT_MAX, "%s", json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
	}
	return text;
}

void field_want(struct fields *f, const char *key, const char *what, const json_t *got)
{
	char text[GOT_MAX];
	field_fail(f, key, ERR_SYNTAX, "want %s, got %s", what, describe(got, text));
}

static struct fields item_place(const struct fields *f, const char *key)
{
	struct fields at = *f;
	path_add(&at, key);
	return at;
}

void field_want_item(struct fields *f, const char *key, size_t index, const char *what, const json_t *got)
{
	char text[24];
	struct fields at = item_place(f, key);
	snprintf(text, sizeof(text), "%zu", index);
	field_want(&at, text, what, got);
}

/* -- one field -- */

json_t *field_get(struct fields *f, const char *key)
{
	INVARIANT(f->n_known < ENTRY_KEYS_MAX);
	f->known[f->n_known++] = key;
	json_t *v = json_object_get(f->object, key);
	return fields_failed(f) || json_is_null(v) ? NULL : v;
}

bool field_required(struct fields *f, const char *key)
{
	const json_t *v = json_object_get(f->object, key);
	if (v == NULL || json_is_null(v))
		field_fail(f, key, ERR_SYNTAX, "missing");
	else if (json_is_string(v) && json_string_length(v) == 0)
		field_fail(f, key, ERR_SYNTAX, "is empty");
	return !fields_failed(f);
}

void field_str(struct fields *f, const char *key, size_t cap, struct str *ret)
{
	const json_t *v = field_get(f, key);
	if (v == NULL)
		return;
	if (!json_is_string(v))
		field_want(f, key, "text", v);
	else if (json_string_length(v) > cap)
		field_fail(f, key, ERR_TOO_BIG, "has %zu bytes, limit is %zu", json_string_length(v), cap);
	else
		*ret = json_borrow(v);
}

void field_bool(struct fields *f, const char *key, bool *ret)
{
	const json_t *v = field_get(f, key);
	if (v == NULL)
		return;
	if (json_is_boolean(v))
		*ret = json_is_true(v);
	else
		field_want(f, key, "true or false", v);
}

void field_int(struct fields *f, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	const json_t *v = field_get(f, key);
	if (v == NULL)
		return;
	if (!json_is_integer(v))
		field_want(f, key, "a whole number", v);
	else if (json_integer_value(v) < min || json_integer_value(v) > max)
		field_fail(f, key, ERR_NONSENSE,
			"want a whole number from %" PRId64 " to %" PRId64 ", got %" PRId64, min, max,
			(int64_t)json_integer_value(v));
	else
		*ret = json_integer_value(v);
}

void field_time(struct fields *f, const char *key, int64_t *ret)
{
	static const char *const what =
		"a time (RFC 3339 such as 2026-03-01T10:00:00Z, or epoch microseconds)";
	const json_t *v = field_get(f, key);
	int64_t at_us = 0;
	if (v == NULL)
		return;
	if (json_is_integer(v)) {
		at_us = json_integer_value(v);
	} else if (!json_is_string(v) || time_parse(json_borrow(v), &at_us, NULL) < 0) {
		field_want(f, key, what, v);
		return;
	}
	if (at_us < -US_PER_DAY || at_us > INT64_C(253402300800) * US_PER_S)
		field_fail(f, key, ERR_NONSENSE, "is not between 1970 and 9999");
	else
		*ret = at_us;
}

void field_duration(struct fields *f, const char *key, int64_t min_us, int64_t *ret)
{
	const json_t *v = field_get(f, key);
	int64_t us = 0;
	if (v == NULL)
		return;
	if (json_is_number(v) && json_number_value(v) >= 0 && json_number_value(v) <= 1e10) {
		us = json_is_integer(v) ? json_integer_value(v) * US_PER_S
					: (int64_t)(json_real_value(v) * 1e6 + 0.5);
	} else if (!json_is_string(v) || duration_parse(json_borrow(v), &us, NULL) < 0) {
		field_want(f, key, "a duration (\"30s\", \"15m\", or a number of seconds)", v);
		return;
	}
	if (us < min_us) {
		char text[TIME_TEXT_MAX];
		field_fail(f, key, ERR_NONSENSE, "is under %s", duration_format(min_us, text));
	} else {
		*ret = us;
	}
}

void field_share(struct fields *f, const char *key, double *ret)
{
	const json_t *v = field_get(f, key);
	double share = -1;
	if (v == NULL)
		return;
	if (json_is_number(v))
		share = json_number_value(v);
	else if (json_is_string(v) && share_parse(json_borrow(v), &share, NULL) < 0)
		share = -1;
	if (share >= 0 && share <= 1)
		*ret = share;
	else
		field_want(f, key, "a share (\"95%\" or 0.95)", v);
}

void field_word(struct fields *f, const char *key, const char *const *names, size_t n, int *ret)
{
	const json_t *v = field_get(f, key);
	char got[GOT_MAX], words[256];
	size_t at = 0;
	if (v == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		if (json_is_string(v) && str_is(json_borrow(v), names[i])) {
			*ret = (int)i;
			return;
		}
		at += (size_t)snprintf(words + at, sizeof(words) - at, "%s%s", i ? ", " : "", names[i]);
		at = MIN(at, sizeof(words) - 1);
	}
	field_fail(f, key, ERR_SYNTAX, "want one of %s; got %s", words, describe(v, got));
}

json_t *field_list(struct fields *f, const char *key)
{
	json_t *v = field_get(f, key);
	if (v == NULL)
		return NULL;
	if (!json_is_array(v))
		field_want(f, key, "a list", v);
	else if (json_array_size(v) > ENTRY_ITEMS_MAX)
		field_fail(f, key, ERR_TOO_BIG, "has %zu members, limit is %d", json_array_size(v),
			ENTRY_ITEMS_MAX);
	else
		return v;
	return NULL;
}

void field_texts(struct fields *f, const char *key, size_t cap, const struct str **ret, size_t *ret_n)
{
	const json_t *list = field_list(f, key);
	size_t n = json_array_size(list);
	if (n == 0)
		return;
	struct str *texts = entry_mem(f->r, n, sizeof(*texts));
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		if (!json_is_string(v) || json_string_length(v) == 0)
			field_want_item(f, key, i, "text", v);
		else if (json_string_length(v) > cap)
			field_fail(f, key, ERR_TOO_BIG, "member %zu has %zu bytes, limit is %zu", i,
				json_string_length(v), cap);
		texts[i] = json_borrow(v);
	}
	*ret = texts;
	*ret_n = n;
}

static void enter(struct fields *f, const char *key, json_t *object, struct fields *ret)
{
	*ret = *f;
	ret->n_known = 0;
	ret->object = object;
	path_add(ret, key);
}

bool field_object(struct fields *f, const char *key, struct fields *ret)
{
	json_t *v = field_get(f, key);
	if (v == NULL)
		return false;
	if (!json_is_object(v)) {
		field_want(f, key, "an object", v);
		return false;
	}
	enter(f, key, v, ret);
	return true;
}

bool field_member(struct fields *f, const char *key, json_t *member, size_t index, struct fields *ret)
{
	char text[24];
	struct fields list = item_place(f, key);
	snprintf(text, sizeof(text), "%zu", index);
	if (!json_is_object(member)) {
		field_want(&list, text, "an object", member);
		return false;
	}
	enter(&list, text, member, ret);
	return !fields_failed(f);
}

void fields_end(struct fields *f)
{
	const char *key;
	json_t *value;
	if (f->type != NULL) /* lines of a later version may say more */
		return;
	json_object_foreach(f->object, key, value)
	{
		struct nearest near = nearest_to(str_of(key));
		bool known = false;
		for (size_t i = 0; i < f->n_known && !known; i++) {
			known = str_is(str_of(key), f->known[i]);
			nearest_try(&near, f->known[i]);
		}
		if (known)
			continue;
		if (near.best)
			field_fail(f, key, ERR_SYNTAX, "unknown key, did you mean \"%s\"?", near.best);
		else
			field_fail(f, key, ERR_SYNTAX, "unknown key");
	}
}

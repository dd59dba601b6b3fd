#include "agent/extract.h"

#include <stdlib.h>

#include "agent/json_find.h"
#include "base/pattern.h"
#include "base/sha256.h"

#define EXTRACTOR_MAGIC 0x78740a01u

struct extractor {
	uint32_t magic;
	enum extract_kind kind;
	char *arg;               /* NULL for the kinds without */
	struct pattern *pattern; /* EXTRACT_REGEX */
};

static const char *const kind_names[] = {
	[EXTRACT_JSON] = "json",
	[EXTRACT_HEADER] = "header",
	[EXTRACT_REGEX] = "regex",
	[EXTRACT_ETAG] = "etag",
	[EXTRACT_SHA256] = "sha256",
	[EXTRACT_LAST_MODIFIED] = "last_modified",
};

const char *extract_kind_name(enum extract_kind k)
{
	return k < EXTRACT_COUNT ? kind_names[k] : "unknown";
}

static int header_check(struct str name, struct err *err)
{
	if (name.n == 0 || name.n > OBS_NAME_MAX)
		return err_set(err, ERR_SYNTAX, "a header's name of %zu bytes", name.n);
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ':')
			return err_set(err, ERR_SYNTAX, "'%.*s' is no header's name", STR_ARG(name));
	return 0;
}

int extractor_new(enum extract_kind kind, struct str arg, struct extractor **ret, struct err *err)
{
	struct extractor *x = mem_new(sizeof(*x));
	int rc = 0;
	x->magic = EXTRACTOR_MAGIC;
	x->kind = kind;
	x->arg = str_dup(arg);
	if (arg.n > 0 && memchr(arg.p, 0, arg.n) != NULL)
		kind = EXTRACT_COUNT, rc = err_set(err, ERR_SYNTAX, "a NUL in what to extract");
	switch (kind) {
	case EXTRACT_JSON:
		rc = json_pointer_check(arg, err);
		break;
	case EXTRACT_HEADER:
		rc = header_check(arg, err);
		break;
	case EXTRACT_REGEX:
		rc = pattern_new(arg, &x->pattern, err);
		break;
	case EXTRACT_ETAG:
	case EXTRACT_LAST_MODIFIED:
	case EXTRACT_SHA256:
		break;
	default:
		if (rc == 0)
			rc = err_set(err, ERR_UNSUPPORTED,
				"this agent does not know how to extract a version of kind %d", (int)kind);
	}
	if (rc < 0) {
		extractor_free(x);
		return rc;
	}
	*ret = x;
	return 0;
}

void extractor_free(struct extractor *x)
{
	if (x == NULL)
		return;
	INVARIANT(x->magic == EXTRACTOR_MAGIC);
	pattern_free(x->pattern);
	free(x->arg);
	free(x);
}

bool extractor_needs_body(const struct extractor *x)
{
	return x->kind == EXTRACT_JSON || x->kind == EXTRACT_REGEX || x->kind == EXTRACT_SHA256;
}

/* Length of the well-formed UTF-8 character at p, not NUL; 0 when it is none. */
static size_t utf8_len(const char *p, size_t left)
{
	unsigned char c = (unsigned char)p[0];
	size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
	if (n == 1)
		return c != 0;
	return n <= left && str_is_utf8((struct str){ p, n }) ? n : 0;
}

size_t text_mend(struct str s, char *out, size_t cap, bool *ret_cut)
{
	static const char mended[] = "\xEF\xBF\xBD";
	size_t n = 0;
	s = str_trim(s);
	*ret_cut = false;
	while (s.n > 0) {
		size_t len = utf8_len(s.p, s.n), put = len ? len : 3;
		if (n + put > cap) {
			*ret_cut = true;
			break;
		}
		memcpy(out + n, len ? s.p : mended, put);
		n += put;
		s = (struct str){ s.p + MAX(len, (size_t)1), s.n - MAX(len, (size_t)1) };
	}
	out[n] = '\0';
	return n;
}

static bool take(struct str s, struct extracted *ret, const char *what, struct err *err)
{
	ret->n = text_mend(s, ret->text, OBS_VERSION_MAX, &ret->cut);
	if (ret->n == 0)
		(void)err_set(err, ERR_NOT_FOUND, "%s is empty", what);
	return ret->n > 0;
}

static bool from_json(const struct extractor *x, struct str body, struct extracted *ret, struct err *err)
{
	static const char *const kinds[] = { "nothing", "a string", "a number", "true or false", "null",
		"an object", "an array" };
	/* one escaped character is at most 6 bytes for 1, so this is enough to notice a cut */
	char text[OBS_VERSION_MAX * 8];
	struct json_value v;
	if (json_find(body, str_of(x->arg), &v, err) < 0)
		return false;
	switch (v.kind) {
	case JSON_KIND_NUMBER:
	case JSON_KIND_BOOL:
		return take(v.raw, ret, "the value", err);
	case JSON_KIND_STRING:
		if (memchr(v.raw.p, '\\', v.raw.n) == NULL)
			return take(v.raw, ret, "the value", err);
		return take((struct str){ text, json_unescape(v.raw, text, sizeof(text)) }, ret, "the value",
			err);
	default:
		(void)err_set(
			err, ERR_NOT_FOUND, "at %s is %s", x->arg[0] ? x->arg : "the top", kinds[v.kind]);
		return false;
	}
}

static bool from_header(const char *name, const struct headers *h, struct extracted *ret, struct err *err)
{
	struct str value;
	if (!headers_get(h, name, &value)) {
		(void)err_set(err, ERR_NOT_FOUND, "no header %s", name);
		return false;
	}
	return take(value, ret, name, err);
}

static bool from_regex(const struct extractor *x, struct str body, struct extracted *ret, struct err *err)
{
	struct str match;
	if (!pattern_search(x->pattern, str_first(body, EXTRACT_REGEX_BODY_MAX), &match)) {
		(void)err_set(err, ERR_NOT_FOUND, "the expression matches nothing in %zu bytes",
			MIN(body.n, (size_t)EXTRACT_REGEX_BODY_MAX));
		return false;
	}
	return take(match, ret, "the match", err);
}

bool extract(const struct extractor *x, const struct headers *h, struct str body, struct extracted *ret,
	struct err *err)
{
	struct sha256 sum;
	char hex[SHA256_HEX];
	INVARIANT(x->magic == EXTRACTOR_MAGIC);
	INVARIANT(body.p != NULL && body.p[body.n] == '\0');
	switch (x->kind) {
	case EXTRACT_JSON:
		return from_json(x, body, ret, err);
	case EXTRACT_HEADER:
		return from_header(x->arg, h, ret, err);
	case EXTRACT_REGEX:
		return from_regex(x, body, ret, err);
	case EXTRACT_ETAG:
		return from_header("etag", h, ret, err);
	case EXTRACT_LAST_MODIFIED:
		return from_header("last-modified", h, ret, err);
	case EXTRACT_SHA256:
		sum = sha256_of(body);
		return take(str_of(sha256_hex(&sum, hex)), ret, "the digest", err);
	case EXTRACT_COUNT:
		break;
	}
	(void)err_set(err, ERR_UNSUPPORTED, "unknown extraction");
	return false;
}

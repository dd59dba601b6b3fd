/* request.c - reading one request: its target taken apart strictly, its parameters checked with a sentence
 * each. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "collector/http/server.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool percent_decode(char *text, size_t *n, bool plus_is_space)
{
	size_t out = 0;
	for (size_t i = 0; i < *n; i++) {
		char c = text[i];
		if (c == '+' && plus_is_space)
			c = ' ';
		if (c == '%') {
			int high = i + 2 < *n ? hex_digit(text[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		text[out++] = c;
	}
	*n = out;
	return str_is_utf8((struct str){ text, out }); /* refuses NUL too */
}

static bool add_pair(struct request *r, struct str piece)
{
	if (r->n_query == REQUEST_QUERY_MAX)
		return false;
	struct str name, value = piece;
	(void)str_cut(&value, '=', &name); /* no '=': the value is empty */
	struct pair *q = &r->query[r->n_query++];
	size_t n_name = name.n, n_value = value.n;
	if (!percent_decode((char *)(uintptr_t)name.p, &n_name, true) ||
		(value.n && !percent_decode((char *)(uintptr_t)value.p, &n_value, true)))
		return false;
	*q = (struct pair){ { name.p, n_name }, { value.p, n_value } };
	return true;
}

/* The path stays as it was sent: route.c splits it first and decodes the pieces after. */
void request_read_uri(struct request *r)
{
	r->text = mem_strdup(r->uri);
	char *p = r->text;
	if (str_starts_nocase(str_of(p), "http://") || str_starts_nocase(str_of(p), "https://")) {
		p = strstr(p, "//") + 2; /* absolute form, as sent to a proxy */
		p += strcspn(p, "/?");
	}
	struct str rest = str_of(p), query = rest;
	(void)str_cut(&query, '?', &r->path);
	if (!str_starts(r->path, "/") && !str_is(r->path, "*"))
		r->bad_uri = true;
	for (struct str piece; !r->bad_uri && str_cut(&query, '&', &piece);)
		if (piece.n && !add_pair(r, piece))
			r->bad_uri = true;
}

struct str request_param(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (str_is(r->params[i].name, name))
			return r->params[i].value;
	return STR_NONE;
}

bool request_has_query(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_query; i++)
		if (str_is(r->query[i].name, name))
			return true;
	return false;
}

struct str request_query(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_query; i++)
		if (str_is(r->query[i].name, name))
			return r->query[i].value;
	return STR_NONE;
}

struct str request_header(const struct request *r, const char *name)
{
	return str_of(MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name));
}

bool request_query_flag(struct request *r, const char *name, bool *ret)
{
	struct str text = request_query(r, name);
	*ret = str_is(text, "true");
	if (!request_has_query(r, name) || *ret || str_is(text, "false"))
		return true;
	answer_problem(r, 400, "bad_parameter", "%s: want true or false, got '%.*s'", name,
		STR_ARG(str_first(text, 64)));
	return false;
}

bool request_query_limit(struct request *r, size_t dflt, size_t max, size_t *ret)
{
	int64_t v = (int64_t)dflt;
	if (request_has_query(r, "limit")) {
		struct str text = request_query(r, "limit");
		if (str_to_i64(text, &v, NULL) < 0 || v < 1 || v > (int64_t)max) {
			answer_problem(r, 400, "bad_parameter", "limit: want 1 to %zu, got '%.*s'", max,
				STR_ARG(str_first(text, 64)));
			return false;
		}
	}
	*ret = (size_t)v;
	return true;
}

/* An offset's '+' written as it is arrives as a space; that is so common that we take it for what was meant.
 */
static int time_from_query(struct str text, int64_t *ret_us)
{
	char mended[TIME_TEXT_MAX];
	if (time_parse(text, ret_us, NULL) == 0)
		return 0;
	ptrdiff_t space = str_rfind(text, ' ');
	if (space <= 10 || text.n >= sizeof(mended))
		return ERR_SYNTAX;
	memcpy(mended, text.p, text.n);
	mended[space] = '+';
	return time_parse((struct str){ mended, text.n }, ret_us, NULL);
}

bool request_query_time(struct request *r, const char *name, int64_t dflt_us, int64_t *ret_us)
{
	*ret_us = dflt_us;
	if (!request_has_query(r, name))
		return true;
	struct str text = request_query(r, name);
	if (time_from_query(text, ret_us) == 0)
		return true;
	answer_problem(r, 400, "bad_parameter",
		"%s: want a time as in RFC 3339 (2026-03-01T10:00:00Z) or epoch microseconds, got '%.*s'",
		name, STR_ARG(str_first(text, 64)));
	return false;
}

bool request_query_duration(struct request *r, const char *name, int64_t max_us, int64_t *ret_us)
{
	char most[TIME_TEXT_MAX];
	int64_t us = 0;
	if (request_has_query(r, name)) {
		struct str text = request_query(r, name);
		if (duration_parse(text, &us, NULL) < 0 || us < 0 || us > max_us) {
			answer_problem(r, 400, "bad_parameter",
				"%s: want a duration with its unit (30s), at most %s, got '%.*s'", name,
				duration_format(max_us, most), STR_ARG(str_first(text, 64)));
			return false;
		}
	}
	*ret_us = us;
	return true;
}

void request_add_header(struct request *r, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	INVARIANT(r->n_headers < REQUEST_HEADERS_MAX);
	r->headers[r->n_headers++] = (struct answer_header){ name, mem_strdup(text) };
}

void request_free(struct request *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_headers; i++)
		free(r->headers[i].value);
	if (r->response)
		MHD_destroy_response(r->response);
	if (r->body_counted)
		atomic_fetch_sub(&r->http->body_bytes, r->body_counted);
	buf_fini(&r->body);
	buf_fini(&r->out);
	free(r->uri);
	free(r->text);
	free(r);
}

/* explain.c - `tidemark-agent explain`: response headers on stdin or in files, what they mean on stdout.
 * Takes JSON Lines
 * ({"headers": [["name", "value"], ...]}) and pasted text of `curl -I`, `curl -i` and `curl -v`, mixed as
 * they come. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/place_json.h"
#include "base/buf.h"
#include "base/cdn/cdn.h"
#include "base/places.h"

#define EXPLAIN_HEADERS_MAX 1024
#define LINE_BYTES_MAX      (4 * 1024 * 1024)
#define BLOCK_BYTES_MAX     (1024 * 1024)

struct explain {
	const char *name; /* of the input, for errors */
	struct cdn_options options;
	bool human;
	struct header *room;
	struct buf block;        /* of pasted text: the response we are in */
	size_t block_line, line; /* where it began; where we are */
	size_t indent;           /* blanks before the status line: the whole was pasted from further right */
	bool in_block;
	bool seen_status;  /* a status line was seen: from here on only another one begins a response */
	bool curl_verbose; /* lines of headers begin with "< ", so all others are something else */
	bool connecting;   /* the last request was a CONNECT: the proxy answers, not an edge */
	size_t bare_line;  /* where a "200" without any header stood; 0: nowhere */
	size_t n_answers;
	int n_errors;
};

static const char *const status_says[] = {
#define X(id, name, says) says,
	CACHE_STATUSES(X)
#undef X
};

static void complain(struct explain *x, size_t line, const struct err *err)
{
	x->n_errors++;
	fprintf(stderr, "%s:%zu: %s\n", x->name, line, err->text);
}

static void add_upper(struct buf *out, const char *word)
{
	for (; *word; word++)
		buf_add_char(out, *word >= 'a' && *word <= 'z' ? (char)(*word - 32) : *word);
}

static void add_status(struct buf *out, enum cache_status status)
{
	buf_add_char(out, '"');
	add_upper(out, cache_status_name(status));
	buf_add_char(out, '"');
}

static void add_number(struct buf *out, const char *key, int64_t value, int64_t none)
{
	buf_add_key(out, key);
	if (value == none)
		buf_addf(out, "null");
	else
		buf_addf(out, "%" PRId64, value);
}

static void add_json(struct buf *out, const struct edge_info *e)
{
	buf_add_char(out, '{');
	buf_add_key(out, "vendor");
	buf_add_json(out, e->vendor);
	buf_add_key(out, "pop");
	buf_add_json_or_null(out, e->pop);
	buf_add_key(out, "iata");
	buf_add_json_or_null(out, str_of(e->iata));
	place_add_json(out, e->vendor, e->pop);
	buf_add_key(out, "cache");
	add_status(out, e->cache);
	buf_add_key(out, "tiers");
	buf_add_char(out, '[');
	for (size_t i = 0; i < e->n_tiers; i++) {
		buf_addf(out, "%s{\"tier\":\"%s\",\"status\":", i ? "," : "",
			tier_kind_name(e->tiers[i].kind));
		add_status(out, e->tiers[i].status);
		buf_add_key(out, "node");
		buf_add_json_or_null(out, e->tiers[i].node);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
	add_number(out, "age", e->age_s, OBS_AGE_NONE);
	if (e->age_source) {
		buf_add_key(out, "age_source");
		buf_add_json(out, str_of(e->age_source));
	}
	add_number(out, "ttl", e->ttl_s, CDN_TTL_NONE);
	buf_add_key(out, "ttl_source");
	buf_add_json_or_null(out, str_of(e->ttl_source));
	if (e->geo_country.n > 0 || e->geo_city.n > 0) {
		buf_add_key(out, "geo");
		buf_add_char(out, '{');
		buf_add_key(out, "country");
		buf_add_json_or_null(out, e->geo_country);
		buf_add_key(out, "city");
		buf_add_json_or_null(out, e->geo_city);
		buf_add_char(out, '}');
	}
	buf_addf(out, "}\n");
}

/* Text of a stranger, on a terminal: no control characters. */
static void add_quoted(struct buf *out, struct str s)
{
	buf_add_json(out, str_first(s, 200));
}

static void say_vendor(struct buf *out, const struct headers *h, const struct edge_info *e)
{
	const struct vendor *v = NULL;
	size_t said = 0;
	for (size_t i = 0; (v = cdn_vendor_at(i)) != NULL; i++)
		if (str_is(e->vendor, v->name))
			break;
	if (str_is(e->vendor, "none")) {
		buf_addf(out, "  No header shows a CDN or a cache.\n");
		return;
	}
	if (str_is(e->vendor, "generic"))
		buf_addf(out, "  A cache of unknown make answered");
	else
		buf_addf(out, "  The edge belongs to %.*s", STR_ARG(e->vendor));
	for (size_t i = 0; v != NULL && i < h->n && said < 4; i++)
		for (const struct mark *m = v->marks; m->name; m++) {
			if (!mark_matches(m, &h->h[i]))
				continue;
			buf_addf(out, "%s%.*s: ", said++ ? ", " : ", as seen from ", STR_ARG(h->h[i].name));
			add_quoted(out, h->h[i].value);
			break;
		}
	buf_addf(out, ".\n");
}

/* What the place's name means, by the tables of the vendors and of IATA; or by the vendor's own word. */
static void say_city(struct buf *out, const struct edge_info *e)
{
	struct place p;
	if (e->geo_city.n > 0 || e->geo_country.n > 0) {
		buf_addf(out, "  The edge is in ");
		add_quoted(out, e->geo_city.n > 0 ? e->geo_city : e->geo_country);
		if (e->geo_city.n > 0 && e->geo_country.n > 0) {
			buf_addf(out, ", ");
			add_quoted(out, e->geo_country);
		}
		buf_addf(out, ", says the vendor.\n");
	} else if (place_of(e->vendor, e->pop, &p)) {
		buf_addf(out, "  That is %.*s%s%s, at %.2f, %.2f.\n", STR_ARG(p.city),
			p.city.n > 0 ? ", " : "", p.country, p.lat, p.lon);
	} else if (e->pop.n > 0) {
		buf_addf(out, "  No table says where that is.\n");
	}
}

static void say_place(struct buf *out, const struct edge_info *e)
{
	if (str_is(e->vendor, "none"))
		return;
	if (e->pop.n == 0) {
		buf_addf(out, "  No header names the place.\n");
		say_city(out, e);
		return;
	}
	buf_addf(out, "  The place is ");
	add_quoted(out, e->pop);
	if (e->iata[0])
		buf_addf(out, " (IATA %s)", e->iata);
	buf_addf(out, ", says %s.\n", e->pop_source ? e->pop_source : "no header");
	say_city(out, e);
}

static void say_tiers(struct buf *out, const struct edge_info *e)
{
	for (size_t i = 0; i < e->n_tiers; i++) {
		const struct tier *t = &e->tiers[i];
		const char *kind = t->kind == TIER_EDGE     ? "The edge"
				   : t->kind == TIER_SHIELD ? "Behind it, a shield of the same vendor"
							    : "Further in, another cache";
		buf_addf(out, "  %s", kind);
		if (t->node.n > 0 && !(i == 0 && str_eq(t->node, e->pop))) {
			buf_add_char(out, ' ');
			add_quoted(out, t->node);
		}
		buf_addf(out, " %s (", status_says[t->status]);
		add_upper(out, cache_status_name(t->status));
		const char *source = i == 0 || t->source == NULL ? e->cache_source : t->source;
		buf_addf(out, source ? "), says %s.\n" : ").\n", source);
	}
}

/* The header behind a directive: "max-age" stands in Cache-Control. */
static const char *header_of_ttl(const char *source)
{
	if (strcmp(source, "cache-status") == 0)
		return "ttl in cache-status";
	if (strcmp(source, "s-maxage") == 0)
		return "s-maxage in cache-control";
	if (strcmp(source, "max-age") == 0)
		return "max-age in cache-control";
	return strcmp(source, "no-cache") == 0 ? "no-cache in cache-control" : source;
}

static void say_times(struct buf *out, const struct edge_info *e)
{
	if (e->age_s == OBS_AGE_NONE)
		buf_addf(out, "  No header tells how old the copy is.\n");
	else
		buf_addf(out, "  The content was confirmed by the origin %" PRId64 " s ago, says %s.\n",
			e->age_s, e->age_source ? e->age_source : "age");
	if (e->ttl_s != CDN_TTL_NONE)
		buf_addf(out,
			e->ttl_s < 0 ? "  It is %" PRId64 " s past its life in shared caches, by %s.\n"
				     : "  Shared caches may keep it for another %" PRId64 " s, by %s.\n",
			e->ttl_s < 0 ? -e->ttl_s : e->ttl_s, header_of_ttl(e->ttl_source));
	else if (e->ttl_source && strcmp(e->ttl_source, "rewritten-by-cdn") == 0)
		buf_addf(out, "  The visible cache-control is written by the CDN and tells nothing of its "
			      "own lifetime.\n");
	else if (e->ttl_source)
		buf_addf(out, "  Shared caches may not keep it: cache-control says no-store or private.\n");
	else
		buf_addf(out, "  No header tells how long shared caches may keep it.\n");
	if (e->targeted_source && e->targeted_ttl_s != CDN_TTL_NONE)
		buf_addf(out, "  This CDN is told %" PRId64 " s more by %s.\n", e->targeted_ttl_s,
			e->targeted_source);
	if (e->browser_ttl_s != CDN_TTL_NONE)
		buf_addf(out, "  A browser may use it for %" PRId64 " s without asking.\n", e->browser_ttl_s);
}

static void explain_headers(struct explain *x, const struct headers *h, int status, size_t line)
{
	struct edge_info e;
	struct buf out;
	char edge[OBS_NAME_MAX + 1];
	cdn_read(h, &x->options, &e);
	buf_init(&out, BLOCK_BYTES_MAX);
	if (!x->human) {
		add_json(&out, &e);
	} else {
		cdn_edge_name(&e, edge, sizeof(edge));
		buf_addf(&out, "%s:%zu: ", x->name, line);
		if (status > 0)
			buf_addf(&out, "status %d, ", status);
		buf_addf(&out, "%s, ", edge[0] ? edge : "no edge");
		add_upper(&out, cache_status_name(e.cache));
		buf_add_char(&out, '\n');
		say_vendor(&out, h, &e);
		say_place(&out, &e);
		say_tiers(&out, &e);
		say_times(&out, &e);
	}
	fwrite(out.p, 1, out.n, stdout);
	x->n_answers++;
	buf_fini(&out);
}

/* The proxy says that the tunnel stands (RFC 9110, 9.3.6); from here on the edge speaks. */
static bool is_tunnel(const struct explain *x, struct str status_line, int status)
{
	return status / 100 == 2 &&
	       (x->connecting || str_contains_nocase(status_line, "connection established"));
}

/* "curl: (6) Could not resolve host": one line with a colon that tells nothing is no answer. */
static bool is_remark(const struct explain *x, const struct headers *h, int status)
{
	struct edge_info e;
	if (status != 0 || h->n != 1)
		return false;
	cdn_read(h, &x->options, &e);
	return str_is(e.vendor, "none") && e.age_s == OBS_AGE_NONE && e.ttl_source == NULL;
}

/* One response of pasted text ends. Interim answers (1xx) and a proxy's to CONNECT are not explained. */
static void block_end(struct explain *x)
{
	struct headers h;
	struct err err;
	int status = 0;
	struct str text = buf_str(&x->block), first = text;
	if (!x->in_block)
		return;
	x->in_block = false;
	if (headers_parse(text, x->room, EXPLAIN_HEADERS_MAX, &h, &status, &err) < 0) {
		complain(x, x->block_line, &err);
	} else {
		ptrdiff_t feed = str_find(text, '\n');
		first = str_first(text, feed < 0 ? text.n : (size_t)feed);
		bool tunnel = is_tunnel(x, first, status);
		if (tunnel)
			x->connecting = false;
		else if (status == 200 && h.n == 0)
			x->bare_line = x->block_line; /* a tunnel too, if another answer follows */
		else if ((status >= 200 || status == 0) && !is_remark(x, &h, status))
			explain_headers(x, &h, status, x->block_line);
	}
	buf_clear(&x->block);
}

/* A "200" that no other answer followed was the answer. */
static void bare_end(struct explain *x)
{
	struct headers h = { .h = x->room, .received_at_us = TIME_NONE };
	if (x->bare_line > 0)
		explain_headers(x, &h, 200, x->bare_line);
	x->bare_line = 0;
}

static int json_header(const json_t *pair, struct header *ret)
{
	const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);
	if (json_array_size(pair) != 2 || !json_is_string(name) || !json_is_string(value))
		return ERR_SYNTAX;
	ret->name = str_trim((struct str){ json_string_value(name), json_string_length(name) });
	ret->value = str_trim((struct str){ json_string_value(value), json_string_length(value) });
	return 0;
}

static int json_response(struct explain *x, const json_t *root, struct err *err)
{
	const json_t *list = json_object_get(root, "headers"), *pair;
	const json_t *status = json_object_get(root, "status");
	struct headers h = { .h = x->room, .n = 0, .received_at_us = TIME_NONE };
	size_t i;
	if (!json_is_array(list))
		return err_set(err, ERR_SYNTAX, "want {\"headers\": [[\"name\", \"value\"], ...]}");
	if (json_array_size(list) > EXPLAIN_HEADERS_MAX)
		return err_set(err, ERR_TOO_BIG, "%zu headers, limit is %d", json_array_size(list),
			EXPLAIN_HEADERS_MAX);
	json_array_foreach(list, i, pair)
	{
		if (json_header(pair, &x->room[h.n++]) < 0)
			return err_set(err, ERR_SYNTAX, "headers[%zu] is no [\"name\", \"value\"]", i);
	}
	int code = json_is_integer(status) && json_integer_value(status) >= 100 &&
				   json_integer_value(status) <= 999
			   ? (int)json_integer_value(status)
			   : 0;
	explain_headers(x, &h, code, x->line);
	return 0;
}

static void json_line(struct explain *x, struct str line)
{
	json_error_t why;
	struct err err;
	json_t *root = json_loadb(line.p, line.n, JSON_ALLOW_NUL, &why);
	int rc = root ? json_response(x, root, &err)
		      : err_set(&err, ERR_SYNTAX, "column %d: %s", why.column, why.text);
	if (rc < 0 && !x->seen_status) /* behind a status line it is the body of that answer */
		complain(x, x->line, &err);
	json_decref(root);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str without_blanks(struct str s, size_t max)
{
	size_t i = 0;
	while (i < s.n && i < max && is_blank(s.p[i]))
		i++;
	return str_from(s, i);
}

static void block_line(struct explain *x, struct str line)
{
	struct str flush = without_blanks(line, line.n);
	bool status_line = str_starts_nocase(flush, "HTTP/");
	if (status_line || flush.n == 0)
		block_end(x);
	if (flush.n == 0)
		return;
	if (status_line) {
		x->seen_status = true;
		x->bare_line = 0;
		x->indent = line.n - flush.n;
	}
	line = without_blanks(line, x->indent);
	if (!x->in_block) {
		if (!status_line && (x->seen_status || str_find(line, ':') <= 0))
			return; /* a body, or whatever surrounds what was pasted */
		x->in_block = true;
		x->block_line = x->line;
	}
	buf_add_str(&x->block, line);
	buf_add_char(&x->block, '\n');
	if (buf_failed(&x->block)) {
		struct err err;
		err_set(&err, ERR_TOO_BIG, "more than %d bytes of headers", BLOCK_BYTES_MAX);
		complain(x, x->block_line, &err);
		buf_clear(&x->block);
		x->in_block = false;
	}
}

/* Without -s, curl's meter stands before what it writes next, on the same line:
 * "  0     0    0 ...  0 --:--:-- --:--:-- --:--:--     0< HTTP/1.1 200 OK". It returns by CR alone. */
static struct str without_meter(struct str line)
{
	static const char unknown[] = "--:--:--";
	ptrdiff_t cr = str_rfind(line, '\r'), last = -1;
	if (cr >= 0)
		line = str_from(line, (size_t)cr + 1);
	for (size_t i = 0; i + sizeof(unknown) - 1 <= line.n; i++)
		if (str_starts(str_from(line, i), unknown))
			last = (ptrdiff_t)(i + sizeof(unknown) - 1);
	if (last < 0)
		return line;
	line = without_blanks(str_from(line, (size_t)last), line.n);
	size_t i = 0;
	while (i < line.n && ((line.p[i] >= '0' && line.p[i] <= '9') || line.p[i] == '.'))
		i++;
	if (i < line.n && i > 0 && memchr("kMGTP", line.p[i], 5) != NULL)
		i++;
	return str_from(line, i);
}

/* "$ curl -v ...": another run begins, and what the one before taught us is over. */
static bool is_prompt(struct str line)
{
	return str_contains_nocase(line, "$ curl ") || str_starts(line, "# curl ") ||
	       str_starts(line, "% curl ");
}

/* curl -v: "* about the connection", "> request", "{ [5 bytes data]". */
static bool is_verbose_noise(struct str flush)
{
	return str_starts(flush, "* ") || str_is(flush, "*") || str_starts(flush, "> ") ||
	       str_is(flush, ">") || str_starts(flush, "{ [") || str_starts(flush, "} [");
}

static void input_line(struct explain *x, struct str line)
{
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	if (x->line == 1 && str_starts(line, "\xef\xbb\xbf"))
		line = str_from(line, 3);
	line = without_meter(line);
	struct str flush = str_trim(line);
	if (is_verbose_noise(flush)) {
		if (str_starts(flush, "> ") && str_contains_nocase(flush, " HTTP/"))
			x->connecting = str_starts(flush, "> CONNECT ");
		return;
	}
	if (is_prompt(line)) {
		block_end(x), bare_end(x);
		x->seen_status = x->curl_verbose = x->connecting = false;
		x->indent = 0;
		return;
	}
	if (str_starts_nocase(flush, "< HTTP/"))
		x->curl_verbose = true;
	if (x->curl_verbose && (str_starts(flush, "< ") || str_is(flush, "<"))) {
		block_line(x, str_from(flush, 2));
		return;
	}
	if (x->curl_verbose)
		return; /* the body, as it is */
	if (flush.n > 0 && flush.p[0] == '{' && !x->in_block)
		json_line(x, flush);
	else
		block_line(x, line);
}

static void explain_file(struct explain *x, FILE *f)
{
	char *text = NULL;
	size_t size = 0, before = x->n_answers;
	ssize_t n;
	struct err err;
	x->line = x->indent = x->bare_line = 0;
	x->in_block = x->seen_status = x->curl_verbose = x->connecting = false;
	int errors = x->n_errors;
	while ((n = getline(&text, &size, f)) > 0) {
		x->line++;
		if (n <= LINE_BYTES_MAX) {
			input_line(x, (struct str){ text, (size_t)n });
			continue;
		}
		err_set(&err, ERR_TOO_BIG, "a line of %zd bytes, limit is %d", n, LINE_BYTES_MAX);
		complain(x, x->line, &err);
	}
	block_end(x);
	bare_end(x);
	free(text);
	if (ferror(f)) {
		err_set(&err, ERR_IO, "reading: %m");
		complain(x, x->line, &err);
	} else if (x->n_answers == before && x->n_errors == errors) {
		err_set(&err, ERR_SYNTAX,
			"no response headers here: paste the output of curl -I, or JSON Lines");
		complain(x, x->line, &err);
	}
}

static const char usage[] =
	"usage: tidemark-agent explain [--human] [--pop-header NAME [--pop-vendor NAME]]\n"
	"                              [FILE...]\n"
	"\n"
	"Reads response headers from files or stdin and says what they mean: which CDN,\n"
	"which place, what each cache tier did, how old the copy is and how long it may\n"
	"live. Input is the output of curl -I, curl -i or curl -v (several responses are\n"
	"fine, interim ones are left out), or JSON Lines:\n"
	"{\"headers\": [[\"name\", \"value\"], ...]}.\n"
	"Prints a JSON object a response: vendor, pop, iata, place, cache, tiers,\n"
	"age, age_source, ttl, ttl_source, geo.\n"
	"\n"
	"  --human             sentences instead of JSON, with the header that told\n"
	"                      each fact\n"
	"  --pop-header NAME   this header names the place, whatever else is there\n"
	"  --pop-vendor NAME   whose place that is (default: self)\n"
	"  --help              this text\n"
	"\n"
	"Exits 0, or 1 when something could not be read (said on stderr, the rest is\n"
	"explained), or 2 on wrong usage.\n";

/* 0: go on. Else what to exit with, plus one. */
static int options_read(struct explain *x, int argc, char **argv)
{
	enum { HUMAN = 1, POP_HEADER, POP_VENDOR, HELP };
	static const struct option options[] = { { "human", no_argument, NULL, HUMAN },
		{ "pop-header", required_argument, NULL, POP_HEADER },
		{ "pop-vendor", required_argument, NULL, POP_VENDOR }, { "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 } };
	optind = 0; /* glibc: begin anew, somebody may have read options before */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (o) {
		case HUMAN:
			x->human = true;
			break;
		case POP_HEADER:
			x->options.pop_header = str_of(optarg);
			break;
		case POP_VENDOR:
			x->options.pop_vendor = str_of(optarg);
			break;
		case HELP:
			fputs(usage, stdout);
			return 1;
		default:
			fputs(usage, stderr);
			return 3;
		}
	}
	return 0;
}

int explain_main(int argc, char **argv)
{
	struct explain x = { .name = "stdin" };
	int stop = options_read(&x, argc, argv);
	if (stop > 0)
		return stop - 1;
	x.room = mem_new_array(EXPLAIN_HEADERS_MAX, sizeof(*x.room));
	buf_init(&x.block, BLOCK_BYTES_MAX);
	if (optind == argc)
		explain_file(&x, stdin);
	for (int i = optind; i < argc; i++) {
		struct err err;
		bool is_stdin = strcmp(argv[i], "-") == 0;
		FILE *f = is_stdin ? stdin : fopen(argv[i], "re");
		x.name = is_stdin ? "stdin" : argv[i];
		x.line = 0;
		if (f == NULL) {
			err_set(&err, ERR_IO, "cannot open: %m");
			complain(&x, 0, &err);
			continue;
		}
		explain_file(&x, f);
		if (!is_stdin)
			fclose(f);
	}
	if (fflush(stdout) != 0) {
		fprintf(stderr, "stdout: %m\n");
		x.n_errors++;
	}
	buf_fini(&x.block);
	free(x.room);
	return x.n_errors > 0 ? 1 : 0;
}

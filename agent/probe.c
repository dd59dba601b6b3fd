/* probe.c - `tidemark-agent probe URL...`: fetches once, as the agent would, and prints what it saw. */
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/fetch.h"
#include "base/clock.h"
#include "base/places.h"
#include "base/printable.h"
#include "base/units.h"

#define PROBE_URLS_MAX    64
#define PROBE_RESULTS_MAX (PROBE_URLS_MAX * ADDRESSES_FOUND_MAX)
#define OUT_BYTES_MAX     (16 * 1024 * 1024)

static const char usage[] =
	"usage: tidemark-agent probe [OPTION]... URL...\n"
	"\n"
	"Fetches each URL once, as an agent would, and prints what it saw: the version,\n"
	"which edge answered, through which caches, how old and for how long yet, and\n"
	"where the time went. No collector is needed.\n"
	"\n"
	"what the version is (default: --json /version)\n"
	"  --json POINTER         member of a JSON body: /version, /build/sha\n"
	"  --header NAME          a response header\n"
	"  --regex EXPRESSION     the first group of: 'build: ([0-9a-f]+)'\n"
	"  --etag, --last-modified, --sha256 (of the body)\n"
	"how to fetch\n"
	"  -H 'NAME: VALUE'       send this header too; may be repeated\n"
	"  --connect-to HOST:PORT connect here instead, with the URL's name in Host and\n"
	"                         SNI: past the CDN, or to one edge\n"
	"  --address IP           this edge and no other, on the URL's port\n"
	"  --resolve-all          every address the name has, each by itself, a line each\n"
	"  --timeout TIME         for the whole fetch (default 10s)\n"
	"  --redirects N          follow up to N on the same host (default 0)\n"
	"  --ca FILE              trust these certificates instead of the system's\n"
	"  -4, -6                 IPv4 or IPv6 only\n"
	"  --public-only          refuse private, loopback and metadata addresses, as an\n"
	"                         agent does unless its allow_networks lists them. A\n"
	"                         person at a shell may go anywhere: without this option\n"
	"                         every address is allowed (--allow-private says so)\n"
	"how to read it\n"
	"  --pop-header NAME      the header that names the PoP, where no known CDN\n"
	"                         answers; --pop-vendor NAME beside it\n"
	"  -o text|json           json: one object a line\n"
	"\n"
	"Exit status: 0 every fetch brought an answer (and the version, where one was\n"
	"asked for), 1 one did not, 2 usage.\n";

struct probe {
	struct assign_endpoint endpoint; /* all but the URL */
	struct assign_header headers[ASSIGN_HEADERS_MAX];
	const char *ca_file;
	uint32_t timeout_ms;
	bool asked, public_only, json, resolve_all;
	size_t left;
};

struct result { /* of one URL */
	struct probe *p;
	const char *url;
	char address[ADDRESS_TEXT_MAX]; /* of --resolve-all; else empty */
	struct buf out;
	bool failed;
};

/* --- what to say about it --- */

static const char *cure(const struct result *r, enum obs_fail fail)
{
	switch (fail) {
	case FAIL_OK:
		return "";
	case FAIL_DNS:
		return "check the name, and this machine's resolver (getent hosts NAME)";
	case FAIL_CONNECT:
		return "nothing listens there, or a firewall is in between";
	case FAIL_TLS:
		return "the server's certificate: its name, its dates, its chain; for a signer of your own "
		       "use --ca FILE";
	case FAIL_TIMEOUT:
		return "raise --timeout, or find out which phase is slow";
	case FAIL_RESET:
		return "the server, or something in between, hung up: its log knows why";
	case FAIL_PROTOCOL:
		return "what answers there does not speak HTTP, or not well";
	case FAIL_TOO_BIG:
		return "probe a smaller document: a version endpoint is meant to be small";
	case FAIL_REFUSED:
		return "leave out --public-only; an agent needs the network in its allow_networks";
	case FAIL_REDIRECT:
		return "probe the address it points to, or use --redirects 1 when that is on the same host";
	case FAIL_HTTP:
		return "the path, or what the server wants to be told (-H 'Authorization: ...')";
	case FAIL_NO_VERSION:
		return r->p->asked ? "look at the body; see --help for the ways to find a version"
				   : "say where it is: --json POINTER, --header NAME, --regex EXPRESSION, "
				     "--etag or --sha256";
	case FAIL_OTHER:
	case OBS_FAIL_COUNT:
		break;
	}
	return "try the same with curl -v";
}

static void add_ms(struct buf *out, const char *name, int32_t us)
{
	if (us >= 0)
		buf_addf(out, ", %s %.1f", name, us / 1000.0);
}

static void add_line(struct buf *out, const char *name)
{
	buf_addf(out, "%s  %-9s", out->n ? "\n" : "", name);
}

static void text_cache(struct buf *out, const struct answer *a)
{
	char text[TIME_TEXT_MAX];
	if (a->obs.n_tiers > 0) {
		add_line(out, "cache");
		for (size_t i = 0; i < a->obs.n_tiers; i++) {
			buf_addf(out, "%s%s %s", i ? ", " : "",
				tier_kind_name((enum tier_kind)a->obs.tier_kinds[i]),
				cache_status_name((enum cache_status)a->obs.tiers[i]));
			if (a->cdn.tiers[i].node.n > 0) {
				buf_addf(out, " (");
				buf_add_printable(out, a->cdn.tiers[i].node);
				buf_addf(out, ")");
			}
		}
	}
	if (a->obs.age_s != OBS_AGE_NONE) {
		add_line(out, "age");
		buf_addf(out, "%s", duration_format(a->obs.age_s * US_PER_S, text));
		if (a->cdn.age_source)
			buf_addf(out, " (by %s)", a->cdn.age_source);
	}
	if (a->obs.ttl_s != OBS_TTL_NONE) {
		add_line(out, "ttl");
		buf_addf(out, "%s left in shared caches", duration_format(a->obs.ttl_s * US_PER_S, text));
		if (a->cdn.ttl_source)
			buf_addf(out, " (by %s)", a->cdn.ttl_source);
	}
	if (a->obs.browser_ttl_s != OBS_TTL_NONE) {
		add_line(out, "browser");
		buf_addf(out, "may keep it for %s", duration_format(a->obs.browser_ttl_s * US_PER_S, text));
	}
}

static void text_render(struct result *r, const struct answer *a)
{
	struct buf *out = &r->out;
	const struct obs_timing *t = &a->obs.timing;
	enum obs_fail fail = (enum obs_fail)a->obs.fail;
	buf_add_printable(out, str_of(r->url));
	add_line(out, "version");
	if (a->version.n > 0)
		buf_add_printable(out, a->version);
	else
		buf_addf(out, "none");
	if (a->obs.flags & OBS_CUT)
		buf_addf(out, " (cut at %d bytes)", OBS_VERSION_MAX);
	add_line(out, "status");
	if (a->obs.status)
		buf_addf(out, "%d", a->obs.status);
	else
		buf_addf(out, "no answer");
	buf_addf(out, "; %.1f ms", t->total_us / 1000.0);
	add_ms(out, "lookup", t->dns_us);
	add_ms(out, "connect", t->connect_us);
	add_ms(out, "tls", t->tls_us);
	add_ms(out, "first byte after", t->ttfb_us);
	if (a->edge.n > 0) {
		add_line(out, "edge");
		buf_add_printable(out, a->edge);
		struct place p;
		if (place_of_edge(a->edge, &p))
			buf_addf(out, " (%.*s%s%s)", STR_ARG(p.city), p.city.n > 0 ? ", " : "", p.country);
		else if (a->cdn.iata[0])
			buf_addf(out, " (%s)", a->cdn.iata);
	}
	if (a->ip.n > 0) {
		add_line(out, "address");
		buf_add_printable(out, a->ip);
	}
	if (a->obs.status)
		text_cache(out, a);
	if (fail != FAIL_OK) {
		add_line(out, "error");
		buf_addf(out, "%s: ", obs_fail_name(fail));
		buf_add_printable(out, str_of(a->why.text));
		add_line(out, "");
		buf_addf(out, "%s", cure(r, fail));
	}
	buf_addf(out, "\n");
}

/* One line: of many addresses the odd one out is what is looked for. */
static void line_render(struct result *r, const struct answer *a)
{
	struct buf *out = &r->out;
	buf_addf(out, "%-39s  ", r->address);
	buf_add_printable(out, a->version.n > 0 ? a->version : STR("none"));
	buf_addf(out, "  ");
	buf_add_printable(out, a->edge.n > 0 ? a->edge : STR("-"));
	if (a->obs.n_tiers > 0)
		buf_addf(out, "  %s", cache_status_name((enum cache_status)a->obs.tiers[0]));
	if (a->obs.age_s != OBS_AGE_NONE)
		buf_addf(out, "  age %" PRId32 "s", a->obs.age_s);
	if (a->obs.fail != FAIL_OK) {
		buf_addf(out, "  %s: ", obs_fail_name((enum obs_fail)a->obs.fail));
		buf_add_printable(out, str_of(a->why.text));
	}
	buf_addf(out, "\n");
}

static void json_number(struct buf *out, const char *key, int64_t v, bool known)
{
	buf_add_key(out, key);
	if (known)
		buf_addf(out, "%" PRId64, v);
	else
		buf_addf(out, "null");
}

static void json_text(struct buf *out, const char *key, struct str s)
{
	buf_add_key(out, key);
	buf_add_json_or_null(out, s);
}

static void json_headers(struct buf *out, const struct answer *a)
{
	struct header room[HEADERS_MAX];
	struct headers h = { .h = room };
	int status;
	buf_add_key(out, "headers");
	buf_addf(out, "[");
	if (a->headers.n > 0 && headers_parse(a->headers, room, HEADERS_MAX, &h, &status, NULL) == 0)
		for (size_t i = 0; i < h.n; i++) {
			buf_addf(out, "%s[", i ? "," : "");
			buf_add_json(out, h.h[i].name);
			buf_addf(out, ",");
			buf_add_json(out, h.h[i].value);
			buf_addf(out, "]");
		}
	buf_addf(out, "]");
}

static void json_cache(struct buf *out, const struct answer *a)
{
	json_text(out, "vendor", a->cdn.vendor);
	json_text(out, "pop", a->obs.status ? a->cdn.pop : STR_NONE);
	json_text(out, "iata", a->obs.status ? str_of(a->cdn.iata) : STR_NONE);
	buf_add_key(out, "tiers");
	buf_addf(out, "[");
	for (size_t i = 0; i < a->obs.n_tiers; i++) {
		buf_addf(out, "%s{", i ? "," : "");
		json_text(out, "kind", str_of(tier_kind_name((enum tier_kind)a->obs.tier_kinds[i])));
		json_text(out, "status", str_of(cache_status_name((enum cache_status)a->obs.tiers[i])));
		json_text(out, "node", a->cdn.tiers[i].node);
		buf_addf(out, "}");
	}
	buf_addf(out, "]");
	json_number(out, "age_s", a->obs.age_s, a->obs.age_s != OBS_AGE_NONE);
	json_number(out, "ttl_s", a->obs.ttl_s, a->obs.ttl_s != OBS_TTL_NONE);
	json_number(out, "browser_ttl_s", a->obs.browser_ttl_s, a->obs.browser_ttl_s != OBS_TTL_NONE);
}

static void json_render(struct result *r, const struct answer *a)
{
	struct buf *out = &r->out;
	const struct obs_timing *t = &a->obs.timing;
	const struct {
		const char *key;
		int32_t us;
	} phases[] = { { "dns", t->dns_us }, { "connect", t->connect_us }, { "tls", t->tls_us },
		{ "ttfb", t->ttfb_us }, { "total", t->total_us } };
	buf_addf(out, "{");
	json_text(out, "url", str_of(r->url));
	buf_add_key(out, "at");
	buf_add_json_time(out, clock_wall_us() - (clock_boot_us() - a->obs.observed_at_us));
	json_text(out, "result", str_of(obs_fail_name((enum obs_fail)a->obs.fail)));
	json_text(out, "error", str_of(a->obs.fail == FAIL_OK ? NULL : a->why.text));
	json_text(out, "cure", str_of(cure(r, (enum obs_fail)a->obs.fail)));
	json_number(out, "status", a->obs.status, a->obs.status != 0);
	json_text(out, "version", a->version);
	json_text(out, "etag", a->etag);
	json_text(out, "edge", a->edge);
	json_text(out, "node", a->node);
	json_text(out, "ip", a->ip);
	json_cache(out, a);
	buf_add_key(out, "timing_us");
	buf_addf(out, "{");
	for (size_t i = 0; i < ARRAY_LEN(phases); i++)
		json_number(out, phases[i].key, phases[i].us, phases[i].us >= 0);
	buf_addf(out, "}");
	json_headers(out, a);
	buf_addf(out, "}\n");
}

static void on_done(void *arg, void *user, const struct answer *a)
{
	struct probe *p = arg;
	struct result *r = user;
	r->failed = a->obs.fail != FAIL_OK && (a->obs.fail != FAIL_NO_VERSION || p->asked);
	if (p->json)
		json_render(r, a);
	else if (r->address[0])
		line_render(r, a);
	else
		text_render(r, a);
	p->left--;
}

/* --- what is asked --- */

enum {
	OPT_JSON = 256,
	OPT_HEADER,
	OPT_REGEX,
	OPT_ETAG,
	OPT_LAST_MODIFIED,
	OPT_SHA256,
	OPT_CONNECT_TO,
	OPT_ADDRESS,
	OPT_RESOLVE_ALL,
	OPT_TIMEOUT,
	OPT_REDIRECTS,
	OPT_CA,
	OPT_PUBLIC,
	OPT_PRIVATE,
	OPT_POP_HEADER,
	OPT_POP_VENDOR,
	OPT_HELP
};

static const struct option options[] = {
	{ "json", required_argument, NULL, OPT_JSON },
	{ "header", required_argument, NULL, OPT_HEADER },
	{ "regex", required_argument, NULL, OPT_REGEX },
	{ "etag", no_argument, NULL, OPT_ETAG },
	{ "last-modified", no_argument, NULL, OPT_LAST_MODIFIED },
	{ "sha256", no_argument, NULL, OPT_SHA256 },
	{ "connect-to", required_argument, NULL, OPT_CONNECT_TO },
	{ "address", required_argument, NULL, OPT_ADDRESS },
	{ "resolve-all", no_argument, NULL, OPT_RESOLVE_ALL },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "redirects", required_argument, NULL, OPT_REDIRECTS },
	{ "ca", required_argument, NULL, OPT_CA },
	{ "public-only", no_argument, NULL, OPT_PUBLIC },
	{ "allow-private", no_argument, NULL, OPT_PRIVATE },
	{ "pop-header", required_argument, NULL, OPT_POP_HEADER },
	{ "pop-vendor", required_argument, NULL, OPT_POP_VENDOR },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int header_option(struct probe *p, struct str line, struct err *err)
{
	ptrdiff_t colon = str_find(line, ':');
	if (colon < 1)
		return err_set(err, ERR_SYNTAX, "-H '%.*s': expected 'NAME: VALUE'", STR_ARG(line));
	if (p->endpoint.n_headers == ARRAY_LEN(p->headers))
		return err_set(err, ERR_TOO_BIG, "more than %zu headers", ARRAY_LEN(p->headers));
	p->headers[p->endpoint.n_headers++] = (struct assign_header){ .name = str_first(line, (size_t)colon),
		.value = str_trim(str_from(line, (size_t)colon + 1)) };
	return 0;
}

static int number_option(const char *text, int64_t least, int64_t most, int64_t *ret, struct err *err)
{
	int rc = str_to_i64(str_of(text), ret, err);
	if (rc == 0 && (*ret < least || *ret > most))
		rc = err_set(err, ERR_SYNTAX, "%s is not from %" PRId64 " to %" PRId64, text, least, most);
	return rc;
}

static int timeout_option(struct probe *p, const char *text, struct err *err)
{
	int64_t us;
	int rc = duration_parse(str_of(text), &us, err);
	if (rc == 0 && (us < TARGET_TIMEOUT_MIN * US_PER_MS || us > TARGET_TIMEOUT_MAX * US_PER_MS))
		rc = err_set(err, ERR_SYNTAX, "--timeout %s is not from 100ms to 2m", text);
	if (rc == 0)
		p->timeout_ms = (uint32_t)(us / US_PER_MS);
	return rc;
}

static int extract_option(struct probe *p, enum extract_kind kind, const char *arg, struct err *err)
{
	if (p->asked)
		return err_set(err, ERR_SYNTAX, "more than one way to find the version");
	p->asked = true;
	p->endpoint.extract = kind;
	p->endpoint.extract_arg = str_of(arg);
	return 0;
}

static int option_take(struct probe *p, int opt, struct err *err)
{
	int64_t n = 0;
	int rc = 0;
	switch (opt) {
	case OPT_JSON:
		return extract_option(p, EXTRACT_JSON, optarg, err);
	case OPT_HEADER:
		return extract_option(p, EXTRACT_HEADER, optarg, err);
	case OPT_REGEX:
		return extract_option(p, EXTRACT_REGEX, optarg, err);
	case OPT_ETAG:
		return extract_option(p, EXTRACT_ETAG, NULL, err);
	case OPT_LAST_MODIFIED:
		return extract_option(p, EXTRACT_LAST_MODIFIED, NULL, err);
	case OPT_SHA256:
		return extract_option(p, EXTRACT_SHA256, NULL, err);
	case OPT_CONNECT_TO:
		p->endpoint.connect_to = str_of(optarg);
		return 0;
	case OPT_ADDRESS:
		p->endpoint.address = str_of(optarg);
		return 0;
	case OPT_RESOLVE_ALL:
		p->resolve_all = true;
		return 0;
	case OPT_TIMEOUT:
		return timeout_option(p, optarg, err);
	case OPT_REDIRECTS:
		rc = number_option(optarg, 0, TARGET_REDIRECTS_MAX, &n, err);
		p->endpoint.redirects = (uint32_t)n;
		return rc;
	case OPT_CA:
		p->ca_file = optarg;
		return 0;
	case OPT_PUBLIC:
	case OPT_PRIVATE:
		p->public_only = opt == OPT_PUBLIC;
		return 0;
	case OPT_POP_HEADER:
		p->endpoint.pop_header = str_of(optarg);
		return 0;
	case OPT_POP_VENDOR:
		p->endpoint.pop_vendor = str_of(optarg);
		return 0;
	case '4':
	case '6':
		p->endpoint.ip_version = opt - '0';
		return 0;
	case 'H':
		return header_option(p, str_of(optarg), err);
	case 'o':
		p->json = strcmp(optarg, "json") == 0;
		if (!p->json && strcmp(optarg, "text") != 0)
			return err_set(err, ERR_SYNTAX, "-o %s: expected text or json", optarg);
		return 0;
	default:
		return err_set(
			err, ERR_SYNTAX, "see tidemark-agent probe --help"); /* getopt has said the rest */
	}
}

/* 0: go on; otherwise end with this status, less 1. */
static int options_read(struct probe *p, int argc, char **argv)
{
	struct err err = { 0 };
	int rc = 0;
	*p = (struct probe){ .endpoint = { .extract = EXTRACT_JSON,
				     .extract_arg = STR("/version"),
				     .fresh_connection = true } };
	p->endpoint.headers = p->headers;
	optind = 0; /* glibc: begin anew, somebody may have read options before */
	for (int opt; rc == 0 && (opt = getopt_long(argc, argv, "H:o:46h", options, NULL)) != -1;) {
		if (opt == OPT_HELP || opt == 'h') {
			fputs(usage, stdout);
			return 1;
		}
		rc = option_take(p, opt, &err);
	}
	if (rc == 0 && p->endpoint.address.n > 0 && p->endpoint.connect_to.n > 0)
		rc = err_set(&err, ERR_SYNTAX, "--address and --connect-to: want one of them");
	if (rc == 0 && p->resolve_all && (p->endpoint.address.n > 0 || p->endpoint.connect_to.n > 0))
		rc = err_set(&err, ERR_SYNTAX, "--resolve-all with a place to connect to: want one of them");
	if (rc == 0 && optind == argc)
		rc = err_set(&err, ERR_SYNTAX, "no URL; see tidemark-agent probe --help");
	if (rc == 0 && argc - optind > PROBE_URLS_MAX)
		rc = err_set(
			&err, ERR_TOO_BIG, "%d URLs, at most %d at a time", argc - optind, PROBE_URLS_MAX);
	if (rc < 0)
		fprintf(stderr, "tidemark-agent probe: %s\n", err.text);
	return rc < 0 ? 3 : 0;
}

/* Of the URL's name; none when that is an address, or does not resolve: the fetch says so. */
static void addresses_of(
	const struct probe *p, const char *url, const struct netpolicy *policy, struct addresses *ret)
{
	struct assign_endpoint e = p->endpoint;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct target *t;
	char ip[ADDRESS_TEXT_MAX];
	ret->n = 0;
	e.url = str_of(url);
	if (target_new(&e, p->timeout_ms, policy, AGENT_USER_AGENT, &t, NULL) < 0)
		return;
	if (t->named && getaddrinfo(t->connect_host, NULL, &hints, &found) == 0)
		for (const struct addrinfo *a = found; a; a = a->ai_next)
			if (getnameinfo(a->ai_addr, a->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST) ==
					0 &&
				address_is_version(ip, e.ip_version))
				addresses_add(ret, ip);
	target_unref(t);
	if (found)
		freeaddrinfo(found);
}

/* For each URL, or each address of it. Returns how many. */
static size_t results_make(
	struct probe *p, char **urls, size_t n_urls, const struct netpolicy *policy, struct result *results)
{
	size_t n = 0;
	for (size_t i = 0; i < n_urls; i++) {
		struct addresses at = { .n = 0 };
		if (p->resolve_all)
			addresses_of(p, urls[i], policy, &at);
		for (size_t k = 0; k < MAX(at.n, (size_t)1); k++) {
			struct result *r = &results[n++];
			*r = (struct result){ .p = p, .url = urls[i] };
			if (at.n > 0)
				(void)snprintf(r->address, sizeof(r->address), "%s", at.ip[k]);
			buf_init(&r->out, OUT_BYTES_MAX);
		}
	}
	return n;
}

static int start_all(
	struct probe *p, struct fetch *f, const struct netpolicy *policy, struct result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct target *t;
		struct err err;
		p->endpoint.url = str_of(results[i].url);
		if (p->resolve_all)
			p->endpoint.address = str_of(results[i].address);
		if (target_new(&p->endpoint, p->timeout_ms, policy, AGENT_USER_AGENT, &t, &err) < 0) {
			fprintf(stderr, "tidemark-agent probe: %s%s\n", err.text,
				strstr(results[i].url, "://") ? "" : " (did you mean https://...?)");
			return 2;
		}
		p->left++;
		fetch_start(f, t, false, &results[i]);
		target_unref(t);
	}
	return 0;
}

int probe_main(int argc, char **argv)
{
	static struct result results[PROBE_RESULTS_MAX];
	struct probe p;
	struct netpolicy *policy = NULL;
	struct fetch *f = NULL;
	struct err err;
	int status = options_read(&p, argc, argv);
	if (status > 0)
		return status - 1;
	(void)signal(SIGPIPE, SIG_IGN);
	if (p.public_only)
		INVARIANT(netpolicy_new(NULL, 0, NULL, 0, &policy, &err) == 0);
	else
		policy = netpolicy_new_open();
	size_t n = results_make(&p, argv + optind, (size_t)(argc - optind), policy, results);
	struct fetch_conf conf = { .policy = policy, .ca_file = p.ca_file, .done = on_done, .arg = &p };
	if (fetch_new(&conf, &f, &err) < 0) {
		fprintf(stderr, "tidemark-agent probe: %s\n", err.text);
		status = 1;
	} else {
		status = start_all(&p, f, policy, results, n);
	}
	while (status == 0 && p.left > 0)
		fetch_turn(f, -1);
	for (size_t i = 0; i < n; i++) {
		if (status != 2)
			fwrite(results[i].out.p, 1, results[i].out.n, stdout);
		if (status == 0 && results[i].failed)
			status = 1;
		buf_fini(&results[i].out);
	}
	if (fflush(stdout) != 0)
		status = 1;
	fetch_free(f);
	netpolicy_free(policy);
	return status;
}

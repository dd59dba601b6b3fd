/* probe_options.c - the command line of `tidemark-agent probe`. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/probe.h"
#include "base/units.h"

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
	"  --proxy URL            through a proxy: http://HOST:PORT, https://HOST:PORT,\n"
	"                         socks5h://HOST:PORT, as probe_proxy makes an agent go\n"
	"  --proxy-user NAME:PASSWORD\n"
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
	OPT_PROXY,
	OPT_PROXY_USER,
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
	{ "proxy", required_argument, NULL, OPT_PROXY },
	{ "proxy-user", required_argument, NULL, OPT_PROXY_USER },
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
	case OPT_PROXY:
		p->proxy = optarg;
		return 0;
	case OPT_PROXY_USER:
		p->proxy_user = optarg;
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

int probe_options_read(struct probe *p, int argc, char **argv)
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
	if (rc == 0 && p->proxy_user && p->proxy == NULL)
		rc = err_set(&err, ERR_SYNTAX, "--proxy-user without --proxy");
	if (rc == 0 && optind == argc)
		rc = err_set(&err, ERR_SYNTAX, "no URL; see tidemark-agent probe --help");
	if (rc == 0 && argc - optind > PROBE_URLS_MAX)
		rc = err_set(
			&err, ERR_TOO_BIG, "%d URLs, at most %d at a time", argc - optind, PROBE_URLS_MAX);
	if (rc < 0)
		fprintf(stderr, "tidemark-agent probe: %s\n", err.text);
	return rc < 0 ? 3 : 0;
}

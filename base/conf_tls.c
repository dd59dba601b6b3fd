/* conf_tls.c - the files under a `tls:` key, checked where the configuration is read. See conf.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/conf_node.h"
#include "base/log.h"
#include "base/pem.h"

static const struct conf_node *place_of(const struct conf_node *map, const char *key)
{
	for (size_t i = 0; map && i < conf_map_size(map); i++)
		if (str_is(map->items[i]->key, key))
			return map->items[i];
	return map;
}

static void warn(struct conf *c, const struct conf_node *n, const char *sentence)
{
	struct err said = { 0 };
	struct buf all;
	buf_init(&all, 16 * ERR_TEXT_MAX);
	(void)conf_error(c, n, &said, ERR_NONSENSE, "%s", sentence); /* for its words only */
	buf_addf(&all, "%s%s%s", c->warnings ? c->warnings : "", c->warnings ? "\n" : "", said.text);
	if (!buf_failed(&all))
		c->warnings = conf_keep(c, buf_take(&all, NULL));
	buf_fini(&all);
}

const char *conf_warnings(const struct conf *c)
{
	return c->warnings ? c->warnings : "";
}

void conf_warnings_log(const struct conf *c)
{
	struct str rest = str_of(conf_warnings(c));
	for (struct str line; rest.n && str_cut(&rest, '\n', &line);)
		log_warn("conf_warning", "says=\"%.*s\"", STR_ARG(line));
}

void conf_warnings_print(const struct conf *c)
{
	struct str rest = str_of(conf_warnings(c));
	for (struct str line; rest.n && str_cut(&rest, '\n', &line);)
		fprintf(stderr, "warning: %.*s\n", STR_ARG(line));
}

static int certs_check(
	struct conf *c, const struct conf_node *at, const char *path, size_t max, struct err *err)
{
	struct err why = { 0 };
	struct buf warning;
	buf_init(&warning, ERR_TEXT_MAX);
	int rc = pem_check_certs(path, max, &warning, &why);
	if (rc < 0)
		(void)conf_error(c, at, err, rc, "%s", why.text);
	else if (warning.n > 0)
		warn(c, at, warning.p);
	buf_fini(&warning);
	return rc;
}

int conf_check_tls(struct conf *c, const struct conf_node *tls, const char *ca, const char *cert,
	const char *key, struct err *err)
{
	struct err why = { 0 };
	int rc = 0;
	if (!cert != !key)
		return conf_error(c, tls, err, ERR_NONSENSE, "cert and key go together, %s is missing",
			cert ? "key" : "cert");
	if (ca)
		rc = certs_check(c, place_of(tls, "ca"), ca, PEM_CA_MAX, err);
	if (rc == 0 && cert)
		rc = certs_check(c, place_of(tls, "cert"), cert, PEM_MAX, err);
	if (rc == 0 && cert) {
		rc = pem_check_key(cert, key, &why);
		if (rc < 0)
			(void)conf_error(c, place_of(tls, "key"), err, rc, "%s", why.text);
	}
	return rc;
}

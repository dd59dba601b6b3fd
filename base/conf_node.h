/* conf_node.h - inside of conf: the tree that conf_parse.c builds and conf_read.c reads. Nobody else includes
 * this. */
#ifndef BASE_CONF_NODE_H
#define BASE_CONF_NODE_H

#include "base/conf.h"

enum conf_kind { CONF_KIND_SCALAR, CONF_KIND_LIST, CONF_KIND_MAP };

struct conf_node {
	enum conf_kind kind;
	bool is_null;                   /* nothing was written: `key:` */
	unsigned line, column;          /* from 1, in characters */
	unsigned key_line, key_column;  /* of its key, when parent is a mapping */
	const struct conf_node *parent; /* NULL for the root */
	size_t index;                   /* in parent */
	struct str key;                 /* when parent is a mapping */
	struct str text;                /* of a scalar, after ${}; NUL-terminated */
	struct conf_node **items;       /* of a list or mapping */
	size_t n_items, cap_items;
};

struct conf {
	char *name;   /* what errors call the file */
	size_t dir_n; /* how much of name is its directory, the slash included; 0 when it was not loaded from
			 a file */
	struct conf_node *root;
	struct conf_node **nodes; /* all of them */
	size_t n_nodes, cap_nodes;
	const char *warnings; /* lines; NULL: none */
	char **texts; /* every string that was given away or is in a node */
	size_t n_texts, cap_texts;
};

char *conf_keep(struct conf *c, char *text); /* takes a malloc'ed string, gives it back */
/* As conf_error, for the key of n. */
int conf_error_key(const struct conf *c, const struct conf_node *n, struct err *err, int code,
	const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Adds "services[0].burst"; nothing for the root. */
void conf_add_path(const struct conf_node *n, struct buf *out);

#endif

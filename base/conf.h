/* conf.h - YAML configuration, read by libyaml and checked against tables of fields. The same rows parse,
 * check ranges, give defaults, and print the reference (conf_describe). Errors read `file:line:column: what
 * is wrong, what was expected, did you mean ...`. Refused: unknown keys, duplicate keys, aliases and anchors,
 * tags, more than one document, tabs in indentation, over CONF_FILE_MAX bytes, over CONF_DEPTH_MAX levels.
 * `${NAME}` in a scalar is replaced from the environment
 * (`$${` is a literal `${`); a name that is not set is an error that names it. Not pure: reads files and the
 * environment. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/buf.h"

#define CONF_FILE_MAX  (4 * 1024 * 1024)
#define CONF_DEPTH_MAX 16

struct conf;      /* one parsed file; owns every string read from it */
struct conf_node; /* a place in it: mapping, list or scalar */

enum conf_type {
	CONF_STR,  /* char *            owned by the conf; NULL when absent and no default */
	CONF_PATH, /* char *            as CONF_STR; a relative one is from the folder of the file that names
		      it */
	CONF_SECRET,   /* char *            `key: value`, or `key_file: path` whose first line it is; never
			  shown again */
	CONF_BOOL,     /* bool              true/false/on/off/yes/no */
	CONF_INT,      /* int64_t */
	CONF_DOUBLE,   /* double */
	CONF_DURATION, /* int64_t           microseconds */
	CONF_SIZE,     /* int64_t           bytes */
	CONF_RATE,     /* double            per second */
	CONF_SHARE,    /* double            0 to 1 */
	CONF_ENUM,     /* int               index into words[] */
	CONF_MAP,      /* the struct at offset, read by sub[] */
	CONF_NODE,     /* const struct conf_node *   lists and free mappings; NULL when absent; read on by the
			  caller */
};

struct conf_field {
	const char *key;
	enum conf_type type;
	size_t offset;                /* offsetof in the struct that is filled */
	const char *min, *max;        /* as written in a file ("1s", "64KiB"); NULL: no bound */
	const char *dflt;             /* as written; NULL: absent stays zeroed */
	const char *says;             /* one line for the reference */
	const char *const *words;     /* CONF_ENUM: NULL-terminated */
	const struct conf_field *sub; /* CONF_MAP: ended by a NULL key */
	bool required;
};

MUST_USE int conf_load(const char *path, struct conf **ret, struct err *err);
/* name is what errors call the file. text is borrowed for the call. */
MUST_USE int conf_parse(struct str text, const char *name, struct conf **ret, struct err *err);
void conf_free(struct conf *c);
const struct conf_node *conf_root(const struct conf *c); /* an empty file is an empty mapping */

/* Fills out (zeroed by the caller) from a mapping; fields is ended by a NULL key. */
MUST_USE int conf_read(struct conf *c, const struct conf_node *map, const struct conf_field *fields,
	void *out, struct err *err);

size_t conf_list_size(const struct conf_node *n); /* 0 for NULL */
const struct conf_node *conf_list_at(const struct conf_node *n, size_t i);
bool conf_is_list(const struct conf_node *n), conf_is_map(const struct conf_node *n),
	conf_is_scalar(const struct conf_node *n);
size_t conf_map_size(const struct conf_node *n);
void conf_map_at(
	const struct conf_node *n, size_t i, struct str *ret_key, const struct conf_node **ret_value);
struct str conf_scalar(const struct conf_node *n); /* after ${} was replaced; NUL-terminated behind n */
/* Sets "file:line:column: " + the sentence for this place; returns code. */
int conf_error(const struct conf *c, const struct conf_node *n, struct err *err, int code, const char *fmt,
	...) PRINTF_LIKE(5, 6);

/* A relative path in a file means: from the folder of that file. Owned by the conf, or path itself. */
const char *conf_path(struct conf *c, const char *path);

/* The files that the mapping tls names (NULL: not said), already found by CONF_PATH: there, readable, PEM,
 * and the key that of the certificate; else conf_error at the key that names it. ERR_UNSUPPORTED: sound, but
 * of a kind that mbedTLS does not know. A certificate outside its time is a warning. */
MUST_USE int conf_check_tls(struct conf *c, const struct conf_node *tls, const char *ca, const char *cert,
	const char *key, struct err *err);
/* What is no error but should be seen to, a line each, "file:line:column: sentence"; "" when there is
 * nothing. */
const char *conf_warnings(const struct conf *c);
void conf_warnings_log(const struct conf *c);   /* event conf_warning, one each */
void conf_warnings_print(const struct conf *c); /* to stderr */

/* The reference of these fields: a line "key: type, default", and what it is for below it. At most 80
 * columns, for --help. */
void conf_describe(const struct conf_field *fields, const char *prefix, struct buf *out);

#endif

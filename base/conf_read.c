/* A tree of nodes to structs, by tables of fields; and the tables to a reference. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/conf_node.h"
#include "base/nearest.h"
#include "base/units.h"

#define SECRET_MAX 4096

/* -- looking around -- */

const struct conf_node *conf_root(const struct conf *c)
{
	return c->root;
}

bool conf_is_list(const struct conf_node *n)
{
	return n != NULL && n->kind == CONF_KIND_LIST;
}

bool conf_is_map(const struct conf_node *n)
{
	return n != NULL && n->kind == CONF_KIND_MAP;
}

bool conf_is_scalar(const struct conf_node *n)
{
	return n != NULL && n->kind == CONF_KIND_SCALAR;
}

size_t conf_list_size(const struct conf_node *n)
{
	return conf_is_list(n) ? n->n_items : 0;
}

const struct conf_node *conf_list_at(const struct conf_node *n, size_t i)
{
	INVARIANT(i < conf_list_size(n));
	return n->items[i];
}

size_t conf_map_size(const struct conf_node *n)
{
	return conf_is_map(n) ? n->n_items : 0;
}

void conf_map_at(const struct conf_node *n, size_t i, struct str *ret_key, const struct conf_node **ret_value)
{
	INVARIANT(i < conf_map_size(n));
	*ret_key = n->items[i]->key;
	*ret_value = n->items[i];
}

struct str conf_scalar(const struct conf_node *n)
{
	return conf_is_scalar(n) && n->text.p ? n->text : STR("");
}

void conf_add_path(const struct conf_node *n, struct buf *out)
{
	if (n == NULL || n->parent == NULL)
		return;
	conf_add_path(n->parent, out); /* at most CONF_DEPTH_MAX levels */
	if (n->parent->kind == CONF_KIND_LIST)
		buf_addf(out, "[%zu]", n->index);
	else
		buf_addf(out, "%s%.*s", out->n ? "." : "", STR_ARG(n->key));
}

static const char *kind_name(const struct conf_node *n)
{
	return n->kind == CONF_KIND_MAP    ? "a mapping"
	       : n->kind == CONF_KIND_LIST ? "a list"
					   : "a single value";
}

/* -- one value -- */

static const char *type_name(enum conf_type type)
{
	static const char *const names[] = { [CONF_STR] = "text",
		[CONF_PATH] = "path",
		[CONF_SECRET] = "secret",
		[CONF_BOOL] = "on/off",
		[CONF_INT] = "number",
		[CONF_DOUBLE] = "number",
		[CONF_DURATION] = "duration",
		[CONF_SIZE] = "size",
		[CONF_RATE] = "rate",
		[CONF_SHARE] = "share",
		[CONF_ENUM] = "word",
		[CONF_MAP] = "mapping",
		[CONF_NODE] = "list or mapping" };
	return names[type];
}

union value {
	bool b;
	int64_t i;
	double d;
	int e;
};

static int bool_parse(struct str s, bool *ret, struct err *err)
{
	static const char *const yes[] = { "true", "on", "yes" }, *const no[] = { "false", "off", "no" };
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (str_eq_nocase(s, str_of(yes[i])) || str_eq_nocase(s, str_of(no[i]))) {
			*ret = str_eq_nocase(s, str_of(yes[i]));
			return 0;
		}
	}
	return err_set(err, ERR_SYNTAX, "'%.*s' is neither on nor off: want true, on, yes or false, off, no",
		STR_ARG(s));
}

static void words_join(const char *const *words, struct buf *out)
{
	for (size_t i = 0; words[i] != NULL; i++)
		buf_addf(out, "%s%s", i ? ", " : "", words[i]);
}

static int enum_parse(struct str s, const char *const *words, int *ret, struct err *err)
{
	struct nearest near = nearest_to(s);
	for (int i = 0; words[i] != NULL; i++) {
		if (str_is(s, words[i])) {
			*ret = i;
			return 0;
		}
		nearest_try(&near, words[i]);
	}
	struct buf all;
	buf_init(&all, ERR_TEXT_MAX);
	words_join(words, &all);
	int rc = near.best ? err_set(err, ERR_SYNTAX, "'%.*s' is none of %s; did you mean '%s'?", STR_ARG(s),
				     all.p ? all.p : "", near.best)
			   : err_set(err, ERR_SYNTAX, "'%.*s' is none of %s", STR_ARG(s), all.p ? all.p : "");
	buf_fini(&all);
	return rc;
}

static int value_parse(const struct conf_field *f, struct str s, union value *v, struct err *err)
{
	switch (f->type) {
	case CONF_BOOL:
		return bool_parse(s, &v->b, err);
	case CONF_INT:
		return str_to_i64(s, &v->i, err);
	case CONF_DURATION:
		return duration_parse(s, &v->i, err);
	case CONF_SIZE:
		return size_parse(s, &v->i, err);
	case CONF_DOUBLE:
		return str_to_double(s, &v->d, err);
	case CONF_RATE:
		return rate_parse(s, &v->d, err);
	case CONF_SHARE:
		return share_parse(s, &v->d, err);
	case CONF_ENUM:
		return enum_parse(s, f->words, &v->e, err);
	default:
		INVARIANT(!"a type that is one value");
		return ERR_NONSENSE;
	}
}

static bool is_integer(enum conf_type t)
{
	return t == CONF_INT || t == CONF_DURATION || t == CONF_SIZE;
}

static int bound_check(const struct conf_field *f, const union value *v, struct str s, struct err *err)
{
	union value bound = { .i = 0 };
	if (f->min != NULL) {
		INVARIANT(value_parse(f, str_of(f->min), &bound, NULL) == 0);
		if (is_integer(f->type) ? v->i < bound.i : v->d < bound.d)
			return err_set(err, ERR_NONSENSE, "%.*s is below %s", STR_ARG(s), f->min);
	}
	if (f->max != NULL) {
		INVARIANT(value_parse(f, str_of(f->max), &bound, NULL) == 0);
		if (is_integer(f->type) ? v->i > bound.i : v->d > bound.d)
			return err_set(err, ERR_NONSENSE, "%.*s is above %s", STR_ARG(s), f->max);
	}
	return 0;
}

static void value_store(const struct conf_field *f, const union value *v, char *at)
{
	if (is_integer(f->type))
		memcpy(at, &v->i, sizeof(v->i));
	else if (f->type == CONF_BOOL)
		memcpy(at, &v->b, sizeof(v->b));
	else if (f->type == CONF_ENUM)
		memcpy(at, &v->e, sizeof(v->e));
	else
		memcpy(at, &v->d, sizeof(v->d));
}

const char *conf_path(struct conf *c, const char *path)
{
	struct buf out;
	if (path[0] == '/' || c->dir_n == 0)
		return path;
	buf_init(&out, 2 * (size_t)CONF_FILE_MAX);
	buf_addf(&out, "%.*s%s", (int)c->dir_n, c->name, path);
	return conf_keep(c, buf_take(&out, NULL));
}

static bool is_text(enum conf_type t)
{
	return t == CONF_STR || t == CONF_PATH || t == CONF_SECRET;
}

static void keep_text(struct conf *c, struct str s, char *at)
{
	char *z = conf_keep(c, str_dup(s));
	memcpy(at, &z, sizeof(z));
}

static void text_store(struct conf *c, const struct conf_field *f, struct str s, char *at)
{
	keep_text(c, s, at);
	if (f->type == CONF_PATH) {
		char *written;
		memcpy(&written, at, sizeof(written));
		const char *whole = conf_path(c, written);
		memcpy(at, &whole, sizeof(whole));
	}
}

static void default_store(struct conf *c, const struct conf_field *f, char *at)
{
	union value v = { .i = 0 };
	if (f->dflt == NULL)
		return;
	if (is_text(f->type)) {
		text_store(c, f, str_of(f->dflt), at);
		return;
	}
	INVARIANT(value_parse(f, str_of(f->dflt), &v, NULL) == 0);
	value_store(f, &v, at);
}

/* -- secrets from files -- */

static int secret_read(struct conf *c, const struct conf_node *n, char *at, struct err *err)
{
	char text[SECRET_MAX + 2];
	size_t have = 0;
	ssize_t got = 1;
	const char *path = conf_path(c, conf_scalar(n).p);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return conf_error(c, n, err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
			"%.*s: %s cannot be opened: %s", STR_ARG(n->key), path, strerror(errno));
	while (got != 0 && have < sizeof(text)) {
		got = read(fd, text + have, sizeof(text) - have);
		if (got < 0 && errno != EINTR)
			break;
		have += got > 0 ? (size_t)got : 0;
	}
	int why = errno;
	close(fd);
	struct str rest = { text, have }, line = STR_NONE;
	(void)str_cut(&rest, '\n', &line); /* an empty file leaves line empty */
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	int rc = 0;
	if (got < 0)
		rc = conf_error(c, n, err, ERR_IO, "%.*s: %s cannot be read: %s", STR_ARG(n->key), path,
			strerror(why));
	else if (line.n == 0)
		rc = conf_error(c, n, err, ERR_NONSENSE, "%.*s: the first line of %s is empty",
			STR_ARG(n->key), path);
	else if (line.n > SECRET_MAX)
		rc = conf_error(c, n, err, ERR_TOO_BIG, "%.*s: the first line of %s is over %d bytes",
			STR_ARG(n->key), path, SECRET_MAX);
	else if (!str_is_utf8(line))
		rc = conf_error(c, n, err, ERR_SYNTAX, "%.*s: the first line of %s is not text",
			STR_ARG(n->key), path);
	else
		keep_text(c, line, at);
	explicit_bzero(text, sizeof(text));
	return rc;
}

/* -- one field -- */

static int want_scalar(struct conf *c, const struct conf_field *f, const struct conf_node *n, struct err *err)
{
	if (n->kind != CONF_KIND_SCALAR)
		return conf_error(c, n, err, ERR_SYNTAX, "%.*s: %s is given, a %s is wanted", STR_ARG(n->key),
			kind_name(n), type_name(f->type));
	if (n->is_null && f->dflt != NULL)
		return conf_error_key(c, n, err, ERR_SYNTAX,
			"%.*s has no value; leave the line out for the default, %s", STR_ARG(n->key),
			f->dflt[0] ? f->dflt : "which is empty");
	if (n->is_null)
		return conf_error_key(c, n, err, ERR_SYNTAX, "%.*s has no value", STR_ARG(n->key));
	return 0;
}

static int field_read(
	struct conf *c, const struct conf_field *f, const struct conf_node *n, char *at, struct err *err)
{
	union value v = { .i = 0 };
	struct err why = { 0 };

	if (f->type == CONF_NODE) {
		if (!n->is_null)
			memcpy(at, &n, sizeof(n));
		return 0;
	}
	if (f->type == CONF_MAP) {
		if (n->kind != CONF_KIND_MAP)
			return conf_error(c, n, err, ERR_SYNTAX, "%.*s: %s is given, a mapping is wanted",
				STR_ARG(n->key), kind_name(n));
		return conf_read(c, n, f->sub, at, err);
	}
	int rc = want_scalar(c, f, n, err);
	if (rc < 0)
		return rc;
	if (is_text(f->type)) {
		text_store(c, f, n->text, at);
		return 0;
	}
	rc = value_parse(f, n->text, &v, &why);
	if (rc == 0)
		rc = bound_check(f, &v, n->text, &why);
	if (rc < 0)
		return conf_error(c, n, err, rc, "%.*s: %s", STR_ARG(n->key), why.text);
	value_store(f, &v, at);
	return 0;
}

/* Absent: the default, or the complaint. map is NULL when the mapping around it is absent too. */
static int field_absent(
	struct conf *c, const struct conf_field *f, const struct conf_node *map, char *at, struct err *err)
{
	if (f->required) {
		struct buf where;
		buf_init(&where, ERR_TEXT_MAX);
		conf_add_path(map, &where);
		int rc = conf_error(c, map, err, ERR_NOT_FOUND, "%s%s is missing%s%s%s%s", f->key,
			f->type == CONF_SECRET ? " (or its _file)" : "", where.n ? " in " : "",
			where.n ? where.p : "", f->says ? ": " : "", f->says ? f->says : "");
		buf_fini(&where);
		return rc;
	}
	if (f->type == CONF_MAP) { /* its members have defaults of their own; what they require counts only
				      when it is there */
		for (const struct conf_field *sub = f->sub; sub->key != NULL; sub++) {
			if (sub->type == CONF_MAP && !sub->required)
				(void)field_absent(c, sub, map, at + sub->offset,
					NULL); /* cannot fail: nothing in it is asked for */
			else if (sub->type != CONF_MAP && sub->type != CONF_NODE)
				default_store(c, sub, at + sub->offset);
		}
		return 0;
	}
	if (f->type != CONF_NODE)
		default_store(c, f, at);
	return 0;
}

/* -- a mapping -- */

/* What may stand for f: its key, and for a secret also key_file. */
static bool field_has_key(const struct conf_field *f, struct str key, bool *ret_file)
{
	*ret_file = false;
	if (str_is(key, f->key))
		return true;
	*ret_file = f->type == CONF_SECRET && str_ends(key, "_file") &&
		    str_is(str_first(key, key.n - strlen("_file")), f->key);
	return *ret_file;
}

static int unknown_key(
	const struct conf *c, const struct conf_node *n, const struct conf_field *fields, struct err *err)
{
	struct buf where, known;
	struct nearest near = nearest_to(n->key);
	char file_key[80];
	buf_init(&where, ERR_TEXT_MAX);
	buf_init(&known, ERR_TEXT_MAX);
	conf_add_path(n->parent, &where);
	for (const struct conf_field *f = fields; f->key != NULL; f++) {
		nearest_try(&near, f->key);
		buf_addf(&known, "%s%s", known.n ? ", " : "", f->key);
		if (f->type == CONF_SECRET)
			buf_addf(&known, ", %s_file", f->key);
	}
	/* A second pass, so that best does not point into a buffer that changes. */
	for (const struct conf_field *f = fields; f->key != NULL; f++) {
		struct buf name;
		buf_init(&name, sizeof(file_key) - 1);
		buf_addf(&name, "%s_file", f->key);
		size_t d = f->type == CONF_SECRET && !buf_failed(&name)
				   ? edit_distance(n->key, buf_str(&name))
				   : SIZE_MAX;
		if (d < near.distance) {
			memcpy(file_key, name.p, name.n + 1);
			near.distance = d, near.best = file_key;
		}
		buf_fini(&name);
	}
	const char *in = where.n ? " in " : "", *path = where.n ? where.p : "";
	int rc = near.best ? conf_error_key(c, n, err, ERR_NONSENSE,
				     "unknown key '%.*s'%s%s; did you mean '%s'?", STR_ARG(n->key), in, path,
				     near.best)
			   : conf_error_key(c, n, err, ERR_NONSENSE, "unknown key '%.*s'%s%s; known are %s",
				     STR_ARG(str_first(n->key, 64)), in, path, known.p ? known.p : "none");
	buf_fini(&where);
	buf_fini(&known);
	return rc;
}

/* Finds who knows each key of map; refuses the ones nobody does. */
static int keys_known(
	const struct conf *c, const struct conf_node *map, const struct conf_field *fields, struct err *err)
{
	for (size_t i = 0; i < map->n_items; i++) {
		bool file, known = false;
		for (const struct conf_field *f = fields; f->key != NULL && !known; f++)
			known = field_has_key(f, map->items[i]->key, &file);
		if (!known)
			return unknown_key(c, map->items[i], fields, err);
	}
	return 0;
}

int conf_read(struct conf *c, const struct conf_node *map, const struct conf_field *fields, void *out,
	struct err *err)
{
	if (!conf_is_map(map))
		return conf_error(c, map, err, ERR_SYNTAX, "%s is given, a mapping of keys is wanted",
			map ? kind_name(map) : "nothing");
	int rc = keys_known(c, map, fields, err);
	for (const struct conf_field *f = fields; rc == 0 && f->key != NULL; f++) {
		const struct conf_node *plain = NULL, *by_file = NULL;
		for (size_t i = 0; i < map->n_items; i++) {
			bool file;
			if (field_has_key(f, map->items[i]->key, &file))
				*(file ? &by_file : &plain) = map->items[i];
		}
		char *at = (char *)out + f->offset;
		if (plain != NULL && plain->is_null && (f->type == CONF_MAP || f->type == CONF_NODE))
			plain = NULL; /* `tls:` with everything under it commented out */
		if (plain != NULL && by_file != NULL)
			rc = conf_error_key(c, by_file, err, ERR_NONSENSE,
				"%s and %s_file are both given; one is enough", f->key, f->key);
		else if (by_file != NULL)
			rc = want_scalar(c, f, by_file, err) < 0 ? ERR_SYNTAX
								 : secret_read(c, by_file, at, err);
		else if (plain != NULL)
			rc = field_read(c, f, plain, at, err);
		else
			rc = field_absent(c, f, map, at, err);
	}
	return rc;
}

/* -- the reference -- */

static void describe_values(const struct conf_field *f, struct buf *out)
{
	buf_addf(out, "%s", type_name(f->type));
	if (f->type == CONF_ENUM) {
		buf_clear(out);
		words_join(f->words, out);
	}
	if (f->min != NULL && f->max != NULL)
		buf_addf(out, " %s to %s", f->min, f->max);
	else if (f->min != NULL)
		buf_addf(out, " from %s", f->min);
	else if (f->max != NULL)
		buf_addf(out, " up to %s", f->max);
}

#define DESCRIBE_WIDTH  80
#define DESCRIBE_INDENT 4

/* A sentence below its key, broken where a terminal would. */
static void describe_says(struct str says, struct buf *out)
{
	size_t column = 0;
	for (struct str word; str_cut(&says, ' ', &word);) {
		if (column > 0 && column + 1 + word.n < DESCRIBE_WIDTH) {
			buf_addf(out, " %.*s", STR_ARG(word));
			column += 1 + word.n;
		} else {
			buf_addf(
				out, "%s%*s%.*s", column > 0 ? "\n" : "", DESCRIBE_INDENT, "", STR_ARG(word));
			column = DESCRIBE_INDENT + word.n;
		}
	}
	if (column > 0)
		buf_add_char(out, '\n');
}

void conf_describe(const struct conf_field *fields, const char *prefix, struct buf *out)
{
	for (const struct conf_field *f = fields; f->key != NULL; f++) {
		struct buf key, values;
		buf_init(&key, 256);
		buf_init(&values, 512);
		buf_addf(&key, "%s%s%s%s", prefix ? prefix : "", prefix && prefix[0] ? "." : "", f->key,
			f->type == CONF_SECRET ? "[_file]" : "");
		describe_values(f, &values);
		if (f->type == CONF_MAP) {
			conf_describe(f->sub, key.p, out);
		} else {
			buf_addf(out, "%s: %s", key.p, values.p ? values.p : "");
			if (f->required)
				buf_addf(out, ", required");
			else if (f->dflt)
				buf_addf(out, ", default %s", f->dflt[0] ? f->dflt : "empty");
			buf_add_char(out, '\n');
			describe_says(str_of(f->says), out);
		}
		buf_fini(&key);
		buf_fini(&values);
	}
}

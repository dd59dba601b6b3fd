/* YAML text to a tree of nodes, by libyaml's events: its own document loader would accept what we refuse. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yaml.h>

#include "base/conf_node.h"

#define CONF_NODES_MAX 250000 /* a file of "- \n" lines would take a hundred times its size */

struct parser {
	struct conf *conf;
	struct str text;
	yaml_parser_t yaml;
	struct conf_node *open[CONF_DEPTH_MAX]; /* mappings and lists we are inside of */
	size_t depth;
	struct conf_node *key_of; /* made for a key that was read; its value comes next */
	size_t expanded;          /* bytes that ${} brought in */
	bool seen_document;
};

char *conf_keep(struct conf *c, char *text)
{
	c->texts = mem_grow(c->texts, &c->cap_texts, c->n_texts + 1, sizeof(*c->texts));
	c->texts[c->n_texts++] = text;
	return text;
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_nodes; i++) {
		free(c->nodes[i]->items);
		free(c->nodes[i]);
	}
	for (size_t i = 0; i < c->n_texts; i++) {
		explicit_bzero(c->texts[i], strlen(c->texts[i])); /* secrets are among them */
		free(c->texts[i]);
	}
	free(c->nodes);
	free(c->texts);
	free(c->name);
	free(c);
}

static int error_at(const char *name, size_t line, size_t column, struct err *err, int code, const char *fmt,
	va_list args)
{
	char sentence[ERR_TEXT_MAX];
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	return err_set(err, code, "%s:%zu:%zu: %s", name, line, column, sentence);
}

int conf_error(
	const struct conf *c, const struct conf_node *n, struct err *err, int code, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	error_at(c->name, n ? n->line : 1, n ? n->column : 1, err, code, fmt, args);
	va_end(args);
	return code;
}

int conf_error_key(
	const struct conf *c, const struct conf_node *n, struct err *err, int code, const char *fmt, ...)
{
	va_list args;
	bool keyed = n->key_line > 0;
	va_start(args, fmt);
	error_at(c->name, keyed ? n->key_line : n->line, keyed ? n->key_column : n->column, err, code, fmt,
		args);
	va_end(args);
	return code;
}

static int error_mark(const struct parser *p, yaml_mark_t mark, struct err *err, int code, const char *fmt,
	...) PRINTF_LIKE(5, 6);
static int error_mark(
	const struct parser *p, yaml_mark_t mark, struct err *err, int code, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	error_at(p->conf->name, mark.line + 1, mark.column + 1, err, code, fmt, args);
	va_end(args);
	return code;
}

/* -- building -- */

static struct conf_node *node_add(struct parser *p, enum conf_kind kind, yaml_mark_t mark)
{
	struct conf *c = p->conf;
	struct conf_node *n = mem_new(sizeof(*n));
	*n = (struct conf_node){
		.kind = kind, .line = (unsigned)mark.line + 1, .column = (unsigned)mark.column + 1
	};
	c->nodes = mem_grow(c->nodes, &c->cap_nodes, c->n_nodes + 1, sizeof(struct conf_node *));
	c->nodes[c->n_nodes++] = n;
	return n;
}

static void items_append(struct conf_node *parent, struct conf_node *n)
{
	parent->items =
		mem_grow(parent->items, &parent->cap_items, parent->n_items + 1, sizeof(*parent->items));
	n->parent = parent;
	n->index = parent->n_items;
	parent->items[parent->n_items++] = n;
}

/* A node for a value, hung where it belongs. */
static int value_add(
	struct parser *p, enum conf_kind kind, yaml_mark_t mark, struct conf_node **ret, struct err *err)
{
	struct conf_node *parent = p->depth ? p->open[p->depth - 1] : NULL, *n = p->key_of;
	if (p->conf->n_nodes >= CONF_NODES_MAX)
		return error_mark(p, mark, err, ERR_TOO_BIG, "more than %d values", CONF_NODES_MAX);
	if (parent != NULL && parent->kind == CONF_KIND_MAP) {
		if (n == NULL) /* a key is expected here, and this is none: value_is_key() has sorted those
				  out */
			return error_mark(
				p, mark, err, ERR_SYNTAX, "a key must be a word, not a list or mapping");
		n->kind = kind;
		n->line = (unsigned)mark.line + 1, n->column = (unsigned)mark.column + 1;
		p->key_of = NULL;
	} else {
		n = node_add(p, kind, mark);
		if (parent != NULL)
			items_append(parent, n);
		else
			p->conf->root = n;
	}
	*ret = n;
	return 0;
}

static bool value_is_key(const struct parser *p)
{
	return p->depth > 0 && p->open[p->depth - 1]->kind == CONF_KIND_MAP && p->key_of == NULL;
}

static int key_add(struct parser *p, const yaml_event_t *ev, struct err *err)
{
	struct str key = { (const char *)ev->data.scalar.value, ev->data.scalar.length };
	if (p->conf->n_nodes >= CONF_NODES_MAX)
		return error_mark(p, ev->start_mark, err, ERR_TOO_BIG, "more than %d values", CONF_NODES_MAX);
	if (key.n == 0 || memchr(key.p, '\0', key.n))
		return error_mark(
			p, ev->start_mark, err, ERR_SYNTAX, "a key is empty or holds a NUL character");
	struct conf_node *n = node_add(p, CONF_KIND_SCALAR, ev->start_mark);
	n->key = (struct str){ conf_keep(p->conf, str_dup(key)), key.n };
	n->key_line = n->line, n->key_column = n->column;
	items_append(p->open[p->depth - 1], n);
	p->key_of = n;
	return 0;
}

static int by_key(const void *va, const void *vb)
{
	const struct conf_node *a = *(const struct conf_node *const *)va,
			       *b = *(const struct conf_node *const *)vb;
	int c = str_cmp(a->key, b->key);
	return c ? c : (a->index > b->index) - (a->index < b->index);
}

static int keys_check(const struct parser *p, const struct conf_node *map, struct err *err)
{
	const struct conf_node *twice = NULL, *first = NULL;
	struct conf_node **sorted = mem_new_array(map->n_items, sizeof(struct conf_node *));
	if (map->n_items > 0)
		memcpy(sorted, map->items, map->n_items * sizeof(*sorted));
	qsort(sorted, map->n_items, sizeof(*sorted), by_key);
	for (size_t i = 1; i < map->n_items; i++) {
		if (str_eq(sorted[i - 1]->key, sorted[i]->key) &&
			(twice == NULL || sorted[i]->index < twice->index))
			first = sorted[i - 1], twice = sorted[i];
	}
	free(sorted);
	if (twice == NULL)
		return 0;
	return conf_error_key(p->conf, twice, err, ERR_NONSENSE, "key '%.*s' was already given on line %u",
		STR_ARG(twice->key), first->key_line);
}

/* -- ${NAME} -- */

static bool is_name_char(char c, bool first)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (!first && c >= '0' && c <= '9');
}

/* Cuts `NAME}` off the front. */
static bool take_name(struct str *s, struct str *ret)
{
	size_t n = 0;
	while (n < s->n && is_name_char(s->p[n], n == 0))
		n++;
	if (n == 0 || n == s->n || s->p[n] != '}')
		return false;
	*ret = str_first(*s, n);
	*s = str_from(*s, n + 1);
	return true;
}

static int expand(
	struct parser *p, const struct conf_node *n, struct str text, struct buf *out, struct err *err)
{
	while (text.n > 0) {
		if (str_starts(text, "$${")) {
			buf_add_str(out, STR("${"));
			text = str_from(text, 3);
			continue;
		}
		if (!str_starts(text, "${")) {
			buf_add_char(out, text.p[0]);
			text = str_from(text, 1);
			continue;
		}
		struct str name;
		text = str_from(text, 2);
		if (!take_name(&text, &name))
			return conf_error(p->conf, n, err, ERR_SYNTAX,
				"'${' must be followed by the name of an environment variable and '}'; "
				"write '$${' for a literal '${'");
		char *z = str_dup(name);
		const char *value = getenv(z);
		free(z);
		if (value == NULL)
			return conf_error(p->conf, n, err, ERR_NOT_FOUND,
				"environment variable %.*s is not set", STR_ARG(name));
		if (!str_is_utf8(str_of(value)))
			return conf_error(p->conf, n, err, ERR_SYNTAX,
				"environment variable %.*s is not UTF-8", STR_ARG(name));
		p->expanded += strlen(value);
		if (p->expanded > CONF_FILE_MAX)
			return conf_error(p->conf, n, err, ERR_TOO_BIG,
				"environment variables bring in over %d bytes", CONF_FILE_MAX);
		buf_add_str(out, str_of(value));
	}
	return 0;
}

static int scalar_add(struct parser *p, const yaml_event_t *ev, struct err *err)
{
	struct str text = { (const char *)ev->data.scalar.value, ev->data.scalar.length };
	struct conf_node *n;
	struct buf out;
	int rc = value_add(p, CONF_KIND_SCALAR, ev->start_mark, &n, err);
	if (rc < 0)
		return rc;
	if (memchr(text.p, '\0', text.n))
		return conf_error(p->conf, n, err, ERR_SYNTAX, "a value holds a NUL character");
	n->is_null = text.n == 0 && ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	buf_init(&out, 2 * (size_t)CONF_FILE_MAX);
	rc = expand(p, n, text, &out, err);
	if (rc == 0) {
		n->text.n = out.n;
		n->text.p = conf_keep(p->conf, buf_take(&out, NULL));
	}
	buf_fini(&out);
	return rc;
}

/* -- libyaml -- */

static int collection_open(struct parser *p, enum conf_kind kind, yaml_mark_t mark, struct err *err)
{
	struct conf_node *n;
	if (p->depth == CONF_DEPTH_MAX)
		return error_mark(p, mark, err, ERR_TOO_BIG, "nested deeper than %d levels", CONF_DEPTH_MAX);
	int rc = value_add(p, kind, mark, &n, err);
	if (rc == 0)
		p->open[p->depth++] = n;
	return rc;
}

static int refuse_extras(const struct parser *p, const yaml_event_t *ev, struct err *err)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	if (ev->type == YAML_SCALAR_EVENT)
		anchor = ev->data.scalar.anchor, tag = ev->data.scalar.tag;
	else if (ev->type == YAML_SEQUENCE_START_EVENT)
		anchor = ev->data.sequence_start.anchor, tag = ev->data.sequence_start.tag;
	else if (ev->type == YAML_MAPPING_START_EVENT)
		anchor = ev->data.mapping_start.anchor, tag = ev->data.mapping_start.tag;
	if (ev->type == YAML_ALIAS_EVENT)
		return error_mark(p, ev->start_mark, err, ERR_UNSUPPORTED,
			"alias '*%s': aliases are not understood here; write the value out, or quote it",
			(const char *)ev->data.alias.anchor);
	if (anchor != NULL)
		return error_mark(p, ev->start_mark, err, ERR_UNSUPPORTED,
			"anchor '&%s': anchors are not understood here; write the value out, or quote it",
			(const char *)anchor);
	if (tag != NULL)
		return error_mark(p, ev->start_mark, err, ERR_UNSUPPORTED,
			"tag '%s': tags are not understood here; quote the value if it begins with '!'",
			(const char *)tag);
	return 0;
}

/* *ret_end: that was the last event. */
static int event_take(struct parser *p, const yaml_event_t *ev, bool *ret_end, struct err *err)
{
	int rc = refuse_extras(p, ev, err);
	if (rc < 0)
		return rc;
	switch (ev->type) {
	case YAML_STREAM_END_EVENT:
		*ret_end = true;
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (p->seen_document)
			return error_mark(p, ev->start_mark, err, ERR_UNSUPPORTED,
				"a second document begins here; one file is one document");
		p->seen_document = true;
		return 0;
	case YAML_SCALAR_EVENT:
		return value_is_key(p) ? key_add(p, ev, err) : scalar_add(p, ev, err);
	case YAML_MAPPING_START_EVENT:
		return collection_open(p, CONF_KIND_MAP, ev->start_mark, err);
	case YAML_SEQUENCE_START_EVENT:
		return collection_open(p, CONF_KIND_LIST, ev->start_mark, err);
	case YAML_MAPPING_END_EVENT:
		p->depth--;
		return keys_check(p, p->open[p->depth], err);
	case YAML_SEQUENCE_END_EVENT:
		p->depth--;
		return 0;
	default:
		return 0;
	}
}

/* The place of a byte that the reader refused; libyaml only has its offset. */
static yaml_mark_t mark_of_offset(struct str text, size_t offset)
{
	yaml_mark_t mark = { .index = offset };
	for (size_t i = 0; i < offset && i < text.n; i++) {
		if (text.p[i] == '\n')
			mark.line++, mark.column = 0;
		else if (((unsigned char)text.p[i] & 0xC0) != 0x80)
			mark.column++;
	}
	return mark;
}

/* Is there a tab in the white space this line begins with? */
static bool line_indented_by_tab(struct str text, size_t line)
{
	struct str one = STR_NONE;
	for (size_t i = 0; i <= line; i++)
		if (!str_cut(&text, '\n', &one))
			return false;
	for (size_t i = 0; i < one.n && (one.p[i] == ' ' || one.p[i] == '\t'); i++)
		if (one.p[i] == '\t')
			return true;
	return false;
}

static int yaml_failed(const struct parser *p, struct err *err)
{
	const yaml_parser_t *y = &p->yaml;
	if (y->error == YAML_READER_ERROR)
		return error_mark(p, mark_of_offset(p->text, y->problem_offset), err, ERR_SYNTAX,
			"%s (byte 0x%02x)", y->problem,
			y->problem_offset < p->text.n ? (unsigned)(unsigned char)p->text.p[y->problem_offset]
						      : 0);
	if (y->error == YAML_MEMORY_ERROR)
		return error_mark(p, y->mark, err, ERR_TOO_BIG,
			"the YAML parser gave up: too large or nested too deep");
	if (line_indented_by_tab(p->text, y->problem_mark.line))
		return error_mark(p, y->problem_mark, err, ERR_SYNTAX,
			"a tab in the indentation; YAML wants spaces there");
	/* An unclosed quote is noticed at the end of the file; where it was opened is what helps. */
	if (y->context != NULL && y->problem != NULL && strstr(y->context, "quoted scalar") != NULL &&
		strstr(y->problem, "end of stream") != NULL)
		return error_mark(
			p, y->context_mark, err, ERR_SYNTAX, "a quote is opened here and never closed");
	/* An unclosed bracket is noticed at the next line that does not fit, which may be far from it. */
	if (y->context != NULL && y->problem != NULL && strstr(y->context, "parsing a flow") != NULL &&
		strstr(y->problem, "did not find expected ','") != NULL)
		return error_mark(p, y->context_mark, err, ERR_SYNTAX,
			"'%c' is opened here and not closed before line %zu, column %zu, where ',' or '%c' "
			"is missing",
			strstr(y->context, "mapping") ? '{' : '[', y->problem_mark.line + 1,
			y->problem_mark.column + 1, strstr(y->context, "mapping") ? '}' : ']');
	if (y->context != NULL)
		return error_mark(p, y->problem_mark, err, ERR_SYNTAX, "%s, %s that began on line %zu",
			y->problem, y->context, y->context_mark.line + 1);
	return error_mark(p, y->problem_mark, err, ERR_SYNTAX, "%s", y->problem ? y->problem : "no YAML");
}

static int parse_events(struct parser *p, struct err *err)
{
	bool end = false;
	int rc = 0;
	while (rc == 0 && !end) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&p->yaml, &ev))
			return yaml_failed(p, err);
		rc = event_take(p, &ev, &end, err);
		yaml_event_delete(&ev);
	}
	return rc;
}

int conf_parse(struct str text, const char *name, struct conf **ret, struct err *err)
{
	if (text.n > CONF_FILE_MAX)
		return err_set(err, ERR_TOO_BIG, "%s: over %d bytes", name, CONF_FILE_MAX);
	if (str_starts(text, "\xEF\xBB\xBF")) /* the mark some editors put in front of UTF-8 */
		text = str_from(text, 3);

	struct parser p = { .conf = mem_new(sizeof(struct conf)), .text = text };
	p.conf->name = mem_strdup(name);
	if (!yaml_parser_initialize(&p.yaml)) {
		conf_free(p.conf);
		return err_set(err, ERR_IO, "%s: out of memory", name);
	}
	/* Left to itself libyaml would guess UTF-16. */
	yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p.yaml, (const unsigned char *)(text.n ? text.p : ""), text.n);
	int rc = parse_events(&p, err);
	yaml_parser_delete(&p.yaml);

	if (rc == 0 && p.conf->root == NULL)
		node_add(&p, CONF_KIND_MAP, (yaml_mark_t){ 0 });
	if (rc == 0 && p.conf->root == NULL)
		p.conf->root = p.conf->nodes[0];
	if (rc == 0 && p.conf->root->is_null)
		p.conf->root->kind = CONF_KIND_MAP;
	if (rc < 0) {
		conf_free(p.conf);
		return rc;
	}
	*ret = p.conf;
	return 0;
}

/* -- files -- */

static int file_read(const char *path, struct buf *out, struct err *err)
{
	char chunk[16384];
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: cannot be opened: %s",
			path, strerror(errno));
	while (!buf_failed(out) && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		buf_add(out, chunk, (size_t)n);
	}
	int why = errno;
	close(fd);
	if (buf_failed(out))
		return err_set(err, ERR_TOO_BIG, "%s: over %zu bytes", path, out->cap);
	return n < 0 ? err_set(err, ERR_IO, "%s: cannot be read: %s", path, strerror(why)) : 0;
}

int conf_load(const char *path, struct conf **ret, struct err *err)
{
	struct buf text;
	buf_init(&text, CONF_FILE_MAX);
	int rc = file_read(path, &text, err);
	if (rc == 0)
		rc = conf_parse(buf_str(&text), path, ret, err);
	if (rc == 0)
		(*ret)->dir_n = (size_t)(str_rfind(str_of(path), '/') + 1);
	if (text.p != NULL)
		explicit_bzero(text.p, text.n); /* a secret may stand in it */
	buf_fini(&text);
	return rc;
}

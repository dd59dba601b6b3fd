#include "collector/ctl/cells.h"

#include "collector/ctl/api.h"

static bool many_services(const json_t *cells)
{
	const json_t *cell;
	size_t i;
	json_array_foreach(cells, i, cell)
	{
		if (!str_eq(json_text(cell, "service"), json_text(json_array_get(cells, 0), "service")))
			return true;
	}
	return false;
}

static void add_text(struct table *t, enum style style, struct str text)
{
	table_add(t, style, text.n ? text : STR("-"));
}

static bool any_error(const json_t *cells)
{
	const json_t *cell;
	size_t i;
	json_array_foreach(cells, i, cell)
	{
		if (json_is_object(json_object_get(cell, "error")))
			return true;
	}
	return false;
}

/* "http 503 since 2026-03-01T10:00:10Z" */
static void add_error(struct table *t, const json_t *cell)
{
	const json_t *error = json_object_get(cell, "error");
	struct str kind = json_text(error, "kind"), since = json_text(error, "since");
	double status = json_num(error, "status", 0);
	struct buf b;
	buf_init(&b, 1024);
	buf_addf(&b, "%.*s", STR_ARG(kind));
	if (status > 0)
		buf_addf(&b, " %.0f", status);
	if (since.n)
		buf_addf(&b, " since %.*s", STR_ARG(since));
	add_text(t, STYLE_PLAIN, buf_failed(&b) ? STR_NONE : buf_str(&b));
	buf_fini(&b);
}

static void add_seconds(struct table *t, const json_t *cell, const char *name)
{
	struct buf b;
	buf_init(&b, 64);
	text_add_seconds(&b, json_num(cell, name, -1));
	table_add(t, STYLE_PLAIN, buf_str(&b));
	buf_fini(&b);
}

void cells_table(const struct term *t, const json_t *cells, size_t n_max, const char *indent, struct buf *out)
{
	static const char *const with[] = { "~SERVICE", "~ENDPOINT", "~EDGE", "STATE", "~SERVES", "~WANTED",
		"FOR", "AGE", NULL, NULL };
	const char *headers[ARRAY_LEN(with)];
	bool many = many_services(cells), errors = any_error(cells);
	struct table table;
	const json_t *cell;
	size_t i;
	memcpy(headers, with, sizeof(with));
	if (errors)
		headers[ARRAY_LEN(with) - 2] = "~ERROR";
	table_init(&table, many ? headers : headers + 1);
	json_array_foreach(cells, i, cell)
	{
		struct str state = json_text(cell, "state");
		if (i == n_max)
			break;
		if (many)
			add_text(&table, STYLE_PLAIN, json_text(cell, "service"));
		add_text(&table, STYLE_PLAIN, json_text(cell, "endpoint"));
		add_text(&table, STYLE_PLAIN, json_text(cell, "edge"));
		add_text(&table, state_style(state), state);
		add_text(&table, STYLE_PLAIN, json_text(cell, "version"));
		add_text(&table, STYLE_PLAIN, json_text(cell, "expected"));
		if (json_num(cell, "staleness_s", 0) > 0)
			add_seconds(&table, cell, "staleness_s");
		else /* it serves nothing old */
			table_add(&table, STYLE_PLAIN, STR("-"));
		add_seconds(&table, cell, "age_s");
		if (errors)
			add_error(&table, cell);
	}
	table_print(&table, t, indent, out);
	if (json_array_size(cells) > n_max)
		buf_addf(out, "%s... and %zu more\n", indent, json_array_size(cells) - n_max);
	table_fini(&table);
}

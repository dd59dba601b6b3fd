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
		"FOR", "AGE", NULL };
	bool many = many_services(cells);
	struct table table;
	const json_t *cell;
	size_t i;
	table_init(&table, many ? with : with + 1);
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
		add_seconds(&table, cell, "staleness_s");
		add_seconds(&table, cell, "age_s");
	}
	table_print(&table, t, indent, out);
	if (json_array_size(cells) > n_max)
		buf_addf(out, "%s... and %zu more\n", indent, json_array_size(cells) - n_max);
	table_fini(&table);
}

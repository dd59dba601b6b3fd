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

static bool any_error(const json_t *cells, size_t n_max)
{
	const json_t *cell;
	size_t i;
	json_array_foreach(cells, i, cell)
	{
		if (i < n_max && json_is_object(json_object_get(cell, "error")))
			return true;
	}
	return false;
}

static void add_seconds(struct table *t, const json_t *cell, const char *name)
{
	struct buf b;
	buf_init(&b, 64);
	text_add_seconds(&b, json_num(cell, name, -1));
	table_add(t, STYLE_PLAIN, buf_str(&b));
	buf_fini(&b);
}

/* Why cells fail, below the table: a column would leave too little for the others. */
static void errors_table(
	const struct term *t, const json_t *cells, size_t n_max, const char *indent, struct buf *out)
{
	static const char *const headers[] = { "~ENDPOINT", "~EDGE", "~ERROR", "SINCE", NULL };
	struct table table;
	const json_t *cell;
	size_t i;
	table_init(&table, headers);
	json_array_foreach(cells, i, cell)
	{
		const json_t *error = json_object_get(cell, "error");
		double status = json_num(error, "status", 0);
		struct buf what;
		if (i == n_max)
			break;
		if (!json_is_object(error))
			continue;
		buf_init(&what, 1024);
		buf_addf(&what, "%.*s", STR_ARG(json_text(error, "kind")));
		if (status > 0)
			buf_addf(&what, " %.0f", status);
		add_text(&table, STYLE_PLAIN, json_text(cell, "endpoint"));
		add_text(&table, STYLE_PLAIN, json_text(cell, "edge"));
		add_text(&table, STYLE_BAD, buf_failed(&what) ? STR_NONE : buf_str(&what));
		add_text(&table, STYLE_PLAIN, json_text(error, "since"));
		buf_fini(&what);
	}
	table_print(&table, t, indent, out);
	table_fini(&table);
}

/* Only what the edge's code means: where the agents are, which the API gives as a hint, is no place of the
 * edge's. */
static void add_place(struct table *t, const json_t *cell)
{
	const json_t *place = json_object_get(cell, "place");
	struct str city = json_text(place, "city"), country = json_text(place, "country");
	struct buf b;
	buf_init(&b, 1024);
	if (str_is(json_text(place, "from"), "header"))
		buf_addf(&b, "%.*s%s%.*s", STR_ARG(city), city.n && country.n ? ", " : "", STR_ARG(country));
	add_text(t, STYLE_PLAIN, buf_failed(&b) ? STR_NONE : buf_str(&b));
	buf_fini(&b);
}

static bool any_place(const json_t *cells, size_t n_max)
{
	for (size_t i = 0; i < MIN(n_max, json_array_size(cells)); i++)
		if (str_is(json_text(json_object_get(json_array_get(cells, i), "place"), "from"), "header"))
			return true;
	return false;
}

/* headers: room for all of them, which the table keeps */
static void cells_fill(struct table *table, const char **headers, const json_t *cells, size_t n_max,
	bool services, bool places)
{
	static const char *const most[] = { "STATE", "~SERVES", "~WANTED", "FOR", "AGE", NULL };
	size_t n = 0;
	if (services)
		headers[n++] = "~SERVICE";
	headers[n++] = "~ENDPOINT";
	headers[n++] = "~EDGE";
	if (places)
		headers[n++] = "PLACE";
	memcpy(headers + n, most, sizeof(most));
	table_init(table, headers);
	for (size_t i = 0; i < MIN(n_max, json_array_size(cells)); i++) {
		const json_t *cell = json_array_get(cells, i);
		struct str state = json_text(cell, "state");
		if (services)
			add_text(table, STYLE_PLAIN, json_text(cell, "service"));
		add_text(table, STYLE_PLAIN, json_text(cell, "endpoint"));
		add_text(table, STYLE_PLAIN, json_text(cell, "edge"));
		if (places)
			add_place(table, cell);
		add_text(table, state_style(state), state);
		add_text(table, STYLE_PLAIN, json_text(cell, "version"));
		add_text(table, STYLE_PLAIN, json_text(cell, "expected"));
		if (json_num(cell, "staleness_s", 0) > 0)
			add_seconds(table, cell, "staleness_s");
		else /* it serves nothing old */
			table_add(table, STYLE_PLAIN, STR("-"));
		add_seconds(table, cell, "age_s");
	}
}

void cells_table(const struct term *t, const json_t *cells, size_t n_max, const char *indent, struct buf *out)
{
	const char *headers[16];
	bool services = many_services(cells), places = any_place(cells, n_max);
	struct table table;
	cells_fill(&table, headers, cells, n_max, services, places);
	if (places && strlen(indent) + table_width(&table) > t->width) { /* nothing is cut for a city */
		table_fini(&table);
		cells_fill(&table, headers, cells, n_max, services, false);
	}
	table_print(&table, t, indent, out);
	if (json_array_size(cells) > n_max)
		buf_addf(out, "%s... and %zu more\n", indent, json_array_size(cells) - n_max);
	if (any_error(cells, n_max))
		errors_table(t, cells, n_max, indent, out);
	table_fini(&table);
}

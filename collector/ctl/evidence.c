/* evidence.c - see evidence.h */
#include "collector/ctl/evidence.h"

#include "collector/ctl/api.h"

int evidence_fetch(struct api *a, json_t *cells, size_t n_max, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; i < MIN(n_max, json_array_size(cells)) && rc == 0; i++) {
		json_t *cell = json_array_get(cells, i), *answer = NULL;
		struct buf path;
		buf_init(&path, 16 * 1024);
		buf_addf(&path, "/api/v1/cells");
		path_add_segment(&path, json_text(cell, "endpoint"));
		path_add_segment(&path, json_text(cell, "edge"));
		buf_addf(&path, "/evidence");
		path_add_query(&path, "service", json_text(cell, "service"));
		rc = buf_failed(&path) ? err_set(err, ERR_TOO_BIG, "a cell's name is too long")
				       : api_get(a, path.p, &answer, err);
		buf_fini(&path);
		if (rc == ERR_NOT_FOUND)
			rc = 0; /* gone since it was listed */
		else if (rc == 0)
			json_object_set(cell, "evidence", json_object_get(answer, "evidence"));
		json_decref(answer);
	}
	return rc;
}

/* What the header of this line told: "pop FRA, cache hit"; ttl that no header granted says why. */
static void add_told(struct buf *b, const json_t *told, struct str name)
{
	const json_t *one;
	size_t i, start = b->n;
	json_array_foreach(told, i, one)
	{
		const json_t *value = json_object_get(one, "value");
		struct str what = json_text(one, "what"), because = json_text(one, "because");
		if (!str_eq_nocase(json_text(one, "header"), name))
			continue;
		buf_addf(b, "%s%.*s ", b->n > start ? ", " : "", STR_ARG(what));
		if (json_is_integer(value))
			buf_addf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		else if (json_is_string(value))
			buf_add_str(b, json_text(one, "value"));
		else
			buf_addf(b, "unknown");
		if (because.n > 0)
			buf_addf(b, " (%.*s)", STR_ARG(because));
	}
}

/* A header told of may stand in several lines (Via, X-Cache): the note is at the last, the one nearest to us.
 */
static bool is_last_line(const json_t *lines, size_t at, struct str name)
{
	for (size_t i = at + 1; i < json_array_size(lines); i++) {
		struct str line = str_of(json_string_value(json_array_get(lines, i)));
		ptrdiff_t colon = str_find(line, ':');
		if (colon > 0 && str_eq_nocase(str_trim(str_first(line, (size_t)colon)), name))
			return false;
	}
	return true;
}

static void show_one(const struct term *t, const json_t *evidence, struct buf *out)
{
	const json_t *lines = json_object_get(evidence, "headers"), *told = json_object_get(evidence, "told"),
		     *line;
	struct str version = json_text(evidence, "version");
	size_t i;
	buf_addf(out, "  ");
	term_add(t, out, STYLE_PLAIN, json_text(evidence, "at"));
	buf_addf(out, "  seen by ");
	term_add(t, out, STYLE_PLAIN, json_text(evidence, "agent"));
	buf_addf(out, ", status %.0f, ", json_num(evidence, "status", 0));
	if (version.n > 0) {
		buf_addf(out, "version ");
		term_add(t, out, STYLE_BOLD, version);
	} else {
		buf_addf(out, "no version");
	}
	buf_add_char(out, '\n');
	json_array_foreach(lines, i, line)
	{
		struct str text = str_of(json_string_value(line));
		ptrdiff_t colon = str_find(text, ':');
		struct str name = str_trim(str_first(text, colon > 0 ? (size_t)colon : 0));
		struct buf note;
		buf_init(&note, 4096);
		if (name.n > 0 && is_last_line(lines, i, name))
			add_told(&note, told, name);
		buf_addf(out, "    ");
		term_add(t, out, note.n > 0 ? STYLE_PLAIN : STYLE_DIM, text);
		if (note.n > 0 && !buf_failed(&note)) {
			buf_addf(out, "   <- ");
			term_add(t, out, STYLE_BOLD, buf_str(&note));
		}
		buf_add_char(out, '\n');
		buf_fini(&note);
	}
}

void evidence_show(const struct term *t, const json_t *cells, size_t n_max, struct buf *out)
{
	const json_t *cell, *one;
	size_t i, j;
	json_array_foreach(cells, i, cell)
	{
		const json_t *list = json_object_get(cell, "evidence");
		struct str state = json_text(cell, "state");
		if (i == n_max) {
			buf_addf(out, "\n%zu more cells: narrow down with --endpoint, --edge or --state\n",
				json_array_size(cells) - n_max);
			return;
		}
		buf_add_char(out, '\n');
		term_add(t, out, STYLE_BOLD, json_text(cell, "endpoint"));
		buf_addf(out, " at ");
		term_add(t, out, STYLE_BOLD, json_text(cell, "edge"));
		buf_addf(out, " of ");
		term_add(t, out, STYLE_PLAIN, json_text(cell, "service"));
		buf_addf(out, ", ");
		term_add(t, out, state_style(state), state);
		buf_add_char(out, '\n');
		if (json_array_size(list) == 0)
			buf_addf(out, "  no headers were kept\n");
		json_array_foreach(list, j, one) show_one(t, one, out);
	}
}

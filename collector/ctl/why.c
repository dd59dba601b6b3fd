/* why.c - see why.h */
#include "collector/ctl/why.h"

#include "base/printable.h"
#include "collector/ctl/api.h"

#define EVIDENCE_SHOWN 5
#define LABEL          "%-9s "
#define LABEL_WIDTH    10
#define WIDTH_MIN      40

/* A label, then text that is broken at blanks; the lines after the first stand below its beginning. */
static void add_wrapped(
	const struct term *t, const char *indent, const char *label, struct str text, struct buf *out)
{
	struct buf clean;
	size_t left = strlen(indent) + LABEL_WIDTH, width = MAX(t->width, (size_t)WIDTH_MIN) - left, at = 0;
	if (text.n == 0)
		return;
	buf_init(&clean, 64 * 1024);
	buf_add_printable(&clean, text);
	struct str rest = buf_failed(&clean) ? STR("(too long to show)") : buf_str(&clean), word;
	buf_addf(out, "%s" LABEL, indent, label);
	while (str_cut(&rest, ' ', &word)) {
		size_t columns = text_width(word);
		if (at > 0 && at + 1 + columns > width) {
			buf_addf(out, "\n%*s", (int)left, "");
			at = 0;
		}
		buf_addf(out, "%s%.*s", at ? " " : "", STR_ARG(word));
		at += columns + (at ? 1 : 0);
	}
	buf_add_char(out, '\n');
	buf_fini(&clean);
}

/* A command is not broken: it is there to be copied. */
static void add_command(const char *indent, struct str command, struct buf *out)
{
	if (command.n == 0)
		return;
	buf_addf(out, "%s" LABEL, indent, "next");
	buf_add_printable(out, command);
	buf_add_char(out, '\n');
}

static void add_sibling(const struct term *t, const json_t *sibling, const char *indent, struct buf *out)
{
	struct buf text;
	const json_t *one;
	size_t i;
	if (!json_is_object(sibling))
		return;
	buf_init(&text, 16 * 1024);
	buf_addf(&text, "%.*s at %.*s serves %.*s", STR_ARG(json_text(sibling, "endpoint")),
		STR_ARG(json_text(sibling, "edge")), STR_ARG(json_text(sibling, "version")));
	json_array_foreach(json_object_get(sibling, "differs"), i, one)
	{
		buf_addf(&text, "; %.*s: %.*s here, %.*s there", STR_ARG(json_text(one, "what")),
			STR_ARG(json_text(one, "here")), STR_ARG(json_text(one, "there")));
	}
	add_wrapped(t, indent, "beside it", buf_str(&text), out);
	buf_fini(&text);
}

void why_show(const struct term *t, const json_t *why, const char *indent, struct buf *out)
{
	const json_t *one;
	size_t i;
	if (!json_is_object(why))
		return;
	add_wrapped(t, indent, "why", json_text(why, "text"), out);
	json_array_foreach(json_object_get(why, "evidence"), i, one)
	{
		if (i == EVIDENCE_SHOWN)
			break;
		add_wrapped(t, indent, i ? "" : "evidence", json_text(one, "text"), out);
	}
	add_sibling(t, json_object_get(why, "sibling"), indent, out);
	add_wrapped(t, indent, "refuted", json_text(why, "refuted_by"), out);
	add_command(indent, json_text(why, "next"), out);
}

/* -- a deploy -- */

static void add_cause(const struct term *t, const json_t *deploy, struct buf *out)
{
	struct str cause = json_text(deploy, "cause"),
		   layer = json_text(json_object_get(deploy, "why"), "layer");
	double cells = json_num(json_object_get(deploy, "causes"),
		       json_string_value(json_object_get(deploy, "cause")), 0),
	       others = json_num(deploy, "unexplained", 0);
	buf_addf(out, LABEL, "cause");
	term_add(t, out, STYLE_BOLD, cause);
	if (layer.n) {
		buf_addf(out, ", in the layer ");
		buf_add_printable(out, layer);
	}
	if (cells > 0)
		buf_addf(out, ": %.0f cell%s", cells, cells == 1 ? "" : "s");
	if (others > 0)
		buf_addf(out, "; it does not explain %.0f more", others);
	buf_add_char(out, '\n');
}

/* Only where something lies behind the caches that is known of. */
static void add_layers(const struct term *t, const json_t *deploy, struct buf *out)
{
	static const char *const names[] = { "edge", "shield", "origin", "mesh", "rollout", "pods" };
	const json_t *layers = json_object_get(deploy, "layers");
	struct buf text;
	size_t n = 0;
	buf_init(&text, 4096);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str state = json_text(layers, names[i]);
		if (state.n == 0 || str_is(state, "not_configured"))
			continue;
		buf_addf(&text, "%s%s %.*s", n++ ? ", " : "", names[i], STR_ARG(state));
	}
	if (n > 1)
		add_wrapped(t, "", "layers", buf_str(&text), out);
	struct str innermost = json_text(deploy, "innermost");
	buf_clear(&text);
	if (innermost.n && !str_is(innermost, "edge")) {
		char key[16];
		(void)snprintf(key, sizeof(key), "%.*s", STR_ARG(innermost));
		buf_addf(&text, "%.*s: %.*s", STR_ARG(innermost),
			STR_ARG(json_text(json_object_get(deploy, "layer_evidence"), key)));
		add_wrapped(t, "", "look at", buf_str(&text), out);
	}
	buf_fini(&text);
}

void why_show_deploy(const struct term *t, const json_t *deploy, struct buf *out)
{
	if (json_text(deploy, "cause").n == 0)
		return;
	add_cause(t, deploy, out);
	add_layers(t, deploy, out);
	why_show(t, json_object_get(deploy, "why"), "", out);
}

/* -- cells -- */

void why_show_cells(const struct term *t, const json_t *cells, struct buf *out)
{
	const json_t *cell;
	size_t i;
	json_array_foreach(cells, i, cell)
	{
		const json_t *why = json_object_get(cell, "why");
		if (!json_is_object(why))
			continue;
		buf_add_char(out, '\n');
		term_add(t, out, STYLE_BOLD, json_text(cell, "endpoint"));
		buf_addf(out, " at ");
		term_add(t, out, STYLE_BOLD, json_text(cell, "edge"));
		buf_addf(out, " of ");
		term_add(t, out, STYLE_PLAIN, json_text(cell, "service"));
		buf_addf(out, ", ");
		term_add(t, out, state_style(json_text(cell, "state")), json_text(cell, "state"));
		buf_addf(out, "\n  " LABEL, "cause");
		term_add(t, out, STYLE_BAD, json_text(why, "cause"));
		struct str also = str_of(json_string_value(json_array_get(json_object_get(why, "also"), 0)));
		if (also.n) {
			buf_addf(out, ", or ");
			term_add(t, out, STYLE_BAD, also);
		}
		buf_add_char(out, '\n');
		why_show(t, why, "  ", out);
	}
}

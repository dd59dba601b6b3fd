#include "tests/engine/scenario_impl.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static void value_text(const json_t *v, struct buf *out)
{
	if (v == NULL) {
		buf_addf(out, "absent");
	} else if (json_is_string(v)) {
		buf_addf(out, "%s", json_string_value(v));
	} else {
		char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(4));
		buf_addf(out, "%s", text);
		free(text);
	}
}

static const json_t *json_at(const json_t *v, struct str path)
{
	struct str part;
	while (v && path.n && str_cut(&path, '.', &part)) {
		int64_t i;
		char *key = str_dup(part);
		if (json_is_array(v) && str_is(part, "n")) {
			static json_t *count;
			json_decref(count);
			v = count = json_integer((json_int_t)json_array_size(v));
		} else {
			v = json_is_array(v) && str_to_i64(part, &i, NULL) == 0 ? json_array_get(v, (size_t)i)
										: json_object_get(v, key);
		}
		free(key);
	}
	return v;
}

static void check_fields(const struct run *r, const struct step *s, size_t from, struct str text)
{
	json_error_t why;
	json_t *object = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &why);
	if (object == NULL)
		story_fail(r, "the view is no JSON:", str_of(why.text));
	for (size_t i = from; i < s->n_words; i++) {
		struct buf got;
		struct str want = s->words[i], key;
		buf_init(&got, 1 << 20);
		(void)str_cut(&want, '=', &key);
		value_text(json_at(object, key), &got);
		if (!str_eq(buf_str(&got), want)) {
			print_error("line %zu: %.*s is '%.*s', not '%.*s', in %.*s\n", r->line, STR_ARG(key),
				STR_ARG(buf_str(&got)), STR_ARG(want), STR_ARG(text));
			fail();
		}
		buf_fini(&got);
	}
	json_decref(object);
}

static void split_cell(
	struct str word, char text[OBS_NAME_MAX], struct str *ret_edge, struct str *ret_endpoint)
{
	struct str edge;
	(void)str_cut(&word, '/', &edge);
	*ret_edge = full_edge(str_is(edge, "-") ? STR("none:") : edge, text);
	if (str_is(edge, "-"))
		*ret_edge = STR("none");
	*ret_endpoint = word.n ? word : STR("v");
}

/* The words after '>' on the lines of `what`, with commas between them. */
static void check_sequence(const struct run *r, const char *what, struct str want)
{
	struct buf got;
	struct str left = buf_str(&r->outs), line;
	buf_init(&got, 1 << 20);
	while (left.n && str_cut(&left, '\n', &line)) {
		ptrdiff_t at = str_find(line, '>');
		size_t n = strlen(what);
		if (at < (ptrdiff_t)n || !str_eq((struct str){ line.p + at - n, n }, str_of(what)))
			continue;
		struct str rest = str_from(line, (size_t)at + 1), state;
		(void)str_cut(&rest, ' ', &state);
		buf_addf(&got, "%s%.*s", got.n ? "," : "", STR_ARG(state));
	}
	if (!str_eq(buf_str(&got), want)) {
		print_error("line %zu: it went %.*s, not %.*s\n%.*s", r->line, STR_ARG(buf_str(&got)),
			STR_ARG(want), STR_ARG(buf_str(&r->outs)));
		fail();
	}
	buf_fini(&got);
}

static void expect_named(
	const struct run *r, const struct step *s, void (*view)(const struct engine *e, struct buf *out))
{
	struct buf all;
	size_t i;
	json_t *member;
	buf_init(&all, 1 << 24);
	view(r->e, &all);
	json_t *list = json_loadb(all.p, all.n, 0, NULL);
	json_array_foreach(list, i, member)
	{
		if (!str_is(s->words[2], json_string_value(json_object_get(member, "name"))))
			continue;
		char *text = json_dumps(member, JSON_COMPACT | JSON_REAL_PRECISION(6));
		check_fields(r, s, 3, str_of(text));
		free(text);
		json_decref(list);
		buf_fini(&all);
		return;
	}
	story_fail(r, "not there:", s->words[2]);
}

static void check_reason(const struct run *r, const struct step *s)
{
	struct buf view;
	buf_init(&view, 1 << 24);
	if (view_deploy(r->e, s->words[2], &view, NULL) < 0)
		story_fail(r, "no deploy:", s->words[2]);
	json_t *object = json_loadb(view.p, view.n, 0, NULL);
	struct str reason = str_of(json_string_value(json_object_get(object, "reason"))), word;
	(void)str_cut(&reason, ' ', &word);
	if (word.n && word.p[word.n - 1] == ':')
		word.n--;
	if (!str_eq(word, s->words[3]))
		story_fail(r, "the reason begins otherwise:", word);
	json_decref(object);
	buf_fini(&view);
}

void do_expect(struct run *r, const struct step *s)
{
	char text[OBS_NAME_MAX], what[2 * OBS_NAME_MAX + 16];
	struct str kind = s->words[1], edge, endpoint;
	struct buf view;
	struct err err;
	engine_advance(r->e, ZERO_US + s->at_us);
	buf_init(&view, 1 << 24);
	split_cell(s->words[2], text, &edge, &endpoint);
	if (str_is(kind, "cell")) {
		if (view_cell(r->e, option_or(s, "service", "shop"), endpoint, edge, &view, &err) < 0)
			story_fail(r, "no cell:", str_of(err.text));
		check_fields(r, s, 3, buf_str(&view));
	} else if (str_is(kind, "nocell")) {
		assert_int_equal(view_cell(r->e, STR("shop"), endpoint, edge, &view, NULL), ERR_NOT_FOUND);
	} else if (str_is(kind, "deploy")) {
		if (view_deploy(r->e, s->words[2], &view, &err) < 0)
			story_fail(r, "no deploy:", str_of(err.text));
		check_fields(r, s, 3, buf_str(&view));
	} else if (str_is(kind, "incident")) {
		if (view_incident(r->e, s->words[2], &view, &err) < 0)
			story_fail(r, "no incident:", str_of(err.text));
		check_fields(r, s, 3, buf_str(&view));
	} else if (str_is(kind, "incidents")) { /* what happened to a deploy's */
		snprintf(what, sizeof(what), "incident %.*s", STR_ARG(s->words[2]));
		check_sequence(r, what, s->n_words > 3 ? s->words[3] : STR_NONE);
	} else if (str_is(kind, "service")) {
		expect_named(r, s, view_services);
	} else if (str_is(kind, "agent")) {
		expect_named(r, s, view_agents);
	} else if (str_is(kind, "states")) {
		snprintf(what, sizeof(what), "cell %.*s/%.*s", STR_ARG(edge), STR_ARG(endpoint));
		check_sequence(r, what, s->words[3]);
	} else if (str_is(kind, "versions")) { /* that came without a change of state */
		snprintf(what, sizeof(what), "served %.*s/%.*s", STR_ARG(edge), STR_ARG(endpoint));
		check_sequence(r, what, s->n_words > 3 ? s->words[3] : STR_NONE);
	} else if (str_is(kind, "reason")) { /* its first word, without the colon */
		check_reason(r, s);
	} else if (str_is(kind, "verdicts")) {
		snprintf(what, sizeof(what), "deploy %.*s", STR_ARG(s->words[2]));
		check_sequence(r, what, s->n_words > 3 ? s->words[3] : STR_NONE);
	} else if (str_is(kind, "notices")) {
		check_sequence(
			r, "notice undeclared_deploy", str_is(s->words[2], "0") ? STR_NONE : s->words[2]);
	} else {
		story_fail(r, "nothing is called", kind);
	}
	buf_fini(&view);
}

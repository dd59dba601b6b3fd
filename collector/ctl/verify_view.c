/* verify_view.c - a block that is redrawn on a terminal, lines that are added anywhere else, and the end. */
#include <stdio.h>

#include "base/printable.h"
#include "base/units.h"
#include "collector/ctl/cells.h"
#include "collector/ctl/verify.h"
#include "collector/ctl/why.h"

#define BAR_WIDTH      24
#define CURVE_WIDTH    32
#define CELLS_DRAWN    8
#define CELLS_LISTED   40
#define PATTERNS_MAX   8
#define PLAIN_EVERY_US (2 * US_PER_S) /* without a terminal: not more often, but for a change of verdict */

static void add_elapsed(struct buf *b, int64_t us)
{
	text_add_seconds(b, (double)(MAX(us, INT64_C(0)) / US_PER_S));
}

static void add_name(const struct verify_view *v, struct buf *b)
{
	term_add(v->term, b, STYLE_BOLD, str_of(v->service));
	buf_addf(b, " ");
	term_add(v->term, b, STYLE_BOLD, str_of(v->version));
}

/* -- the block -- */

/* Takes the last drawing off the screen, and counts the lines of this one. */
static void block_draw(struct verify_view *v, struct buf *block)
{
	struct buf out;
	buf_init(&out, 1024 * 1024);
	if (v->n_drawn > 0)
		buf_addf(&out, "\033[%zuA", v->n_drawn);
	buf_addf(&out, "\r\033[J");
	buf_add_str(&out, buf_str(block));
	v->n_drawn = 0;
	for (size_t i = 0; i < block->n; i++)
		v->n_drawn += block->p[i] == '\n';
	out_flush(&out);
	buf_fini(&out);
}

void view_clear(struct verify_view *v)
{
	struct buf none;
	buf_init(&none, 1);
	if (v->n_drawn > 0)
		block_draw(v, &none);
	buf_fini(&none);
}

static void add_progress_line(
	const struct verify_view *v, const struct deploy_seen *d, bool recheck, int64_t now_us, struct buf *b)
{
	add_name(v, b);
	buf_addf(b, "  ");
	term_add(v->term, b, verdict_style(d->verdict), d->verdict);
	if (recheck)
		buf_addf(b, ", looking again");
	buf_addf(b, "  ");
	text_add_bar(v->term, b, d->share, BAR_WIDTH);
	buf_addf(b, " ");
	text_add_percent(b, d->share);
	buf_addf(b, "\n  %zu of %zu cells converged", d->converged, d->observed);
	if (json_array_size(d->unobserved) > 0)
		buf_addf(b, ", %zu known not seen yet", json_array_size(d->unobserved));
	buf_addf(b, ", ");
	add_elapsed(b, now_us - v->started_us);
	buf_addf(b, " of ");
	add_elapsed(b, v->timeout_us);
	buf_addf(b, "\n");
}

/* The share at time t: that of the last point not after it. Points are sorted by time. */
static double curve_at(const json_t *points, double t)
{
	const json_t *p;
	size_t i;
	double share = 0;
	json_array_foreach(points, i, p)
	{
		if (json_num(p, "t_s", 0) > t)
			break;
		share = json_num(p, "latest", share);
	}
	return share;
}

static void add_curve_line(
	const struct verify_view *v, const struct deploy_seen *d, const json_t *points, struct buf *b)
{
	static const char *const fine[] = { " ", "\xE2\x96\x81", "\xE2\x96\x82", "\xE2\x96\x83",
		"\xE2\x96\x84", "\xE2\x96\x85", "\xE2\x96\x86", "\xE2\x96\x87", "\xE2\x96\x88" };
	static const char *const coarse[] = { " ", ".", ".", ":", "-", "=", "+", "*", "#" };
	size_t n = json_array_size(points);
	double end_s = json_num(json_array_get(points, n ? n - 1 : 0), "t_s", 0);
	if (n < 2 || end_s <= 0)
		return;
	buf_addf(b, "  ");
	for (int i = 1; i <= CURVE_WIDTH; i++) {
		double share = curve_at(points, end_s * i / CURVE_WIDTH);
		size_t step = share <= 0 ? 0 : share >= 1 ? 8 : 1 + (size_t)(share * 7);
		buf_addf(b, "%s", v->term->utf8 ? fine[step] : coarse[step]);
	}
	buf_addf(b, " over ");
	text_add_seconds(b, end_s);
	static const char *const quantiles[] = { "t50_s", "t90_s" };
	for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
		double t = json_is_array(json_object_get(d->propagation, quantiles[i]))
				   ? json_number_value(
					     json_array_get(json_object_get(d->propagation, quantiles[i]), 1))
				   : -1;
		if (t <= 0)
			continue;
		buf_addf(b, ", %s after ", i == 0 ? "half" : "90 %");
		text_add_seconds(b, t);
	}
	buf_addf(b, "\n");
}

/* Lines longer than the terminal would wrap, and the count of drawn lines be wrong. None of ours is longer
 * but by its names. */
static void add_lines_cut(const struct verify_view *v, struct buf *b, struct str lines)
{
	struct str line;
	while (str_cut(&lines, '\n', &line)) {
		if (line.n == 0 && lines.p == NULL)
			break;
		size_t columns = 0, i = 0;
		bool escape = false;
		for (; i < line.n; i++) { /* escapes take no columns, and are kept to the end, so that colours
					     are put back */
			char c = line.p[i];
			escape = escape || c == '\033';
			bool begins = ((unsigned char)c & 0xC0) != 0x80;
			if (!escape && begins)
				columns++;
			if (escape || columns <= v->term->width)
				buf_add_char(b, c);
			if (escape && c == 'm')
				escape = false;
		}
		buf_addf(b, "\n");
	}
}

/* -- lines -- */

static void plain_line(struct verify_view *v, struct str line, bool now, int64_t now_us)
{
	if (line.n >= sizeof(v->last))
		line = str_first(line, sizeof(v->last) - 1);
	if (str_is(line, v->last) || (!now && v->last[0] != '\0' && now_us - v->last_us < PLAIN_EVERY_US))
		return;
	memcpy(v->last, line.p, line.n);
	v->last[line.n] = '\0';
	v->last_us = now_us;
	struct buf b;
	buf_init(&b, 8192);
	buf_addf(&b, "+");
	add_elapsed(&b, now_us - v->started_us);
	buf_addf(&b, " ");
	buf_add_printable(&b, line);
	buf_addf(&b, "\n");
	out_flush(&b);
	buf_fini(&b);
}

static void progress_plain(struct verify_view *v, const struct deploy_seen *d, bool recheck, int64_t now_us)
{
	struct buf b;
	buf_init(&b, 4096);
	buf_addf(&b, "%s %s %.*s%s: ", v->service, v->version, STR_ARG(d->verdict),
		recheck ? ", looking again" : "");
	text_add_percent(&b, d->share);
	buf_addf(&b, ", %zu of %zu cells converged", d->converged, d->observed);
	if (json_array_size(d->unobserved) > 0)
		buf_addf(&b, ", %zu known not seen yet", json_array_size(d->unobserved));
	if (json_array_size(d->not_fresh) > 0)
		buf_addf(&b, ", %zu not fresh", json_array_size(d->not_fresh));
	/* The beginning of a line says the verdict: a change of it is told at once. */
	size_t same = 0;
	while (same < b.n && v->last[same] == b.p[same])
		same++;
	plain_line(v, buf_str(&b), memchr(b.p + same, ':', b.n - same) != NULL, now_us);
	buf_fini(&b);
}

void view_progress(
	struct verify_view *v, const struct deploy_seen *d, const json_t *curve, bool recheck, int64_t now_us)
{
	if (v->silent)
		return;
	if (!v->term->tty) {
		progress_plain(v, d, recheck, now_us);
		return;
	}
	struct buf lines, cut;
	buf_init(&lines, 1024 * 1024), buf_init(&cut, 1024 * 1024);
	add_progress_line(v, d, recheck, now_us, &lines);
	add_curve_line(v, d, curve, &lines);
	if (json_array_size(d->not_fresh) > 0)
		cells_table(v->term, d->not_fresh, CELLS_DRAWN, "  ", &lines);
	add_lines_cut(v, &cut, buf_str(&lines));
	block_draw(v, &cut);
	buf_fini(&lines), buf_fini(&cut);
}

void view_waiting(struct verify_view *v, const char *what, int64_t now_us)
{
	if (v->silent)
		return;
	if (!v->term->tty) {
		plain_line(v, str_of(what), false, now_us);
		return;
	}
	struct buf b, cut;
	buf_init(&b, 8192), buf_init(&cut, 8192);
	add_name(v, &b);
	buf_addf(&b, "  ");
	buf_add_printable(&b, str_of(what));
	buf_addf(&b, ", ");
	add_elapsed(&b, now_us - v->started_us);
	buf_addf(&b, " of ");
	add_elapsed(&b, v->timeout_us);
	buf_addf(&b, "\n");
	add_lines_cut(v, &cut, buf_str(&b));
	block_draw(v, &cut);
	buf_fini(&b), buf_fini(&cut);
}

/* -- the end -- */

static void add_reason(struct buf *b, const struct deploy_seen *d)
{
	if (d->reason.n == 0)
		return;
	buf_addf(b, ": ");
	buf_add_printable(b, d->reason);
}

static void add_interval(struct buf *b, const struct deploy_seen *d, const char *name, const char *says)
{
	const json_t *pair = json_object_get(d->propagation, name);
	const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
	if (!json_is_number(low) || !json_is_number(high))
		return;
	buf_addf(b, "%s between ", says);
	text_add_seconds(b, MAX(json_number_value(low), 0.0));
	buf_addf(b, " and ");
	text_add_seconds(b, MAX(json_number_value(high), 0.0));
}

static void add_headline(const struct verify_view *v, const struct deploy_seen *d, enum verify_step how,
	bool recheck, double require, int64_t now_us, struct buf *b)
{
	static const struct {
		enum style style;
		const char *word;
	} words[] = { [VERIFY_WAIT] = { STYLE_WARN, "INCONCLUSIVE" },
		[VERIFY_PASSED] = { STYLE_GOOD, "VERIFIED" },
		[VERIFY_FAILED] = { STYLE_BAD, "FAILED" },
		[VERIFY_INCONCLUSIVE] = { STYLE_WARN, "INCONCLUSIVE" },
		[VERIFY_SUPERSEDED] = { STYLE_WARN, "SUPERSEDED" } };
	bool decided = d->is_final && !recheck, aborted = str_is(d->verdict, "aborted");
	term_add(v->term, b, words[how].style, str_of(aborted ? "ABORTED" : words[how].word));
	buf_addf(b, " ");
	add_name(v, b);
	if (how == VERIFY_PASSED) {
		buf_addf(b, ": %zu of %zu cells serve it", d->converged, d->observed);
		if (!json_equal(json_object_get(d->propagation, "t50_s"),
			    json_object_get(d->propagation, "t100_s")))
			add_interval(b, d, "t50_s", ", half of them");
		add_interval(b, d, "t100_s", ", the last");
		if (recheck) {
			buf_addf(b, "\nThe deploy's own verdict stays ");
			buf_add_printable(b, d->verdict);
			add_reason(b, d);
		} else if (!d->is_final) {
			buf_addf(b, "\nThat is the share asked for (");
			text_add_percent(b, require);
			buf_addf(b, "); the collector's own verdict is not in yet");
		}
	} else if (decided && how != VERIFY_SUPERSEDED && !str_is(d->verdict, "verified")) {
		add_reason(b, d);
	} else if (how == VERIFY_SUPERSEDED) {
		add_reason(b, d);
	} else {
		buf_addf(b, ": after ");
		add_elapsed(b, now_us - v->started_us);
		buf_addf(b, " it is ");
		buf_add_printable(b, d->verdict);
		buf_addf(b, ", ");
		text_add_percent(b, d->share);
		buf_addf(b, " converged, %zu of %zu cells", d->converged, d->observed);
		if (json_array_size(d->unobserved) > 0)
			buf_addf(b, ", and %zu known were not seen", json_array_size(d->unobserved));
		if (recheck) {
			buf_addf(b, "\nIts verdict was decided before");
			add_reason(b, d);
		}
	}
	buf_addf(b, "\n");
}

static void add_unobserved(struct buf *b, const struct deploy_seen *d)
{
	const json_t *cell;
	size_t i;
	json_array_foreach(d->unobserved, i, cell)
	{
		if (i == CELLS_DRAWN)
			break;
		buf_addf(b, "%s", i ? ", " : "  not seen since the deploy: ");
		buf_add_printable(b, json_text(cell, "endpoint"));
		buf_addf(b, " at ");
		buf_add_printable(b, json_text(cell, "edge"));
	}
	if (json_array_size(d->unobserved) > CELLS_DRAWN)
		buf_addf(b, " and %zu more", json_array_size(d->unobserved) - CELLS_DRAWN);
	if (json_array_size(d->unobserved) > 0)
		buf_addf(b, "\n");
}

/* -- what to do next -- */

static void add_told_steps(struct buf *b, const struct deploy_seen *d)
{
	const json_t *step;
	size_t i;
	bool any = false;
	json_array_foreach(d->next, i, step)
	{
		struct str text = json_is_string(step)
					  ? (struct str){ json_string_value(step), json_string_length(step) }
					  : json_text(step, "text");
		if (text.n == 0)
			continue;
		buf_addf(b, "%s", any ? "      " : "next: ");
		buf_add_printable(b, text);
		buf_addf(b, "\n");
		any = true;
	}
}

/* A word for a shell: what is not plain goes between single quotes, and a quote is spelled out. */
static void add_shell_word(struct buf *b, struct str word)
{
	bool plain = word.n > 0;
	for (size_t i = 0; i < word.n && plain; i++) {
		char c = word.p[i];
		plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			(c && strchr("-._/:@%+,", c) != NULL);
	}
	if (plain) {
		buf_add_printable(b, word);
		return;
	}
	buf_add_char(b, '\'');
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '\'')
			buf_addf(b, "'\\''");
		else
			buf_add_printable(b,
				(struct str){ word.p + i, 1 }); /* other bytes than ASCII are spelled out */
	}
	buf_add_char(b, '\'');
}

/* Did a cell before this one name the same endpoint at this vendor? */
static bool named_before(const json_t *cells, size_t at, struct str vendor, struct str endpoint)
{
	for (size_t i = 0; i < at; i++) {
		const json_t *c = json_array_get(cells, i);
		if (str_eq(json_text(c, "vendor"), vendor) && str_eq(json_text(c, "endpoint"), endpoint))
			return true;
	}
	return false;
}

/* Path and query of an endpoint's url; empty when we were not told. */
static struct str endpoint_path(const struct verify_view *v, struct str id)
{
	const json_t *e;
	size_t i;
	json_array_foreach(v->endpoints, i, e)
	{
		struct str url = json_text(e, "url"), scheme;
		if (!str_eq(json_text(e, "id"), id) || !str_cut(&url, ':', &scheme) || !str_starts(url, "//"))
			continue;
		url = str_from(url, 2);
		ptrdiff_t at = str_find(url, '/');
		return at < 0 ? STR("/") : str_from(url, (size_t)at);
	}
	return STR_NONE;
}

/* The command that would tell of the purge that is missing, for the vendor of the first wrong cell. */
static void add_purge_command(const struct verify_view *v, const struct deploy_seen *d, struct buf *b)
{
	struct str vendor = json_text(json_array_get(d->not_fresh, 0), "vendor");
	const json_t *cell;
	size_t i, n = 0;
	buf_addf(b, "      tidemark purge ");
	add_shell_word(b, str_of(v->service));
	buf_addf(b, " --vendor ");
	if (vendor.n > 0)
		add_shell_word(b, vendor);
	else
		buf_addf(b, "VENDOR");
	json_array_foreach(d->not_fresh, i, cell)
	{
		struct str endpoint = json_text(cell, "endpoint"), path = endpoint_path(v, endpoint);
		if (n == PATTERNS_MAX || path.n == 0 || !str_eq(json_text(cell, "vendor"), vendor) ||
			named_before(d->not_fresh, i, vendor, endpoint))
			continue;
		buf_addf(b, " ");
		add_shell_word(b, path);
		n++;
	}
	buf_addf(b, "%s --completed\n", n == 0 ? " PATTERN..." : "");
}

static void add_again(const struct verify_view *v, const char *more, struct buf *b)
{
	buf_addf(b, "tidemark verify ");
	add_shell_word(b, str_of(v->service));
	buf_addf(b, " --version ");
	add_shell_word(b, str_of(v->version));
	buf_addf(b, "%s\n", more);
}

static void add_next(
	const struct verify_view *v, const struct deploy_seen *d, enum verify_step how, struct buf *b)
{
	if (how == VERIFY_PASSED)
		return;
	const json_t *why = json_object_get(d->answer, "why");
	if (d->explained && !json_is_object(why) && json_array_size(d->next) > 0) {
		add_told_steps(b, d);
		return;
	}
	struct str layer = json_text(why, "layer");
	if (d->explained && json_is_object(why) && how == VERIFY_FAILED) {
		/* the command stands with the cause; a purge is told of when it is done */
		bool cache = str_is(layer, "edge") || str_is(layer, "shield");
		buf_addf(b, "then %s\n", cache && d->wrong_seen ? "tell it and look again:" : "look again:");
		if (cache && d->wrong_seen)
			add_purge_command(v, d, b);
		buf_addf(b, "      ");
		add_again(v, "", b);
		return;
	}
	buf_addf(b, "next: ");
	if (how == VERIFY_SUPERSEDED) {
		buf_addf(b, "see what went out since: tidemark status ");
		add_shell_word(b, str_of(v->service));
		buf_addf(b, "\n");
	} else if (how == VERIFY_FAILED && d->wrong_seen) {
		buf_addf(b, "have what is stale purged at those edges, then tell it and look again:\n");
		add_purge_command(v, d, b);
		buf_addf(b, "      ");
		add_again(v, "", b);
	} else if (how == VERIFY_FAILED) {
		buf_addf(b, "see what the edges answer: tidemark edges ");
		add_shell_word(b, str_of(v->service));
		buf_addf(b, "\n");
	} else if (str_is(d->verdict, "pending")) {
		buf_addf(b, "say when the origin serves it: tidemark deploy --live ");
		add_shell_word(b, d->id);
		buf_addf(b, "\n");
	} else if (json_array_size(d->unobserved) > 0 || d->observed == 0) {
		buf_addf(b, "are the agents there? tidemark agents\n");
	} else {
		buf_addf(b, "give it more time: ");
		add_again(v, " --timeout 30m", b);
	}
}

void view_end(struct verify_view *v, const struct deploy_seen *d, enum verify_step how, bool recheck,
	double require, int64_t now_us)
{
	struct buf b;
	buf_init(&b, 1024 * 1024);
	view_clear(v);
	add_headline(v, d, how, recheck, require, now_us, &b);
	if (how != VERIFY_SUPERSEDED && json_array_size(d->not_fresh) > 0)
		cells_table(v->term, d->not_fresh, CELLS_LISTED, "  ", &b);
	if (how == VERIFY_FAILED || how == VERIFY_INCONCLUSIVE)
		add_unobserved(&b, d);
	if (how == VERIFY_FAILED || how == VERIFY_INCONCLUSIVE)
		why_show_deploy(v->term, d->answer, &b);
	add_next(v, d, how, &b);
	out_flush(&b);
	buf_fini(&b);
}

void view_no_deploy(struct verify_view *v, int64_t now_us)
{
	struct buf b;
	buf_init(&b, 8192);
	view_clear(v);
	term_add(v->term, &b, STYLE_WARN, STR("INCONCLUSIVE"));
	buf_addf(&b, " ");
	add_name(v, &b);
	buf_addf(&b, ": no such deploy was announced within ");
	add_elapsed(&b, now_us - v->started_us);
	buf_addf(&b, "\nnext: announce it: tidemark deploy ");
	buf_add_printable(&b, str_of(v->service));
	buf_addf(&b, " --version ");
	buf_add_printable(&b, str_of(v->version));
	buf_addf(&b, " --live-at now\n");
	out_flush(&b);
	buf_fini(&b);
}

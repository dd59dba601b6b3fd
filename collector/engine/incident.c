/* Incidents: what somebody has to look at, one of each deploy at most (analysis, section 9). Opened when a deploy fails, or
 * when a cell stays not fresh for alert_after and three observations; where a deploy still has time to come
 * along, only by what was wrong before it and for longer than that time. Worked out anew at a timer while a
 * cell is not fresh, so that an observation costs nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/engine/why.h"

#define ALERT_COUNT      3
#define SCAN_US          (10 * US_PER_S) /* while something is open */
#define CAUSE_US         US_PER_MIN      /* how often the cause is asked for again meanwhile */
#define MINOR_BELOW      0.1
#define CRITICAL_FROM    0.5
#define REGION_IS_BROKEN 0.5 /* share of its cells */

#define X(id, name, says) name,
static const char *const severity_names[] = { SEVERITIES(X) }, *const event_names[] = { INCIDENT_EVENTS(X) };
#undef X

const char *severity_name(enum severity s)
{
	return s < SEVERITY_COUNT ? severity_names[s] : "unknown";
}

const char *incident_event_name(enum incident_event ev)
{
	return ev < INCIDENT_EVENT_COUNT ? event_names[ev] : "unknown";
}

void incident_free(struct incident *in)
{
	if (in == NULL)
		return;
	for (size_t i = 0; i < in->n_steps; i++)
		free(in->steps[i].text);
	free(in->next);
	free(in);
}

bool incident_is_open(const struct deploy *d)
{
	return d->incident && d->incident->resolved_us == TIME_NONE;
}

/* -- how broad -- */

struct region_breadth {
	uint32_t region, bad, all;
};
struct breadth {
	uint32_t bad, all; /* cells that judge and say something now */
	int64_t next_us;   /* when the next of them has been wrong for too long */
	bool alert;        /* one has been */
	struct region_breadth *regions;
	size_t n_regions, cap_regions;
};

static void region_count(struct breadth *b, uint32_t region, bool bad)
{
	size_t i = 0;
	while (i < b->n_regions && b->regions[i].region != region)
		i++;
	if (i == b->n_regions) {
		b->regions = mem_grow(b->regions, &b->cap_regions, i + 1, sizeof(*b->regions));
		b->regions[b->n_regions++] = (struct region_breadth){ .region = region };
	}
	b->regions[i].all++;
	b->regions[i].bad += bad;
}

static uint32_t answers_since(const struct cell *c, int64_t from_us)
{
	uint32_t n = 0;
	for (size_t i = c->runs.n; i-- > 0 && runs_of(&c->runs)[i].last_us >= from_us;)
		n += run_count_from(&runs_of(&c->runs)[i], from_us);
	return n;
}

/* Since when a cell is not fresh. A stale one's runs say it: a deploy that goes live makes all of them stale, and need not
 * make them larger. */
static int64_t odd_since(const struct service *s, const struct cell *c)
{
	struct judgement j;
	if (c->trouble && c->trouble->odd_since_us != TIME_NONE)
		return c->trouble->odd_since_us;
	if (c->state != CELL_STALE || c->runs.n == 0)
		return TIME_NONE;
	const struct run *last = &runs_of(&c->runs)[c->runs.n - 1];
	value_look(s, last->value, last->last_us, &j);
	return j.label == LABEL_STALE ? MAX(last->first_us, j.stale_since_us) : last->first_us;
}

/* From when on a cell's trouble is one of this deploy's that nobody waits for any more. */
static int64_t alert_due(const struct engine *e, const struct service *s, int64_t since_us)
{
	const struct deploy *d = s->tracked;
	if (verdict_is_final((enum verdict)d->verdict))
		return engine_due(e, since_us, s->alert_us);
	return since_us < d->live_us ? engine_due(e, since_us, MAX(s->alert_us, s->timeout_us)) : INT64_MAX;
}

static void breadth_read(const struct engine *e, const struct service *s, struct breadth *b)
{
	*b = (struct breadth){ .next_us = INT64_MAX };
	for (uint32_t i = 0; i < s->n_cells; i++) {
		const struct cell *c = &s->cells[i];
		bool bad = cell_is_not_fresh(c);
		if ((!bad && c->state != CELL_FRESH) || !endpoint_judges(s, c->endpoint))
			continue;
		b->all++;
		b->bad += bad;
		region_count(b, c->region, bad);
		int64_t since_us = bad && s->alert_us ? odd_since(s, c) : TIME_NONE;
		if (since_us == TIME_NONE)
			continue;
		int64_t due = alert_due(e, s, since_us);
		if (due > e->now_us)
			b->next_us = MIN(b->next_us, due);
		else if (c->state == CELL_FAILING || answers_since(c, since_us) >= ALERT_COUNT)
			b->alert = true;
		else
			b->next_us = MIN(b->next_us, e->now_us + s->interval_us);
	}
}

/* The greater of the share of cells and the share of regions that are broken: half of whose cells are wrong. */
static enum severity severity_of(const struct breadth *b)
{
	uint32_t broken = 0;
	for (size_t i = 0; i < b->n_regions; i++)
		broken += b->regions[i].bad >= REGION_IS_BROKEN * b->regions[i].all;
	double cells = b->all ? (double)b->bad / b->all : 0,
	       regions = b->n_regions ? (double)broken / (double)b->n_regions : 0, share = MAX(cells, regions);
	return share < MINOR_BELOW ? SEVERITY_MINOR : share < CRITICAL_FROM ? SEVERITY_MAJOR : SEVERITY_CRITICAL;
}

/* -- one step -- */

/* What it is called: the sentence of the cause; the command that looks closer is kept beside it. */
static enum cause cause_now(struct engine *e, struct service *s, struct incident *in, struct buf *text)
{
	struct why_view w;
	struct why_deploy y;
	struct buf next;
	service_order(e, s);
	why_open(e, s, &w);
	why_of_deploy(&w, &y);
	if (y.shown != NULL) {
		buf_init(&next, 64 * 1024);
		why_text(&w, y.shown, &y.why, text);
		why_next(&w, y.shown, &y.why, &next);
		free(in->next);
		in->next = text_dup(buf_str(&next));
		buf_fini(&next);
	}
	why_close(&w);
	in->cause_us = e->now_us;
	return y.cause;
}

static void step_add(struct engine *e, const struct service *s, const struct deploy *d, enum incident_event event,
	struct str text)
{
	struct incident *in = d->incident;
	if (in->n_steps == INCIDENT_STEPS_MAX) { /* how it began stays */
		free(in->steps[1].text);
		memmove(&in->steps[1], &in->steps[2], (INCIDENT_STEPS_MAX - 2) * sizeof(in->steps[0]));
		in->n_steps--;
		in->n_dropped++;
	}
	in->steps[in->n_steps++] = (struct incident_step){ .at_us = e->now_us,
		.event = (uint8_t)event,
		.severity = in->severity,
		.cause = in->cause,
		.bad = in->bad,
		.all = in->all,
		.text = text_dup(text) };
	struct incident_change c = { engine_next_key(e), e->now_us, service_name(e, s), str_of(d->id),
		str_of(d->version), event, (enum severity)in->severity, in->bad, in->all, text };
	if (e->sink.on_incident)
		e->sink.on_incident(e->sink.ctx, &c);
}

static void breadth_note(struct incident *in, const struct breadth *b)
{
	in->bad = b->bad, in->all = b->all;
	in->worst = MAX(in->worst, b->bad);
}

static void add_reason(struct buf *text, struct str reason)
{
	if (reason.n)
		buf_addf(text, "%s%.*s", text->n ? ". " : "", STR_ARG(reason));
}

static void open_or_reopen(
	struct engine *e, struct service *s, struct deploy *d, const struct breadth *b, struct str reason)
{
	bool again = d->incident != NULL;
	struct buf text, why;
	if (!again) {
		d->incident = mem_new(sizeof(*d->incident));
		*d->incident = (struct incident){ .opened_us = e->now_us };
	}
	struct incident *in = d->incident;
	buf_init(&text, 128 * 1024), buf_init(&why, 64 * 1024);
	in->resolved_us = TIME_NONE;
	in->severity = (uint8_t)severity_of(b);
	breadth_note(in, b);
	in->cause = (uint8_t)cause_now(e, s, in, &why);
	add_reason(&text, reason);
	add_reason(&text, buf_str(&why));
	step_add(e, s, d, again ? INCIDENT_REOPENED : INCIDENT_OPENED, buf_str(&text));
	buf_fini(&text), buf_fini(&why);
}

static void scan_arm(struct engine *e, uint32_t service, int64_t due_us)
{
	struct service *s = e->services[service];
	if (due_us >= s->incident_due_us)
		return;
	s->incident_due_us = due_us;
	timer_push(e, TIMER_INCIDENT, service, 0, due_us);
}

/* -- what sets it off -- */

void incident_cell(struct engine *e, uint32_t service, struct cell *c, int64_t at_us)
{
	struct service *s = e->services[service];
	if (c->state == CELL_FRESH && c->trouble)
		c->trouble->odd_since_us = TIME_NONE;
	if (!cell_is_not_fresh(c))
		return;
	at_us = MIN(at_us, e->now_us);
	if (c->state != CELL_STALE && cell_trouble(c)->odd_since_us == TIME_NONE)
		c->trouble->odd_since_us = at_us;
	if (s->alert_us && s->incident_due_us == INT64_MAX)
		scan_arm(e, service, engine_due(e, at_us, s->alert_us));
}

void incident_look(struct engine *e, uint32_t service)
{
	scan_arm(e, service, e->now_us);
}

void incident_failed(struct engine *e, uint32_t service, struct deploy *d, struct str reason)
{
	struct service *s = e->services[service];
	struct breadth b;
	if (incident_is_open(d))
		return;
	breadth_read(e, s, &b);
	open_or_reopen(e, s, d, &b, reason);
	free(b.regions);
}

void incidents_resolve(struct engine *e, uint32_t service, const struct deploy *by)
{
	struct service *s = e->services[service];
	struct buf text;
	buf_init(&text, 2048);
	for (size_t i = 0; i < s->n_deploys; i++) {
		struct deploy *d = s->deploys[i];
		if (!incident_is_open(d))
			continue;
		buf_clear(&text);
		if (d == by)
			buf_addf(&text, "every observed cell serves %s", d->version);
		else
			buf_addf(&text, "%s was deployed in its place, and every observed cell serves it", by->version);
		d->incident->resolved_us = e->now_us;
		d->incident->bad = 0;
		step_add(e, s, d, INCIDENT_RESOLVED, buf_str(&text));
	}
	buf_fini(&text);
}

static void open_worsen(struct engine *e, struct service *s, struct deploy *d, const struct breadth *b)
{
	struct incident *in = d->incident;
	enum severity severity = severity_of(b);
	bool changed = in->bad != b->bad, worse = severity > (enum severity)in->severity;
	struct buf text;
	breadth_note(in, b);
	if (!worse && (!changed || engine_elapsed(e, in->cause_us, e->now_us) < CAUSE_US))
		return;
	buf_init(&text, 64 * 1024);
	enum cause cause = cause_now(e, s, in, &text);
	if (worse) {
		in->severity = (uint8_t)severity;
		in->cause = (uint8_t)(cause == CAUSE_NONE ? in->cause : cause);
		step_add(e, s, d, INCIDENT_ESCALATED, buf_str(&text));
	} else if (cause != CAUSE_NONE && cause != (enum cause)in->cause) {
		in->cause = (uint8_t)cause;
		step_add(e, s, d, INCIDENT_CAUSE, buf_str(&text));
	}
	buf_fini(&text);
}

void incident_scan(struct engine *e, uint32_t service)
{
	struct service *s = e->services[service];
	struct deploy *d = s->tracked;
	struct breadth b;
	bool any_open = false;
	if (s->incident_due_us > e->now_us)
		return;
	s->incident_due_us = INT64_MAX;
	for (size_t i = 0; i < s->n_deploys; i++)
		any_open |= incident_is_open(s->deploys[i]);
	if (d == NULL) { /* nothing is right now; later something will be */
		scan_arm(e, service, any_open ? e->now_us + SCAN_US : INT64_MAX);
		return;
	}
	breadth_read(e, s, &b);
	if (b.bad == 0 && any_open && deploy_is_everywhere(e, s) && !deploy_inner_fails(e, s)) {
		incidents_resolve(e, service, d);
		any_open = false;
	} else if (incident_is_open(d)) {
		open_worsen(e, s, d, &b);
	} else if (b.alert) {
		char text[128];
		(void)snprintf(text, sizeof(text), "%u of %u cells are not fresh, one of them for %" PRId64 " s or more",
			b.bad, b.all, s->alert_us / US_PER_S);
		open_or_reopen(e, s, d, &b, str_of(text));
		any_open = true;
	}
	free(b.regions);
	scan_arm(e, service, any_open ? MIN(b.next_us, e->now_us + SCAN_US) : b.next_us);
}

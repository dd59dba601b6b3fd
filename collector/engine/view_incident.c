/* Incidents as JSON. Nothing here writes to the engine. */
#include <stdlib.h>

#include "collector/engine/view_internal.h"

/* "d_06h0..." has "i_06h0...": there is one of each deploy at most. */
static void add_incident_id(const struct deploy *d, struct buf *id)
{
	struct str of = str_of(d->id);
	buf_addf(id, "i_");
	buf_add_str(id, str_starts(of, "d_") ? str_from(of, 2) : of);
}

static void add_steps(const struct incident *in, struct buf *out)
{
	buf_add_key(out, "events");
	buf_add_char(out, '[');
	for (size_t i = 0; i < in->n_steps; i++) {
		const struct incident_step *step = &in->steps[i];
		json_comma(out);
		buf_add_char(out, '{');
		json_time(out, "at", step->at_us);
		json_text(out, "event", str_of(incident_event_name((enum incident_event)step->event)));
		json_text(out, "severity", str_of(severity_name((enum severity)step->severity)));
		json_text_or_null(out, "cause",
			step->cause == CAUSE_NONE ? STR_NONE : str_of(cause_name((enum cause)step->cause)));
		json_count(out, "not_fresh", step->bad);
		json_count(out, "cells", step->all);
		json_text_or_null(out, "text", str_of(step->text));
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
	json_count(out, "events_dropped", in->n_dropped);
}

static void add_incident(const struct engine *e, const struct service *s, const struct deploy *d, struct buf *out)
{
	const struct incident *in = d->incident;
	struct buf id;
	bool open = incident_is_open(d);
	buf_init(&id, 1024);
	add_incident_id(d, &id);
	buf_add_char(out, '{');
	json_text(out, "id", buf_str(&id));
	json_text(out, "service", service_name(e, s));
	json_text(out, "deploy", str_of(d->id));
	json_text(out, "version", str_of(d->version));
	json_text(out, "state", open ? STR("open") : STR("resolved"));
	json_text(out, "severity", str_of(severity_name((enum severity)in->severity)));
	json_time(out, "opened_at", in->opened_us);
	json_time(out, "updated_at", in->steps[in->n_steps - 1].at_us);
	json_time(out, "resolved_at", in->resolved_us);
	json_text_or_null(
		out, "cause", in->cause == CAUSE_NONE ? STR_NONE : str_of(cause_name((enum cause)in->cause)));
	json_text_or_null(
		out, "layer", in->cause == CAUSE_NONE ? STR_NONE : str_of(layer_name(cause_layer((enum cause)in->cause))));
	json_count(out, "not_fresh", in->bad);
	json_count(out, "worst", in->worst);
	json_count(out, "cells", in->all);
	json_text_or_null(out, "next", open ? str_of(in->next) : STR_NONE);
	add_steps(in, out);
	buf_add_char(out, '}');
	buf_fini(&id);
}

struct incident_ref {
	const struct service *s;
	const struct deploy *d;
};

/* Newest first. */
static int incident_cmp(const void *a, const void *b)
{
	const struct deploy *x = ((const struct incident_ref *)a)->d, *y = ((const struct incident_ref *)b)->d;
	if (x->incident->opened_us != y->incident->opened_us)
		return x->incident->opened_us > y->incident->opened_us ? -1 : 1;
	return x->serial > y->serial ? -1 : 1;
}

void view_incidents(const struct engine *e, const struct incident_filter *f, struct buf *out)
{
	size_t n = 0, cap = 0;
	struct incident_ref *all = NULL;
	for (size_t i = 0; i < e->n_services; i++) {
		const struct service *s = e->services[i];
		for (size_t j = 0; j < s->n_deploys; j++) {
			const struct incident *in = s->deploys[j]->incident;
			if (in == NULL || (f->service.n && !str_eq(service_name(e, s), f->service)) ||
				(f->open && !incident_is_open(s->deploys[j])) ||
				(f->resolved && incident_is_open(s->deploys[j])))
				continue;
			all = mem_grow(all, &cap, n + 1, sizeof(*all));
			all[n++] = (struct incident_ref){ s, s->deploys[j] };
		}
	}
	if (n)
		qsort(all, n, sizeof(*all), incident_cmp);
	buf_add_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		json_comma(out);
		add_incident(e, all[i].s, all[i].d, out);
	}
	buf_add_char(out, ']');
	free(all);
}

int view_incident(const struct engine *e, struct str id, struct buf *out, struct err *err)
{
	struct buf its;
	bool found = false;
	buf_init(&its, 1024);
	for (size_t i = 0; !found && i < e->n_services; i++) {
		const struct service *s = e->services[i];
		for (size_t j = s->n_deploys; !found && j-- > 0;) {
			const struct deploy *d = s->deploys[j];
			if (d->incident == NULL)
				continue;
			buf_clear(&its);
			add_incident_id(d, &its);
			found = str_eq(id, buf_str(&its)) || str_is(id, d->id);
			if (found)
				add_incident(e, s, d, out);
		}
	}
	buf_fini(&its);
	if (!found)
		return err_set(err, ERR_NOT_FOUND, "no incident '%.*s'", STR_ARG(str_first(id, 64)));
	return buf_failed(out) ? err_set(err, ERR_TOO_BIG, "the incident does not fit %zu bytes", out->cap) : 0;
}

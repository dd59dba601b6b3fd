#include "collector/ctl/sse.h"

#define ID_MAX    256
#define RETRY_MAX (60 * 1000)

void sse_init(struct sse *s, bool (*on_event)(void *ctx, const struct sse_event *e), void *ctx)
{
	*s = (struct sse){ .retry_us = -1, .on_event = on_event, .ctx = ctx };
	buf_init(&s->line, SSE_EVENT_MAX);
	buf_init(&s->data, SSE_EVENT_MAX);
	buf_init(&s->type, ID_MAX);
	buf_init(&s->id, ID_MAX);
}

void sse_fini(struct sse *s)
{
	buf_fini(&s->line), buf_fini(&s->data), buf_fini(&s->type), buf_fini(&s->id);
}

void sse_restart(struct sse *s)
{
	buf_clear(&s->line), buf_clear(&s->data), buf_clear(&s->type);
	s->after_cr = s->has_data = false;
}

static bool dispatch(struct sse *s)
{
	bool go_on = true;
	if (s->has_data) { /* without data there is no event: an id alone is only remembered */
		struct sse_event e = { buf_str(&s->type), buf_str(&s->data), buf_str(&s->id) };
		if (e.type.n == 0)
			e.type = STR("message");
		go_on = s->on_event(s->ctx, &e);
	}
	buf_clear(&s->data), buf_clear(&s->type);
	s->has_data = false;
	return go_on;
}

static void take_field(struct sse *s, struct str name, struct str value)
{
	int64_t ms;
	if (str_is(name, "data")) {
		if (s->has_data)
			buf_add_char(&s->data, '\n');
		buf_add_str(&s->data, value);
		s->has_data = true;
	} else if (str_is(name, "event")) {
		buf_clear(&s->type);
		buf_add_str(&s->type, value);
	} else if (str_is(name, "id")) {
		/* It goes back in a header: what could not be there is no id. */
		for (size_t i = 0; i < value.n; i++)
			if (value.p[i] <= ' ' || value.p[i] >= 0x7F)
				return;
		if (value.n < ID_MAX) {
			buf_clear(&s->id);
			buf_add_str(&s->id, value);
		}
	} else if (str_is(name, "retry") && str_to_i64(value, &ms, NULL) == 0 && ms >= 0) {
		s->retry_us = MIN(ms, (int64_t)RETRY_MAX) * US_PER_MS;
	}
}

static bool take_line(struct sse *s)
{
	struct str line = buf_str(&s->line);
	if (line.n == 0)
		return dispatch(s);
	ptrdiff_t colon = str_find(line, ':');
	struct str name = colon < 0 ? line : str_first(line, (size_t)colon);
	struct str value = colon < 0 ? STR_NONE : str_from(line, (size_t)colon + 1);
	if (str_starts(value, " "))
		value = str_from(value, 1);
	take_field(s, name, value);
	buf_clear(&s->line);
	return !buf_failed(&s->data) && !buf_failed(&s->type);
}

bool sse_feed(struct sse *s, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];
		bool was_cr = s->after_cr;
		s->after_cr = c == '\r';
		if (c == '\n' && was_cr)
			continue; /* CR LF is one line end */
		if (c != '\n' && c != '\r')
			buf_add_char(&s->line, c);
		else if (!take_line(s))
			return false;
		if (buf_failed(&s->line))
			return false;
	}
	return true;
}

/* event_text.h - every field of an event as text, so that two events can be compared and an expectation be read. */
#ifndef TESTS_EVENT_TEXT_H
#define TESTS_EVENT_TEXT_H

#include "base/buf.h"
#include "collector/engine/event.h"

void event_text(const struct event *ev, struct buf *out);
/* Without agent, service and times of the batch: those are the event's. */
void obs_text(const struct batch *b, const struct obs *o, struct buf *out);

#endif

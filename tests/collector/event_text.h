/* event_text.h - every field of an event as text, so that two events can be compared and an expectation be
 * read. */
#ifndef TESTS_EVENT_TEXT_H
#define TESTS_EVENT_TEXT_H

#include "base/buf.h"
#include "collector/entry_json.h"

void event_text(const struct event *ev, struct buf *out);
/* Without agent, service and times of the batch: those are the event's. */
void obs_text(const struct batch *b, const struct obs *o, struct buf *out);
/* The entry as a line of an export and back is the same event, with its position; fails the test when not. */
void survives_an_export(struct entry_reader *r, const struct entry *e, const char *says);

#endif

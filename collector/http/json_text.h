/* json_text.h - what a member of a parsed body says, as the string that it is. */
#ifndef HTTP_JSON_TEXT_H
#define HTTP_JSON_TEXT_H

#include <jansson.h>

#include "base/str.h"

/* Borrowed from v; STR_NONE when v is no string, or not there. */
static inline struct str json_text(const json_t *v)
{
	return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) } : STR_NONE;
}

static inline struct str json_text_of(const json_t *object, const char *key)
{
	return json_text(json_object_get(object, key));
}

#endif

/* json_scan.h - walks JSON that we wrote ourselves (view.h): complete, compact, no need to build a tree of
 * it. Pure. */
#ifndef HTTP_JSON_SCAN_H
#define HTTP_JSON_SCAN_H

#include "base/str.h"

/* The next element of an array: *at is 0 at first. False at its end. */
bool json_next(struct str array, size_t *at, struct str *ret_item);
/* The raw value of a member of an object, a string with its quotes. False when it has no such member. */
bool json_member(struct str object, const char *key, struct str *ret_value);
/* Is a raw value this string? */
bool json_raw_is(struct str raw, struct str text);

#endif

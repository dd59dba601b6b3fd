/* printable.h - text from outside, made safe for logs and terminals: no line, colour or cursor can be forged.
 * Pure. */
#ifndef BASE_PRINTABLE_H
#define BASE_PRINTABLE_H

#include "base/buf.h"

/* Well-formed UTF-8 stays; control characters (C0, DEL, C1), line ends of Unicode, what turns the direction
 * of writing, and broken bytes become \n, \t or \xNN. */
void buf_add_printable(struct buf *b, struct str s);

#endif

/* markdown.h - text from outside in a Markdown document: it can be no link, image, HTML or table of its own. Pure. */
#ifndef CTL_MARKDOWN_H
#define CTL_MARKDOWN_H

#include <jansson.h>

#include "base/buf.h"

/* Text as CommonMark and GitHub show it, character by character. */
void md_add(struct buf *out, struct str text);
void md_member(struct buf *out, const json_t *object, const char *key); /* nothing where there is no such text */
/* A command, to be copied: in a fence that nothing in it can close. */
void md_command(struct buf *out, struct str command);

#endif

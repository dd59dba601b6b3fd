/* file.h - whole files, read and replaced. */
#ifndef AGENT_FILE_H
#define AGENT_FILE_H

#include "base/buf.h"

/* Adds the file's bytes to out. ERR_NOT_FOUND, ERR_IO; ERR_TOO_BIG over out's cap. */
MUST_USE int file_read(const char *path, struct buf *out, struct err *err);
/* The file has the new bytes, durably, or is as it was. Only its owner may read it. */
MUST_USE int file_replace(const char *path, struct str bytes, struct err *err);

#endif

/* temp_dir.h - a directory of its own for each test, gone afterwards with all that is in it. */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

#include "base/util.h"

const char *temp_dir_new(void); /* under $TMPDIR or /tmp; until temp_dir_remove() */
void temp_dir_remove(const char *dir);
bool temp_file_exists(const char *dir, const char *name_prefix);
void temp_file_write(const char *dir, const char *name, const void *p, size_t n);

/* Polls until what() is true or 10 s are over; the test fails with says then. */
#define WAIT_FOR(says, what)                                                                                 \
	do {                                                                                                 \
		bool came_ = false;                                                                          \
		for (int i_ = 0; i_ < 10000 && !(came_ = (what)); i_++)                                      \
			temp_wait_ms(1);                                                                     \
		if (!came_)                                                                                  \
			fail_msg("%s: not within 10 s", (says));                                             \
	} while (0)
void temp_wait_ms(int ms);

#endif

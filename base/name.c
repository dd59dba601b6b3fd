/* name.c - see name.h */
#include "base/name.h"

/* ASCII only, whatever the locale. */
static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_is_variable(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != '_' && !is_letter_or_digit(name.p[i]))
			return false;
	return name.n > 0 && name.n <= OBS_NAME_MAX && (name.p[0] < '0' || name.p[0] > '9');
}

bool name_is_fine(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if (!is_letter_or_digit(c) && (i == 0 || (c != '.' && c != '_' && c != '-')))
			return false;
	}
	return name.n > 0 && name.n <= NAME_BYTES_MAX;
}

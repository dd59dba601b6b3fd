/* util.h - what every file needs: sizes, assertions, time units. Pure. */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define US_PER_MS  INT64_C(1000)
#define US_PER_S   INT64_C(1000000)
#define US_PER_MIN (60 * US_PER_S)
#define US_PER_H   (60 * US_PER_MIN)
#define US_PER_DAY (24 * US_PER_H)
#define TIME_NONE  INT64_MIN /* this moment is not known, or never came */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#define MUST_USE       __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN       __attribute__((noreturn))

/* Our own bug: stays on in release, because a wrong answer is worse than a restart. */
#define INVARIANT(cond) ((cond) ? (void)0 : invariant_failed(__FILE__, __LINE__, #cond))
NORETURN void invariant_failed(const char *file, int line, const char *what);

/* A void * that came back from a library is checked by its magic, the struct's first member. */
#define OBJ_CAST(type, ptr, MAGIC) ((type *)obj_check((ptr), (MAGIC), __FILE__, __LINE__))
void *obj_check(void *ptr, uint32_t magic, const char *file, int line);

/* Out of memory ends the process; inputs are capped before they get here. Zeroed. free() releases. */
MUST_USE void *mem_new(size_t size);
MUST_USE void *mem_new_array(size_t n, size_t size);
/* Grows an array to hold at least `need` members; *cap counts members. What is new is zeroed. */
MUST_USE void *mem_grow(void *ptr, size_t *cap, size_t need, size_t size);
MUST_USE char *mem_strdup(const char *s);

#endif

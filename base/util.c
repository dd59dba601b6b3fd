#include "base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void invariant_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "tidemark: bug: %s:%d: '%s' does not hold\n", file, line, what);
	abort();
}

void *obj_check(void *ptr, uint32_t magic, const char *file, int line)
{
	if (ptr == NULL || *(const uint32_t *)ptr != magic)
		invariant_failed(file, line, "the object is what we gave away");
	return ptr;
}

static void *mem_checked(void *ptr)
{
	if (ptr == NULL) {
		fprintf(stderr, "tidemark: out of memory\n");
		abort();
	}
	return ptr;
}

void *mem_new(size_t size)
{
	return mem_checked(calloc(1, size ? size : 1));
}

void *mem_new_array(size_t n, size_t size)
{
	return mem_checked(calloc(n ? n : 1, size ? size : 1));
}

void *mem_grow(void *ptr, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap && ptr != NULL)
		return ptr;
	size_t n = MAX(MAX(*cap * 2, need), (size_t)8);
	INVARIANT(size > 0 && n <= SIZE_MAX / size);
	char *grown = mem_checked(realloc(ptr, n * size));
	memset(grown + *cap * size, 0, (n - *cap) * size);
	*cap = n;
	return grown;
}

char *mem_strdup(const char *s)
{
	return mem_checked(strdup(s));
}

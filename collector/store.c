#include "collector/store.h"

#define X(id, name) name,
static const char *const kind_names[] = { ENTRY_KINDS(X) };
#undef X

const char *entry_kind_name(enum entry_kind k)
{
	return k < ENTRY_KIND_COUNT ? kind_names[k] : "unknown";
}

bool entry_kind_from(struct str name, enum entry_kind *ret)
{
	for (size_t i = 0; i < ENTRY_KIND_COUNT; i++) {
		if (str_is(name, kind_names[i])) {
			*ret = (enum entry_kind)i;
			return true;
		}
	}
	return false;
}

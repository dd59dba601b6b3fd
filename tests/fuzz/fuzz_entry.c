/* A line of replay, and a request's body: the first byte says which, and of which kind. */
#include "collector/entry_json.h"
#include "fuzz.h"

static void body(struct entry_reader *r, enum entry_kind kind, struct str text)
{
	struct buf json;
	struct err err = { 0 };
	buf_init(&json, ENTRY_LINE_MAX);
	if (entry_from_body(r, kind, text, STR("id-1"), INT64_C(1764000000000000), &json, &err) == 0) {
		/* what a body became is what the journal keeps: it has to read back */
		struct entry e = { .position = 1,
			.received_at_us = INT64_C(1764000000000000),
			.kind = kind,
			.bytes = buf_str(&json) };
		struct event ev;
		INVARIANT(entry_to_event(r, &e, &ev, &err) == 0);
	} else {
		INVARIANT(err.text[0] != '\0');
	}
	buf_fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum entry_kind kinds[] = { ENTRY_DEPLOY, ENTRY_DEPLOY_PATCH, ENTRY_PURGE,
		ENTRY_PURGE_PATCH, ENTRY_MESH, ENTRY_ROLLOUT, ENTRY_PODS };
	struct event ev;
	struct err err = { 0 };
	if (n == 0)
		return 0;
	struct entry_reader *r = entry_reader_new();
	if (data[0] == '{') {
		if (entry_from_line(r, fuzz_str(data, n), 1, 0, &ev, &err) < 0)
			INVARIANT(err.text[0] != '\0');
	} else {
		body(r, kinds[data[0] % ARRAY_LEN(kinds)], fuzz_str(data + 1, n - 1));
	}
	entry_reader_free(r);
	return 0;
}

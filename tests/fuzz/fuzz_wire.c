/* An envelope from the network. */
#include "fuzz.h"
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct wire_msg m, again;
	struct buf first, second;
	struct err err = { 0 };
	if (wire_decode(fuzz_str(data, n), &m, &err) < 0) {
		INVARIANT(err.text[0] != '\0');
		return 0;
	}
	buf_init(&first, 2 * WIRE_MESSAGE_MAX);
	buf_init(&second, 2 * WIRE_MESSAGE_MAX);
	/* longer than it came when numbers were written short or fields left out: over the cap is fine,
	 * anything else a bug */
	int rc = wire_encode(&m, &first, &err);
	INVARIANT(rc == 0 || rc == ERR_TOO_BIG);
	if (rc == 0) {
		INVARIANT(wire_decode(buf_str(&first), &again, &err) == 0);
		INVARIANT(wire_encode(&again, &second, &err) == 0);
		INVARIANT(str_eq(buf_str(&first), buf_str(&second)));
		wire_free(&again);
	}
	wire_free(&m);
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}

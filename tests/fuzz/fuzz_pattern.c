/* An expression and a text to search, a NUL between them: what is found lies in the text, and time stays
 * bounded. */
#include "base/pattern.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = fuzz_str(data, n), expression, got;
	struct pattern *p;
	struct err err = { 0 };
	if (!str_cut(&text, '\0', &expression))
		return 0;
	if (pattern_new(expression, &p, &err) < 0) {
		INVARIANT(err.text[0] != '\0');
		return 0;
	}
	if (pattern_search(p, text, &got))
		INVARIANT(text.n == 0 ? got.n == 0 : got.p >= text.p && got.p + got.n <= text.p + text.n);
	pattern_free(p);
	return 0;
}

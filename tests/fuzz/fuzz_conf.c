/* A configuration file, read by a table that has one field of every kind that opens no other file. */
#include "base/conf.h"
#include "fuzz.h"

struct part {
	char *text;
	int64_t number, duration, size;
};
struct all {
	struct part part;
	char *text;
	bool yes;
	int64_t number, duration, size;
	double real, rate, share;
	int word;
	const struct conf_node *list;
};

static const char *const words[] = { "red", "green", NULL };
#define AT(type, member) .offset = offsetof(struct type, member)
static const struct conf_field part_fields[] = {
	{ .key = "text", .type = CONF_STR, AT(part, text) },
	{ .key = "number", .type = CONF_INT, AT(part, number), .min = "-5", .max = "5" },
	{ .key = NULL },
};
static const struct conf_field fields[] = {
	{ .key = "part", .type = CONF_MAP, AT(all, part), .sub = part_fields },
	{ .key = "text", .type = CONF_STR, AT(all, text), .dflt = "t" },
	{ .key = "yes", .type = CONF_BOOL, AT(all, yes) },
	{ .key = "number", .type = CONF_INT, AT(all, number), .min = "1", .max = "100", .dflt = "2" },
	{ .key = "duration", .type = CONF_DURATION, AT(all, duration), .min = "1s", .max = "1h" },
	{ .key = "size", .type = CONF_SIZE, AT(all, size), .max = "1GiB" },
	{ .key = "real", .type = CONF_DOUBLE, AT(all, real) },
	{ .key = "rate", .type = CONF_RATE, AT(all, rate) },
	{ .key = "share", .type = CONF_SHARE, AT(all, share) },
	{ .key = "word", .type = CONF_ENUM, AT(all, word), .words = words },
	{ .key = "list", .type = CONF_NODE, AT(all, list) },
	{ .key = NULL },
};

/* At most CONF_DEPTH_MAX deep: the parser says so. */
static size_t walk(const struct conf_node *n, int depth)
{
	size_t sum = conf_scalar(n).n;
	INVARIANT(depth <= CONF_DEPTH_MAX + 1);
	for (size_t i = 0; i < conf_list_size(n); i++)
		sum += walk(conf_list_at(n, i), depth + 1);
	for (size_t i = 0; i < conf_map_size(n); i++) {
		struct str key;
		const struct conf_node *value;
		conf_map_at(n, i, &key, &value);
		sum += key.n + walk(value, depth + 1);
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct conf *c;
	struct err err = { 0 };
	struct all all = { 0 };
	if (conf_parse(fuzz_str(data, n), "fuzz.yaml", &c, &err) < 0) {
		INVARIANT(strncmp(err.text, "fuzz.yaml", 9) == 0); /* every error names its place */
		return 0;
	}
	(void)walk(conf_root(c), 0);
	if (conf_read(c, conf_root(c), fields, &all, &err) == 0)
		INVARIANT(all.number >= 1 && all.number <= 100 && all.share >= 0 && all.share <= 1);
	else
		INVARIANT(strncmp(err.text, "fuzz.yaml", 9) == 0);
	conf_free(c);
	return 0;
}

/* writer_fixture.c - see writer_fixture.h */
#include "writer_fixture.h"

static void order_done(struct work *w, int rc, bool duplicate, const struct err *err)
{
	struct order *o = (struct order *)w;
	o->rc = rc;
	o->duplicate = duplicate;
	o->received_at_us = w->entry.received_at_us;
	if (err)
		o->err = *err;
	if (rc == 0 && o->told)
		atomic_store(o->told, true);
	atomic_store(&o->done, true);
}

static int64_t boot_us, wall_us;

void writer_fixture_begin(const char *program)
{
	boot_us = clock_boot_us();
	wall_us = clock_wall_us();
	faulty_vfs_register();
	log_init(program, LOG_ERROR, LOG_TEXT);
}

struct order *order_batch(uint64_t number, uint64_t salt)
{
	struct order *o = mem_new(sizeof(*o));
	size_t n;
	o->work.kind = WORK_ENTRY;
	o->work.done = order_done;
	o->work.n_results = 3;
	o->work.entry = (struct entry){ .kind = ENTRY_BATCH,
		.service = STR("shop"),
		.agent = STR("fra-1"),
		.region = STR("eu"),
		.epoch = 9,
		.number = number,
		.clock_offset_us = wall_us - boot_us };
	o->bytes = sealed_batch_at("shop", salt, 3, boot_us, wall_us, &n, &o->work.entry.raw_size);
	o->work.entry.bytes = (struct str){ o->bytes, n };
	return o;
}

struct order *order_batch_unsealed(uint64_t number, uint64_t salt)
{
	struct order *o = order_batch(number, salt);
	struct batch_decoder *d = batch_decoder_new();
	struct batch b;
	struct err err;
	assert_int_equal(batch_unseal(d, o->work.entry.bytes, o->work.entry.raw_size, &b, &err), 0);
	o->work.batch = batch_copy(&b, &o->work.batch_bytes);
	batch_decoder_free(d);
	return o;
}

struct order *order_entry(enum entry_kind kind, const char *json)
{
	struct order *o = mem_new(sizeof(*o));
	o->work.kind = WORK_ENTRY;
	o->work.done = order_done;
	o->work.at_once = true;
	o->bytes = mem_strdup(json);
	o->work.entry = (struct entry){ .kind = kind, .service = STR("shop"), .bytes = str_of(o->bytes) };
	return o;
}

void order_free(struct order *o)
{
	free(o->bytes);
	free(o->work.batch);
	free(o);
}

struct writer *writer_up(struct fixture *f, const struct writer_options *like)
{
	struct writer_options o = like ? *like : (struct writer_options){ 0 };
	struct writer *w;
	struct err err = { 0 };
	o.store = f->path;
	o.retention = (struct store_retention){ 48 * US_PER_H, 30 * US_PER_DAY, 30 * US_PER_DAY };
	if (writer_open(&o, &w, &err) < 0)
		fail_msg("%s", err.text);
	return w;
}

void push(struct writer *w, struct order *o)
{
	struct err err = { 0 };
	if (writer_push(w, &o->work, &err) < 0)
		fail_msg("%s", err.text);
}

int push_and_wait(struct writer *w, struct order *o)
{
	push(w, o);
	EVENTUALLY(atomic_load(&o->done));
	return o->rc;
}

int64_t stored(struct fixture *f, const char *what)
{
	struct store *st = fixture_reader(f);
	int64_t n = store_count(st, what);
	store_close(st);
	return n;
}

struct fake_state state_of(struct writer *w)
{
	struct fake_state s = fake_engine_state(writer_read(w));
	writer_read_done(w);
	return s;
}

int set_up(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

int tear_down(void **state)
{
	disk_left(-1);
	clock_test_clear();
	fixture_end(*state);
	free(*state);
	return 0;
}

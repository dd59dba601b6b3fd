/* Assignments: to the file and back, from thread to thread; a damaged file says so and harms nothing. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/assign.h"
#include "agent/file.h"
#include "temp_dir.h"

static struct assign_set *sample(uint64_t generation)
{
	struct assign_header header = { .name = STR("Accept-Encoding"), .value = STR("br") };
	struct assign_endpoint endpoint = { .id = STR("v"),
		.url = STR("https://example.com/version"),
		.headers = &header,
		.n_headers = 1,
		.extract = EXTRACT_HEADER,
		.extract_arg = STR("x-version"),
		.connect_to = STR("10.0.0.5:443"),
		.path = 1,
		.max_body = 1000 };
	struct assign_service service = { .name = STR("shop@production"),
		.endpoints = &endpoint,
		.n_endpoints = 1,
		.interval_ms = 30000,
		.timeout_ms = 5000,
		.burst_interval_ms = 1000,
		.burst_left_ms = 60000 };
	struct assignments a = { .generation = generation, .services = &service, .n_services = 1 };
	return assign_set_new(&a, 777);
}

static void same_as_sample(const struct assign_set *s, uint64_t generation, uint32_t burst_left_ms)
{
	assert_true(s->a.generation == generation && s->a.n_services == 1 && !s->a.unchanged);
	const struct assign_service *v = s->a.services;
	assert_true(str_is(v->name, "shop@production") && v->interval_ms == 30000 && v->timeout_ms == 5000);
	assert_int_equal(v->burst_left_ms, burst_left_ms);
	const struct assign_endpoint *e = v->endpoints;
	assert_true(
		v->n_endpoints == 1 && str_is(e->id, "v") && str_is(e->url, "https://example.com/version"));
	assert_true(e->extract == EXTRACT_HEADER && str_is(e->extract_arg, "x-version") && e->path == 1);
	assert_true(str_is(e->connect_to, "10.0.0.5:443") && e->max_body == 1000 && e->n_headers == 1);
	assert_true(str_is(e->headers[0].name, "Accept-Encoding") && str_is(e->headers[0].value, "br"));
}

struct place {
	const char *dir;
	char path[4096];
};

static int setup(void **state)
{
	struct place *p = mem_new(sizeof(*p));
	p->dir = temp_dir_new();
	snprintf(p->path, sizeof(p->path), "%s/assignments", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	temp_dir_remove(p->dir);
	free(p);
	return 0;
}

static void test_a_copy_is_its_own(void **state)
{
	struct assign_set *s = sample(3); /* everything it was made from is gone */
	same_as_sample(s, 3, 60000);
	assert_int_equal(s->received_boot_us, 777);
	struct assign_set *again = assign_set_ref(s);
	assign_set_unref(s);
	same_as_sample(again, 3, 60000);
	assign_set_unref(again);
	assign_set_unref(NULL);
}

static void test_the_file_brings_it_back_without_bursts(void **state)
{
	struct place *p = *state;
	struct assign_set *s = sample(UINT64_MAX), *back;
	struct stat st;
	assert_int_equal(assign_save(p->path, s, NULL), 0);
	assign_set_unref(s);
	assert_int_equal(assign_load(p->path, &back, NULL), 0);
	same_as_sample(back, UINT64_MAX, 0);
	assign_set_unref(back);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600); /* header values may be secrets */
	s = sample(5);                             /* and over what is there */
	assert_int_equal(assign_save(p->path, s, NULL), 0);
	assign_set_unref(s);
	assert_int_equal(assign_load(p->path, &back, NULL), 0);
	same_as_sample(back, 5, 0);
	assign_set_unref(back);
	assert_false(temp_file_exists(p->dir, "assignments.new"));
}

static void test_no_file_yet(void **state)
{
	struct place *p = *state;
	struct assign_set *s = NULL;
	struct err err;
	assert_int_equal(assign_load(p->path, &s, &err), ERR_NOT_FOUND);
	assert_null(s);
}

/* Every way a disk has of spoiling a file: cut short anywhere, one byte changed anywhere, other bytes
 * altogether. */
static void test_a_damaged_file_is_noticed(void **state)
{
	struct place *p = *state;
	struct assign_set *s = sample(5), *back = NULL;
	struct buf file;
	struct err err;
	buf_init(&file, 1 << 20);
	assert_int_equal(assign_save(p->path, s, NULL), 0);
	assign_set_unref(s);
	assert_int_equal(file_read(p->path, &file, NULL), 0);
	for (size_t n = 0; n < file.n; n++) {
		temp_file_write(p->dir, "assignments", file.p, n);
		assert_int_equal(assign_load(p->path, &back, &err), ERR_CORRUPT);
	}
	for (size_t i = 0; i < file.n; i++) {
		file.p[i] = (char)(file.p[i] ^ 0x10);
		temp_file_write(p->dir, "assignments", file.p, file.n);
		assert_int_equal(assign_load(p->path, &back, &err), ERR_CORRUPT);
		file.p[i] = (char)(file.p[i] ^ 0x10);
	}
	assert_non_null(strstr(err.text, p->path));
	assert_non_null(strstr(err.text, "is damaged"));
	assert_non_null(strstr(err.text, "until the collector sends them"));
	char *big = mem_new(4 << 20);
	temp_file_write(p->dir, "assignments", big, 4 << 20);
	assert_int_equal(assign_load(p->path, &back, &err), ERR_CORRUPT);
	free(big);
	assert_null(back);
	buf_fini(&file);
}

static void test_where_it_cannot_be_written(void **state)
{
	struct assign_set *s = sample(1);
	struct err err;
	assert_int_equal(assign_save("/proc/no/such/assignments", s, &err), ERR_IO);
	assert_non_null(strstr(err.text, "/proc/no/such/assignments"));
	assign_set_unref(s);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, 0) == 1;
}

static void test_the_box_gives_the_newest_once(void **state)
{
	struct assign_box *box = assign_box_new();
	assert_false(is_readable(assign_box_fd(box)));
	assert_null(assign_box_take(box));
	assign_box_put(box, sample(1));
	assign_box_put(box, sample(2));
	assert_true(is_readable(assign_box_fd(box)));
	struct assign_set *s = assign_box_take(box);
	assert_int_equal(s->a.generation, 2);
	assign_set_unref(s);
	assert_false(is_readable(assign_box_fd(box)));
	assert_null(assign_box_take(box));
	assign_box_put(box, sample(3)); /* never taken: not leaked either */
	assign_box_free(box);
	assign_box_free(NULL);
}

#define PUTS 2000
static void *put_many(void *arg)
{
	for (uint64_t i = 1; i <= PUTS; i++)
		assign_box_put(arg, sample(i));
	return NULL;
}

static void test_between_two_threads_generations_only_rise(void **state)
{
	struct assign_box *box = assign_box_new();
	pthread_t thread;
	uint64_t last = 0;
	assert_int_equal(pthread_create(&thread, NULL, put_many, box), 0);
	while (last < PUTS) {
		struct pollfd p = { .fd = assign_box_fd(box), .events = POLLIN };
		assert_int_equal(poll(&p, 1, 10000), 1);
		struct assign_set *s = assign_box_take(box);
		assert_non_null(s);
		assert_true(s->a.generation > last);
		last = s->a.generation;
		same_as_sample(s, last, 60000);
		assign_set_unref(s);
	}
	pthread_join(thread, NULL);
	assign_box_free(box);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_copy_is_its_own),
		TEST(test_the_file_brings_it_back_without_bursts),
		TEST(test_no_file_yet),
		TEST(test_a_damaged_file_is_noticed),
		TEST(test_where_it_cannot_be_written),
		TEST(test_the_box_gives_the_newest_once),
		TEST(test_between_two_threads_generations_only_rise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

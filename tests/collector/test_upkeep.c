/* check, backup and restore, run as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/upkeep.h"
#include "command_fixture.h"

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));
	fixture_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

static void put_deploys(struct fixture *f, int n)
{
	fixture_open(f);
	for (int i = 0; i < n; i++) {
		char json[128];
		bool duplicate;
		struct err err;
		snprintf(json, sizeof(json), "{\"type\":\"deploy\",\"service\":\"shop\",\"id\":\"d%d\",\"version\":\"v%d\"}", i, i);
		struct entry e = entry_event(ENTRY_DEPLOY, "shop", json);
		e.received_at_us = T0 + i;
		if (store_begin(f->st, &err) < 0 || store_append(f->st, &e, &duplicate, &err) < 0 || store_commit(f->st, &err) < 0)
			fail_msg("%s", err.text);
	}
}

/* Args end in a path of the fixture's. */
static struct ran run_on(struct fixture *f, int (*command)(int, char **), const char *name, const char *more)
{
	char args[1024];
	snprintf(args, sizeof(args), "%s --store sqlite:%s%s%s", name, f->path, more[0] ? " " : "", more);
	return run(f, command, args, NULL);
}

static void expect_status(struct ran r, int status, const char *out, const char *err)
{
	if (r.status != status || (out && strstr(r.out.n ? r.out.p : "", out) == NULL) ||
		(err && strstr(r.err.n ? r.err.p : "", err) == NULL))
		fail_msg("want %d, '%s', '%s'; got %d, '%s', '%s'", status, out ? out : "", err ? err : "", r.status,
			r.out.n ? r.out.p : "", r.err.n ? r.err.p : "");
	ran_fini(&r);
}

static void spoil(const char *path, long at)
{
	FILE *f = fopen(path, "r+e");
	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	for (int i = 0; i < 2048; i++)
		fputc(0xa5, f);
	fclose(f);
}

static void a_sound_store_is_said_to_be(void **state)
{
	struct fixture *f = *state;
	put_deploys(f, 3);
	expect_status(run_on(f, check_main, "check", ""), 0, "sound: 3 entries (1 to 3), 0 batches of 0 results; no snapshot yet\n", NULL);
}

static void an_entry_that_does_not_decode_is_named(void **state)
{
	struct fixture *f = *state;
	put_deploys(f, 2);
	put_event(f->st, ENTRY_DEPLOY, "shop", T0 + 9); /* no deploy */
	expect_status(run_on(f, check_main, "check", ""), 1, NULL, "check: entry 3: ");
}

static void a_snapshot_that_does_not_load_is_told(void **state)
{
	struct fixture *f = *state;
	put_deploys(f, 2);
	put_snapshot(f->st, 2, "tidemark snapshot 5\nnonsense");
	expect_status(run_on(f, check_main, "check", ""), 1, NULL, "check: the snapshot");
}

static void a_damaged_store_is_refused_with_what_to_do(void **state)
{
	struct fixture *f = *state;
	put_deploys(f, 200);
	fixture_close(f);
	spoil(f->path, 8192);
	expect_status(run_on(f, check_main, "check", ""), 1, NULL, "tidemark-collector restore");
}

static void a_backup_is_of_one_moment_while_somebody_writes(void **state)
{
	struct fixture *f = *state;
	char to[256];
	snprintf(to, sizeof(to), "%s", path_in(f, "copy.db"));
	struct fixture copy = { 0 };
	struct stat is;
	put_deploys(f, 50);
	assert_int_equal(store_begin(f->st, NULL), 0); /* a group is open, and not in it */
	expect_status(run_on(f, backup_main, "backup", to), 0, "copy.db: ", NULL);
	store_rollback(f->st);
	assert_int_equal(stat(to, &is), 0);
	assert_int_equal(is.st_mode & 0007, 0); /* hashes of tokens are in it */
	snprintf(copy.path, sizeof(copy.path), "%s", to);
	expect_status(run_on(&copy, check_main, "check", ""), 0, "sound: 50 entries", NULL);
	/* and is never written over */
	expect_status(run_on(f, backup_main, "backup", to), 1, NULL, "is there already");
}

static void a_backup_that_cannot_be_written_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	put_deploys(f, 3);
	expect_status(run_on(f, backup_main, "backup", "/nowhere/copy.db"), 1, NULL, "/nowhere/copy.db");
	expect_status(run_on(f, backup_main, "backup", "/dev/full"), 1, NULL, "is there already");
	assert_int_equal(access("/nowhere", F_OK), -1);
}

static void restore_puts_it_back_and_keeps_what_was_there(void **state)
{
	struct fixture *f = *state;
	char to[256];
	snprintf(to, sizeof(to), "%s", path_in(f, "copy.db"));
	put_deploys(f, 3);
	expect_status(run_on(f, backup_main, "backup", to), 0, NULL, NULL);
	expect_status(run_on(f, restore_main, "restore", to), 1, NULL, "another collector"); /* one runs */
	fixture_close(f);
	fixture_open(f);
	put_event(f->st, ENTRY_CLOCK, "", T0 + 99);
	fixture_close(f);
	expect_status(run_on(f, restore_main, "restore", to), 0, "restored from", NULL);
	expect_status(run_on(f, check_main, "check", ""), 0, "sound: 3 entries", NULL);
	expect_status(run_on(f, restore_main, "restore", path_in(f, "none.db")), 1, NULL, "none.db");
	expect_status(run_on(f, check_main, "check", ""), 0, "sound: 3 entries", NULL);
}

static void a_damaged_backup_replaces_nothing(void **state)
{
	struct fixture *f = *state;
	char to[256];
	snprintf(to, sizeof(to), "%s", path_in(f, "copy.db"));
	put_deploys(f, 200);
	expect_status(run_on(f, backup_main, "backup", to), 0, NULL, NULL);
	fixture_close(f);
	spoil(to, 8192);
	expect_status(run_on(f, restore_main, "restore", to), 1, NULL, "restore: ");
	expect_status(run_on(f, check_main, "check", ""), 0, "sound: 200 entries", NULL);
}

static void a_damaged_store_is_restored(void **state)
{
	struct fixture *f = *state;
	char to[256];
	snprintf(to, sizeof(to), "%s", path_in(f, "copy.db"));
	put_deploys(f, 200);
	expect_status(run_on(f, backup_main, "backup", to), 0, NULL, NULL);
	fixture_close(f);
	spoil(f->path, 0);
	expect_status(run_on(f, restore_main, "restore", to), 0, ".before-", NULL);
	expect_status(run_on(f, check_main, "check", ""), 0, "sound: 200 entries", NULL);
}

static void wrong_usage_is_2(void **state)
{
	struct fixture *f = *state;
	expect_status(run(f, check_main, "check", NULL), 2, NULL, "want one of --config FILE and --store URI");
	expect_status(run(f, backup_main, "backup --store x", NULL), 2, NULL, "and one file");
	expect_status(run(f, restore_main, "restore --stroe x y", NULL), 2, NULL, "--store");
	expect_status(run(f, backup_main, "backup --help", NULL), 0, "usage: tidemark-collector backup", NULL);
	expect_status(run(f, check_main, "check --store /nowhere/x.db", NULL), 1, NULL, "/nowhere/x.db");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sound_store_is_said_to_be, setup, teardown),
		cmocka_unit_test_setup_teardown(an_entry_that_does_not_decode_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_snapshot_that_does_not_load_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_damaged_store_is_refused_with_what_to_do, setup, teardown),
		cmocka_unit_test_setup_teardown(a_backup_is_of_one_moment_while_somebody_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_backup_that_cannot_be_written_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(restore_puts_it_back_and_keeps_what_was_there, setup, teardown),
		cmocka_unit_test_setup_teardown(a_damaged_backup_replaces_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_damaged_store_is_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_usage_is_2, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* upkeep.c - see upkeep.h */
#include "collector/upkeep.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "collector/collector_conf.h"
#include "collector/engine/engine.h"
#include "collector/entry_json.h"
#include "collector/refuse.h"
#include "collector/store.h"

#define SNAPSHOT_MAX ((size_t)1 << 31)

static const char check_usage[] = "usage: tidemark-collector check --config FILE | --store URI\n"
				  "Reads the whole store, also while the collector runs: is the database sound,\n"
				  "does every entry decode, does the newest snapshot load?\n"
				  "exit status: 0 sound, 1 not, or not readable, 2 usage\n";
static const char backup_usage[] = "usage: tidemark-collector backup --config FILE | --store URI TO\n"
				   "Copies the store to the file TO, also while the collector runs: the state of one\n"
				   "moment, durable when it ends. A file that is there is not written over.\n"
				   "exit status: 0 done, 1 not done, 2 usage\n";
static const char restore_usage[] = "usage: tidemark-collector restore --config FILE | --store URI FROM\n"
				    "Checks the backup FROM and puts a copy of it in the store's place. The collector\n"
				    "must not run. What was there is kept beside it as PATH.before-TIME.\n"
				    "exit status: 0 done, 1 not done, 2 usage\n";

struct upkeep {
	const char *name, *usage;
	char *uri;        /* free() it */
	const char *file; /* TO or FROM; NULL: none is wanted */
};

static int fail(const struct upkeep *u, const struct err *err)
{
	fprintf(stderr, "%s: %s\n", u->name, err->text);
	return 1;
}

/* -1: go on; else the exit status. */
static int read_options(struct upkeep *u, bool want_file, int argc, char **argv)
{
	enum { OPT_CONFIG = 256, OPT_STORE };
	static const struct option options[] = { { "config", required_argument, NULL, OPT_CONFIG },
		{ "store", required_argument, NULL, OPT_STORE }, { "help", no_argument, NULL, 'h' }, { 0 } };
	const char *config = NULL, *uri = NULL;
	struct err err = { 0 };
	int c;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == OPT_CONFIG) {
			config = optarg;
		} else if (c == OPT_STORE) {
			uri = optarg;
		} else if (c == 'h') {
			fputs(u->usage, stdout);
			return 0;
		} else {
			refuse_option(u->name, c, argv, options);
			return 2;
		}
	}
	if (argc - optind != want_file || (config == NULL) == (uri == NULL)) {
		fprintf(stderr, "%s: want one of --config FILE and --store URI%s\n%s", u->name,
			want_file ? ", and one file" : ", and nothing besides", u->usage);
		return 2;
	}
	u->file = want_file ? argv[optind] : NULL;
	if (uri != NULL) {
		u->uri = mem_strdup(uri);
		return -1;
	}
	struct collector_conf *conf = NULL;
	if (collector_conf_load(config, &conf, &err) < 0)
		return fail(u, &err);
	u->uri = mem_strdup(conf->store);
	collector_conf_unref(conf);
	return -1;
}

static const char *path_of(const char *uri)
{
	return str_starts(str_of(uri), "sqlite:") ? uri + strlen("sqlite:") : uri;
}

/* -- check -- */

struct checking {
	const struct upkeep *u;
	struct entry_reader *reader;
	uint64_t n_entries, n_batches, n_results, n_bad;
	int64_t first, last;
};

static void on_complaint(void *ctx, struct str says)
{
	const struct checking *k = ctx;
	struct str line;
	while (str_cut(&says, '\n', &line))
		if (!str_starts(line, "*** in database"))
			fprintf(stderr, "%s: %.*s\n", k->u->name, STR_ARG(line));
}

static int on_entry(void *ctx, const struct entry *e)
{
	struct checking *k = ctx;
	struct event ev;
	struct err err = { 0 };
	k->first = k->n_entries++ ? k->first : e->position;
	k->last = e->position;
	if (entry_to_event(k->reader, e, &ev, &err) < 0) {
		fprintf(stderr, "%s: entry %" PRId64 ": %s\n", k->u->name, e->position, err.text);
		k->n_bad++;
	} else if (e->kind == ENTRY_BATCH) {
		k->n_batches++;
		k->n_results += ev.observations.batch->n_obs;
	}
	return 0;
}

static int check_snapshot(struct store *st, int64_t *ret_position, struct err *err)
{
	struct buf bytes;
	struct engine *e = NULL;
	buf_init(&bytes, SNAPSHOT_MAX);
	int rc = store_snapshot(st, &bytes, ret_position, err);
	if (rc == 0)
		rc = engine_load(buf_str(&bytes), NULL, &e, err);
	else if (rc == ERR_NOT_FOUND)
		rc = 0, *ret_position = 0;
	engine_free(e);
	buf_fini(&bytes);
	return rc;
}

static int check_store(const struct upkeep *u, const char *uri, bool say)
{
	struct checking k = { .u = u };
	struct store *st = NULL;
	struct err err = { 0 };
	int64_t snapshot = 0;
	int rc = store_open(uri, STORE_READ, &st, &err);
	if (rc < 0)
		return fail(u, &err);
	k.reader = entry_reader_new();
	rc = store_check(st, on_complaint, &k, &err);
	if (rc == 0)
		rc = store_each_entry(st, 0, on_entry, &k, &err);
	if (rc == 0)
		rc = check_snapshot(st, &snapshot, &err);
	entry_reader_free(k.reader);
	store_close(st);
	if (rc < 0)
		return fail(u, &err);
	if (k.n_bad > 0) {
		fprintf(stderr, "%s: %" PRIu64 " of %" PRIu64 " entries do not decode: a collector of this version goes on without them\n",
			u->name, k.n_bad, k.n_entries);
		return 1;
	}
	if (!say)
		return 0;
	printf("%s: sound: %" PRIu64 " entries (%" PRId64 " to %" PRId64 "), %" PRIu64 " batches of %" PRIu64 " results; ",
		path_of(uri), k.n_entries, k.first, k.last, k.n_batches, k.n_results);
	if (snapshot > 0)
		printf("the snapshot at %" PRId64 " loads\n", snapshot);
	else
		printf("no snapshot yet\n");
	return 0;
}

int check_main(int argc, char **argv)
{
	struct upkeep u = { .name = "check", .usage = check_usage };
	int status = read_options(&u, false, argc, argv);
	if (status < 0)
		status = check_store(&u, u.uri, true);
	free(u.uri);
	return status;
}

/* -- backup -- */

static int backup_store(const struct upkeep *u, const char *uri, const char *to)
{
	struct store *st = NULL;
	struct err err = { 0 };
	int rc = store_open(uri, STORE_READ, &st, &err);
	if (rc == 0)
		rc = store_backup(st, to, &err);
	store_close(st);
	return rc < 0 ? fail(u, &err) : 0;
}

int backup_main(int argc, char **argv)
{
	struct upkeep u = { .name = "backup", .usage = backup_usage };
	struct stat is;
	int status = read_options(&u, true, argc, argv);
	if (status < 0) {
		status = backup_store(&u, u.uri, u.file);
		if (status == 0 && stat(u.file, &is) == 0)
			printf("%s: %" PRId64 " bytes\n", u.file, (int64_t)is.st_size);
	}
	free(u.uri);
	return status;
}

/* -- restore -- */

static int fail_errno(const struct upkeep *u, const char *what, const char *path)
{
	fprintf(stderr, "%s: cannot %s '%s': %s\n", u->name, what, path, strerror(errno));
	return 1;
}

/* Away with it, its WAL with it: a WAL beside another database would be taken for that one's. */
static int set_aside(const struct upkeep *u, const char *path)
{
	static const char *const ends[] = { "-wal", "-shm", "" }; /* the database last: until then it is whole */
	char time[TIME_TEXT_MAX];
	struct stat is;
	(void)time_format(clock_wall_us() / US_PER_S * US_PER_S, time);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct buf from, to;
		int rc = 0;
		buf_init(&from, 8192), buf_init(&to, 8192);
		buf_addf(&from, "%s%s", path, ends[i]);
		buf_addf(&to, "%s.before-%s%s", path, time, ends[i]);
		if (stat(from.p, &is) == 0 && rename(from.p, to.p) < 0)
			rc = fail_errno(u, "set aside", from.p);
		else if (ends[i][0] == '\0' && stat(to.p, &is) == 0)
			printf("%s: kept as %s\n", path, to.p);
		buf_fini(&from), buf_fini(&to);
		if (rc)
			return rc;
	}
	return 0;
}

/* Opening it to write takes the lock that a running collector holds, and folds a WAL that a crash left. */
static int is_free(const struct upkeep *u, const char *uri)
{
	struct store *st = NULL;
	struct stat is;
	struct err err = { 0 };
	if (stat(path_of(uri), &is) < 0)
		return 0;
	int rc = store_open(uri, STORE_WRITE, &st, &err);
	store_close(st);
	return rc == ERR_BUSY ? fail(u, &err) : 0; /* damaged is why one restores */
}

static int restore_store(const struct upkeep *u)
{
	const char *path = path_of(u->uri);
	struct buf fresh;
	int status = check_store(u, u->file, false);
	if (status == 0)
		status = is_free(u, u->uri);
	if (status)
		return status;
	buf_init(&fresh, 8192);
	buf_addf(&fresh, "%s.restoring", path);
	unlink(fresh.p);
	status = backup_store(u, u->file, fresh.p);
	if (status == 0)
		status = set_aside(u, path);
	if (status == 0 && rename(fresh.p, path) < 0)
		status = fail_errno(u, "put in place", path);
	if (status == 0)
		printf("%s: restored from %s\n", path, u->file);
	buf_fini(&fresh);
	return status;
}

int restore_main(int argc, char **argv)
{
	struct upkeep u = { .name = "restore", .usage = restore_usage };
	int status = read_options(&u, true, argc, argv);
	if (status < 0)
		status = restore_store(&u);
	free(u.uri);
	return status;
}

#include "agent/assign.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/file.h"
#include "base/sha256.h"

/* The file: magic, the digest of what follows, and one Assignments envelope as it came over the wire. */
#define ASSIGN_MAGIC "tidemark assignments 1\n"
#define MAGIC_BYTES  (sizeof(ASSIGN_MAGIC) - 1)

/* Encoding and decoding is the deep copy: everything ends up in one arena. */
static int set_from_bytes(struct str bytes, struct assign_set **ret, struct err *err)
{
	struct wire_msg m;
	int rc = wire_decode(bytes, &m, err);
	if (rc < 0)
		return rc;
	if (m.kind != WIRE_ASSIGNMENTS) {
		wire_free(&m);
		return err_set(err, ERR_NONSENSE, "no assignments, but a message of another kind");
	}
	struct assign_set *s = mem_new(sizeof(*s));
	s->msg = m;
	s->a = m.assignments;
	s->refs = 1;
	*ret = s;
	return 0;
}

static int set_to_bytes(const struct assignments *a, struct buf *out, struct err *err)
{
	struct wire_msg m = { .kind = WIRE_ASSIGNMENTS, .assignments = *a };
	m.assignments.unchanged = false;
	return wire_encode(&m, out, err);
}

struct assign_set *assign_set_new(const struct assignments *a, int64_t received_boot_us)
{
	struct buf bytes;
	struct assign_set *s = NULL;
	struct err err = { 0 };
	buf_init(&bytes, WIRE_MESSAGE_MAX);
	int rc = set_to_bytes(a, &bytes, &err);
	if (rc == 0)
		rc = set_from_bytes(buf_str(&bytes), &s, &err);
	INVARIANT(rc == 0 && s != NULL); /* it was decoded and checked before it came here */
	s->received_boot_us = received_boot_us;
	buf_fini(&bytes);
	return s;
}

struct assign_set *assign_set_ref(struct assign_set *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void assign_set_unref(struct assign_set *s)
{
	if (s && atomic_fetch_sub(&s->refs, 1) == 1) {
		wire_free(&s->msg);
		free(s);
	}
}

/* ---- file ---- */

int assign_save(const char *path, const struct assign_set *s, struct err *err)
{
	struct buf bytes, file;
	buf_init(&bytes, WIRE_MESSAGE_MAX);
	buf_init(&file, WIRE_MESSAGE_MAX + MAGIC_BYTES + SHA256_BYTES);
	int rc = set_to_bytes(&s->a, &bytes, err);
	if (rc == 0) {
		struct sha256 digest = sha256_of(buf_str(&bytes));
		buf_add(&file, ASSIGN_MAGIC, MAGIC_BYTES);
		buf_add(&file, digest.b, sizeof(digest.b));
		buf_add_str(&file, buf_str(&bytes));
		rc = file_replace(path, buf_str(&file), err);
	}
	buf_fini(&bytes);
	buf_fini(&file);
	return rc;
}

static int parse_file(struct str file, struct assign_set **ret, struct err *err)
{
	struct str bytes = str_from(file, MAGIC_BYTES + SHA256_BYTES);
	if (!str_starts(file, ASSIGN_MAGIC) || bytes.n == 0)
		return err_set(err, ERR_CORRUPT, "it does not begin like a file of assignments");
	struct sha256 digest = sha256_of(bytes);
	if (memcmp(file.p + MAGIC_BYTES, digest.b, sizeof(digest.b)) != 0)
		return err_set(err, ERR_CORRUPT, "its bytes do not match their digest");
	return set_from_bytes(bytes, ret, err);
}

int assign_load(const char *path, struct assign_set **ret, struct err *err)
{
	struct buf file;
	struct assign_set *s = NULL;
	buf_init(&file, WIRE_MESSAGE_MAX + MAGIC_BYTES + SHA256_BYTES);
	struct err why = { 0 };
	int rc = file_read(path, &file, err);
	if (rc == ERR_NOT_FOUND || rc == ERR_IO)
		goto out;
	if (rc == ERR_TOO_BIG || (rc = parse_file(buf_str(&file), &s, &why)) < 0) {
		rc = err_set(err, ERR_CORRUPT,
			"%s is damaged (%s): starting without assignments until the collector sends them",
			path, rc == ERR_TOO_BIG ? "it is too big" : why.text);
		goto out;
	}
	INVARIANT(s != NULL);
	for (size_t i = 0; i < s->a.n_services; i++)
		s->a.services[i].burst_interval_ms = s->a.services[i].burst_left_ms = 0;
	*ret = s;
out:
	buf_fini(&file);
	return rc;
}

/* ---- box ---- */

struct assign_box {
	pthread_mutex_t lock;
	struct assign_set *set;
	int fd;
};

struct assign_box *assign_box_new(void)
{
	struct assign_box *box = mem_new(sizeof(*box));
	pthread_mutex_init(&box->lock, NULL);
	box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	INVARIANT(box->fd >= 0);
	return box;
}

void assign_box_free(struct assign_box *box)
{
	if (box == NULL)
		return;
	assign_set_unref(box->set);
	close(box->fd);
	pthread_mutex_destroy(&box->lock);
	free(box);
}

void assign_box_put(struct assign_box *box, struct assign_set *s)
{
	uint64_t one = 1;
	pthread_mutex_lock(&box->lock);
	struct assign_set *old = box->set;
	box->set = s;
	ssize_t n = write(box->fd, &one, sizeof(one));
	(void)n; /* full means that it is readable already */
	pthread_mutex_unlock(&box->lock);
	assign_set_unref(old);
}

struct assign_set *assign_box_take(struct assign_box *box)
{
	uint64_t count;
	pthread_mutex_lock(&box->lock);
	struct assign_set *s = box->set;
	box->set = NULL;
	ssize_t n = read(box->fd, &count, sizeof(count));
	(void)n; /* nothing there: nothing was put */
	pthread_mutex_unlock(&box->lock);
	return s;
}

int assign_box_fd(const struct assign_box *box)
{
	return box->fd;
}

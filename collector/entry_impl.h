/* entry_impl.h - what the files of entry_json.h share: entry_field.c reads single fields, entry_event.c whole
 * entries, entry_obs.c observations, entry_write.c lines for export, entry_body.c request bodies. Nobody else
 * includes it. */
#ifndef COLLECTOR_ENTRY_IMPL_H
#define COLLECTOR_ENTRY_IMPL_H

#include <jansson.h>

#include "base/cdn/cdn.h"
#include "collector/entry_json.h"

#define ENTRY_KEYS_MAX 48
#define ENTRY_PATH_MAX 256
#define OBS_DICT_MAX   8 /* a single observation's strings, the empty one included */

struct chunk { /* memory of the present event */
	struct chunk *next;
	max_align_t bytes[];
};

struct known_endpoint { /* of the services told so far: lines need not name their service */
	char *service, *endpoint;
};

struct entry_reader {
	json_t *root;
	struct chunk *chunks;
	struct batch_decoder *decoder;
	int64_t line_position;
	int64_t n_deploys, n_purges; /* lines so far, for "deploy-N" */
	struct known_endpoint *endpoints;
	size_t n_endpoints, cap_endpoints;
	/* one observation made of a line */
	struct batch batch;
	struct obs obs;
	struct str dict[OBS_DICT_MAX];
	struct edge_info edge;
	char edge_text[OBS_NAME_MAX], id_text[32];
};

/* An object while its fields are read. The first error stays; after it every getter leaves its result alone.
 * Each getter notes its key as known, so that fields_end() can name the others. */
struct fields {
	struct entry_reader *r;
	json_t *object;
	const char *
		type; /* "observation": a line, its place is `observation: "age_s"`. NULL: a body, `/age_s` */
	char path[ENTRY_PATH_MAX];
	const char *known[ENTRY_KEYS_MAX];
	size_t n_known;
	struct err *err;
	int *rc; /* shared with the objects inside */
};

/* Parses into r->root (what was there is let go): an object, no key twice, at most ENTRY_DEPTH_MAX deep. */
int entry_parse(struct entry_reader *r, struct str text, struct err *err);
/* Lets the last event's memory go. */
void entry_forget(struct entry_reader *r);
void *entry_mem(struct entry_reader *r, size_t n, size_t size);
struct str json_borrow(const json_t *v);

bool fields_failed(const struct fields *f);
/* NULL key: the object itself. */
void field_fail(struct fields *f, const char *key, int code, const char *fmt, ...) PRINTF_LIKE(4, 5);
json_t *field_get(struct fields *f, const char *key); /* NULL: absent or null */
bool field_required(struct fields *f, const char *key);
/* `want WHAT, got ...` */
void field_want(struct fields *f, const char *key, const char *what, const json_t *got);
/* The same of a member of the list under key. */
void field_want_item(struct fields *f, const char *key, size_t index, const char *what, const json_t *got);
void field_str(struct fields *f, const char *key, size_t cap, struct str *ret);
void field_bool(struct fields *f, const char *key, bool *ret);
void field_int(struct fields *f, const char *key, int64_t min, int64_t max, int64_t *ret);
void field_time(struct fields *f, const char *key, int64_t *ret);
void field_duration(struct fields *f, const char *key, int64_t min_us, int64_t *ret);
void field_share(struct fields *f, const char *key, double *ret);
/* One of names[0 .. n); *ret is its index. */
void field_word(struct fields *f, const char *key, const char *const *names, size_t n, int *ret);
/* A list of texts; *ret is NULL where it is empty. */
void field_texts(struct fields *f, const char *key, size_t cap, const struct str **ret, size_t *ret_n);
/* A list; its size is capped. NULL: absent. */
json_t *field_list(struct fields *f, const char *key);
/* An object inside this one; false: absent. index >= 0: member of the list under key. */
bool field_object(struct fields *f, const char *key, struct fields *ret);
bool field_member(struct fields *f, const char *key, json_t *member, size_t index, struct fields *ret);
void fields_end(struct fields *f); /* in a body, refuses what nobody asked for */

/* The entry under r->root to an event; kind says which. body: as a request's. ev has its times already. */
int entry_read_event(
	struct entry_reader *r, enum entry_kind kind, bool body, struct event *ev, struct err *err);
#define TEXT_MAX 4096 /* a url, a pattern, a reason */
void entry_read_mesh(struct fields *f, struct event *ev);
void entry_read_rollout(struct fields *f, struct event *ev);
void entry_read_pods(struct fields *f, struct event *ev);
void obs_read_fields(struct fields *f, struct event *ev);
int entry_kind_of_root(struct entry_reader *r, enum entry_kind *ret, struct err *err);

#endif

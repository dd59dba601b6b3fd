/* cmd_postmortem.c - tidemark postmortem: what became of a deploy, as a report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/ctl/ctl.h"
#include "collector/ctl/postmortem.h"

#define TRANSITIONS "5000"

struct postmortem_options {
	const char *file;
};
static const struct opt postmortem_opts[] = {
	{ "file", OPT_TEXT, offsetof(struct postmortem_options, file), "FILE", "write it there; default: standard output" },
	{ .name = NULL },
};

struct found {
	json_t *deploy, *history, *purges, *incident;
};

static void found_fini(struct found *f)
{
	json_decref(f->deploy), json_decref(f->history), json_decref(f->purges), json_decref(f->incident);
}

static int get_of(struct api *a, const char *list, struct str id, const char *more, json_t **ret, struct err *err)
{
	struct buf path;
	buf_init(&path, 16 * 1024);
	buf_addf(&path, "/api/v1/%s", list);
	path_add_segment(&path, id);
	buf_addf(&path, "%s", more);
	int rc = buf_failed(&path) ? err_set(err, ERR_SYNTAX, "the deploy's id is too long") : api_get(a, path.p, ret, err);
	buf_fini(&path);
	if (rc == 0 && !json_is_object(*ret))
		return err_set(err, ERR_CORRUPT, "the answer is no object: is it a tidemark collector?");
	return rc;
}

static int purges_get(struct api *a, struct str service, json_t **ret, struct err *err)
{
	struct buf path;
	buf_init(&path, 16 * 1024);
	buf_addf(&path, "/api/v1/purges?limit=1000");
	path_add_query(&path, "service", service);
	int rc = buf_failed(&path) ? err_set(err, ERR_CORRUPT, "the deploy's service has too long a name")
				   : api_list(a, path.p, ret, err);
	buf_fini(&path);
	return rc;
}

/* id: of a deploy, or of its incident. */
static int find(struct api *a, struct str id, struct found *f, struct err *err)
{
	int rc = 0;
	if (str_starts(id, "i_")) {
		rc = get_of(a, "incidents", id, "", &f->incident, err);
		id = json_text(f->incident, "deploy");
	}
	if (rc == 0)
		rc = get_of(a, "deploys", id, "", &f->deploy, err);
	if (rc == 0)
		rc = get_of(a, "deploys", id, "/history?limit=" TRANSITIONS, &f->history, err);
	if (rc == 0)
		rc = purges_get(a, json_text(f->deploy, "service"), &f->purges, err);
	if (rc == 0 && f->incident == NULL)
		rc = get_of(a, "incidents", id, "", &f->incident, err);
	return rc == ERR_NOT_FOUND && f->purges ? 0 : rc; /* most deploys have none */
}

static int write_file(const char *path, const struct buf *text)
{
	FILE *to = fopen(path, "we");
	bool written = to && fwrite(text->p, 1, text->n, to) == text->n;
	int why = errno;
	if (to && fclose(to) != 0 && written) {
		written = false;
		why = errno;
	}
	if (written)
		return EXIT_OK;
	fprintf(stderr, "tidemark: --file %s: %s\n", path, strerror(why));
	return EXIT_FAILED;
}

static int postmortem_run(struct ctl *c, void *options, const struct texts *args)
{
	const struct postmortem_options *o = options;
	struct found f = { 0 };
	struct buf out;
	struct err err;
	int code = EXIT_OK;
	if (find(c->api, str_of(args->p[0]), &f, &err) < 0) {
		found_fini(&f);
		return ctl_fail(&err);
	}
	buf_init(&out, API_ANSWER_MAX);
	if (c->json) {
		json_t *all = json_pack("{s:O,s:O,s:O,s:O?}", "deploy", f.deploy, "history", f.history, "purges", f.purges,
			"incident", f.incident);
		char *text = json_dumps(all, JSON_INDENT(2));
		INVARIANT(all && text);
		buf_addf(&out, "%s\n", text);
		free(text);
		json_decref(all);
	} else {
		postmortem_write(&(struct postmortem){ f.deploy, f.history, f.purges, f.incident }, &out);
	}
	found_fini(&f);
	if (buf_failed(&out)) {
		fprintf(stderr, "tidemark: the report is larger than %d MiB\n", API_ANSWER_MAX >> 20);
		code = EXIT_FAILED;
	} else if (o->file) {
		code = write_file(o->file, &out);
	} else {
		out_flush(&out);
	}
	buf_fini(&out);
	return code;
}

const struct command cmd_postmortem = {
	.name = "postmortem",
	.usage = "DEPLOY [--file FILE]",
	.says = "what became of a deploy, as a report in Markdown",
	.opts = postmortem_opts,
	.size = sizeof(struct postmortem_options),
	.min_args = 1,
	.max_args = 1,
	.run = postmortem_run,
	.more = "DEPLOY is its id, as `tidemark status` shows it, or its incident's. The report has a timeline, the propagation and the causes.\n",
};

/* main.c - finds the command, reads the options everybody has, prints help. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/nearest.h"
#include "collector/ctl/ctl.h"

#define SERVER_DEFAULT "http://127.0.0.1:8470"
#define TOKEN_MAX      4096

static const struct command *const commands[] = { &cmd_deploy, &cmd_purge, &cmd_verify, &cmd_status,
	&cmd_edges, &cmd_incidents, &cmd_postmortem, &cmd_agents, &cmd_watch };

static const struct opt global_opts[] = {
	{ "server", OPT_TEXT, offsetof(struct ctl, server), "URL",
		"the collector (TIDEMARK_SERVER; " SERVER_DEFAULT ")" },
	{ "token-file", OPT_TEXT, offsetof(struct ctl, token_file), "FILE",
		"file with the API token (or TIDEMARK_TOKEN itself)" },
	{ "ca", OPT_TEXT, offsetof(struct ctl, ca), "FILE", "who signed an https collector (TIDEMARK_CA)" },
	{ "o", OPT_WORD, offsetof(struct ctl, output), "text|json", "how to answer" },
	{ "no-color", OPT_FLAG, offsetof(struct ctl, no_color), NULL, "no colours (also NO_COLOR)" },
	{ "wide", OPT_FLAG, offsetof(struct ctl, wide), NULL, "do not cut lines to the terminal's width" },
	{ "help", OPT_FLAG, offsetof(struct ctl, help), NULL, "this text" },
	{ "h", OPT_FLAG, offsetof(struct ctl, help), NULL, "this text" },
	{ "version", OPT_FLAG, offsetof(struct ctl, version), NULL, "the version of this program" },
	{ .name = NULL },
};

/* -- help -- */

#define HELP_WIDTH 80

/* Long lines go on below, an option's under its sentence. */
static void help_print(struct str text, FILE *to)
{
	text = str_trim(text);
	for (struct str line; str_cut(&text, '\n', &line);) {
		int indent = str_starts(line, "  -") ? ARGS_HELP_COLUMN : str_starts(line, "usage: ") ? 7 : 0;
		size_t width = HELP_WIDTH;
		while (line.n > width) {
			size_t at = width;
			while (at > 1 && line.p[at] != ' ')
				at--;
			fprintf(to, "%.*s\n%*s", (int)at, line.p, indent, "");
			line = str_from(line, at + 1);
			width = HELP_WIDTH - (size_t)indent;
		}
		fprintf(to, "%.*s\n", STR_ARG(line));
	}
}

static int help_all(FILE *to)
{
	struct buf b;
	buf_init(&b, 65536);
	buf_addf(&b, "tidemark %s - shows how far a deploy has come\n\nusage: tidemark COMMAND [OPTIONS]\n\n",
		TIDEMARK_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		buf_addf(&b, "  %-10s %s\n", commands[i]->name, commands[i]->says);
	buf_addf(&b, "\noptions of every command:\n");
	args_help(global_opts, &b);
	buf_addf(&b,
		"\nexit codes: 0 fine, verified; 1 failed, refused; 2 usage; 3 inconclusive;\n"
		"4 superseded or aborted; 5 collector out of reach. `tidemark COMMAND --help` says more.\n");
	help_print(buf_str(&b), to);
	buf_fini(&b);
	return EXIT_OK;
}

static int help_one(const struct command *cmd)
{
	struct buf b;
	buf_init(&b, 65536);
	buf_addf(&b, "usage: tidemark %s %s\n\n%s.\n\n", cmd->name, cmd->usage, cmd->says);
	if (cmd->opts[0].name != NULL) {
		args_help(cmd->opts, &b);
		buf_addf(&b, "\n");
	}
	if (cmd->more != NULL)
		buf_addf(&b, "%s\n", cmd->more);
	buf_addf(&b, "options of every command:\n");
	args_help(global_opts, &b);
	help_print(buf_str(&b), stdout);
	buf_fini(&b);
	return EXIT_OK;
}

static int version_print(void)
{
	printf("tidemark %s\n", TIDEMARK_VERSION);
	return EXIT_OK;
}

/* -- the way in -- */

/* The first line of the file. */
static int token_read(const char *path, char token[TOKEN_MAX], struct err *err)
{
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return err_set(err, ERR_SYNTAX, "--token-file %s: %s", path, strerror(errno));
	char *got = fgets(token, TOKEN_MAX, f);
	bool failed = ferror(f);
	fclose(f);
	if (failed)
		return err_set(err, ERR_SYNTAX, "--token-file %s: cannot be read", path);
	struct str t = str_trim(str_of(got));
	if (t.n == 0)
		return err_set(err, ERR_SYNTAX, "--token-file %s: its first line is empty", path);
	memmove(token, t.p, t.n);
	token[t.n] = '\0';
	return 0;
}

static const char *env_or(const char *name, const char *otherwise)
{
	const char *v = getenv(name);
	return v != NULL && v[0] != '\0' ? v : otherwise;
}

static int ctl_open(struct ctl *c, struct err *err)
{
	char token[TOKEN_MAX];
	struct api_options options = {
		.server = c->server ? c->server : env_or("TIDEMARK_SERVER", SERVER_DEFAULT),
		.ca = c->ca ? c->ca : env_or("TIDEMARK_CA", NULL),
		.token = env_or("TIDEMARK_TOKEN", NULL),
	};
	int rc = 0;
	if (c->token_file != NULL) {
		rc = token_read(c->token_file, token, err);
		options.token = token;
	}
	if (rc == 0)
		rc = api_new(&options, &c->api, err);
	explicit_bzero(token, sizeof(token));
	c->json = c->output != NULL && strcmp(c->output, "json") == 0;
	term_init(&c->term, c->no_color, c->wide);
	return rc;
}

static const struct command *command_find(const char *name)
{
	struct nearest near = nearest_to(str_of(name));
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
		nearest_try(&near, commands[i]->name);
	}
	if (near.best != NULL)
		(void)ctl_usage("unknown command '%s'; did you mean '%s'?", name, near.best);
	else
		(void)ctl_usage("unknown command '%s'; `tidemark --help` lists them", name);
	return NULL;
}

static int command_run(struct ctl *c, const struct command *cmd, int argc, char **argv)
{
	struct texts rest = { 0 };
	struct err err;
	int used = 0, code = EXIT_OK;
	void *options = mem_new(cmd->size);
	if (cmd->defaults != NULL)
		cmd->defaults(options);
	struct args_spec spec = { cmd->opts, global_opts, options, c, false };
	if (args_parse(&spec, argc, argv, &rest, &used, &err) < 0)
		code = ctl_usage("%s: %s", cmd->name, err.text);
	else if (c->help)
		code = help_one(cmd);
	else if (c->version)
		code = version_print();
	else if (rest.n < cmd->min_args)
		code = ctl_usage(
			"%s: something is missing: usage: tidemark %s %s", cmd->name, cmd->name, cmd->usage);
	else if (rest.n > cmd->max_args)
		code = ctl_usage("%s: '%s' is one too many: usage: tidemark %s %s", cmd->name,
			rest.p[cmd->max_args], cmd->name, cmd->usage);
	else if (ctl_open(c, &err) < 0)
		code = ctl_usage("%s", err.text);
	else
		code = cmd->run(c, options, &rest);
	if (cmd->fini != NULL)
		cmd->fini(options);
	free(options);
	texts_fini(&rest);
	return code;
}

static int run(int argc, char **argv)
{
	struct ctl c = { 0 };
	struct texts none = { 0 };
	struct err err;
	int used = 0, code = EXIT_OK;
	struct args_spec spec = { NULL, global_opts, NULL, &c, true };
	if (args_parse(&spec, argc - 1, argv + 1, &none, &used, &err) < 0)
		return ctl_usage("%s", err.text);
	if (c.version)
		return version_print();
	if (1 + used >= argc) {
		help_all(c.help ? stdout : stderr);
		return c.help ? EXIT_OK : EXIT_USAGE;
	}
	const struct command *cmd = command_find(argv[1 + used]);
	if (cmd == NULL)
		return EXIT_USAGE;
	code = command_run(&c, cmd, argc - 2 - used, argv + 2 + used);
	api_free(c.api);
	return code;
}

int main(int argc, char **argv)
{
	int code = run(argc, argv);
	/* a full disk behind a redirection: an answer nobody has is no success. Any other verdict keeps its
	 * code. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "tidemark: cannot write the answer: %s\n", strerror(errno));
		if (code == EXIT_OK)
			code = EXIT_FAILED;
	}
	return code;
}

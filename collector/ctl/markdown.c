/* markdown.c - see markdown.h */
#include "collector/ctl/markdown.h"

#include "base/printable.h"
#include "collector/ctl/api.h"

#define TEXT_MAX (256 * 1024)

void md_add(struct buf *out, struct str text)
{
	struct buf safe;
	buf_init(&safe, TEXT_MAX);
	buf_add_printable(&safe, text);
	for (size_t i = 0; i < safe.n; i++) {
		char c = safe.p[i];
		if (c == '<')
			buf_addf(out, "&lt;");
		else if (c == '&')
			buf_addf(out, "&amp;");
		else if (strchr("\\`*_{}[]()>#+!|~$", c) != NULL)
			buf_addf(out, "\\%c", c);
		else if (c == '@' || (c == ':' && i + 2 < safe.n && safe.p[i + 1] == '/' && safe.p[i + 2] == '/'))
			buf_addf(out, "%s", c == '@' ? "&#64;" : "&#58;"); /* nobody is called, nothing is linked */
		else if (c == '.' && i >= 3 && memcmp(safe.p + i - 3, "www", 3) == 0)
			buf_addf(out, "&#46;");
		else
			buf_add_char(out, c);
	}
	if (buf_failed(&safe))
		buf_addf(out, "(too long to show)");
	buf_fini(&safe);
}

void md_member(struct buf *out, const json_t *object, const char *key)
{
	md_add(out, json_text(object, key));
}

void md_command(struct buf *out, struct str command)
{
	struct buf safe;
	if (command.n == 0)
		return;
	buf_init(&safe, TEXT_MAX);
	buf_add_printable(&safe, command);
	size_t longest = 2, run = 0;
	for (size_t i = 0; i < safe.n; i++) {
		run = safe.p[i] == '`' ? run + 1 : 0;
		longest = MAX(longest, run);
	}
	struct buf fence;
	buf_init(&fence, TEXT_MAX);
	for (size_t i = 0; i <= longest; i++)
		buf_add_char(&fence, '`');
	buf_addf(out, "\n%.*ssh\n%.*s\n%.*s\n", STR_ARG(buf_str(&fence)), STR_ARG(buf_str(&safe)),
		STR_ARG(buf_str(&fence)));
	buf_fini(&fence), buf_fini(&safe);
}

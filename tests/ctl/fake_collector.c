#include "tests/ctl/fake_collector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define ANSWERS_MAX 64
#define RUN_LIMIT_US                                                                                         \
	(60 * US_PER_S) /* of one run of the client: a hang fails the test, it does not stop it */

struct answer {
	const char *method, *path;
	int status;
	const char *body;
	bool played;
};
struct fake {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener, stop[2];
	char url[64];
	struct answer answers[ANSWERS_MAX];
	size_t n_answers;
	struct buf requests;
	struct buf seen; /* the test's own copy of them, made when it asks */
};

static bool write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k, n -= (size_t)k;
	}
	return true;
}

/* -- one request -- */

static size_t content_length(struct str head)
{
	struct str line;
	int64_t n = 0;
	while (str_cut(&head, '\n', &line))
		if (str_starts_nocase(line, "content-length:"))
			INVARIANT(str_to_i64(str_trim(str_from(line, 15)), &n, NULL) == 0);
	return (size_t)n;
}

static bool request_read(int fd, struct buf *b)
{
	char chunk[4096];
	for (;;) {
		char *end = b->n ? strstr(b->p, "\r\n\r\n") : NULL;
		if (end != NULL) {
			size_t head = (size_t)(end - b->p) + 4;
			if (b->n >= head + content_length(str_first(buf_str(b), head)))
				return true;
		}
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf_add(b, chunk, (size_t)n);
	}
}

/* The first that matches and was not played; else the last that matches. */
static struct answer *answer_find(struct fake *f, struct str method, struct str path)
{
	struct answer *last = NULL;
	for (size_t i = 0; i < f->n_answers; i++) {
		struct answer *a = &f->answers[i];
		if (!str_is(method, a->method) || (strcmp(a->path, "*") != 0 && !str_is(path, a->path)))
			continue;
		last = a;
		if (!a->played)
			break;
	}
	if (last != NULL)
		last->played = true;
	return last;
}

static void answer_send(int fd, const struct answer *a)
{
	struct buf b;
	buf_init(&b, 16 * 1024 * 1024);
	if (a == NULL)
		buf_addf(&b, "HTTP/1.1 404 x\r\nConnection: close\r\nContent-Type: "
			     "application/problem+json\r\n\r\n"
			     "{\"title\":\"Not Found\",\"status\":404,\"detail\":\"the test has no answer "
			     "for this\"}");
	else if (a->status == -1)
		buf_addf(&b, "%s", a->body);
	else if (a->status != 0)
		buf_addf(&b,
			"HTTP/1.1 %d x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: "
			"%zu\r\n\r\n%s",
			a->status, a->status < 400 ? "application/json" : "application/problem+json",
			strlen(a->body), a->body);
	if (b.n > 0)
		(void)write_all(fd, b.p, b.n); /* a client that left has its reasons */
	buf_fini(&b);
}

static void serve(struct fake *f, int fd)
{
	struct buf b;
	buf_init(&b, 1024 * 1024);
	if (request_read(fd, &b)) {
		struct str line, rest = buf_str(&b), method, target, path;
		(void)str_cut(&rest, '\n', &line); /* there is one: the head was found */
		(void)str_cut(&line, ' ', &method);
		(void)str_cut(&line, ' ', &target);
		struct str query = target;
		(void)str_cut(&query, '?', &path);
		pthread_mutex_lock(&f->lock);
		buf_add_str(&f->requests, buf_str(&b));
		buf_addf(&f->requests, "\n--\n");
		struct answer *a = answer_find(f, method, path), copy = a ? *a : (struct answer){ 0 };
		pthread_mutex_unlock(&f->lock);
		answer_send(fd, a ? &copy : NULL);
	}
	buf_fini(&b);
	close(fd);
}

static void *fake_thread(void *arg)
{
	struct fake *f = arg;
	for (;;) {
		struct pollfd fds[2] = { { .fd = f->listener, .events = POLLIN },
			{ .fd = f->stop[0], .events = POLLIN } };
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents)
			return NULL;
		int fd = fds[0].revents ? accept4(f->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (fd >= 0)
			serve(f, fd);
	}
}

struct fake *fake_start(void)
{
	struct fake *f = mem_new(sizeof(*f));
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	buf_init(&f->requests, 16 * 1024 * 1024);
	buf_init(&f->seen, 16 * 1024 * 1024);
	pthread_mutex_init(&f->lock, NULL);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	INVARIANT(f->listener >= 0 && bind(f->listener, (struct sockaddr *)&a, sizeof(a)) == 0);
	INVARIANT(listen(f->listener, 16) == 0 && getsockname(f->listener, (struct sockaddr *)&a, &n) == 0);
	INVARIANT(pipe2(f->stop, O_CLOEXEC) == 0);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d", ntohs(a.sin_port));
	INVARIANT(pthread_create(&f->thread, NULL, fake_thread, f) == 0);
	return f;
}

void fake_stop(struct fake *f)
{
	if (f == NULL)
		return;
	INVARIANT(write(f->stop[1], "x", 1) == 1 && pthread_join(f->thread, NULL) == 0);
	close(f->listener), close(f->stop[0]), close(f->stop[1]);
	pthread_mutex_destroy(&f->lock);
	buf_fini(&f->requests);
	buf_fini(&f->seen);
	free(f);
}

const char *fake_url(const struct fake *f)
{
	return f->url;
}

void fake_answer(struct fake *f, const char *method, const char *path, int status, const char *body)
{
	pthread_mutex_lock(&f->lock);
	INVARIANT(f->n_answers < ANSWERS_MAX);
	f->answers[f->n_answers++] =
		(struct answer){ .method = method, .path = path, .status = status, .body = body };
	pthread_mutex_unlock(&f->lock);
}

const char *fake_requests(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	buf_clear(&f->seen);
	buf_add_str(&f->seen, buf_str(&f->requests));
	pthread_mutex_unlock(&f->lock);
	return f->seen.p ? f->seen.p : "";
}

size_t fake_count(struct fake *f, const char *what)
{
	size_t n = 0;
	for (const char *p = fake_requests(f); (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

bool fake_got_body(struct fake *f, const char *method, const char *target, const char *body)
{
	char head[512];
	snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\n", method, target);
	for (const char *p = fake_requests(f); (p = strstr(p, head)) != NULL; p++) {
		const char *at = strstr(p, "\r\n\r\n"), *end = at ? strstr(at, "\n--\n") : NULL;
		if (end != NULL && str_is((struct str){ at + 4, (size_t)(end - at) - 4 }, body))
			return true;
	}
	return false;
}

/* -- running the client -- */

static NORETURN void become_client(const struct fake *f, const char *const *env, const char *const *args)
{
	static const char *const unset[] = { "TIDEMARK_SERVER", "TIDEMARK_TOKEN", "TIDEMARK_CA", "NO_COLOR",
		"COLUMNS", "LC_ALL", "LC_CTYPE" };
	const char *argv[64] = { "tidemark" };
	size_t n = 1;
	for (size_t i = 0; i < ARRAY_LEN(unset); i++)
		unsetenv(unset[i]);
	setenv("TERM", "xterm", 1), setenv("LANG", "C.UTF-8", 1);
	setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be asked for what is on this machine */
	if (f != NULL)
		setenv("TIDEMARK_SERVER", f->url, 1);
	for (; env != NULL && *env != NULL; env++)
		putenv((char *)(uintptr_t)*env);
	for (; *args != NULL && n < ARRAY_LEN(argv) - 1; args++)
		argv[n++] = *args;
	execv(TIDEMARK_PROGRAM, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Reads both until the client has closed them. False: it took too long. */
static bool drain(int out, int err, struct run *r)
{
	struct pollfd fds[2] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
	struct buf *const into[2] = { &r->out, &r->err };
	int64_t deadline_us = clock_boot_us() + RUN_LIMIT_US;
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left_ms = (deadline_us - clock_boot_us()) / US_PER_MS;
		if (left_ms <= 0)
			return false;
		if (poll(fds, 2, (int)left_ms) < 0)
			continue;
		for (int i = 0; i < 2; i++) {
			char chunk[8192];
			if (fds[i].fd < 0 || fds[i].revents == 0)
				continue;
			ssize_t n = read(fds[i].fd, chunk, sizeof(chunk));
			if (n > 0)
				buf_add(into[i], chunk, (size_t)n);
			else if (n == 0 || errno != EINTR) /* a terminal without its other side says EIO */
				fds[i].fd = -1;
		}
	}
	return true;
}

static pid_t spawn(const struct fake *f, bool tty, const char *const *env, const char *const *args,
	int *ret_out, int *ret_err)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, master = -1;
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	pid_t pid;
	if (tty) {
		pid = forkpty(&master, NULL, NULL, &size);
		INVARIANT(pid >= 0);
		if (pid == 0)
			become_client(f, env, args);
		*ret_out = master, *ret_err = -1;
		return pid;
	}
	INVARIANT(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
	pid = fork();
	INVARIANT(pid >= 0);
	if (pid == 0) {
		if (dup2(out[1], STDOUT_FILENO) < 0 || dup2(err[1], STDERR_FILENO) < 0)
			_exit(126);
		become_client(f, env, args);
	}
	close(out[1]), close(err[1]);
	*ret_out = out[0], *ret_err = err[0];
	return pid;
}

void run_client(
	struct run *r, const struct fake *f, bool tty, const char *const *env, const char *const *args)
{
	int out, err, status = 0;
	*r = (struct run){ 0 };
	buf_init(&r->out, 64 * 1024 * 1024), buf_init(&r->err, 1024 * 1024);
	buf_addf(&r->out, "%s", ""), buf_addf(&r->err, "%s", ""); /* so that both are strings */
	pid_t pid = spawn(f, tty, env, args, &out, &err);
	if (!drain(out, err, r))
		kill(pid, SIGKILL);
	close(out);
	if (err >= 0)
		close(err);
	INVARIANT(waitpid(pid, &status, 0) == pid);
	r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void run_fini(struct run *r)
{
	buf_fini(&r->out), buf_fini(&r->err);
}

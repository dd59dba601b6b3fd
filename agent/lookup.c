#include "agent/lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"

struct job {
	struct lookups *of;
	char *name;
	struct addresses found;
	struct job *next;
};

struct lookups {
	pthread_mutex_t lock;
	size_t refs;      /* under lock: the owner's, and each thread's */
	struct job *done; /* under lock */
	int fd;
};

static void job_free(struct job *j)
{
	free(j->name);
	free(j);
}

static void unref(struct lookups *l)
{
	(void)pthread_mutex_lock(&l->lock);
	size_t left = --l->refs;
	(void)pthread_mutex_unlock(&l->lock);
	if (left > 0)
		return;
	for (struct job *j = l->done, *next; j; j = next) {
		next = j->next;
		job_free(j);
	}
	(void)close(l->fd);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

static void job_look(struct job *j)
{
	/* an address of a family this machine has none of would only ever fail */
	struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list = NULL;
	char text[ADDRESS_TEXT_MAX];
	if (getaddrinfo(j->name, NULL, &want, &list) != 0)
		return;
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		const void *from =
			a->ai_family == AF_INET
				? (const void *)&((const struct sockaddr_in *)(const void *)a->ai_addr)
					  ->sin_addr
				: (const void *)&((const struct sockaddr_in6 *)(const void *)a->ai_addr)
					  ->sin6_addr;
		if ((a->ai_family == AF_INET || a->ai_family == AF_INET6) &&
			inet_ntop(a->ai_family, from, text, sizeof(text)) != NULL)
			addresses_add(&j->found, text);
	}
	freeaddrinfo(list);
}

static void *job_main(void *arg)
{
	struct job *j = arg;
	struct lookups *l = j->of;
	uint64_t one = 1;
	job_look(j);
	(void)pthread_mutex_lock(&l->lock);
	j->next = l->done;
	l->done = j;
	(void)pthread_mutex_unlock(&l->lock);
	(void)!write(l->fd, &one, sizeof(one)); /* full means that it is readable already */
	unref(l);
	return NULL;
}

int lookups_new(struct lookups **ret, struct err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, ERR_IO, "no eventfd: %s", strerror(errno));
	struct lookups *l = mem_new(sizeof(*l));
	(void)pthread_mutex_init(&l->lock, NULL);
	l->refs = 1;
	l->fd = fd;
	*ret = l;
	return 0;
}

void lookups_free(struct lookups *l)
{
	if (l)
		unref(l);
}

int lookups_fd(const struct lookups *l)
{
	return l->fd;
}

bool lookups_start(struct lookups *l, const char *name)
{
	struct job *j = mem_new(sizeof(*j));
	j->of = l;
	j->name = mem_strdup(name);
	(void)pthread_mutex_lock(&l->lock);
	l->refs++;
	(void)pthread_mutex_unlock(&l->lock);
	if (thread_start(job_main, j, NULL) == 0)
		return true;
	job_free(j);
	unref(l);
	return false;
}

bool lookups_take(struct lookups *l, char **ret_name, struct addresses *ret_found)
{
	uint64_t n;
	(void)!read(l->fd, &n, sizeof(n)); /* only to arm it again: every one that is done is taken */
	(void)pthread_mutex_lock(&l->lock);
	struct job *j = l->done;
	if (j)
		l->done = j->next;
	(void)pthread_mutex_unlock(&l->lock);
	if (j == NULL)
		return false;
	*ret_name = j->name;
	*ret_found = j->found;
	free(j);
	return true;
}

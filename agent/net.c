#include "agent/net.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/file.h"
#include "base/clock.h"

#define NET_MAGIC      0x6e657431u
#define EXCHANGE_MAGIC 0x65786331u
#define RECONNECT_MIN  500  /* ms; nng waits a random part of it, and doubles it up to reconnect_max */
#define SEND_TIMEOUT   5000 /* ms */
#define PEM_MAX        (1024 * 1024)

struct net {
	uint32_t magic;
	nng_socket socket;
	nng_dialer dialer;
	bool dialing;
	nng_tls_config *tls;
	char *url;
	int64_t reconnect_max_us;
	/* under lock: nng may tell of an old pipe's end and of a new one from two of its threads */
	pthread_mutex_t lock;
	int wake_fd;                        /* -1: nobody wants to know */
	uint64_t connection, n_connections; /* connection is 0: none */
	int pipe_id;                        /* of the connection */
};

/* Closing a socket is where nng 1.5.2 now and then waits for ever (nanomsg/nng#1543, #1813). So it is not
 * closed: a reload finds it here again, and the end of the process takes it. */
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct net *idle;

enum exchange_state { EX_FREE, EX_SENDING, EX_RECEIVING, EX_ENDED };

struct exchange {
	uint32_t magic;
	int wake_fd;
	nng_ctx ctx;
	nng_aio *aio;
	_Atomic enum exchange_state state;
	int64_t timeout_us;
	/* written before state becomes EX_ENDED, read after */
	int nng_code;
	int64_t received_boot_us;
	nng_msg *reply;
};

static int net_error(struct err *err, int nng_code, const char *doing)
{
	if (nng_code == 0)
		return 0;
	int code = nng_code == NNG_ETIMEDOUT ? ERR_TIMEOUT : ERR_NET;
	return err_set(err, code, "%s: %s", doing, nng_strerror(nng_code));
}

/* ---- connection ---- */

static void wake(int fd)
{
	uint64_t one = 1;
	ssize_t n = fd < 0 ? 0 : write(fd, &one, sizeof(one));
	(void)n; /* full means that it is readable already */
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct net *net = OBJ_CAST(struct net, arg, NET_MAGIC);
	pthread_mutex_lock(&net->lock);
	if (event == NNG_PIPE_EV_ADD_POST) {
		net->pipe_id = nng_pipe_id(pipe);
		net->connection = ++net->n_connections;
	} else if (event == NNG_PIPE_EV_REM_POST && net->pipe_id == nng_pipe_id(pipe)) {
		net->connection = 0;
	}
	wake(net->wake_fd);
	pthread_mutex_unlock(&net->lock);
}

/* Where systems keep the certificates they trust. mbedTLS, which is under nng, knows of none by itself. */
static const char *const system_cas[] = { "/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem" };

/* nng wants certificate and key in one file, or in memory. */
static int set_own_cert(struct net *net, const struct agent_conf *conf, struct err *err)
{
	struct buf cert, key;
	buf_init(&cert, PEM_MAX);
	buf_init(&key, PEM_MAX);
	int rc = file_read(conf->tls.cert, &cert, err);
	if (rc == 0)
		rc = file_read(conf->tls.key, &key, err);
	buf_add(&cert, "", 0); /* an empty file is an empty text, not NULL */
	buf_add(&key, "", 0);
	if (rc == 0 && (rc = net_error(err, nng_tls_config_own_cert(net->tls, cert.p, key.p, NULL),
				"certificate and key")) < 0)
		err_add(err, "%s, %s", conf->tls.cert, conf->tls.key);
	if (key.p)
		explicit_bzero(key.p, key.n);
	buf_fini(&cert);
	buf_fini(&key);
	return rc;
}

const char *net_trusted(const struct agent_conf *conf)
{
	const char *ca = conf->tls.ca;
	for (size_t i = 0; ca == NULL && i < ARRAY_LEN(system_cas); i++)
		if (access(system_cas[i], R_OK) == 0)
			ca = system_cas[i];
	return ca;
}

static int set_up_tls(struct net *net, const struct agent_conf *conf, struct err *err)
{
	const char *ca = net_trusted(conf);
	if (ca == NULL)
		return err_set(
			err, ERR_NOT_FOUND, "no file of trusted certificates on this system: set tls.ca");
	int rc = net_error(err, nng_tls_config_alloc(&net->tls, NNG_TLS_MODE_CLIENT), "TLS");
	if (rc == 0)
		rc = net_error(err, nng_tls_config_auth_mode(net->tls, NNG_TLS_AUTH_MODE_REQUIRED), "TLS");
	/* with a configuration of one's own, nng checks no name unless it is told one */
	if (rc == 0)
		rc = net_error(err,
			nng_tls_config_server_name(
				net->tls, conf->tls.server_name ? conf->tls.server_name : conf->host),
			"tls.server_name");
	if (rc == 0 && (rc = net_error(err, nng_tls_config_ca_file(net->tls, ca), "tls.ca")) < 0)
		err_add(err, "%s", ca);
	if (rc == 0 && conf->tls.cert)
		rc = set_own_cert(net, conf, err);
	return rc;
}

static void options_for(struct net *net, nng_dialer d)
{
	/* without these two, a message of any size would be taken, and a dead peer found only by our own
	 * timeouts */
	nng_dialer_set_size(d, NNG_OPT_RECVMAXSZ, WIRE_MESSAGE_MAX + 64);
	nng_dialer_set_bool(d, NNG_OPT_TCP_KEEPALIVE, true);
	nng_dialer_set_ms(d, NNG_OPT_RECONNMINT, RECONNECT_MIN);
	nng_dialer_set_ms(d, NNG_OPT_RECONNMAXT, (nng_duration)(net->reconnect_max_us / US_PER_MS));
}

int net_dial(struct net *net, struct err *err)
{
	nng_dialer d;
	INVARIANT(!net->dialing);
	int rc = net_error(err, nng_dialer_create(&d, net->socket, net->url), net->url);
	if (rc < 0)
		return rc;
	options_for(net, d);
	if (net->tls)
		rc = net_error(err, nng_dialer_set_ptr(d, NNG_OPT_TLS_CONFIG, net->tls), "TLS");
	if (rc == 0)
		rc = net_error(err, nng_dialer_start(d, NNG_FLAG_NONBLOCK), net->url);
	if (rc < 0) {
		nng_dialer_close(d);
		return rc;
	}
	net->dialer = d;
	net->dialing = true;
	return 0;
}

void net_hang_up(struct net *net)
{
	if (net->dialing)
		nng_dialer_close(net->dialer);
	net->dialing = false;
}

uint64_t net_connection(struct net *net)
{
	pthread_mutex_lock(&net->lock);
	uint64_t connection = net->connection;
	pthread_mutex_unlock(&net->lock);
	return connection;
}

static int net_new(struct net **ret, struct err *err)
{
	struct net *net = mem_new(sizeof(*net));
	*net = (struct net){ .magic = NET_MAGIC, .socket = NNG_SOCKET_INITIALIZER, .wake_fd = -1 };
	pthread_mutex_init(&net->lock, NULL);
	int rc = net_error(err, nng_req0_open(&net->socket), "opening a socket");
	if (rc == 0)
		rc = net_error(err, nng_pipe_notify(net->socket, NNG_PIPE_EV_ADD_POST, on_pipe, net),
			"watching the connection");
	if (rc == 0)
		rc = net_error(err, nng_pipe_notify(net->socket, NNG_PIPE_EV_REM_POST, on_pipe, net),
			"watching the connection");
	if (rc < 0) {
		pthread_mutex_destroy(&net->lock);
		free(net);
		return rc;
	}
	*ret = net;
	return 0;
}

int net_open(const struct agent_conf *conf, int wake_fd, struct net **ret, struct err *err)
{
	int rc = 0;
	pthread_mutex_lock(&idle_lock);
	struct net *net = idle;
	idle = NULL;
	pthread_mutex_unlock(&idle_lock);
	if (net == NULL)
		rc = net_new(&net, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&net->lock);
	net->wake_fd = wake_fd;
	net->connection = 0;
	pthread_mutex_unlock(&net->lock);
	net->url = mem_strdup(conf->collector);
	net->reconnect_max_us = conf->reconnect_max_us;
	if (conf->use_tls)
		rc = set_up_tls(net, conf, err);
	if (rc < 0)
		net_close(net);
	else
		*ret = net;
	return rc;
}

void net_close(struct net *net)
{
	if (net == NULL)
		return;
	net_hang_up(net);
	pthread_mutex_lock(&net->lock);
	net->wake_fd = -1;
	net->connection = 0;
	net->pipe_id = 0; /* what nng still has to say of the last one means nothing any more */
	pthread_mutex_unlock(&net->lock);
	if (net->tls)
		nng_tls_config_free(net->tls);
	net->tls = NULL;
	free(net->url);
	net->url = NULL;
	pthread_mutex_lock(&idle_lock);
	if (idle == NULL)
		idle = net;
	pthread_mutex_unlock(&idle_lock);
}

/* ---- exchange ---- */

static void exchange_end(struct exchange *ex, int nng_code)
{
	ex->nng_code = nng_code;
	ex->received_boot_us = clock_boot_us();
	int fd = ex->wake_fd;
	atomic_store(&ex->state, EX_ENDED); /* from here on it is the other thread's */
	wake(fd);
}

/* On one of nng's threads. Receiving starts only here, when sending is over: started earlier, nng 1.5.2 can
 * crash when the receive times out first (nanomsg/nng#1702). */
static void on_aio(void *arg)
{
	struct exchange *ex = OBJ_CAST(struct exchange, arg, EXCHANGE_MAGIC);
	int rc = nng_aio_result(ex->aio);
	if (atomic_load(&ex->state) == EX_SENDING) {
		if (rc != 0) { /* the message is still ours */
			nng_msg_free(nng_aio_get_msg(ex->aio));
			nng_aio_set_msg(ex->aio, NULL);
			exchange_end(ex, rc);
			return;
		}
		nng_aio_set_timeout(ex->aio, (nng_duration)(ex->timeout_us / US_PER_MS));
		atomic_store(&ex->state, EX_RECEIVING);
		nng_ctx_recv(ex->ctx, ex->aio);
		return;
	}
	if (rc == 0)
		ex->reply = nng_aio_get_msg(ex->aio);
	exchange_end(ex, rc);
}

int exchange_new(struct net *net, struct exchange **ret, struct err *err)
{
	struct exchange *ex = mem_new(sizeof(*ex));
	*ex = (struct exchange){
		.magic = EXCHANGE_MAGIC, .wake_fd = net->wake_fd, .ctx = NNG_CTX_INITIALIZER
	};
	int rc = net_error(err, nng_ctx_open(&ex->ctx, net->socket), "opening a context");
	/* nng's own resending would deliver a batch again and again to a slow collector */
	if (rc == 0)
		rc = net_error(err, nng_ctx_set_ms(ex->ctx, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE),
			"resend time");
	if (rc == 0)
		rc = net_error(err, nng_aio_alloc(&ex->aio, on_aio, ex), "no memory");
	if (rc < 0)
		exchange_free(ex);
	else
		*ret = ex;
	return rc;
}

void exchange_free(struct exchange *ex)
{
	if (ex == NULL)
		return;
	if (ex->aio) {
		nng_aio_stop(ex->aio); /* returns when its callback has */
		nng_aio_free(ex->aio);
	}
	if (nng_ctx_id(ex->ctx) > 0)
		nng_ctx_close(ex->ctx);
	if (ex->reply)
		nng_msg_free(ex->reply);
	free(ex);
}

bool exchange_is_free(const struct exchange *ex)
{
	return atomic_load(&ex->state) == EX_FREE;
}

void exchange_start(struct exchange *ex, struct str bytes, int64_t timeout_us)
{
	nng_msg *msg = NULL;
	INVARIANT(exchange_is_free(ex));
	if (ex->reply)
		nng_msg_free(ex->reply);
	ex->reply = NULL;
	ex->timeout_us = timeout_us;
	int rc = nng_msg_alloc(&msg, bytes.n);
	INVARIANT(rc == 0); /* only ever out of memory */
	if (bytes.n)
		memcpy(nng_msg_body(msg), bytes.p, bytes.n);
	nng_aio_set_msg(ex->aio, msg);
	nng_aio_set_timeout(ex->aio, SEND_TIMEOUT);
	atomic_store(&ex->state, EX_SENDING);
	nng_ctx_send(ex->ctx, ex->aio);
}

bool exchange_take(struct exchange *ex, int *ret_code, struct str *ret_reply, int64_t *ret_received_boot_us,
	struct err *err)
{
	if (atomic_load(&ex->state) != EX_ENDED)
		return false;
	*ret_code = net_error(err, ex->nng_code, "no answer");
	*ret_received_boot_us = ex->received_boot_us;
	*ret_reply = ex->reply ? (struct str){ nng_msg_body(ex->reply), nng_msg_len(ex->reply) } : STR_NONE;
	atomic_store(&ex->state, EX_FREE);
	return true;
}

void exchange_cancel(struct exchange *ex)
{
	nng_aio_cancel(ex->aio);
}

/* Listening, accepting, time limits and life of the HTTP server; see http_server.h. */
#include "localaws/http_server_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 64,
    ACCEPT_AGAIN_MS = 100,
    SWEEP_MS = 5000,
    REQUEST_TIMEOUT_MS = 30000, /* for a request to arrive whole, and for a reply to be read */
    IDLE_TIMEOUT_MS = 600000,
    LINGER_TIMEOUT_MS = 2000,
};

/* ---- accepting ---- */

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *server = arg;
    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer >= 0) {
            http_conn_new(server, peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            LOG(LOG_WARNING, "cannot accept connections for now", LOG_STR("error", strerror(errno)),
                LOG_INT("open", server->count));
            (void)event_del(server->acceptable);
            loop_timer_arm_real_ms(&server->accept_again, ACCEPT_AGAIN_MS);
        }
        return;
    }
}

static void accept_again(void *arg)
{
    struct http_server *server = arg;
    (void)event_add(server->acceptable, NULL);
}

/* ---- time limits ---- */

/* Ends connections that have made no progress for too long. */
static void sweep(void *arg)
{
    struct http_server *server = arg;
    int64_t now_ms = clock_mono_ms();
    for (struct http_conn *conn = server->conns, *next = NULL; conn != NULL; conn = next) {
        next = conn->next;
        int64_t quiet_ms = now_ms - conn->since_ms;
        bool unread = conn->out.len > conn->sent;
        bool unfinished = conn->state == CONN_READING && conn->end > conn->start;
        int64_t limit_ms = INT64_MAX; /* a request that is served may wait as long as it has to */
        if (unread || unfinished)
            limit_ms = REQUEST_TIMEOUT_MS;
        else if (conn->state == CONN_READING)
            limit_ms = IDLE_TIMEOUT_MS;
        else if (conn->state == CONN_LINGERING)
            limit_ms = LINGER_TIMEOUT_MS;
        if (quiet_ms > limit_ms)
            http_conn_close(conn);
    }
    loop_timer_arm_real_ms(&server->sweep, SWEEP_MS);
}

/* ---- listening ---- */

static int listen_on(const char *host, int port, int *ret_port, struct err *err)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    socklen_t len = sizeof *v4;
    int on = 1;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        len = sizeof *v6;
    } else {
        return err_set(err, "%s is no IP address", host);
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, "socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        (void)err_set(err, "cannot listen on %s port %d: %s", host, port, strerror(errno));
        (void)close(fd);
        return -1;
    }
    *ret_port = ntohs(address.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
    return fd;
}

/* ---- life ---- */

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    http_conn_after_turn(arg);
}

struct http_server *http_server_new(struct event_base *base, const char *host, int port,
                                    const struct http_handler *handler, struct err *err)
{
    int real_port = 0;
    int fd = listen_on(host, port, &real_port, err);
    if (fd < 0)
        return NULL;
    struct http_server *server = xcalloc(1, sizeof *server);
    server->base = base;
    server->handler = *handler;
    server->fd = fd;
    server->port = real_port;
    server->acceptable = event_new(base, fd, EV_READ | EV_PERSIST, on_acceptable, server);
    server->later = event_new(base, -1, 0, on_later, server);
    if (server->acceptable == NULL || server->later == NULL || event_add(server->acceptable, NULL) != 0)
        abort();
    loop_timer_init(&server->sweep, base, sweep, server);
    loop_timer_init(&server->accept_again, base, accept_again, server);
    loop_timer_arm_real_ms(&server->sweep, SWEEP_MS);
    return server;
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    while (server->conns != NULL)
        http_conn_close(server->conns);
    http_conn_after_turn(server);
    loop_timer_clean_up(&server->sweep);
    loop_timer_clean_up(&server->accept_again);
    event_free(server->acceptable);
    event_free(server->later);
    (void)close(server->fd);
    free(server);
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

size_t http_server_connections(const struct http_server *server)
{
    return server->count;
}

/* HTTP for status: the listener, its connections and their limits; see status_server.h. */
#include "base/status_server.h"

#include "base/alloc.h"
#include "base/host_port.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/status_server_internal.h"
#include "base/unix_peer.h"

#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADERS_MAX = 8192,
    /* evhttp cuts off what is longer than all routes allow by so much; up to there 413 is said properly */
    BODY_SLACK = 16384,
    CONNECTIONS_MAX = 64,
    REQUEST_MAX_REAL_MS = 30000,
    PAUSE_REAL_MS = 1000,
    LOOK_AGAIN_REAL_MS = 50,
};

/*
 * evhttp tells neither how many connections it has nor when one ends, and its time-out starts anew with every
 * byte. So we note which socket each connection has: it is open as long as its descriptor is that very
 * socket. (A reference to its stream would tell it, too; but evhttp closes the socket itself, and a stream
 * that lives longer leaves its events behind, which then deafen the next owner of the descriptor's number.)
 */
struct connection {
    struct status_server *server;
    struct event *learn;        /* makes us look at the stream once evhttp has given it its socket */
    struct bufferevent *stream; /* evhttp's; NULL once we have looked */
    int fd;
    ino_t inode; /* of sockets, given once */
    struct loop_timer deadline;
    struct connection *next;
};

struct status_server {
    struct evhttp *http;
    struct event_base *base;
    struct status_server_options options;
    char *token;                     /* owned; NULL: none is needed */
    struct evconnlistener *listener; /* the http server's */
    struct loop_timer resume;        /* while the listener rests */
    bool short_said;
    bool full; /* of connections */
    struct connection *connections;
    int connection_count;
    struct status_server *next;
};

/* The listener's callbacks get evhttp's argument and not ours: they find their server here. One thread. */
static struct status_server *g_servers;

/* ---- connections ---- */

static bool is_open(const struct connection *connection)
{
    struct stat now;
    return connection->stream != NULL || (connection->fd >= 0 && fstat(connection->fd, &now) == 0 &&
                                          S_ISSOCK(now.st_mode) && now.st_ino == connection->inode);
}

/* Made active while the connection is being accepted, so it comes before anything that could end it. */
static void on_learn(evutil_socket_t none, short what, void *arg)
{
    struct connection *connection = arg;
    struct stat now;
    (void)none;
    (void)what;
    connection->fd = bufferevent_getfd(connection->stream);
    connection->stream = NULL;
    if (connection->fd >= 0 && fstat(connection->fd, &now) == 0)
        connection->inode = now.st_ino;
}

static void forget_connection(struct connection **at)
{
    struct connection *connection = *at;
    *at = connection->next;
    connection->server->connection_count--;
    event_free(connection->learn);
    loop_timer_clean_up(&connection->deadline);
    free(connection);
}

static void sweep(struct status_server *server)
{
    struct connection **at = &server->connections;
    while (*at != NULL)
        if (is_open(*at))
            at = &(*at)->next;
        else
            forget_connection(at);
}

/* evhttp sees an end of file, and ends the connection. */
static void on_deadline(void *arg)
{
    struct connection *connection = arg;
    if (is_open(connection))
        (void)shutdown(connection->fd, SHUT_RDWR);
    else
        sweep(connection->server);
}

static void on_request_connection_end(struct evhttp_connection *connection, void *arg)
{
    struct status_server *server = arg;
    (void)connection;
    if (server->full)
        loop_timer_arm_real_ms(&server->resume, 0);
}

/* ---- the listener ---- */

/* A full server is told of the end of most connections, but not of those that never asked for anything. */
static void on_resume(void *arg)
{
    struct status_server *server = arg;
    sweep(server);
    server->full = server->connection_count >= server->options.connections_max;
    if (server->full)
        loop_timer_arm_real_ms(&server->resume, LOOK_AGAIN_REAL_MS);
    else
        (void)evconnlistener_enable(server->listener);
}

/* Connections wait in the backlog: one that cannot be accepted would wake the loop again and again. */
static void rest(struct status_server *server)
{
    if (!server->short_said)
        LOG(LOG_WARNING, "files run short: connections are taken once a second",
            LOG_STR("server", server->options.name));
    server->short_said = true;
    (void)evconnlistener_disable(server->listener);
    loop_timer_arm_real_ms(&server->resume, PAUSE_REAL_MS);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    for (struct status_server *server = g_servers; server != NULL; server = server->next)
        if (server->listener == listener)
            rest(server);
}

/* The kernel gives the lowest free number, so a high one tells how many are in use. */
static void watch_descriptors(struct status_server *server)
{
    struct rlimit limit;
    int probe = fcntl(evconnlistener_get_fd(server->listener), F_DUPFD_CLOEXEC, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        (probe < 0 || (rlim_t)probe + (rlim_t)server->options.fds_kept_free >= limit.rlim_cur))
        rest(server);
    else
        server->short_said = false;
    if (probe >= 0)
        (void)close(probe);
}

/* For every accepted connection. */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
    struct status_server *server = arg;
    struct connection *connection = xcalloc(1, sizeof *connection);
    sweep(server);
    watch_descriptors(server);
    struct bufferevent *stream = bufferevent_socket_new(base, -1, 0);
    connection->learn = event_new(base, -1, 0, on_learn, connection);
    if (stream == NULL || connection->learn == NULL)
        abort(); /* out of memory */
    event_active(connection->learn, EV_TIMEOUT, 0);
    connection->stream = stream;
    connection->fd = -1;
    connection->server = server;
    connection->next = server->connections;
    server->connections = connection;
    server->full = ++server->connection_count >= server->options.connections_max;
    if (server->full) {
        (void)evconnlistener_disable(server->listener);
        loop_timer_arm_real_ms(&server->resume, LOOK_AGAIN_REAL_MS);
    }
    loop_timer_init(&connection->deadline, base, on_deadline, connection);
    loop_timer_arm_real_ms(&connection->deadline, server->options.request_max_real_ms);
    return stream;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct status_server *server = arg;
    struct evhttp_connection *from = evhttp_request_get_connection(request);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(from));
    evhttp_connection_set_closecb(from, on_request_connection_end, server);
    for (struct connection *at = server->connections; at != NULL; at = at->next)
        if (at->fd == fd && is_open(at))
            loop_timer_arm_real_ms(&at->deadline, server->options.request_max_real_ms);
    status_server_answer(request, &server->options, server->token);
}

/* ---- life ---- */

static size_t longest_body(const struct status_route *route)
{
    size_t longest = 0;
    for (; route->path != NULL; route++)
        longest = route->body_max > longest ? route->body_max : longest;
    return longest;
}

struct status_server *status_server_new(struct event_base *base, int fd,
                                        const struct status_server_options *options)
{
    struct status_server *server = xcalloc(1, sizeof *server);
    server->base = base;
    server->options = *options;
    if (options->connections_max == 0)
        server->options.connections_max = CONNECTIONS_MAX;
    if (options->request_max_real_ms == 0)
        server->options.request_max_real_ms = REQUEST_MAX_REAL_MS;
    unix_peer_prepare();
    server->http = evhttp_new(base);
    struct evconnlistener *listener =
        evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (server->http == NULL || listener == NULL || evhttp_bind_listener(server->http, listener) == NULL)
        abort(); /* out of memory */
    server->listener = listener;
    evconnlistener_set_error_cb(listener, on_accept_error);
    evhttp_set_bevcb(server->http, on_accepted, server);
    loop_timer_init(&server->resume, base, on_resume, server);
    server->next = g_servers;
    g_servers = server;
    /* All that evhttp knows, so that it is we who say 405. */
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                                 EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
                                                 EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_max_headers_size(server->http, HEADERS_MAX);
    evhttp_set_max_body_size(server->http, (ev_ssize_t)(longest_body(options->routes) + BODY_SLACK));
    evhttp_set_timeout(server->http, server->options.request_max_real_ms / 1000 + 1);
    evhttp_set_gencb(server->http, on_request, server);
    return server;
}

struct status_server *status_server_listen(struct event_base *base, const char *option, const char *address,
                                           const struct status_server_options *options, struct err *err)
{
    struct host_port at;
    int port = 0;
    if (host_port_parse(option, address, &at, err) != 0)
        return NULL;
    int fd = host_port_listen(option, &at, &port, err);
    if (fd < 0)
        return NULL;
    LOG(LOG_INFO, "listening", LOG_STR("server", options->name), LOG_STR("host", at.host),
        LOG_INT("port", port));
    return status_server_new(base, fd, options);
}

int status_server_port(const struct status_server *server)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    if (getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

static void forget_token(struct status_server *server)
{
    if (server->token != NULL)
        explicit_bzero(server->token, strlen(server->token));
    free(server->token);
    server->token = NULL;
}

void status_server_set_token(struct status_server *server, const char *token)
{
    forget_token(server);
    server->token = token != NULL ? xstrdup(token) : NULL;
}

int status_server_connections(struct status_server *server)
{
    sweep(server);
    return server->connection_count;
}

void status_server_destroy(struct status_server *server)
{
    if (server == NULL)
        return;
    struct status_server **at = &g_servers;
    while (*at != server)
        at = &(*at)->next;
    *at = server->next;
    evhttp_free(server->http);
    while (server->connections != NULL)
        forget_connection(&server->connections);
    loop_timer_clean_up(&server->resume);
    forget_token(server);
    free(server);
}

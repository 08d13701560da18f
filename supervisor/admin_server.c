/* HTTP on the admin socket; see admin_server.h. */
#include "supervisor/admin_server.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 64,
    HEADERS_MAX = 8192,
    BODY_MAX = 4096,
    IDLE_TIMEOUT_S = 30,
    PAUSE_REAL_MS = 1000,
    FDS_KEPT_FREE = 32, /* for the queue's connections, pipes of workers and files */
};

struct admin_server {
    struct evhttp *http;
    char *path;   /* owned */
    dev_t device; /* of our socket, to know it from a successor's */
    ino_t inode;
    const struct admin_route *routes;
    void *arg;
    struct evconnlistener *listener; /* the http server's */
    struct loop_timer resume;        /* while the listener rests */
    bool short_said;
    struct admin_server *next;
};

/* The listener's callbacks get evhttp's argument and not ours: they find their server here. One thread. */
static struct admin_server *g_servers;

static int fill_address(const char *path, struct sockaddr_un *address, struct err *err)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) {
        (void)err_set(err, "admin socket %s: the path is too long", path);
        return -ENAMETOOLONG;
    }
    (void)snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    return 0;
}

/* Makes way for our socket: 0 when the path is free now. */
static int remove_stale(const struct sockaddr_un *address, struct err *err)
{
    struct stat info;
    const char *path = address->sun_path;
    if (lstat(path, &info) != 0) {
        if (errno == ENOENT)
            return 0;
        (void)err_set(err, "admin socket %s: %s", path, strerror(errno));
        return -EIO;
    }
    if (!S_ISSOCK(info.st_mode)) {
        (void)err_set(err, "admin socket %s: something that is no socket is there", path);
        return -EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
    (void)close(fd);
    /* EAGAIN: its backlog is full, so somebody is there, if busy. */
    if (rc != -ECONNREFUSED && rc != -ENOENT) {
        (void)err_set(err, "admin socket %s: another supervisor answers on it", path);
        return -EBUSY;
    }
    (void)unlink(path);
    return 0;
}

static int listen_on(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un address;
    int rc = fill_address(path, &address, err);
    if (rc == 0)
        rc = remove_stale(&address, err);
    if (rc != 0)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode is set by the umask, so that there is no moment with a wider one. */
    mode_t before = umask(0117);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, BACKLOG) != 0)
        rc = -errno;
    (void)umask(before);
    if (rc == 0) {
        *ret_fd = fd;
        return 0;
    }
    (void)err_set(err, "admin socket %s: %s", path, strerror(-rc));
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static void on_resume(void *arg)
{
    struct admin_server *server = arg;
    (void)evconnlistener_enable(server->listener);
}

/* Connections wait in the backlog: one that cannot be accepted would wake the loop again and again. */
static void rest(struct admin_server *server)
{
    if (!server->short_said)
        LOG(LOG_WARNING, "files run short: the admin socket takes connections once a second",
            LOG_STR("socket", server->path));
    server->short_said = true;
    (void)evconnlistener_disable(server->listener);
    loop_timer_arm_real_ms(&server->resume, PAUSE_REAL_MS);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    for (struct admin_server *server = g_servers; server != NULL; server = server->next)
        if (server->listener == listener)
            rest(server);
}

/* For every accepted connection. The kernel gives the lowest free number, so a high one tells how many are in
 * use: who asks for status may not take what the fleets need. */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
    struct admin_server *server = arg;
    struct rlimit limit;
    int probe = fcntl(evconnlistener_get_fd(server->listener), F_DUPFD_CLOEXEC, 0);
    (void)base;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        (probe < 0 || (rlim_t)probe + FDS_KEPT_FREE >= limit.rlim_cur))
        rest(server);
    else
        server->short_said = false;
    if (probe >= 0)
        (void)close(probe);
    return NULL; /* evhttp makes its own */
}

static void reply(struct evhttp_request *request, int code, const char *reason, const struct strbuf *body)
{
    struct evbuffer *out = evbuffer_new();
    if (out == NULL || evbuffer_add(out, strbuf_str(body), body->len) != 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                                "application/json");
        evhttp_send_reply(request, code, reason, out);
    }
    if (out != NULL)
        evbuffer_free(out);
}

static const struct admin_route *find_route(const struct admin_server *server, const char *path)
{
    for (const struct admin_route *route = server->routes; path != NULL && route->path != NULL; route++)
        if (strcmp(route->path, path) == 0)
            return route;
    return NULL;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    const struct admin_server *server = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const struct admin_route *route = find_route(server, uri != NULL ? evhttp_uri_get_path(uri) : NULL);
    struct strbuf body = STRBUF_INIT;
    if (route != NULL) {
        route->fn(server->arg, &body);
        strbuf_append_char(&body, '\n');
        reply(request, HTTP_OK, "OK", &body);
    } else {
        strbuf_append_str(&body, "{\"error\":\"no such path\"}\n");
        reply(request, HTTP_NOTFOUND, "Not Found", &body);
    }
    strbuf_clean_up(&body);
}

int admin_server_new(struct event_base *base, const char *path, const struct admin_route *routes, void *arg,
                     struct admin_server **ret_server, struct err *err)
{
    int fd = -1;
    int rc = listen_on(path, &fd, err);
    if (rc != 0)
        return rc;
    struct admin_server *server = xcalloc(1, sizeof *server);
    server->path = xstrdup(path);
    server->routes = routes;
    server->arg = arg;
    struct stat info;
    if (lstat(path, &info) == 0) {
        server->device = info.st_dev;
        server->inode = info.st_ino;
    }
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
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET);
    evhttp_set_max_headers_size(server->http, HEADERS_MAX);
    evhttp_set_max_body_size(server->http, BODY_MAX);
    evhttp_set_timeout(server->http, IDLE_TIMEOUT_S);
    evhttp_set_gencb(server->http, on_request, server);
    *ret_server = server;
    return 0;
}

bool admin_server_is_linked(const struct admin_server *server)
{
    struct stat info;
    return lstat(server->path, &info) == 0 && info.st_dev == server->device && info.st_ino == server->inode;
}

void admin_server_destroy(struct admin_server *server)
{
    if (server == NULL)
        return;
    struct admin_server **at = &g_servers;
    while (*at != server)
        at = &(*at)->next;
    *at = server->next;
    if (admin_server_is_linked(server))
        (void)unlink(server->path);
    loop_timer_clean_up(&server->resume);
    evhttp_free(server->http);
    free(server->path);
    free(server);
}

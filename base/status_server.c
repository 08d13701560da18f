/* HTTP for status; see status_server.h. */
#include "base/status_server.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/loop.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    HEADERS_MAX = 8192,
    BODY_MAX = 4096,
    IDLE_TIMEOUT_S = 30,
    PAUSE_REAL_MS = 1000,
};

struct status_server {
    struct evhttp *http;
    const char *name;
    int fds_kept_free;
    const struct status_route *routes;
    void *arg;
    struct evconnlistener *listener; /* the http server's */
    struct loop_timer resume;        /* while the listener rests */
    bool short_said;
    struct status_server *next;
};

/* The listener's callbacks get evhttp's argument and not ours: they find their server here. One thread. */
static struct status_server *g_servers;

static void on_resume(void *arg)
{
    struct status_server *server = arg;
    (void)evconnlistener_enable(server->listener);
}

/* Connections wait in the backlog: one that cannot be accepted would wake the loop again and again. */
static void rest(struct status_server *server)
{
    if (!server->short_said)
        LOG(LOG_WARNING, "files run short: connections are taken once a second",
            LOG_STR("server", server->name));
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

/* For every accepted connection. The kernel gives the lowest free number, so a high one tells how many are in
 * use. */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
    struct status_server *server = arg;
    struct rlimit limit;
    int probe = fcntl(evconnlistener_get_fd(server->listener), F_DUPFD_CLOEXEC, 0);
    (void)base;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        (probe < 0 || (rlim_t)probe + (rlim_t)server->fds_kept_free >= limit.rlim_cur))
        rest(server);
    else
        server->short_said = false;
    if (probe >= 0)
        (void)close(probe);
    return NULL; /* evhttp makes its own */
}

static void reply(struct evhttp_request *request, int code, const char *reason, const char *content_type,
                  const struct strbuf *body)
{
    struct evbuffer *out = evbuffer_new();
    if (out == NULL || evbuffer_add(out, strbuf_str(body), body->len) != 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                                content_type != NULL ? content_type : "application/json");
        evhttp_send_reply(request, code, reason, out);
    }
    if (out != NULL)
        evbuffer_free(out);
}

static const struct status_route *find_route(const struct status_server *server, const char *path)
{
    for (const struct status_route *route = server->routes; path != NULL && route->path != NULL; route++)
        if (strcmp(route->path, path) == 0)
            return route;
    return NULL;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    const struct status_server *server = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const struct status_route *route = find_route(server, uri != NULL ? evhttp_uri_get_path(uri) : NULL);
    struct strbuf body = STRBUF_INIT;
    if (route != NULL) {
        route->fn(server->arg, &body);
        reply(request, HTTP_OK, "OK", route->content_type, &body);
    } else {
        strbuf_append_str(&body, "{\"error\":\"no such path\"}\n");
        reply(request, HTTP_NOTFOUND, "Not Found", NULL, &body);
    }
    strbuf_clean_up(&body);
}

struct status_server *status_server_new(struct event_base *base, int fd, const char *name, int fds_kept_free,
                                        const struct status_route *routes, void *arg)
{
    struct status_server *server = xcalloc(1, sizeof *server);
    server->name = name;
    server->fds_kept_free = fds_kept_free;
    server->routes = routes;
    server->arg = arg;
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
    return server;
}

void status_server_destroy(struct status_server *server)
{
    if (server == NULL)
        return;
    struct status_server **at = &g_servers;
    while (*at != server)
        at = &(*at)->next;
    *at = server->next;
    loop_timer_clean_up(&server->resume);
    evhttp_free(server->http);
    free(server);
}

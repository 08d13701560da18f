/*
 * A scripted HTTP server inside the test's own event loop: it answers request i with step i (the last step
 * again and again), records what it got, and can hang, reset or cut a reply short. One per test; static
 * functions, since every unit test is one source file.
 */
#ifndef SLUICE_TESTS_UNIT_AWS_FAKE_SERVER_H
#define SLUICE_TESTS_UNIT_AWS_FAKE_SERVER_H

#include "base/alloc.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/strbuf.h"

#include <check.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum fake_act { FAKE_REPLY, FAKE_HANG, FAKE_RESET, FAKE_CUT };
enum { FAKE_REQUESTS_MAX = 64 };

struct fake_step {
    enum fake_act act;
    int status;
    const char *headers; /* further lines, "\r\n" behind each; NULL: none */
    const char *body;    /* NULL: empty */
};

struct fake_request {
    char *head; /* owned: request line and headers */
    char *body; /* owned */
    int connection;
};

struct fake_server {
    struct event_base *base;
    struct evconnlistener *listener;
    int port;
    char url[64];
    const struct fake_step *steps;
    int step_count;
    void (*on_request)(struct fake_server *server);  /* NULL: none; runs before the answer */
    struct fake_request requests[FAKE_REQUESTS_MAX]; /* the first ones */
    int request_count;
    int connection_count;
    LIST_HEAD(fake_connections, fake_connection) connections;
};

struct fake_connection {
    struct fake_server *server;
    struct bufferevent *stream;
    int number;
    bool closing;
    LIST_ENTRY(fake_connection) link;
};

static void fake_close(struct fake_connection *c)
{
    LIST_REMOVE(c, link);
    bufferevent_free(c->stream);
    free(c);
}

static void fake_answer(struct fake_connection *c, const struct fake_step *step)
{
    struct evbuffer *out = bufferevent_get_output(c->stream);
    const char *body = step->body != NULL ? step->body : "";
    size_t len = strlen(body);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (step->act == FAKE_HANG)
        return;
    if (step->act == FAKE_RESET) {
        (void)setsockopt(bufferevent_getfd(c->stream), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        fake_close(c);
        return;
    }
    size_t told = step->act == FAKE_CUT ? len + 100 : len;
    c->closing = step->act == FAKE_CUT;
    (void)evbuffer_add_printf(out, "HTTP/1.1 %d Word\r\nContent-Length: %zu\r\n%s\r\n%s", step->status, told,
                              step->headers != NULL ? step->headers : "", body);
}

static void fake_record(struct fake_connection *c, const char *head, size_t head_len, const char *body,
                        size_t len)
{
    struct fake_server *server = c->server;
    if (server->request_count < FAKE_REQUESTS_MAX)
        server->requests[server->request_count] =
            (struct fake_request){xstrndup(head, head_len), xstrndup(body, len), c->number};
    server->request_count++;
}

static void fake_on_read(struct bufferevent *stream, void *arg)
{
    struct fake_connection *c = arg;
    struct fake_server *server = c->server;
    struct evbuffer *in = bufferevent_get_input(stream);
    size_t have = evbuffer_get_length(in);
    const char *text = (const char *)evbuffer_pullup(in, -1);
    const char *end = have > 0 ? memmem(text, have, "\r\n\r\n", 4) : NULL;
    if (end == NULL)
        return;
    size_t head_len = (size_t)(end - text) + 4;
    char *head = xstrndup(text, head_len);
    const char *length = strcasestr(head, "\r\ncontent-length:");
    size_t body_len = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    free(head);
    if (have < head_len + body_len)
        return;
    int index = server->request_count < server->step_count ? server->request_count : server->step_count - 1;
    fake_record(c, text, head_len, text + head_len, body_len);
    (void)evbuffer_drain(in, head_len + body_len);
    if (server->on_request != NULL)
        server->on_request(server);
    fake_answer(c, &server->steps[index]);
}

static void fake_on_written(struct bufferevent *stream, void *arg)
{
    struct fake_connection *c = arg;
    (void)stream;
    if (c->closing)
        fake_close(c);
}

static void fake_on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
        fake_close(arg);
}

static void fake_on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                           int len, void *arg)
{
    struct fake_server *server = arg;
    struct fake_connection *c = xcalloc(1, sizeof *c);
    (void)listener;
    (void)address;
    (void)len;
    c->server = server;
    c->number = server->connection_count++;
    c->stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(c->stream, fake_on_read, fake_on_written, fake_on_event, c);
    (void)bufferevent_enable(c->stream, EV_READ | EV_WRITE);
    LIST_INSERT_HEAD(&server->connections, c, link);
}

static void fake_start(struct fake_server *server, struct event_base *base)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *server = (struct fake_server){.base = base};
    LIST_INIT(&server->connections);
    server->listener = evconnlistener_new_bind(base, fake_on_accept, server, LEV_OPT_CLOSE_ON_FREE, 64,
                                               (struct sockaddr *)&address, sizeof address);
    ck_assert_ptr_nonnull(server->listener);
    ck_assert_int_eq(getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &len),
                     0);
    server->port = ntohs(address.sin_port);
    (void)snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", server->port);
}

/* Forgets what was recorded and sets a new script. */
static void fake_script(struct fake_server *server, const struct fake_step *steps, int count)
{
    for (int i = 0; i < server->request_count && i < FAKE_REQUESTS_MAX; i++) {
        free(server->requests[i].head);
        free(server->requests[i].body);
    }
    server->request_count = 0;
    server->steps = steps;
    server->step_count = count;
}

static void fake_stop(struct fake_server *server)
{
    fake_script(server, NULL, 0);
    while (!LIST_EMPTY(&server->connections))
        fake_close(LIST_FIRST(&server->connections));
    evconnlistener_free(server->listener);
}

/* Value of a header of a recorded request, "" when absent; valid until the next call. */
static inline const char *fake_header(const struct fake_server *server, int index, const char *name)
{
    static char value[2048];
    char line[128];
    (void)snprintf(line, sizeof line, "\r\n%s: ", name);
    ck_assert_int_lt(index, server->request_count);
    const char *found = strcasestr(server->requests[index].head, line);
    value[0] = '\0';
    if (found != NULL) {
        found += strlen(line);
        (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(found, "\r"), found);
    }
    return value;
}

#define FAKE_SCRIPT(server, ...)                                                                             \
    do {                                                                                                     \
        static const struct fake_step steps_[] = {__VA_ARGS__};                                              \
        fake_script((server), steps_, (int)(sizeof steps_ / sizeof steps_[0]));                              \
    } while (0)

#endif

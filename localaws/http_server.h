/*
 * An HTTP/1.1 server for one thread on libevent: keep-alive, pipelining, chunked bodies, Expect:
 * 100-continue, bounded buffers. One request of a connection is served at a time; the handler answers at once
 * or later.
 *
 * Bounds: heads HTTP_HEAD_BYTES_MAX, bodies HTTP_BODY_BYTES_MAX; a connection that leaves its replies unread
 * is not read from; an unfinished request, an unread reply or an idle connection ends it after a time (real).
 */
#ifndef SLUICE_LOCALAWS_HTTP_SERVER_H
#define SLUICE_LOCALAWS_HTTP_SERVER_H

#include "base/err.h"
#include "localaws/http_request.h"

struct event_base;
struct http_server;
struct http_conn;

struct http_handler {
    /* A request has arrived. The request, and the bytes that it points to, stay where they are until
     * http_reply() or another end of this request; the handler may change them. */
    void (*on_request)(void *arg, struct http_conn *conn, struct http_request *request);
    /* The peer has gone while its request waited for an answer: forget conn. */
    void (*on_gone)(void *arg, struct http_conn *conn);
    void *arg;
};

struct http_reply {
    int status;
    const char *content_type;
    const char *headers; /* further lines, each with CRLF; NULL: none */
    const char *body;
    size_t body_len;
    size_t
        truncate_to; /* fault: so many bytes of the body are sent, then the connection ends; SIZE_MAX: all */
};

#define HTTP_REPLY_INIT                                                                                      \
    {                                                                                                        \
        .status = 200, .content_type = "application/json", .truncate_to = SIZE_MAX                           \
    }

/* Listens on host:port (port 0: any that is free). Returns NULL with err. */
struct http_server *http_server_new(struct event_base *base, const char *host, int port,
                                    const struct http_handler *handler, struct err *err);
void http_server_free(struct http_server *server);
/* The port listened on. */
int http_server_port(const struct http_server *server);
size_t http_server_connections(const struct http_server *server);

/* Ends of a request; each is called once. */
void http_reply(struct http_conn *conn, const struct http_reply *reply);
/* Breaks the connection with a reset. */
void http_reset(struct http_conn *conn);

/* What the handler keeps with the request in hand; NULL at its start. */
void http_conn_set_data(struct http_conn *conn, void *data);
void *http_conn_data(const struct http_conn *conn);

#endif

/*
 * Inside of the HTTP server, shared by http_server.c (listening, accepting, time limits) and http_conn.c (one
 * connection: its states, output and input). All of it runs in the loop's thread.
 */
#ifndef SLUICE_LOCALAWS_HTTP_SERVER_INTERNAL_H
#define SLUICE_LOCALAWS_HTTP_SERVER_INTERNAL_H

#include "base/loop.h"
#include "base/strbuf.h"
#include "localaws/http_server.h"

enum { HTTP_DATE_BYTES = 32 };

/* What a connection does now. conn_set_state() alone changes it. */
enum conn_state {
    CONN_READING,   /* waits for a whole request */
    CONN_SERVING,   /* the handler has the request */
    CONN_ENDING,    /* no more requests; lingers when the output is sent */
    CONN_LINGERING, /* our side is shut; what the peer still sends is thrown away, lest a reset destroy the
                       reply */
    CONN_DEAD,      /* closed; in server->dead until the end of the loop turn */
};

struct http_conn {
    struct http_server *server;
    struct http_conn *prev, *next; /* in server->conns; `next` alone in server->dead */
    struct http_conn *resume_next;
    bool is_resuming; /* in server->resume */
    bool in_process;  /* process() runs: replies are sent by it */
    int fd;
    struct event *readable, *writable; /* owned */
    enum conn_state state;
    int64_t
        since_ms; /* monotonic; begin of the state or of the request that is arriving, or last bytes sent */
    bool is_read_on, is_write_on;

    /* [start, end) of `in` is unread; the request in hand starts at `start` */
    char *in; /* owned */
    size_t start, end, capacity;
    size_t scanned;  /* bytes searched for the end of the head */
    size_t head_len; /* 0: head not complete */
    struct http_chunks chunks;
    struct http_request request;
    bool has_continued;
    size_t request_len; /* of the whole request in hand, once served */
    void *data;

    struct strbuf out;
    size_t sent; /* bytes of `out` already sent */
};

struct http_server {
    struct event_base *base;
    struct http_handler handler;
    int fd;
    int port;
    struct event *acceptable; /* owned */
    struct event *later;      /* owned; runs after() at the end of a loop turn */
    struct loop_timer sweep, accept_again;
    struct http_conn *conns;
    struct http_conn *resume, *dead;
    size_t count;
    int64_t date_s;
    char date[HTTP_DATE_BYTES];
};

/* Takes over a connected socket, which does not block. */
void http_conn_new(struct http_server *server, int fd);

/* Closes the connection; its memory goes at the end of the loop turn, since callers up the stack still hold
 * it. */
void http_conn_close(struct http_conn *conn);

/* At the end of a loop turn (server->later): connections that were answered outside of their own events go
 * on, closed ones are freed. */
void http_conn_after_turn(struct http_server *server);

#endif

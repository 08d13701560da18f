/*
 * A small HTTP/1.1 server (libevent's evhttp) for what a program tells about itself and for what it is told:
 * a table of routes, on a listening socket of any kind. Everything a client may use up is bounded: size of
 * head and body, time for a request, number of connections, descriptors. Handlers run in the loop, answer at
 * once, and never see a request that is too large, of another method, or without the token. All errors are
 * JSON, {"error":"..."}, except for what is not HTTP at all. Belongs to the loop's thread.
 *
 *   static void show(void *arg, const struct status_request *request, struct status_reply *reply)
 *   {
 *       strbuf_append_str(&reply->body, "{\"v\":1}\n");
 *   }
 *   static const struct status_route ROUTES[] = {{.path = "/v1/status", .fn = show}, {.path = NULL}};
 */
#ifndef SLUICE_BASE_STATUS_SERVER_H
#define SLUICE_BASE_STATUS_SERVER_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct status_server;

enum status_method { STATUS_GET = 1, STATUS_POST = 2, STATUS_PUT = 4, STATUS_DELETE = 8 };

/* What is asked. Everything lives as long as the handler runs. */
struct status_request {
    enum status_method method; /* HEAD is told as GET, and its answer is sent without the body */
    const char *path;          /* percent-decoded, without the query: "/v1/telemetry/orders" */
    const char *rest;          /* what follows the path of a prefix route: "orders"; else "" */
    const char *content_type;  /* as sent; NULL: none */
    const char *body;          /* NUL-terminated, which is not counted; never NULL */
    size_t body_len;
    int64_t peer_uid,
        peer_pid; /* of the process that connected to a unix socket (SO_PEERCRED); -1: unknown */
    const void *headers, *query; /* for the functions below */
};
/* A header of the request by its name in any case; NULL: not sent. */
const char *status_request_header(const struct status_request *request, const char *name);
/* The decoded value of ?name=value; NULL: not there. */
const char *status_request_query(const struct status_request *request, const char *name);

/* What is answered: starts as 200, application/json, empty. */
struct status_reply {
    int code;
    const char *content_type; /* of static life, or as long-lived as the server */
    struct strbuf body;       /* the server's */
};
/* Makes the answer an error: `code`, and {"error":"<text>"} with the text escaped. */
void status_reply_error(struct status_reply *reply, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct status_route {
    /* "/v1/status", or with a trailing slash for all paths below it, of which the rest is not empty:
     * "/v1/telemetry/" takes "/v1/telemetry/orders". The first row that fits in path and method acts. */
    const char *path; /* NULL ends a table */
    void (*fn)(void *arg, const struct status_request *request, struct status_reply *reply);
    unsigned methods; /* of enum status_method, ORed; 0: GET. Another method gets 405 with Allow. */
    size_t body_max;  /* bytes; a longer body gets 413 */
};

struct status_server_options {
    const char *name;                  /* "admin socket", for the log */
    const struct status_route *routes; /* both outlive the server */
    void *arg;
    /* While fewer descriptors than this are left to the process (its own connections, pipes and files need
     * them), one connection a second is taken; the others wait in the backlog. */
    int fds_kept_free;
    bool read_only;          /* only GET: routes of other methods do not exist here */
    int connections_max;     /* 0: 64. When so many are open, the next ones wait in the backlog. */
    int request_max_real_ms; /* 0: 30,000. From accepting, or from the last request, to the next complete one,
                                and for reading the answer: whoever takes longer is hung up on. */
};

/* Serves on fd, a listening socket, which it takes over. Aborts when out of memory. */
struct status_server *status_server_new(struct event_base *base, int fd,
                                        const struct status_server_options *options);
/* The same on "HOST:PORT" (host_port.h; port 0: any free one); the address that was bound is logged.
 * `option` ("--metrics-listen") is for the errors. NULL with err. */
struct status_server *status_server_listen(struct event_base *base, const char *option, const char *address,
                                           const struct status_server_options *options, struct err *err);
/* The TCP port that is listened on; 0 when the socket is not TCP. */
int status_server_port(const struct status_server *server);
/* From now on every request needs "Authorization: Bearer <token>", or gets 401. NULL: none does, as at first.
 * The token is copied. */
void status_server_set_token(struct status_server *server, const char *token);
/* Connections that are open now. */
int status_server_connections(struct status_server *server);
/* Closes the socket and all connections. Accepts NULL. Not from within a handler. */
void status_server_destroy(struct status_server *server);

/* Whether an Authorization header (NULL: none) bears the token. Takes as long for every wrong token of the
 * same length. */
bool status_token_matches(const char *authorization, const char *token);

#endif

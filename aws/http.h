/*
 * Asynchronous HTTP/1.1 calls: libcurl's multi interface on libevent. One client per event base and thread;
 * one multi handle a client; easy handles, their headers and the events of sockets are kept and used again.
 *
 * TLS is always verified. No redirects, no decoding of replies, no proxy for loopback and link-local hosts;
 * otherwise the usual proxy variables hold. A reply above HTTP_REPLY_BYTES_MAX is an error. A connection on
 * which a timeout happened, or whose exchange was cancelled, is not used again.
 */
#ifndef SLUICE_AWS_HTTP_H
#define SLUICE_AWS_HTTP_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ten messages of 1 MiB, each byte escaped as \u00XX, and what stands around them. */
enum { HTTP_REPLY_BYTES_MAX = 64 << 20, HTTP_HEADERS_MAX = 12 };

struct event_base;
struct http_client;
struct http_exchange;

struct http_client_options {
    struct event_base *base;
    int max_connections;
    int64_t connect_timeout_ms; /* real */
    const char *user_agent;     /* copied; NULL: the calls say it */
    /* Connects to addresses of private networks only (private_address.h), whatever a name stands for, and
     * through no proxy: for what is sent without TLS and is no business of others. */
    bool private_only;
};

/* Aborts when libcurl cannot be set up (out of memory). */
struct http_client *http_client_new(const struct http_client_options *options);
/* Ends all exchanges without their callbacks. Safe from within a callback. Accepts NULL. */
void http_client_destroy(struct http_client *client);

enum http_method { HTTP_POST, HTTP_PUT, HTTP_GET };

#define HTTP_WRITE_REFUSED "WriteRefused"

struct http_call {
    enum http_method method;
    const char *url; /* http or https; a query is allowed, a fragment is not */
    /* "Name: value" each, "Name:" for one of libcurl's own that shall not be sent; pointers must live until
     * the end of the exchange. A text may hold several lines, CR LF between them: libcurl passes it on as it
     * is, looks at the first name only, and is the quicker the fewer texts there are (CURLOPT_HTTPHEADER(3)).
     */
    const char *const *headers;
    size_t header_count; /* <= HTTP_HEADERS_MAX */
    const char *body;    /* must live until the end of the exchange; not sent by GET */
    size_t body_len;
    int64_t timeout_ms;          /* real, of the whole exchange */
    bool (*may_send)(void *arg); /* asked when the connection stands (libcurl 7.80+); NULL: always. False: the
                                  * exchange fails with HTTP_WRITE_REFUSED */
    void *may_send_arg;
    size_t reply_bytes_max; /* 0: HTTP_REPLY_BYTES_MAX, which it cannot exceed */
};

struct http_reply {
    int status;          /* 0: no complete reply */
    const char *failure; /* a word when status is 0: "Timeout", "ConnectFailed" ...; else NULL */
    const char *detail;  /* more about the failure, or "" */
    bool too_large;      /* the reply was above the limit */
    int sends; /* times the request went out: 2 when libcurl repeated it because a kept connection was
                * closed without an answer; never above 0 with libcurl before 7.80 */
    int64_t elapsed_ms;       /* real */
    int64_t first_byte_ms;    /* real, from the start to the first byte of a complete reply */
    int64_t received_wall_ms; /* wall clock when the reply was complete */

    /* Headers; -1 or "" when absent or not understood. */
    int64_t date_ms;        /* epoch */
    int64_t retry_after_ms; /* x-amz-retry-after, else Retry-After */
    bool has_age;
    char request_id[64];
    char query_error[128];

    struct strbuf body; /* the callee may take its memory */
};

/* The reply is valid during the callback, in which the exchange has already ended. */
typedef void http_fn(void *arg, struct http_reply *reply);

/* Starts a call; fn comes later from the loop, exactly once unless cancelled. */
struct http_exchange *http_start(struct http_client *client, const struct http_call *call, http_fn *fn,
                                 void *arg);
void http_cancel(struct http_exchange *exchange);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 IMF-fixdate) as epoch ms, -1 when it is not one. */
int64_t http_date_parse(const char *text, size_t len);

#endif

/*
 * An asynchronous AWS client: signs, sends over HTTP (curl multi on libevent), retries by the 2026 standard
 * algorithm, corrects clock skew. One client per thread and event base; nothing here is thread-safe across
 * clients' threads, and no client may exist when the process forks without exec.
 *
 * Services build on it (aws/sqs.h): a call is an operation name and a body in AWS JSON; its end is one
 * callback with an aws_result, in the loop, exactly once unless the call was cancelled or the client
 * destroyed.
 */
#ifndef SLUICE_AWS_CLIENT_H
#define SLUICE_AWS_CLIENT_H

#include "aws/credentials.h"
#include "base/err.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct aws_client;
struct aws_call;
struct aws_operation_stats;

enum aws_kind {
    AWS_KIND_OK,
    AWS_KIND_THROTTLED,   /* after all retries */
    AWS_KIND_TRANSIENT,   /* network, timeout, 5xx, after all retries */
    AWS_KIND_CREDENTIALS, /* none found, expired, unknown key, bad signature */
    AWS_KIND_DENIED,      /* access denied */
    AWS_KIND_NOT_FOUND,   /* no such queue, service ... */
    AWS_KIND_REQUEST,     /* any other 4xx: the request is wrong */
    AWS_KIND_BAD_REPLY,   /* 2xx that cannot be understood, or a checksum that does not match */
    AWS_KIND_MAX,
};

/* "ok", "throttled" ... */
const char *aws_kind_name(enum aws_kind kind);

struct aws_result {
    enum aws_kind kind;
    int http_status;     /* 0: no answer */
    char code[96];       /* shape name of the error ("QueueDoesNotExist"), a transport word, or "" */
    char query_code[96]; /* the older Query name from x-amzn-query-error, or "" */
    char message[512];   /* also of a chain of credentials: every source and why not */
    char request_id[64];
    int attempts;
    int sends; /* requests that went out, over all attempts: more than attempts when libcurl repeated one by
                * itself (a kept connection was closed without an answer); counted with libcurl 7.80 and later
                */
    int64_t latency_ms;           /* real, of the last attempt */
    int64_t reply_age_product_ms; /* a complete reply is at least about so old when the callback runs: its
                                   * first byte came then, the server could not wait longer, or its Date says
                                   * so. A visibility timeout began no later. */
};

/* "ReceiveMessage: throttled: RequestThrottled: Rate exceeded (HTTP 403, 3 attempts)", for logs. Returns out.
 */
char *aws_result_text(const struct aws_result *result, const char *operation, char *out, size_t size);

struct aws_client_options {
    struct event_base *base;
    const char *region; /* NULL: AWS_REGION, AWS_DEFAULT_REGION, profile, at last EC2's instance metadata (at
                         * most 2 s of waiting, see aws/region.h) */
    const char
        *endpoint_url; /* NULL: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, profile, the region's own */
    struct aws_credentials_provider
        *credentials;           /* NULL: default chain; otherwise borrowed, must outlive the client */
    int max_attempts;           /* 0: AWS_MAX_ATTEMPTS or 3 */
    int max_connections;        /* 0: 50 */
    int64_t connect_timeout_ms; /* real; 0: 3,100 */
    int64_t reply_margin_ms;    /* real; what a reply may take beyond the long poll; 0: 10,000 */
    uint64_t seed;              /* of the retry jitter; 0: from the system */
    /* Asked right before every attempt of a call that changes something (aws_json_call.is_write), and, with
     * libcurl 7.80 or later, once more when the connection stands and the request is to go out. False: the
     * call fails with AWS_KIND_REQUEST, code "WriteRefused". NULL: always. */
    bool (*may_write)(void *arg);
    void *may_write_arg;
};

/* Returns NULL with err (no region, bad endpoint URL ...). */
struct aws_client *aws_client_new(const struct aws_client_options *options, struct err *err);
/* Ends all calls without their callbacks. Safe from within a callback. Accepts NULL. */
void aws_client_destroy(struct aws_client *client);

const char *aws_client_region(const struct aws_client *client);

/* The endpoint URL that calls for this service (such as "sqs") and, when known, queue URL would go to; copied
 * to out. Order: explicit option, environment and profile settings, origin of queue_url, regional endpoint.
 */
int aws_client_endpoint(const struct aws_client *client, const char *service, const char *queue_url,
                        struct strbuf *out, struct err *err);

/* A URL for a log or a message: what may be a user name and password, up to the last '@', is left out
 * (three stars take its place). Any text will do. Writes at most `size` bytes, returns out. */
char *aws_url_without_userinfo(const char *url, char *out, size_t size);

/* Whether a URL's host is loopback (127.0.0.0/8, ::1, localhost): SLUICE_TIME_SCALE is refused elsewhere. */
bool aws_url_is_loopback(const char *url);

/* Stops a call; its callback will not come. A request on the wire may still take effect. NULL is ignored, and
 * so is a call from within its own callback; a handle is void once that has returned. */
void aws_call_cancel(struct aws_call *call);

/* Counters since the client was made. */
struct aws_client_stats {
    uint64_t calls, attempts, throttled, transient, failed;
    int64_t skew_ms; /* server clock minus ours, as applied to signatures */
};
void aws_client_get_stats(const struct aws_client *client, struct aws_client_stats *ret_stats);
/* The same by operation (aws/operation_stats.h), a list of the client's; NULL while there is none. */
const struct aws_operation_stats *aws_client_operations(const struct aws_client *client);

/* One call of a JSON service, for the service modules; also of a Query service, whose body is a form. */
struct aws_json_call {
    const char *service;      /* signing name, "sqs"; not copied, as the next two: constants */
    const char *target;       /* "AmazonSQS.ReceiveMessage"; NULL: Query */
    const char *content_type; /* "application/x-amz-json-1.0" */
    bool query_mode;          /* the service once spoke the Query protocol: ask for its error codes too */
    const char *queue_url;    /* NULL, or decides the endpoint as above */
    const char *body;         /* copied */
    size_t body_len;
    int64_t poll_product_ms; /* how long the server may wait by itself (long poll); the timeout adds to it */
    bool long_poll;          /* an empty retry quota still waits before it fails */
    bool is_write;           /* changes what somebody scales: aws_client_options.may_write is asked */
};

/* reply is the body of a 2xx answer: the callee may take it with strbuf_take(). It is empty otherwise. */
typedef void aws_json_fn(void *arg, const struct aws_result *result, struct strbuf *reply);

/* free_arg (NULL: none) is called once with arg when the call is over in whatever way: after fn, on cancel,
 * with the client. */
struct aws_call *aws_client_call_json(struct aws_client *client, const struct aws_json_call *call,
                                      aws_json_fn *fn, void *arg, void (*free_arg)(void *arg));

/* A call that fails by itself before anything is sent (AWS_KIND_REQUEST with the given message): a bad
 * argument is told by the callback like every other failure. */
struct aws_call *aws_client_refuse(struct aws_client *client, const char *message, aws_json_fn *fn, void *arg,
                                   void (*free_arg)(void *arg));

#endif

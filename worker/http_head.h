/*
 * What the http handler sends: where a message goes and the head of its request, as AWS Elastic Beanstalk's
 * worker daemon (sqsd) makes them, so that an application moves over unchanged. Pure.
 *
 * Source of the names: Elastic Beanstalk Developer Guide, "Elastic Beanstalk worker environments". Beyond the
 * guide the daemon is known to send X-Aws-Sqsd-Sent-At and -Path, to write times without fractions, and to
 * leave out attributes that are its own ("beanstalk.sqsd..."). The X-Sluice- headers are ours.
 */
#ifndef SLUICE_WORKER_HTTP_HEAD_H
#define SLUICE_WORKER_HTTP_HEAD_H

#include "base/err.h"
#include "base/strbuf.h"
#include "worker/include/sluice/handler.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_HEAD_LINES_MAX = 48,
    /* What servers take of one header and of all: nginx 8 KiB, gunicorn 8,190 bytes, Node 16 KiB in all. */
    HTTP_HEAD_VALUE_MAX = 4096,
    HTTP_HEAD_ATTRIBUTES_MAX = 10240,
    HTTP_PATH_MAX = 1024,
};

/* ---- where it goes ---- */

struct http_target {
    char *url;      /* owned: without user name and password */
    char *origin;   /* owned: "http://127.0.0.1:8080" */
    char *user;     /* owned, decoded; NULL: none */
    char *password; /* owned, decoded; NULL: none */
    bool https;
};

/* Takes --http-url apart. Returns 0, or -1 with err (which shows neither user name nor password) when it is
 * not an http or https URL with a host, or has a fragment. Clean up only after success. */
int http_target_parse(const char *url, struct http_target *ret_target, struct err *err);
void http_target_clean_up(struct http_target *target);

/* Writes the URL of a message into `url`: that of the target, or with `task_paths` the target's origin and
 * the path in the attribute beanstalk.sqsd.path. Returns 0, or -1 with err when that is not a plain absolute
 * path. */
int http_target_route(const struct http_target *target, bool task_paths, const struct sluice_message *message,
                      struct strbuf *url, struct err *err);

/* The body to send: the message's, but none for a periodic task of Beanstalk's scheduler, whose body is a
 * fixed sentence that its daemon does not pass on either. */
size_t http_body_len(const struct sluice_message *message);

/* ---- the head ---- */

/* Zero it before its first use. */
struct http_head {
    struct strbuf text; /* the lines, each with a NUL behind it */
    size_t offsets[HTTP_HEAD_LINES_MAX];
    size_t count;
    struct curl_slist lines[HTTP_HEAD_LINES_MAX]; /* nodes into text: no allocation a line */
};

struct http_head_facts {
    const char *content_type;
    const char *queue_name;
};

/* Whether a text may stand as a header's value: no control characters but tabs. */
bool http_header_value_ok(const char *value, size_t len);

/* Builds the head of a message's request, with libcurl's forms ("Name;" is a header without a value). What
 * cannot be sent as it is, is left out and named in X-Sluice-Omitted-Attributes. The list is valid until the
 * next call or the clean-up. */
struct curl_slist *http_head_build(struct http_head *head, const struct http_head_facts *facts,
                                   const struct sluice_message *message);
void http_head_clean_up(struct http_head *head);

#endif

/*
 * The sockets of a curl multi handle, watched by libevent. That of a kept connection stays in the loop
 * between two exchanges, which saves two system calls for each. Belongs to the loop's thread.
 */
#ifndef SLUICE_AWS_HTTP_SOCKETS_H
#define SLUICE_AWS_HTTP_SOCKETS_H

#include "base/list.h"

#include <curl/curl.h>
#include <stdbool.h>

struct event_base;
struct http_socket;

LIST_HEAD(http_socket_list, http_socket);

struct http_sockets {
    struct event_base *base;
    CURLM *multi;
    bool private_only; /* connects to addresses of private networks only (private_address.h) */
    /* After curl has acted on a socket: exchanges may have ended. May call http_sockets_clean_up(). */
    void (*after)(void *arg);
    void *arg;
    struct http_socket_list used;
    struct http_socket_list spare;
};

/* Takes care of the sockets of sockets->multi; all but the lists is set by the caller, and not moved. */
void http_sockets_init(struct http_sockets *sockets);
/* After curl_multi_cleanup(), which still closes connections. */
void http_sockets_clean_up(struct http_sockets *sockets);

/* For each easy handle that the multi handle runs. */
void http_sockets_attach(struct http_sockets *sockets, CURL *easy);

#endif

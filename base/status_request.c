/* HTTP for status: from a request to its route and its answer; see status_server.h. */
#include "base/status_server_internal.h"

#include "base/jsonw.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const struct {
    enum status_method method;
    const char *name;
} METHODS[] = {{STATUS_GET, "GET"}, {STATUS_POST, "POST"}, {STATUS_PUT, "PUT"}, {STATUS_DELETE, "DELETE"}};
enum { METHOD_COUNT = (int)(sizeof METHODS / sizeof METHODS[0]) };

const char *status_request_header(const struct status_request *request, const char *name)
{
    return evhttp_find_header(request->headers, name);
}

const char *status_request_query(const struct status_request *request, const char *name)
{
    /* As headers, names of the query are found in any case. */
    return evhttp_find_header(request->query, name);
}

/* ---- the token ---- */

bool status_token_matches(const char *authorization, const char *token)
{
    static const char SCHEME[] = "Bearer ";
    if (authorization == NULL || strncasecmp(authorization, SCHEME, sizeof SCHEME - 1) != 0)
        return false;
    const char *given = authorization + sizeof SCHEME - 1;
    given += strspn(given, " ");
    size_t len = strlen(token);
    if (strlen(given) != len || len == 0)
        return false;
    unsigned difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)given[i] ^ (unsigned char)token[i];
    return difference == 0;
}

/* ---- the answer ---- */

static const char *phrase_of(int code)
{
    static const struct {
        int code;
        const char *phrase;
    } PHRASES[] = {{200, "OK"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {409, "Conflict"},
                   {413, "Content Too Large"},
                   {415, "Unsupported Media Type"},
                   {422, "Unprocessable Content"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof PHRASES / sizeof *PHRASES; i++)
        if (PHRASES[i].code == code)
            return PHRASES[i].phrase;
    return code < 400 ? "OK" : "Error";
}

void status_reply_error(struct status_reply *reply, int code, const char *fmt, ...)
{
    struct strbuf text = STRBUF_INIT;
    va_list args;
    va_start(args, fmt);
    strbuf_vappendf(&text, fmt, args);
    va_end(args);
    reply->code = code;
    reply->content_type = "application/json";
    strbuf_clear(&reply->body);
    struct jsonw w = JSONW_INIT(&reply->body);
    jsonw_object(&w);
    jsonw_key_str(&w, "error", strbuf_str(&text));
    jsonw_end_object(&w);
    strbuf_append_char(&reply->body, '\n');
    strbuf_clean_up(&text);
}

static void send_reply(struct evhttp_request *request, const struct status_reply *reply)
{
    struct evbuffer *out = evbuffer_new();
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    /* evhttp would send a body after HEAD, too. */
    bool is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    char length[24];
    (void)snprintf(length, sizeof length, "%zu", reply->body.len);
    if (out == NULL || (!is_head && evbuffer_add(out, strbuf_str(&reply->body), reply->body.len) != 0))
        abort(); /* out of memory */
    if (is_head)
        (void)evhttp_add_header(headers, "Content-Length", length);
    (void)evhttp_add_header(headers, "Content-Type", reply->content_type);
    (void)evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_send_reply(request, reply->code, phrase_of(reply->code), out);
    evbuffer_free(out);
}

/* ---- the route ---- */

static unsigned methods_of(const struct status_route *route, bool read_only)
{
    unsigned methods = route->methods != 0 ? route->methods : (unsigned)STATUS_GET;
    return read_only ? methods & (unsigned)STATUS_GET : methods;
}

/* NULL: the route is for other paths; otherwise what follows a prefix. */
static const char *fit_path(const struct status_route *route, const char *path)
{
    size_t len = strlen(route->path);
    if (strcmp(route->path, path) == 0)
        return route->path[len - 1] == '/' && len > 1 ? NULL : path + len;
    bool is_prefix = len > 1 && route->path[len - 1] == '/';
    return is_prefix && strncmp(route->path, path, len) == 0 ? path + len : NULL;
}

/* NULL with the methods that the path would take, 0 when there is no such path. */
static const struct status_route *find_route(const struct status_server_options *options,
                                             struct status_request *request, unsigned *ret_methods)
{
    *ret_methods = 0;
    for (const struct status_route *route = options->routes; route->path != NULL; route++) {
        const char *rest = fit_path(route, request->path);
        if (rest == NULL)
            continue;
        unsigned methods = methods_of(route, options->read_only);
        *ret_methods |= methods;
        if ((methods & (unsigned)request->method) != 0) {
            request->rest = rest;
            return route;
        }
    }
    return NULL;
}

static void refuse_method(struct evhttp_request *request, unsigned methods, struct status_reply *reply)
{
    char allow[64] = "";
    size_t len = 0;
    for (int i = 0; i < METHOD_COUNT; i++)
        if ((methods & (unsigned)METHODS[i].method) != 0)
            len += (size_t)snprintf(allow + len, sizeof allow - len, "%s%s", len > 0 ? ", " : "",
                                    METHODS[i].name);
    (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", allow);
    status_reply_error(reply, 405, "this path takes %s only", allow);
}

/* 0: none of those that routes can have */
static enum status_method method_of(const struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
    case EVHTTP_REQ_HEAD:
        return STATUS_GET;
    case EVHTTP_REQ_POST:
        return STATUS_POST;
    case EVHTTP_REQ_PUT:
        return STATUS_PUT;
    case EVHTTP_REQ_DELETE:
        return STATUS_DELETE;
    default:
        return 0;
    }
}

/* Fills in the body and calls the handler, unless the body is too long. */
static void call_route(struct evhttp_request *raw, const struct status_route *route, void *arg,
                       struct status_request *request, struct status_reply *reply)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(raw);
    request->body_len = evbuffer_get_length(body);
    if (request->body_len > route->body_max) {
        status_reply_error(reply, 413, "the body has %zu bytes, %zu are allowed", request->body_len,
                           route->body_max);
        return;
    }
    /* The NUL makes a text of it. */
    if (evbuffer_add(body, "", 1) != 0 || (request->body = (char *)evbuffer_pullup(body, -1)) == NULL)
        abort(); /* out of memory */
    route->fn(arg, request, reply);
}

/* pairs: where the query goes, which the request shows to the handler. */
static void answer(struct evhttp_request *raw, const struct status_server_options *options,
                   struct evkeyvalq *pairs, struct status_request *request, struct status_reply *reply)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(raw));
    unsigned methods = 0;
    const struct status_route *route = find_route(options, request, &methods);
    if (route == NULL && methods == 0) {
        status_reply_error(reply, 404, "no such path");
    } else if (route == NULL) {
        refuse_method(raw, methods, reply);
    } else if (evhttp_parse_query_str(query != NULL ? query : "", pairs) != 0) {
        status_reply_error(reply, 400, "the query must be name=value&...");
    } else {
        call_route(raw, route, options->arg, request, reply);
    }
    evhttp_clear_headers(pairs);
}

/* The decoded path, which the caller frees; NULL: none that can be asked for. */
static char *decode_path(const struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *raw = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    size_t len = 0;
    char *path = raw != NULL ? evhttp_uridecode(raw, 0, &len) : NULL;
    if (path != NULL && strlen(path) == len)
        return path;
    free(path);
    return NULL;
}

/* The kernel knows who connected; over TCP it tells no process and the user -1. */
static void find_peer(struct evhttp_request *raw, struct status_request *request)
{
    struct ucred peer = {.pid = 0};
    socklen_t len = sizeof peer;
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(raw)));
    request->peer_uid = request->peer_pid = -1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return;
    if (peer.uid != (uid_t)-1)
        request->peer_uid = peer.uid;
    if (peer.pid > 0)
        request->peer_pid = peer.pid;
}

void status_server_answer(struct evhttp_request *raw, const struct status_server_options *options,
                          const char *token)
{
    char *path = decode_path(raw);
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(raw);
    struct evkeyvalq pairs = {.tqh_first = NULL};
    struct status_request request = {.method = method_of(raw),
                                     .path = path,
                                     .rest = "",
                                     .content_type = evhttp_find_header(headers, "Content-Type"),
                                     .body = "",
                                     .headers = headers,
                                     .query = &pairs};
    struct status_reply reply = {.code = 200, .content_type = "application/json", .body = STRBUF_INIT};
    find_peer(raw, &request);
    if (token != NULL && !status_token_matches(status_request_header(&request, "Authorization"), token)) {
        (void)evhttp_add_header(evhttp_request_get_output_headers(raw), "WWW-Authenticate", "Bearer");
        status_reply_error(&reply, 401, "a token is needed: Authorization: Bearer ...");
    } else if (path == NULL) {
        status_reply_error(&reply, 400, "the path cannot be read");
    } else {
        answer(raw, options, &pairs, &request, &reply);
    }
    send_reply(raw, &reply);
    strbuf_clean_up(&reply.body);
    free(path);
}

/* curl multi on libevent; see http.h. Everything here runs in the loop's thread. */
#include "aws/http.h"

#include "aws/endpoint.h"
#include "aws/http_easy.h"
#include "aws/http_reply.h"
#include "aws/http_sockets.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/loop.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const long CONNECTION_AGE_MAX_S = 600;

/* One easy handle and what belongs to its current request. */
struct http_exchange {
    struct http_client *client;
    CURL *easy;    /* owned */
    char *url;     /* owned: what easy is set up for */
    CURLU *parsed; /* owned: the same; given to easy, so that it is not parsed for every request */
    bool https_ready;
    enum http_method method; /* that easy is set up for */
    size_t bytes_max;
    struct curl_slist headers[HTTP_HEADERS_MAX];
    int64_t started_ms;
    int sends; /* requests begun on a connection in this exchange */
    bool (*may_send)(void *arg);
    void *may_send_arg;
    http_fn *fn;
    void *arg;
    struct http_reply reply;
    char error[CURL_ERROR_SIZE];
    LIST_ENTRY(http_exchange) link; /* in client->busy or client->idle */
};

LIST_HEAD(exchange_list, http_exchange);

struct http_client {
    struct event_base *base;
    CURLM *multi;
    struct loop_timer timer; /* curl's one timer */
    struct http_sockets sockets;
    int64_t connect_timeout_ms;
    char *user_agent;

    struct exchange_list busy;
    int busy_count;
    struct exchange_list idle; /* at most as many as were ever busy at once */

    bool in_callbacks; /* which may destroy the client: it is freed after them then */
    bool destroy_wanted;

    struct http_date_cache dates;
};

/* ---- what curl delivers ---- */

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct http_exchange *x = arg;
    http_reply_take_line(&x->reply, &x->client->dates, line, size * count);
    return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_exchange *x = arg;
    size_t len = size * count;
    if (x->reply.too_large || len > x->bytes_max - x->reply.body.len) {
        x->reply.too_large = true;
        return 0; /* ends the exchange with CURLE_WRITE_ERROR */
    }
    strbuf_append(&x->reply.body, bytes, len);
    return len;
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* Before each request on a connection: libcurl repeats one by itself when a kept connection was closed on it.
 */
static int on_request(void *arg, char *remote_address, char *local_address, int remote_port, int local_port)
{
    (void)remote_address;
    (void)local_address;
    (void)remote_port;
    (void)local_port;
    struct http_exchange *x = arg;
    if (x->may_send != NULL && !x->may_send(x->may_send_arg))
        return CURL_PREREQFUNC_ABORT;
    x->sends++;
    return CURL_PREREQFUNC_OK;
}
#endif

/* ---- the end of exchanges ---- */

/* What went wrong, in a word. */
static const char *failure_word(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "ResolveFailed";
    case CURLE_COULDNT_CONNECT:
        return "ConnectFailed";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return "TlsFailed";
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return "BadUrl";
    case CURLE_ABORTED_BY_CALLBACK:
        return HTTP_WRITE_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return "Timeout";
    case CURLE_WRITE_ERROR:
        return "ReplyTooLarge";
    case CURLE_PARTIAL_FILE:
        return "ReplyCutShort";
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return "ConnectionLost";
    default:
        return "HttpFailed";
    }
}

static void fill_reply(struct http_exchange *x, CURLcode code)
{
    long status = 0;
    x->reply.elapsed_ms = clock_mono_ms() - x->started_ms;
    x->reply.received_wall_ms = clock_wall_ms();
    x->reply.sends = x->sends;
    if (code == CURLE_OK) {
        curl_off_t first_us = 0;
        (void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo(x->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
        x->reply.status = (int)status;
        x->reply.first_byte_ms = first_us > 0 ? (int64_t)first_us / 1000 : x->reply.elapsed_ms;
        return;
    }
    curl_off_t connected_us = 0;
    x->reply.failure = failure_word(code);
    x->reply.detail = x->error[0] != '\0' ? x->error : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT &&
        curl_easy_getinfo(x->easy, CURLINFO_CONNECT_TIME_T, &connected_us) == CURLE_OK && connected_us == 0)
        x->reply.failure = "ConnectTimeout";
}

static void make_idle(struct http_exchange *x)
{
    (void)curl_multi_remove_handle(x->client->multi, x->easy);
    LIST_REMOVE(x, link);
    x->client->busy_count--;
    LIST_INSERT_HEAD(&x->client->idle, x, link);
}

static void finish_exchange(struct http_exchange *x, CURLcode code)
{
    http_fn *fn = x->fn;
    void *arg = x->arg;
    fill_reply(x, code);
    make_idle(x);
    /* fn may start another exchange on this very handle: its reply must not be touched by that. */
    struct http_reply reply = x->reply;
    char detail[CURL_ERROR_SIZE];
    (void)snprintf(detail, sizeof detail, "%s", reply.detail);
    reply.detail = detail;
    x->reply.body = (struct strbuf)STRBUF_INIT;
    fn(arg, &reply);
    strbuf_clean_up(&reply.body);
}

static void client_free(struct http_client *client);

/* Ends all exchanges that curl is done with. The client may be gone afterwards. */
static void finish_done(void *arg)
{
    struct http_client *client = arg;
    int left = 0;
    if (client->in_callbacks)
        return; /* the caller's caller is at it */
    client->in_callbacks = true;
    CURLMsg *message = curl_multi_info_read(client->multi, &left);
    while (message != NULL && !client->destroy_wanted) {
        struct http_exchange *x = NULL;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
        finish_exchange(x, code);
        message = curl_multi_info_read(client->multi, &left);
    }
    client->in_callbacks = false;
    if (client->destroy_wanted)
        client_free(client);
}

/* ---- curl's timer ---- */

static void on_timer(void *arg)
{
    struct http_client *client = arg;
    int running = 0;
    (void)curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_done(client);
}

static int want_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *client = arg;
    (void)multi;
    if (timeout_ms < 0)
        loop_timer_cancel(&client->timer);
    else
        loop_timer_arm_real_ms(&client->timer, timeout_ms); /* also 0: curl must not be called from here */
    return 0;
}

/* ---- clients ---- */

static void start_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

struct http_client *http_client_new(const struct http_client_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start_curl);
    struct http_client *client = xcalloc(1, sizeof *client);
    client->base = options->base;
    client->connect_timeout_ms = options->connect_timeout_ms;
    client->user_agent = options->user_agent != NULL ? xstrdup(options->user_agent) : NULL;
    LIST_INIT(&client->busy);
    LIST_INIT(&client->idle);
    loop_timer_init(&client->timer, options->base, on_timer, client);
    client->multi = curl_multi_init();
    if (client->multi == NULL)
        abort();
    client->sockets = (struct http_sockets){.base = options->base,
                                            .multi = client->multi,
                                            .private_only = options->private_only,
                                            .after = finish_done,
                                            .arg = client};
    http_sockets_init(&client->sockets);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)options->max_connections);
    (void)curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return client;
}

static void free_exchange(struct http_exchange *x)
{
    curl_easy_cleanup(x->easy);
    curl_url_cleanup(x->parsed);
    strbuf_clean_up(&x->reply.body);
    free(x->url);
    free(x);
}

static void client_free(struct http_client *client)
{
    struct http_exchange *next = NULL;
    for (struct http_exchange *x = LIST_FIRST(&client->idle); x != NULL; x = next) {
        next = LIST_NEXT(x, link);
        free_exchange(x);
    }
    (void)curl_multi_cleanup(client->multi); /* closes connections, which our sockets are told of */
    loop_timer_clean_up(&client->timer);
    http_sockets_clean_up(&client->sockets);
    free(client->user_agent);
    free(client);
}

void http_client_destroy(struct http_client *client)
{
    if (client == NULL)
        return;
    while (!LIST_EMPTY(&client->busy))
        make_idle(LIST_FIRST(&client->busy));
    client->destroy_wanted = true;
    if (!client->in_callbacks)
        client_free(client);
}

/* ---- exchanges ---- */

static struct http_exchange *exchange_new(struct http_client *client)
{
    struct http_exchange *x = xcalloc(1, sizeof *x);
    x->client = client;
    x->easy = curl_easy_init();
    x->parsed = curl_url();
    if (x->easy == NULL || x->parsed == NULL)
        abort();
    CURL *e = x->easy;
    http_easy_set_up(e);
    http_sockets_attach(&client->sockets, e);
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, x);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, client->user_agent);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 10L);
#if LIBCURL_VERSION_NUM >= 0x075000
    /* New names are looked up now and then, although a kept connection works. */
    (void)curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, CONNECTION_AGE_MAX_S);
    (void)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_request);
    (void)curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
#endif
    LIST_INSERT_HEAD(&client->idle, x, link);
    return x;
}

/* Sets what depends on the URL; a handle that comes back to the same URL has it already. */
static void set_url(struct http_exchange *x, const char *url)
{
    struct aws_url parsed;
    if (x->url != NULL && strcmp(x->url, url) == 0)
        return;
    free(x->url);
    x->url = xstrdup(url);
    bool good = curl_url_set(x->parsed, CURLUPART_URL, url, 0) == CURLUE_OK;
    (void)curl_easy_setopt(x->easy, CURLOPT_CURLU, good ? x->parsed : NULL);
    (void)curl_easy_setopt(x->easy, CURLOPT_URL, url);
    char *base = xstrndup(url, strcspn(url, "?"));
    int rc = aws_url_parse(base, &parsed, NULL);
    free(base);
    if (rc != 0)
        return; /* curl will refuse it */
    bool direct = x->client->sockets.private_only || aws_url_host_is_loopback(&parsed) ||
                  aws_url_host_is_link_local(&parsed);
    (void)curl_easy_setopt(x->easy, CURLOPT_PROXY, direct ? "" : NULL);
    if (parsed.https && !x->https_ready) {
        x->https_ready = true;
        http_easy_set_up_tls(x->easy, getenv("AWS_CA_BUNDLE"));
    }
}

/* An idle handle, best one that knows the URL. */
static struct http_exchange *take_exchange(struct http_client *client, const char *url)
{
    struct http_exchange *x = LIST_FIRST(&client->idle);
    if (x == NULL)
        x = exchange_new(client);
    set_url(x, url);
    LIST_REMOVE(x, link);
    client->busy_count++;
    LIST_INSERT_HEAD(&client->busy, x, link);
    return x;
}

/* The list nodes are ours, since libcurl only reads them: no allocation and no copy a request. */
static struct curl_slist *link_headers(struct http_exchange *x, const struct http_call *call)
{
    if (call->header_count > HTTP_HEADERS_MAX)
        abort();
    for (size_t i = 0; i < call->header_count; i++) {
        x->headers[i].data = (char *)call->headers[i];
        x->headers[i].next = i + 1 < call->header_count ? &x->headers[i + 1] : NULL;
    }
    return call->header_count > 0 ? x->headers : NULL;
}

/* Curl would start by its timer, in the loop's next turn: two system calls and a moment for every request.
 * Here no callback of curl's is on the stack, so it may be called. One that ended at once (refused) is told
 * of later: callers want to be back before. */
static void start_now(struct http_client *client)
{
    int running = 0;
    (void)curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    if (!client->in_callbacks && running < client->busy_count)
        loop_timer_arm_real_ms(&client->timer, 0);
}

/* A PUT is a POST by another name, so that its body comes from memory; setting a body makes a GET a POST. */
static void set_method(struct http_exchange *x, const struct http_call *call)
{
    if (call->method != HTTP_GET) {
        (void)curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, call->body != NULL ? call->body : "");
        (void)curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
    }
    if (call->method == x->method)
        return;
    x->method = call->method;
    (void)curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, call->method == HTTP_PUT ? "PUT" : NULL);
    (void)curl_easy_setopt(x->easy, call->method == HTTP_GET ? CURLOPT_HTTPGET : CURLOPT_POST, 1L);
}

struct http_exchange *http_start(struct http_client *client, const struct http_call *call, http_fn *fn,
                                 void *arg)
{
    struct http_exchange *x = take_exchange(client, call->url);
    http_reply_clear(&x->reply);
    x->fn = fn;
    x->arg = arg;
    x->error[0] = '\0';
    x->sends = 0;
    x->may_send = call->may_send;
    x->may_send_arg = call->may_send_arg;
    x->started_ms = clock_mono_ms();
    x->bytes_max = call->reply_bytes_max > 0 ? call->reply_bytes_max : HTTP_REPLY_BYTES_MAX;
    set_method(x, call);
    (void)curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, link_headers(x, call));
    (void)curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    if (curl_multi_add_handle(client->multi, x->easy) != CURLM_OK)
        abort();
    start_now(client);
    return x;
}

void http_cancel(struct http_exchange *exchange)
{
    make_idle(exchange);
}

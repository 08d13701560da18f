/* curl multi on libevent; see http.h. Everything here runs in the loop's thread. */
#include "aws/http.h"

#include "aws/endpoint.h"
#include "aws/http_reply.h"
#include "aws/private_address.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/loop.h"

#include <curl/curl.h>
#include <dirent.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const long CONNECTION_AGE_MAX_S = 600;

/* A socket that curl wants watched, or wanted: that of a kept connection stays in the loop between two
 * exchanges, which saves two system calls for each. */
struct http_socket {
    struct http_client *client;
    struct event *event; /* owned */
    curl_socket_t fd;
    int what;                     /* CURL_POLL_* that the event stands for; 0: not in the loop */
    bool wanted;                  /* by curl, now */
    bool is_connection;           /* opened by open_socket(), so that its end is told to close_socket() */
    LIST_ENTRY(http_socket) link; /* in client->sockets or client->spare_sockets */
};

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
LIST_HEAD(socket_list, http_socket);

struct http_client {
    struct event_base *base;
    CURLM *multi;
    struct loop_timer timer; /* curl's one timer */
    int64_t connect_timeout_ms;
    char *user_agent;
    bool private_only;

    struct exchange_list busy;
    int busy_count;
    struct exchange_list idle; /* at most as many as were ever busy at once */
    struct socket_list sockets;
    struct socket_list spare_sockets;

    bool in_callbacks; /* which may destroy the client: it is freed after them then */
    bool destroy_wanted;

    struct http_date_cache dates;
};

/* ---- certificates ---- */

/* So many hashed names make a folder the system's store; a few are somebody's own beside the bundle. */
enum { HASHED_MIN = 24 };

/* Whether a folder holds certificates under their hashes ("a1b2c3d4.0"), as OpenSSL looks them up one by one.
 */
static bool is_hashed_folder(const char *path)
{
    DIR *folder = opendir(path);
    int found = 0;
    if (folder == NULL)
        return false;
    for (struct dirent *entry = readdir(folder); entry != NULL && found < HASHED_MIN; entry = readdir(folder))
        found += strspn(entry->d_name, "0123456789abcdef") == 8 && strcmp(entry->d_name + 8, ".0") == 0;
    (void)closedir(folder);
    return found >= HASHED_MIN;
}

const char *http_ca_folder(void)
{
    static const char *const FOLDERS[] = {"/etc/ssl/certs", "/etc/pki/ca-trust/extracted/pem/directory-hash",
                                          "/etc/openssl/certs"};
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++)
        if (is_hashed_folder(FOLDERS[i]))
            return FOLDERS[i];
    return NULL;
}

static void set_up_tls(struct http_exchange *x)
{
    const char *given = getenv("AWS_CA_BUNDLE");
    struct stat info;
    (void)curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    x->https_ready = true;
    if (given != NULL && given[0] != '\0') {
        bool folder = stat(given, &info) == 0 && S_ISDIR(info.st_mode);
        (void)curl_easy_setopt(x->easy, CURLOPT_CAINFO, folder ? NULL : given);
        (void)curl_easy_setopt(x->easy, CURLOPT_CAPATH, folder ? given : NULL);
        return;
    }
    const char *hashed = http_ca_folder();
    if (hashed != NULL) {
        (void)curl_easy_setopt(x->easy, CURLOPT_CAINFO, NULL);
        (void)curl_easy_setopt(x->easy, CURLOPT_CAPATH, hashed);
    }
}

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
static void finish_done(struct http_client *client)
{
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

/* ---- curl's sockets and timer ---- */

static void unwatch(struct http_socket *s)
{
    (void)event_del(s->event);
    s->what = 0;
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
    struct http_socket *s = arg;
    struct http_client *client = s->client;
    int running = 0;
    int mask =
        ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    if (!s->wanted) { /* a kept connection has ended: curl finds out before it uses it */
        unwatch(s);
        return;
    }
    (void)curl_multi_socket_action(client->multi, fd, mask, &running);
    finish_done(client);
}

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

static struct http_socket *take_socket(struct http_client *client, curl_socket_t fd)
{
    struct http_socket *s = LIST_FIRST(&client->spare_sockets);
    if (s != NULL) {
        LIST_REMOVE(s, link);
    } else {
        s = xcalloc(1, sizeof *s);
        s->client = client;
        s->event = event_new(client->base, -1, 0, on_socket_event, s);
        if (s->event == NULL)
            abort();
    }
    s->fd = fd;
    s->wanted = false;
    s->is_connection = false;
    LIST_INSERT_HEAD(&client->sockets, s, link);
    return s;
}

static void put_away(struct http_socket *s)
{
    if (s->what != 0)
        unwatch(s);
    LIST_REMOVE(s, link);
    LIST_INSERT_HEAD(&s->client->spare_sockets, s, link);
}

/* There are as many as connections. */
static struct http_socket *find_socket(const struct http_client *client, curl_socket_t fd)
{
    struct http_socket *s = LIST_FIRST(&client->sockets);
    while (s != NULL && s->fd != fd)
        s = LIST_NEXT(s, link);
    return s;
}

static void watch(struct http_socket *s, int what)
{
    short events = EV_PERSIST;
    if ((what & CURL_POLL_IN) != 0)
        events |= EV_READ;
    if ((what & CURL_POLL_OUT) != 0)
        events |= EV_WRITE;
    if (s->what != 0)
        (void)event_del(s->event);
    s->what = what;
    (void)event_assign(s->event, s->client->base, s->fd, events, on_socket_event, s);
    (void)event_add(s->event, NULL);
}

/* Of a connection's socket curl forgets what curl_multi_assign() said, with each exchange; of others (those
 * of its resolver) nobody says when they are closed, so they do not stay. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_client *client = arg;
    struct http_socket *s = socket_arg != NULL ? socket_arg : find_socket(client, fd);
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s == NULL)
            return 0;
        s->wanted = false;
        if (!s->is_connection)
            put_away(s);
        else if ((s->what & CURL_POLL_OUT) != 0) /* would be ready all the time */
            unwatch(s);
        return 0;
    }
    if (s == NULL)
        s = take_socket(client, fd);
    if (socket_arg == NULL)
        (void)curl_multi_assign(client->multi, fd, s);
    s->wanted = true;
    if (s->what != what)
        watch(s, what);
    return 0;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_client *client = arg;
    (void)purpose;
    if (client->private_only && !address_is_private(&address->addr))
        return CURL_SOCKET_BAD;
    curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    struct http_socket *stale = find_socket(client, fd);
    if (stale != NULL)
        put_away(stale);
    take_socket(client, fd)->is_connection = true;
    return fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct http_socket *s = find_socket(arg, fd);
    if (s != NULL)
        put_away(s);
    return close(fd);
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
    client->private_only = options->private_only;
    client->user_agent = options->user_agent != NULL ? xstrdup(options->user_agent) : NULL;
    LIST_INIT(&client->busy);
    LIST_INIT(&client->idle);
    LIST_INIT(&client->sockets);
    LIST_INIT(&client->spare_sockets);
    loop_timer_init(&client->timer, options->base, on_timer, client);
    client->multi = curl_multi_init();
    if (client->multi == NULL)
        abort();
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
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

static void free_sockets(struct socket_list *list)
{
    while (!LIST_EMPTY(list)) {
        struct http_socket *s = LIST_FIRST(list);
        LIST_REMOVE(s, link);
        event_free(s->event);
        free(s);
    }
}

static void client_free(struct http_client *client)
{
    struct http_exchange *next = NULL;
    for (struct http_exchange *x = LIST_FIRST(&client->idle); x != NULL; x = next) {
        next = LIST_NEXT(x, link);
        free_exchange(x);
    }
    (void)curl_multi_cleanup(client->multi); /* closes connections, which still calls want_socket */
    loop_timer_clean_up(&client->timer);
    free_sockets(&client->sockets);
    free_sockets(&client->spare_sockets);
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
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, x);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, client->user_agent);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    (void)curl_easy_setopt(e, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, client);
    (void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    (void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, client);
    (void)curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 10L);
#if LIBCURL_VERSION_NUM >= 0x075000
    /* New names are looked up now and then, although a kept connection works. */
    (void)curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, CONNECTION_AGE_MAX_S);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* The resolver runs in a thread; without this the end of an exchange waits for it, and the loop with it.
     */
    (void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
#if LIBCURL_VERSION_NUM >= 0x075000
    (void)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_request);
    (void)curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
#endif
#if LIBCURL_VERSION_NUM >= 0x075500
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
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
    bool direct =
        x->client->private_only || aws_url_host_is_loopback(&parsed) || aws_url_host_is_link_local(&parsed);
    (void)curl_easy_setopt(x->easy, CURLOPT_PROXY, direct ? "" : NULL);
    if (parsed.https && !x->https_ready)
        set_up_tls(x);
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

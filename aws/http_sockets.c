/* Sockets of a curl multi handle; see http_sockets.h. */
#include "aws/http_sockets.h"

#include "aws/private_address.h"
#include "base/alloc.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket that curl wants watched, or wanted. */
struct http_socket {
    struct http_sockets *sockets;
    struct event *event; /* owned */
    curl_socket_t fd;
    int what;                     /* CURL_POLL_* that the event stands for; 0: not in the loop */
    bool wanted;                  /* by curl, now */
    bool is_connection;           /* opened by open_socket(), so that its end is told to close_socket() */
    LIST_ENTRY(http_socket) link; /* in sockets->used or sockets->spare */
};

static void unwatch(struct http_socket *s)
{
    (void)event_del(s->event);
    s->what = 0;
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
    struct http_socket *s = arg;
    struct http_sockets *sockets = s->sockets;
    int running = 0;
    int mask =
        ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    if (!s->wanted) { /* a kept connection has ended: curl finds out before it uses it */
        unwatch(s);
        return;
    }
    (void)curl_multi_socket_action(sockets->multi, fd, mask, &running);
    sockets->after(sockets->arg);
}

static struct http_socket *take_socket(struct http_sockets *sockets, curl_socket_t fd)
{
    struct http_socket *s = LIST_FIRST(&sockets->spare);
    if (s != NULL) {
        LIST_REMOVE(s, link);
    } else {
        s = xcalloc(1, sizeof *s);
        s->sockets = sockets;
        s->event = event_new(sockets->base, -1, 0, on_socket_event, s);
        if (s->event == NULL)
            abort();
    }
    s->fd = fd;
    s->wanted = false;
    s->is_connection = false;
    LIST_INSERT_HEAD(&sockets->used, s, link);
    return s;
}

static void put_away(struct http_socket *s)
{
    if (s->what != 0)
        unwatch(s);
    LIST_REMOVE(s, link);
    LIST_INSERT_HEAD(&s->sockets->spare, s, link);
}

/* There are as many as connections. */
static struct http_socket *find_socket(const struct http_sockets *sockets, curl_socket_t fd)
{
    struct http_socket *s = LIST_FIRST(&sockets->used);
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
    (void)event_assign(s->event, s->sockets->base, s->fd, events, on_socket_event, s);
    (void)event_add(s->event, NULL);
}

/* Of a connection's socket curl forgets what curl_multi_assign() said, with each exchange; of others (those
 * of its resolver) nobody says when they are closed, so they do not stay. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_sockets *sockets = arg;
    struct http_socket *s = socket_arg != NULL ? socket_arg : find_socket(sockets, fd);
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
        s = take_socket(sockets, fd);
    if (socket_arg == NULL)
        (void)curl_multi_assign(sockets->multi, fd, s);
    s->wanted = true;
    if (s->what != what)
        watch(s, what);
    return 0;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_sockets *sockets = arg;
    (void)purpose;
    if (sockets->private_only && !address_is_private(&address->addr))
        return CURL_SOCKET_BAD;
    curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    struct http_socket *stale = find_socket(sockets, fd);
    if (stale != NULL)
        put_away(stale);
    take_socket(sockets, fd)->is_connection = true;
    return fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct http_socket *s = find_socket(arg, fd);
    if (s != NULL)
        put_away(s);
    return close(fd);
}

static void free_sockets(struct http_socket_list *list)
{
    while (!LIST_EMPTY(list)) {
        struct http_socket *s = LIST_FIRST(list);
        LIST_REMOVE(s, link);
        event_free(s->event);
        free(s);
    }
}

/* ---- set-up ---- */

void http_sockets_init(struct http_sockets *sockets)
{
    LIST_INIT(&sockets->used);
    LIST_INIT(&sockets->spare);
    (void)curl_multi_setopt(sockets->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    (void)curl_multi_setopt(sockets->multi, CURLMOPT_SOCKETDATA, sockets);
}

void http_sockets_attach(struct http_sockets *sockets, CURL *easy)
{
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, sockets);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

void http_sockets_clean_up(struct http_sockets *sockets)
{
    free_sockets(&sockets->used);
    free_sockets(&sockets->spare);
}

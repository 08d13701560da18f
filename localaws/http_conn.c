/* Connections of the HTTP server: their states, output and input; see http_server_internal.h. */
#include "localaws/http_server_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    IN_BYTES_START = 16384,       /* room for any usual request and a few pipelined ones */
    IN_BYTES_KEPT = 262144,       /* a larger buffer is given back once its requests are served */
    OUT_BYTES_HIGH = 1024 * 1024, /* unread replies beyond this stop the serving of the connection */
};

static void conn_set_state(struct http_conn *conn, enum conn_state state)
{
    conn->state = state;
    conn->since_ms = clock_mono_ms();
}

static void watch_read(struct http_conn *conn, bool on)
{
    if (conn->is_read_on == on)
        return;
    conn->is_read_on = on;
    (void)(on ? event_add(conn->readable, NULL) : event_del(conn->readable));
}

static void watch_write(struct http_conn *conn, bool on)
{
    if (conn->is_write_on == on)
        return;
    conn->is_write_on = on;
    (void)(on ? event_add(conn->writable, NULL) : event_del(conn->writable));
}

static void call_later(struct http_server *server)
{
    event_active(server->later, EV_TIMEOUT, 0);
}

void http_conn_close(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    if (conn->state == CONN_DEAD)
        return;
    bool was_serving = conn->state == CONN_SERVING;
    conn_set_state(conn, CONN_DEAD);
    if (was_serving)
        server->handler.on_gone(server->handler.arg, conn);
    watch_read(conn, false);
    watch_write(conn, false);
    (void)close(conn->fd);
    conn->fd = -1;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    server->count--;
    conn->next = server->dead;
    server->dead = conn;
    call_later(server);
}

static void conn_free(struct http_conn *conn)
{
    event_free(conn->readable);
    event_free(conn->writable);
    strbuf_clean_up(&conn->out);
    free(conn->in);
    free(conn);
}

/* ---- output ---- */

static void flush(struct http_conn *conn)
{
    while (conn->sent < conn->out.len) {
        ssize_t n = send(conn->fd, conn->out.data + conn->sent, conn->out.len - conn->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch_write(conn, true);
            return;
        }
        if (n < 0) {
            http_conn_close(conn);
            return;
        }
        conn->sent += (size_t)n;
        conn->since_ms = clock_mono_ms();
    }
    watch_write(conn, false);
    conn->sent = 0;
    if (conn->out.capacity > OUT_BYTES_HIGH)
        strbuf_clean_up(&conn->out);
    else
        strbuf_clear(&conn->out);
    if (conn->state == CONN_ENDING) {
        (void)shutdown(conn->fd, SHUT_WR);
        conn_set_state(conn, CONN_LINGERING);
        watch_read(conn, true);
    }
}

static const char *date_now(struct http_server *server)
{
    time_t now = (time_t)(clock_wall_ms() / 1000); /* real: clients correct their clock's skew by it */
    if (now != server->date_s || server->date[0] == '\0') {
        struct tm parts;
        (void)gmtime_r(&now, &parts);
        (void)strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        server->date_s = now;
    }
    return server->date;
}

static void append_number(struct strbuf *out, size_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    strbuf_append(out, digits + at, sizeof digits - at);
}

/* Written piece by piece: formatting the head by printf costs more than the rest of a small reply. */
static void append_head(struct http_conn *conn, const struct http_reply *reply, bool keep_alive)
{
    struct strbuf *out = &conn->out;
    strbuf_append_str(out, "HTTP/1.1 ");
    append_number(out, (size_t)reply->status);
    strbuf_append_char(out, ' ');
    strbuf_append_str(out, http_status_text(reply->status));
    strbuf_append_str(out, "\r\nDate: ");
    strbuf_append_str(out, date_now(conn->server));
    strbuf_append_str(out, "\r\nContent-Type: ");
    strbuf_append_str(out, reply->content_type);
    strbuf_append_str(out, "\r\nContent-Length: ");
    append_number(out, reply->body_len);
    strbuf_append_str(out, "\r\n");
    if (reply->headers != NULL)
        strbuf_append_str(out, reply->headers);
    if (!keep_alive)
        strbuf_append_str(out, "Connection: close\r\n");
    else if (conn->request.minor_version == 0)
        strbuf_append_str(out, "Connection: keep-alive\r\n");
    strbuf_append(out, "\r\n", 2);
}

static void append_reply(struct http_conn *conn, const struct http_reply *reply, bool keep_alive)
{
    size_t len = reply->truncate_to < reply->body_len ? reply->truncate_to : reply->body_len;
    append_head(conn, reply, keep_alive);
    if (!slice_is(conn->request.method, "HEAD"))
        strbuf_append(&conn->out, reply->body, len);
}

/* Forgets the request in hand; what follows it in the buffer is next. */
static void drop_request(struct http_conn *conn)
{
    conn->start += conn->request_len;
    conn->request_len = 0;
    conn->scanned = conn->head_len = 0;
    conn->has_continued = false;
    conn->data = NULL;
    if (conn->start == conn->end)
        conn->start = conn->end = 0;
}

static void resume_later(struct http_conn *conn)
{
    if (conn->is_resuming)
        return;
    conn->is_resuming = true;
    conn->resume_next = conn->server->resume;
    conn->server->resume = conn;
    call_later(conn->server);
}

void http_reply(struct http_conn *conn, const struct http_reply *reply)
{
    if (conn->state != CONN_SERVING)
        return;
    bool keep_alive = conn->request.keep_alive && reply->truncate_to >= reply->body_len;
    append_reply(conn, reply, keep_alive);
    drop_request(conn);
    conn_set_state(conn, keep_alive ? CONN_READING : CONN_ENDING);
    if (!conn->in_process)
        resume_later(conn);
}

void http_reset(struct http_conn *conn)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (conn->state != CONN_SERVING)
        return;
    conn_set_state(conn, CONN_ENDING); /* the handler knows already: no on_gone */
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    http_conn_close(conn);
}

/* Refuses a request that cannot be read, and ends the connection: what follows cannot be told apart. */
static void refuse(struct http_conn *conn, int status)
{
    char body[96];
    int len = snprintf(body, sizeof body, "{\"message\":\"%s\"}", http_status_text(status));
    struct http_reply reply = HTTP_REPLY_INIT;
    reply.status = status;
    reply.body = body;
    reply.body_len = (size_t)len;
    conn->request.method = (struct slice){NULL, 0}; /* it may be that of the request before */
    append_reply(conn, &reply, false);
    conn_set_state(conn, CONN_ENDING);
    watch_read(conn, false);
}

/* ---- input ---- */

/* Makes room for `len` bytes from `start` on. Never called while a request is being served. */
static void make_room(struct http_conn *conn, size_t len)
{
    if (conn->capacity - conn->start >= len)
        return;
    char *old = conn->in;
    size_t used = conn->end - conn->start;
    if (conn->capacity < len) {
        conn->capacity = len;
        conn->in = xmalloc(len);
        if (old != NULL)
            memcpy(conn->in, old + conn->start, used);
        if (conn->head_len > 0)
            http_request_rebase(&conn->request, old + conn->start, conn->in);
        free(old);
    } else {
        memmove(conn->in, conn->in + conn->start, used);
        if (conn->head_len > 0)
            http_request_rebase(&conn->request, conn->in + conn->start, conn->in);
    }
    conn->start = 0;
    conn->end = used;
}

/* 1: the head is there; 0: not yet; -1: refused. */
static int take_head(struct http_conn *conn)
{
    size_t len = conn->end - conn->start;
    if (conn->head_len > 0)
        return 1;
    while (conn->scanned == 0 && len >= 2 && memcmp(conn->in + conn->start, "\r\n", 2) == 0) {
        conn->start += 2; /* an empty line before a request is to be ignored (RFC 9112, 2.2) */
        len -= 2;
    }
    size_t head_len = http_request_head_len(conn->in + conn->start, len, &conn->scanned);
    if (head_len == 0 && len < HTTP_HEAD_BYTES_MAX)
        return 0;
    int status = head_len == 0 || head_len > HTTP_HEAD_BYTES_MAX
                     ? 431
                     : http_request_parse_head(&conn->request, conn->in + conn->start, head_len);
    if (status != 0) {
        refuse(conn, status);
        return -1;
    }
    conn->head_len = head_len;
    conn->chunks = (struct http_chunks){.in = 0};
    return 1;
}

static void send_continue(struct http_conn *conn)
{
    if (!conn->request.expects_continue || conn->has_continued)
        return;
    conn->has_continued = true;
    strbuf_append_str(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* The same for the body. */
static int take_body(struct http_conn *conn)
{
    struct http_request *request = &conn->request;
    size_t len = conn->end - conn->start - conn->head_len;
    if (!request->is_chunked && len < request->content_length) {
        make_room(conn, conn->head_len + request->content_length);
        send_continue(conn);
        return 0;
    }
    request->body = conn->in + conn->start + conn->head_len;
    request->body_len = request->content_length;
    conn->request_len = conn->head_len + request->content_length;
    if (!request->is_chunked)
        return 1;
    enum http_chunks_result result = http_chunks_feed(&conn->chunks, request->body, len);
    if (result == HTTP_CHUNKS_MORE &&
        len > (size_t)2 * HTTP_BODY_BYTES_MAX) /* mostly chunk headers, or endless trailers */
        result = HTTP_CHUNKS_TOO_LONG;
    if (result == HTTP_CHUNKS_MORE) {
        send_continue(conn);
        return 0;
    }
    if (result != HTTP_CHUNKS_DONE) {
        refuse(conn, result == HTTP_CHUNKS_TOO_LONG ? 413 : 400);
        return -1;
    }
    request->body_len = conn->chunks.out;
    conn->request_len = conn->head_len + conn->chunks.in;
    return 1;
}

static bool is_backed_up(const struct http_conn *conn)
{
    return conn->out.len - conn->sent >= OUT_BYTES_HIGH;
}

/* Serves what has arrived, as long as the replies find room. */
static void serve(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    conn->in_process = true;
    while (conn->state == CONN_READING && conn->start < conn->end && !is_backed_up(conn)) {
        if (take_head(conn) <= 0 || take_body(conn) <= 0)
            break;
        conn_set_state(conn, CONN_SERVING);
        server->handler.on_request(server->handler.arg, conn, &conn->request);
    }
    conn->in_process = false;
}

/* Serves and sends in turn, until there is nothing more to serve or the peer does not take its replies. */
static void process(struct http_conn *conn)
{
    bool was_backed_up = false;
    do {
        serve(conn);
        was_backed_up = is_backed_up(conn);
        if (conn->state != CONN_DEAD)
            flush(conn);
    } while (was_backed_up && conn->state == CONN_READING && !is_backed_up(conn));
    if (conn->state == CONN_READING)
        watch_read(conn, !is_backed_up(conn));
}

/* Bytes that may be read now. While a request is served the buffer must not move: what is left of it then. */
static size_t room_to_read(struct http_conn *conn)
{
    if (conn->state == CONN_READING) {
        size_t used = conn->end - conn->start;
        if (conn->end == 0 && conn->capacity > IN_BYTES_KEPT) {
            free(conn->in);
            conn->in = NULL;
            conn->capacity = 0;
        }
        if (conn->capacity == 0)
            make_room(conn, IN_BYTES_START);
        else if (conn->end == conn->capacity)
            make_room(conn, used < conn->capacity ? conn->capacity : conn->capacity * 2);
    }
    return conn->capacity - conn->end;
}

static void throw_away(struct http_conn *conn)
{
    char bytes[16384];
    ssize_t n = recv(conn->fd, bytes, sizeof bytes, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        http_conn_close(conn);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *conn = arg;
    (void)what;
    if (conn->state == CONN_LINGERING) {
        throw_away(conn);
        return;
    }
    size_t room = room_to_read(conn);
    if (room == 0) { /* a served request fills the buffer; go on when it is answered */
        watch_read(conn, false);
        return;
    }
    ssize_t n = recv(fd, conn->in + conn->end, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n == 0 && conn->state == CONN_READING && conn->out.len > conn->sent) {
        conn_set_state(conn, CONN_ENDING); /* it has shut its side and still reads */
        watch_read(conn, false);
        return;
    }
    if (n <= 0) {
        http_conn_close(conn);
        return;
    }
    if (conn->end == conn->start)
        conn->since_ms = clock_mono_ms(); /* a request begins */
    conn->end += (size_t)n;
    if (conn->state == CONN_READING)
        process(conn);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *conn = arg;
    (void)fd;
    (void)what;
    flush(conn);
    if (conn->state == CONN_READING && !conn->is_write_on)
        process(conn);
}

/* ---- life ---- */

void http_conn_new(struct http_server *server, int fd)
{
    int on = 1;
    struct http_conn *conn = xcalloc(1, sizeof *conn);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->server = server;
    conn->fd = fd;
    conn->readable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_readable, conn);
    conn->writable = event_new(server->base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
    if (conn->readable == NULL || conn->writable == NULL)
        abort();
    conn->next = server->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->conns = conn;
    server->count++;
    conn_set_state(conn, CONN_READING);
    watch_read(conn, true);
}

void http_conn_after_turn(struct http_server *server)
{
    while (server->resume != NULL) {
        struct http_conn *conn = server->resume;
        server->resume = conn->resume_next;
        conn->is_resuming = false;
        if (conn->state == CONN_DEAD)
            continue;
        process(conn);
        if (conn->state == CONN_READING || conn->state == CONN_SERVING)
            watch_read(conn, !is_backed_up(conn));
    }
    while (server->dead != NULL) {
        struct http_conn *conn = server->dead;
        server->dead = conn->next;
        conn_free(conn);
    }
}

void http_conn_set_data(struct http_conn *conn, void *data)
{
    conn->data = data;
}

void *http_conn_data(const struct http_conn *conn)
{
    return conn->data;
}

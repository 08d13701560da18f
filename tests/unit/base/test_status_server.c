/* The HTTP server for status: routes, methods, bodies, the token, and what a client may not use up. */
#include "base/status_server.h"

#include "../unit.h"

#include "base/log.h"
#include "base/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
    struct event_base *base;
    struct status_server *server;
    struct strbuf seen; /* what handlers were given */
};

static void echo(void *arg, const struct status_request *request, struct status_reply *reply)
{
    struct world *world = arg;
    const char *limit = status_request_query(request, "limit");
    const char *custom = status_request_header(request, "x-custom");
    strbuf_appendf(&world->seen, "%d %s rest=%s limit=%s custom=%s type=%s body=%zu:%s\n",
                   (int)request->method, request->path, request->rest, limit != NULL ? limit : "-",
                   custom != NULL ? custom : "-", request->content_type != NULL ? request->content_type : "-",
                   request->body_len, request->body);
    strbuf_append_str(&reply->body, "{\"ok\":1}\n");
}

static void refuse(void *arg, const struct status_request *request, struct status_reply *reply)
{
    (void)arg;
    (void)request;
    strbuf_append_str(&reply->body, "half an answer");
    status_reply_error(reply, 409, "not \"%s\"", "now");
}

static const struct status_route ROUTES[] = {
    {.path = "/v1/status", .fn = echo},
    {.path = "/v1/pause", .fn = echo, .methods = STATUS_POST, .body_max = 10},
    {.path = "/v1/pause", .fn = echo, .methods = STATUS_DELETE},
    {.path = "/v1/fleet/", .fn = echo, .methods = STATUS_GET | STATUS_POST, .body_max = 100},
    {.path = "/v1/refuse", .fn = refuse},
    {.path = NULL},
};

static void set_up(struct world *world, int connections_max, int request_max_real_ms)
{
    struct err err = {""};
    struct status_server_options options = {.name = "test",
                                            .routes = ROUTES,
                                            .arg = world,
                                            .fds_kept_free = 0,
                                            .connections_max = connections_max,
                                            .request_max_real_ms = request_max_real_ms};
    (void)signal(SIGPIPE, SIG_IGN);
    log_init("test", LOG_WARNING, LOG_PLAIN);
    *world = (struct world){.base = loop_base_new(), .seen = STRBUF_INIT};
    world->server = status_server_listen(world->base, "--listen", "127.0.0.1:0", &options, &err);
    ck_assert_msg(world->server != NULL, "%s", err.text);
    ck_assert_int_gt(status_server_port(world->server), 0);
}

static void clean_up(struct world *world)
{
    status_server_destroy(world->server);
    event_base_free(world->base);
    strbuf_clean_up(&world->seen);
}

static int dial(const struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)status_server_port(world->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

/* Turns the loop until the server has hung up; what it sent is in `out`. */
static void read_to_end(struct world *world, int fd, struct strbuf *out)
{
    for (;;) {
        ssize_t got = recv(fd, strbuf_reserve(out, 4096), 4096, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            break;
        if (got > 0) {
            out->len += (size_t)got;
            out->data[out->len] = '\0';
            continue;
        }
        struct pollfd one = {.fd = fd, .events = POLLIN};
        (void)event_base_loop(world->base, EVLOOP_NONBLOCK);
        (void)poll(&one, 1, 1);
    }
    (void)close(fd);
}

/* One request on a connection of its own. Returns the code; the answer is in `out`. */
static int ask(struct world *world, const char *request, struct strbuf *out)
{
    int fd = dial(world);
    int code = 0;
    strbuf_clear(out);
    say(fd, request);
    read_to_end(world, fd, out);
    (void)sscanf(strbuf_str(out), "HTTP/1.%*d %d", &code);
    return code;
}

#define HEAD " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

START_TEST(a_request_reaches_its_route_whole)
{
    static const struct {
        const char *request, *seen;
    } CASES[] = {
        {"GET /v1/status" HEAD "\r\n", "1 /v1/status rest= limit=- custom=- type=- body=0:\n"},
        {"GET /v1/status?limit=%33+4&b=c" HEAD "X-Custom: a b\r\n\r\n",
         "1 /v1/status rest= limit=3 4 custom=a b type=- body=0:\n"},
        {"POST /v1/pause" HEAD "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n0123456789",
         "2 /v1/pause rest= limit=- custom=- type=application/json body=10:0123456789\n"},
        {"POST /v1/pause" HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
         "2 /v1/pause rest= limit=- custom=- type=- body=5:abcde\n"},
        {"DELETE /v1/pause" HEAD "\r\n", "8 /v1/pause rest= limit=- custom=- type=- body=0:\n"},
        {"POST /v1/fleet/or%64ers-1/x" HEAD "Content-Length: 2\r\n\r\nhi",
         "2 /v1/fleet/orders-1/x rest=orders-1/x limit=- custom=- type=- body=2:hi\n"},
    };
    struct world world;
    struct strbuf out = STRBUF_INIT;
    set_up(&world, 0, 0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        strbuf_clear(&world.seen);
        ck_assert_int_eq(ask(&world, CASES[i].request, &out), 200);
        ck_assert_ptr_nonnull(strstr(out.data, "Content-Type: application/json\r\n"));
        ck_assert_ptr_nonnull(strstr(out.data, "\r\n\r\n{\"ok\":1}\n"));
        ck_assert_str_eq(strbuf_str(&world.seen), CASES[i].seen);
    }
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(what_no_route_takes_is_refused_in_json_and_reaches_no_handler)
{
    static const struct {
        const char *request;
        int code;
        const char *part;
    } CASES[] = {
        {"GET /" HEAD "\r\n", 404, "{\"error\":\"no such path\"}\n"},
        {"GET /v1/statu" HEAD "\r\n", 404, "no such path"},
        {"GET /v1/status/" HEAD "\r\n", 404, "no such path"},
        {"GET /v1/fleet/" HEAD "\r\n", 404, "no such path"},
        {"GET /v1/fleet" HEAD "\r\n", 404, "no such path"},
        {"POST /v1/status" HEAD "Content-Length: 0\r\n\r\n", 405, "\r\nAllow: GET\r\n"},
        {"GET /v1/pause" HEAD "\r\n", 405, "\r\nAllow: POST, DELETE\r\n"},
        {"PUT /v1/fleet/a" HEAD "Content-Length: 0\r\n\r\n", 405, "\r\nAllow: GET, POST\r\n"},
        {"OPTIONS /v1/status" HEAD "\r\n", 405, "{\"error\":\"this path takes GET only\"}"},
        {"TRACE /v1/status" HEAD "\r\n", 405, "Allow: GET"},
        {"GET /v1/fleet/a%00b" HEAD "\r\n", 400, "{\"error\":\"the path cannot be read\"}"},
        {"GET /v1/status?limit" HEAD "\r\n", 400, "{\"error\":\"the query must be name=value&...\"}"},
        {"POST /v1/pause" HEAD "Content-Length: 11\r\n\r\n01234567890", 413,
         "{\"error\":\"the body has 11 bytes, 10 are allowed\"}"},
        {"GET /v1/status" HEAD "Content-Length: 1\r\n\r\nx", 413, "the body has 1 bytes, 0 are allowed"},
        {"POST /v1/pause" HEAD "Content-Length: 99999999999\r\n\r\n", 413, ""},
    };
    struct world world;
    struct strbuf out = STRBUF_INIT;
    set_up(&world, 0, 0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ck_assert_msg(ask(&world, CASES[i].request, &out) == CASES[i].code, "%s: %s", CASES[i].request,
                      out.data);
        ck_assert_msg(strstr(out.data, CASES[i].part) != NULL, "%s: %s", CASES[i].request, out.data);
    }
    ck_assert_str_eq(strbuf_str(&world.seen), "");
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(a_handlers_error_replaces_what_it_had_written)
{
    struct world world;
    struct strbuf out = STRBUF_INIT;
    set_up(&world, 0, 0);
    ck_assert_int_eq(ask(&world, "GET /v1/refuse" HEAD "\r\n", &out), 409);
    ck_assert_ptr_nonnull(strstr(out.data, "\r\n\r\n{\"error\":\"not \\\"now\\\"\"}\n"));
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(head_is_answered_without_the_body)
{
    struct world world;
    struct strbuf out = STRBUF_INIT;
    set_up(&world, 0, 0);
    ck_assert_int_eq(ask(&world, "HEAD /v1/status" HEAD "\r\n", &out), 200);
    ck_assert_ptr_null(strstr(out.data, "ok"));
    ck_assert_ptr_nonnull(strstr(out.data, "Content-Length: 9\r\n"));
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(a_head_without_end_is_cut_off)
{
    struct world world;
    struct strbuf out = STRBUF_INIT;
    struct strbuf request = STRBUF_INIT;
    set_up(&world, 0, 0);
    strbuf_append_str(&request, "GET /v1/status" HEAD);
    for (int i = 0; i < 1000; i++)
        strbuf_appendf(&request, "X-Header-%d: value\r\n", i);
    strbuf_append_str(&request, "\r\n");
    ck_assert_int_ne(ask(&world, request.data, &out), 200);
    ck_assert_str_eq(strbuf_str(&world.seen), "");
    strbuf_clean_up(&request);
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(a_token_opens_and_nothing_else_does)
{
    static const struct {
        const char *header;
        bool opens;
    } CASES[] = {{"Authorization: Bearer secret-1\r\n", true},
                 {"authorization: bearer  secret-1\r\n", true},
                 {"", false},
                 {"Authorization: Bearer secret-2\r\n", false},
                 {"Authorization: Bearer secret-\r\n", false},
                 {"Authorization: Bearer secret-12\r\n", false},
                 {"Authorization: Bearer tecret-1\r\n", false},
                 {"Authorization: Bearer \r\n", false},
                 {"Authorization: Basic secret-1\r\n", false},
                 {"Authorization: secret-1\r\n", false},
                 {"X-Authorization: Bearer secret-1\r\n", false}};
    struct world world;
    struct strbuf out = STRBUF_INIT;
    char request[200];
    set_up(&world, 0, 0);
    status_server_set_token(world.server, "secret-1");
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        (void)snprintf(request, sizeof request, "GET /v1/status" HEAD "%s\r\n", CASES[i].header);
        ck_assert_msg(ask(&world, request, &out) == (CASES[i].opens ? 200 : 401), "%s: %s", request,
                      out.data);
        ck_assert((strstr(out.data, "WWW-Authenticate: Bearer\r\n") == NULL) == CASES[i].opens);
    }
    /* Who has no token is not told which paths there are. */
    ck_assert_int_eq(ask(&world, "GET /nowhere" HEAD "\r\n", &out), 401);
    status_server_set_token(world.server, "other");
    ck_assert_int_eq(ask(&world, "GET /v1/status" HEAD "Authorization: Bearer secret-1\r\n\r\n", &out), 401);
    status_server_set_token(world.server, NULL);
    ck_assert_int_eq(ask(&world, "GET /v1/status" HEAD "\r\n", &out), 200);
    ck_assert(!status_token_matches("Bearer ", ""));
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(the_connections_beyond_the_limit_wait_and_then_have_their_turn)
{
    enum { OPEN = 5, MAX = 3 };
    struct world world;
    struct strbuf out = STRBUF_INIT;
    int fds[OPEN];
    set_up(&world, MAX, 0);
    for (int i = 0; i < OPEN; i++)
        fds[i] = dial(&world);
    while (status_server_connections(world.server) < MAX)
        (void)event_base_loop(world.base, EVLOOP_ONCE);
    for (int i = 0; i < 20; i++)
        (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
    ck_assert_int_eq(status_server_connections(world.server), MAX);
    /* All five get their answers, whoever is asked first: the ones that were taken make room. */
    for (int i = 0; i < OPEN; i++) {
        strbuf_clear(&out);
        say(fds[i], "GET /v1/status" HEAD "\r\n");
        read_to_end(&world, fds[i], &out);
        ck_assert_ptr_nonnull(strstr(strbuf_str(&out), "200 OK"));
        ck_assert_int_le(status_server_connections(world.server), MAX);
    }
    while (status_server_connections(world.server) > 0)
        (void)event_base_loop(world.base, EVLOOP_ONCE);
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(who_sends_a_request_drop_by_drop_is_hung_up_on)
{
    struct world world;
    struct strbuf out = STRBUF_INIT;
    set_up(&world, 0, 200);
    int silent = dial(&world);
    int dripping = dial(&world);
    bool dropped = false;
    /* A byte now and then must not keep it open: it ends while bytes still come. */
    while (!dropped) {
        dropped = send(dripping, "G", 1, MSG_NOSIGNAL) < 0;
        struct pollfd one = {.fd = dripping, .events = POLLIN};
        (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
        dropped = dropped || (poll(&one, 1, 5) == 1 && recv(dripping, &(char){0}, 1, 0) <= 0);
    }
    (void)close(dripping);
    read_to_end(&world, silent, &out);
    ck_assert_str_eq(strbuf_str(&out), "");
    while (status_server_connections(world.server) > 0)
        (void)event_base_loop(world.base, EVLOOP_ONCE);
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(a_connection_takes_one_request_after_the_other)
{
    struct world world;
    struct strbuf out = STRBUF_INIT;
    set_up(&world, 0, 0);
    int fd = dial(&world);
    say(fd, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n");
    say(fd, "POST /v1/fleet/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz");
    say(fd, "GET /v1/status" HEAD "\r\n");
    read_to_end(&world, fd, &out);
    ck_assert_str_eq(strbuf_str(&world.seen), "1 /v1/status rest= limit=- custom=- type=- body=0:\n"
                                              "2 /v1/fleet/a rest=a limit=- custom=- type=- body=1:z\n"
                                              "1 /v1/status rest= limit=- custom=- type=- body=0:\n");
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(a_server_ends_with_connections_open)
{
    struct world world;
    set_up(&world, 0, 0);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(&world);
        say(fds[i], "GET /v1/sta");
    }
    while (status_server_connections(world.server) < 3)
        (void)event_base_loop(world.base, EVLOOP_ONCE);
    status_server_destroy(world.server);
    (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
    world.server = NULL;
    clean_up(&world);
    for (int i = 0; i < 3; i++)
        (void)close(fds[i]);
}
END_TEST

static void count_byte(evutil_socket_t fd, short what, void *arg)
{
    char byte = 0;
    (void)what;
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    ++*(int *)arg;
}

/* The numbers of closed connections are given to others of the program: those must be heard. */
START_TEST(a_connection_that_ended_takes_nothing_from_the_next_owner_of_its_number)
{
    enum { ENDS = 8 };
    struct world world;
    struct strbuf out = STRBUF_INIT;
    int ends[ENDS];
    struct event *events[ENDS];
    int heard = 0;
    set_up(&world, 0, 0);
    for (int i = 0; i < ENDS; i += 2) {
        ck_assert_int_eq(ask(&world, "GET /v1/status" HEAD "\r\n", &out), 200);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, &ends[i]), 0);
        for (int j = i; j < i + 2; j++) {
            events[j] = event_new(world.base, ends[j], EV_READ | EV_PERSIST, count_byte, &heard);
            ck_assert_int_eq(event_add(events[j], NULL), 0);
        }
    }
    (void)ask(&world, "GET /v1/status" HEAD "\r\n",
              &out); /* whatever is still known of those before is forgotten now */
    for (int i = 0; i < ENDS; i++)
        ck_assert_int_eq(write(ends[i], "x", 1), 1);
    for (int turn = 0; turn < 100 && heard < ENDS; turn++)
        (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
    ck_assert_int_eq(heard, ENDS);
    for (int i = 0; i < ENDS; i++) {
        event_free(events[i]);
        (void)close(ends[i]);
    }
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(a_server_that_only_reads_knows_no_other_routes)
{
    struct world world = {.base = loop_base_new(), .seen = STRBUF_INIT};
    struct status_server_options options = {
        .name = "test", .routes = ROUTES, .arg = &world, .read_only = true};
    struct strbuf out = STRBUF_INIT;
    struct err err = {""};
    world.server = status_server_listen(world.base, "--listen", "127.0.0.1:0", &options, &err);
    ck_assert_int_eq(ask(&world, "POST /v1/pause" HEAD "Content-Length: 2\r\n\r\nhi", &out), 404);
    ck_assert_int_eq(ask(&world, "DELETE /v1/pause" HEAD "\r\n", &out), 404);
    ck_assert_int_eq(ask(&world, "POST /v1/fleet/a" HEAD "Content-Length: 2\r\n\r\nhi", &out), 405);
    ck_assert_ptr_nonnull(strstr(out.data, "\r\nAllow: GET\r\n"));
    ck_assert_str_eq(strbuf_str(&world.seen), "");
    ck_assert_int_eq(ask(&world, "GET /v1/fleet/a" HEAD "\r\n", &out), 200);
    ck_assert_int_eq(ask(&world, "GET /v1/status" HEAD "\r\n", &out), 200);
    strbuf_clean_up(&out);
    clean_up(&world);
}
END_TEST

START_TEST(a_bad_address_names_its_option)
{
    struct event_base *base = loop_base_new();
    struct status_server_options options = {.name = "test", .routes = ROUTES};
    struct err err = {""};
    ck_assert_ptr_null(status_server_listen(base, "admin.listen", "nowhere:1", &options, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "admin.listen"));
    event_base_free(base);
}
END_TEST

UNIT_MAIN("status_server", a_request_reaches_its_route_whole,
          what_no_route_takes_is_refused_in_json_and_reaches_no_handler,
          a_handlers_error_replaces_what_it_had_written, head_is_answered_without_the_body,
          a_head_without_end_is_cut_off, a_token_opens_and_nothing_else_does,
          the_connections_beyond_the_limit_wait_and_then_have_their_turn,
          who_sends_a_request_drop_by_drop_is_hung_up_on, a_connection_takes_one_request_after_the_other,
          a_server_ends_with_connections_open,
          a_connection_that_ended_takes_nothing_from_the_next_owner_of_its_number,
          a_server_that_only_reads_knows_no_other_routes, a_bad_address_names_its_option)

/* A connection of the http handler against a server of a few lines in this process: kept, closed, cancelled.
 */
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "worker/http_slot.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/* What the server does with its n-th request: a reply to send, NULL: hang until the client leaves. After
 * CLOSE the connection is closed without a reply. */
static const char CLOSE[] = "";
static const char *const *g_script;
static atomic_int g_requests, g_connections, g_left;
static int g_listen_fd;
static char g_url[64];

/* ---- the server ---- */

static bool read_request(int fd)
{
    char buffer[4096];
    size_t used = 0;
    while (used < sizeof buffer - 1) {
        ssize_t n = read(fd, buffer + used, sizeof buffer - 1 - used);
        if (n <= 0)
            return false;
        used += (size_t)n;
        buffer[used] = '\0';
        const char *end = strstr(buffer, "\r\n\r\n");
        if (end != NULL && strcmp(end + 4, "body") == 0)
            return true;
    }
    return false;
}

static void serve(int fd)
{
    while (read_request(fd)) {
        const char *reply = g_script[atomic_fetch_add(&g_requests, 1)];
        char byte;
        if (reply == CLOSE)
            return;
        if (reply == NULL) {
            while (read(fd, &byte, 1) > 0)
                continue;
            atomic_fetch_add(&g_left, 1);
            return;
        }
        if (write(fd, reply, strlen(reply)) < 0)
            return;
    }
}

static void *server_main(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(g_listen_fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        atomic_fetch_add(&g_connections, 1);
        serve(fd);
        (void)close(fd);
    }
}

static pthread_t start_server(const char *const *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    pthread_t thread;
    g_script = script;
    atomic_store(&g_requests, 0);
    atomic_store(&g_connections, 0);
    atomic_store(&g_left, 0);
    g_listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(g_listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(g_listen_fd, 16), 0);
    ck_assert_int_eq(getsockname(g_listen_fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(g_url, sizeof g_url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&thread, NULL, server_main, NULL), 0);
    return thread;
}

static void stop_server(pthread_t thread)
{
    (void)shutdown(g_listen_fd, SHUT_RDWR);
    (void)pthread_join(thread, NULL);
    (void)close(g_listen_fd);
}

/* ---- a message's context ---- */

static int g_cancel_fd = -1;
static atomic_bool g_lost;

static bool lease_lost(const struct sluice_context *context)
{
    (void)context;
    return atomic_load(&g_lost);
}

static int cancel_fd(const struct sluice_context *context)
{
    (void)context;
    return g_cancel_fd;
}

static const struct sluice_context CONTEXT = {.lease_lost = lease_lost, .cancel_fd = cancel_fd};

static struct http_target g_target;
static struct http_slot_options g_options;

static struct http_slot *open_slot(void)
{
    struct err err;
    ck_assert_int_eq(clock_init_from(NULL, &err), 0);
    ck_assert_int_eq(http_target_parse(g_url, &g_target, &err), 0);
    g_options = (struct http_slot_options){.target = &g_target,
                                           .user_agent = "test",
                                           .proxy = "",
                                           .timeout_ms = 60000,
                                           .connect_timeout_ms = 60000,
                                           .connect_pause_ms = 1};
    atomic_store(&g_lost, false);
    return http_slot_new(&g_options);
}

static void close_slot(struct http_slot *slot)
{
    http_slot_destroy(slot);
    http_target_clean_up(&g_target);
}

static struct http_result post(struct http_slot *slot)
{
    struct http_result result;
    http_slot_post(slot, g_url, NULL, "body", 4, &CONTEXT, &result);
    return result;
}

/* ---- tests ---- */

START_TEST(a_connection_is_kept)
{
    pthread_t server = start_server((const char *const[]){OK, OK, OK});
    struct http_slot *slot = open_slot();
    for (int i = 0; i < 3; i++) {
        struct http_result result = post(slot);
        ck_assert_msg(result.end == HTTP_END_ANSWERED, "%s", result.problem);
        ck_assert_int_eq(result.status, 200);
    }
    ck_assert_int_eq(atomic_load(&g_connections), 1);
    close_slot(slot);
    stop_server(server);
}
END_TEST

START_TEST(a_request_that_a_kept_connection_took_with_it_is_not_repeated)
{
    pthread_t server = start_server((const char *const[]){OK, CLOSE, OK});
    struct http_slot *slot = open_slot();
    ck_assert_int_eq(post(slot).end, HTTP_END_ANSWERED);
    struct http_result result = post(slot);
    ck_assert_int_eq(result.end, HTTP_END_LOST);
    ck_assert_msg(strstr(result.problem, "kept connection") != NULL, "%s", result.problem);
    ck_assert_int_eq(atomic_load(&g_requests), 2);
    ck_assert_int_eq(post(slot).end, HTTP_END_ANSWERED);
    close_slot(slot);
    stop_server(server);
}
END_TEST

START_TEST(ends_by_table)
{
    static const struct {
        const char *reply;
        enum http_end want;
    } ROWS[] = {
        {"HTTP/1.1 500 x\r\nContent-Length: 1\r\n\r\nx", HTTP_END_ANSWERED},
        {"HTTP/1.1 302 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", HTTP_END_ANSWERED},
        {CLOSE, HTTP_END_LOST},
        {"nonsense\r\n\r\n", HTTP_END_LOST},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        pthread_t server = start_server((const char *const[]){ROWS[i].reply, OK});
        struct http_slot *slot = open_slot();
        struct http_result result = post(slot);
        ck_assert_msg(result.end == ROWS[i].want, "row %zu: %d %s", i, result.end, result.problem);
        ck_assert_int_eq(atomic_load(&g_requests), 1);
        close_slot(slot);
        stop_server(server);
    }
}
END_TEST

START_TEST(where_nobody_listens_nothing_was_sent)
{
    pthread_t server = start_server((const char *const[]){OK});
    struct http_slot *slot = open_slot();
    stop_server(server);
    g_options.connect_timeout_ms = 20;
    struct http_result result = post(slot);
    ck_assert_int_eq(result.end, HTTP_END_UNSENT);
    ck_assert_msg(strstr(result.problem, "no connection") != NULL, "%s", result.problem);
    close_slot(slot);
}
END_TEST

static void *cancel_when_requested(void *arg)
{
    uint64_t one = 1;
    while (atomic_load(&g_requests) == 0)
        (void)usleep(1000); /* until the request is there; a hang is ctest's to see */
    /* A false alarm first: the descriptor is readable, the lease is not lost. */
    ck_assert_int_eq(write(g_cancel_fd, &one, sizeof one), sizeof one);
    (void)usleep(1000);
    atomic_store(&g_lost, true);
    return arg;
}

START_TEST(a_cancelled_request_is_closed_at_once)
{
    pthread_t canceller;
    pthread_t server = start_server((const char *const[]){NULL, OK});
    struct http_slot *slot = open_slot();
    g_cancel_fd = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_eq(pthread_create(&canceller, NULL, cancel_when_requested, NULL), 0);
    ck_assert_int_eq(post(slot).end, HTTP_END_CANCELLED);
    (void)pthread_join(canceller, NULL);
    while (atomic_load(&g_left) == 0)
        (void)usleep(1000); /* the server has seen it; a hang is ctest's to see */
    (void)close(g_cancel_fd);
    g_cancel_fd = -1;
    atomic_store(&g_lost, false);
    ck_assert_int_eq(post(slot).end, HTTP_END_ANSWERED);
    close_slot(slot);
    stop_server(server);
}
END_TEST

START_TEST(waiting_for_a_listener_ends_when_cancelled)
{
    pthread_t server = start_server((const char *const[]){OK});
    struct http_slot *slot = open_slot();
    stop_server(server);
    atomic_store(&g_lost, true);
    ck_assert_int_eq(post(slot).end, HTTP_END_CANCELLED);
    close_slot(slot);
}
END_TEST

UNIT_MAIN("http_slot", a_connection_is_kept, a_request_that_a_kept_connection_took_with_it_is_not_repeated,
          ends_by_table, where_nobody_listens_nothing_was_sent, a_cancelled_request_is_closed_at_once,
          waiting_for_a_listener_ends_when_cancelled)

/* Asks the supervisor's admin socket for its status; see demo_status.h. */
#include "supervisor/demo_status.h"

#include "base/alloc.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TIMEOUT_REAL_MS = 2000, REPLY_MAX_BYTES = 8 * 1024 * 1024 };

static const char REQUEST[] = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* ---- reading ---- */

static enum demo_worker_state state_of(const char *name)
{
    if (name != NULL && strcmp(name, "ready") == 0)
        return DEMO_WORKER_READY;
    if (name != NULL && (strcmp(name, "starting") == 0 || strcmp(name, "new") == 0))
        return DEMO_WORKER_STARTING;
    return DEMO_WORKER_DRAINING;
}

static int64_t integer_or(const json_t *json, int64_t otherwise)
{
    return json_is_integer(json) ? json_integer_value(json) : otherwise;
}

static void read_workers(const json_t *workers, struct demo_status_report *report)
{
    size_t i;
    const json_t *worker;

    report->workers = xcalloc(json_array_size(workers) + 1, sizeof *report->workers);
    json_array_foreach(workers, i, worker)
    {
        int64_t pid = integer_or(json_object_get(worker, "pid"), 0);
        if (pid <= 0)
            continue;
        report->workers[report->worker_count++] = (struct demo_status_worker){
            .pid = (pid_t)pid,
            .state = state_of(json_string_value(json_object_get(worker, "state"))),
            .busy = integer_or(json_object_get(worker, "busy"), 0),
            .start_ready_ms = integer_or(json_object_get(worker, "start_ready_ms"), -1),
        };
    }
}

static void read_words(const json_t *decision, char *out, size_t size)
{
    const char *words = json_string_value(json_object_get(decision, "text"));

    (void)snprintf(out, size, "%s", words != NULL ? words : "");
}

int demo_status_parse(const char *json, size_t len, struct demo_status_report *ret_report, struct err *err)
{
    struct demo_status_report report = {.desired = -1};
    json_error_t error;
    json_t *root = json_loadb(json, len, 0, &error);
    const json_t *fleet = json_array_get(json_object_get(root, "fleets"), 0);

    if (root == NULL)
        return err_set(err, "status: no JSON: %s", error.text);
    if (!json_is_object(fleet)) {
        json_decref(root);
        return err_set(err, "status: no fleet in it");
    }
    const json_t *change = json_object_get(fleet, "last_change");
    read_words(json_object_get(fleet, "last_decision"), report.decision, sizeof report.decision);
    read_words(change, report.change, sizeof report.change);
    report.change_seq = integer_or(json_object_get(json_object_get(change, "record"), "seq"), 0);
    report.restarts = integer_or(json_object_get(fleet, "restarts"), 0);
    report.reporting =
        integer_or(json_object_get(json_object_get(fleet, "telemetry"), "workers_reporting"), 0);
    report.desired = integer_or(json_object_get(fleet, "desired"), -1);
    read_workers(json_object_get(fleet, "workers"), &report);
    json_decref(root);
    *ret_report = report;
    return 0;
}

void demo_status_report_clean_up(struct demo_status_report *report)
{
    free(report->workers);
    *report = (struct demo_status_report){.desired = -1};
}

/* ---- asking ---- */

static void finish(struct demo_status *status, const struct demo_status_report *report, const struct err *err)
{
    if (status->wire != NULL)
        bufferevent_free(status->wire);
    status->wire = NULL;
    loop_timer_cancel(&status->timeout);
    status->fn(status->arg, report, err);
}

static void fail(struct demo_status *status, const char *why)
{
    struct err err = {.text = ""};

    (void)err_set(&err, "%s: %s", status->socket_path, why);
    finish(status, NULL, &err);
}

static void take_reply(struct demo_status *status)
{
    struct demo_status_report report = {.desired = -1};
    struct err err = {.text = ""};
    const char *text = strbuf_str(&status->reply);
    const char *body = strstr(text, "\r\n\r\n");

    if (strncmp(text, "HTTP/1.1 200 ", 13) != 0 || body == NULL) {
        fail(status, "no answer with status 200");
        return;
    }
    body += 4;
    if (demo_status_parse(body, status->reply.len - (size_t)(body - text), &report, &err) != 0) {
        finish(status, NULL, &err);
        return;
    }
    finish(status, &report, NULL);
    demo_status_report_clean_up(&report);
}

static void on_read(struct bufferevent *wire, void *arg)
{
    struct demo_status *status = arg;
    struct evbuffer *input = bufferevent_get_input(wire);
    size_t len = evbuffer_get_length(input);

    if (status->reply.len + len > REPLY_MAX_BYTES) {
        fail(status, "answer too long");
        return;
    }
    (void)evbuffer_remove(input, strbuf_reserve(&status->reply, len), len);
    status->reply.len += len;
    status->reply.data[status->reply.len] = '\0';
}

static void on_event(struct bufferevent *wire, short what, void *arg)
{
    struct demo_status *status = arg;

    (void)wire;
    if ((what & BEV_EVENT_EOF) != 0)
        take_reply(status);
    else if ((what & BEV_EVENT_ERROR) != 0)
        fail(status, strerror(errno));
}

static void on_timeout(void *arg)
{
    struct demo_status *status = arg;

    if (status->wire == NULL) {
        struct err err = {.text = ""};
        (void)err_set(&err, "%s: nobody listens", status->socket_path);
        finish(status, NULL, &err);
        return;
    }
    fail(status, "no answer in time");
}

/* A connected socket, or -1. Connecting to a local socket does not wait unless its backlog is full; then it
 * fails. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

void demo_status_init(struct demo_status *status, struct event_base *base, const char *socket_path)
{
    *status = (struct demo_status){.base = base, .socket_path = xstrdup(socket_path)};
    loop_timer_init(&status->timeout, base, on_timeout, status);
}

void demo_status_clean_up(struct demo_status *status)
{
    if (status->wire != NULL)
        bufferevent_free(status->wire);
    loop_timer_clean_up(&status->timeout);
    strbuf_clean_up(&status->reply);
    free(status->socket_path);
    *status = (struct demo_status){.base = NULL};
}

void demo_status_get(struct demo_status *status,
                     void (*fn)(void *arg, const struct demo_status_report *report, const struct err *err),
                     void *arg)
{
    int fd = connect_to(status->socket_path);

    status->fn = fn;
    status->arg = arg;
    strbuf_clear(&status->reply);
    if (fd < 0) {
        loop_timer_arm_real_ms(&status->timeout, 0);
        return;
    }
    status->wire = bufferevent_socket_new(status->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (status->wire == NULL)
        abort();
    bufferevent_setcb(status->wire, on_read, NULL, on_event, status);
    (void)bufferevent_write(status->wire, REQUEST, sizeof REQUEST - 1);
    (void)bufferevent_enable(status->wire, EV_READ | EV_WRITE);
    loop_timer_arm_real_ms(&status->timeout, TIMEOUT_REAL_MS);
}

void demo_status_cancel(struct demo_status *status)
{
    if (status->wire != NULL)
        bufferevent_free(status->wire);
    status->wire = NULL;
    loop_timer_cancel(&status->timeout);
}

/* The control loop of one fleet against an endpoint in the same event loop: what is on disk when a decision
 * is made. */
#include "tests/unit/unit.h"

#include "aws/client.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/call_gate.h"
#include "supervisor/config.h"
#include "supervisor/fleet_control.h"
#include "supervisor/fleet_polls.h"
#include "supervisor/health.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char g_dir[64];
static struct event_base *g_base;
static struct evhttp *g_http;
static struct reaper *g_reaper;
static struct orphans *g_orphans;
static struct aws_client *g_client;
static struct call_gate *g_gate;
static struct polls_shared g_polls;
static struct config g_config;
static int g_visible;
static bool g_empty;
static bool g_is_shared;         /* the state is kept by keep_state() below */
static const char *g_keep_error; /* what it answers */

static void on_request(struct evhttp_request *request, void *arg)
{
    struct evbuffer *body = evbuffer_new();
    (void)arg;
    (void)evbuffer_add_printf(body,
                              "{\"Attributes\":{\"ApproximateNumberOfMessages\":\"%d\","
                              "\"ApproximateNumberOfMessagesNotVisible\":\"0\","
                              "\"ApproximateNumberOfMessagesDelayed\":\"0\"}}",
                              g_visible);
    evhttp_send_reply(request, 200, "OK", body);
    evbuffer_free(body);
}

static const char *keep_state(void *arg, const struct config_fleet *fleet, const char *text)
{
    (void)arg;
    ck_assert_str_eq(fleet->name, "orders");
    ck_assert_ptr_nonnull(strstr(text, "desired"));
    return g_keep_error;
}

static void on_empty(void *arg)
{
    (void)arg;
    g_empty = true;
}

static char *path_of(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", g_dir, name);
    return path;
}

static const char *g_more = ""; /* members of the configuration file besides */

static void make_config(int port)
{
    struct err err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    strbuf_appendf(&text,
                   "{\"region\":\"us-west-2\",\"state_dir\":\"%s\",\"endpoint_url\":\"http://127.0.0.1:%d\","
                   "%s\"fleets\":[{\"name\":\"orders\",\"queue\":{\"url\":\"http://127.0.0.1:%d/1/orders\","
                   "\"poll\":\"200ms\"},\"capacity\":{\"min\":2,\"max\":6},"
                   "\"fleet\":{\"command\":[\"sleep\",\"600\"],\"telemetry\":\"none\"}}]}",
                   g_dir, port, g_more, port);
    ck_assert_msg(config_parse("f.json", text.data, text.len, &g_config, &err) == 0, "%s", err.text);
    strbuf_clean_up(&text);
}

static struct fleet_control *make_control(void)
{
    struct err err = {.text = ""};
    ck_assert_int_eq(clock_init_from(NULL, NULL), 0);
    log_init("test", LOG_LEVEL_MAX, LOG_PLAIN);
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    (void)snprintf(g_dir, sizeof g_dir, "/tmp/sluice-control-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(g_dir));
    ck_assert_int_eq(mkdir(path_of("workers"), 0700), 0);
    g_base = loop_base_new();
    g_http = evhttp_new(g_base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(g_http, "127.0.0.1", 0);
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    ck_assert_ptr_nonnull(bound);
    ck_assert_int_eq(
        getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)(void *)&address, &len), 0);
    evhttp_set_allowed_methods(g_http, EVHTTP_REQ_POST);
    evhttp_set_gencb(g_http, on_request, NULL);
    make_config(ntohs(((struct sockaddr_in *)(void *)&address)->sin_port));
    g_reaper = reaper_new(g_base);
    g_orphans = orphans_new(g_base, g_dir);
    struct aws_client_options client = {
        .base = g_base, .region = g_config.region, .endpoint_url = g_config.endpoint_url};
    g_client = aws_client_new(&client, &err);
    ck_assert_msg(g_client != NULL, "%s", err.text);
    g_empty = false;
    g_gate = call_gate_new(&(struct call_gate_options){.base = g_base});
    polls_shared_init(&g_polls, &g_config, clock_product_ms());
    struct fleet_control_options options = {.base = g_base,
                                            .reaper = g_reaper,
                                            .orphans = g_orphans,
                                            .client = g_client,
                                            .gate = g_gate,
                                            .polls = &g_polls,
                                            .config = &g_config,
                                            .fleet = &g_config.fleets[0],
                                            .seed = 1,
                                            .keep_state = g_is_shared ? keep_state : NULL,
                                            .keep_every_ms = 3600000,
                                            .on_empty = on_empty};
    return fleet_control_new(&options);
}

static json_t *status_of(const struct fleet_control *control)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    fleet_control_write_status(control, clock_product_ms(), &w);
    json_t *status = json_loads(strbuf_str(&text), 0, NULL);
    ck_assert_ptr_nonnull(status);
    strbuf_clean_up(&text);
    return status;
}

static json_int_t count_of(const struct fleet_control *control, const char *name)
{
    json_t *status = status_of(control);
    json_int_t value = json_integer_value(json_object_get(status, name));
    json_decref(status);
    return value;
}

static json_int_t saved_desired(void)
{
    json_t *state = json_load_file(path_of("orders.state.json"), 0, NULL);
    json_int_t desired = json_integer_value(json_object_get(state, "desired"));
    json_decref(state);
    return desired;
}

/* Until a count is reached, or a minute is over: a guard against hanging. */
static void turn_until(const struct fleet_control *control, const char *name, json_int_t least)
{
    for (int i = 0; i < 30000 && count_of(control, name) < least; i++) {
        (void)event_base_loop(g_base, EVLOOP_NONBLOCK);
        (void)usleep(2000);
    }
    ck_assert_int_ge(count_of(control, name), least);
}

static void end(struct fleet_control *control)
{
    fleet_control_stop(control);
    fleet_control_hurry(control);
    for (int i = 0; i < 30000 && !g_empty; i++) {
        (void)event_base_loop(g_base, EVLOOP_NONBLOCK);
        (void)usleep(2000);
    }
    ck_assert(g_empty);
    fleet_control_destroy(control);
    call_gate_destroy(g_gate);
    polls_shared_clean_up(&g_polls);
    aws_client_destroy(g_client);
    orphans_destroy(g_orphans);
    reaper_destroy(g_reaper);
    evhttp_free(g_http);
    event_base_free(g_base);
    config_clean_up(&g_config);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", g_dir);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(what_was_decided_is_on_disk_at_once)
{
    struct fleet_control *control = make_control();
    g_visible = 0;
    fleet_control_start(control, NULL);
    ck_assert_int_eq(saved_desired(), 2);
    turn_until(control, "decisions", 2);
    g_visible = 700;
    turn_until(control, "changes", 1);
    ck_assert_int_eq(count_of(control, "desired"), 6);
    ck_assert_int_eq(saved_desired(), 6);
    end(control);
}
END_TEST

START_TEST(a_bad_state_that_cannot_be_put_aside_is_left_alone)
{
    struct fleet_control *control = make_control();
    ck_assert_int_eq(file_write_atomic(path_of("orders.state.json"), "{", 1, 0600, NULL), 0);
    ck_assert_int_eq(mkdir(path_of("orders.state.json.bad"), 0700), 0);
    g_visible = 700;
    fleet_control_start(control, NULL);
    turn_until(control, "changes", 1);
    struct strbuf text = STRBUF_INIT;
    ck_assert_int_eq(file_read(path_of("orders.state.json"), 100, &text, NULL), 0);
    ck_assert_str_eq(text.data, "{");
    strbuf_clean_up(&text);
    json_t *status = status_of(control);
    json_t *state = json_object_get(status, "state_file");
    ck_assert_int_gt(json_integer_value(json_object_get(state, "failures")), 0);
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(state, "last_error")), "rename to "));
    json_decref(status);
    end(control);
}
END_TEST

START_TEST(a_disowned_state_folder_is_left_alone_and_a_renewed_one_filled)
{
    struct fleet_control *control = make_control();
    g_visible = 0;
    fleet_control_start(control, NULL);
    turn_until(control, "decisions", 1);
    ck_assert_int_eq(unlink(path_of("orders.state.json")), 0);
    ck_assert_int_eq(unlink(path_of("workers/orders-1.json")), 0);
    fleet_control_renew_files(control);
    ck_assert_int_eq(saved_desired(), 2);
    ck_assert_int_eq(access(path_of("workers/orders-1.json"), F_OK), 0);
    fleet_control_disown(control);
    ck_assert_int_eq(unlink(path_of("orders.state.json")), 0);
    ck_assert_int_eq(unlink(path_of("orders.journal.jsonl")), 0);
    g_visible = 700;
    turn_until(control, "changes", 1);
    ck_assert_int_ne(access(path_of("orders.state.json"), F_OK), 0);
    ck_assert_int_ne(access(path_of("orders.journal.jsonl"), F_OK), 0);
    ck_assert_int_eq(access(path_of("workers/orders-1.json"), F_OK), 0);
    end(control);
}
END_TEST

static int64_t poll_interval_ms(const struct fleet_control *control)
{
    json_t *status = status_of(control);
    int64_t ms = json_integer_value(json_object_get(json_object_get(status, "polling"), "interval_ms"));
    json_decref(status);
    return ms;
}

/* A budget makes the interval fifty times as long from one poll to the next. What is due later is not late.
 */
START_TEST(data_is_fresh_until_the_next_poll_though_polls_are_few)
{
    g_more = "\"api_budget\":{\"calls_per_minute\":1},";
    struct fleet_control *control = make_control();
    struct fleet_facts facts;
    g_more = "";
    g_visible = 0;
    fleet_control_start(control, NULL);
    turn_until(control, "decisions", 1);
    while (poll_interval_ms(control) < 4000)
        turn_until(control, "decisions", count_of(control, "decisions") + 1);
    int64_t interval_ms = poll_interval_ms(control);
    ck_assert_int_ge(interval_ms, 4000);
    int64_t now_ms = clock_product_ms();
    fleet_control_get_facts(control, now_ms + interval_ms, &facts);
    ck_assert_int_ge(facts.data_age_ms, interval_ms);
    ck_assert(health_fleet_is_fresh(&facts));
    fleet_control_get_facts(control, now_ms + 4 * interval_ms, &facts);
    ck_assert(!health_fleet_is_fresh(&facts));
    end(control);
}
END_TEST

/* ---- operators' orders ---- */

static struct override_order order_of(enum override_kind kind, int64_t desired)
{
    return (struct override_order){.kind = kind,
                                   .desired = desired,
                                   .for_ms = kind == OVERRIDE_NONE ? 0 : 3600000,
                                   .uid = 1000,
                                   .pid = 4711,
                                   .reason = "sale"};
}

static json_t *saved_override(void)
{
    json_t *state = json_load_file(path_of("orders.state.json"), 0, NULL);
    json_t *override = json_incref(json_object_get(json_object_get(state, "controller"), "override"));
    json_decref(state);
    return override;
}

START_TEST(an_order_acts_before_the_next_poll_and_is_on_disk)
{
    struct fleet_control *control = make_control();
    struct fleet_control_ordered ordered;
    struct err err = {.text = ""};
    struct override_order order = order_of(OVERRIDE_SCALE, 5);
    g_visible = 0;
    fleet_control_start(control, NULL);
    turn_until(control, "decisions", 1);
    ck_assert_int_eq(fleet_control_override(control, &order, &ordered, &err), 0);
    ck_assert_int_eq(count_of(control, "desired"), 5); /* no turn of the loop was needed */
    ck_assert_int_eq(ordered.decision.to, 5);
    ck_assert_int_eq(ordered.replaced.order.kind, OVERRIDE_NONE);
    ck_assert_str_eq(ordered.save_error.text, "");
    ck_assert_int_eq(saved_desired(), 5);
    json_t *saved = saved_override();
    ck_assert_str_eq(json_string_value(json_object_get(saved, "reason")), "sale");
    json_decref(saved);
    order = order_of(OVERRIDE_SCALE, 7); /* max is 6 */
    ck_assert_int_eq(fleet_control_override(control, &order, &ordered, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "from 2 to 6"));
    order = order_of(OVERRIDE_PAUSE, 0);
    ck_assert_int_eq(fleet_control_override(control, &order, &ordered, &err), 0);
    ck_assert_int_eq(ordered.replaced.order.desired, 5);
    g_visible = 5000;
    turn_until(control, "decisions", 6);
    ck_assert_int_eq(count_of(control, "desired"), 5);
    order = order_of(OVERRIDE_NONE, 0);
    ck_assert_int_eq(fleet_control_override(control, &order, &ordered, &err), 0);
    ck_assert_ptr_null(saved_override());
    turn_until(control, "changes", 2);
    ck_assert_int_eq(count_of(control, "desired"), 6);
    fleet_control_stop(control);
    ck_assert_int_eq(fleet_control_override(control, &order, &ordered, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "draining"));
    end(control);
}
END_TEST

START_TEST(an_order_that_cannot_be_saved_holds_and_says_so)
{
    struct fleet_control *control = make_control();
    struct fleet_control_ordered ordered;
    struct err err = {.text = ""};
    struct override_order order = order_of(OVERRIDE_SCALE, 4);
    ck_assert_int_eq(file_write_atomic(path_of("orders.state.json"), "{", 1, 0600, NULL), 0);
    ck_assert_int_eq(mkdir(path_of("orders.state.json.bad"), 0700), 0);
    fleet_control_start(control, NULL);
    ck_assert_int_eq(fleet_control_override(control, &order, &ordered, &err), 0);
    ck_assert_int_eq(count_of(control, "desired"), 4);
    ck_assert_ptr_nonnull(strstr(ordered.save_error.text, "rename to "));
    end(control);
}
END_TEST

START_TEST(an_order_that_no_successor_would_know_says_so)
{
    g_is_shared = true;
    struct fleet_control *control = make_control();
    struct fleet_control_ordered ordered;
    struct err err = {.text = ""};
    struct override_order order = order_of(OVERRIDE_SCALE, 4);
    g_is_shared = false;
    fleet_control_start(control, NULL);
    g_keep_error = "UpdateItem: AccessDeniedException";
    ck_assert_int_eq(fleet_control_override(control, &order, &ordered, &err), 0);
    ck_assert_int_eq(count_of(control, "desired"), 4);
    ck_assert_str_eq(ordered.save_error.text, g_keep_error);
    g_keep_error = NULL;
    ck_assert_int_eq(fleet_control_override(control, &order, &ordered, &err), 0);
    ck_assert_str_eq(ordered.save_error.text, "");
    end(control);
}
END_TEST

UNIT_MAIN("fleet_control", an_order_that_no_successor_would_know_says_so,
          an_order_acts_before_the_next_poll_and_is_on_disk, an_order_that_cannot_be_saved_holds_and_says_so,
          what_was_decided_is_on_disk_at_once, a_bad_state_that_cannot_be_put_aside_is_left_alone,
          data_is_fresh_until_the_next_poll_though_polls_are_few,
          a_disowned_state_folder_is_left_alone_and_a_renewed_one_filled)

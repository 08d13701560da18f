/* sluice status: what a running supervisor sees and does, as JSON or in plain words. */
#include "supervisor/commands.h"

#include "base/exitcode.h"
#include "base/strbuf.h"
#include "supervisor/admin_client.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status_options {
    char *config;
    char *socket;
    bool json;
};

static const struct option_row ROWS[] = {
    ADMIN_SOCKET_ROWS(struct status_options),
    {"json", OPTION_BOOL, offsetof(struct status_options, json), "false", 0, 0, NULL, NULL,
     "print the supervisor's answer as JSON"},
    OPTION_END,
};

const struct command_spec CMD_STATUS_SPEC = {
    .name = "status",
    .summary = "Shows what a running supervisor sees and does: queue, workers, the last decision and what it "
               "waits for.",
    .rows = ROWS,
    .details = "Exit codes: 0 done; 64 usage; 69 no supervisor answers; 78 configuration.\n",
};

static json_int_t number(const json_t *object, const char *key)
{
    return admin_number(object, key);
}

static const char *text(const json_t *object, const char *key)
{
    return admin_text(object, key);
}

/* "25 ms", "1.2 s", "3 min", for ages and waits. */
static const char *span(json_int_t ms, char *out, size_t size)
{
    double seconds = (double)ms / 1000.0;
    if (ms > 0 && ms < 100)
        (void)snprintf(out, size, "%lld ms", (long long)ms);
    else if (seconds < 60)
        (void)snprintf(out, size, "%.1f s", seconds);
    else if (seconds < 7200)
        (void)snprintf(out, size, "%.1f min", seconds / 60);
    else
        (void)snprintf(out, size, "%.1f h", seconds / 3600);
    return out;
}

static void print_queue(const json_t *queue)
{
    char age[32];
    if (json_is_integer(json_object_get(queue, "visible")))
        (void)printf("  queue    %lld visible, %lld in flight, %lld delayed (read %s ago)\n",
                     (long long)number(queue, "visible"), (long long)number(queue, "in_flight"),
                     (long long)number(queue, "delayed"), span(number(queue, "age_ms"), age, sizeof age));
    else
        (void)printf("  queue    not read yet\n");
    if (json_is_true(json_object_get(queue, "failing")))
        (void)printf("           cannot be read: %s\n", text(queue, "last_error"));
}

static double real(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* "of a budget of 30 a minute, 12% left", or nothing. */
static void print_budget(const json_t *polling)
{
    const json_t *budget = json_object_get(polling, "budget");
    if (!json_is_object(budget))
        return;
    (void)printf(", budget %.6g a minute, %.0f%% saved up", real(budget, "calls_per_min"),
                 real(budget, "level") * 100);
    if (number(budget, "overdrawn") > 0)
        (void)printf(", overdrawn by %lld calls", (long long)number(budget, "overdrawn"));
}

static void print_polling(const json_t *polling)
{
    char interval[32];
    if (!json_is_object(polling))
        return;
    (void)printf("  polling  every %s (%s%s), %.1f calls a minute, $%.2f a month",
                 span(number(polling, "interval_ms"), interval, sizeof interval),
                 text(polling, "reason_text"),
                 real(polling, "stretch") > 1 ? ", stretched by the budget" : "",
                 real(polling, "calls_per_min"), real(polling, "usd_per_month"));
    print_budget(polling);
    (void)printf("\n");
}

/* "label 12 (1.2 min old)", nothing when it is not known. */
static void print_reading(const json_t *cloudwatch, const char *key, const char *label, bool is_span)
{
    char age[32];
    char value[32];
    const json_t *reading = json_object_get(cloudwatch, key);
    if (!json_is_object(reading))
        return;
    if (is_span)
        (void)span(number(reading, "value"), value, sizeof value);
    else
        (void)snprintf(value, sizeof value, "%lld", (long long)number(reading, "value"));
    (void)printf("%s %s (%s old), ", label, value, span(number(reading, "age_ms"), age, sizeof age));
}

/* Who tells the depth when SQS does not, why, and what CloudWatch tells. */
static void print_sensors(const json_t *sensors)
{
    char age[32];
    size_t i = 0;
    json_t *rung = NULL;
    const json_t *cloudwatch = json_object_get(sensors, "cloudwatch");
    if (json_is_string(json_object_get(sensors, "depth_source")) &&
        strcmp(text(sensors, "depth_source"), "sqs") != 0) {
        (void)printf("  depth    told by %s since %s\n", text(sensors, "depth_source"),
                     span(number(sensors, "for_ms"), age, sizeof age));
        json_array_foreach(json_object_get(sensors, "rungs"), i, rung)
        {
            if (!json_is_true(json_object_get(rung, "good")))
                (void)printf("           not by %s: %s\n", text(rung, "source"), text(rung, "why_not"));
        }
    }
    if (!json_is_object(cloudwatch))
        return;
    (void)printf("  metrics  ");
    print_reading(cloudwatch, "sent_per_min", "sent a minute", false);
    print_reading(cloudwatch, "deleted_per_min", "deleted a minute", false);
    print_reading(cloudwatch, "oldest_age_ms", "oldest", true);
    (void)printf("CloudWatch %s, $%.2f a month\n", text(cloudwatch, "mode"),
                 json_number_value(json_object_get(cloudwatch, "usd_per_month")));
    if (json_is_string(json_object_get(cloudwatch, "last_error")))
        (void)printf("           cannot be read: %s\n", text(cloudwatch, "last_error"));
}

static void print_worker(const json_t *worker)
{
    char age[32];
    (void)printf("  %-20s %-10s %8lld  since %s", text(worker, "name"), text(worker, "state"),
                 (long long)number(worker, "pid"), span(number(worker, "state_age_ms"), age, sizeof age));
    if (json_object_get(worker, "completed") != NULL)
        (void)printf("  busy %lld, waiting %lld, completed %lld", (long long)number(worker, "busy"),
                     (long long)number(worker, "waiting"), (long long)number(worker, "completed"));
    if (number(worker, "restarts") > 0)
        (void)printf("  restarts %lld (last: %s)", (long long)number(worker, "restarts"),
                     text(worker, "last_exit"));
    if (json_is_true(json_object_get(worker, "crash_looping")))
        (void)printf("  crash loop");
    (void)printf("\n");
}

static void print_timers(const json_t *timers)
{
    const char *name = NULL;
    json_t *left = NULL;
    json_object_foreach((json_t *)(uintptr_t)timers, name, left)
    {
        char wait[32];
        if (json_integer_value(left) > 0)
            (void)printf("  timer    %s: %s\n", name, span(json_integer_value(left), wait, sizeof wait));
    }
}

static void print_decision(const json_t *fleet, const char *key, const char *label)
{
    char age[32];
    const json_t *decision = json_object_get(fleet, key);
    if (json_is_object(decision))
        (void)printf("  %-8s %s (%s ago)\n", label, text(decision, "text"),
                     span(number(decision, "age_ms"), age, sizeof age));
}

static void print_time(const json_t *times, const char *key, const char *label)
{
    char p50[32];
    char p99[32];
    const json_t *time = json_object_get(times, key);
    if (json_is_object(time))
        (void)printf("  %-8s p50 %s, p99 %s\n", label, span(number(time, "p50"), p50, sizeof p50),
                     span(number(time, "p99"), p99, sizeof p99));
}

static void print_line(const json_t *object, const char *key, const char *label)
{
    if (json_is_string(json_object_get(object, key)))
        (void)printf("           %s: %s\n", label, text(object, key));
}

/* What there is to say about an ECS service beyond the counts of its workers. */
static void print_service(const json_t *service)
{
    char age[32];
    size_t i = 0;
    json_t *warning = NULL;
    if (!json_is_object(service))
        return;
    if (json_is_integer(json_object_get(service, "running_count")))
        (void)printf(
            "  service  %s/%s %s: desired count %lld, %lld running, %lld pending (read %s ago)%s%s\n",
            text(service, "cluster"), text(service, "name"), text(service, "status"),
            (long long)number(service, "desired_count"), (long long)number(service, "running_count"),
            (long long)number(service, "pending_count"), span(number(service, "age_ms"), age, sizeof age),
            json_is_true(json_object_get(service, "rollout_in_progress")) ? ", rollout in progress" : "",
            json_is_true(json_object_get(service, "over_max")) ? ", above max" : "");
    else
        (void)printf("  service  %s/%s: not described yet\n", text(service, "cluster"),
                     text(service, "name"));
    print_line(service, "refused", "cannot be scaled");
    print_line(service, "look_error", "cannot be described");
    print_line(service, "write_error", "cannot be updated");
    print_line(service, "failing_reason", "tasks do not start");
    const json_t *drift = json_object_get(service, "last_drift");
    if (json_is_object(drift))
        (void)printf("           set by others from %lld to %lld, %s ago (%s, %lld times in all)\n",
                     (long long)number(drift, "from"), (long long)number(drift, "to"),
                     span(number(drift, "age_ms"), age, sizeof age), text(service, "on_drift"),
                     (long long)number(service, "drifts"));
    json_array_foreach(json_object_get(service, "warnings"), i, warning)
    {
        (void)printf("           warning: %s\n", json_string_value(warning));
    }
}

/* First of all: a fleet that does not follow its policy. */
static void print_override(const json_t *fleet)
{
    const json_t *override = json_object_get(fleet, "override");
    struct strbuf words = STRBUF_INIT;
    if (!json_is_object(override))
        return;
    admin_append_override(override, number(fleet, "override_left_ms"), &words);
    (void)printf("  order    %s\n", strbuf_str(&words));
    strbuf_clean_up(&words);
}

/* What ECS tasks tell by HTTP, and what an order waits for. */
static void print_telemetry(const json_t *telemetry, const json_t *protection)
{
    char age[32];
    if (!json_is_object(telemetry))
        return;
    (void)printf(
        "  tasks    %lld of %lld report%s, %lld silent, oldest word %s ago; %lld busy, %lld protected by "
        "us\n",
        (long long)number(telemetry, "workers_reporting"), (long long)number(telemetry, "workers_running"),
        json_is_true(json_object_get(telemetry, "covers_all")) ? "" : " (busy is unknown)",
        (long long)number(telemetry, "workers_silent"), span(number(telemetry, "age_ms"), age, sizeof age),
        (long long)number(telemetry, "busy_workers"), (long long)number(protection, "by_us"));
    print_line(protection, "order_waits_for", "a lower desired count waits");
    print_line(protection, "error", "cannot be protected");
    print_line(protection, "last_refusal", "ECS refused to protect a task");
    if (json_is_true(json_object_get(protection, "kept_above_desired")))
        (void)printf("           more run than desired: busy ones are protected\n");
}

static void print_fleet(const json_t *fleet)
{
    const json_t *capacity = json_object_get(fleet, "capacity");
    const json_t *totals = json_object_get(fleet, "totals");
    (void)printf("fleet %s (%s, %lld..%lld)%s\n", text(fleet, "name"), text(fleet, "policy"),
                 (long long)number(capacity, "min"), (long long)number(capacity, "max"),
                 json_is_true(json_object_get(fleet, "draining")) ? ", draining" : "");
    print_override(fleet);
    print_queue(json_object_get(fleet, "queue"));
    print_polling(json_object_get(fleet, "polling"));
    print_sensors(json_object_get(fleet, "sensors"));
    (void)printf(
        "  workers  %lld desired: %lld ready, %lld starting, %lld stopping, %lld backing off, %lld orphans\n",
        (long long)number(fleet, "desired"), (long long)number(fleet, "ready"),
        (long long)number(fleet, "starting"), (long long)number(fleet, "stopping"),
        (long long)number(fleet, "backoff"), (long long)number(fleet, "orphans"));
    print_service(json_object_get(fleet, "service"));
    if (json_is_object(json_object_get(fleet, "service")))
        print_telemetry(json_object_get(fleet, "telemetry"), json_object_get(fleet, "protection"));
    if (totals != NULL)
        (void)printf("  done     %lld completed, %lld failed\n", (long long)number(totals, "completed"),
                     (long long)number(totals, "failed"));
    print_time(json_object_get(fleet, "times"), "handle_ms", "handling");
    print_time(json_object_get(fleet, "times"), "wait_ms", "waiting");
    print_decision(fleet, "last_decision", "decision");
    print_decision(fleet, "last_change", "change");
    print_timers(json_object_get(fleet, "timers_ms"));
    const json_t *journal = json_object_get(fleet, "journal");
    if (number(journal, "failures") > 0)
        (void)printf("  journal  %lld failures, last: %s\n", (long long)number(journal, "failures"),
                     text(journal, "last_error"));
    size_t i = 0;
    json_t *worker = NULL;
    json_array_foreach(json_object_get(fleet, "workers"), i, worker)
    {
        print_worker(worker);
    }
}

/* Of two supervisors: which one this is. */
static void print_role(const json_t *status)
{
    char since[32];
    const json_t *ha = json_object_get(status, "ha");
    bool leads = strcmp(text(status, "role"), "leader") == 0;
    if (strcmp(text(ha, "type"), "none") == 0)
        return;
    (void)printf("%s for %s", leads ? "leader" : "follower",
                 span(number(status, "now_ms") - number(status, "role_since_ms"), since, sizeof since));
    if (!leads && json_is_string(json_object_get(ha, "holder")))
        (void)printf(", %s leads", text(ha, "holder"));
    if (!leads && json_is_integer(json_object_get(ha, "holder_pid")))
        (void)printf(", pid %lld leads", (long long)number(ha, "holder_pid"));
    if (json_is_string(json_object_get(ha, "last_error")))
        (void)printf(", the lease cannot be reached: %s", text(ha, "last_error"));
    if (json_is_string(json_object_get(ha, "save_error")))
        (void)printf(", the shared state cannot be kept: %s", text(ha, "save_error"));
    (void)printf("\n");
}

static void print_words(const json_t *status)
{
    char age[32];
    size_t i = 0;
    json_t *entry = NULL;
    (void)printf("sluice %s, pid %lld, %s, up %s", text(status, "version"), (long long)number(status, "pid"),
                 text(status, "state"),
                 span(number(status, "now_ms") - number(status, "started_ms"), age, sizeof age));
    if (number(status, "speed") != 1)
        (void)printf(", time runs %lld times as fast", (long long)number(status, "speed"));
    (void)printf("\n");
    const json_t *polling = json_object_get(status, "polling");
    size_t fleets = json_array_size(json_object_get(status, "fleets"));
    print_role(status);
    if (strcmp(text(status, "role"), "leader") == 0 && number(status, "fleets_started") < (json_int_t)fleets)
        (void)printf("starting: %lld of %zu fleets\n", (long long)number(status, "fleets_started"), fleets);
    if (json_is_object(polling)) {
        (void)printf("polling  %.1f calls a minute, $%.2f a month (prices of %s)",
                     real(polling, "calls_per_min"), real(polling, "usd_per_month"),
                     text(polling, "prices_as_of"));
        print_budget(polling);
        (void)printf("\n");
    }
    json_array_foreach(json_object_get(status, "fleets"), i, entry)
    {
        print_fleet(entry);
    }
    json_array_foreach(json_object_get(status, "orphans"), i, entry)
    {
        (void)printf("orphan %s, pid %lld: a worker of an earlier supervisor, drains by itself\n",
                     text(entry, "name"), (long long)number(entry, "pid"));
    }
}

static int show(const char *socket_path, bool as_json)
{
    struct strbuf body = STRBUF_INIT;
    struct err err = {.text = ""};
    json_error_t where;
    int exit_code = EXIT_CODE_OK;
    if (admin_client_get(socket_path, "/v1/status", &body, &err) != 0) {
        exit_code = command_fail("status", EXIT_CODE_UNAVAILABLE, "%s", err.text);
    } else if (as_json) {
        (void)fputs(strbuf_str(&body), stdout);
    } else {
        json_t *status = json_loadb(strbuf_str(&body), body.len, 0, &where);
        if (json_is_object(status))
            print_words(status);
        else
            exit_code = command_fail("status", EXIT_CODE_UNAVAILABLE, "%s: the answer is no JSON object",
                                     socket_path);
        json_decref(status);
    }
    strbuf_clean_up(&body);
    return exit_code;
}

int cmd_status(int argc, char **argv)
{
    struct status_options options = {.config = NULL};
    char *socket_path = NULL;
    int exit_code = command_parse(&CMD_STATUS_SPEC, &options, argc, argv, NULL, NULL);
    if (exit_code == COMMAND_GO_ON) {
        socket_path = admin_client_find_socket("status", options.config, options.socket, &exit_code);
        if (socket_path != NULL)
            exit_code = show(socket_path, options.json);
    }
    free(socket_path);
    options_clean_up(ROWS, &options);
    return exit_code;
}

/* What a demo needs before its first act: folder, environment, configuration. See demo.h. */
#include "supervisor/demo.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/strbuf.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_NAME "SLUICE_DEMO_MARK"
#define FLEET "orders"

enum { MARK_LETTERS = 20 };

static void name_files(struct demo *demo)
{
    const char *folder = demo->sandbox.folder;
    struct demo_paths *paths = &demo->paths;

    paths->config = sandbox_path(folder, "fleet.json");
    paths->state_dir = sandbox_path(folder, "state");
    paths->socket = sandbox_path(folder, "admin.sock");
    paths->sent = sandbox_path(folder, "sent.jsonl");
    paths->ledger = sandbox_path(folder, "ledger");
    paths->task_logs = sandbox_path(folder, "tasks");
}

/* Tasks are told the port before the supervisor that listens there is started. Bound with SO_REUSEADDR, the
 * port goes to nobody who asks for any, and can still be listened on by who names it. */
static int reserve_port(struct demo *demo, struct err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int on = 1;

    demo->telemetry_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (demo->telemetry_fd < 0 ||
        setsockopt(demo->telemetry_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(demo->telemetry_fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(demo->telemetry_fd, (struct sockaddr *)&address, &len) != 0)
        return err_set(err, "a port of 127.0.0.1 for telemetry: %s", strerror(errno));
    demo->telemetry_port = ntohs(address.sin_port);
    return 0;
}

int demo_setup(struct demo *demo, struct err *err)
{
    demo->telemetry_fd = -1;
    if (sandbox_open(&demo->sandbox, "demo", err) != 0)
        return -1;
    name_files(demo);
    if (demo->options.ecs && mkdir(demo->paths.task_logs, 0700) != 0)
        return err_set(err, "%s: %s", demo->paths.task_logs, strerror(errno));
    if (demo->options.ecs && reserve_port(demo, err) != 0)
        return -1;
    (void)snprintf(demo->mark, sizeof demo->mark, "%s=", MARK_NAME);
    if (sandbox_random_letters(demo->mark + strlen(demo->mark), MARK_LETTERS, err) != 0)
        return -1;
    return sandbox_set_environment(demo->options.speed, err);
}

/* ---- what a worker is ---- */

enum { VARIABLES_MAX = 6, COMMAND_MAX = 6 };

/* The same for a local process and for a task. */
struct worker_plan {
    char *program;                    /* owned */
    const char *command[COMMAND_MAX]; /* NULL-terminated */
    struct demo_variable variables[VARIABLES_MAX];
    size_t variable_count;
    char threads[24], slots[24], payment_time[48], telemetry_url[64];
};

static void plan_worker(const struct demo *demo, struct worker_plan *plan)
{
    const struct demo_options *o = &demo->options;

    *plan = (struct worker_plan){.program = sandbox_path(demo->sandbox.program_dir, "sluice-worker")};
    const char *const command[] = {plan->program, "--handler",        "payment",
                                   "--ledger",    demo->paths.ledger, NULL};
    memcpy(plan->command, command, sizeof command);
    (void)snprintf(plan->threads, sizeof plan->threads, "%" PRId64, o->threads);
    (void)snprintf(plan->slots, sizeof plan->slots, "%" PRId64, o->slots);
    (void)duration_format(o->payment_time, plan->payment_time);
    plan->variables[plan->variable_count++] = (struct demo_variable){"NUM_WORKERS", plan->threads};
    plan->variables[plan->variable_count++] = (struct demo_variable){"PAYMENT_SLOTS", plan->slots};
    plan->variables[plan->variable_count++] = (struct demo_variable){"PAYMENT_TIME", plan->payment_time};
    plan->variables[plan->variable_count++] = (struct demo_variable){MARK_NAME, strchr(demo->mark, '=') + 1};
    if (!o->ecs)
        return;
    (void)snprintf(plan->telemetry_url, sizeof plan->telemetry_url, "http://127.0.0.1:%d/v1/telemetry/" FLEET,
                   demo->telemetry_port);
    plan->variables[plan->variable_count++] = (struct demo_variable){"SQS_QUEUE_URL", demo->queue.url};
    plan->variables[plan->variable_count++] =
        (struct demo_variable){"SLUICE_TELEMETRY_URL", plan->telemetry_url};
}

void demo_setup_create_service(struct demo *demo, void (*done)(void *arg, const struct err *err), void *arg)
{
    struct worker_plan plan;

    plan_worker(demo, &plan);
    const struct demo_task_plan task = {
        .command = plan.command, .variables = plan.variables, .variable_count = plan.variable_count};
    demo_service_create(&demo->service, &task, demo->options.min, done, arg);
    free(plan.program);
}

/* ---- the supervisor's configuration ---- */

static void write_local_fleet(const struct demo *demo, struct jsonw *w)
{
    struct worker_plan plan;

    plan_worker(demo, &plan);
    jsonw_key_str(w, "type", "local");
    jsonw_key(w, "command");
    jsonw_array(w);
    for (const char *const *at = plan.command; *at != NULL; at++)
        jsonw_str(w, *at);
    jsonw_end_array(w);
    jsonw_key(w, "env");
    jsonw_object(w);
    for (size_t i = 0; i < plan.variable_count; i++)
        jsonw_key_str(w, plan.variables[i].name, plan.variables[i].value);
    jsonw_end_object(w);
    jsonw_key_str(w, "stop_grace", "30s");
    free(plan.program);
}

static void write_ecs_fleet(struct jsonw *w)
{
    jsonw_key_str(w, "type", "ecs");
    jsonw_key_str(w, "cluster", DEMO_SERVICE_CLUSTER);
    jsonw_key_str(w, "service", DEMO_SERVICE_NAME);
}

static void write_telemetry(const struct demo *demo, struct jsonw *w)
{
    char address[32];

    (void)snprintf(address, sizeof address, "127.0.0.1:%d", demo->telemetry_port);
    jsonw_key(w, "telemetry");
    jsonw_object(w);
    jsonw_key_str(w, "listen", address);
    jsonw_end_object(w);
}

static void write_fleet(const struct demo *demo, struct jsonw *w)
{
    jsonw_key(w, "fleet");
    jsonw_object(w);
    if (demo->options.ecs)
        write_ecs_fleet(w);
    else
        write_local_fleet(demo, w);
    jsonw_end_object(w);
}

int demo_setup_write_config(const struct demo *demo, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);

    jsonw_object(&w);
    jsonw_key_str(&w, "region", SANDBOX_REGION);
    jsonw_key_str(&w, "state_dir", demo->paths.state_dir);
    jsonw_key(&w, "admin");
    jsonw_object(&w);
    jsonw_key_str(&w, "socket", demo->paths.socket);
    jsonw_end_object(&w);
    if (demo->options.ecs)
        write_telemetry(demo, &w);
    jsonw_key(&w, "fleets");
    jsonw_array(&w);
    jsonw_object(&w);
    jsonw_key_str(&w, "name", FLEET);
    jsonw_key(&w, "queue");
    jsonw_object(&w);
    jsonw_key_str(&w, "url", demo->queue.url);
    jsonw_key_str(&w, "poll", "5s");
    jsonw_end_object(&w);
    jsonw_key(&w, "capacity");
    jsonw_object(&w);
    jsonw_key_int(&w, "min", demo->options.min);
    jsonw_key_int(&w, "target", demo->options.target);
    jsonw_key_int(&w, "max", demo->options.max);
    jsonw_end_object(&w);
    /* The source's rule, spelled out although these are the defaults. */
    jsonw_key(&w, "policy");
    jsonw_object(&w);
    jsonw_key_str(&w, "type", "threshold");
    jsonw_key_int(&w, "scale_out_above", 20);
    jsonw_key_int(&w, "scale_in_below", 5);
    jsonw_key_str(&w, "scale_in_after", "5m");
    jsonw_key_str(&w, "cooldown", "60s");
    jsonw_end_object(&w);
    write_fleet(demo, &w);
    jsonw_end_object(&w);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    strbuf_append_char(&text, '\n');
    int rc = file_write_atomic(demo->paths.config, text.data, text.len, 0600, err);
    strbuf_clean_up(&text);
    return rc != 0 ? -1 : 0;
}

void demo_setup_clean_up(struct demo *demo)
{
    struct demo_paths *paths = &demo->paths;

    if (demo->telemetry_port > 0)
        (void)close(demo->telemetry_fd);
    sandbox_close(&demo->sandbox, demo->options.keep);
    free(paths->config);
    free(paths->state_dir);
    free(paths->socket);
    free(paths->sent);
    free(paths->ledger);
    free(paths->task_logs);
    *paths = (struct demo_paths){.config = NULL};
}

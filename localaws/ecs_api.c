/* ECS with clock, loop and processes; see ecs_api.h. */
#include "localaws/ecs_api.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/loop.h"
#include "localaws/ecs_agent.h"
#include "localaws/ecs_runner.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

/* Between TERM and KILL no less than this of real time, at any speed. */
enum { STOP_FLOOR_REAL_MS = 2000, EXIT_OF_TERM = 143 };

struct ecs_api {
    struct ecs_engine *engine;
    struct ecs_runner *runner; /* NULL: tasks are not run */
    struct loop_timer timer;
    int64_t due_ms;                /* what timer is armed for; INT64_MAX: nothing */
    struct ecs_task *ending;       /* pretended tasks that were told to stop: their end is due */
    void (*on_stopped)(void *arg); /* NULL: not stopping */
    void *on_stopped_arg;
};

/* ---- tasks without processes ---- */

static int pretend_start(void *arg, struct ecs_task *task, char *reason, size_t reason_size)
{
    (void)arg;
    (void)task;
    (void)reason;
    (void)reason_size;
    return 0;
}

/* The end is told from the next settle(), not from within this call. Such tasks are chained by the pointer
 * that a process would have. */
static void pretend_signal(void *arg, struct ecs_task *task, int number)
{
    struct ecs_api *api = arg;
    (void)number;
    task->process = api->ending;
    api->ending = task;
}

static void end_pretended(struct ecs_api *api, int64_t now_ms)
{
    while (api->ending != NULL) {
        struct ecs_task *task = api->ending;
        api->ending = task->process;
        ecs_engine_exited(task, EXIT_OF_TERM, now_ms);
    }
}

/* ---- time ---- */

static void settle(struct ecs_api *api, int64_t now_ms)
{
    ecs_engine_settle(api->engine, now_ms);
    while (api->ending != NULL) {
        end_pretended(api, now_ms);
        ecs_engine_settle(api->engine, now_ms);
    }
    int64_t next_ms = ecs_engine_next_ms(api->engine);
    if (next_ms == api->due_ms)
        return;
    api->due_ms = next_ms;
    if (next_ms == INT64_MAX)
        loop_timer_cancel(&api->timer);
    else
        loop_timer_arm_product_ms(&api->timer, next_ms - now_ms);
}

static void on_timer(void *arg)
{
    struct ecs_api *api = arg;
    api->due_ms = INT64_MAX;
    settle(api, clock_product_ms());
}

static void on_exit_of(void *arg, struct ecs_task *task, int exit_code)
{
    struct ecs_api *api = arg;
    int64_t now_ms = clock_product_ms();
    ecs_engine_exited(task, exit_code, now_ms);
    settle(api, now_ms);
    if (api->on_stopped != NULL && api->engine->processes == 0)
        api->on_stopped(api->on_stopped_arg);
}

bool ecs_api_stop_tasks(struct ecs_api *api, void (*fn)(void *arg), void *arg)
{
    int64_t now_ms = clock_product_ms();
    api->on_stopped = fn;
    api->on_stopped_arg = arg;
    ecs_engine_close(api->engine, now_ms);
    settle(api, now_ms);
    return api->engine->processes > 0;
}

/* ---- requests ---- */

int ecs_api_run(struct ecs_api *api, enum ecs_op op, const struct http_request *http, struct strbuf *out)
{
    struct ecs_failure failure;
    int64_t now_ms = clock_product_ms();
    size_t before = out->len;
    settle(api, now_ms);
    enum ecs_error error = ecs_ops_run(api->engine, op, http->body, http->body_len, now_ms, out, &failure);
    settle(api, now_ms);
    if (error == ECS_OK)
        return 200;
    out->len = before;
    ecs_api_write_error(ecs_error_code(error), failure.message, out);
    return ecs_error_status(error);
}

int ecs_api_run_agent(struct ecs_api *api, const struct http_request *http, struct strbuf *out)
{
    int64_t now_ms = clock_product_ms();
    settle(api, now_ms);
    int status = ecs_agent_run(api->engine, http, now_ms, out);
    settle(api, now_ms);
    return status;
}

void ecs_api_write_error(const char *code, const char *message, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key_str(&w, "__type", code);
    jsonw_key_str(&w, "message", message);
    jsonw_end_object(&w);
}

void ecs_api_write_agent_error(struct ecs_api *api, const struct http_request *http, const char *code,
                               const char *message, struct strbuf *out)
{
    ecs_agent_write_error(ecs_agent_task(api->engine, http->path), code, message, out);
}

bool ecs_api_host_is_good(const struct ecs_api *api, struct slice host)
{
    char name[64];
    struct in6_addr v6;
    struct in_addr v4;
    size_t len = 0;
    if (api->runner == NULL || host.len == 0) /* HTTP/1.0 has none */
        return true;
    if (host.len >= sizeof name)
        return false;
    if (host.at[0] == '[') {
        const char *end = memchr(host.at, ']', host.len);
        len = end == NULL ? 0 : (size_t)(end - host.at) - 1;
        memcpy(name, host.at + 1, len);
    } else {
        const char *colon = memchr(host.at, ':', host.len);
        len = colon == NULL ? host.len : (size_t)(colon - host.at);
        memcpy(name, host.at, len);
    }
    name[len] = '\0';
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &v4) == 1 ||
           inet_pton(AF_INET6, name, &v6) == 1;
}

/* ---- statistics ---- */

static void write_service(struct jsonw *w, struct ecs_service *service)
{
    const struct ecs_deployment *deployment = NULL;
    const struct ecs_task *task = NULL;
    int64_t running = 0;
    int64_t live = 0;
    int64_t stopping = 0;
    ecs_service_count(service);
    TAILQ_FOREACH(deployment, &service->deployments, entry)
    {
        running += deployment->running;
        live += deployment->live;
    }
    TAILQ_FOREACH(task, &service->tasks, service_entry)
    {
        stopping += task->wants_stop;
    }
    jsonw_key_any(w, service->name);
    jsonw_object(w);
    jsonw_key_int(w, "desired", service->desired);
    jsonw_key_int(w, "running", running);
    jsonw_key_int(w, "pending", live - running);
    jsonw_key_int(w, "stopping", stopping);
    jsonw_end_object(w);
}

void ecs_api_write_stats(struct ecs_api *api, struct jsonw *w)
{
    const struct ecs_stats *stats = &api->engine->stats;
    const struct ecs_cluster *cluster = NULL;
    struct ecs_service *service = NULL;
    jsonw_key(w, "ecs");
    jsonw_object(w);
    jsonw_key_int(w, "processes", (int64_t)api->engine->processes);
    jsonw_key_int(w, "tasks_started", (int64_t)stats->started);
    jsonw_key_int(w, "tasks_ran", (int64_t)stats->ran);
    jsonw_key_int(w, "tasks_exited", (int64_t)stats->exited);
    jsonw_key_int(w, "tasks_killed", (int64_t)stats->killed);
    jsonw_key_int(w, "tasks_failed_to_start", (int64_t)stats->failed_to_start);
    jsonw_key(w, "clusters");
    jsonw_object(w);
    TAILQ_FOREACH(cluster, &api->engine->cluster_order, entry)
    {
        jsonw_key_any(w, cluster->name);
        jsonw_object(w);
        TAILQ_FOREACH(service, &cluster->service_order, entry)
        {
            write_service(w, service);
        }
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
    jsonw_end_object(w);
}

void ecs_api_forget_stats(struct ecs_api *api)
{
    api->engine->stats = (struct ecs_stats){.started = 0};
}

/* ---- life ---- */

struct ecs_api *ecs_api_new(struct event_base *base, const struct ecs_api_options *options)
{
    struct ecs_api *api = xcalloc(1, sizeof *api);
    struct ecs_settings settings = {
        .region = options->region,
        .account = options->account,
        .has_tasks = options->tasks != ECS_TASKS_REFUSE,
        .processes = {.start = pretend_start, .signal = pretend_signal, .arg = api},
        .start_latency_ms = options->start_latency_ms,
        .stop_floor_ms = (int64_t)STOP_FLOOR_REAL_MS * clock_scale(),
        .visible_after_ms = options->visible_after_ms,
        .victims = options->victims,
        .seed = options->seed};
    if (options->tasks == ECS_TASKS_RUN) {
        struct ecs_runner_options runner = {.base = base,
                                            .region = options->region,
                                            .log_dir = options->task_logs,
                                            .on_exit = on_exit_of,
                                            .arg = api};
        api->runner = ecs_runner_new(&runner);
        settings.processes = ecs_runner_processes(api->runner);
    }
    api->engine = ecs_engine_new(&settings);
    api->due_ms = INT64_MAX;
    loop_timer_init(&api->timer, base, on_timer, api);
    return api;
}

void ecs_api_free(struct ecs_api *api)
{
    if (api == NULL)
        return;
    ecs_runner_free(api->runner);
    loop_timer_clean_up(&api->timer);
    ecs_engine_free(api->engine);
    free(api);
}

void ecs_api_set_url(struct ecs_api *api, const char *url)
{
    if (api->runner != NULL)
        ecs_runner_set_url(api->runner, url);
}

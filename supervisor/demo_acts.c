/*
 * The acts of a demo, in order: local endpoint, queues, service (--ecs), supervisor, sale, drain, dead
 * letters, scale-in, stop. Each act has one function that begins it; enter_act() alone changes the act. Ends
 * of programs, samples and timers arrive here.
 */
#include "supervisor/demo.h"

#include "base/child.h"
#include "base/clock.h"
#include "supervisor/local_endpoint.h"

#include <dirent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    POLL_REAL_MS = 10,
    LEFT_OVER_POLL_REAL_MS = 50,
    START_GUARD_REAL_MS = 60000,
    STOP_GUARD_REAL_MS = 90000,
    SALE_GUARD_MS = 300000,      /* product, beyond the schedule */
    DRAIN_GUARD_MS = 1800000,    /* product, beyond what min workers need */
    SCALE_IN_GUARD_MS = 7200000, /* product */
    QUIET_SAMPLES = 3,           /* in a row that say the queue is empty */
    SETTLED_SAMPLES = 10,        /* in a row at min, with nobody draining */
    TAIL_LINES = 15,
    FAILED_TASKS = 3, /* in a row: no task will start */
};

static const char *const ACT_NAMES[DEMO_ACT_MAX] = {
    [DEMO_ACT_ENDPOINT] = "endpoint", [DEMO_ACT_QUEUES] = "queues",
    [DEMO_ACT_SERVICE] = "service",   [DEMO_ACT_SUPERVISOR] = "supervisor",
    [DEMO_ACT_SALE] = "sale",         [DEMO_ACT_DRAIN] = "drain",
    [DEMO_ACT_DEAD] = "dead letters", [DEMO_ACT_SCALE_IN] = "scale-in",
    [DEMO_ACT_STOP] = "stop",         [DEMO_ACT_OVER] = "over",
};

static void enter_act(struct demo *demo, enum demo_act act);
static void stop_next(struct demo *demo);

/* ---- endings ---- */

static void stop_all(struct demo *demo)
{
    if (demo->act < DEMO_ACT_STOP)
        enter_act(demo, DEMO_ACT_STOP);
}

void demo_acts_give_up(struct demo *demo, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    demo_failures_add(&demo->failures, "%s", text);
    demo_view_event(&demo->view, "failed: %s", text);
    stop_all(demo);
}

static void blame_child(struct demo *demo, enum demo_child_name name, int status)
{
    struct strbuf tail = STRBUF_INIT;
    char ended[64];

    demo_children_tail(&demo->children, name, TAIL_LINES, &tail);
    demo_acts_give_up(demo, "%s ended with %s%s%s", demo_child_title(name), child_status_text(status, ended),
                      tail.len > 0 ? "; its last words:\n" : "", strbuf_str(&tail));
    strbuf_clean_up(&tail);
}

static bool ended_well(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void demo_acts_on_error(void *arg, const struct err *err)
{
    demo_acts_give_up(arg, "%s", err->text);
}

static void on_guard(void *arg)
{
    struct demo *demo = arg;

    if (demo->act < DEMO_ACT_STOP) {
        demo_acts_give_up(demo, "act \"%s\" took too long", ACT_NAMES[demo->act]);
        return;
    }
    /* What does not stop is killed, one after the other. */
    for (int i = DEMO_CHILD_MAX - 1; i >= 0; i--) {
        if (!demo_children_running(&demo->children, (enum demo_child_name)i))
            continue;
        demo_failures_add(&demo->failures, "%s did not stop and was killed",
                          demo_child_title((enum demo_child_name)i));
        demo_children_signal(&demo->children, (enum demo_child_name)i, SIGKILL);
    }
    for (size_t i = 0; i < demo->sampler.proc.count; i++) {
        demo_failures_add(&demo->failures, "worker process %d was left over and was killed",
                          (int)demo->sampler.proc.workers[i].pid);
        (void)kill(demo->sampler.proc.workers[i].pid, SIGKILL);
    }
    loop_timer_arm_real_ms(&demo->guard, STOP_GUARD_REAL_MS / 10);
    stop_next(demo);
}

/* ---- endpoint ---- */

static void begin_endpoint(struct demo *demo)
{
    const struct local_endpoint_options options = {
        .redelivery = "last",
        .task_logs = demo->options.ecs ? demo->paths.task_logs : NULL,
        .ecs_start_latency_ms = demo->options.ecs_start_latency,
    };
    struct err err = {.text = ""};

    loop_timer_arm_real_ms(&demo->guard, START_GUARD_REAL_MS);
    if (local_endpoint_start(&demo->children, &demo->sandbox, &options, &err) != 0)
        demo_acts_give_up(demo, "%s", err.text);
    else
        loop_timer_arm_real_ms(&demo->poll, POLL_REAL_MS);
}

static void look_for_endpoint(struct demo *demo)
{
    struct aws_client_options options = {.base = demo->base};
    struct err err = {.text = ""};
    char *url = local_endpoint_url(&demo->children);

    if (url == NULL) {
        loop_timer_arm_real_ms(&demo->poll, POLL_REAL_MS);
        return;
    }
    demo_view_event(&demo->view, "local %s endpoint at %s", demo->options.ecs ? "SQS and ECS" : "SQS", url);
    (void)setenv("AWS_ENDPOINT_URL", url, 1);
    free(url);
    demo->client = aws_client_new(&options, &err);
    if (demo->client == NULL) {
        demo_acts_give_up(demo, "%s", err.text);
        return;
    }
    enter_act(demo, DEMO_ACT_QUEUES);
}

/* ---- queues ---- */

static void on_queues(void *arg, const struct err *err)
{
    struct demo *demo = arg;

    if (err != NULL) {
        demo_acts_give_up(demo, "%s", err->text);
        return;
    }
    demo_view_event(&demo->view, "queue %s", demo->queue.url);
    enter_act(demo, demo->options.ecs ? DEMO_ACT_SERVICE : DEMO_ACT_SUPERVISOR);
}

static void begin_queues(struct demo *demo)
{
    demo_queue_init(&demo->queue, demo->client);
    demo_queue_create(&demo->queue, on_queues, demo);
}

/* ---- service ---- */

static void on_service(void *arg, const struct err *err)
{
    struct demo *demo = arg;

    if (err != NULL) {
        demo_acts_give_up(demo, "%s", err->text);
        return;
    }
    demo_view_event(&demo->view, "ECS service %s/%s with a desired count of %" PRId64, DEMO_SERVICE_CLUSTER,
                    DEMO_SERVICE_NAME, demo->options.min);
    enter_act(demo, DEMO_ACT_SUPERVISOR);
}

static void begin_service(struct demo *demo)
{
    demo_service_init(&demo->service, demo->client);
    demo_setup_create_service(demo, on_service, demo);
}

/* The last lines of any task that wrote some. */
static void append_task_log(const struct demo *demo, struct strbuf *out)
{
    DIR *dir = opendir(demo->paths.task_logs);
    const struct dirent *entry;

    while (dir != NULL && out->len == 0 && (entry = readdir(dir)) != NULL) {
        char *path = sandbox_path(demo->paths.task_logs, entry->d_name);
        if (entry->d_name[0] != '.')
            demo_tail_last_lines(path, TAIL_LINES, out);
        free(path);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

static void blame_tasks(struct demo *demo)
{
    struct strbuf tail = STRBUF_INIT;

    append_task_log(demo, &tail);
    demo_acts_give_up(demo, "%" PRId64 " tasks in a row did not start: %s%s%s",
                      demo->service.facts.failed_tasks, demo->service.facts.event,
                      tail.len > 0 ? "; the last words of one:\n" : "", strbuf_str(&tail));
    strbuf_clean_up(&tail);
}

/* ---- supervisor ---- */

int demo_acts_start_supervisor(struct demo *demo, struct err *err)
{
    struct strbuf program = STRBUF_INIT;

    strbuf_appendf(&program, "%s/sluice", demo->sandbox.program_dir);
    const char *const argv[] = {strbuf_str(&program), "run", "--config", demo->paths.config, NULL};
    int rc = demo_children_start(&demo->children, DEMO_SUPERVISOR, argv, err);
    strbuf_clean_up(&program);
    if (rc == 0)
        demo_sampler_set_supervisor(&demo->sampler, demo->children.child[DEMO_SUPERVISOR].pid);
    return rc;
}

static void begin_supervisor(struct demo *demo)
{
    struct demo_sampler_options options = {
        .base = demo->base,
        .client = demo->client,
        .queue_url = demo->queue.url,
        .admin_socket = demo->paths.socket,
        .sent_path = demo->paths.sent,
        .ledger_path = demo->paths.ledger,
        .mark = demo->mark,
        .service = demo->options.ecs ? &demo->service : NULL,
        .tasks_pid = demo->options.ecs ? demo->children.child[DEMO_LOCALAWS].pid : 0,
        .on_sample = demo_acts_on_sample,
        .on_error = demo_acts_on_error,
        .arg = demo,
    };
    struct err err = {.text = ""};

    demo_sampler_init(&demo->sampler, &options);
    loop_timer_arm_product_floor_ms(&demo->guard, 2 * demo->options.ecs_start_latency + START_GUARD_REAL_MS,
                                    START_GUARD_REAL_MS);
    if (demo_setup_write_config(demo, &err) != 0 || demo_acts_start_supervisor(demo, &err) != 0) {
        demo_acts_give_up(demo, "%s", err.text);
        return;
    }
    demo_sampler_start(&demo->sampler);
}

/* ---- sale ---- */

static void begin_sale(struct demo *demo)
{
    const struct demo_options *o = &demo->options;
    struct strbuf program = STRBUF_INIT;
    struct err err = {.text = ""};
    char rate[32], count[32], sns[32], malformed[32], seed[32];

    strbuf_appendf(&program, "%s/sluice", demo->sandbox.program_dir);
    (void)snprintf(rate, sizeof rate, "%.17g", o->rate);
    (void)snprintf(count, sizeof count, "%" PRId64, demo->view.sale.orders);
    (void)snprintf(sns, sizeof sns, "%.17g", o->sns);
    (void)snprintf(malformed, sizeof malformed, "%.17g", o->malformed);
    (void)snprintf(seed, sizeof seed, "%" PRId64, o->seed);
    const char *const argv[] = {strbuf_str(&program),
                                "load",
                                "--queue-url",
                                demo->queue.url,
                                "--rate",
                                rate,
                                "--count",
                                count,
                                "--sns",
                                sns,
                                "--malformed",
                                malformed,
                                "--seed",
                                seed,
                                "--log",
                                demo->paths.sent,
                                "--json",
                                NULL};
    demo_view_event(&demo->view, "%" PRId64 " workers ready; the sale begins", o->min);
    loop_timer_arm_product_ms(&demo->guard, o->duration + SALE_GUARD_MS);
    if (demo_children_start(&demo->children, DEMO_LOAD, argv, &err) != 0)
        demo_acts_give_up(demo, "%s", err.text);
    strbuf_clean_up(&program);
}

static void begin_drain(struct demo *demo)
{
    const struct demo_options *o = &demo->options;
    double slowest_ms =
        (double)demo->view.sale.orders * (double)o->payment_time / (double)(o->min * o->slots);

    demo->quiet_samples = 0;
    demo_view_event(&demo->view, "all orders are sent; the queue drains");
    loop_timer_arm_product_ms(&demo->guard, (int64_t)slowest_ms + DRAIN_GUARD_MS);
}

/* ---- dead letters and scale-in ---- */

static void on_dead_letters(void *arg, const struct err *err)
{
    struct demo *demo = arg;

    if (err != NULL) {
        demo_acts_give_up(demo, "%s", err->text);
        return;
    }
    if (demo->queue.dead_letters.count > 0)
        demo_view_event(&demo->view, "%zu orders were in the dead-letter queue",
                        demo->queue.dead_letters.count);
    enter_act(demo, DEMO_ACT_SCALE_IN);
}

static void begin_dead_letters(struct demo *demo)
{
    demo_view_event(&demo->view, "the queue is empty: nothing visible, in flight or delayed");
    demo_queue_read_dead_letters(&demo->queue, on_dead_letters, demo);
}

static void begin_scale_in(struct demo *demo)
{
    demo->quiet_samples = 0;
    loop_timer_arm_product_ms(&demo->guard, SCALE_IN_GUARD_MS);
}

/* ---- stop ---- */

static void begin_stop(struct demo *demo)
{
    demo_chaos_cancel(demo);
    if (demo->sampler.options.base != NULL)
        demo_sampler_stop(&demo->sampler);
    loop_timer_arm_product_floor_ms(&demo->guard, demo->options.payment_time + 60000, STOP_GUARD_REAL_MS);
    demo_view_event(&demo->view, "stopping");
    stop_next(demo);
}

/* Sends TERM once; returns whether it still runs. */
static bool tell_to_stop(struct demo *demo, enum demo_child_name name)
{
    if (!demo_children_running(&demo->children, name))
        return false;
    if (!demo->told_to_stop[name])
        demo_children_signal(&demo->children, name, SIGTERM);
    demo->told_to_stop[name] = true;
    return true;
}

static void on_service_removed(void *arg, const struct err *err)
{
    struct demo *demo = arg;

    if (err != NULL)
        demo_failures_add(&demo->failures, "the ECS service was not removed: %s", err->text);
    else
        demo_view_event(&demo->view, "the ECS service is set to 0 and deleted; its tasks end");
    stop_next(demo);
}

/* A supervisor that leaves lets a service as it is. Returns whether its removal is under way. */
static bool remove_service(struct demo *demo)
{
    if (!demo->service.exists)
        return false;
    if (!demo_children_running(&demo->children, DEMO_LOCALAWS)) {
        demo_service_cancel(&demo->service); /* ECS is gone, and its tasks with it */
        return false;
    }
    if (!demo->told_to_remove)
        demo_service_remove(&demo->service, on_service_removed, demo);
    demo->told_to_remove = true;
    return demo->service.call != NULL;
}

/* Stops one thing after the other: load, supervisor (and with it its workers), service, endpoint. */
static void stop_next(struct demo *demo)
{
    if (tell_to_stop(demo, DEMO_LOAD) || tell_to_stop(demo, DEMO_SUPERVISOR) || remove_service(demo))
        return;
    if (demo->sampler.options.base != NULL) {
        demo_sampler_set_supervisor(&demo->sampler, 0);
        (void)demo_proc_scan(&demo->sampler.proc, 0);
        if (demo->sampler.proc.count > 0) {
            loop_timer_arm_real_ms(&demo->poll, LEFT_OVER_POLL_REAL_MS);
            return;
        }
    }
    if (!tell_to_stop(demo, DEMO_LOCALAWS))
        enter_act(demo, DEMO_ACT_OVER);
}

/* ---- from act to act ---- */

static void enter_act(struct demo *demo, enum demo_act act)
{
    static void (*const begin[DEMO_ACT_MAX])(struct demo *) = {
        [DEMO_ACT_ENDPOINT] = begin_endpoint, [DEMO_ACT_QUEUES] = begin_queues,
        [DEMO_ACT_SERVICE] = begin_service,   [DEMO_ACT_SUPERVISOR] = begin_supervisor,
        [DEMO_ACT_SALE] = begin_sale,         [DEMO_ACT_DRAIN] = begin_drain,
        [DEMO_ACT_DEAD] = begin_dead_letters, [DEMO_ACT_SCALE_IN] = begin_scale_in,
        [DEMO_ACT_STOP] = begin_stop,
    };

    demo->act = act;
    if (begin[act] != NULL)
        begin[act](demo);
    else
        (void)event_base_loopbreak(demo->base);
}

static void show(struct demo *demo, const struct demo_sample *sample, bool in_sale)
{
    struct demo_view_now now = {
        .act = ACT_NAMES[demo->act],
        .sample = *sample,
        .in_sale = in_sale,
        .rates = demo_samples_rates(&demo->sampler.samples, 5),
        .decision = demo->sampler.decision,
    };

    now.peak_visible =
        demo->view.now.peak_visible > sample->visible ? demo->view.now.peak_visible : sample->visible;
    demo_view_update(&demo->view, &now);
}

static void tell_of_change(struct demo *demo)
{
    const struct demo_status_report *status = &demo->sampler.last_status;

    if (status->change_seq == demo->change_seq || status->change[0] == '\0')
        return;
    demo->change_seq = status->change_seq;
    demo_view_event(&demo->view, "decision: %s", status->change);
}

void demo_acts_on_sample(void *arg, const struct demo_sample *sample, bool in_sale)
{
    struct demo *demo = arg;
    bool empty = sample->visible == 0 && sample->in_flight == 0 && sample->delayed == 0;
    bool at_min = demo_sample_workers(sample) == demo->options.min && sample->draining == 0;

    tell_of_change(demo);
    show(demo, sample, in_sale);
    switch (demo->act) {
    case DEMO_ACT_SUPERVISOR:
        if (demo->service.facts.failed_tasks >= FAILED_TASKS)
            blame_tasks(demo);
        else if (sample->ready >= demo->options.min && demo->sampler.last_status.desired >= 0)
            enter_act(demo, DEMO_ACT_SALE);
        break;
    case DEMO_ACT_SALE:
        if (in_sale)
            demo_chaos_on_sample(demo, sample);
        break;
    case DEMO_ACT_DRAIN:
        demo_chaos_on_sample(demo, sample);
        demo->quiet_samples = empty ? demo->quiet_samples + 1 : 0;
        if (demo->quiet_samples >= QUIET_SAMPLES)
            enter_act(demo, DEMO_ACT_DEAD);
        break;
    case DEMO_ACT_SCALE_IN:
        demo->quiet_samples = at_min ? demo->quiet_samples + 1 : 0;
        if (demo->quiet_samples >= SETTLED_SAMPLES)
            enter_act(demo, DEMO_ACT_STOP);
        break;
    default:
        break;
    }
}

void demo_acts_on_exit(void *arg, enum demo_child_name name, int status)
{
    struct demo *demo = arg;

    if (name == DEMO_SUPERVISOR && demo_chaos_on_supervisor_exit(demo, status))
        return;
    if (name == DEMO_LOAD && demo->act == DEMO_ACT_SALE && ended_well(status)) {
        enter_act(demo, DEMO_ACT_DRAIN);
        return;
    }
    if (demo->act < DEMO_ACT_STOP || !ended_well(status))
        blame_child(demo, name, status);
    if (demo->act == DEMO_ACT_STOP)
        stop_next(demo);
}

static void on_poll(void *arg)
{
    struct demo *demo = arg;

    if (demo->act == DEMO_ACT_ENDPOINT)
        look_for_endpoint(demo);
    else if (demo->act == DEMO_ACT_STOP)
        stop_next(demo);
}

/* The first signal stops everything in order, the second kills it. */
static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct demo *demo = arg;

    (void)what;
    if (demo->signals++ == 0) {
        demo_acts_give_up(demo, "interrupted by signal %d (%s)", (int)number, strsignal((int)number));
        return;
    }
    on_guard(demo);
}

static struct event *watch_signal(struct demo *demo, int number)
{
    struct event *event = evsignal_new(demo->base, number, on_signal, demo);

    (void)event_add(event, NULL);
    return event;
}

void demo_acts_run(struct demo *demo)
{
    loop_timer_init(&demo->guard, demo->base, on_guard, demo);
    loop_timer_init(&demo->poll, demo->base, on_poll, demo);
    demo->term_event = watch_signal(demo, SIGTERM);
    demo->int_event = watch_signal(demo, SIGINT);
    demo->hup_event = watch_signal(demo, SIGHUP);
    demo_children_init(&demo->children, demo->base, demo->sandbox.folder, demo_acts_on_exit, demo);
    demo_chaos_init(demo);
    enter_act(demo, DEMO_ACT_ENDPOINT);
    if (demo->act != DEMO_ACT_OVER)
        (void)event_base_dispatch(demo->base);
    event_free(demo->term_event);
    event_free(demo->int_event);
    event_free(demo->hup_event);
    loop_timer_clean_up(&demo->guard);
    loop_timer_clean_up(&demo->poll);
}

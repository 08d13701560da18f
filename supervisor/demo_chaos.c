/* The kills of `sluice demo --chaos`: a worker in the middle of payments, then the supervisor. See demo.h. */
#include "supervisor/demo.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static void on_restart(void *arg);

void demo_chaos_init(struct demo *demo)
{
    demo->chaos = demo->options.chaos ? DEMO_CHAOS_WORKER : DEMO_CHAOS_OFF;
    demo_status_init(&demo->chaos_status, demo->base, demo->paths.socket);
    loop_timer_init(&demo->chaos_timer, demo->base, on_restart, demo);
}

void demo_chaos_clean_up(struct demo *demo)
{
    for (size_t i = 0; i < demo->kill_count; i++)
        free(demo->kills[i].worker_pids);
    demo->kill_count = 0;
    if (demo->chaos_status.base == NULL)
        return;
    demo_status_clean_up(&demo->chaos_status);
    loop_timer_clean_up(&demo->chaos_timer);
}

void demo_chaos_cancel(struct demo *demo)
{
    demo->chaos = DEMO_CHAOS_OFF;
    demo_status_cancel(&demo->chaos_status);
    loop_timer_cancel(&demo->chaos_timer);
}

static double seconds_into_sale(const struct demo *demo, int64_t t_ms)
{
    return (double)(t_ms - demo->sampler.books.start_ms) / 1000.0;
}

static void book_kill(struct demo *demo, const struct demo_kill *kill, const char *whom)
{
    demo->kills[demo->kill_count++] = *kill;
    demo_view_event(&demo->view, "kill -9 of %s (pid %d) with %" PRId64 " payments running", whom,
                    (int)kill->pid, kill->payments_running);
}

/* ---- the worker ---- */

static bool is_there(const struct demo *demo, pid_t pid)
{
    for (size_t i = 0; i < demo->sampler.proc.count; i++)
        if (demo->sampler.proc.workers[i].pid == pid && !demo->sampler.proc.workers[i].orphan)
            return true;
    return false;
}

static void on_status_before_worker_kill(void *arg, const struct demo_status_report *report,
                                         const struct err *err)
{
    struct demo *demo = arg;
    const struct demo_status_worker *victim = NULL;

    if (report == NULL) {
        demo_acts_give_up(demo, "the supervisor did not answer before the kill: %s", err->text);
        return;
    }
    for (size_t i = 0; i < report->worker_count; i++) {
        const struct demo_status_worker *worker = &report->workers[i];
        if (worker->state == DEMO_WORKER_READY && is_there(demo, worker->pid) &&
            (victim == NULL || worker->busy > victim->busy))
            victim = worker;
    }
    if (victim == NULL) {
        demo_acts_give_up(demo, "no ready worker to kill");
        return;
    }
    struct demo_kill this_kill = {.what = DEMO_KILL_WORKER,
                                  .pid = victim->pid,
                                  .t_ms = clock_product_ms(),
                                  .payments_running = victim->busy};
    (void)kill(victim->pid, SIGKILL);
    book_kill(demo, &this_kill, "a worker");
    demo->chaos = DEMO_CHAOS_SUPERVISOR;
}

/* ---- the supervisor ---- */

static void on_status_before_supervisor_kill(void *arg, const struct demo_status_report *report,
                                             const struct err *err)
{
    struct demo *demo = arg;
    const struct demo_child *supervisor = &demo->children.child[DEMO_SUPERVISOR];

    if (report == NULL) {
        demo_acts_give_up(demo, "the supervisor did not answer before its kill: %s", err->text);
        return;
    }
    struct demo_kill this_kill = {.what = DEMO_KILL_SUPERVISOR,
                                  .pid = supervisor->pid,
                                  .worker_pids = xcalloc(report->worker_count + 1, sizeof(pid_t))};
    for (size_t i = 0; i < report->worker_count; i++) {
        this_kill.payments_running += report->workers[i].busy;
        this_kill.worker_pids[this_kill.worker_count++] = report->workers[i].pid;
    }
    demo->chaos = DEMO_CHAOS_RESTART;
    this_kill.t_ms = clock_product_ms();
    demo_children_signal(&demo->children, DEMO_SUPERVISOR, SIGKILL);
    book_kill(demo, &this_kill, "the supervisor");
}

bool demo_chaos_on_supervisor_exit(struct demo *demo, int status)
{
    if (demo->chaos != DEMO_CHAOS_RESTART || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return false;
    demo_sampler_set_supervisor(&demo->sampler, 0);
    loop_timer_arm_product_ms(&demo->chaos_timer, DEMO_CHAOS_RESTART_MS);
    return true;
}

static void on_restart(void *arg)
{
    struct demo *demo = arg;
    struct err err = {.text = ""};

    demo->chaos = DEMO_CHAOS_DONE;
    if (demo_acts_start_supervisor(demo, &err) != 0) {
        demo_acts_give_up(demo, "%s", err.text);
        return;
    }
    demo_view_event(&demo->view, "supervisor started again on the same state folder (pid %d)",
                    (int)demo->children.child[DEMO_SUPERVISOR].pid);
}

/* ---- when ---- */

void demo_chaos_on_sample(struct demo *demo, const struct demo_sample *sample)
{
    (void)sample;
    if (demo->chaos_status.wire != NULL || loop_timer_pending(&demo->chaos_status.timeout))
        return;
    double t_s = seconds_into_sale(demo, clock_product_ms());

    /* A timer may fire a hair before its whole second. */
    if (demo->chaos == DEMO_CHAOS_WORKER && t_s >= DEMO_CHAOS_WORKER_AT_S - 0.05)
        demo_status_get(&demo->chaos_status, on_status_before_worker_kill, demo);
    else if (demo->chaos == DEMO_CHAOS_SUPERVISOR && t_s >= DEMO_CHAOS_SUPERVISOR_AT_S - 0.05)
        demo_status_get(&demo->chaos_status, on_status_before_supervisor_kill, demo);
}

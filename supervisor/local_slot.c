/* Driver of a worker slot; see local_slot.h. */
#include "supervisor/local_slot.h"

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "supervisor/orphans.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Floors of real time under limits that guard processes, whatever the product clock's speed
 * (ARCHITECTURE.md). */
enum {
    START_GRACE_FLOOR_REAL_MS = 5000,
    HUNG_FLOOR_REAL_MS = 5000,
    STOP_GRACE_FLOOR_REAL_MS = 2000,
    /* A worker ends itself when its grace is over; it is killed only when it does not. */
    STOP_MARGIN_REAL_MS = 1000,
    UNDEAD_REAL_MS = 10000,
};

static void arm_deadline(struct local_slot *slot)
{
    const struct config_local *config = slot->shared->config;
    switch (slot->state) {
    case SLOT_STARTING:
        loop_timer_arm_product_floor_ms(&slot->deadline, config->start_grace_ms, START_GRACE_FLOOR_REAL_MS);
        return;
    case SLOT_READY:
        loop_timer_arm_product_ms(&slot->deadline, config->healthy_after_ms);
        return;
    case SLOT_STOPPING:
        /* The margin is real time, the grace product time: one span of product time for both. */
        loop_timer_arm_product_floor_ms(&slot->deadline,
                                        config->stop_grace_ms + (int64_t)STOP_MARGIN_REAL_MS * clock_scale(),
                                        STOP_GRACE_FLOOR_REAL_MS + STOP_MARGIN_REAL_MS);
        return;
    case SLOT_KILLING:
    case SLOT_REPLACING:
        loop_timer_arm_real_ms(&slot->deadline, UNDEAD_REAL_MS);
        return;
    case SLOT_BACKOFF:
        loop_timer_arm_product_ms(&slot->deadline, slot->next_start_ms - clock_product_ms());
        return;
    default:
        loop_timer_cancel(&slot->deadline);
        return;
    }
}

static void watch_silence(struct local_slot *slot)
{
    if (slot->state != SLOT_READY || slot->shared->config->telemetry != TELEMETRY_LINES) {
        loop_timer_cancel(&slot->silence);
        return;
    }
    slot->heard_bytes = worker_process_telemetry_bytes(slot->process);
    loop_timer_arm_product_floor_ms(&slot->silence, slot->shared->config->hung_after_ms, HUNG_FLOOR_REAL_MS);
}

/* ---- telemetry ---- */

static void on_line(void *arg, const struct telemetry_line *line)
{
    struct local_slot *slot = arg;
    worker_account_take(&slot->account, line, clock_product_ms());
    if (line->type == TELEMETRY_READY)
        local_slot_handle(slot, SLOT_SAID_READY);
    else if (line->type == TELEMETRY_BYE)
        (void)snprintf(slot->bye, sizeof slot->bye, "%s", line->reason);
    watch_silence(slot);
}

/* What the process counted stays in the fleet's sums after its end. */
static void bury_counters(struct local_slot *slot)
{
    struct local_slot_shared *shared = slot->shared;
    struct worker_process_counts counts = worker_process_counts(slot->process);
    worker_account_close(&slot->account, &shared->dead_totals);
    shared->dead_bad_lines += counts.bad_lines;
    shared->dead_cut_log_lines += counts.cut_log_lines;
    shared->dead_dropped_log_lines += counts.dropped_log_lines;
}

/* ---- the process ---- */

static void note_exit(struct local_slot *slot, const char *text)
{
    (void)snprintf(slot->last_exit, sizeof slot->last_exit, "%s%s%s", text,
                   slot->kill_reason != NULL ? ", " : "", slot->kill_reason != NULL ? slot->kill_reason : "");
    slot->last_exit_ms = clock_product_ms();
}

static void choose_wait(struct local_slot *slot, enum restart_cause cause)
{
    int64_t wait_ms = restart_backoff_next_ms(&slot->backoff, cause, slot->healthy);
    slot->next_start_ms = clock_product_ms() + wait_ms;
    slot->healthy = false;
    LOG(LOG_WARNING, "worker ended, it will be started again", LOG_STR("worker", slot->name),
        LOG_STR("exit", slot->last_exit), LOG_STR("cause", restart_cause_name(cause)),
        LOG_INT("failures_in_a_row", slot->backoff.failures), LOG_INT("wait_ms", wait_ms));
}

static void on_finished(void *arg, int status)
{
    struct local_slot *slot = arg;
    char text[64];
    enum restart_cause cause = slot->kill_reason != NULL ? RESTART_CRASHED : restart_cause_of_status(status);
    note_exit(slot, child_status_text(status, text));
    bury_counters(slot);
    worker_process_destroy(slot->process);
    slot->process = NULL;
    slot->undead = false;
    if (slot->shared->state_dir != NULL)
        worker_record_remove(slot->shared->state_dir, slot->name);
    /* The wait is chosen here, where the cause is known; the table says whether it is used. */
    if (slot_state_next(slot->state, SLOT_EXITED).actions & SLOT_DO_BACK_OFF)
        choose_wait(slot, cause);
    else
        LOG(cause == RESTART_LEFT ? LOG_INFO : LOG_WARNING, "worker has left", LOG_STR("worker", slot->name),
            LOG_STR("exit", slot->last_exit), LOG_STR("bye", slot->bye[0] != '\0' ? slot->bye : NULL));
    local_slot_handle(slot, SLOT_EXITED);
}

void local_slot_write_record(const struct local_slot *slot)
{
    struct err err = {.text = ""};
    if (slot->shared->state_dir == NULL)
        return;
    struct worker_record record = {.pid = local_slot_pid(slot), .started_ms = slot->started_ms};
    (void)snprintf(record.worker, sizeof record.worker, "%s", slot->name);
    (void)snprintf(record.fleet, sizeof record.fleet, "%s", slot->shared->fleet_name);
    record.start_ticks = child_start_ticks(record.pid);
    if (worker_record_write(slot->shared->state_dir, &record, &err) != 0)
        LOG(LOG_WARNING,
            "cannot write a worker record: this worker would not be listed after a crash of ours",
            LOG_STR("worker", slot->name), LOG_STR("error", err.text));
}

static void spawn(struct local_slot *slot)
{
    const struct local_slot_shared *shared = slot->shared;
    struct err err = {.text = ""};
    struct worker_process_spec spec = {
        .base = shared->base,
        .reaper = shared->reaper,
        .name = slot->name,
        .argv = (const char *const *)shared->config->command,
        .envp = shared->environment(shared->arg, slot->name),
        .telemetry = (enum config_telemetry)shared->config->telemetry,
        .log = (enum config_worker_log)shared->config->log,
        .log_lines_per_s = shared->config->log_lines_per_s,
        .on_line = on_line,
        .on_finished = on_finished,
        .arg = slot,
    };
    slot->restarts += slot->started_ms != 0;
    slot->started_ms = clock_product_ms();
    slot->forked_mono_ms = clock_mono_ms();
    slot->start_ready_ms = -1;
    slot->kill_reason = NULL;
    slot->bye[0] = '\0';
    if (worker_process_start(&spec, &slot->process, &err) == 0) {
        local_slot_write_record(slot);
        return;
    }
    (void)snprintf(slot->last_exit, sizeof slot->last_exit, "%.95s", err.text);
    slot->last_exit_ms = slot->started_ms;
    LOG(LOG_ERROR, "cannot start a worker", LOG_STR("worker", slot->name), LOG_STR("error", err.text));
    choose_wait(slot, RESTART_CRASHED);
    local_slot_handle(slot, SLOT_SPAWN_FAILED);
}

/* ---- timers ---- */

static void on_deadline(void *arg)
{
    struct local_slot *slot = arg;
    /* Without telemetry nobody says ready: having lived through start_grace is what stands for it. */
    if (slot->state == SLOT_STARTING && slot->shared->config->telemetry == TELEMETRY_NONE)
        local_slot_handle(slot, SLOT_SAID_READY);
    else
        local_slot_handle(slot, SLOT_TIMEOUT);
}

static void on_silence(void *arg)
{
    struct local_slot *slot = arg;
    uint64_t heard = slot->heard_bytes;
    /* If it was us who did not run (suspended, starved), the lines are waiting in the channel. */
    worker_process_read_telemetry(slot->process);
    /* Lines that are not understood are counted, never fatal: who writes them is not hung. */
    if (worker_process_telemetry_bytes(slot->process) == heard)
        local_slot_handle(slot, SLOT_SILENT);
    else
        watch_silence(slot);
}

/* ---- the state machine ---- */

static const char *kill_reason(enum slot_state from, enum slot_event event)
{
    if (event == SLOT_SILENT)
        return "hung: no telemetry";
    if (event == SLOT_HURRY)
        return "not waited for";
    return from == SLOT_STARTING ? "not ready in time" : "did not stop in time";
}

static void report_undead(struct local_slot *slot)
{
    slot->undead = true;
    LOG(LOG_ERROR, "a killed worker does not go away", LOG_STR("worker", slot->name),
        LOG_INT("pid", local_slot_pid(slot)));
}

static void log_change(const struct local_slot *slot, enum slot_state from, enum slot_event event)
{
    LOG(LOG_INFO, "worker state", LOG_STR("worker", slot->name), LOG_STR("from", slot_state_name(from)),
        LOG_STR("to", slot_state_name(slot->state)), LOG_STR("event", slot_event_name(event)),
        LOG_INT("pid", local_slot_pid(slot)));
}

static void act(struct local_slot *slot, unsigned int actions, enum slot_state from, enum slot_event event)
{
    if (actions & SLOT_DO_SPAWN)
        spawn(slot);
    if ((actions & SLOT_DO_TERM) && slot->process != NULL)
        worker_process_stop(slot->process);
    if ((actions & SLOT_DO_KILL) && slot->process != NULL) {
        if (slot->kill_reason == NULL)
            slot->kill_reason = kill_reason(from, event);
        worker_process_kill(slot->process);
    }
    if (actions & SLOT_DO_REPORT)
        report_undead(slot);
    if (actions & SLOT_DO_FORGIVE) {
        slot->healthy = true;
        restart_backoff_forgive(&slot->backoff);
    }
    if (actions & SLOT_DO_COMPLAIN)
        LOG(LOG_ERROR, "unexpected event of a worker slot, ignored", LOG_STR("worker", slot->name),
            LOG_STR("state", slot_state_name(from)), LOG_STR("event", slot_event_name(event)));
}

void local_slot_handle(struct local_slot *slot, enum slot_event event)
{
    enum slot_state from = slot->state;
    struct slot_cell cell = slot_state_next(from, event);
    if (cell.next != from) {
        slot->state = cell.next;
        slot->since_ms = clock_product_ms();
        if (cell.next == SLOT_READY)
            slot->start_ready_ms = clock_mono_ms() - slot->forked_mono_ms;
    }
    /* Before the actions: a failed start comes back as an event of its own and arms what it needs. */
    if (cell.next != from || (cell.actions & SLOT_DO_REPORT))
        arm_deadline(slot);
    watch_silence(slot);
    act(slot, cell.actions, from, event);
    if (cell.next != from) {
        if (slot->state == cell.next)
            log_change(slot, from, event);
        slot->shared->on_change(slot->shared->arg);
    }
}

struct local_slot *local_slot_new(struct local_slot_shared *shared, int number, uint64_t seed)
{
    struct local_slot *slot = xcalloc(1, sizeof *slot);
    slot->shared = shared;
    slot->number = number;
    (void)snprintf(slot->name, sizeof slot->name, "%s-%d", shared->fleet_name, number);
    slot->state = SLOT_NEW;
    slot->since_ms = clock_product_ms();
    slot->start_ready_ms = -1;
    slot->backoff = (struct restart_backoff){.least_ms = shared->config->restart_min_ms,
                                             .longest_ms = shared->config->restart_max_ms,
                                             .random = seed};
    loop_timer_init(&slot->deadline, shared->base, on_deadline, slot);
    loop_timer_init(&slot->silence, shared->base, on_silence, slot);
    return slot;
}

void local_slot_destroy(struct local_slot *slot)
{
    if (slot == NULL)
        return;
    loop_timer_clean_up(&slot->deadline);
    loop_timer_clean_up(&slot->silence);
    worker_process_destroy(slot->process);
    worker_account_clean_up(&slot->account);
    free(slot);
}

bool local_slot_is_place(const struct local_slot *slot)
{
    return slot->state != SLOT_STOPPING && slot->state != SLOT_KILLING && slot->state != SLOT_GONE;
}

bool local_slot_is_crash_looping(const struct local_slot *slot)
{
    return restart_backoff_is_crash_loop(&slot->backoff);
}

pid_t local_slot_pid(const struct local_slot *slot)
{
    return slot->process != NULL ? worker_process_pid(slot->process) : 0;
}

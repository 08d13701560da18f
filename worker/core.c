/* The worker's state machine: events, held messages and their leases; see core.h. Receives are in
 * core_polls.c, deletes, hand-backs and extensions in core_acks.c, draining is in core_drain.c. */
#include "worker/core.h"

#include "base/alloc.h"
#include "base/log.h"
#include "worker/core_internal.h"
#include "worker/quarantine.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- messages ---- */

struct message *core_message_new(struct core *core, struct sqs_message *sqs, int64_t start_ms)
{
    struct message *message = xcalloc(1, sizeof *message);
    message->first = sqs;
    message->newest = sqs;
    if (core->settings.fifo)
        message->group_id = sqs->group_id != NULL ? sqs->group_id : "";
    message->phase = MESSAGE_GONE;
    message->retry_delay_s = -1;
    message->status = INT64_MIN;
    message->held_since_ms = start_ms;
    atomic_store(&message->cancel_fd, -1);
    TAILQ_INSERT_TAIL(&core->all, message, all);
    lease_start(&message->lease, &core->rules, start_ms);
    core_lease_changed(core, message);
    return message;
}

static void message_free(struct core *core, struct message *message)
{
    if (message->newest != message->first)
        core->ops.release(message->newest);
    core->ops.release(message->first);
    free(message->reason);
    free(message);
}

void core_message_settle(struct core *core, struct message *message)
{
    if (message->phase != MESSAGE_GONE || message->batches_on_wire > 0 || message->dispatched)
        return;
    TAILQ_REMOVE(&core->all, message, all);
    message_free(core, message);
}

static bool is_leased(enum message_phase phase)
{
    return phase == MESSAGE_HELD || phase == MESSAGE_DELETING || phase == MESSAGE_QUARANTINING;
}

/* The queue of calls that a phase waits in, NULL: none. */
static struct acks *acks_of(struct core *core, enum message_phase phase)
{
    switch (phase) {
    case MESSAGE_DELETING:
        return &core->deletes;
    case MESSAGE_RELEASING:
        return &core->releases;
    case MESSAGE_QUARANTINING:
        return &core->quarantines;
    default:
        return NULL;
    }
}

void core_message_set_phase(struct core *core, struct message *message, enum message_phase phase,
                            int64_t now_ms)
{
    bool leased = is_leased(message->phase);
    if (message->queued)
        acks_remove(acks_of(core, message->phase), message);
    if (leased && !is_leased(phase))
        TAILQ_REMOVE(&core->leased, message, leased);
    else if (!leased && is_leased(phase))
        TAILQ_INSERT_TAIL(&core->leased, message, leased);
    core->held_count += (phase == MESSAGE_HELD) - (message->phase == MESSAGE_HELD);
    message->phase = phase;
    struct acks *acks = acks_of(core, phase);
    if (acks != NULL)
        acks_add(acks, message, now_ms);
}

static void forget(struct core *core, struct message *message)
{
    if (message->known != NULL)
        known_forget(&core->known, message->known);
    message->known = NULL;
}

void core_message_end(struct core *core, struct message *message, bool confirmed, int64_t now_ms)
{
    if (core->settings.idempotency_window == 0)
        forget(core, message);
    else if (message->known != NULL)
        known_set_state(&core->known, message->known, confirmed ? KNOWN_CONFIRMED : KNOWN_UNCONFIRMED, NULL);
    message->known = NULL;
    core_message_set_phase(core, message, MESSAGE_GONE, now_ms);
    core_message_settle(core, message);
}

void core_message_release(struct core *core, struct message *message, int delay_s, bool unstarted,
                          int64_t now_ms)
{
    message->delay_s = delay_s;
    message->unstarted = unstarted;
    forget(core, message);
    core_message_set_phase(core, message, MESSAGE_RELEASING, now_ms);
}

void core_message_drop(struct core *core, struct message *message, int64_t now_ms)
{
    forget(core, message);
    core_message_set_phase(core, message, MESSAGE_GONE, now_ms);
    core_message_settle(core, message);
}

/* ---- open polls ---- */

void core_poll_free(struct core *core, struct core_poll *poll)
{
    TAILQ_REMOVE(&core->polls, poll, link);
    core->poll_count--;
    core->polled -= poll->asked;
    free(poll);
}

void core_poll_cancel(struct core *core, struct core_poll *poll)
{
    core->ops.cancel(core->ops.arg, poll);
    core->stats.receives_cancelled++;
    core_poll_free(core, poll);
}

/* ---- leases ---- */

/* Wakes a handler that waits for it. The thread may be done with the message and have the next one by now: it
 * takes the false alarm for what it is. */
static void message_cancel(struct message *message)
{
    uint64_t one = 1;
    int fd = atomic_load(&message->cancel_fd);
    if (fd < 0)
        return;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n; /* fails only when the counter is full: then it is readable */
}

void core_lease_changed(struct core *core, struct message *message)
{
    int64_t next_ms = lease_next_ms(&message->lease);
    atomic_store(&message->lease_until_ms, message->lease.until_ms);
    atomic_store(&message->lease_lost, message->lease.lost);
    if (message->lease.lost) {
        message->told_to_stop = true;
        message_cancel(message);
    }
    if (next_ms < core->lease_scan_ms)
        core->lease_scan_ms = next_ms;
}

void core_lease_lost(struct core *core, struct message *message, int64_t now_ms, const char *why)
{
    if (message->lease.lost)
        return;
    message->lease.lost = true;
    core->stats.lease_lost++;
    core_lease_changed(core, message);
    core_hand_back_behind(core, message, now_ms);
    bool waited = dispatch_withdraw(core->dispatch, message);
    bool started = !waited && (message->dispatched || message->outcome != OUTCOME_NONE);
    LOG(LOG_WARNING, "lease lost", LOG_STR("message_id", message->newest->id), LOG_STR("why", why),
        LOG_BOOL("started", started), LOG_INT("held_ms", now_ms - message->lease.received_ms));
    if (waited) {
        message->dispatched = false;
        core_message_drop(core, message, now_ms);
    } else if (message->phase == MESSAGE_QUARANTINING && message->queued) {
        core_message_drop(core, message, now_ms); /* who has it now decides */
    }
}

static void check_leases(struct core *core, int64_t now_ms)
{
    if (now_ms < core->lease_scan_ms)
        return;
    core_send_extensions(core, now_ms);
    core->lease_scan_ms = INT64_MAX;
    struct message *message = TAILQ_FIRST(&core->leased);
    while (message != NULL) {
        struct message *next = TAILQ_NEXT(message, leased);
        int64_t next_ms = lease_next_ms(&message->lease);
        if (!message->lease.lost && lease_over(&message->lease, now_ms)) {
            core_lease_lost(core, message, now_ms, "the visibility timeout ran out");
            if (core->settings.fifo) /* the next one may have stood behind it */
                next = TAILQ_FIRST(&core->leased);
        } else if (next_ms < core->lease_scan_ms)
            core->lease_scan_ms = next_ms;
        message = next;
    }
}

/* ---- received messages ---- */

/* The newest receipt handle is the one that counts; the old delivery goes, unless a handler may be reading
 * it. */
static void adopt(struct core *core, struct message *message, struct sqs_message *sqs, int64_t start_ms,
                  int64_t now_ms)
{
    if (message->newest != message->first)
        core->ops.release(message->newest);
    message->newest = sqs;
    message->deliveries++;
    lease_start(&message->lease, &core->rules, start_ms);
    core_lease_changed(core, message);
    if (message->phase == MESSAGE_DELETING && message->queued) {
        acks_remove(&core->deletes, message);
        acks_add(&core->deletes, message, now_ms);
    }
}

/* A message that we hold, or have handled, came again. */
static void on_redelivered(struct core *core, struct known_entry *entry, struct sqs_message *sqs,
                           int64_t start_ms, int64_t now_ms)
{
    core->stats.redelivered++;
    LOG(LOG_INFO, "message delivered again", LOG_STR("message_id", sqs->id),
        LOG_INT("receive_count", sqs->receive_count), LOG_BOOL("finished", entry->state != KNOWN_HELD));
    if (entry->state == KNOWN_HELD) {
        adopt(core, entry->message, sqs, start_ms, now_ms);
        return;
    }
    core->stats.duplicates++;
    struct message *message = core_message_new(core, sqs, start_ms);
    message->known = entry;
    known_set_state(&core->known, entry, KNOWN_HELD, message);
    core_message_set_phase(core, message, MESSAGE_DELETING, now_ms);
}

/* It came too late: it is visible again by now, and may be somebody else's. */
static void refuse_late(struct core *core, struct sqs_message *sqs, int64_t start_ms, int64_t now_ms)
{
    core->stats.lease_lost++;
    LOG(LOG_WARNING, "lease lost", LOG_STR("message_id", sqs->id),
        LOG_STR("why", "the reply came after the visibility timeout"), LOG_BOOL("started", false),
        LOG_INT("held_ms", now_ms - start_ms));
    core->ops.release(sqs);
}

void core_message_hand_over(struct core *core, struct message *message)
{
    message->dispatched = true;
    message->told_to_stop = false;
    dispatch_add(core->dispatch, message);
    core->woken = true;
}

/* It was received more often than it may fail: whoever had it crashed over it, or lost it. In a FIFO queue
 * it may have stood behind another one every time, so that says nothing. */
static bool is_poison(const struct core *core, const struct sqs_message *sqs)
{
    return core->settings.dlq && !core->settings.fifo && core->settings.max_receives > 0 &&
           sqs->receive_count > core->settings.max_receives;
}

void core_message_accept(struct core *core, struct sqs_message *sqs, int64_t start_ms, bool hand_back,
                         int64_t now_ms)
{
    struct known_entry *entry = known_find(&core->known, sqs->id);
    if (entry != NULL) {
        on_redelivered(core, entry, sqs, start_ms, now_ms);
        return;
    }
    if (now_ms - start_ms >= (int64_t)core->settings.visibility_s * 1000) {
        refuse_late(core, sqs, start_ms, now_ms);
        return;
    }
    struct message *message = core_message_new(core, sqs, start_ms);
    if (core->stage != CORE_RUNNING || hand_back) {
        core_message_release(core, message, 0, true, now_ms);
        return;
    }
    message->known = known_add(&core->known, sqs->id, message);
    if (is_poison(core, sqs)) {
        core_message_quarantine(core, message,
                                "received more often than allowed, and its workers came to no end with it",
                                now_ms);
        return;
    }
    core_message_set_phase(core, message, MESSAGE_HELD, now_ms);
    core_message_hand_over(core, message);
}

/* ---- limits ---- */

int core_ceiling(const struct core *core)
{
    int ceiling = core->settings.threads;
    if (core->settings.handler_limit > 0 && core->settings.handler_limit < ceiling)
        ceiling = core->settings.handler_limit;
    return core->limit < ceiling ? core->limit : ceiling;
}

void core_set_capacity(struct core *core)
{
    int capacity = core_ceiling(core);
    if (core->brake.limit < capacity)
        capacity = core->brake.limit;
    core->woken = core->woken || capacity > core->capacity;
    core->capacity = capacity;
    dispatch_set_capacity(core->dispatch, capacity);
}

/* After the limit was lowered, or handling turned out to be slow: what waits beyond it goes back, newest
 * first. */
static void trim(struct core *core, int64_t now_ms)
{
    struct message *message = NULL;
    for (;;) {
        struct flow_view view = core_flow_view(core, now_ms);
        if (flow_excess(&view) == 0 || (message = dispatch_withdraw_newest(core->dispatch)) == NULL)
            return;
        message->dispatched = false;
        core_message_release(core, message, 0, true, now_ms);
    }
}

void core_set_limit(struct core *core, int64_t now_ms, int64_t limit)
{
    core->limit = limit < INT_MAX ? (int)limit : INT_MAX;
    core_set_capacity(core);
    LOG(LOG_INFO, "capacity limited", LOG_INT("limit", limit), LOG_INT("capacity", core->capacity));
    core_run(core, now_ms);
}

/* ---- events ---- */

/* Before the deletes are sent: a quick handler has brought its share by then. */
static void start_handlers(struct core *core, int64_t now_ms)
{
    if (!core->woken)
        return;
    core->woken = false;
    if (core->ops.wake(core->ops.arg))
        core_collect(core, now_ms);
    if (core->woken) /* one was handed over again: not at once, which might go on for ever */
        core->lease_scan_ms = now_ms;
}

void core_run(struct core *core, int64_t now_ms)
{
    core->run_ms = now_ms;
    core_collect(core, now_ms);
    check_leases(core, now_ms);
    trim(core, now_ms);
    core_drain_step(core, now_ms);
    start_handlers(core, now_ms);
    core_send_acks(core, now_ms);
    core_open_polls(core, now_ms);
    core_drain_check_end(core, now_ms);
}

void core_on_wakeup(struct core *core, int64_t now_ms)
{
    core_run(core, now_ms);
}

void core_init(struct core *core, const struct core_settings *settings, const struct core_ops *ops,
               struct dispatch *dispatch, int64_t now_ms)
{
    *core = (struct core){.settings = *settings,
                          .ops = *ops,
                          .dispatch = dispatch,
                          .limit = settings->concurrency > 0 ? settings->concurrency : INT_MAX};
    int scale = settings->scale;
    core->rules = lease_rules_of(settings->visibility_s, scale);
    TAILQ_INIT(&core->all);
    TAILQ_INIT(&core->leased);
    TAILQ_INIT(&core->polls);
    TAILQ_INIT(&core->batches);
    acks_init(&core->deletes, scale, false);
    acks_init(&core->releases, scale, true);
    acks_init(&core->quarantines, scale, false);
    core->quarantines.payload_max = QUARANTINE_BATCH_BYTES;
    brake_init(&core->brake, settings->brake_percent);
    known_init(&core->known, settings->idempotency_window > 0 ? (size_t)settings->idempotency_window : 1);
    core->lease_scan_ms = INT64_MAX;
    core->poll_target = 1;
    core->ask_max = SQS_BATCH_MAX;
    (void)snprintf(core->reason, sizeof core->reason, "drained");
    core->random = settings->seed;
    core->last_receive_ms = now_ms;
    core_set_capacity(core);
    core_run(core, now_ms);
}

void core_clean_up(struct core *core)
{
    struct core_poll *next_poll = NULL;
    struct core_batch *next_batch = NULL;
    struct message *next = NULL;
    for (struct core_poll *poll = TAILQ_FIRST(&core->polls); poll != NULL; poll = next_poll) {
        next_poll = TAILQ_NEXT(poll, link);
        free(poll);
    }
    for (struct core_batch *batch = TAILQ_FIRST(&core->batches); batch != NULL; batch = next_batch) {
        next_batch = TAILQ_NEXT(batch, link);
        free(batch);
    }
    for (struct message *message = TAILQ_FIRST(&core->all); message != NULL; message = next) {
        next = TAILQ_NEXT(message, all);
        message_free(core, message);
    }
    known_clean_up(&core->known);
}

/* ---- questions ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t core_due_ms(const struct core *core)
{
    int64_t due_ms = core->lease_scan_ms;
    due_ms = least(due_ms, acks_next_ms(&core->deletes));
    due_ms = least(due_ms, acks_next_ms(&core->releases));
    due_ms = least(due_ms, acks_next_ms(&core->quarantines));
    due_ms = least(due_ms, core_drain_due_ms(core));
    if (core->stage == CORE_RUNNING && core->run_ms < core->poll_retry_ms)
        due_ms = least(due_ms, core->poll_retry_ms);
    const struct core_poll *poll = NULL;
    for (poll = TAILQ_FIRST(&core->polls); poll != NULL; poll = TAILQ_NEXT(poll, link))
        if (core->run_ms < poll->overdue_ms && core->stage == CORE_RUNNING)
            due_ms = least(due_ms, poll->overdue_ms);
    return due_ms;
}

bool core_is_over(const struct core *core)
{
    return core->stage == CORE_OVER;
}

/* Leased messages stand in the order of their arrival. */
int64_t core_oldest_held_ms(const struct core *core, int64_t now_ms)
{
    const struct message *message = TAILQ_FIRST(&core->leased);
    while (message != NULL && message->phase != MESSAGE_HELD)
        message = TAILQ_NEXT(message, leased);
    return message != NULL && now_ms > message->held_since_ms ? now_ms - message->held_since_ms : 0;
}

void core_get_stats(struct core *core, int64_t now_ms, struct telemetry_stats *ret_stats)
{
    struct dispatch_counts counts = dispatch_count(core->dispatch);
    *ret_stats = core->stats;
    ret_stats->t_ms = now_ms;
    ret_stats->state = core->stage == CORE_RUNNING ? TELEMETRY_RUNNING : TELEMETRY_DRAINING;
    ret_stats->busy = counts.running;
    ret_stats->waiting = counts.waiting + counts.behind;
    ret_stats->held = core->held_count;
    ret_stats->capacity = core->capacity;
    ret_stats->last_receive_age_ms = now_ms - core->last_receive_ms;
    ret_stats->oldest_held_ms = core_oldest_held_ms(core, now_ms);
    ret_stats->brake_percent = brake_closed_percent(&core->brake, core_ceiling(core));
}

const struct core_sensors *core_get_sensors(const struct core *core)
{
    return &core->sensors;
}

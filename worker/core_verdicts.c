/* What becomes of messages that handler threads are done with. */
#include "worker/core.h"

#include "base/log.h"
#include "base/random.h"
#include "worker/core_internal.h"

#include <limits.h>

static void count_handled(struct core *core, const struct message *message)
{
    int64_t handled_ms = message->end_ms > message->start_ms ? message->end_ms - message->start_ms : 0;
    int64_t waited_ms = message->start_ms - message->first->sent_ms;
    core->stats.handle_ms_sum += handled_ms;
    histogram_record(&core->sensors.handle_ms, handled_ms);
    flow_pace_add(&core->pace, handled_ms);
    if (message->first->sent_ms <= 0)
        return;
    waited_ms = waited_ms > 0 ? waited_ms : 0; /* SQS's clock may be ahead of ours */
    core->stats.wait_ms_sum += waited_ms;
    histogram_record(&core->sensors.wait_ms, waited_ms);
}

/* ---- the brake ---- */

static void tell_brake(struct core *core, bool failure)
{
    bool was_open = core->brake.limit == INT_MAX;
    int share = brake_failure_percent(&core->brake);
    if (!brake_on_outcome(&core->brake, failure, core_ceiling(core)))
        return;
    core_set_capacity(core);
    if (was_open)
        LOG(LOG_WARNING, "most messages fail: fewer are handled at once", LOG_INT("failed_percent", share),
            LOG_INT("capacity", core->capacity));
    else if (core->brake.limit == INT_MAX)
        LOG(LOG_INFO, "messages succeed again: all capacity is used", LOG_INT("capacity", core->capacity));
}

/* ---- verdicts ---- */

/* The worker took the message away, or its lease ran out: the handler was told so, or will have noticed. What
 * it says then is not the message's fault, also when the message has come again before it said it. */
static bool is_excused(const struct message *message, int64_t now_ms)
{
    return message->phase != MESSAGE_HELD || message->told_to_stop || lease_over(&message->lease, now_ms);
}

static bool is_for_quarantine(const struct core *core, const struct message *message)
{
    int most = core->settings.max_receives;
    if (!core->settings.dlq || message->outcome == OUTCOME_RETRY)
        return false;
    return message->outcome == OUTCOME_REJECTED || (most > 0 && message->newest->receive_count >= most);
}

static void count_unhandled(struct core *core, const struct message *message)
{
    core->stats.retried += message->outcome == OUTCOME_RETRY;
    core->stats.rejected += message->outcome == OUTCOME_REJECTED;
    core->stats.failed += message->outcome == OUTCOME_FAILED;
    tell_brake(core, message->outcome != OUTCOME_REJECTED);
}

static void log_unhandled(struct core *core, const struct message *message, int delay_s)
{
    static const char *const TEXTS[] = {[OUTCOME_FAILED] = "message failed",
                                        [OUTCOME_RETRY] = "message put off",
                                        [OUTCOME_REJECTED] = "message rejected"};
    if (!core_is_worth_logging(++core->handler_failures))
        return;
    LOG(message->outcome == OUTCOME_RETRY ? LOG_INFO : LOG_WARNING, TEXTS[message->outcome],
        LOG_STR("message_id", message->newest->id), LOG_STR("reason", message->reason),
        LOG_INT("status", message->status != INT64_MIN ? message->status : 0),
        LOG_INT("receive_count", message->newest->receive_count), LOG_INT("again_in_s", delay_s),
        LOG_INT("in_a_row", core->handler_failures));
}

static void give_up(struct core *core, struct message *message, int64_t now_ms)
{
    if (message->phase != MESSAGE_HELD)
        core_message_settle(core, message); /* handed back while it ran, or its lease is gone */
    else if (message->lease.lost)
        core_message_drop(core, message, now_ms);
    else
        core_message_release(core, message, 0, false, now_ms);
}

static void on_unhandled(struct core *core, struct message *message, int64_t now_ms)
{
    if (is_excused(message, now_ms)) {
        give_up(core, message, now_ms);
        return;
    }
    count_unhandled(core, message);
    if (is_for_quarantine(core, message)) {
        core_message_quarantine(core, message,
                                message->outcome == OUTCOME_REJECTED ? "rejected by its handler"
                                                                     : "failed as often as allowed",
                                now_ms);
        return;
    }
    int delay_s = message->retry_delay_s >= 0
                      ? (int)message->retry_delay_s
                      : retry_delay_s(&core->settings.retry, message->newest->receive_count,
                                      random_next(&core->random));
    log_unhandled(core, message, delay_s);
    core_message_release(core, message, delay_s, false, now_ms);
}

static void on_done(struct core *core, struct message *message, int64_t now_ms)
{
    core->stats.completed++;
    tell_brake(core, false);
    core->handler_failures = 0;
    /* Handed back while it ran, and yet it finished: a delete by the same handle still works unless another
     * receive superseded it. One in a batch on the wire is deleted when that ends, see core_acks.c. */
    if (!message->acking)
        core_message_set_phase(core, message, MESSAGE_DELETING, now_ms);
}

static void on_lapsed(struct core *core, struct message *message, int64_t now_ms)
{
    if (message->phase != MESSAGE_HELD) {
        core_message_settle(core, message);
        return;
    }
    if (!message->lease.lost && !lease_over(&message->lease, now_ms)) {
        /* It was extended or came again after the thread had looked. */
        message->outcome = OUTCOME_NONE;
        if (core->stage == CORE_RUNNING)
            core_message_hand_over(core, message);
        else
            core_message_release(core, message, 0, true, now_ms);
        return;
    }
    core_lease_lost(core, message, now_ms, "the visibility timeout ran out before its turn");
    core_message_drop(core, message, now_ms);
}

void core_collect(struct core *core, int64_t now_ms)
{
    struct message_list done = TAILQ_HEAD_INITIALIZER(done);
    struct message *message = NULL;
    dispatch_collect(core->dispatch, &done);
    while ((message = TAILQ_FIRST(&done)) != NULL) {
        TAILQ_REMOVE(&done, message, queue);
        message->dispatched = false;
        if (message->outcome != OUTCOME_DONE)
            core_group_stop(core, message, now_ms);
        if (message->outcome == OUTCOME_LAPSED) {
            on_lapsed(core, message, now_ms);
            continue;
        }
        count_handled(core, message);
        if (message->outcome == OUTCOME_DONE)
            on_done(core, message, now_ms);
        else
            on_unhandled(core, message, now_ms);
    }
}

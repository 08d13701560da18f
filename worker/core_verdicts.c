/* What becomes of messages that handler threads are done with. */
#include "worker/core.h"

#include "base/log.h"
#include "worker/core_internal.h"

int core_failure_delay_s(int64_t receive_count)
{
    /* Short: a failure of the moment is tried again soon, and a poison message reaches the DLQ within a
     * minute. */
    static const int DELAYS_S[] = {1, 2, 5, 10, 20, 30};
    int64_t last = (int64_t)(sizeof DELAYS_S / sizeof *DELAYS_S) - 1;
    int64_t i = receive_count < 1 ? 0 : receive_count - 1;
    return DELAYS_S[i < last ? i : last];
}

static void count_handled(struct core *core, const struct message *message)
{
    int64_t handled_ms = message->end_ms > message->start_ms ? message->end_ms - message->start_ms : 0;
    int64_t waited_ms = message->start_ms - message->first->sent_ms;
    core->stats.handle_ms_sum += handled_ms;
    histogram_record(&core->sensors.handle_ms, handled_ms);
    if (message->first->sent_ms <= 0)
        return;
    waited_ms = waited_ms > 0 ? waited_ms : 0; /* SQS's clock may be ahead of ours */
    core->stats.wait_ms_sum += waited_ms;
    histogram_record(&core->sensors.wait_ms, waited_ms);
}

static void on_failed(struct core *core, struct message *message, int64_t now_ms)
{
    int delay_s = core_failure_delay_s(message->newest->receive_count);
    core->stats.failed++;
    if (core_is_worth_logging(++core->handler_failures))
        LOG(LOG_WARNING, "message failed", LOG_STR("message_id", message->newest->id),
            LOG_STR("reason", message->reason), LOG_INT("receive_count", message->newest->receive_count),
            LOG_INT("again_in_s", delay_s), LOG_INT("in_a_row", core->handler_failures));
    if (message->phase != MESSAGE_HELD)
        core_message_settle(core, message); /* handed back while it ran, or its lease is gone */
    else if (message->lease.lost)
        core_message_drop(core, message, now_ms);
    else
        core_message_release(core, message, delay_s, false, now_ms);
}

static void on_done(struct core *core, struct message *message, int64_t now_ms)
{
    core->stats.completed++;
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
        if (message->outcome == OUTCOME_LAPSED) {
            on_lapsed(core, message, now_ms);
            continue;
        }
        count_handled(core, message);
        if (message->outcome == OUTCOME_DONE)
            on_done(core, message, now_ms);
        else
            on_failed(core, message, now_ms);
    }
}

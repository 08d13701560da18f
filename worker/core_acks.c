/* The core's calls about messages: batches of deletes, hand-backs and extensions, and what their results
 * mean. */
#include "worker/core.h"

#include "base/alloc.h"
#include "base/log.h"
#include "worker/core_internal.h"

#include <stdlib.h>

struct core_batch *core_batch_new(struct core *core, enum core_batch_kind kind, int64_t now_ms)
{
    struct core_batch *batch = xcalloc(1, sizeof *batch);
    batch->kind = kind;
    batch->sent_ms = now_ms;
    TAILQ_INSERT_TAIL(&core->batches, batch, link);
    return batch;
}

void core_batch_put(struct core_batch *batch, struct message *message, int seconds)
{
    int i = batch->count++;
    batch->messages[i] = message;
    batch->handles[i] = message->newest->receipt_handle;
    batch->seconds[i] = seconds;
    batch->deliveries[i] = message->deliveries;
    message->batches_on_wire++;
}

/* ---- sending ---- */

static void batch_send(struct core *core, struct core_batch *batch)
{
    core->stats.calls++;
    core->ops.send(core->ops.arg, batch);
}

/* A delay that ends beyond SQS's 12 h from the receive would be refused. */
static int delay_of(const struct message *message, int64_t now_ms)
{
    int64_t left_s = lease_left_s(&message->lease, now_ms);
    if (message->delay_s <= left_s)
        return message->delay_s;
    return left_s > 0 ? (int)left_s : 0;
}

static void send_from(struct core *core, struct acks *acks, enum core_batch_kind kind, bool flush,
                      int64_t now_ms)
{
    struct message *messages[SQS_BATCH_MAX];
    int count = 0;
    while ((count = acks_next_batch(acks, now_ms, flush, messages)) > 0) {
        struct core_batch *batch = core_batch_new(core, kind, now_ms);
        for (int i = 0; i < count; i++)
            core_batch_put(batch, messages[i], delay_of(messages[i], now_ms));
        batch_send(core, batch);
    }
}

/* No other delete comes soon that a batch could wait for. Where messages trickle in faster than that, they do
 * wait for each other. */
static bool is_quiet(const struct core *core, int64_t now_ms)
{
    return core->held_count == 0 &&
           now_ms - core->last_receive_ms >= (int64_t)ACKS_QUIET_MS * core->settings.scale;
}

void core_send_acks(struct core *core, int64_t now_ms)
{
    bool leaving = core->stage != CORE_RUNNING;
    send_from(core, &core->releases, BATCH_RELEASE, leaving, now_ms);
    core_send_quarantines(core, now_ms);
    send_from(core, &core->deletes, BATCH_DELETE, leaving || is_quiet(core, now_ms), now_ms);
}

static bool any_extension_due(const struct core *core, int64_t now_ms)
{
    const struct message *message = NULL;
    for (message = TAILQ_FIRST(&core->leased); message != NULL; message = TAILQ_NEXT(message, leased))
        if (lease_due(&message->lease, &core->rules, now_ms, false))
            return true;
    return false;
}

/* A lease at the 12 h limit is left to run out. */
static int extension_seconds(struct core *core, struct message *message, int64_t now_ms)
{
    int seconds = lease_seconds(&message->lease, &core->rules, now_ms);
    if (seconds == 0)
        message->lease.extend_ms = INT64_MAX;
    return seconds;
}

static void extend_one(struct core *core, struct core_batch **batch, struct message *message, int64_t now_ms)
{
    int seconds = extension_seconds(core, message, now_ms);
    if (seconds == 0)
        return;
    if (*batch != NULL && message->alone) {
        batch_send(core, *batch);
        *batch = NULL;
    }
    if (*batch == NULL)
        *batch = core_batch_new(core, BATCH_EXTEND, now_ms);
    core_batch_put(*batch, message, seconds);
    message->extensions_on_wire++;
    lease_sent(&message->lease, &core->rules, now_ms);
    if ((*batch)->count == SQS_BATCH_MAX || message->alone) {
        batch_send(core, *batch);
        *batch = NULL;
    }
}

void core_send_extensions(struct core *core, int64_t now_ms)
{
    struct core_batch *batch = NULL;
    struct message *message = NULL;
    if (!any_extension_due(core, now_ms))
        return;
    for (message = TAILQ_FIRST(&core->leased); message != NULL; message = TAILQ_NEXT(message, leased))
        if (lease_due(&message->lease, &core->rules, now_ms, true))
            extend_one(core, &batch, message, now_ms);
    if (batch != NULL)
        batch_send(core, batch);
}

/* ---- results ---- */

static void on_extended(struct core *core, struct message *message, const struct core_batch *batch, int i,
                        enum acks_fate fate, const char *code, int64_t now_ms)
{
    bool deleting = message->phase == MESSAGE_DELETING;
    message->extensions_on_wire--;
    core->stats.extends_failed += fate != ACKS_DONE;
    if (message->phase == MESSAGE_RELEASING)
        acks_extension_answered(&core->releases);
    /* Over meanwhile, or a newer delivery has its own lease. */
    bool over = message->phase != MESSAGE_HELD && message->phase != MESSAGE_QUARANTINING && !deleting;
    if (over || message->deliveries != batch->deliveries[i])
        return;
    switch (fate) {
    case ACKS_DONE:
        core->stats.extended++;
        lease_extended(&message->lease, batch->sent_ms, batch->seconds[i]);
        break;
    case ACKS_REFUSED:
        if (!deleting) {
            core_lease_lost(core, message, now_ms, code);
            return;
        }
        message->lease.extend_ms = INT64_MAX; /* its delete may have taken effect already */
        break;
    case ACKS_RETRY_ALONE:
        message->alone = true;
        lease_retry(&message->lease, &core->rules, now_ms);
        break;
    default:
        lease_retry(&message->lease, &core->rules, now_ms);
        break;
    }
    core_lease_changed(core, message);
}

static void set_deletes_refused(struct core *core, bool refused, const char *why)
{
    if (core->deletes_refused == refused)
        return;
    core->deletes_refused = refused;
    if (refused)
        LOG(LOG_ERROR, "deletes do not work: nothing is fetched until one does", LOG_STR("why", why),
            LOG_INT("deletes", core->deletes.queued + core->deletes.on_wire));
    else
        LOG(LOG_INFO, "deletes work again");
}

/* What a batch of deletes says about deletes as such. */
static void judge_deletes(struct core *core, const struct aws_result *result,
                          const struct sqs_entry_result *results, int count)
{
    switch (result->kind) {
    case AWS_KIND_DENIED:
    case AWS_KIND_CREDENTIALS:
    case AWS_KIND_NOT_FOUND:
        set_deletes_refused(core, true, result->code);
        break;
    case AWS_KIND_OK:
        for (int i = 0; i < count; i++)
            if (results[i].outcome == SQS_ENTRY_OK || results[i].outcome == SQS_ENTRY_FAILED)
                set_deletes_refused(core, false, "");
        break;
    default:
        break;
    }
}

static void give_up_delete(struct core *core, struct message *message, const char *why, int64_t now_ms)
{
    LOG(LOG_WARNING, "delete not confirmed", LOG_STR("message_id", message->newest->id), LOG_STR("why", why),
        LOG_INT("attempts", message->attempts));
    core_message_end(core, message, false, now_ms);
}

static bool worth_retrying(const struct message *message, int64_t now_ms)
{
    /* After its lease a handle deletes as long as no other receive superseded it: worth a few tries. */
    return now_ms < message->lease.until_ms || message->attempts < ACKS_ATTEMPTS_MIN;
}

/* By when the delete was sent: what counts is whether it could still be ours then. */
static void record_margin(struct core *core, const struct message *message, int64_t sent_ms)
{
    histogram_record(&core->sensors.lease_margin_ms,
                     message->lease.lost ? 0 : message->lease.until_ms - sent_ms);
}

/* The last delete is kept, to find out when deletes work again. When SQS takes calls and only refuses this
 * entry over and over, it is of no more use for that than the delete of the next message. */
static bool is_probe(const struct core *core, const struct message *message)
{
    return acks_idle(&core->deletes) && message->entry_refusals < ACKS_ENTRY_REFUSALS_MAX;
}

static void on_deleted(struct core *core, struct message *message, const struct core_batch *batch, int i,
                       enum acks_fate fate, const char *code, int64_t now_ms)
{
    acks_settled(&core->deletes, message);
    if (message->deliveries != batch->deliveries[i]) {
        /* It came again while the delete was on its way: the handle that was sent counts for nothing any
         * more. */
        acks_add(&core->deletes, message, now_ms);
        return;
    }
    switch (fate) {
    case ACKS_DONE:
        core->stats.deleted++;
        record_margin(core, message, batch->sent_ms);
        /* A superseded handle deletes nothing and answers success. */
        core_message_end(core, message, !message->lease.lost && batch->sent_ms < message->lease.until_ms,
                         now_ms);
        return;
    case ACKS_REFUSED:
        core->stats.lease_lost += !message->lease.lost;
        give_up_delete(core, message, code, now_ms);
        return;
    case ACKS_RETRY_ALONE:
        message->alone = true;
        break;
    default:
        break;
    }
    bool worth = worth_retrying(message, now_ms);
    if (!worth)
        set_deletes_refused(core, true, code);
    if (worth || is_probe(core, message))
        acks_retry(&core->deletes, message, now_ms);
    else
        give_up_delete(core, message, "the visibility timeout ran out", now_ms);
}

static void on_released(struct core *core, struct message *message, enum acks_fate fate, const char *code,
                        int64_t now_ms)
{
    acks_settled(&core->releases, message);
    bool again = fate == ACKS_RETRY || fate == ACKS_RETRY_ALONE;
    if (fate == ACKS_DONE && message->unstarted)
        core->stats.returned++;
    if (!message->dispatched && message->outcome == OUTCOME_DONE) {
        /* Its handler finished after all while the hand-back was on its way. */
        core_message_set_phase(core, message, MESSAGE_DELETING, now_ms);
        return;
    }
    message->alone = fate == ACKS_RETRY_ALONE;
    if (again && now_ms < message->lease.until_ms) {
        acks_retry(&core->releases, message, now_ms);
        return;
    }
    if (fate != ACKS_DONE)
        LOG(LOG_WARNING, "message not handed back, it returns by its visibility timeout",
            LOG_STR("message_id", message->newest->id), LOG_STR("why", code));
    core_message_set_phase(core, message, MESSAGE_GONE, now_ms);
}

static void on_entry(struct core *core, const struct core_batch *batch, int i, int64_t now_ms,
                     const struct aws_result *result, const struct sqs_entry_result *entry)
{
    struct message *message = batch->messages[i];
    enum acks_fate fate = acks_fate(result, entry, (size_t)batch->count);
    const char *code = result->kind == AWS_KIND_OK ? entry->code : result->code;
    /* Superseded, deleted, visible again ("MessageNotInflight") or past its time ("InvalidParameterValue").
     */
    if (batch->kind != BATCH_QUARANTINE && result->kind == AWS_KIND_OK && entry->outcome == SQS_ENTRY_FAILED)
        core->stats.stale_handles++;
    if (batch->kind == BATCH_DELETE && result->kind == AWS_KIND_OK && entry->outcome == SQS_ENTRY_RETRYABLE)
        message->entry_refusals++;
    /* batches_on_wire still counts this batch, so the branches may end the message without freeing it under
     * us. */
    switch (batch->kind) {
    case BATCH_DELETE:
        on_deleted(core, message, batch, i, fate, code, now_ms);
        break;
    case BATCH_RELEASE:
        on_released(core, message, fate, code, now_ms);
        break;
    case BATCH_QUARANTINE:
        core_quarantine_answered(core, message, fate, code, now_ms);
        break;
    default:
        on_extended(core, message, batch, i, fate, code, now_ms);
        break;
    }
    message->batches_on_wire--;
    core_message_settle(core, message);
}

void core_on_batch(struct core *core, struct core_batch *batch, int64_t now_ms,
                   const struct aws_result *result, const struct sqs_entry_result *results)
{
    static const char *const OPERATIONS[BATCH_KIND_MAX] = {
        "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "ChangeMessageVisibilityBatch",
        "SendMessageBatch"};
    char text[512];
    core->batch_failures = result->kind == AWS_KIND_OK ? 0 : core->batch_failures + 1;
    if (core->batch_failures > 0 && core_is_worth_logging(core->batch_failures))
        LOG(LOG_WARNING, "batch failed, trying again",
            LOG_STR("error", aws_result_text(result, OPERATIONS[batch->kind], text, sizeof text)),
            LOG_INT("entries", batch->count), LOG_INT("in_a_row", core->batch_failures));
    TAILQ_REMOVE(&core->batches, batch, link);
    if (batch->kind == BATCH_DELETE)
        acks_batch_ended(&core->deletes);
    else if (batch->kind == BATCH_RELEASE)
        acks_batch_ended(&core->releases);
    else if (batch->kind == BATCH_QUARANTINE)
        acks_batch_ended(&core->quarantines);
    if (batch->kind == BATCH_DELETE)
        judge_deletes(core, result, results, batch->count);
    for (int i = 0; i < batch->count; i++)
        on_entry(core, batch, i, now_ms, result, &results[i]);
    free(batch);
    core_run(core, now_ms);
}

/*
 * The core's way to the dead-letter queue: a message is sent there, and only when SQS has confirmed that, it
 * is deleted from its queue. What cannot be sent is tried again under its lease and then handed back, to come
 * again. A send whose answer was lost may have worked: then the DLQ gets the message twice, unless it is a
 * FIFO queue.
 */
#include "worker/core.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/random.h"
#include "worker/core_internal.h"
#include "worker/quarantine.h"

#include <stdlib.h>

static struct sqs_send_entry write_entry(const struct core *core, const struct message *message,
                                         struct quarantine_letter *letter)
{
    struct quarantine_cause cause = {.reason = message->reason,
                                     .status = message->status,
                                     .bare = message->bare,
                                     .fifo = core->settings.dlq_fifo};
    return quarantine_write(letter, message->first, message->newest->receive_count, &cause);
}

void core_message_quarantine(struct core *core, struct message *message, const char *reason, int64_t now_ms)
{
    struct quarantine_letter letter;
    if (message->reason == NULL || message->reason[0] == '\0') {
        free(message->reason);
        message->reason = xstrdup(reason);
    }
    /* For when it can't be sent. */
    message->delay_s =
        retry_delay_s(&core->settings.retry, message->newest->receive_count, random_next(&core->random));
    struct sqs_send_entry entry = write_entry(core, message, &letter);
    message->payload_bytes = quarantine_bytes(&entry);
    if (core->stage == CORE_RUNNING || core->stage == CORE_DRAINING)
        core_message_set_phase(core, message, MESSAGE_QUARANTINING, now_ms);
    else
        core_message_release(core, message, message->delay_s, false, now_ms);
}

void core_send_quarantines(struct core *core, int64_t now_ms)
{
    struct message *messages[SQS_BATCH_MAX];
    int count = 0;
    bool flush = core->stage != CORE_RUNNING;
    while ((count = acks_next_batch(&core->quarantines, now_ms, flush, messages)) > 0) {
        struct sqs_send_entry entries[SQS_BATCH_MAX];
        struct quarantine_letter *letters = xcalloc((size_t)count, sizeof *letters);
        struct core_batch *batch = core_batch_new(core, BATCH_QUARANTINE, now_ms);
        for (int i = 0; i < count; i++) {
            core_batch_put(batch, messages[i], 0);
            entries[i] = write_entry(core, messages[i], &letters[i]);
        }
        core->stats.calls++;
        core->ops.quarantine(core->ops.arg, batch, entries);
        free(letters);
    }
}

static void confirmed(struct core *core, struct message *message, int64_t now_ms)
{
    core->stats.quarantined++;
    LOG(LOG_WARNING, "message quarantined", LOG_STR("message_id", message->newest->id),
        LOG_STR("reason", message->reason), LOG_INT("receive_count", message->newest->receive_count));
    message->payload_bytes = 0;
    core_message_set_phase(core, message, MESSAGE_DELETING, now_ms);
}

void core_quarantine_answered(struct core *core, struct message *message, enum acks_fate fate,
                              const char *code, int64_t now_ms)
{
    acks_settled(&core->quarantines, message);
    if (fate == ACKS_DONE) {
        confirmed(core, message, now_ms);
        return;
    }
    if (message->lease.lost) { /* who has it now decides */
        core_message_drop(core, message, now_ms);
        return;
    }
    bool hopeless = fate == ACKS_REFUSED && message->bare;
    message->bare = message->bare || fate == ACKS_REFUSED;
    message->alone = message->alone || fate != ACKS_RETRY;
    if (!hopeless && core->stage != CORE_RELEASING && message->attempts < CORE_QUARANTINE_ATTEMPTS) {
        acks_retry(&core->quarantines, message, now_ms);
        return;
    }
    LOG(LOG_ERROR, "message not taken by the dead-letter queue, it will come again",
        LOG_STR("message_id", message->newest->id), LOG_STR("why", code),
        LOG_INT("attempts", message->attempts), LOG_INT("again_in_s", message->delay_s));
    message->payload_bytes = 0;
    core_message_release(core, message, message->delay_s, false, now_ms);
}

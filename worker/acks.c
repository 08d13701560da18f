/* Batches of deletes and hand-backs; see acks.h. */
#include "worker/acks.h"

void acks_init(struct acks *acks, int scale, bool after_extensions)
{
    *acks = (struct acks){
        .scale = scale, .next_ms = INT64_MAX, .hurry_ms = INT64_MAX, .after_extensions = after_extensions};
    TAILQ_INIT(&acks->queue);
}

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void enqueue(struct acks *acks, struct message *message, int64_t due_ms)
{
    message->due_ms = due_ms;
    message->queued = true;
    TAILQ_INSERT_TAIL(&acks->queue, message, list);
    acks->queued++;
    acks->fresh += message->attempts == 0;
    acks->next_ms = min_ms(acks->next_ms, due_ms);
}

void acks_add(struct acks *acks, struct message *message, int64_t now_ms)
{
    message->attempts = 0;
    message->alone = false;
    enqueue(acks, message, now_ms + (int64_t)ACKS_DELAY_MS * acks->scale);
}

void acks_remove(struct acks *acks, struct message *message)
{
    TAILQ_REMOVE(&acks->queue, message, list);
    message->queued = false;
    acks->queued--;
    acks->fresh -= message->attempts == 0;
    if (acks->queued == 0)
        acks->next_ms = INT64_MAX;
}

/* When a message may go at the earliest. First attempts may go early to fill a batch or to flush; a retry
 * waits out its pause, and a hand-back lets extensions that are under way arrive first. */
static int64_t earliest_ms(const struct acks *acks, const struct message *message)
{
    if (acks->after_extensions && message->extensions_on_wire > 0)
        return min_ms(message->due_ms + (int64_t)ACKS_PATIENCE_MS * acks->scale, acks->hurry_ms);
    return message->attempts == 0 ? INT64_MIN : message->due_ms;
}

/* When it should go even if its batch is not full. */
static int64_t latest_ms(const struct acks *acks, const struct message *message, bool flush)
{
    int64_t early_ms = earliest_ms(acks, message);
    return flush || early_ms > message->due_ms ? early_ms : message->due_ms;
}

/* Walks the queue only when that may bring something: the core asks after every event. */
static bool batch_is_due(struct acks *acks, int64_t now_ms, bool flush)
{
    const struct message *message = NULL;
    int64_t next_ms = INT64_MAX;
    int ready = 0;
    if (now_ms < acks->next_ms && acks->fresh < SQS_BATCH_MAX && !(flush && acks->fresh > 0))
        return false;
    for (message = TAILQ_FIRST(&acks->queue); message != NULL; message = TAILQ_NEXT(message, list)) {
        int64_t due_ms = latest_ms(acks, message, flush);
        if (due_ms <= now_ms)
            return true;
        if (earliest_ms(acks, message) <= now_ms && ++ready == SQS_BATCH_MAX)
            return true;
        next_ms = min_ms(next_ms, due_ms);
    }
    acks->next_ms = next_ms;
    return false;
}

static bool fits(const struct acks *acks, const struct message *message, int count, size_t bytes)
{
    return count == 0 || (!message->alone &&
                          (acks->payload_max == 0 || bytes + message->payload_bytes <= acks->payload_max));
}

int acks_next_batch(struct acks *acks, int64_t now_ms, bool flush,
                    struct message *ret_batch[static SQS_BATCH_MAX])
{
    if (acks->batches_on_wire >= ACKS_IN_FLIGHT_MAX || !batch_is_due(acks, now_ms, flush))
        return 0;
    int count = 0;
    size_t bytes = 0;
    struct message *message = TAILQ_FIRST(&acks->queue);
    while (message != NULL && count < SQS_BATCH_MAX) {
        struct message *next = TAILQ_NEXT(message, list);
        if (earliest_ms(acks, message) <= now_ms && fits(acks, message, count, bytes)) {
            bytes += message->payload_bytes;
            acks_remove(acks, message);
            acks->on_wire++;
            message->acking = true;
            message->attempts++;
            ret_batch[count++] = message;
            if (message->alone)
                break;
        }
        message = next;
    }
    acks->batches_on_wire++;
    return count;
}

bool acks_idle(const struct acks *acks)
{
    return acks->queued == 0 && acks->on_wire == 0;
}

void acks_batch_ended(struct acks *acks)
{
    acks->batches_on_wire--;
}

void acks_settled(struct acks *acks, struct message *message)
{
    acks->on_wire--;
    message->acking = false;
}

void acks_retry(struct acks *acks, struct message *message, int64_t now_ms)
{
    int shift = message->attempts > 6 ? 5 : message->attempts > 0 ? message->attempts - 1 : 0;
    enqueue(acks, message, now_ms + ((int64_t)ACKS_BACKOFF_MS << shift) * acks->scale);
}

enum acks_fate acks_fate(const struct aws_result *result, const struct sqs_entry_result *entry,
                         size_t batch_size)
{
    switch (result->kind) {
    case AWS_KIND_OK:
        break;
    case AWS_KIND_REQUEST:
        return batch_size > 1 ? ACKS_RETRY_ALONE : ACKS_REFUSED;
    default:
        return ACKS_RETRY;
    }
    switch (entry->outcome) {
    case SQS_ENTRY_OK:
        return ACKS_DONE;
    case SQS_ENTRY_FAILED:
        return ACKS_REFUSED;
    case SQS_ENTRY_RETRYABLE:
    case SQS_ENTRY_UNKNOWN:
        break;
    }
    return ACKS_RETRY;
}

int64_t acks_next_ms(const struct acks *acks)
{
    return acks->batches_on_wire >= ACKS_IN_FLIGHT_MAX ? INT64_MAX : acks->next_ms;
}

void acks_extension_answered(struct acks *acks)
{
    acks->next_ms = INT64_MIN;
}

void acks_hurry(struct acks *acks, int64_t hurry_ms)
{
    acks->hurry_ms = hurry_ms;
    acks->next_ms = INT64_MIN;
}

/* Queues of an account: receiving, waiting, redrive, retention and handles; see sqs_engine.h. */
#include "localaws/sqs_engine.h"

#include "aws/digest.h"
#include "base/alloc.h"
#include "localaws/sqs_engine_parts.h"
#include "localaws/sqs_fifo.h"

#include <inttypes.h>
#include <stdlib.h>

struct sqs_engine *sqs_engine_new(const char *region, const char *account, const uint64_t seed[static 4])
{
    struct sqs_engine *engine = xcalloc(1, sizeof *engine);
    engine->region = xstrdup(region);
    engine->account = xstrdup(account);
    engine->handle_key[0] = seed[0];
    engine->handle_key[1] = seed[1];
    engine->random[0] = seed[2];
    engine->random[1] = seed[3] | 1; /* the generator must not start at zero */
    return engine;
}

void sqs_engine_touch(struct sqs_engine *engine, struct sqs_queue *queue)
{
    if (queue->is_touched)
        return;
    queue->is_touched = true;
    queue->touched_next = engine->touched;
    engine->touched = queue;
}

/* xorshift128+ (Vigna 2014): ids need to be distinct, not secret. */
static uint64_t next_random(struct sqs_engine *engine)
{
    uint64_t x = engine->random[0];
    uint64_t y = engine->random[1];
    engine->random[0] = y;
    x ^= x << 23;
    engine->random[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
    return engine->random[1] + y;
}

void sqs_engine_uuid(struct sqs_engine *engine, char out[static SQS_UUID_BYTES])
{
    static const char HEX[] = "0123456789abcdef";
    uint64_t half[2] = {next_random(engine), next_random(engine)};
    half[0] = (half[0] & ~UINT64_C(0xF000)) | 0x4000;
    half[1] = (half[1] & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    char *to = out;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *to++ = '-';
        *to++ = HEX[(half[i / 16] >> (60 - 4 * (i % 16))) & 15];
    }
    *to = '\0';
}

/* ---- slots: receipt handle -> message ---- */

static void assign_slot(struct sqs_engine *engine, struct sqs_message *m)
{
    if (engine->free_count == 0 && engine->slot_count == engine->slot_capacity) {
        engine->slot_capacity = engine->slot_capacity == 0 ? 256 : engine->slot_capacity * 2;
        engine->slots = xrealloc(engine->slots, engine->slot_capacity * sizeof(struct sqs_message *));
        engine->free_slots = xrealloc(engine->free_slots, engine->slot_capacity * sizeof *engine->free_slots);
    }
    m->slot = engine->free_count > 0 ? engine->free_slots[--engine->free_count] : engine->slot_count++;
    m->serial = ++engine->last_serial;
    engine->slots[m->slot] = m;
}

void sqs_engine_drop_message(struct sqs_engine *engine, struct sqs_message *m)
{
    sqs_engine_touch(engine, m->queue);
    sqs_queue_take_out(m);
    engine->slots[m->slot] = NULL;
    engine->free_slots[engine->free_count++] = m->slot;
    sqs_message_free(m);
}

void sqs_engine_free(struct sqs_engine *engine)
{
    if (engine == NULL)
        return;
    size_t position = 0;
    for (struct sqs_queue *queue = NULL; (queue = strmap_next(&engine->queues, &position)) != NULL;) {
        for (struct sqs_message *m = NULL; (m = sqs_queue_any(queue)) != NULL;)
            sqs_engine_drop_message(engine, m);
        while (queue->waiter_head != NULL)
            sqs_queue_remove_waiter(queue->waiter_head);
        sqs_queue_free(queue);
    }
    sqs_engine_bury_tombstones(engine, INT64_MAX - 1);
    strmap_clean_up(&engine->queues);
    strmap_clean_up(&engine->tombstones);
    heap_clean_up(&engine->tombstone_ends);
    heap_clean_up(&engine->due);
    free(engine->slots);
    free(engine->free_slots);
    free(engine->region);
    free(engine->account);
    free(engine);
}

/* ---- what happens by itself ---- */

/* The queue that a message of `queue` goes to when it was received too often; NULL: none, or it is gone. */
static struct sqs_queue *dead_letter_queue(const struct sqs_engine *engine, const struct sqs_queue *queue)
{
    const char *arn = queue->settings.dead_letter_arn;
    const char *name = arn == NULL ? NULL : strrchr(arn, ':');
    return name == NULL ? NULL : sqs_engine_find(engine, slice_of(name + 1));
}

static void redrive(struct sqs_engine *engine, struct sqs_message *m, struct sqs_queue *to, int64_t now_ms)
{
    struct sqs_queue *from = m->queue;
    sqs_queue_take_out(m);
    free(m->source_arn);
    m->source_arn = xstrdup(from->arn);
    m->receives_here = 0;
    from->stats.redriven_out++;
    to->stats.redriven_in++;
    if (to->fifo != NULL) { /* its retention starts anew there (developer guide, dead-letter queues) */
        m->sequence = ++engine->last_sequence;
        m->sent_ms = now_ms;
    }
    /* in a standard queue it keeps its sent_ms, so it is out of age order there */
    sqs_queue_put(to, m, to->fifo != NULL, SQS_VISIBLE, 0);
    sqs_engine_touch(engine, from);
    sqs_engine_touch(engine, to);
}

static void expire_old(struct sqs_engine *engine, struct sqs_queue *queue, int64_t now_ms)
{
    for (struct sqs_message *m = NULL; (m = sqs_queue_expired(queue, now_ms)) != NULL;) {
        queue->stats.expired++;
        sqs_engine_drop_message(engine, m);
    }
}

static int64_t exact_us(const struct sqs_engine *engine, int64_t now_ms)
{
    return engine->now_us / 1000 == now_ms ? engine->now_us : now_ms * 1000;
}

static void count_sent(struct sqs_queue *queue, size_t bytes)
{
    struct sqs_minute *minute = &queue->minute;
    minute->bytes_min = minute->sent == 0 || bytes < minute->bytes_min ? bytes : minute->bytes_min;
    minute->bytes_max = bytes > minute->bytes_max ? bytes : minute->bytes_max;
    minute->bytes += bytes;
    minute->sent++;
}

static void count_received(struct sqs_message *m, int64_t now_us)
{
    struct sqs_queue_stats *stats = &m->queue->stats;
    stats->received++;
    m->queue->minute.received++;
    m->last_receive_us = now_us;
    if (stats->first_receive_us == 0)
        stats->first_receive_us = now_us;
    if (m->queue->in_flight.count > stats->in_flight_max)
        stats->in_flight_max = m->queue->in_flight.count;
}

static void count_deleted(const struct sqs_message *m, int64_t now_us)
{
    struct sqs_queue_stats *stats = &m->queue->stats;
    stats->deleted++;
    stats->last_delete_us = now_us;
    histogram_record(&stats->held_us, now_us - m->last_receive_us);
}

static void mark_received(const struct sqs_engine *engine, struct sqs_message *m, int64_t visibility_ms,
                          int64_t now_ms)
{
    if (m->state == SQS_REPEATED)
        m->queue->stats.duplicates++;
    sqs_queue_move(m, SQS_IN_FLIGHT, now_ms + visibility_ms);
    m->is_changed = false;
    m->generation++;
    m->receive_count++;
    m->receives_here++;
    m->last_receive_ms = now_ms;
    if (m->first_receive_ms == 0)
        m->first_receive_ms = now_ms;
    count_received(m, exact_us(engine, now_ms));
}

/* True when the message went to the dead-letter queue instead of being received. */
static bool redrive_if_due(struct sqs_engine *engine, struct sqs_message *m, struct sqs_queue *dead_letters,
                           int64_t now_ms)
{
    if (m->state != SQS_VISIBLE || dead_letters == NULL ||
        m->receives_here < (uint32_t)m->queue->settings.max_receive_count)
        return false;
    redrive(engine, m, dead_letters, now_ms);
    return true;
}

/* As many of one group as there is room for, then the next group. */
static size_t receive_fifo(struct sqs_engine *engine, struct sqs_queue *queue, size_t max,
                           int64_t visibility_ms, int64_t now_ms,
                           struct sqs_message *out[static SQS_BATCH_MAX])
{
    struct sqs_queue *dead_letters = dead_letter_queue(engine, queue);
    size_t room = SQS_IN_FLIGHT_MAX - queue->in_flight.count;
    size_t count = 0;
    max = max < room ? max : room;
    while (count < max) {
        const struct sqs_group *group = sqs_fifo_next(queue->fifo);
        if (group == NULL)
            break;
        struct sqs_message *next = NULL; /* the group may be gone with its last message */
        for (struct sqs_message *m = group->head; m != NULL && m->state == SQS_VISIBLE && count < max;
             m = next) {
            next = m->next;
            if (redrive_if_due(engine, m, dead_letters, now_ms))
                continue;
            mark_received(engine, m, visibility_ms, now_ms);
            out[count++] = m;
        }
    }
    return count;
}

size_t sqs_engine_receive(struct sqs_engine *engine, struct sqs_queue *queue, size_t max,
                          int64_t visibility_ms, int64_t now_ms,
                          struct sqs_message *out[static SQS_BATCH_MAX])
{
    size_t count = 0;
    sqs_engine_touch(engine, queue);
    sqs_queue_wake_due(queue, now_ms);
    expire_old(engine, queue, now_ms);
    if (queue->fifo != NULL)
        return receive_fifo(engine, queue, max, visibility_ms, now_ms, out);
    struct sqs_queue *dead_letters = dead_letter_queue(engine, queue);
    while (count < max) {
        struct sqs_message *m = queue->repeated.head != NULL ? queue->repeated.head : queue->visible.head;
        if (m == NULL || (m->state == SQS_VISIBLE && queue->in_flight.count >= SQS_IN_FLIGHT_MAX))
            break;
        if (redrive_if_due(engine, m, dead_letters, now_ms))
            continue;
        mark_received(engine, m, visibility_ms, now_ms);
        out[count++] = m;
    }
    return count;
}

void sqs_engine_remember_attempt(struct sqs_queue *queue, struct slice attempt_id,
                                 struct sqs_message *const *messages, size_t count, int64_t now_ms)
{
    if (queue->fifo != NULL && attempt_id.at != NULL && count > 0)
        sqs_fifo_remember_attempt(queue->fifo, attempt_id, messages, count, now_ms);
}

size_t sqs_engine_receive_again(struct sqs_engine *engine, struct sqs_queue *queue, struct slice attempt_id,
                                int64_t visibility_ms, int64_t now_ms,
                                struct sqs_message *out[static SQS_BATCH_MAX])
{
    if (queue->fifo == NULL || attempt_id.at == NULL)
        return 0;
    sqs_queue_wake_due(queue, now_ms);
    const struct sqs_attempt *attempt = sqs_fifo_find_attempt(queue->fifo, attempt_id, now_ms);
    for (size_t i = 0; attempt != NULL && i < attempt->count; i++) {
        struct sqs_message *m = engine->slots[attempt->messages[i].slot];
        if (m == NULL || m->serial != attempt->messages[i].serial || m->queue != queue ||
            m->generation != attempt->messages[i].generation || m->state != SQS_IN_FLIGHT || m->is_changed)
            return 0;
        out[i] = m;
    }
    if (attempt == NULL)
        return 0;
    sqs_engine_touch(engine, queue);
    for (size_t i = 0; i < attempt->count; i++)
        sqs_queue_move(out[i], SQS_IN_FLIGHT, now_ms + visibility_ms);
    return attempt->count;
}

static bool can_hand_out(const struct sqs_queue *queue)
{
    bool has_room = queue->in_flight.count < SQS_IN_FLIGHT_MAX;
    if (queue->fifo != NULL)
        return has_room && sqs_fifo_next(queue->fifo) != NULL;
    return queue->repeated.head != NULL || (queue->visible.head != NULL && has_room);
}

static void answer_waiters(struct sqs_engine *engine, struct sqs_queue *queue, int64_t now_ms)
{
    struct sqs_message *messages[SQS_BATCH_MAX];
    while (queue->waiter_head != NULL && can_hand_out(queue)) {
        struct sqs_waiter *waiter = queue->waiter_head;
        size_t count =
            sqs_engine_receive(engine, queue, waiter->max, waiter->visibility_ms, now_ms, messages);
        if (count == 0)
            return;
        sqs_engine_remember_attempt(queue, waiter->attempt_id, messages, count, now_ms);
        sqs_queue_remove_waiter(waiter);
        waiter->fn(waiter, SQS_WAIT_MESSAGES, messages, count);
    }
}

static void end_waits(struct sqs_queue *queue, int64_t now_ms)
{
    while (heap_top_key(&queue->waiter_ends) <= now_ms) {
        struct sqs_waiter *waiter = HEAP_OWNER(heap_top(&queue->waiter_ends), struct sqs_waiter, due);
        sqs_queue_remove_waiter(waiter);
        queue->stats.empty_receives++;
        queue->minute.empty_receives++;
        waiter->fn(waiter, SQS_WAIT_TIMEOUT, NULL, 0);
    }
}

static void settle_queue(struct sqs_engine *engine, struct sqs_queue *queue, int64_t now_ms)
{
    sqs_queue_wake_due(queue, now_ms);
    expire_old(engine, queue, now_ms);
    answer_waiters(engine, queue, now_ms);
    end_waits(queue, now_ms);
    int64_t next_ms = sqs_queue_next_ms(queue);
    if (next_ms == queue->due_ms)
        return;
    heap_remove(&engine->due, &queue->due);
    queue->due_ms = next_ms;
    if (next_ms != INT64_MAX)
        heap_push(&engine->due, &queue->due, next_ms);
}

void sqs_engine_settle(struct sqs_engine *engine, int64_t now_ms)
{
    sqs_engine_bury_tombstones(engine, now_ms);
    while (heap_top_key(&engine->due) <= now_ms) {
        struct sqs_queue *queue = HEAP_OWNER(heap_top(&engine->due), struct sqs_queue, due);
        heap_remove(&engine->due, &queue->due);
        queue->due_ms = INT64_MAX;
        sqs_engine_touch(engine, queue);
    }
    while (engine->touched != NULL) {
        struct sqs_queue *queue = engine->touched;
        engine->touched = queue->touched_next;
        queue->is_touched = false;
        settle_queue(engine, queue, now_ms);
    }
}

void sqs_engine_set_now_us(struct sqs_engine *engine, int64_t now_us)
{
    engine->now_us = now_us;
}

void sqs_engine_forget_stats(struct sqs_engine *engine)
{
    size_t position = 0;
    for (struct sqs_queue *queue = NULL; (queue = strmap_next(&engine->queues, &position)) != NULL;)
        queue->stats = (struct sqs_queue_stats){.sent = 0};
}

int64_t sqs_engine_next_ms(const struct sqs_engine *engine)
{
    return heap_top_key(&engine->due);
}

/* ---- messages ---- */

/* A duplicate: a message that is nowhere, with the id and the number of the one that is in the queue. */
static struct sqs_message *duplicate_of(const struct sqs_sent *sent, const struct sqs_message_spec *spec)
{
    struct sqs_message *m = sqs_message_new(spec);
    memcpy(m->id, sent->id, sizeof m->id);
    m->sequence = sent->sequence;
    return m;
}

struct sqs_message *sqs_engine_send(struct sqs_engine *engine, struct sqs_queue *queue,
                                    const struct sqs_message_spec *spec, int64_t delay_s, int64_t now_ms)
{
    bool by_group = queue->settings.deduplication_scope == SQS_SCOPE_GROUP;
    const struct sqs_sent *sent =
        queue->fifo == NULL
            ? NULL
            : sqs_fifo_find_sent(queue->fifo, by_group, spec->group_id, spec->deduplication_id, now_ms);
    if (sent != NULL) {
        queue->stats.deduplicated++;
        return duplicate_of(sent, spec);
    }
    struct sqs_message *m = sqs_message_new(spec);
    int64_t delay_ms = (delay_s < 0 ? queue->settings.delay_s : delay_s) * 1000;
    assign_slot(engine, m);
    sqs_engine_uuid(engine, m->id);
    m->sent_ms = now_ms;
    if (queue->fifo != NULL) {
        m->sequence = ++engine->last_sequence;
        sqs_fifo_remember_sent(queue->fifo, by_group, m, now_ms);
    }
    sqs_queue_put(queue, m, true, delay_ms > 0 ? SQS_DELAYED : SQS_VISIBLE, now_ms + delay_ms);
    queue->stats.sent++;
    count_sent(queue, sqs_message_spec_bytes(spec));
    sqs_engine_touch(engine, queue);
    return m;
}

void sqs_engine_wait(struct sqs_engine *engine, struct sqs_queue *queue, struct sqs_waiter *waiter,
                     int64_t end_ms)
{
    sqs_queue_add_waiter(queue, waiter, end_ms);
    sqs_engine_touch(engine, queue);
}

void sqs_engine_cancel(struct sqs_engine *engine, struct sqs_waiter *waiter)
{
    if (waiter->queue == NULL)
        return;
    sqs_engine_touch(engine, waiter->queue);
    sqs_queue_remove_waiter(waiter);
}

void sqs_engine_repeat(struct sqs_engine *engine, struct sqs_message *m)
{
    if (m->state != SQS_IN_FLIGHT || m->queue->fifo != NULL)
        return;
    int64_t due_ms = m->queue->in_flight.entries[m->due.place - 1].key;
    sqs_engine_touch(engine, m->queue);
    sqs_queue_move(m, SQS_REPEATED, due_ms);
}

void sqs_engine_handle(const struct sqs_engine *engine, const struct sqs_message *m,
                       char out[static SQS_HANDLE_CHARS + 1])
{
    struct sqs_handle handle = {.queue_uid = m->queue->uid,
                                .slot = m->slot,
                                .serial = m->serial,
                                .generation = m->generation,
                                .received_ms = m->last_receive_ms};
    sqs_handle_encode(engine->handle_key, &handle, out);
}

static enum sqs_error fail_expired(struct slice handle, struct sqs_failure *failure)
{
    return sqs_fail(
        failure, SQS_RECEIPT_HANDLE_EXPIRED,
        "Value %.*s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
        (int)handle.len, handle.at);
}

/* Checks a handle and finds its message: *ret_m is NULL when the message is gone or moved on;
 * *ret_is_latest: no later receive has superseded the handle. */
static enum sqs_error resolve(struct sqs_engine *engine, struct sqs_queue *queue, struct slice text,
                              int64_t now_ms, struct sqs_message **ret_m, bool *ret_is_latest,
                              struct sqs_failure *failure)
{
    struct sqs_handle handle;
    *ret_m = NULL;
    *ret_is_latest = false;
    if (text.at == NULL || text.len == 0)
        return sqs_fail(failure, SQS_MISSING_PARAMETER,
                        "The request must contain the parameter ReceiptHandle.");
    if (!sqs_handle_decode(engine->handle_key, text, &handle) || handle.queue_uid != queue->uid)
        return sqs_fail(failure, SQS_RECEIPT_HANDLE_IS_INVALID,
                        "The input receipt handle \"%.*s\" is not a valid receipt"
                        " handle.",
                        (int)(text.len < 200 ? text.len : 200), text.at);
    if (now_ms - handle.received_ms > SQS_VISIBILITY_MAX_MS)
        return fail_expired(text, failure);
    sqs_queue_wake_due(queue, now_ms);
    expire_old(engine, queue, now_ms);
    sqs_engine_touch(engine, queue);
    struct sqs_message *m = handle.slot < engine->slot_count ? engine->slots[handle.slot] : NULL;
    if (m == NULL || m->serial != handle.serial || m->queue != queue)
        return SQS_OK;
    *ret_m = m;
    *ret_is_latest = m->generation == handle.generation;
    return SQS_OK;
}

enum sqs_error sqs_engine_delete_message(struct sqs_engine *engine, struct sqs_queue *queue,
                                         struct slice handle, int64_t now_ms, struct sqs_failure *failure)
{
    struct sqs_message *m = NULL;
    bool is_latest = false;
    if (resolve(engine, queue, handle, now_ms, &m, &is_latest, failure) != SQS_OK)
        return failure->error;
    if (m != NULL && queue->fifo != NULL && (!is_latest || m->state != SQS_IN_FLIGHT))
        return fail_expired(handle, failure); /* a standard queue is more lenient */
    queue->minute.deleted++;
    if (m == NULL || !is_latest)
        return SQS_OK;
    count_deleted(m, exact_us(engine, now_ms));
    sqs_engine_drop_message(engine, m);
    return SQS_OK;
}

enum sqs_error sqs_engine_change_visibility(struct sqs_engine *engine, struct sqs_queue *queue,
                                            struct slice handle, int64_t visibility_s, int64_t now_ms,
                                            struct sqs_failure *failure)
{
    struct sqs_message *m = NULL;
    bool is_latest = false;
    int64_t visibility_ms = visibility_s * 1000;
    if (resolve(engine, queue, handle, now_ms, &m, &is_latest, failure) != SQS_OK)
        return failure->error;
    if (m == NULL || !is_latest)
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not"
            " available for visibility timeout change.",
            (int)handle.len, handle.at);
    if (m->state != SQS_IN_FLIGHT && m->state != SQS_REPEATED)
        return sqs_fail(failure, SQS_MESSAGE_NOT_INFLIGHT, "The specified message isn't in flight.");
    if (now_ms - m->last_receive_ms + visibility_ms >= SQS_VISIBILITY_MAX_MS)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Value %" PRId64
                        " for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout"
                        " for the message is beyond the limit [43200 seconds]",
                        visibility_s);
    m->is_changed = true;
    if (visibility_ms == 0)
        sqs_queue_move(m, SQS_VISIBLE, 0);
    else
        sqs_queue_move(m, m->state, now_ms + visibility_ms);
    return SQS_OK;
}

/* Queues of an account: receiving, waiting, redrive, retention and handles; see sqs_engine.h. */
#include "localaws/sqs_engine.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ONE_MINUTE_MS = 60000 };

struct sqs_tombstone {
    struct heap_node end;
    char *name; /* owned */
};

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

static void touch(struct sqs_engine *engine, struct sqs_queue *queue)
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

static void drop_message(struct sqs_engine *engine, struct sqs_message *m)
{
    touch(engine, m->queue);
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
            drop_message(engine, m);
        while (queue->waiter_head != NULL)
            sqs_queue_remove_waiter(queue->waiter_head);
        sqs_queue_free(queue);
    }
    position = 0;
    for (struct sqs_tombstone *t = NULL; (t = strmap_next(&engine->tombstones, &position)) != NULL;) {
        free(t->name);
        free(t);
    }
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

static void redrive(struct sqs_engine *engine, struct sqs_message *m, struct sqs_queue *to)
{
    struct sqs_queue *from = m->queue;
    sqs_queue_take_out(m);
    free(m->source_arn);
    m->source_arn = xstrdup(from->arn);
    m->receives_here = 0;
    from->stats.redriven_out++;
    to->stats.redriven_in++;
    sqs_queue_put(to, m, false, SQS_VISIBLE, 0); /* it keeps its sent_ms, so it is out of age order there */
    touch(engine, from);
    touch(engine, to);
}

static void expire_old(struct sqs_engine *engine, struct sqs_queue *queue, int64_t now_ms)
{
    for (struct sqs_message *m = NULL; (m = sqs_queue_expired(queue, now_ms)) != NULL;) {
        queue->stats.expired++;
        drop_message(engine, m);
    }
}

static int64_t exact_us(const struct sqs_engine *engine, int64_t now_ms)
{
    return engine->now_us / 1000 == now_ms ? engine->now_us : now_ms * 1000;
}

static void count_received(struct sqs_message *m, int64_t now_us)
{
    struct sqs_queue_stats *stats = &m->queue->stats;
    stats->received++;
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
    m->generation++;
    m->receive_count++;
    m->receives_here++;
    m->last_receive_ms = now_ms;
    if (m->first_receive_ms == 0)
        m->first_receive_ms = now_ms;
    count_received(m, exact_us(engine, now_ms));
}

size_t sqs_engine_receive(struct sqs_engine *engine, struct sqs_queue *queue, size_t max,
                          int64_t visibility_ms, int64_t now_ms,
                          struct sqs_message *out[static SQS_BATCH_MAX])
{
    size_t count = 0;
    struct sqs_queue *dead_letters = dead_letter_queue(engine, queue);
    touch(engine, queue);
    sqs_queue_wake_due(queue, now_ms);
    expire_old(engine, queue, now_ms);
    while (count < max) {
        struct sqs_message *m = queue->repeated.head != NULL ? queue->repeated.head : queue->visible.head;
        if (m == NULL || (m->state == SQS_VISIBLE && queue->in_flight.count >= SQS_IN_FLIGHT_MAX))
            break;
        if (m->state == SQS_VISIBLE && dead_letters != NULL &&
            m->receives_here >= (uint32_t)queue->settings.max_receive_count) {
            redrive(engine, m, dead_letters);
            continue;
        }
        mark_received(engine, m, visibility_ms, now_ms);
        out[count++] = m;
    }
    return count;
}

static bool can_hand_out(const struct sqs_queue *queue)
{
    return queue->repeated.head != NULL ||
           (queue->visible.head != NULL && queue->in_flight.count < SQS_IN_FLIGHT_MAX);
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

static void bury_tombstones(struct sqs_engine *engine, int64_t now_ms)
{
    while (heap_top_key(&engine->tombstone_ends) <= now_ms) {
        struct sqs_tombstone *t = HEAP_OWNER(heap_top(&engine->tombstone_ends), struct sqs_tombstone, end);
        heap_remove(&engine->tombstone_ends, &t->end);
        (void)strmap_remove(&engine->tombstones, slice_of(t->name));
        free(t->name);
        free(t);
    }
}

void sqs_engine_settle(struct sqs_engine *engine, int64_t now_ms)
{
    bury_tombstones(engine, now_ms);
    while (heap_top_key(&engine->due) <= now_ms) {
        struct sqs_queue *queue = HEAP_OWNER(heap_top(&engine->due), struct sqs_queue, due);
        heap_remove(&engine->due, &queue->due);
        queue->due_ms = INT64_MAX;
        touch(engine, queue);
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

/* ---- queues ---- */

struct sqs_queue *sqs_engine_find(const struct sqs_engine *engine, struct slice name)
{
    return strmap_get(&engine->queues, name);
}

static enum sqs_error check_name(struct slice name, struct sqs_failure *failure)
{
    bool good = name.len >= 1 && name.len <= 80;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.at[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    }
    if (good)
        return SQS_OK;
    if (name.at == NULL)
        return sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter QueueName.");
    if (name.len > 5 && memcmp(name.at + name.len - 5, ".fifo", 5) == 0)
        return sqs_fail(
            failure, SQS_UNSUPPORTED_OPERATION,
            "sluice-localaws does not have FIFO queues: create a standard queue (a name without .fifo).");
    return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                    "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
}

/* A queue's RedrivePolicy must name a queue of this account that lets it. */
static enum sqs_error check_redrive(const struct sqs_engine *engine, const char *source_arn,
                                    const struct sqs_settings *settings, struct sqs_failure *failure)
{
    const char *arn = settings->dead_letter_arn;
    if (arn == NULL)
        return SQS_OK;
    struct strbuf prefix = STRBUF_INIT;
    strbuf_appendf(&prefix, "arn:aws:sqs:%s:%s:", engine->region, engine->account);
    const struct sqs_queue *target = slice_starts_with(slice_of(arn), prefix.data)
                                         ? sqs_engine_find(engine, slice_of(arn + prefix.len))
                                         : NULL;
    strbuf_clean_up(&prefix);
    if (target == NULL)
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist: %s.",
            arn);
    if (strcmp(arn, source_arn) == 0)
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "Value for parameter RedrivePolicy is invalid. Reason: A queue cannot be its own dead letter"
            " target.");
    if (!sqs_settings_allows_source(&target->settings, source_arn))
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "Value for parameter RedrivePolicy is invalid. Reason: The RedriveAllowPolicy of %s does not"
            " allow %s as source.",
            arn, source_arn);
    return SQS_OK;
}

static enum sqs_error apply(const struct sqs_engine *engine, const char *arn, struct sqs_settings *settings,
                            const struct sqs_pair *attributes, size_t count, struct sqs_failure *failure)
{
    bool redrive_given = false;
    for (size_t i = 0; i < count; i++) {
        if (sqs_settings_set(settings, attributes[i].name, attributes[i].value, failure) != SQS_OK)
            return failure->error;
        redrive_given = redrive_given || slice_is(attributes[i].name, "RedrivePolicy");
    }
    return redrive_given ? check_redrive(engine, arn, settings, failure) : SQS_OK;
}

/* The name of an attribute among those given whose value differs between the two, or NULL. */
static const char *differing(const struct sqs_settings *a, const struct sqs_settings *b,
                             const struct sqs_pair *attributes, size_t count)
{
    struct strbuf left = STRBUF_INIT;
    struct strbuf right = STRBUF_INIT;
    const char *found = NULL;
    for (size_t i = 0; found == NULL && i < SQS_SETTINGS_COUNT; i++) {
        strbuf_clear(&left);
        strbuf_clear(&right);
        bool in_a = sqs_settings_get(a, i, &left);
        bool in_b = sqs_settings_get(b, i, &right);
        if (in_a == in_b && strcmp(strbuf_str(&left), strbuf_str(&right)) == 0)
            continue;
        for (size_t k = 0; k < count; k++)
            if (slice_is(attributes[k].name, sqs_settings_name(i)))
                found = sqs_settings_name(i);
    }
    strbuf_clean_up(&left);
    strbuf_clean_up(&right);
    return found;
}

enum sqs_error sqs_engine_create(struct sqs_engine *engine, struct slice name,
                                 const struct sqs_pair *attributes, size_t attribute_count, int64_t now_ms,
                                 struct sqs_queue **ret_queue, struct sqs_failure *failure)
{
    struct strbuf arn = STRBUF_INIT;
    struct sqs_settings settings;
    bury_tombstones(engine, now_ms);
    if (check_name(name, failure) != SQS_OK)
        return failure->error;
    struct sqs_queue *queue = sqs_engine_find(engine, name);
    strbuf_appendf(&arn, "arn:aws:sqs:%s:%s:%.*s", engine->region, engine->account, (int)name.len, name.at);
    sqs_settings_init(&settings);
    enum sqs_error error = apply(engine, arn.data, &settings, attributes, attribute_count, failure);
    if (error != SQS_OK)
        goto done;
    if (queue != NULL) {
        const char *other = differing(&settings, &queue->settings, attributes, attribute_count);
        if (other != NULL)
            error = sqs_fail(
                failure, SQS_QUEUE_NAME_EXISTS,
                "A queue already exists with the same name and a different value for attribute %s", other);
    } else if (strmap_get(&engine->tombstones, name) != NULL) {
        error = sqs_fail(
            failure, SQS_QUEUE_DELETED_RECENTLY,
            "You must wait 60 seconds after deleting a queue before you can create another with the same"
            " name.");
    } else {
        queue = sqs_queue_new(name, arn.data, ++engine->last_uid, now_ms);
        sqs_settings_clean_up(&queue->settings);
        sqs_settings_copy(&queue->settings, &settings);
        strmap_put(&engine->queues, name, queue);
    }
    if (error == SQS_OK)
        *ret_queue = queue;
done:
    sqs_settings_clean_up(&settings);
    strbuf_clean_up(&arn);
    return error;
}

enum sqs_error sqs_engine_set(struct sqs_engine *engine, struct sqs_queue *queue,
                              const struct sqs_pair *attributes, size_t attribute_count, int64_t now_ms,
                              struct sqs_failure *failure)
{
    struct sqs_settings settings;
    sqs_settings_copy(&settings, &queue->settings);
    enum sqs_error error = apply(engine, queue->arn, &settings, attributes, attribute_count, failure);
    if (error != SQS_OK) {
        sqs_settings_clean_up(&settings);
        return error;
    }
    sqs_settings_clean_up(&queue->settings);
    queue->settings = settings;
    queue->modified_ms = now_ms;
    touch(engine, queue);
    return SQS_OK;
}

static void drop_all(struct sqs_engine *engine, struct sqs_queue *queue)
{
    for (struct sqs_message *m = NULL; (m = sqs_queue_any(queue)) != NULL;)
        drop_message(engine, m);
}

static void untouch(struct sqs_engine *engine, struct sqs_queue *queue)
{
    struct sqs_queue **link = &engine->touched;
    while (*link != NULL && *link != queue)
        link = &(*link)->touched_next;
    if (*link != NULL)
        *link = queue->touched_next;
    queue->is_touched = false;
}

void sqs_engine_delete(struct sqs_engine *engine, struct sqs_queue *queue, int64_t now_ms)
{
    struct sqs_tombstone *tombstone = xcalloc(1, sizeof *tombstone);
    tombstone->name = xstrdup(queue->name);
    bury_tombstones(engine, now_ms);
    (void)strmap_remove(&engine->queues, slice_of(queue->name));
    strmap_put(&engine->tombstones, slice_of(tombstone->name), tombstone);
    heap_push(&engine->tombstone_ends, &tombstone->end, now_ms + ONE_MINUTE_MS);
    drop_all(engine, queue);
    while (queue->waiter_head != NULL) {
        struct sqs_waiter *waiter = queue->waiter_head;
        sqs_queue_remove_waiter(waiter);
        waiter->fn(waiter, SQS_WAIT_DELETED, NULL, 0);
    }
    untouch(engine, queue);
    heap_remove(&engine->due, &queue->due);
    sqs_queue_free(queue);
}

enum sqs_error sqs_engine_purge(struct sqs_engine *engine, struct sqs_queue *queue, int64_t now_ms,
                                struct sqs_failure *failure)
{
    if (queue->purged_ms != INT64_MIN && now_ms - queue->purged_ms < ONE_MINUTE_MS)
        return sqs_fail(failure, SQS_PURGE_IN_PROGRESS,
                        "Only one PurgeQueue operation on %s is allowed every 60 seconds.", queue->name);
    queue->purged_ms = now_ms;
    drop_all(engine, queue);
    return SQS_OK;
}

static void free_tag(struct sqs_queue *queue, size_t index)
{
    free(queue->tags[index].key);
    free(queue->tags[index].value);
    queue->tags[index] = queue->tags[--queue->tag_count];
}

int sqs_engine_tag(struct sqs_queue *queue, struct slice key, struct slice value)
{
    for (size_t i = 0; i < queue->tag_count; i++) {
        if (slice_is(key, queue->tags[i].key)) {
            free_tag(queue, i);
            break;
        }
    }
    if (value.at == NULL)
        return 0;
    if (queue->tag_count == SQS_TAGS_MAX)
        return -1;
    queue->tags = xrealloc(queue->tags, (queue->tag_count + 1) * sizeof *queue->tags);
    queue->tags[queue->tag_count++] =
        (struct sqs_tag){.key = xstrndup(key.at, key.len), .value = xstrndup(value.at, value.len)};
    return 0;
}

/* ---- messages ---- */

struct sqs_message *sqs_engine_send(struct sqs_engine *engine, struct sqs_queue *queue,
                                    const struct sqs_message_spec *spec, int64_t delay_s, int64_t now_ms)
{
    struct sqs_message *m = sqs_message_new(spec);
    int64_t delay_ms = (delay_s < 0 ? queue->settings.delay_s : delay_s) * 1000;
    assign_slot(engine, m);
    sqs_engine_uuid(engine, m->id);
    m->sent_ms = now_ms;
    sqs_queue_put(queue, m, true, delay_ms > 0 ? SQS_DELAYED : SQS_VISIBLE, now_ms + delay_ms);
    queue->stats.sent++;
    touch(engine, queue);
    return m;
}

void sqs_engine_wait(struct sqs_engine *engine, struct sqs_queue *queue, struct sqs_waiter *waiter,
                     int64_t end_ms)
{
    sqs_queue_add_waiter(queue, waiter, end_ms);
    touch(engine, queue);
}

void sqs_engine_cancel(struct sqs_engine *engine, struct sqs_waiter *waiter)
{
    if (waiter->queue == NULL)
        return;
    touch(engine, waiter->queue);
    sqs_queue_remove_waiter(waiter);
}

void sqs_engine_repeat(struct sqs_engine *engine, struct sqs_message *m)
{
    if (m->state != SQS_IN_FLIGHT)
        return;
    int64_t due_ms = m->queue->in_flight.entries[m->due.place - 1].key;
    touch(engine, m->queue);
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

/* Checks a handle and finds its message: *ret_m is NULL when the message is gone, moved on or received again.
 */
static enum sqs_error resolve(struct sqs_engine *engine, struct sqs_queue *queue, struct slice text,
                              int64_t now_ms, struct sqs_message **ret_m, struct sqs_failure *failure)
{
    struct sqs_handle handle;
    *ret_m = NULL;
    if (text.at == NULL || text.len == 0)
        return sqs_fail(failure, SQS_MISSING_PARAMETER,
                        "The request must contain the parameter ReceiptHandle.");
    if (!sqs_handle_decode(engine->handle_key, text, &handle) || handle.queue_uid != queue->uid)
        return sqs_fail(failure, SQS_RECEIPT_HANDLE_IS_INVALID,
                        "The input receipt handle \"%.*s\" is not a valid receipt"
                        " handle.",
                        (int)(text.len < 200 ? text.len : 200), text.at);
    if (now_ms - handle.received_ms > SQS_VISIBILITY_MAX_MS)
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
            (int)text.len, text.at);
    sqs_queue_wake_due(queue, now_ms);
    expire_old(engine, queue, now_ms);
    touch(engine, queue);
    struct sqs_message *m = handle.slot < engine->slot_count ? engine->slots[handle.slot] : NULL;
    if (m != NULL && m->serial == handle.serial && m->generation == handle.generation && m->queue == queue)
        *ret_m = m;
    return SQS_OK;
}

enum sqs_error sqs_engine_delete_message(struct sqs_engine *engine, struct sqs_queue *queue,
                                         struct slice handle, int64_t now_ms, struct sqs_failure *failure)
{
    struct sqs_message *m = NULL;
    if (resolve(engine, queue, handle, now_ms, &m, failure) != SQS_OK)
        return failure->error;
    if (m == NULL)
        return SQS_OK;
    count_deleted(m, exact_us(engine, now_ms));
    drop_message(engine, m);
    return SQS_OK;
}

enum sqs_error sqs_engine_change_visibility(struct sqs_engine *engine, struct sqs_queue *queue,
                                            struct slice handle, int64_t visibility_s, int64_t now_ms,
                                            struct sqs_failure *failure)
{
    struct sqs_message *m = NULL;
    int64_t visibility_ms = visibility_s * 1000;
    if (resolve(engine, queue, handle, now_ms, &m, failure) != SQS_OK)
        return failure->error;
    if (m == NULL)
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
    if (visibility_ms == 0)
        sqs_queue_move(m, SQS_VISIBLE, 0);
    else
        sqs_queue_move(m, m->state, now_ms + visibility_ms);
    return SQS_OK;
}

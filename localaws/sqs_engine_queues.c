/* Queues of an account: creating, setting, purging, deleting and tagging them; see sqs_engine.h. */
#include "localaws/sqs_engine.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "localaws/sqs_engine_parts.h"

#include <stdlib.h>

enum { ONE_MINUTE_MS = 60000 };

struct sqs_tombstone {
    struct heap_node end;
    char *name; /* owned */
};

void sqs_engine_bury_tombstones(struct sqs_engine *engine, int64_t now_ms)
{
    while (heap_top_key(&engine->tombstone_ends) <= now_ms) {
        struct sqs_tombstone *t = HEAP_OWNER(heap_top(&engine->tombstone_ends), struct sqs_tombstone, end);
        heap_remove(&engine->tombstone_ends, &t->end);
        (void)strmap_remove(&engine->tombstones, slice_of(t->name));
        free(t->name);
        free(t);
    }
}

struct sqs_queue *sqs_engine_find(const struct sqs_engine *engine, struct slice name)
{
    return strmap_get(&engine->queues, name);
}

/* A name's characters without the suffix of FIFO queues; that counts towards the length. */
static bool good_name(struct slice name, size_t suffix_len)
{
    bool good = name.len > suffix_len && name.len <= 80;
    for (size_t i = 0; good && i < name.len - suffix_len; i++) {
        char c = name.at[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    }
    return good;
}

static enum sqs_error check_name(struct slice name, bool is_fifo, struct sqs_failure *failure)
{
    bool has_suffix = name.len >= 5 && memcmp(name.at + name.len - 5, ".fifo", 5) == 0;
    if (name.at == NULL)
        return sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter QueueName.");
    if (has_suffix == is_fifo && good_name(name, is_fifo ? 5 : 0))
        return SQS_OK;
    if (is_fifo)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or"
                        " underscores, must end with .fifo suffix and be 1 to 80 in length.");
    return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                    "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length%s",
                    has_suffix ? " (.fifo wants the attribute FifoQueue to be true)" : "");
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
    if (target->settings.is_fifo != settings->is_fifo)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Value for parameter RedrivePolicy is invalid. Reason: Dead-letter queue must be same"
                        " type of queue as the source.");
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
    if (sqs_settings_check(settings, failure) != SQS_OK)
        return failure->error;
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

static bool wants_fifo(const struct sqs_pair *attributes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(attributes[i].name, "FifoQueue"))
            return slice_is(attributes[i].value, "true");
    return false;
}

enum sqs_error sqs_engine_create(struct sqs_engine *engine, struct slice name,
                                 const struct sqs_pair *attributes, size_t attribute_count, int64_t now_ms,
                                 struct sqs_queue **ret_queue, struct sqs_failure *failure)
{
    struct strbuf arn = STRBUF_INIT;
    struct sqs_settings settings;
    bool is_fifo = wants_fifo(attributes, attribute_count);
    sqs_engine_bury_tombstones(engine, now_ms);
    if (check_name(name, is_fifo, failure) != SQS_OK)
        return failure->error;
    struct sqs_queue *queue = sqs_engine_find(engine, name);
    strbuf_appendf(&arn, "arn:aws:sqs:%s:%s:%.*s", engine->region, engine->account, (int)name.len, name.at);
    sqs_settings_init(&settings);
    settings.is_fifo = is_fifo;
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
        queue = sqs_queue_new(name, arn.data, ++engine->last_uid, is_fifo, now_ms);
        queue->redelivers_first = engine->redelivers_first;
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

/* The delay of a FIFO queue is retroactive (API reference, SetQueueAttributes): what is delayed goes by the
 * new one. */
static void delay_anew(struct sqs_queue *queue)
{
    for (struct sqs_message *m = queue->old_head; m != NULL; m = m->old_next)
        if (m->state == SQS_DELAYED)
            sqs_queue_move(m, SQS_DELAYED, m->sent_ms + queue->settings.delay_s * 1000);
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
    bool is_new_delay = settings.delay_s != queue->settings.delay_s;
    sqs_settings_clean_up(&queue->settings);
    queue->settings = settings;
    queue->modified_ms = now_ms;
    if (queue->fifo != NULL && is_new_delay)
        delay_anew(queue);
    sqs_engine_touch(engine, queue);
    return SQS_OK;
}

static void drop_all(struct sqs_engine *engine, struct sqs_queue *queue)
{
    for (struct sqs_message *m = NULL; (m = sqs_queue_any(queue)) != NULL;)
        sqs_engine_drop_message(engine, m);
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
    sqs_engine_bury_tombstones(engine, now_ms);
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

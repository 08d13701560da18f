/* GetQueueAttributes: what a queue shows of itself, and the faults laid over its counts. */
#include "localaws/sqs_ops_parts.h"

#include "base/random.h"

#include <inttypes.h>

/* Attributes that are not settings. */
enum shown {
    SHOWN_ARN,
    SHOWN_VISIBLE,
    SHOWN_IN_FLIGHT,
    SHOWN_DELAYED,
    SHOWN_CREATED,
    SHOWN_MODIFIED,
    SHOWN_MAX
};

static const char *const SHOWN_NAMES[] = {
    [SHOWN_ARN] = "QueueArn",
    [SHOWN_VISIBLE] = "ApproximateNumberOfMessages",
    [SHOWN_IN_FLIGHT] = "ApproximateNumberOfMessagesNotVisible",
    [SHOWN_DELAYED] = "ApproximateNumberOfMessagesDelayed",
    [SHOWN_CREATED] = "CreatedTimestamp",
    [SHOWN_MODIFIED] = "LastModifiedTimestamp",
};

static int find_shown(struct slice name)
{
    for (int i = 0; i < SHOWN_MAX; i++)
        if (slice_is(name, SHOWN_NAMES[i]))
            return i;
    return -1;
}

static int find_setting(struct slice name)
{
    for (int i = 0; i < SQS_SETTINGS_COUNT; i++)
        if (slice_is(name, sqs_settings_name((size_t)i)))
            return i;
    return -1;
}

bool sqs_ops_is_queue_attribute(struct slice name)
{
    return find_shown(name) >= 0 || find_setting(name) >= 0;
}

static size_t jitter(struct sqs_counts_fault *fault, size_t count)
{
    double unit = random_unit(&fault->random);
    double span = (double)count * fault->noise;
    if (span < 1)
        span = 1; /* also a zero may jump */
    double value = (double)count + (2 * unit - 1) * span + 0.5;
    return value < 0 ? 0 : (size_t)value;
}

static struct sqs_counts reported_counts(struct sqs_queue *queue, int64_t now_ms)
{
    struct sqs_counts_fault *fault = &queue->counts_fault;
    struct sqs_counts counts = sqs_queue_counts(queue);
    if (now_ms >= fault->until_ms)
        return counts;
    if (fault->is_stale)
        counts = fault->frozen;
    if (fault->noise > 0)
        counts = (struct sqs_counts){.visible = jitter(fault, counts.visible),
                                     .in_flight = jitter(fault, counts.in_flight),
                                     .delayed = jitter(fault, counts.delayed)};
    return counts;
}

static void append_shown(const struct sqs_queue *queue, const struct sqs_counts *counts, int shown,
                         struct strbuf *out)
{
    switch (shown) {
    case SHOWN_ARN:
        strbuf_append_str(out, queue->arn);
        break;
    case SHOWN_VISIBLE:
        strbuf_appendf(out, "%zu", counts->visible);
        break;
    case SHOWN_IN_FLIGHT:
        strbuf_appendf(out, "%zu", counts->in_flight);
        break;
    case SHOWN_DELAYED:
        strbuf_appendf(out, "%zu", counts->delayed);
        break;
    case SHOWN_CREATED:
        strbuf_appendf(out, "%" PRId64, queue->created_ms / 1000);
        break;
    default:
        strbuf_appendf(out, "%" PRId64, queue->modified_ms / 1000);
        break;
    }
}

static enum sqs_error select_attributes(const struct sqs_names *names, bool shown[static SHOWN_MAX],
                                        bool settings[static SQS_SETTINGS_COUNT], struct sqs_failure *failure)
{
    for (size_t i = 0; i < names->count && i < SQS_NAMES_MAX; i++) {
        struct slice name = names->names[i];
        bool all = slice_is(name, "All");
        for (int k = 0; k < SHOWN_MAX; k++)
            shown[k] = shown[k] || all || k == find_shown(name);
        for (int k = 0; k < SQS_SETTINGS_COUNT; k++)
            settings[k] = settings[k] || all || k == find_setting(name);
        if (!all && !sqs_ops_is_queue_attribute(name))
            return sqs_fail(failure, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.",
                            (int)(name.len < 100 ? name.len : 100), name.at);
    }
    return SQS_OK;
}

enum sqs_error sqs_ops_get_attributes(struct sqs_context *context, struct sqs_request *request,
                                      struct sqs_queue *queue, struct strbuf *out,
                                      struct sqs_failure *failure)
{
    bool shown[SHOWN_MAX] = {false};
    bool settings[SQS_SETTINGS_COUNT] = {false};
    struct strbuf value = STRBUF_INIT;
    struct sqs_reply reply;
    if (select_attributes(&request->attribute_names, shown, settings, failure) != SQS_OK)
        return failure->error;
    struct sqs_counts counts = reported_counts(queue, context->now_ms);
    sqs_reply_begin(&reply, context->protocol, out, sqs_op_name(request->op), true);
    if (request->attribute_names.count > 0) {
        sqs_reply_map(&reply, "Attributes");
        for (int i = 0; i < SHOWN_MAX + SQS_SETTINGS_COUNT; i++) {
            size_t setting = (size_t)(i - SHOWN_MAX);
            if (i < SHOWN_MAX ? !shown[i] : !settings[setting])
                continue;
            strbuf_clear(&value);
            if (i < SHOWN_MAX)
                append_shown(queue, &counts, i, &value);
            else if (!sqs_settings_get(&queue->settings, setting, &value))
                continue;
            const char *name = i < SHOWN_MAX ? SHOWN_NAMES[i] : sqs_settings_name(setting);
            sqs_reply_map_entry(&reply, "Attribute", "Name", slice_of(name),
                                (struct slice){value.data, value.len});
        }
        sqs_reply_map_end(&reply);
    }
    sqs_reply_end(&reply, context->request_id);
    strbuf_clean_up(&value);
    return SQS_OK;
}

/* ReceiveMessage: what is asked for, and how messages are written. */
#include "base/alloc.h"
#include "base/base64.h"
#include "localaws/sqs_ops.h"
#include "localaws/sqs_ops_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum system_attribute {
    SENDER_ID,
    SENT_TIMESTAMP,
    RECEIVE_COUNT,
    FIRST_RECEIVE_TIMESTAMP,
    GROUP_ID,
    TRACE_HEADER,
    SOURCE_ARN,
    SEQUENCE_NUMBER, /* the last two are of FIFO queues */
    DEDUPLICATION_ID,
    SYSTEM_ATTRIBUTE_MAX,
};

static const char *const SYSTEM_NAMES[] = {
    [SENDER_ID] = "SenderId",
    [SENT_TIMESTAMP] = "SentTimestamp",
    [RECEIVE_COUNT] = "ApproximateReceiveCount",
    [FIRST_RECEIVE_TIMESTAMP] = "ApproximateFirstReceiveTimestamp",
    [GROUP_ID] = "MessageGroupId",
    [TRACE_HEADER] = "AWSTraceHeader",
    [SOURCE_ARN] = "DeadLetterQueueSourceArn",
    [SEQUENCE_NUMBER] = "SequenceNumber",
    [DEDUPLICATION_ID] = "MessageDeduplicationId",
};

_Static_assert(sizeof SYSTEM_NAMES / sizeof *SYSTEM_NAMES == SYSTEM_ATTRIBUTE_MAX,
               "every attribute has a name");

static enum sqs_error read_system_names(const struct sqs_names *names, uint32_t *bits,
                                        struct sqs_failure *failure)
{
    for (size_t i = 0; i < names->count && i < SQS_NAMES_MAX; i++) {
        struct slice name = names->names[i];
        int found = -1;
        if (slice_is(name, "All")) {
            *bits = (1U << SYSTEM_ATTRIBUTE_MAX) - 1;
            continue;
        }
        for (int k = 0; k < SYSTEM_ATTRIBUTE_MAX && found < 0; k++)
            found = slice_is(name, SYSTEM_NAMES[k]) ? k : -1;
        if (found >= 0)
            *bits |= 1U << found;
        else if (!sqs_ops_is_queue_attribute(name)) /* those are allowed in AttributeNames, to no effect */
            return sqs_fail(failure, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.",
                            (int)(name.len < 100 ? name.len : 100), name.at);
    }
    return SQS_OK;
}

static enum sqs_error read_view(struct sqs_request *request, struct sqs_receive_view *view,
                                struct sqs_failure *failure)
{
    struct sqs_names *names = &request->message_attribute_names;
    *view = (struct sqs_receive_view){
        .names = names->names, .name_count = names->count < SQS_NAMES_MAX ? names->count : SQS_NAMES_MAX};
    for (size_t i = 0; i < view->name_count; i++)
        if (slice_is(view->names[i], "All") || slice_is(view->names[i], ".*"))
            view->all_attributes = true;
    if (read_system_names(&request->attribute_names, &view->system, failure) != SQS_OK)
        return failure->error;
    return read_system_names(&request->system_attribute_names, &view->system, failure);
}

void sqs_receive_view_keep(struct sqs_receive_view *view)
{
    struct slice *names = view->name_count == 0 ? NULL : xmalloc(view->name_count * sizeof *names);
    if (names != NULL)
        memcpy(names, view->names, view->name_count * sizeof *names);
    view->names = names;
}

void sqs_receive_view_clean_up(struct sqs_receive_view *view)
{
    free(view->names);
    view->names = NULL;
    view->name_count = 0;
}

/* ---- writing ---- */

struct slice sqs_ops_sequence(uint64_t sequence, char buffer[static SQS_SEQUENCE_BYTES])
{
    int len = snprintf(buffer, SQS_SEQUENCE_BYTES, "1%019" PRIu64, sequence);
    return (struct slice){buffer, (size_t)len};
}

static struct slice decimal(int64_t value, char buffer[static SQS_SEQUENCE_BYTES])
{
    int len = snprintf(buffer, SQS_SEQUENCE_BYTES, "%" PRId64, value);
    return (struct slice){buffer, (size_t)len};
}

/* The text of a system attribute; absent when the message has none. */
static struct slice system_value(const struct sqs_engine *engine, const struct sqs_message *m, int attribute,
                                 char buffer[static SQS_SEQUENCE_BYTES])
{
    switch (attribute) {
    case SENDER_ID:
        return slice_of(engine->account);
    case SENT_TIMESTAMP:
        return decimal(m->sent_ms, buffer);
    case RECEIVE_COUNT:
        return decimal(m->receive_count, buffer);
    case FIRST_RECEIVE_TIMESTAMP:
        return decimal(m->first_receive_ms, buffer);
    case GROUP_ID:
        return m->group_id;
    case TRACE_HEADER:
        return m->trace_header;
    case SOURCE_ARN:
        return slice_of(m->source_arn);
    case SEQUENCE_NUMBER:
        return m->sequence == 0 ? (struct slice){NULL, 0} : sqs_ops_sequence(m->sequence, buffer);
    case DEDUPLICATION_ID:
        return m->deduplication_id;
    default:
        return (struct slice){NULL, 0};
    }
}

static void write_system_attributes(const struct sqs_engine *engine, struct sqs_reply *reply, uint32_t bits,
                                    const struct sqs_message *m)
{
    char buffer[SQS_SEQUENCE_BYTES];
    if (bits == 0)
        return;
    sqs_reply_map(reply, "Attributes");
    for (int i = 0; i < SYSTEM_ATTRIBUTE_MAX; i++) {
        struct slice value =
            (bits >> i & 1) != 0 ? system_value(engine, m, i, buffer) : (struct slice){NULL, 0};
        if (value.at != NULL)
            sqs_reply_map_entry(reply, "Attribute", "Name", slice_of(SYSTEM_NAMES[i]), value);
    }
    sqs_reply_map_end(reply);
}

static bool is_wanted(const struct sqs_receive_view *view, struct slice name)
{
    for (size_t i = 0; i < view->name_count; i++) {
        struct slice wanted = view->names[i];
        if (slice_equal(wanted, name))
            return true;
        if (wanted.len >= 2 && memcmp(wanted.at + wanted.len - 2, ".*", 2) == 0 &&
            name.len >= wanted.len - 1 &&
            memcmp(wanted.at, name.at, wanted.len - 1) ==
                0) /* "prefix.*" matches "prefix." and what follows */
            return true;
    }
    return view->all_attributes;
}

static void write_attribute(struct sqs_reply *reply, const struct sqs_attribute *a)
{
    struct strbuf base64 = STRBUF_INIT;
    sqs_reply_map_item(reply, "MessageAttribute", a->name);
    if (a->is_binary) {
        base64_encode(a->value.at, a->value.len, &base64);
        sqs_reply_text(reply, "BinaryValue", (struct slice){base64.data, base64.len});
        strbuf_clean_up(&base64);
    } else {
        sqs_reply_text(reply, "StringValue", a->value);
    }
    sqs_reply_text(reply, "DataType", a->type);
    sqs_reply_map_item_end(reply, "MessageAttribute");
}

/* Attributes asked for, and the digest of just those. */
static void write_attributes(struct sqs_reply *reply, const struct sqs_receive_view *view,
                             const struct sqs_message *m)
{
    const struct sqs_attribute *wanted[SQS_ATTRIBUTES_MAX] = {NULL};
    uint8_t md5[AWS_DIGEST_MD5_BYTES];
    char hex[AWS_DIGEST_MD5_HEX_BYTES];
    size_t count = 0;
    for (size_t i = 0; i < m->attribute_count; i++)
        if (is_wanted(view, m->attributes[i].name))
            wanted[count++] = &m->attributes[i];
    if (count == 0)
        return;
    sqs_reply_map(reply, "MessageAttributes");
    for (size_t i = 0; i < count; i++)
        write_attribute(reply, wanted[i]);
    sqs_reply_map_end(reply);
    memcpy(md5, m->attributes_md5, sizeof md5);
    if (count < m->attribute_count)
        sqs_message_attributes_md5(wanted, count, md5);
    aws_digest_hex(md5, sizeof md5, hex);
    sqs_reply_text(reply, "MD5OfMessageAttributes", slice_of(hex));
}

static void write_message(const struct sqs_engine *engine, struct sqs_reply *reply,
                          const struct sqs_receive_view *view, const struct sqs_message *m)
{
    char handle[SQS_HANDLE_CHARS + 1];
    char hex[AWS_DIGEST_MD5_HEX_BYTES];
    sqs_engine_handle(engine, m, handle);
    aws_digest_hex(m->body_md5, sizeof m->body_md5, hex);
    sqs_reply_item(reply, "Message");
    sqs_reply_text(reply, "MessageId", (struct slice){m->id, SQS_UUID_BYTES - 1});
    sqs_reply_text(reply, "ReceiptHandle", (struct slice){handle, SQS_HANDLE_CHARS});
    sqs_reply_text(reply, "MD5OfBody", (struct slice){hex, sizeof hex - 1});
    sqs_reply_text(reply, "Body", m->body);
    write_system_attributes(engine, reply, view->system, m);
    write_attributes(reply, view, m);
    sqs_reply_item_end(reply, "Message");
}

void sqs_ops_write_messages(const struct sqs_engine *engine, enum sqs_protocol protocol,
                            const char *request_id, const struct sqs_receive_view *view,
                            struct sqs_message *const *messages, size_t count, struct strbuf *out)
{
    struct sqs_reply reply;
    sqs_reply_begin(&reply, protocol, out, "ReceiveMessage", true);
    if (count > 0) {
        sqs_reply_list(&reply, "Messages");
        for (size_t i = 0; i < count; i++)
            write_message(engine, &reply, view, messages[i]);
        sqs_reply_list_end(&reply);
    }
    sqs_reply_end(&reply, request_id);
}

/* ---- the operation ---- */

static enum sqs_error check_receive(const struct sqs_request *request, struct sqs_failure *failure)
{
    const struct sqs_number *max = &request->max_messages;
    const struct sqs_number *wait = &request->wait_s;
    const struct sqs_number *visibility = &request->entries[0].visibility_s;
    if (max->is_given && (max->value < 1 || max->value > SQS_BATCH_MAX))
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Value %" PRId64
                        " for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and"
                        " 10, if provided.",
                        max->value);
    if (wait->is_given && (wait->value < 0 || wait->value > 20))
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Value %" PRId64
                        " for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if"
                        " provided.",
                        wait->value);
    if (visibility->is_given)
        return sqs_ops_check_visibility(visibility->value, failure);
    return SQS_OK;
}

static enum sqs_error check_attempt(const struct sqs_queue *queue, struct slice id,
                                    struct sqs_failure *failure)
{
    if (id.at != NULL && queue->fifo == NULL)
        return sqs_ops_fail_type("ReceiveRequestAttemptId", id, failure);
    return sqs_message_id_check("ReceiveRequestAttemptId", id, failure);
}

/* What is there at once: the same as the first time for a receive that is asked for again, nothing while
 * others wait (it belongs to them). */
static size_t take_now(struct sqs_context *context, struct sqs_queue *queue,
                       const struct sqs_receive_wait *wait, struct sqs_message **messages)
{
    size_t count = sqs_engine_receive_again(context->engine, queue, wait->attempt_id, wait->visibility_ms,
                                            context->now_ms, messages);
    if (count > 0 || queue->waiter_head != NULL)
        return count;
    count =
        sqs_engine_receive(context->engine, queue, wait->max, wait->visibility_ms, context->now_ms, messages);
    sqs_engine_remember_attempt(queue, wait->attempt_id, messages, count, context->now_ms);
    return count;
}

enum sqs_error sqs_ops_receive(struct sqs_context *context, struct sqs_request *request,
                               struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    struct sqs_message *messages[SQS_BATCH_MAX];
    struct sqs_receive_wait *wait = &context->wait;
    if (check_receive(request, failure) != SQS_OK ||
        check_attempt(queue, request->attempt_id, failure) != SQS_OK ||
        read_view(request, &wait->view, failure) != SQS_OK)
        return failure->error;
    const struct sqs_number *visibility = &request->entries[0].visibility_s;
    int64_t visibility_s = visibility->is_given ? visibility->value : queue->settings.visibility_timeout_s;
    int64_t wait_s = request->wait_s.is_given ? request->wait_s.value : queue->settings.receive_wait_s;
    wait->queue = queue;
    wait->max = request->max_messages.is_given ? (size_t)request->max_messages.value : 1;
    wait->visibility_ms = visibility_s * 1000;
    wait->end_ms = context->now_ms + wait_s * 1000;
    wait->attempt_id = request->attempt_id;
    size_t count = take_now(context, queue, wait, messages);
    if (count == 0 && wait_s == 0 && queue->fifo == NULL && queue->in_flight.count >= SQS_IN_FLIGHT_MAX)
        return sqs_fail(
            failure, SQS_OVER_LIMIT,
            "Too many messages are in flight in queue %s: the limit is %d. Delete some, or let their"
            " visibility timeout pass.",
            queue->name, SQS_IN_FLIGHT_MAX);
    if (count == 0 && wait_s > 0) {
        wait->is_wanted = true;
        return SQS_OK;
    }
    if (count == 0) {
        queue->stats.empty_receives++;
        queue->minute.empty_receives++;
    }
    sqs_ops_write_messages(context->engine, context->protocol, context->request_id, &wait->view, messages,
                           count, out);
    for (size_t i = 0; context->repeat_received && i < count; i++)
        sqs_engine_repeat(context->engine, messages[i]);
    return SQS_OK;
}

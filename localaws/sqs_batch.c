/* SendMessage, DeleteMessage and ChangeMessageVisibility: one message, or a batch whose entries fail one by
 * one. */
#include "localaws/sqs_ops_parts.h"

#include <inttypes.h>
#include <stdio.h>

static const char *entry_list_name(enum sqs_op op)
{
    switch (op) {
    case SQS_SEND_MESSAGE_BATCH:
        return "SendMessageBatchRequestEntry";
    case SQS_DELETE_MESSAGE_BATCH:
        return "DeleteMessageBatchRequestEntry";
    default:
        return "ChangeMessageVisibilityBatchRequestEntry";
    }
}

enum sqs_error sqs_ops_fail_type(const char *parameter, struct slice value, struct sqs_failure *failure)
{
    return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                    "Value %.*s for parameter %s is invalid. Reason: The request include parameter that is"
                    " not valid for this queue type.",
                    (int)(value.len < SQS_ID_MAX ? value.len : SQS_ID_MAX), value.at, parameter);
}

enum { HASH_BYTES = 2 * AWS_DIGEST_SHA256_BYTES + 1 };

/* What a FIFO queue wants of a message. `hash` is where a deduplication id made of the body stays. */
static enum sqs_error complete_fifo(const struct sqs_queue *queue, const struct sqs_entry *entry,
                                    struct sqs_message_spec *spec, char hash[static HASH_BYTES],
                                    struct sqs_failure *failure)
{
    uint8_t digest[AWS_DIGEST_SHA256_BYTES];
    if (spec->group_id.at == NULL)
        return sqs_fail(failure, SQS_MISSING_PARAMETER,
                        "The request must contain the parameter MessageGroupId.");
    if (entry->delay_s.is_given && entry->delay_s.value != 0) {
        char text[24];
        (void)snprintf(text, sizeof text, "%" PRId64, entry->delay_s.value);
        return sqs_ops_fail_type("DelaySeconds", slice_of(text), failure);
    }
    if (spec->deduplication_id.at != NULL)
        return SQS_OK;
    if (!queue->settings.content_based_deduplication)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "The queue should either have ContentBasedDeduplication enabled or"
                        " MessageDeduplicationId provided explicitly");
    aws_digest_sha256(spec->body.at, spec->body.len, digest);
    aws_digest_hex(digest, sizeof digest, hash);
    spec->deduplication_id = slice_of(hash);
    return SQS_OK;
}

static enum sqs_error make_spec(const struct sqs_queue *queue, const struct sqs_entry *entry,
                                struct sqs_message_spec *spec, char hash[static HASH_BYTES],
                                struct sqs_failure *failure)
{
    *spec = (struct sqs_message_spec){.body = entry->body,
                                      .attributes = entry->attributes,
                                      .attribute_count = entry->attribute_count,
                                      .group_id = entry->group_id,
                                      .deduplication_id = entry->deduplication_id,
                                      .trace_header = entry->trace_header};
    if (sqs_message_spec_check(spec, failure) != SQS_OK)
        return failure->error;
    if (queue->fifo != NULL && complete_fifo(queue, entry, spec, hash, failure) != SQS_OK)
        return failure->error;
    if (queue->fifo == NULL && entry->deduplication_id.at != NULL)
        return sqs_fail(
            failure, SQS_INVALID_PARAMETER_VALUE,
            "The request include parameter MessageDeduplicationId which is not valid for this queue type.");
    if (entry->delay_s.is_given && (entry->delay_s.value < 0 || entry->delay_s.value > 900))
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Value %" PRId64
                        " for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and"
                        " <= 900.",
                        entry->delay_s.value);
    if ((int64_t)sqs_message_spec_bytes(spec) > queue->settings.maximum_message_bytes)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "One or more parameters are invalid. Reason: Message must be shorter than %" PRId64
                        " bytes.",
                        queue->settings.maximum_message_bytes);
    return SQS_OK;
}

static void write_sent(struct sqs_reply *reply, const struct sqs_message *m)
{
    uint8_t md5[AWS_DIGEST_MD5_BYTES];
    char hex[AWS_DIGEST_MD5_HEX_BYTES];
    aws_digest_hex(m->body_md5, sizeof m->body_md5, hex);
    sqs_reply_text(reply, "MessageId", slice_of(m->id));
    sqs_reply_text(reply, "MD5OfMessageBody", slice_of(hex));
    if (m->attribute_count > 0) {
        aws_digest_hex(m->attributes_md5, sizeof m->attributes_md5, hex);
        sqs_reply_text(reply, "MD5OfMessageAttributes", slice_of(hex));
    }
    if (m->sequence != 0) {
        char digits[SQS_SEQUENCE_BYTES];
        sqs_reply_text(reply, "SequenceNumber", sqs_ops_sequence(m->sequence, digits));
    }
    if (m->trace_header.at != NULL) {
        struct sqs_attribute trace = {
            .name = slice_of("AWSTraceHeader"), .type = slice_of("String"), .value = m->trace_header};
        const struct sqs_attribute *list[] = {&trace};
        sqs_message_attributes_md5(list, 1, md5);
        aws_digest_hex(md5, sizeof md5, hex);
        sqs_reply_text(reply, "MD5OfMessageSystemAttributes", slice_of(hex));
    }
}

static enum sqs_error send_entry(struct sqs_context *context, struct sqs_queue *queue,
                                 const struct sqs_entry *entry, struct sqs_message **ret_m,
                                 struct sqs_failure *failure)
{
    struct sqs_message_spec spec;
    char hash[HASH_BYTES];
    if (make_spec(queue, entry, &spec, hash, failure) != SQS_OK)
        return failure->error;
    int64_t delay_s = entry->delay_s.is_given && queue->fifo == NULL ? entry->delay_s.value : -1;
    *ret_m = sqs_engine_send(context->engine, queue, &spec, delay_s, context->now_ms);
    return SQS_OK;
}

/* A duplicate is in no queue: it was made for its answer alone. */
static void forget_duplicate(struct sqs_message *m)
{
    if (m != NULL && m->queue == NULL)
        sqs_message_free(m);
}

static enum sqs_error change_entry(struct sqs_context *context, struct sqs_queue *queue,
                                   const struct sqs_entry *entry, struct sqs_failure *failure)
{
    if (!entry->visibility_s.is_given)
        return sqs_fail(failure, SQS_MISSING_PARAMETER,
                        "The request must contain the parameter VisibilityTimeout.");
    if (sqs_ops_check_visibility(entry->visibility_s.value, failure) != SQS_OK)
        return failure->error;
    return sqs_engine_change_visibility(context->engine, queue, entry->receipt_handle,
                                        entry->visibility_s.value, context->now_ms, failure);
}

/* ---- single ---- */

enum sqs_error sqs_ops_send(struct sqs_context *context, struct sqs_request *request, struct sqs_queue *queue,
                            struct strbuf *out, struct sqs_failure *failure)
{
    struct sqs_message *m = NULL;
    struct sqs_reply reply;
    if (send_entry(context, queue, &request->entries[0], &m, failure) != SQS_OK || m == NULL)
        return failure->error;
    sqs_reply_begin(&reply, context->protocol, out, sqs_op_name(request->op), true);
    write_sent(&reply, m);
    sqs_reply_end(&reply, context->request_id);
    forget_duplicate(m);
    return SQS_OK;
}

enum sqs_error sqs_ops_delete(struct sqs_context *context, struct sqs_request *request,
                              struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    if (sqs_engine_delete_message(context->engine, queue, request->entries[0].receipt_handle, context->now_ms,
                                  failure) != SQS_OK)
        return failure->error;
    return sqs_ops_write_void(context, request->op, out);
}

enum sqs_error sqs_ops_change_visibility(struct sqs_context *context, struct sqs_request *request,
                                         struct sqs_queue *queue, struct strbuf *out,
                                         struct sqs_failure *failure)
{
    if (change_entry(context, queue, &request->entries[0], failure) != SQS_OK)
        return failure->error;
    return sqs_ops_write_void(context, request->op, out);
}

/* ---- batches ---- */

static bool good_entry_id(struct slice id)
{
    if (id.len == 0 || id.len > 80)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_'))
            return false;
    }
    return true;
}

static enum sqs_error check_entry(const struct sqs_request *request, size_t index,
                                  struct sqs_failure *failure)
{
    const struct sqs_entry *entry = &request->entries[index];
    const char *missing = NULL;
    if (entry->id.at == NULL)
        missing = "Id";
    else if (request->op == SQS_SEND_MESSAGE_BATCH && entry->body.len == 0)
        missing = "MessageBody";
    else if (request->op != SQS_SEND_MESSAGE_BATCH && entry->receipt_handle.at == NULL)
        missing = "ReceiptHandle";
    if (missing != NULL)
        return sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter %s.%zu.%s.",
                        entry_list_name(request->op), index + 1, missing);
    if (!good_entry_id(entry->id))
        return sqs_fail(
            failure, SQS_INVALID_ENTRY_ID,
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at"
            " most 80 letters long.");
    for (size_t k = 0; k < index; k++)
        if (slice_equal(request->entries[k].id, entry->id))
            return sqs_fail(failure, SQS_ENTRY_IDS_NOT_DISTINCT, "Id %.*s repeated.", (int)entry->id.len,
                            entry->id.at);
    return SQS_OK;
}

/* What fails the whole batch. */
static enum sqs_error check_batch(const struct sqs_request *request, struct sqs_failure *failure)
{
    size_t bytes = 0;
    if (request->entry_count == 0)
        return sqs_fail(failure, SQS_EMPTY_BATCH, "There should be at least one %s in the request.",
                        entry_list_name(request->op));
    if (request->entry_count > SQS_BATCH_MAX)
        return sqs_fail(failure, SQS_TOO_MANY_ENTRIES,
                        "Maximum number of entries per request are 10. You have sent %zu.",
                        request->entry_count);
    for (size_t i = 0; i < request->entry_count; i++) {
        const struct sqs_entry *entry = &request->entries[i];
        if (check_entry(request, i, failure) != SQS_OK)
            return failure->error;
        size_t kept =
            entry->attribute_count < SQS_ATTRIBUTES_MAX ? entry->attribute_count : SQS_ATTRIBUTES_MAX;
        struct sqs_message_spec spec = {
            .body = entry->body, .attributes = entry->attributes, .attribute_count = kept};
        bytes += sqs_message_spec_bytes(&spec);
    }
    if (bytes > SQS_MESSAGE_BYTES_MAX)
        return sqs_fail(failure, SQS_BATCH_TOO_LONG,
                        "Batch requests cannot be longer than %d bytes. You have sent %zu bytes.",
                        SQS_MESSAGE_BYTES_MAX, bytes);
    return SQS_OK;
}

struct outcome {
    struct sqs_message *sent; /* SendMessageBatch: valid until the engine is settled */
    enum sqs_error error;
    struct sqs_failure failure;
};

static void run_entry(struct sqs_context *context, const struct sqs_request *request, struct sqs_queue *queue,
                      const struct sqs_entry *entry, struct outcome *outcome)
{
    *outcome = (struct outcome){.error = SQS_OK};
    if (context->entry_fails != NULL && context->entry_fails(context->entry_fails_arg, &outcome->failure)) {
        outcome->error = outcome->failure.error;
        return;
    }
    if (request->op == SQS_SEND_MESSAGE_BATCH)
        outcome->error = send_entry(context, queue, entry, &outcome->sent, &outcome->failure);
    else if (request->op == SQS_DELETE_MESSAGE_BATCH)
        outcome->error = sqs_engine_delete_message(context->engine, queue, entry->receipt_handle,
                                                   context->now_ms, &outcome->failure);
    else
        outcome->error = change_entry(context, queue, entry, &outcome->failure);
    if (outcome->error == SQS_RECEIPT_HANDLE_EXPIRED) /* a batch has its own words for it */
        outcome->error =
            sqs_fail(&outcome->failure, SQS_RECEIPT_HANDLE_IS_INVALID, "The receipt handle has expired");
}

static void write_failed(struct sqs_reply *reply, const struct sqs_entry *entry,
                         const struct sqs_failure *failure)
{
    const struct sqs_error_info *info = sqs_error_info(failure->error);
    sqs_reply_item(reply, "BatchResultErrorEntry");
    sqs_reply_text(reply, "Id", entry->id);
    sqs_reply_bool(reply, "SenderFault", info->sender_fault);
    sqs_reply_text(reply, "Code", slice_of(info->query));
    sqs_reply_text(reply, "Message", slice_of(failure->message));
    sqs_reply_item_end(reply, "BatchResultErrorEntry");
}

static void write_outcomes(struct sqs_reply *reply, const struct sqs_request *request,
                           const struct outcome *outcomes)
{
    static const char *const ITEMS[] = {[SQS_SEND_MESSAGE_BATCH] = "SendMessageBatchResultEntry",
                                        [SQS_DELETE_MESSAGE_BATCH] = "DeleteMessageBatchResultEntry",
                                        [SQS_CHANGE_MESSAGE_VISIBILITY_BATCH] =
                                            "ChangeMessageVisibilityBatchResultEntry"};
    size_t failed = 0;
    sqs_reply_list(reply, "Successful");
    for (size_t i = 0; i < request->entry_count; i++) {
        if (outcomes[i].error != SQS_OK) {
            failed++;
            continue;
        }
        sqs_reply_item(reply, ITEMS[request->op]);
        sqs_reply_text(reply, "Id", request->entries[i].id);
        if (outcomes[i].sent != NULL)
            write_sent(reply, outcomes[i].sent);
        sqs_reply_item_end(reply, ITEMS[request->op]);
    }
    sqs_reply_list_end(reply);
    if (failed == 0)
        return;
    sqs_reply_list(reply, "Failed");
    for (size_t i = 0; i < request->entry_count; i++)
        if (outcomes[i].error != SQS_OK)
            write_failed(reply, &request->entries[i], &outcomes[i].failure);
    sqs_reply_list_end(reply);
}

enum sqs_error sqs_ops_batch(struct sqs_context *context, struct sqs_request *request,
                             struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    struct outcome outcomes[SQS_BATCH_MAX];
    struct sqs_reply reply;
    if (check_batch(request, failure) != SQS_OK)
        return failure->error;
    for (size_t i = 0; i < request->entry_count; i++)
        run_entry(context, request, queue, &request->entries[i], &outcomes[i]);
    sqs_reply_begin(&reply, context->protocol, out, sqs_op_name(request->op), true);
    write_outcomes(&reply, request, outcomes);
    sqs_reply_end(&reply, context->request_id);
    for (size_t i = 0; i < request->entry_count; i++)
        forget_duplicate(outcomes[i].sent);
    return SQS_OK;
}

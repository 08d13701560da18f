/*
 * The core's calls: what it asks of SQS and of the handler threads; see runtime_internal.h. Long polls have
 * an AWS client of their own, apart from deletes and extensions, so that they can never hold back an
 * acknowledgement.
 */
#include "worker/runtime_internal.h"

#include "aws/client.h"
#include "aws/sqs.h"
#include "base/clock.h"

static void on_receive(void *arg, const struct aws_result *result, const struct sqs_receive_reply *reply)
{
    struct core_poll *poll = arg;
    struct runtime *rt = poll->owner;
    rt->calls.count[METRICS_receive_message][result->kind]++;
    core_on_receive(&rt->core, poll, clock_product_ms(), result, reply);
    runtime_after_event(rt);
}

static void op_receive(void *arg, struct core_poll *poll)
{
    struct runtime *rt = arg;
    struct sqs_receive_request request = {
        .queue_url = rt->settings->queue_url,
        .max_messages = poll->asked,
        .wait_s = poll->wait_s,
        .visibility_timeout_s = rt->core.settings.visibility_s,
        .system = (rt->flags & SLUICE_WANTS_ORIGIN) != 0 ? SQS_SYSTEM_ORIGIN : 0,
        .message_attributes = (rt->flags & SLUICE_WANTS_ATTRIBUTES) != 0,
        .attempt_id = poll->attempt_id[0] != '\0' ? poll->attempt_id : NULL,
    };
    if (rt->settings->fifo)
        request.system |= SQS_SYSTEM_FIFO;
    if (rt->settings->dlq_url != NULL) { /* they go there with the message */
        request.message_attributes = true;
        request.system |= SQS_SYSTEM_FIFO;
    }
    poll->owner = rt;
    poll->call = sqs_receive_message(rt->poll_client, &request, on_receive, poll);
}

static void op_cancel(void *arg, struct core_poll *poll)
{
    (void)arg;
    aws_call_cancel(poll->call);
}

static void on_batch(void *arg, const struct aws_result *result, const struct sqs_entry_result *results,
                     size_t count)
{
    static const enum metrics_operation OPERATIONS[BATCH_KIND_MAX] = {
        [BATCH_DELETE] = METRICS_delete_message_batch,
        [BATCH_RELEASE] = METRICS_change_message_visibility_batch,
        [BATCH_EXTEND] = METRICS_change_message_visibility_batch,
        [BATCH_QUARANTINE] = METRICS_send_message_batch,
    };
    struct core_batch *batch = arg;
    struct runtime *rt = batch->owner;
    (void)count;
    rt->calls.count[OPERATIONS[batch->kind]][result->kind]++;
    core_on_batch(&rt->core, batch, clock_product_ms(), result, results);
    runtime_after_event(rt);
}

static void op_send(void *arg, struct core_batch *batch)
{
    struct runtime *rt = arg;
    size_t count = (size_t)batch->count;
    const char *url = rt->settings->queue_url;
    struct sqs_delete_entry deletes[SQS_BATCH_MAX];
    struct sqs_visibility_entry changes[SQS_BATCH_MAX];
    batch->owner = rt;
    for (size_t i = 0; i < count; i++) {
        deletes[i] = (struct sqs_delete_entry){.receipt_handle = batch->handles[i]};
        changes[i] = (struct sqs_visibility_entry){.receipt_handle = batch->handles[i],
                                                   .visibility_timeout_s = batch->seconds[i]};
    }
    if (batch->kind == BATCH_DELETE)
        (void)sqs_delete_message_batch(rt->ack_client, url, deletes, count, on_batch, batch);
    else
        (void)sqs_change_message_visibility_batch(rt->ack_client, url, changes, count, on_batch, batch);
}

static void op_quarantine(void *arg, struct core_batch *batch, const struct sqs_send_entry *entries)
{
    struct runtime *rt = arg;
    batch->owner = rt;
    (void)sqs_send_message_batch(rt->ack_client, rt->settings->dlq_url, entries, (size_t)batch->count,
                                 on_batch, batch);
}

static bool op_wake(void *arg)
{
    struct runtime *rt = arg;
    return pool_wake(rt->pool);
}

struct core_ops runtime_core_ops(struct runtime *rt)
{
    return (struct core_ops){.arg = rt,
                             .receive = op_receive,
                             .cancel = op_cancel,
                             .send = op_send,
                             .quarantine = op_quarantine,
                             .wake = op_wake,
                             .release = sqs_message_release};
}

/* Creates and empties the demo's queues; see demo_queue.h. */
#include "supervisor/demo_queue.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_VISIBILITY_S = 300 };

static void look_at_dead_letters(struct demo_queue *queue);

void demo_queue_init(struct demo_queue *queue, struct aws_client *client)
{
    *queue = (struct demo_queue){.client = client};
}

void demo_queue_clean_up(struct demo_queue *queue)
{
    aws_call_cancel(queue->call);
    free(queue->url);
    free(queue->dead_letter_url);
    demo_ids_clean_up(&queue->dead_letters);
    *queue = (struct demo_queue){.client = NULL};
}

/* Ends the job when the call failed; returns whether it did. */
static bool failed(struct demo_queue *queue, const struct aws_result *result, const char *operation)
{
    struct err err = {.text = ""};
    char text[400];

    queue->call = NULL;
    if (result->kind == AWS_KIND_OK)
        return false;
    (void)err_set(&err, "%s", aws_result_text(result, operation, text, sizeof text));
    queue->done(queue->arg, &err);
    return true;
}

/* ---- creating ---- */

static void on_queue_made(void *arg, const struct aws_result *result, const char *url)
{
    struct demo_queue *queue = arg;

    if (failed(queue, result, "CreateQueue"))
        return;
    queue->url = xstrdup(url);
    queue->done(queue->arg, NULL);
}

static void on_dead_letter_arn(void *arg, const struct aws_result *result,
                               const struct sqs_queue_attributes *found)
{
    struct demo_queue *queue = arg;
    struct strbuf redrive = STRBUF_INIT;
    char visibility[16];

    if (failed(queue, result, "GetQueueAttributes"))
        return;
    strbuf_appendf(&redrive, "{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%d}", found->queue_arn,
                   DEMO_MAX_RECEIVE_COUNT);
    (void)snprintf(visibility, sizeof visibility, "%d", DEMO_VISIBILITY_S);
    const struct sqs_attribute attributes[] = {
        {.name = "VisibilityTimeout", .value = visibility},
        {.name = "RedrivePolicy", .value = strbuf_str(&redrive)},
    };
    queue->call = sqs_create_queue(queue->client, DEMO_QUEUE_NAME, attributes,
                                   sizeof attributes / sizeof attributes[0], on_queue_made, queue);
    strbuf_clean_up(&redrive);
}

static void on_dead_letter_made(void *arg, const struct aws_result *result, const char *url)
{
    struct demo_queue *queue = arg;

    if (failed(queue, result, "CreateQueue"))
        return;
    queue->dead_letter_url = xstrdup(url);
    queue->call = sqs_get_queue_attributes(queue->client, url, true, on_dead_letter_arn, queue);
}

void demo_queue_create(struct demo_queue *queue, void (*done)(void *arg, const struct err *err), void *arg)
{
    queue->done = done;
    queue->arg = arg;
    queue->call = sqs_create_queue(queue->client, DEMO_DEAD_LETTER_NAME, NULL, 0, on_dead_letter_made, queue);
}

/* ---- emptying the dead-letter queue ---- */

static void note(struct demo_queue *queue, const struct sqs_message *message)
{
    char name[160];

    for (size_t i = 0; i < message->attribute_count; i++) {
        const struct sqs_message_attribute *attribute = &message->attributes[i];
        if (strcmp(attribute->name, "order_id") == 0) {
            (void)demo_ids_add(&queue->dead_letters, attribute->value, attribute->value_len);
            return;
        }
    }
    (void)snprintf(name, sizeof name, "?%s", message->id);
    (void)demo_ids_add(&queue->dead_letters, name, strlen(name));
}

static void on_deleted(void *arg, const struct aws_result *result, const struct sqs_entry_result *results,
                       size_t count)
{
    struct demo_queue *queue = arg;

    (void)results; /* what was not deleted stays counted in the queue, and is looked at again */
    (void)count;
    if (!failed(queue, result, "DeleteMessageBatch"))
        look_at_dead_letters(queue);
}

static void on_received(void *arg, const struct aws_result *result, const struct sqs_receive_reply *reply)
{
    struct demo_queue *queue = arg;
    struct sqs_delete_entry entries[SQS_BATCH_MAX];

    if (failed(queue, result, "ReceiveMessage"))
        return;
    for (size_t i = 0; i < reply->count; i++) {
        note(queue, reply->messages[i]);
        entries[i].receipt_handle = reply->messages[i]->receipt_handle;
    }
    if (reply->count > 0)
        queue->call = sqs_delete_message_batch(queue->client, queue->dead_letter_url, entries, reply->count,
                                               on_deleted, queue);
    for (size_t i = 0; i < reply->count; i++)
        sqs_message_release(reply->messages[i]);
    if (reply->count == 0)
        look_at_dead_letters(queue);
}

static void on_dead_letter_count(void *arg, const struct aws_result *result,
                                 const struct sqs_queue_attributes *found)
{
    struct demo_queue *queue = arg;

    if (failed(queue, result, "GetQueueAttributes"))
        return;
    if (found->visible + found->in_flight + found->delayed == 0) {
        queue->done(queue->arg, NULL);
        return;
    }
    struct sqs_receive_request request = {
        .queue_url = queue->dead_letter_url,
        .max_messages = SQS_BATCH_MAX,
        .wait_s = 1,
        .visibility_timeout_s = READ_VISIBILITY_S,
        .message_attributes = true,
    };
    queue->call = sqs_receive_message(queue->client, &request, on_received, queue);
}

static void look_at_dead_letters(struct demo_queue *queue)
{
    queue->call =
        sqs_get_queue_attributes(queue->client, queue->dead_letter_url, false, on_dead_letter_count, queue);
}

void demo_queue_read_dead_letters(struct demo_queue *queue, void (*done)(void *arg, const struct err *err),
                                  void *arg)
{
    queue->done = done;
    queue->arg = arg;
    look_at_dead_letters(queue);
}

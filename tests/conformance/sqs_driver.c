/*
 * Runs operations of aws/sqs.h for a test. Each line of stdin is a JSON object with `op` (a name of the table
 * at the end) and its arguments; the call is made, waited for, and told as one JSON line on stdout: {result:
 * {kind, ...},
 * ...}. Endpoint, region and credentials come from the environment, as for every user of the client.
 *
 * Received messages are kept for the whole run under their receipt handles: later lines name those.
 */
#include "aws/sqs.h"
#include "tests/conformance/driver.h"

/* ---- callbacks ---- */

static void on_done(void *arg, const struct aws_result *result)
{
    open_answer(arg, result);
    close_answer(arg);
}

static void on_text(void *arg, const struct aws_result *result, const char *text)
{
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key_str(&d->w, "value", text);
    close_answer(d);
}

static void on_batch(void *arg, const struct aws_result *result, const struct sqs_entry_result *results,
                     size_t count)
{
    static const char *const OUTCOMES[] = {"ok", "failed", "retryable", "unknown"};
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key(&d->w, "entries");
    jsonw_array(&d->w);
    for (size_t i = 0; i < count; i++) {
        jsonw_object(&d->w);
        jsonw_key_str(&d->w, "outcome", OUTCOMES[results[i].outcome]);
        jsonw_key_str(&d->w, "code", results[i].code);
        jsonw_key_str(&d->w, "message", results[i].message);
        jsonw_key_str(&d->w, "message_id", results[i].message_id);
        jsonw_end_object(&d->w);
    }
    jsonw_end_array(&d->w);
    close_answer(d);
}

static void write_known(struct jsonw *w, const char *key, const char *text)
{
    if (text != NULL)
        jsonw_key_str(w, key, text);
}

static void write_message(struct jsonw *w, const struct sqs_message *message)
{
    jsonw_object(w);
    jsonw_key_str(w, "id", message->id);
    jsonw_key_str(w, "receipt_handle", message->receipt_handle);
    jsonw_key(w, "body");
    jsonw_strn(w, message->body, message->body_len);
    jsonw_key_int(w, "receive_count", message->receive_count);
    jsonw_key_int(w, "sent_ms", message->sent_ms);
    jsonw_key_int(w, "first_receive_ms", message->first_receive_ms);
    write_known(w, "group_id", message->group_id);
    write_known(w, "deduplication_id", message->deduplication_id);
    write_known(w, "sequence_number", message->sequence_number);
    write_known(w, "sender_id", message->sender_id);
    jsonw_key(w, "attributes");
    jsonw_array(w);
    for (size_t i = 0; i < message->attribute_count; i++) {
        jsonw_object(w);
        jsonw_key_str(w, "name", message->attributes[i].name);
        jsonw_key_str(w, "type", message->attributes[i].data_type);
        jsonw_key(w, "value");
        jsonw_strn(w, message->attributes[i].value, message->attributes[i].value_len);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
}

static void on_receive(void *arg, const struct aws_result *result, const struct sqs_receive_reply *reply)
{
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key_int(&d->w, "bad_md5", (int64_t)reply->bad_md5);
    jsonw_key(&d->w, "messages");
    jsonw_array(&d->w);
    for (size_t i = 0; i < reply->count; i++) {
        write_message(&d->w, reply->messages[i]);
        sqs_message_release(reply->messages[i]);
    }
    jsonw_end_array(&d->w);
    close_answer(d);
}

static void on_attributes(void *arg, const struct aws_result *result, const struct sqs_queue_attributes *a)
{
    struct driver *d = arg;
    open_answer(d, result);
    jsonw_key_int(&d->w, "visible", a->visible);
    jsonw_key_int(&d->w, "in_flight", a->in_flight);
    jsonw_key_int(&d->w, "delayed", a->delayed);
    jsonw_key_int(&d->w, "visibility_timeout_s", a->visibility_timeout_s);
    jsonw_key_int(&d->w, "retention_s", a->retention_s);
    jsonw_key_str(&d->w, "queue_arn", a->queue_arn);
    jsonw_key_str(&d->w, "redrive_target_arn", a->redrive_target_arn);
    jsonw_key_int(&d->w, "max_receive_count", a->max_receive_count);
    close_answer(d);
}

/* ---- operations ---- */

enum { ATTRIBUTES_MAX = 16 };

static size_t queue_attributes_of(struct driver *d, struct sqs_attribute out[static ATTRIBUTES_MAX])
{
    size_t count = 0;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(d->line, "attributes"), name, value)
    {
        if (count < ATTRIBUTES_MAX)
            out[count++] = (struct sqs_attribute){name, json_string_value(value)};
    }
    return count;
}

static size_t message_attributes_of(json_t *entry, struct sqs_message_attribute out[static ATTRIBUTES_MAX])
{
    size_t count = 0;
    const char *name = NULL;
    json_t *pair = NULL;
    json_object_foreach(json_object_get(entry, "attributes"), name, pair)
    {
        json_t *value = json_array_get(pair, 1);
        if (count < ATTRIBUTES_MAX)
            out[count++] =
                (struct sqs_message_attribute){name, json_string_value(json_array_get(pair, 0)),
                                               json_string_value(value), json_string_length(value)};
    }
    return count;
}

static struct sqs_send_entry send_entry_of(json_t *entry,
                                           struct sqs_message_attribute out[static ATTRIBUTES_MAX])
{
    json_t *body = json_object_get(entry, "body");
    json_t *delay = json_object_get(entry, "delay_s");
    return (struct sqs_send_entry){.body = json_string_value(body),
                                   .body_len = json_string_length(body),
                                   .delay_s = json_is_integer(delay) ? (int)json_integer_value(delay) : -1,
                                   .group_id = json_string_value(json_object_get(entry, "group_id")),
                                   .deduplication_id =
                                       json_string_value(json_object_get(entry, "deduplication_id")),
                                   .attributes = out,
                                   .attribute_count = message_attributes_of(entry, out)};
}

static void do_create(struct driver *d)
{
    struct sqs_attribute attributes[ATTRIBUTES_MAX];
    size_t count = queue_attributes_of(d, attributes);
    (void)sqs_create_queue(d->client, text_of(d, "name"), attributes, count, on_text, d);
}

static void do_get_url(struct driver *d)
{
    (void)sqs_get_queue_url(d->client, text_of(d, "name"), on_text, d);
}

static void do_set(struct driver *d)
{
    struct sqs_attribute attributes[ATTRIBUTES_MAX];
    size_t count = queue_attributes_of(d, attributes);
    (void)sqs_set_queue_attributes(d->client, text_of(d, "queue"), attributes, count, on_done, d);
}

static void do_get(struct driver *d)
{
    bool all = json_is_true(json_object_get(d->line, "all"));
    (void)sqs_get_queue_attributes(d->client, text_of(d, "queue"), all, on_attributes, d);
}

static void do_delete_queue(struct driver *d)
{
    (void)sqs_delete_queue(d->client, text_of(d, "queue"), on_done, d);
}

static void do_purge(struct driver *d)
{
    (void)sqs_purge_queue(d->client, text_of(d, "queue"), on_done, d);
}

static void do_send(struct driver *d)
{
    struct sqs_message_attribute attributes[ATTRIBUTES_MAX];
    struct sqs_send_entry entry = send_entry_of(d->line, attributes);
    (void)sqs_send_message(d->client, text_of(d, "queue"), &entry, on_text, d);
}

static void do_send_batch(struct driver *d)
{
    struct sqs_message_attribute attributes[SQS_BATCH_MAX][ATTRIBUTES_MAX];
    struct sqs_send_entry entries[SQS_BATCH_MAX];
    json_t *list = json_object_get(d->line, "entries");
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < SQS_BATCH_MAX; i++)
        entries[i] = send_entry_of(json_array_get(list, i), attributes[i]);
    (void)sqs_send_message_batch(d->client, text_of(d, "queue"), entries, count, on_batch, d);
}

static void do_receive(struct driver *d)
{
    struct sqs_receive_request request = {.queue_url = text_of(d, "queue"),
                                          .max_messages = int_of(d, "max", 10),
                                          .wait_s = int_of(d, "wait_s", 0),
                                          .visibility_timeout_s = int_of(d, "visibility_s", -1),
                                          .message_attributes = json_is_true(json_object_get(d->line, "all")),
                                          .system = (unsigned)int_of(d, "system", 0),
                                          .attempt_id =
                                              json_string_value(json_object_get(d->line, "attempt_id"))};
    (void)sqs_receive_message(d->client, &request, on_receive, d);
}

static void do_delete(struct driver *d)
{
    (void)sqs_delete_message(d->client, text_of(d, "queue"), text_of(d, "handle"), on_done, d);
}

static void do_change(struct driver *d)
{
    (void)sqs_change_message_visibility(d->client, text_of(d, "queue"), text_of(d, "handle"),
                                        int_of(d, "visibility_s", 0), on_done, d);
}

static void do_delete_batch(struct driver *d)
{
    struct sqs_delete_entry entries[SQS_BATCH_MAX];
    json_t *list = json_object_get(d->line, "handles");
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < SQS_BATCH_MAX; i++)
        entries[i].receipt_handle = json_string_value(json_array_get(list, i));
    (void)sqs_delete_message_batch(d->client, text_of(d, "queue"), entries, count, on_batch, d);
}

static void do_change_batch(struct driver *d)
{
    struct sqs_visibility_entry entries[SQS_BATCH_MAX];
    json_t *list = json_object_get(d->line, "handles");
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < SQS_BATCH_MAX; i++)
        entries[i] = (struct sqs_visibility_entry){json_string_value(json_array_get(list, i)),
                                                   int_of(d, "visibility_s", 0)};
    (void)sqs_change_message_visibility_batch(d->client, text_of(d, "queue"), entries, count, on_batch, d);
}

static const struct driver_operation OPERATIONS[] = {
    {"CreateQueue", do_create},
    {"GetQueueUrl", do_get_url},
    {"SetQueueAttributes", do_set},
    {"GetQueueAttributes", do_get},
    {"DeleteQueue", do_delete_queue},
    {"PurgeQueue", do_purge},
    {"SendMessage", do_send},
    {"SendMessageBatch", do_send_batch},
    {"ReceiveMessage", do_receive},
    {"DeleteMessage", do_delete},
    {"DeleteMessageBatch", do_delete_batch},
    {"ChangeMessageVisibility", do_change},
    {"ChangeMessageVisibilityBatch", do_change_batch},
    {NULL, NULL},
};

int main(void)
{
    return driver_main("sqs_driver", OPERATIONS);
}

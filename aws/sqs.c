/* SQS calls on single messages and on queues, and the start that all SQS calls share; see sqs.h. */
#include "aws/sqs.h"

#include "aws/sqs_internal.h"
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct aws_call *sqs_start(struct aws_client *client, const struct sqs_start *start, aws_json_fn *fn,
                           void *arg)
{
    struct aws_json_call request = {.service = "sqs",
                                    .target = start->target,
                                    .content_type = "application/x-amz-json-1.0",
                                    .query_mode = true,
                                    .queue_url = start->queue_url,
                                    .body = start->body->data,
                                    .body_len = start->body->len,
                                    .poll_product_ms = start->poll_product_ms,
                                    .long_poll = start->long_poll};
    struct aws_call *call = aws_client_call_json(client, &request, fn, arg, free);
    strbuf_clean_up(start->body);
    return call;
}

struct aws_call *sqs_refuse(struct aws_client *client, const char *message, aws_json_fn *fn, void *arg)
{
    return aws_client_refuse(client, message, fn, arg, free);
}

/* ---- calls whose reply says nothing ---- */

struct done_call {
    sqs_done_fn *fn;
    void *arg;
};

/* The body of such replies is empty or {}: nothing depends on it. */
static void on_done(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct done_call *call = arg;
    (void)body;
    call->fn(call->arg, result);
}

static struct done_call *done_new(sqs_done_fn *fn, void *arg)
{
    struct done_call *call = xmalloc(sizeof *call);
    *call = (struct done_call){fn, arg};
    return call;
}

struct aws_call *sqs_delete_message(struct aws_client *client, const char *queue_url,
                                    const char *receipt_handle, sqs_done_fn *fn, void *arg)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "QueueUrl", queue_url);
    jsonw_key_str(&w, "ReceiptHandle", receipt_handle);
    jsonw_end_object(&w);
    struct sqs_start start = {.target = "AmazonSQS.DeleteMessage", .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_done, done_new(fn, arg));
}

struct aws_call *sqs_change_message_visibility(struct aws_client *client, const char *queue_url,
                                               const char *receipt_handle, int visibility_timeout_s,
                                               sqs_done_fn *fn, void *arg)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "QueueUrl", queue_url);
    jsonw_key_str(&w, "ReceiptHandle", receipt_handle);
    jsonw_key_int(&w, "VisibilityTimeout", visibility_timeout_s);
    jsonw_end_object(&w);
    struct sqs_start start = {
        .target = "AmazonSQS.ChangeMessageVisibility", .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_done, done_new(fn, arg));
}

static struct aws_call *start_on_queue(struct aws_client *client, const char *target, const char *queue_url,
                                       sqs_done_fn *fn, void *arg)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "QueueUrl", queue_url);
    jsonw_end_object(&w);
    struct sqs_start start = {.target = target, .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_done, done_new(fn, arg));
}

struct aws_call *sqs_delete_queue(struct aws_client *client, const char *queue_url, sqs_done_fn *fn,
                                  void *arg)
{
    return start_on_queue(client, "AmazonSQS.DeleteQueue", queue_url, fn, arg);
}

struct aws_call *sqs_purge_queue(struct aws_client *client, const char *queue_url, sqs_done_fn *fn, void *arg)
{
    return start_on_queue(client, "AmazonSQS.PurgeQueue", queue_url, fn, arg);
}

/* Names become JSON keys unescaped. */
static bool are_names(const struct sqs_attribute *attributes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len =
            strspn(attributes[i].name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
        if (len == 0 || attributes[i].name[len] != '\0')
            return false;
    }
    return true;
}

static const char BAD_NAME[] = "a queue attribute's name has letters and digits only";

static void write_attributes(struct jsonw *w, const struct sqs_attribute *attributes, size_t count)
{
    jsonw_key(w, "Attributes");
    jsonw_object(w);
    for (size_t i = 0; i < count; i++)
        jsonw_key_str(w, attributes[i].name, attributes[i].value);
    jsonw_end_object(w);
}

struct aws_call *sqs_set_queue_attributes(struct aws_client *client, const char *queue_url,
                                          const struct sqs_attribute *attributes, size_t count,
                                          sqs_done_fn *fn, void *arg)
{
    if (!are_names(attributes, count))
        return sqs_refuse(client, BAD_NAME, on_done, done_new(fn, arg));
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "QueueUrl", queue_url);
    write_attributes(&w, attributes, count);
    jsonw_end_object(&w);
    struct sqs_start start = {
        .target = "AmazonSQS.SetQueueAttributes", .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_done, done_new(fn, arg));
}

/* ---- calls whose reply is one text ---- */

struct text_call {
    sqs_text_fn *fn;
    void *arg;
    const char *key;            /* member of the reply */
    struct sqs_digests digests; /* of SendMessage; known is false otherwise */
};

static struct text_call *text_new(sqs_text_fn *fn, void *arg, const char *key)
{
    struct text_call *call = xcalloc(1, sizeof *call);
    call->fn = fn;
    call->arg = arg;
    call->key = key;
    return call;
}

/* NULL with *ret_problem when the reply has not what it should. */
static const char *parse_text(const struct text_call *call, struct strbuf *body, const char **ret_problem)
{
    struct jsonp p = jsonp_start(body->data, body->len);
    const char *key = NULL;
    const char *text = NULL;
    const char *md5_body = NULL;
    const char *md5_attributes = NULL;
    size_t len = 0;
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        if (strcmp(key, call->key) == 0)
            (void)aws_take_text(&p, &text, &len);
        else if (strcmp(key, "MD5OfMessageBody") == 0)
            (void)aws_take_text(&p, &md5_body, &len);
        else if (strcmp(key, "MD5OfMessageAttributes") == 0)
            (void)aws_take_text(&p, &md5_attributes, &len);
        else
            (void)jsonp_skip(&p);
    }
    if (!jsonp_finish(&p)) {
        *ret_problem = jsonp_problem(&p, &len);
        return NULL;
    }
    if (call->digests.known &&
        (!sqs_md5_matches(call->digests.body, md5_body) ||
         (call->digests.has_attributes && !sqs_md5_matches(call->digests.attributes, md5_attributes)))) {
        *ret_problem = "SQS got other bytes than were sent (MD5)";
        return NULL;
    }
    *ret_problem = "the reply lacks what was asked for";
    return text;
}

static void on_text(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct text_call *call = arg;
    struct aws_result bad;
    const char *problem = NULL;
    const char *text = result->kind == AWS_KIND_OK ? parse_text(call, body, &problem) : "";
    if (text == NULL) {
        aws_bad_reply(result, problem, &bad);
        result = &bad;
        text = "";
    }
    call->fn(call->arg, result, text);
}

struct aws_call *sqs_send_message(struct aws_client *client, const char *queue_url,
                                  const struct sqs_send_entry *entry, sqs_text_fn *fn, void *arg)
{
    struct text_call *call = text_new(fn, arg, "MessageId");
    const char *problem = sqs_entry_problem(entry);
    if (problem != NULL)
        return sqs_refuse(client, problem, on_text, call);
    sqs_digests_of_entry(entry, &call->digests);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "QueueUrl", queue_url);
    sqs_write_entry(&w, entry);
    jsonw_end_object(&w);
    struct sqs_start start = {.target = "AmazonSQS.SendMessage", .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_text, call);
}

struct aws_call *sqs_get_queue_url(struct aws_client *client, const char *queue_name, sqs_text_fn *fn,
                                   void *arg)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "QueueName", queue_name);
    jsonw_end_object(&w);
    struct sqs_start start = {.target = "AmazonSQS.GetQueueUrl", .body = &body};
    return sqs_start(client, &start, on_text, text_new(fn, arg, "QueueUrl"));
}

struct aws_call *sqs_create_queue(struct aws_client *client, const char *queue_name,
                                  const struct sqs_attribute *attributes, size_t count, sqs_text_fn *fn,
                                  void *arg)
{
    struct text_call *call = text_new(fn, arg, "QueueUrl");
    if (!are_names(attributes, count))
        return sqs_refuse(client, BAD_NAME, on_text, call);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "QueueName", queue_name);
    if (count > 0)
        write_attributes(&w, attributes, count);
    jsonw_end_object(&w);
    struct sqs_start start = {.target = "AmazonSQS.CreateQueue", .body = &body};
    return sqs_start(client, &start, on_text, call);
}

/* ---- GetQueueAttributes ---- */

struct attributes_call {
    sqs_queue_attributes_fn *fn;
    void *arg;
};

static const struct sqs_queue_attributes NO_ATTRIBUTES = {.visible = -1,
                                                          .in_flight = -1,
                                                          .delayed = -1,
                                                          .visibility_timeout_s = -1,
                                                          .retention_s = -1,
                                                          .max_receive_count = -1};

static const struct {
    const char *name;
    size_t offset;
} NUMBERS[] = {
    {"ApproximateNumberOfMessages", offsetof(struct sqs_queue_attributes, visible)},
    {"ApproximateNumberOfMessagesNotVisible", offsetof(struct sqs_queue_attributes, in_flight)},
    {"ApproximateNumberOfMessagesDelayed", offsetof(struct sqs_queue_attributes, delayed)},
    {"VisibilityTimeout", offsetof(struct sqs_queue_attributes, visibility_timeout_s)},
    {"MessageRetentionPeriod", offsetof(struct sqs_queue_attributes, retention_s)},
};

/* {"deadLetterTargetArn":"arn...","maxReceiveCount":5}; the count comes as a number or as text. */
static bool parse_redrive(char *text, size_t len, struct sqs_queue_attributes *ret)
{
    struct jsonp p = jsonp_start(text, len);
    const char *key = NULL;
    const char *value = NULL;
    size_t value_len = 0;
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        if (strcmp(key, "deadLetterTargetArn") == 0) {
            if (jsonp_string(&p, &value, &value_len))
                (void)snprintf(ret->redrive_target_arn, sizeof ret->redrive_target_arn, "%s", value);
        } else if (strcmp(key, "maxReceiveCount") != 0) {
            (void)jsonp_skip(&p);
        } else if (jsonp_peek(&p) == JSONP_NUMBER) {
            (void)jsonp_int(&p, &ret->max_receive_count);
        } else if (jsonp_string(&p, &value, &value_len)) {
            ret->max_receive_count = sqs_parse_number(value);
        }
    }
    return jsonp_finish(&p);
}

static void take_attribute(struct jsonp *p, const char *name, struct sqs_queue_attributes *ret)
{
    const char *text = NULL;
    size_t len = 0;
    if (!aws_take_text(p, &text, &len) || text == NULL)
        return;
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        if (strcmp(name, NUMBERS[i].name) != 0)
            continue;
        int64_t value = sqs_parse_number(text);
        memcpy((char *)ret + NUMBERS[i].offset, &value, sizeof value);
        if (value < 0)
            (void)jsonp_refuse(p, "a count is not a whole number");
        return;
    }
    if (strcmp(name, "QueueArn") == 0)
        (void)snprintf(ret->queue_arn, sizeof ret->queue_arn, "%s", text);
    else if (strcmp(name, "RedrivePolicy") == 0 && len > 0 && !parse_redrive((char *)text, len, ret))
        (void)jsonp_refuse(p, "RedrivePolicy is not the JSON it should be");
}

static bool parse_queue_attributes(struct strbuf *body, struct sqs_queue_attributes *ret,
                                   const char **ret_problem)
{
    struct jsonp p = jsonp_start(body->data, body->len);
    const char *key = NULL;
    size_t offset = 0;
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        if (strcmp(key, "Attributes") != 0)
            (void)jsonp_skip(&p);
        else if (aws_take_object(&p))
            while (jsonp_next_key(&p, &key))
                take_attribute(&p, key, ret);
    }
    bool good = jsonp_finish(&p);
    *ret_problem = jsonp_problem(&p, &offset);
    return good;
}

static void on_attributes(void *arg, const struct aws_result *result, struct strbuf *body)
{
    const struct attributes_call *call = arg;
    struct sqs_queue_attributes attributes = NO_ATTRIBUTES;
    struct aws_result bad;
    const char *problem = NULL;
    if (result->kind == AWS_KIND_OK && !parse_queue_attributes(body, &attributes, &problem)) {
        aws_bad_reply(result, problem, &bad);
        result = &bad;
        attributes = NO_ATTRIBUTES;
    }
    call->fn(call->arg, result, &attributes);
}

struct aws_call *sqs_get_queue_attributes(struct aws_client *client, const char *queue_url, bool all,
                                          sqs_queue_attributes_fn *fn, void *arg)
{
    static const char ALL[] = "[\"All\"]";
    static const char COUNTS[] = "[\"ApproximateNumberOfMessages\",\"ApproximateNumberOfMessagesNotVisible\","
                                 "\"ApproximateNumberOfMessagesDelayed\"]";
    struct attributes_call *call = xmalloc(sizeof *call);
    *call = (struct attributes_call){fn, arg};
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "QueueUrl", queue_url);
    jsonw_key(&w, "AttributeNames");
    jsonw_raw(&w, all ? ALL : COUNTS, all ? sizeof ALL - 1 : sizeof COUNTS - 1);
    jsonw_end_object(&w);
    struct sqs_start start = {
        .target = "AmazonSQS.GetQueueAttributes", .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_attributes, call);
}

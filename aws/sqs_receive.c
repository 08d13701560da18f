/* ReceiveMessage: the reply is read in one pass, in its own buffer, and the messages point into it. */
#include "aws/sqs_internal.h"
#include "base/alloc.h"
#include "base/base64.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct receive_call {
    sqs_receive_fn *fn;
    void *arg;
};

/* The memory of one reply. Freed with the last message. */
struct sqs_reply {
    atomic_int references; /* messages not yet released */
    char *text;            /* owned: the reply's JSON, unescaped in place */
    struct sqs_message messages[SQS_BATCH_MAX];
    size_t count;
    struct sqs_message_attribute *attributes; /* owned: of all messages, one after the other */
    size_t attribute_count;
    size_t attribute_capacity;
    size_t bad_md5;
};

static void reply_free(struct sqs_reply *reply)
{
    free(reply->attributes);
    free(reply->text);
    free(reply);
}

void sqs_message_release(struct sqs_message *message)
{
    struct sqs_reply *reply = message->reply;
    if (atomic_fetch_sub_explicit(&reply->references, 1, memory_order_acq_rel) == 1)
        reply_free(reply);
}

/* ---- parsing ---- */

/* The digests that came with a message. */
struct message_digests {
    const char *body;       /* NULL: none */
    const char *attributes; /* NULL: none */
};

/* One row a system attribute that is read; the two that are always asked for come first. */
static const struct {
    const char *key;
    size_t member; /* offset in struct sqs_message */
    bool number;   /* int64_t there, else const char * */
} SYSTEM_ATTRIBUTES[] = {
    {"ApproximateReceiveCount", offsetof(struct sqs_message, receive_count), true},
    {"SentTimestamp", offsetof(struct sqs_message, sent_ms), true},
    {"MessageGroupId", offsetof(struct sqs_message, group_id), false},
    {"MessageDeduplicationId", offsetof(struct sqs_message, deduplication_id), false},
    {"SequenceNumber", offsetof(struct sqs_message, sequence_number), false},
    {"SenderId", offsetof(struct sqs_message, sender_id), false},
    {"ApproximateFirstReceiveTimestamp", offsetof(struct sqs_message, first_receive_ms), true},
};
enum { SYSTEM_ATTRIBUTE_COUNT = sizeof SYSTEM_ATTRIBUTES / sizeof SYSTEM_ATTRIBUTES[0] };

static bool take_system_attribute(struct jsonp *p, const char *key, struct sqs_message *message)
{
    const char *text = NULL;
    size_t len = 0;
    size_t i = 0;
    while (i < SYSTEM_ATTRIBUTE_COUNT && strcmp(key, SYSTEM_ATTRIBUTES[i].key) != 0)
        i++;
    if (i == SYSTEM_ATTRIBUTE_COUNT)
        return jsonp_skip(p);
    if (!aws_take_text(p, &text, &len))
        return false;
    char *member = (char *)message + SYSTEM_ATTRIBUTES[i].member;
    int64_t value = sqs_parse_number(text);
    if (!SYSTEM_ATTRIBUTES[i].number)
        *(const char **)member = text;
    else if (value >= 0)
        *(int64_t *)member = value;
    return true;
}

static bool parse_system_attributes(struct jsonp *p, struct sqs_message *message)
{
    const char *key = NULL;
    if (!aws_take_object(p))
        return p->problem == NULL;
    while (jsonp_next_key(p, &key) && take_system_attribute(p, key, message))
        continue;
    return p->problem == NULL;
}

static struct sqs_message_attribute *add_attribute(struct sqs_reply *reply)
{
    if (reply->attribute_count == reply->attribute_capacity) {
        reply->attribute_capacity = reply->attribute_capacity < 16 ? 16 : reply->attribute_capacity * 2;
        reply->attributes =
            xrealloc(reply->attributes, reply->attribute_capacity * sizeof *reply->attributes);
    }
    struct sqs_message_attribute *attribute = &reply->attributes[reply->attribute_count++];
    *attribute = (struct sqs_message_attribute){.data_type = "", .value = ""};
    return attribute;
}

static bool parse_attribute(struct jsonp *p, const char *name, struct sqs_reply *reply)
{
    struct sqs_message_attribute *attribute = add_attribute(reply);
    const char *key = NULL;
    const char *text = NULL;
    size_t len = 0;
    attribute->name = name;
    if (!jsonp_object(p))
        return false;
    while (jsonp_next_key(p, &key)) {
        bool binary = strcmp(key, "BinaryValue") == 0;
        if (strcmp(key, "DataType") == 0) {
            if (aws_take_text(p, &text, &len) && text != NULL)
                attribute->data_type = text;
        } else if (!binary && strcmp(key, "StringValue") != 0) {
            (void)jsonp_skip(p);
        } else if (aws_take_text(p, &text, &len) && text != NULL) {
            ssize_t bytes = binary ? base64_decode(text, len, (char *)text) : (ssize_t)len;
            if (bytes < 0)
                return jsonp_refuse(p, "BinaryValue is not base64");
            attribute->value = text;
            attribute->value_len = (size_t)bytes;
        }
    }
    return p->problem == NULL;
}

/* `attributes` of the message holds its count only until the array has stopped growing; see
 * point_at_attributes(). */
static bool parse_attributes(struct jsonp *p, struct sqs_reply *reply, struct sqs_message *message)
{
    const char *name = NULL;
    size_t before = reply->attribute_count;
    if (!aws_take_object(p))
        return p->problem == NULL;
    while (jsonp_next_key(p, &name) && parse_attribute(p, name, reply))
        continue;
    message->attribute_count = reply->attribute_count - before;
    return p->problem == NULL;
}

/* One row a text member of a message. */
static const struct {
    const char *key;
    size_t text;   /* offset in struct sqs_message */
    size_t length; /* offset, 0: none */
} TEXTS[] = {
    {"MessageId", offsetof(struct sqs_message, id), 0},
    {"ReceiptHandle", offsetof(struct sqs_message, receipt_handle), 0},
    {"Body", offsetof(struct sqs_message, body), offsetof(struct sqs_message, body_len)},
};

static bool parse_member(struct jsonp *p, const char *key, struct sqs_reply *reply,
                         struct sqs_message *message, struct message_digests *digests)
{
    size_t len = 0;
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        if (strcmp(key, TEXTS[i].key) != 0)
            continue;
        if (!aws_take_text(p, (const char **)((char *)message + TEXTS[i].text), &len))
            return false;
        if (TEXTS[i].length != 0)
            *(size_t *)((char *)message + TEXTS[i].length) = len;
        return true;
    }
    if (strcmp(key, "MD5OfBody") == 0)
        return aws_take_text(p, &digests->body, &len);
    if (strcmp(key, "Attributes") == 0)
        return parse_system_attributes(p, message);
    if (strcmp(key, "MessageAttributes") == 0)
        return parse_attributes(p, reply, message);
    if (strcmp(key, "MD5OfMessageAttributes") == 0)
        return aws_take_text(p, &digests->attributes, &len);
    return jsonp_skip(p);
}

static bool digests_match(const struct sqs_message *message, const struct message_digests *digests)
{
    uint8_t md5[AWS_DIGEST_MD5_BYTES];
    if (digests->body != NULL && aws_digest_md5(message->body, message->body_len, md5) &&
        !sqs_md5_matches(md5, digests->body))
        return false;
    if (digests->attributes == NULL || message->attribute_count == 0)
        return true;
    const struct sqs_reply *reply = message->reply;
    const struct sqs_message_attribute *own =
        reply->attributes + reply->attribute_count - message->attribute_count;
    return !sqs_attributes_md5(own, message->attribute_count, md5) ||
           sqs_md5_matches(md5, digests->attributes);
}

static bool parse_message(struct jsonp *p, struct sqs_reply *reply)
{
    struct message_digests digests = {NULL, NULL};
    const char *key = NULL;
    if (reply->count + reply->bad_md5 == SQS_BATCH_MAX) {
        return jsonp_refuse(p, "more than 10 messages");
    }
    struct sqs_message *message = &reply->messages[reply->count];
    size_t attributes_before = reply->attribute_count;
    *message = (struct sqs_message){.reply = reply};
    if (!jsonp_object(p))
        return false;
    while (jsonp_next_key(p, &key) && parse_member(p, key, reply, message, &digests))
        continue;
    if (p->problem != NULL)
        return false;
    if (message->receipt_handle == NULL || message->body == NULL || message->id == NULL) {
        return jsonp_refuse(p, "a message without MessageId, ReceiptHandle or Body");
    }
    message->attribute_count = reply->attribute_count - attributes_before;
    if (digests_match(message, &digests)) {
        reply->count++;
    } else {
        reply->bad_md5++;
        reply->attribute_count = attributes_before;
    }
    return true;
}

static void point_at_attributes(struct sqs_reply *reply)
{
    struct sqs_message_attribute *next = reply->attributes;
    for (size_t i = 0; i < reply->count; i++) {
        reply->messages[i].attributes = reply->messages[i].attribute_count > 0 ? next : NULL;
        if (next != NULL)
            next += reply->messages[i].attribute_count;
    }
}

/* Reads text into reply; false with *ret_problem. */
static bool parse_reply(char *text, size_t len, struct sqs_reply *reply, const char **ret_problem)
{
    struct jsonp p = jsonp_start(text, len);
    const char *key = NULL;
    bool seen = false;
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        if (strcmp(key, "Messages") != 0) {
            (void)jsonp_skip(&p);
            continue;
        }
        if (seen)
            (void)jsonp_refuse(&p, "Messages is there twice");
        seen = true;
        if (aws_take_array(&p))
            while (jsonp_next_element(&p) && parse_message(&p, reply))
                continue;
    }
    bool good = jsonp_finish(&p);
    size_t offset = 0;
    *ret_problem = jsonp_problem(&p, &offset);
    point_at_attributes(reply);
    return good;
}

/* ---- the call ---- */

static void hand_over(const struct receive_call *call, const struct aws_result *result,
                      struct sqs_reply *reply)
{
    struct sqs_message *messages[SQS_BATCH_MAX];
    struct sqs_receive_reply told = {.messages = messages, .count = reply->count, .bad_md5 = reply->bad_md5};
    for (size_t i = 0; i < reply->count; i++)
        messages[i] = &reply->messages[i];
    atomic_init(&reply->references, (int)reply->count);
    if (reply->count == 0)
        reply_free(reply);
    call->fn(call->arg, result, &told);
}

static void on_received(void *arg, const struct aws_result *result, struct strbuf *body)
{
    static const struct sqs_receive_reply NOTHING = {NULL, 0, 0};
    struct receive_call *call = arg;
    const char *problem = NULL;
    if (result->kind != AWS_KIND_OK) {
        call->fn(call->arg, result, &NOTHING);
        return;
    }
    struct sqs_reply *reply = xmalloc(sizeof *reply);
    reply->count = 0;
    reply->bad_md5 = 0;
    reply->attributes = NULL;
    reply->attribute_count = 0;
    reply->attribute_capacity = 0;
    size_t len = body->len;
    reply->text = strbuf_take(body);
    if (!parse_reply(reply->text, len, reply, &problem)) {
        struct aws_result bad;
        aws_bad_reply(result, problem, &bad);
        reply_free(reply);
        call->fn(call->arg, &bad, &NOTHING);
        return;
    }
    hand_over(call, result, reply);
}

/* Names of system attributes, for each set that can be asked for. */
static void write_system_names(struct jsonw *w, unsigned system)
{
    static const char ALWAYS[] = "\"ApproximateReceiveCount\",\"SentTimestamp\"";
    static const char FIFO[] = ",\"MessageGroupId\",\"MessageDeduplicationId\",\"SequenceNumber\"";
    static const char ORIGIN[] = ",\"SenderId\",\"ApproximateFirstReceiveTimestamp\"";
    char names[sizeof ALWAYS + sizeof FIFO + sizeof ORIGIN];
    int len = snprintf(names, sizeof names, "[%s%s%s]", ALWAYS, (system & SQS_SYSTEM_FIFO) != 0 ? FIFO : "",
                       (system & SQS_SYSTEM_ORIGIN) != 0 ? ORIGIN : "");
    jsonw_key(w, "MessageSystemAttributeNames");
    jsonw_raw(w, names, (size_t)len);
}

static void write_request(struct jsonw *w, const struct sqs_receive_request *request)
{
    jsonw_object(w);
    jsonw_key_str(w, "QueueUrl", request->queue_url);
    jsonw_key_int(w, "MaxNumberOfMessages", request->max_messages);
    jsonw_key_int(w, "WaitTimeSeconds", request->wait_s);
    if (request->visibility_timeout_s >= 0)
        jsonw_key_int(w, "VisibilityTimeout", request->visibility_timeout_s);
    if (request->attempt_id != NULL)
        jsonw_key_str(w, "ReceiveRequestAttemptId", request->attempt_id);
    write_system_names(w, request->system);
    if (request->message_attributes) {
        jsonw_key(w, "MessageAttributeNames");
        jsonw_raw(w, "[\"All\"]", 7);
    }
    jsonw_end_object(w);
}

struct aws_call *sqs_receive_message(struct aws_client *client, const struct sqs_receive_request *request,
                                     sqs_receive_fn *fn, void *arg)
{
    struct receive_call *call = xmalloc(sizeof *call);
    *call = (struct receive_call){fn, arg};
    if (request->max_messages < 1 || request->max_messages > SQS_BATCH_MAX)
        return sqs_refuse(client, "MaxNumberOfMessages must be 1 to 10", on_received, call);
    if (request->wait_s < 0 || request->wait_s > SQS_WAIT_MAX_S)
        return sqs_refuse(client, "WaitTimeSeconds must be 0 to 20", on_received, call);
    if (request->visibility_timeout_s > SQS_VISIBILITY_MAX_S)
        return sqs_refuse(client, "VisibilityTimeout must be 0 to 43,200 s", on_received, call);
    if (request->attempt_id != NULL && !sqs_is_token(request->attempt_id))
        return sqs_refuse(client, "ReceiveRequestAttemptId must be 1 to 128 letters, digits and punctuation",
                          on_received, call);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    (void)strbuf_reserve(&body, 512 + strlen(request->queue_url));
    write_request(&w, request);
    struct sqs_start start = {.target = "AmazonSQS.ReceiveMessage",
                              .queue_url = request->queue_url,
                              .body = &body,
                              .poll_product_ms = (int64_t)request->wait_s * 1000,
                              .long_poll = true};
    return sqs_start(client, &start, on_received, call);
}

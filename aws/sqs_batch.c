/* DeleteMessageBatch, ChangeMessageVisibilityBatch, SendMessageBatch: one call, a fate for every entry. */
#include "aws/error.h"
#include "aws/sqs_internal.h"
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct batch_call {
    sqs_batch_fn *fn;
    void *arg;
    size_t count;
    bool sends;
    struct sqs_digests digests[]; /* `count` when it sends, else none */
};

static void clear_results(struct sqs_entry_result *results, size_t count, enum sqs_entry_outcome outcome,
                          const struct aws_result *why)
{
    for (size_t i = 0; i < count; i++) {
        results[i].outcome = outcome;
        results[i].message_id[0] = '\0';
        (void)snprintf(results[i].code, sizeof results[i].code, "%s", why != NULL ? why->code : "");
        (void)snprintf(results[i].message, sizeof results[i].message, "%s", why != NULL ? why->message : "");
    }
}

static enum sqs_entry_outcome outcome_of_call(enum aws_kind kind)
{
    switch (kind) {
    case AWS_KIND_THROTTLED:
        return SQS_ENTRY_RETRYABLE;
    case AWS_KIND_TRANSIENT:
    case AWS_KIND_BAD_REPLY:
        return SQS_ENTRY_UNKNOWN;
    default:
        return SQS_ENTRY_FAILED;
    }
}

/* ---- parsing ---- */

/* One element of Successful or Failed. */
struct batch_element {
    const char *id; /* all NULL when absent */
    const char *message_id;
    const char *md5_body;
    const char *md5_attributes;
    const char *code;
    const char *message;
    bool sender_fault;
};

static bool parse_element_member(struct jsonp *p, const char *key, struct batch_element *element)
{
    const struct {
        const char *key;
        const char **text;
    } texts[] = {{"Id", &element->id},
                 {"MessageId", &element->message_id},
                 {"MD5OfMessageBody", &element->md5_body},
                 {"MD5OfMessageAttributes", &element->md5_attributes},
                 {"Code", &element->code},
                 {"Message", &element->message}};
    size_t len = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(key, texts[i].key) == 0)
            return aws_take_text(p, texts[i].text, &len);
    if (strcmp(key, "SenderFault") == 0)
        return jsonp_bool(p, &element->sender_fault);
    return jsonp_skip(p);
}

/* Index of the entry whose Id we wrote as a number, -1 for an Id that is none of ours. */
static int entry_index(const char *id, size_t count)
{
    if (id == NULL || id[0] < '0' || id[0] > '9' || id[1] != '\0' || (size_t)(id[0] - '0') >= count)
        return -1;
    return id[0] - '0';
}

static void take_success(const struct batch_call *call, const struct batch_element *element,
                         struct sqs_entry_result *result, size_t index)
{
    if (result->outcome != SQS_ENTRY_UNKNOWN)
        return; /* Failed says otherwise: the worse news holds */
    const struct sqs_digests *digests = call->sends ? &call->digests[index] : NULL;
    if (digests != NULL && digests->known &&
        (!sqs_md5_matches(digests->body, element->md5_body) ||
         (digests->has_attributes && !sqs_md5_matches(digests->attributes, element->md5_attributes)))) {
        (void)snprintf(result->code, sizeof result->code, "BadMD5");
        (void)snprintf(result->message, sizeof result->message, "SQS got other bytes than were sent");
        return;
    }
    result->outcome = SQS_ENTRY_OK;
    if (element->message_id != NULL)
        (void)snprintf(result->message_id, sizeof result->message_id, "%s", element->message_id);
}

static void take_failure(const struct batch_element *element, struct sqs_entry_result *result)
{
    const char *code = element->code != NULL ? element->code : "";
    bool retryable = !element->sender_fault || aws_error_is_throttling(code);
    result->outcome = retryable ? SQS_ENTRY_RETRYABLE : SQS_ENTRY_FAILED;
    (void)snprintf(result->code, sizeof result->code, "%s", code);
    (void)snprintf(result->message, sizeof result->message, "%s",
                   element->message != NULL ? element->message : "");
}

static void parse_list(struct jsonp *p, const struct batch_call *call, bool failed,
                       struct sqs_entry_result *results)
{
    const char *key = NULL;
    if (!aws_take_array(p))
        return;
    while (jsonp_next_element(p)) {
        struct batch_element element = {NULL, NULL, NULL, NULL, NULL, NULL, false};
        if (!jsonp_object(p))
            return;
        while (jsonp_next_key(p, &key) && parse_element_member(p, key, &element))
            continue;
        int index = entry_index(element.id, call->count);
        if (p->problem != NULL || index < 0)
            continue;
        if (failed)
            take_failure(&element, &results[index]);
        else
            take_success(call, &element, &results[index], (size_t)index);
    }
}

/* Fills the fates, which must stand at UNKNOWN. False with *ret_problem. */
static bool parse_batch(struct strbuf *body, const struct batch_call *call, struct sqs_entry_result *results,
                        const char **ret_problem)
{
    struct jsonp p = jsonp_start(body->data, body->len);
    const char *key = NULL;
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        bool failed = strcmp(key, "Failed") == 0;
        if (failed || strcmp(key, "Successful") == 0)
            parse_list(&p, call, failed, results);
        else
            (void)jsonp_skip(&p);
    }
    bool good = jsonp_finish(&p);
    size_t offset = 0;
    *ret_problem = jsonp_problem(&p, &offset);
    return good;
}

static void on_batch(void *arg, const struct aws_result *result, struct strbuf *body)
{
    struct batch_call *call = arg;
    struct sqs_entry_result results[SQS_BATCH_MAX];
    struct aws_result bad;
    const char *problem = NULL;
    if (result->kind == AWS_KIND_OK) {
        clear_results(results, call->count, SQS_ENTRY_UNKNOWN, NULL);
        if (!parse_batch(body, call, results, &problem)) {
            aws_bad_reply(result, problem, &bad);
            result = &bad;
        }
    }
    if (result->kind != AWS_KIND_OK)
        clear_results(results, call->count, outcome_of_call(result->kind), result);
    call->fn(call->arg, result, results, call->count);
}

/* ---- starting ---- */

static struct batch_call *batch_new(size_t count, bool sends, sqs_batch_fn *fn, void *arg)
{
    if (count > SQS_BATCH_MAX)
        count = 0; /* such a call is refused; its results array would be too short */
    struct batch_call *call = xmalloc(sizeof *call + (sends ? count * sizeof call->digests[0] : 0));
    call->fn = fn;
    call->arg = arg;
    call->count = count;
    call->sends = sends;
    return call;
}

static const char BAD_COUNT[] = "a batch has 1 to 10 entries";

static bool is_good_count(size_t count)
{
    return count >= 1 && count <= SQS_BATCH_MAX;
}

static void open_batch(struct jsonw *w, const char *queue_url)
{
    jsonw_object(w);
    jsonw_key_str(w, "QueueUrl", queue_url);
    jsonw_key(w, "Entries");
    jsonw_array(w);
}

static void open_entry(struct jsonw *w, size_t index)
{
    char id[2] = {(char)('0' + index), '\0'};
    jsonw_object(w);
    jsonw_key_str(w, "Id", id);
}

static void close_batch(struct jsonw *w)
{
    jsonw_end_array(w);
    jsonw_end_object(w);
}

struct aws_call *sqs_delete_message_batch(struct aws_client *client, const char *queue_url,
                                          const struct sqs_delete_entry *entries, size_t count,
                                          sqs_batch_fn *fn, void *arg)
{
    struct batch_call *call = batch_new(count, false, fn, arg);
    if (!is_good_count(count))
        return sqs_refuse(client, BAD_COUNT, on_batch, call);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    (void)strbuf_reserve(&body, 256 + count * 256);
    open_batch(&w, queue_url);
    for (size_t i = 0; i < count; i++) {
        open_entry(&w, i);
        jsonw_key_str(&w, "ReceiptHandle", entries[i].receipt_handle);
        jsonw_end_object(&w);
    }
    close_batch(&w);
    struct sqs_start start = {
        .target = "AmazonSQS.DeleteMessageBatch", .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_batch, call);
}

struct aws_call *sqs_change_message_visibility_batch(struct aws_client *client, const char *queue_url,
                                                     const struct sqs_visibility_entry *entries, size_t count,
                                                     sqs_batch_fn *fn, void *arg)
{
    struct batch_call *call = batch_new(count, false, fn, arg);
    if (!is_good_count(count))
        return sqs_refuse(client, BAD_COUNT, on_batch, call);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    (void)strbuf_reserve(&body, 256 + count * 288);
    open_batch(&w, queue_url);
    for (size_t i = 0; i < count; i++) {
        open_entry(&w, i);
        jsonw_key_str(&w, "ReceiptHandle", entries[i].receipt_handle);
        jsonw_key_int(&w, "VisibilityTimeout", entries[i].visibility_timeout_s);
        jsonw_end_object(&w);
    }
    close_batch(&w);
    struct sqs_start start = {
        .target = "AmazonSQS.ChangeMessageVisibilityBatch", .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_batch, call);
}

struct aws_call *sqs_send_message_batch(struct aws_client *client, const char *queue_url,
                                        const struct sqs_send_entry *entries, size_t count, sqs_batch_fn *fn,
                                        void *arg)
{
    struct batch_call *call = batch_new(count, true, fn, arg);
    if (!is_good_count(count))
        return sqs_refuse(client, BAD_COUNT, on_batch, call);
    for (size_t i = 0; i < count; i++) {
        const char *problem = sqs_entry_problem(&entries[i]);
        if (problem != NULL) {
            char text[160];
            (void)snprintf(text, sizeof text, "entry %zu: %s", i, problem);
            return sqs_refuse(client, text, on_batch, call);
        }
        sqs_digests_of_entry(&entries[i], &call->digests[i]);
    }
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    open_batch(&w, queue_url);
    for (size_t i = 0; i < count; i++) {
        open_entry(&w, i);
        sqs_write_entry(&w, &entries[i]);
        jsonw_end_object(&w);
    }
    close_batch(&w);
    struct sqs_start start = {.target = "AmazonSQS.SendMessageBatch", .queue_url = queue_url, .body = &body};
    return sqs_start(client, &start, on_batch, call);
}

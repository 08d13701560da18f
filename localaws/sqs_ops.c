/* Operations on queues, and the table of all operations; see sqs_ops.h. */
#include "localaws/sqs_ops.h"

#include "base/alloc.h"
#include "localaws/sqs_ops_parts.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LIST_MAX = 1000 };

enum sqs_error sqs_ops_check_visibility(int64_t visibility_s, struct sqs_failure *failure)
{
    if (visibility_s >= 0 && visibility_s <= 43200)
        return SQS_OK;
    return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                    "Value %" PRId64
                    " for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if"
                    " provided.",
                    visibility_s);
}

enum sqs_error sqs_ops_write_void(struct sqs_context *context, enum sqs_op op, struct strbuf *out)
{
    struct sqs_reply reply;
    sqs_reply_begin(&reply, context->protocol, out, sqs_op_name(op), false);
    sqs_reply_end(&reply, context->request_id);
    return SQS_OK;
}

static void append_url(const struct sqs_context *context, const char *queue_name, struct strbuf *out)
{
    strbuf_append(out, context->base_url.at, context->base_url.len);
    strbuf_appendf(out, "/%s/%s", context->engine->account, queue_name);
}

static void write_url(struct sqs_context *context, enum sqs_op op, const struct sqs_queue *queue,
                      struct strbuf *out)
{
    struct strbuf url = STRBUF_INIT;
    struct sqs_reply reply;
    append_url(context, queue->name, &url);
    sqs_reply_begin(&reply, context->protocol, out, sqs_op_name(op), true);
    sqs_reply_text(&reply, "QueueUrl", (struct slice){url.data, url.len});
    sqs_reply_end(&reply, context->request_id);
    strbuf_clean_up(&url);
}

/* ---- which queue ---- */

/* Splits ".../account/name"; false when the text has no such end. */
static bool split_url(struct slice url, struct slice *account, struct slice *name)
{
    const char *slash = url.len == 0 ? NULL : memrchr(url.at, '/', url.len);
    if (slash == NULL)
        return false;
    *name = (struct slice){slash + 1, (size_t)(url.at + url.len - slash - 1)};
    struct slice rest = {url.at, (size_t)(slash - url.at)};
    const char *before = rest.len == 0 ? NULL : memrchr(rest.at, '/', rest.len);
    if (before == NULL || name->len == 0)
        return false;
    *account = (struct slice){before + 1, (size_t)(slash - before - 1)};
    return true;
}

static enum sqs_error no_such_queue(struct sqs_failure *failure, enum sqs_protocol protocol)
{
    return sqs_fail(failure, SQS_QUEUE_DOES_NOT_EXIST, "The specified queue does not exist%s.",
                    protocol == SQS_PROTOCOL_QUERY ? " for this wsdl version" : "");
}

struct sqs_queue *sqs_ops_queue(const struct sqs_context *context, const struct sqs_request *request,
                                struct sqs_failure *failure)
{
    struct slice account;
    struct slice name;
    struct slice url = request->queue_url.at != NULL ? request->queue_url : context->path;
    if (request->queue_url.at == NULL && url.len <= 1) {
        (void)sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter QueueUrl.");
        return NULL;
    }
    if (!split_url(url, &account, &name)) {
        (void)sqs_fail(failure, SQS_INVALID_ADDRESS, "The address %.*s is not valid for this endpoint.",
                       (int)(url.len < 200 ? url.len : 200), url.at);
        return NULL;
    }
    struct sqs_queue *queue =
        slice_is(account, context->engine->account) ? sqs_engine_find(context->engine, name) : NULL;
    if (queue == NULL)
        (void)no_such_queue(failure, context->protocol);
    return queue;
}

/* ---- operations without a queue ---- */

static enum sqs_error set_tags(struct sqs_queue *queue, const struct sqs_pairs *tags,
                               struct sqs_failure *failure)
{
    for (size_t i = 0; i < tags->count; i++) {
        struct slice key = tags->pairs[i].name;
        struct slice value = tags->pairs[i].value;
        if (key.len == 0 || key.len > 128 || value.len > 256)
            return sqs_fail(
                failure, SQS_INVALID_PARAMETER_VALUE,
                "Tag keys must be between 1 and 128 characters in length, tag values at most 256.");
        if (sqs_engine_tag(queue, key, value.at == NULL ? slice_of("") : value) != 0)
            return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                            "Too many tags added for queue %s: at most %d.", queue->name, SQS_TAGS_MAX);
    }
    return SQS_OK;
}

static enum sqs_error check_pairs(const struct sqs_pairs *pairs, const char *what,
                                  struct sqs_failure *failure)
{
    if (pairs->count > SQS_PAIRS_MAX)
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "The request names %zu %s; at most %d are taken.", pairs->count, what, SQS_PAIRS_MAX);
    return SQS_OK;
}

static enum sqs_error create_queue(struct sqs_context *context, struct sqs_request *request,
                                   struct strbuf *out, struct sqs_failure *failure)
{
    struct sqs_queue *queue = NULL;
    bool is_new = sqs_engine_find(context->engine, request->queue_name) == NULL;
    if (check_pairs(&request->attributes, "attributes", failure) != SQS_OK ||
        check_pairs(&request->tags, "tags", failure) != SQS_OK ||
        sqs_engine_create(context->engine, request->queue_name, request->attributes.pairs,
                          request->attributes.count, context->now_ms, &queue, failure) != SQS_OK)
        return failure->error;
    if (is_new && set_tags(queue, &request->tags, failure) != SQS_OK)
        return failure->error;
    write_url(context, request->op, queue, out);
    return SQS_OK;
}

static enum sqs_error get_queue_url(struct sqs_context *context, struct sqs_request *request,
                                    struct strbuf *out, struct sqs_failure *failure)
{
    if (request->queue_name.at == NULL)
        return sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter QueueName.");
    const struct sqs_queue *queue = sqs_engine_find(context->engine, request->queue_name);
    bool is_ours =
        request->queue_owner.at == NULL || slice_is(request->queue_owner, context->engine->account);
    if (queue == NULL || !is_ours)
        return no_such_queue(failure, context->protocol);
    write_url(context, request->op, queue, out);
    return SQS_OK;
}

static int by_queue_name(const void *left, const void *right)
{
    const struct sqs_queue *a = *(const struct sqs_queue *const *)left;
    const struct sqs_queue *b = *(const struct sqs_queue *const *)right;
    return strcmp(a->name, b->name);
}

/* Queues that a listing shows, sorted by name; *ret_count of them, to be freed. */
static const struct sqs_queue **select_queues(const struct sqs_context *context,
                                              const struct sqs_request *request,
                                              const struct sqs_queue *dead_letters, size_t *ret_count)
{
    const struct strmap *queues = &context->engine->queues;
    const struct sqs_queue **list = xmalloc((queues->count + 1) * sizeof(void *));
    size_t position = 0;
    size_t count = 0;
    for (const struct sqs_queue *queue = NULL; (queue = strmap_next(queues, &position)) != NULL;) {
        struct slice name = slice_of(queue->name);
        bool wanted = request->name_prefix.len <= name.len &&
                      slice_equal((struct slice){name.at, request->name_prefix.len}, request->name_prefix);
        if (dead_letters != NULL)
            wanted = queue->settings.dead_letter_arn != NULL &&
                     strcmp(queue->settings.dead_letter_arn, dead_letters->arn) == 0;
        if (wanted)
            list[count++] = queue;
    }
    qsort(list, count, sizeof(void *), by_queue_name);
    *ret_count = count;
    return list;
}

/* The token is the name of the last queue shown. */
static size_t first_after_token(const struct sqs_queue *const *list, size_t count, struct slice token)
{
    size_t first = 0;
    while (token.at != NULL && first < count) {
        size_t len = strlen(list[first]->name);
        int order = memcmp(list[first]->name, token.at, len < token.len ? len : token.len);
        if (order > 0 || (order == 0 && len > token.len))
            break;
        first++;
    }
    return first;
}

static enum sqs_error list_queues(struct sqs_context *context, struct sqs_request *request,
                                  const struct sqs_queue *dead_letters, struct strbuf *out,
                                  struct sqs_failure *failure)
{
    if (request->max_results.is_given &&
        (request->max_results.value < 1 || request->max_results.value > LIST_MAX))
        return sqs_fail(failure, SQS_INVALID_PARAMETER_VALUE,
                        "Value %" PRId64
                        " for parameter MaxResults is invalid. Reason: Must be between 1 and 1000.",
                        request->max_results.value);
    size_t count = 0;
    const struct sqs_queue **list = select_queues(context, request, dead_letters, &count);
    size_t first = first_after_token(list, count, request->next_token);
    size_t room = request->max_results.is_given ? (size_t)request->max_results.value : LIST_MAX;
    size_t end = count - first < room ? count : first + room;
    struct strbuf url = STRBUF_INIT;
    struct sqs_reply reply;
    sqs_reply_begin(&reply, context->protocol, out, sqs_op_name(request->op), true);
    if (end > first || dead_letters != NULL) {
        sqs_reply_list(&reply, dead_letters != NULL ? "queueUrls" : "QueueUrls");
        for (size_t i = first; i < end; i++) {
            strbuf_clear(&url);
            append_url(context, list[i]->name, &url);
            sqs_reply_text_item(&reply, "QueueUrl", (struct slice){url.data, url.len});
        }
        sqs_reply_list_end(&reply);
    }
    if (end < count && request->max_results.is_given) /* without MaxResults AWS gives no token */
        sqs_reply_text(&reply, "NextToken", slice_of(list[end - 1]->name));
    sqs_reply_end(&reply, context->request_id);
    strbuf_clean_up(&url);
    free(list);
    return SQS_OK;
}

/* ---- operations on one queue ---- */

static enum sqs_error set_attributes(struct sqs_context *context, struct sqs_request *request,
                                     struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    if (request->attributes.count == 0)
        return sqs_fail(failure, SQS_MISSING_PARAMETER,
                        "The request must contain the parameter Attribute.Name.");
    if (check_pairs(&request->attributes, "attributes", failure) != SQS_OK ||
        sqs_engine_set(context->engine, queue, request->attributes.pairs, request->attributes.count,
                       context->now_ms, failure) != SQS_OK)
        return failure->error;
    return sqs_ops_write_void(context, request->op, out);
}

static enum sqs_error delete_queue(struct sqs_context *context, struct sqs_request *request,
                                   struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    (void)failure;
    sqs_engine_delete(context->engine, queue, context->now_ms);
    return sqs_ops_write_void(context, request->op, out);
}

static enum sqs_error purge_queue(struct sqs_context *context, struct sqs_request *request,
                                  struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    if (sqs_engine_purge(context->engine, queue, context->now_ms, failure) != SQS_OK)
        return failure->error;
    return sqs_ops_write_void(context, request->op, out);
}

static enum sqs_error list_tags(struct sqs_context *context, struct sqs_request *request,
                                struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    struct sqs_reply reply;
    (void)failure;
    sqs_reply_begin(&reply, context->protocol, out, sqs_op_name(request->op), true);
    if (queue->tag_count > 0) {
        sqs_reply_map(&reply, "Tags");
        for (size_t i = 0; i < queue->tag_count; i++)
            sqs_reply_map_entry(&reply, "Tag", "Key", slice_of(queue->tags[i].key),
                                slice_of(queue->tags[i].value));
        sqs_reply_map_end(&reply);
    }
    sqs_reply_end(&reply, context->request_id);
    return SQS_OK;
}

static enum sqs_error tag_queue(struct sqs_context *context, struct sqs_request *request,
                                struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    if (request->tags.count == 0)
        return sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter Tags.");
    if (check_pairs(&request->tags, "tags", failure) != SQS_OK ||
        set_tags(queue, &request->tags, failure) != SQS_OK)
        return failure->error;
    return sqs_ops_write_void(context, request->op, out);
}

static enum sqs_error untag_queue(struct sqs_context *context, struct sqs_request *request,
                                  struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    if (request->tag_keys.count == 0)
        return sqs_fail(failure, SQS_MISSING_PARAMETER, "The request must contain the parameter TagKeys.");
    for (size_t i = 0; i < request->tag_keys.count && i < SQS_NAMES_MAX; i++)
        (void)sqs_engine_tag(queue, request->tag_keys.names[i], (struct slice){NULL, 0});
    return sqs_ops_write_void(context, request->op, out);
}

static enum sqs_error list_sources(struct sqs_context *context, struct sqs_request *request,
                                   struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure)
{
    return list_queues(context, request, queue, out, failure);
}

typedef enum sqs_error (*queue_op)(struct sqs_context *context, struct sqs_request *request,
                                   struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure);

static const queue_op QUEUE_OPS[SQS_OP_MAX] = {
    [SQS_CHANGE_MESSAGE_VISIBILITY] = sqs_ops_change_visibility,
    [SQS_CHANGE_MESSAGE_VISIBILITY_BATCH] = sqs_ops_batch,
    [SQS_DELETE_MESSAGE] = sqs_ops_delete,
    [SQS_DELETE_MESSAGE_BATCH] = sqs_ops_batch,
    [SQS_DELETE_QUEUE] = delete_queue,
    [SQS_GET_QUEUE_ATTRIBUTES] = sqs_ops_get_attributes,
    [SQS_LIST_DEAD_LETTER_SOURCE_QUEUES] = list_sources,
    [SQS_LIST_QUEUE_TAGS] = list_tags,
    [SQS_PURGE_QUEUE] = purge_queue,
    [SQS_RECEIVE_MESSAGE] = sqs_ops_receive,
    [SQS_SEND_MESSAGE] = sqs_ops_send,
    [SQS_SEND_MESSAGE_BATCH] = sqs_ops_batch,
    [SQS_SET_QUEUE_ATTRIBUTES] = set_attributes,
    [SQS_TAG_QUEUE] = tag_queue,
    [SQS_UNTAG_QUEUE] = untag_queue,
};

static enum sqs_error run(struct sqs_context *context, struct sqs_request *request, struct strbuf *out,
                          struct sqs_failure *failure)
{
    if (request->op == SQS_CREATE_QUEUE)
        return create_queue(context, request, out, failure);
    if (request->op == SQS_GET_QUEUE_URL)
        return get_queue_url(context, request, out, failure);
    if (request->op == SQS_LIST_QUEUES)
        return list_queues(context, request, NULL, out, failure);
    if (QUEUE_OPS[request->op] == NULL)
        return sqs_fail(failure, SQS_UNSUPPORTED_OPERATION, "sluice-localaws does not have %s.",
                        sqs_op_name(request->op));
    struct sqs_queue *queue = sqs_ops_queue(context, request, failure);
    if (queue == NULL)
        return failure->error;
    queue->called_ms = context->now_ms;
    return QUEUE_OPS[request->op](context, request, queue, out, failure);
}

enum sqs_error sqs_ops_run(struct sqs_context *context, struct sqs_request *request, struct strbuf *out,
                           struct sqs_failure *failure)
{
    context->wait.is_wanted = false;
    strbuf_clear(out);
    enum sqs_error error = run(context, request, out, failure);
    if (error != SQS_OK)
        strbuf_clear(out);
    return error;
}

/* Names of operations and of request members; see sqs_request.h. */
#include "localaws/sqs_request.h"

static const char *const OP_NAMES[] = {
    [SQS_ADD_PERMISSION] = "AddPermission",
    [SQS_CANCEL_MESSAGE_MOVE_TASK] = "CancelMessageMoveTask",
    [SQS_CHANGE_MESSAGE_VISIBILITY] = "ChangeMessageVisibility",
    [SQS_CHANGE_MESSAGE_VISIBILITY_BATCH] = "ChangeMessageVisibilityBatch",
    [SQS_CREATE_QUEUE] = "CreateQueue",
    [SQS_DELETE_MESSAGE] = "DeleteMessage",
    [SQS_DELETE_MESSAGE_BATCH] = "DeleteMessageBatch",
    [SQS_DELETE_QUEUE] = "DeleteQueue",
    [SQS_GET_QUEUE_ATTRIBUTES] = "GetQueueAttributes",
    [SQS_GET_QUEUE_URL] = "GetQueueUrl",
    [SQS_LIST_DEAD_LETTER_SOURCE_QUEUES] = "ListDeadLetterSourceQueues",
    [SQS_LIST_MESSAGE_MOVE_TASKS] = "ListMessageMoveTasks",
    [SQS_LIST_QUEUE_TAGS] = "ListQueueTags",
    [SQS_LIST_QUEUES] = "ListQueues",
    [SQS_PURGE_QUEUE] = "PurgeQueue",
    [SQS_RECEIVE_MESSAGE] = "ReceiveMessage",
    [SQS_REMOVE_PERMISSION] = "RemovePermission",
    [SQS_SEND_MESSAGE] = "SendMessage",
    [SQS_SEND_MESSAGE_BATCH] = "SendMessageBatch",
    [SQS_SET_QUEUE_ATTRIBUTES] = "SetQueueAttributes",
    [SQS_START_MESSAGE_MOVE_TASK] = "StartMessageMoveTask",
    [SQS_TAG_QUEUE] = "TagQueue",
    [SQS_UNTAG_QUEUE] = "UntagQueue",
};

_Static_assert(sizeof OP_NAMES / sizeof *OP_NAMES == SQS_OP_MAX, "every operation has a name");

#define IN_REQUEST(member) false, offsetof(struct sqs_request, member)
#define IN_ENTRY(member) true, offsetof(struct sqs_entry, member)

static const struct sqs_field FIELDS[] = {
    {"QueueUrl", SQS_FIELD_TEXT, IN_REQUEST(queue_url)},
    {"ReceiptHandle", SQS_FIELD_TEXT, IN_ENTRY(receipt_handle)},
    {"Id", SQS_FIELD_TEXT, IN_ENTRY(id)},
    {"MessageBody", SQS_FIELD_TEXT, IN_ENTRY(body)},
    {"MaxNumberOfMessages", SQS_FIELD_NUMBER, IN_REQUEST(max_messages)},
    {"WaitTimeSeconds", SQS_FIELD_NUMBER, IN_REQUEST(wait_s)},
    {"VisibilityTimeout", SQS_FIELD_NUMBER, IN_ENTRY(visibility_s)},
    {"DelaySeconds", SQS_FIELD_NUMBER, IN_ENTRY(delay_s)},
    {"MessageGroupId", SQS_FIELD_TEXT, IN_ENTRY(group_id)},
    {"MessageDeduplicationId", SQS_FIELD_TEXT, IN_ENTRY(deduplication_id)},
    {"ReceiveRequestAttemptId", SQS_FIELD_TEXT, IN_REQUEST(attempt_id)},
    {"QueueName", SQS_FIELD_TEXT, IN_REQUEST(queue_name)},
    {"QueueOwnerAWSAccountId", SQS_FIELD_TEXT, IN_REQUEST(queue_owner)},
    {"QueueNamePrefix", SQS_FIELD_TEXT, IN_REQUEST(name_prefix)},
    {"NextToken", SQS_FIELD_TEXT, IN_REQUEST(next_token)},
    {"MaxResults", SQS_FIELD_NUMBER, IN_REQUEST(max_results)},
};

const char *sqs_op_name(enum sqs_op op)
{
    return op < SQS_OP_MAX ? OP_NAMES[op] : "unknown";
}

enum sqs_op sqs_op_find(struct slice name)
{
    for (int i = 0; i < SQS_OP_MAX; i++)
        if (slice_is(name, OP_NAMES[i]))
            return (enum sqs_op)i;
    return SQS_OP_MAX;
}

bool sqs_op_is_batch(enum sqs_op op)
{
    return op == SQS_SEND_MESSAGE_BATCH || op == SQS_DELETE_MESSAGE_BATCH ||
           op == SQS_CHANGE_MESSAGE_VISIBILITY_BATCH;
}

static void reset_entry(struct sqs_entry *entry)
{
    memset(entry, 0, offsetof(struct sqs_entry, attributes));
}

void sqs_request_reset(struct sqs_request *request, enum sqs_op op)
{
    memset(request, 0, offsetof(struct sqs_request, attribute_names));
    request->op = op;
    request->attribute_names.count = 0;
    request->system_attribute_names.count = 0;
    request->message_attribute_names.count = 0;
    request->tag_keys.count = 0;
    request->attributes.count = 0;
    request->tags.count = 0;
    request->entries_given = false;
    request->entry_count = 0;
    reset_entry(&request->entries[0]);
}

const struct sqs_field *sqs_request_field(struct slice name)
{
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
        if (slice_is(name, FIELDS[i].name))
            return &FIELDS[i];
    return NULL;
}

static void *field_at(const struct sqs_field *field, struct sqs_request *request, struct sqs_entry *entry)
{
    return (field->in_entry ? (char *)entry : (char *)request) + field->offset;
}

struct slice *sqs_field_text(const struct sqs_field *field, struct sqs_request *request,
                             struct sqs_entry *entry)
{
    return field_at(field, request, entry);
}

struct sqs_number *sqs_field_number(const struct sqs_field *field, struct sqs_request *request,
                                    struct sqs_entry *entry)
{
    return field_at(field, request, entry);
}

struct slice *sqs_names_next(struct sqs_names *names)
{
    size_t index = names->count++;
    return &names->names[index < SQS_NAMES_MAX ? index : SQS_NAMES_MAX - 1];
}

struct sqs_pair *sqs_pairs_next(struct sqs_pairs *pairs)
{
    size_t index = pairs->count++;
    return &pairs->pairs[index < SQS_PAIRS_MAX ? index : SQS_PAIRS_MAX - 1];
}

struct sqs_entry *sqs_entries_next(struct sqs_request *request)
{
    size_t index = request->entry_count++;
    struct sqs_entry *entry = &request->entries[index < SQS_BATCH_MAX ? index : SQS_BATCH_MAX - 1];
    reset_entry(entry);
    return entry;
}

/*
 * A request as the operations see it, whichever protocol brought it. Slices point into the request's own
 * bytes, which the decoders change in place (escapes, percent and base64 encoding), and live as long as
 * those.
 */
#ifndef SLUICE_LOCALAWS_SQS_REQUEST_H
#define SLUICE_LOCALAWS_SQS_REQUEST_H

#include "localaws/slice.h"
#include "localaws/sqs_engine.h"

#include <stdint.h>

enum sqs_op {
    SQS_ADD_PERMISSION,
    SQS_CANCEL_MESSAGE_MOVE_TASK,
    SQS_CHANGE_MESSAGE_VISIBILITY,
    SQS_CHANGE_MESSAGE_VISIBILITY_BATCH,
    SQS_CREATE_QUEUE,
    SQS_DELETE_MESSAGE,
    SQS_DELETE_MESSAGE_BATCH,
    SQS_DELETE_QUEUE,
    SQS_GET_QUEUE_ATTRIBUTES,
    SQS_GET_QUEUE_URL,
    SQS_LIST_DEAD_LETTER_SOURCE_QUEUES,
    SQS_LIST_MESSAGE_MOVE_TASKS,
    SQS_LIST_QUEUE_TAGS,
    SQS_LIST_QUEUES,
    SQS_PURGE_QUEUE,
    SQS_RECEIVE_MESSAGE,
    SQS_REMOVE_PERMISSION,
    SQS_SEND_MESSAGE,
    SQS_SEND_MESSAGE_BATCH,
    SQS_SET_QUEUE_ATTRIBUTES,
    SQS_START_MESSAGE_MOVE_TASK,
    SQS_TAG_QUEUE,
    SQS_UNTAG_QUEUE,
    SQS_OP_MAX,
};

enum { SQS_PAIRS_MAX = 64, SQS_NAMES_MAX = 64 };

/* A number that may be absent. */
struct sqs_number {
    bool is_given;
    int64_t value;
};

/* An entry of a batch; the single forms of the operations use entry 0 for their members. */
struct sqs_entry {
    struct slice id;
    struct slice body;
    struct slice receipt_handle;
    struct slice group_id;
    struct slice deduplication_id;
    struct slice trace_header;
    struct sqs_number delay_s;
    struct sqs_number visibility_s;
    size_t attribute_count; /* as sent; at most SQS_ATTRIBUTES_MAX are kept */
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
};

struct sqs_names {
    size_t count; /* as sent; at most SQS_NAMES_MAX are kept */
    struct slice names[SQS_NAMES_MAX];
};

struct sqs_pairs {
    size_t count; /* as sent; at most SQS_PAIRS_MAX are kept */
    struct sqs_pair pairs[SQS_PAIRS_MAX];
};

struct sqs_request {
    enum sqs_op op;
    struct slice queue_url;
    struct slice queue_name;
    struct slice queue_owner;
    struct slice name_prefix;
    struct slice next_token;
    struct slice attempt_id; /* ReceiveRequestAttemptId */
    struct sqs_number max_results;
    struct sqs_number max_messages;
    struct sqs_number wait_s;

    struct sqs_names attribute_names;         /* AttributeNames */
    struct sqs_names system_attribute_names;  /* MessageSystemAttributeNames */
    struct sqs_names message_attribute_names; /* MessageAttributeNames */
    struct sqs_names tag_keys;
    struct sqs_pairs attributes; /* queue attributes */
    struct sqs_pairs tags;

    bool entries_given;
    size_t entry_count; /* as sent; at most SQS_BATCH_MAX are kept */
    struct sqs_entry entries[SQS_BATCH_MAX];
};

/* Name of an operation, as in X-Amz-Target and Action; and the way back, SQS_OP_MAX for what is none. */
const char *sqs_op_name(enum sqs_op op);
enum sqs_op sqs_op_find(struct slice name);
/* True for the three operations with entries. */
bool sqs_op_is_batch(enum sqs_op op);

/* Empties a request for the next use. */
void sqs_request_reset(struct sqs_request *request, enum sqs_op op);

/* The field called `name` of a request or, with `entry` set, of an entry; for the decoders. */
enum sqs_field_kind { SQS_FIELD_TEXT, SQS_FIELD_NUMBER };
struct sqs_field {
    const char *name;
    enum sqs_field_kind kind;
    bool in_entry;
    size_t offset;
};
const struct sqs_field *sqs_request_field(struct slice name);
struct slice *sqs_field_text(const struct sqs_field *field, struct sqs_request *request,
                             struct sqs_entry *entry);
struct sqs_number *sqs_field_number(const struct sqs_field *field, struct sqs_request *request,
                                    struct sqs_entry *entry);

/* The next place of a list, or a spare one when the list is full (the count goes on). */
struct slice *sqs_names_next(struct sqs_names *names);
struct sqs_pair *sqs_pairs_next(struct sqs_pairs *pairs);
struct sqs_entry *sqs_entries_next(struct sqs_request *request);

/* Decoders: sqs_json.c and sqs_query.c. They change the bytes in place. Errors: SQS_SERIALIZATION and the
 * like. */
enum sqs_error sqs_json_decode(struct sqs_request *request, char *body, size_t len,
                               struct sqs_failure *failure);

/* One decoded parameter of a form. */
struct sqs_param {
    struct slice name, value;
};
enum { SQS_PARAMS_MAX = 1024 };
/* Cuts the next parameter that has a name off [*at, end) and decodes it in place: 1, 0 at the end, -1 when it
 * is malformed. */
int sqs_query_next(char **at, char *end, struct sqs_param *param);
/* Splits and percent-decodes "a=1&b=2" in place; SQS_SERIALIZATION when it is malformed or holds too many. */
enum sqs_error sqs_query_split(char *text, size_t len, struct sqs_param *params, size_t *count,
                               struct sqs_failure *failure);
enum sqs_error sqs_query_decode(struct sqs_request *request, const struct sqs_param *params, size_t count,
                                struct sqs_failure *failure);

#endif

/*
 * SQS over AWS JSON 1.0. Every function starts one call on the client's loop and returns a handle for
 * aws_call_cancel(); the arguments are copied. Callbacks come later in the loop, never from within the
 * starting function, exactly once unless cancelled. Durations in seconds are product seconds, sent as they
 * are.
 *
 * Protocol facts: the SQS service model and API reference; MD5 checks as the official SDKs do them.
 */
#ifndef SLUICE_AWS_SQS_H
#define SLUICE_AWS_SQS_H

#include "aws/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SQS_BATCH_MAX = 10, SQS_WAIT_MAX_S = 20, SQS_VISIBILITY_MAX_S = 43200, SQS_ENTRY_ID_MAX = 80 };
enum { SQS_TOKEN_MAX = 128 }; /* length of group, deduplication and attempt ids */

/* ---- messages ---- */

struct sqs_message_attribute {
    const char *name;
    const char *data_type; /* "String", "Number", "Binary", with custom suffix */
    const char *value;     /* raw bytes for Binary */
    size_t value_len;
};

/* A received message. All pointers live until sqs_message_release(); the messages of one reply share its
 * memory. */
struct sqs_message {
    struct sqs_reply *reply; /* owner of the memory */
    const char *id;
    const char *receipt_handle;
    const char *body; /* NUL-terminated UTF-8 */
    size_t body_len;
    int64_t receive_count; /* ApproximateReceiveCount; 0 when not told */
    int64_t sent_ms;       /* SentTimestamp, epoch ms; 0 when not told */
    /* with SQS_SYSTEM_FIFO; NULL when not told */
    const char *group_id;         /* MessageGroupId; standard queues may have one too */
    const char *deduplication_id; /* MessageDeduplicationId */
    const char *sequence_number;  /* SequenceNumber */
    /* with SQS_SYSTEM_ORIGIN */
    const char *sender_id;    /* SenderId; NULL when not told */
    int64_t first_receive_ms; /* ApproximateFirstReceiveTimestamp, epoch ms; 0 when not told */
    const struct sqs_message_attribute *attributes;
    size_t attribute_count;
};

/* Gives one message back to its reply; the last one frees the memory. Thread-safe. */
void sqs_message_release(struct sqs_message *message);

/* System attributes to ask for beside ApproximateReceiveCount and SentTimestamp. */
enum sqs_system { SQS_SYSTEM_FIFO = 1U << 0, SQS_SYSTEM_ORIGIN = 1U << 1 };

struct sqs_receive_request {
    const char *queue_url;
    int max_messages;         /* 1..10 */
    int wait_s;               /* 0..20, always sent */
    int visibility_timeout_s; /* -1: the queue's */
    bool message_attributes;  /* ask for all message attributes */
    unsigned system;          /* enum sqs_system */
    /* ReceiveRequestAttemptId of a FIFO queue, NULL: none. A receive that is sent again with the same one
     * within five minutes, while no visibility timeout of its messages changed, brings the same messages
     * again. */
    const char *attempt_id;
};

/* `messages` has `count` entries (0: nothing arrived), each owned by the callee until it releases it; a
 * message whose MD5OfBody does not match is left out, counted in bad_md5 and so comes back after its
 * visibility timeout. */
struct sqs_receive_reply {
    struct sqs_message **messages; /* array valid during the callback only */
    size_t count;
    size_t bad_md5;
};
typedef void sqs_receive_fn(void *arg, const struct aws_result *result,
                            const struct sqs_receive_reply *reply);
struct aws_call *sqs_receive_message(struct aws_client *client, const struct sqs_receive_request *request,
                                     sqs_receive_fn *fn, void *arg);

/* ---- batches ---- */

struct sqs_delete_entry {
    const char *receipt_handle;
};
struct sqs_visibility_entry {
    const char *receipt_handle;
    int visibility_timeout_s; /* 0 releases now */
};
struct sqs_send_entry {
    const char *body;
    size_t body_len;
    int delay_s; /* -1: the queue's */
    const struct sqs_message_attribute *attributes;
    size_t attribute_count;
    const char *group_id;         /* MessageGroupId; NULL: none (a FIFO queue refuses that) */
    const char *deduplication_id; /* MessageDeduplicationId; NULL: none */
};

/* Fate of entry i of a batch, in the order of the request. */
enum sqs_entry_outcome {
    SQS_ENTRY_OK,
    SQS_ENTRY_FAILED,    /* in Failed with SenderFault true: sending it again will not help */
    SQS_ENTRY_RETRYABLE, /* in Failed, not the sender's fault or throttled */
    SQS_ENTRY_UNKNOWN,   /* in neither list, or the whole call failed in a way that may have taken effect */
};
struct sqs_entry_result {
    enum sqs_entry_outcome outcome;
    char code[64]; /* of Failed: "ReceiptHandleIsInvalid" ... */
    char message[128];
    char message_id[104]; /* send: MessageId given by SQS */
};

/* results has `count` entries, the request's. When result->kind is not AWS_KIND_OK every entry carries the
 * call's fate: RETRYABLE for throttled, UNKNOWN for transient and bad replies, FAILED otherwise. */
typedef void sqs_batch_fn(void *arg, const struct aws_result *result, const struct sqs_entry_result *results,
                          size_t count);

/* 1..10 entries each. */
struct aws_call *sqs_delete_message_batch(struct aws_client *client, const char *queue_url,
                                          const struct sqs_delete_entry *entries, size_t count,
                                          sqs_batch_fn *fn, void *arg);
struct aws_call *sqs_change_message_visibility_batch(struct aws_client *client, const char *queue_url,
                                                     const struct sqs_visibility_entry *entries, size_t count,
                                                     sqs_batch_fn *fn, void *arg);
/* MD5OfMessageBody (and of attributes) of every success is checked; a mismatch is UNKNOWN. */
struct aws_call *sqs_send_message_batch(struct aws_client *client, const char *queue_url,
                                        const struct sqs_send_entry *entries, size_t count, sqs_batch_fn *fn,
                                        void *arg);

/* ---- single calls ---- */

typedef void sqs_done_fn(void *arg, const struct aws_result *result);
/* text: QueueUrl or MessageId, valid during the callback, "" on failure */
typedef void sqs_text_fn(void *arg, const struct aws_result *result, const char *text);

struct aws_call *sqs_send_message(struct aws_client *client, const char *queue_url,
                                  const struct sqs_send_entry *entry, sqs_text_fn *fn, void *arg);
struct aws_call *sqs_delete_message(struct aws_client *client, const char *queue_url,
                                    const char *receipt_handle, sqs_done_fn *fn, void *arg);
struct aws_call *sqs_change_message_visibility(struct aws_client *client, const char *queue_url,
                                               const char *receipt_handle, int visibility_timeout_s,
                                               sqs_done_fn *fn, void *arg);

/* ---- queues ---- */

struct sqs_attribute {
    const char *name;
    const char *value;
};

struct aws_call *sqs_get_queue_url(struct aws_client *client, const char *queue_name, sqs_text_fn *fn,
                                   void *arg);
struct aws_call *sqs_create_queue(struct aws_client *client, const char *queue_name,
                                  const struct sqs_attribute *attributes, size_t count, sqs_text_fn *fn,
                                  void *arg);
struct aws_call *sqs_set_queue_attributes(struct aws_client *client, const char *queue_url,
                                          const struct sqs_attribute *attributes, size_t count,
                                          sqs_done_fn *fn, void *arg);
struct aws_call *sqs_delete_queue(struct aws_client *client, const char *queue_url, sqs_done_fn *fn,
                                  void *arg);
struct aws_call *sqs_purge_queue(struct aws_client *client, const char *queue_url, sqs_done_fn *fn,
                                 void *arg);

/* Numbers of GetQueueAttributes, -1 where the reply did not have them. */
struct sqs_queue_attributes {
    int64_t visible;   /* ApproximateNumberOfMessages */
    int64_t in_flight; /* ApproximateNumberOfMessagesNotVisible */
    int64_t delayed;   /* ApproximateNumberOfMessagesDelayed */
    int64_t visibility_timeout_s;
    int64_t retention_s;
    char queue_arn[256];
    char redrive_target_arn[256]; /* deadLetterTargetArn of RedrivePolicy, or "" */
    int64_t max_receive_count;    /* of RedrivePolicy, -1 without */
};
/* attributes is zero-filled/-1 on failure. `all` asks for everything, otherwise for the three counts alone.
 */
typedef void sqs_queue_attributes_fn(void *arg, const struct aws_result *result,
                                     const struct sqs_queue_attributes *attributes);
struct aws_call *sqs_get_queue_attributes(struct aws_client *client, const char *queue_url, bool all,
                                          sqs_queue_attributes_fn *fn, void *arg);

#endif

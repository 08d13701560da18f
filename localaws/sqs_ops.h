/*
 * The operations of SQS: checks a decoded request, drives the engine, writes the reply. Knows nothing of
 * HTTP. A ReceiveMessage that has to wait comes back as such, with what the caller needs to answer it later.
 */
#ifndef SLUICE_LOCALAWS_SQS_OPS_H
#define SLUICE_LOCALAWS_SQS_OPS_H

#include "localaws/sqs_engine.h"
#include "localaws/sqs_reply.h"
#include "localaws/sqs_request.h"

/* What a receive wants to see of each message. */
struct sqs_receive_view {
    uint32_t system; /* bit set of system attributes */
    bool all_attributes;
    size_t name_count;
    struct slice *names; /* MessageAttributeNames; owned by whoever holds the view */
};

/* A receive that has to wait. */
struct sqs_receive_wait {
    bool is_wanted;
    struct sqs_queue *queue;
    size_t max;
    int64_t visibility_ms;
    int64_t end_ms;               /* product */
    struct slice attempt_id;      /* of FIFO queues; the request's */
    struct sqs_receive_view view; /* names are the request's until sqs_receive_view_keep() */
};

/* How a call sees the world; set up once, `base_url`, `protocol` and `request_id` for each request. */
struct sqs_context {
    struct sqs_engine *engine;
    struct slice base_url; /* "http://127.0.0.1:9324": by which the caller called us */
    struct slice path;     /* of the HTTP request; names the queue when there is no QueueUrl */
    enum sqs_protocol protocol;
    const char *request_id;
    int64_t now_ms; /* product */

    /* set by a fault: entries of batches that fail; asked once for each entry */
    bool (*entry_fails)(void *arg, struct sqs_failure *failure);
    void *entry_fails_arg;
    bool repeat_received; /* fault: hand messages of this receive out once more */

    struct sqs_receive_wait wait; /* out */
};

/* Runs one request. On success the reply is in `out`, unless context->wait.is_wanted. On failure `out` holds
 * nothing and failure says what to answer. Does not settle the engine. */
enum sqs_error sqs_ops_run(struct sqs_context *context, struct sqs_request *request, struct strbuf *out,
                           struct sqs_failure *failure);

/* Writes the reply of a receive (also an empty one). */
void sqs_ops_write_messages(const struct sqs_engine *engine, enum sqs_protocol protocol,
                            const char *request_id, const struct sqs_receive_view *view,
                            struct sqs_message *const *messages, size_t count, struct strbuf *out);

/* Makes a view's names its own list (the texts stay where they are); sqs_receive_view_clean_up() frees that.
 */
void sqs_receive_view_keep(struct sqs_receive_view *view);
void sqs_receive_view_clean_up(struct sqs_receive_view *view);

/* The queue that the request names, or NULL with failure. */
struct sqs_queue *sqs_ops_queue(const struct sqs_context *context, const struct sqs_request *request,
                                struct sqs_failure *failure);

#endif

/* What the files of sqs_ops.h share among themselves. */
#ifndef SLUICE_LOCALAWS_SQS_OPS_PARTS_H
#define SLUICE_LOCALAWS_SQS_OPS_PARTS_H

#include "localaws/sqs_ops.h"

/* True for the names that GetQueueAttributes knows, those of FIFO queues too. */
bool sqs_ops_is_queue_attribute(struct slice name);

/* 0..43200 seconds, or SQS_INVALID_PARAMETER_VALUE. */
enum sqs_error sqs_ops_check_visibility(int64_t visibility_s, struct sqs_failure *failure);

/* Refuses a parameter that the other type of queue has. */
enum sqs_error sqs_ops_fail_type(const char *parameter, struct slice value, struct sqs_failure *failure);

/* The text of a SequenceNumber: 20 digits, so that texts sort as numbers do. */
enum { SQS_SEQUENCE_BYTES = 24 };
struct slice sqs_ops_sequence(uint64_t sequence, char buffer[static SQS_SEQUENCE_BYTES]);

/* sqs_receive.c */
enum sqs_error sqs_ops_receive(struct sqs_context *context, struct sqs_request *request,
                               struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure);

/* sqs_batch.c: send, delete and change visibility, single and in batches */
enum sqs_error sqs_ops_send(struct sqs_context *context, struct sqs_request *request, struct sqs_queue *queue,
                            struct strbuf *out, struct sqs_failure *failure);
enum sqs_error sqs_ops_delete(struct sqs_context *context, struct sqs_request *request,
                              struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure);
enum sqs_error sqs_ops_change_visibility(struct sqs_context *context, struct sqs_request *request,
                                         struct sqs_queue *queue, struct strbuf *out,
                                         struct sqs_failure *failure);
enum sqs_error sqs_ops_batch(struct sqs_context *context, struct sqs_request *request,
                             struct sqs_queue *queue, struct strbuf *out, struct sqs_failure *failure);

/* sqs_attributes.c */
enum sqs_error sqs_ops_get_attributes(struct sqs_context *context, struct sqs_request *request,
                                      struct sqs_queue *queue, struct strbuf *out,
                                      struct sqs_failure *failure);

/* A reply without a result. */
enum sqs_error sqs_ops_write_void(struct sqs_context *context, enum sqs_op op, struct strbuf *out);

#endif

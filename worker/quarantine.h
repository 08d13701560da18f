/*
 * What is sent to the dead-letter queue for a message: its body byte for byte, its own attributes, and as
 * many of these as SQS has room for beside them, in this order:
 *
 *   sluice.reason             String   why, in words
 *   sluice.status             Number   exit code, HTTP status ...; when the handler gave one
 *   sluice.receive_count      Number   how often it had been received
 *   sluice.source_message_id  String   its id in the queue it came from
 *
 * Attributes of these names that it already has (it was moved back from a DLQ once) are replaced. Pure.
 *
 * Source: SQS developer guide, "Message metadata": at most ten attributes, which count into the message's
 * size; values are never empty and have the characters that a body may have.
 */
#ifndef SLUICE_WORKER_QUARANTINE_H
#define SLUICE_WORKER_QUARANTINE_H

#include "aws/sqs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    QUARANTINE_ATTRIBUTES_MAX = 10,
    QUARANTINE_REASON_MAX = 608, /* with room for replacements, and the zero */
    /* Sum of a batch. Since August 2025 SQS takes 1 MiB, before and elsewhere 256 KiB. A larger single
     * message goes alone. */
    QUARANTINE_BATCH_BYTES = 262144,
};

/* Memory behind one sqs_send_entry. */
struct quarantine_letter {
    struct sqs_message_attribute attributes[QUARANTINE_ATTRIBUTES_MAX];
    size_t attribute_count;
    char reason[QUARANTINE_REASON_MAX];
    char status[24];
    char receive_count[24];
};

struct quarantine_cause {
    const char *reason;
    int64_t status; /* INT64_MIN: none */
    bool bare;      /* without attributes of ours: SQS refused it with them */
    bool fifo;      /* the DLQ is one: group and deduplication id are needed */
};

/* Fills letter and returns the entry that points into it, the message and the cause's texts. A deduplication
 * id is the source's message id, so a FIFO DLQ takes a message that is sent twice within five minutes once.
 */
struct sqs_send_entry quarantine_write(struct quarantine_letter *letter, const struct sqs_message *message,
                                       int64_t receive_count, const struct quarantine_cause *cause);

/* An entry's size as SQS counts it: body and names, types and values of all attributes. */
size_t quarantine_bytes(const struct sqs_send_entry *entry);

#endif

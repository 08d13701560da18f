/*
 * A message as SQS keeps it: what the sender gave (copied into one block), its digests, and its place in a
 * queue. The queue engine alone (sqs_queue.c) writes the place. Pure; one thread.
 */
#ifndef SLUICE_LOCALAWS_SQS_MESSAGE_H
#define SLUICE_LOCALAWS_SQS_MESSAGE_H

#include "aws/digest.h"
#include "localaws/heap.h"
#include "localaws/slice.h"
#include "localaws/sqs_error.h"

#include <stdint.h>

struct strbuf;

enum {
    SQS_ATTRIBUTES_MAX = 10,
    SQS_ATTRIBUTE_NAME_MAX = 256,
    SQS_MESSAGE_BYTES_MAX = 1048576,
    SQS_UUID_BYTES = 37,
    SQS_ID_MAX = 128, /* group, deduplication and attempt ids */
};

/* A message attribute; `value` holds raw bytes when is_binary. */
struct sqs_attribute {
    struct slice name;
    struct slice type; /* with its custom suffix: "Number.int" */
    struct slice value;
    bool is_binary;
};

/* What a sender gives. Slices are the caller's. */
struct sqs_message_spec {
    struct slice body;
    const struct sqs_attribute *attributes;
    size_t attribute_count;
    struct slice group_id;         /* absent: none */
    struct slice deduplication_id; /* FIFO queues; absent: none */
    struct slice trace_header;     /* system attribute AWSTraceHeader; absent: none */
};

/* Where a message is. Each value names the one structure of its queue that holds it; sqs_queue.c alone
 * changes it. */
enum sqs_state {
    SQS_NOWHERE,   /* new, or about to be freed */
    SQS_DELAYED,   /* queue->delayed, by the end of its delay */
    SQS_VISIBLE,   /* queue->visible; in a FIFO queue its group alone */
    SQS_IN_FLIGHT, /* queue->in_flight, by its deadline */
    SQS_REPEATED,  /* queue->in_flight and queue->repeated: handed out, and to be handed out once more (a
                      fault) */
};

struct sqs_message {
    /* place */
    enum sqs_state state;
    struct sqs_queue *queue;
    struct heap_node due;                    /* in queue->delayed or queue->in_flight */
    struct sqs_message *prev, *next;         /* in queue->visible or queue->repeated; FIFO: in its group */
    struct sqs_group *group;                 /* in a FIFO queue; else NULL */
    struct heap_node old_due;                /* in queue->old_heap (messages that came by redrive) */
    struct sqs_message *old_prev, *old_next; /* in queue->old_list (messages that were sent here) */

    /* identity: a slot of the engine's table, and a serial number that no other message ever has */
    uint32_t slot;
    uint64_t serial;
    uint64_t sequence; /* order in its FIFO queue; 0 in a standard one */
    char id[SQS_UUID_BYTES];

    /* history, product time */
    int64_t sent_ms;
    int64_t first_receive_ms; /* 0: never received */
    int64_t last_receive_ms;
    int64_t last_receive_us; /* the same to the microsecond, see sqs_engine_set_now_us() */
    uint32_t generation;     /* counts receives; a handle of an older one is superseded */
    uint32_t receive_count;  /* as shown: goes on in the dead-letter queue */
    uint32_t receives_here;  /* in this queue; drives redrive */
    bool is_changed;         /* FIFO: its visibility was changed since the latest receive */
    char *source_arn;        /* owned; the queue it was moved from, or NULL */

    /* content, in `block` */
    struct slice body;
    struct sqs_attribute *attributes;
    size_t attribute_count;
    struct slice group_id;
    struct slice deduplication_id;
    struct slice trace_header;
    uint8_t body_md5[AWS_DIGEST_MD5_BYTES];
    uint8_t attributes_md5[AWS_DIGEST_MD5_BYTES]; /* meaningful when attribute_count > 0 */
    char block[];
};

/* Body plus names, types and values of the attributes: what the size limits count. */
size_t sqs_message_spec_bytes(const struct sqs_message_spec *spec);

/* Checks body and attributes (presence, characters, names, types, numbers) but not the queue's size limit. */
enum sqs_error sqs_message_spec_check(const struct sqs_message_spec *spec, struct sqs_failure *failure);

/* Checks a group, deduplication or attempt id called `name`; an absent one is fine. */
enum sqs_error sqs_message_id_check(const char *name, struct slice id, struct sqs_failure *failure);

/* A message nowhere, with a copy of the spec. Free with sqs_message_free() once it is nowhere again. */
struct sqs_message *sqs_message_new(const struct sqs_message_spec *spec);
void sqs_message_free(struct sqs_message *message);

/* The digest that SDKs check: attributes sorted by name, each length-prefixed (see aws-wire, MD5). Sorts
 * `list`. */
void sqs_message_attributes_md5(const struct sqs_attribute **list, size_t count,
                                uint8_t out[static AWS_DIGEST_MD5_BYTES]);

#endif

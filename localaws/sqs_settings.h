/*
 * What a user can set on a queue: one table with names, ranges and defaults, from which setting, reading back
 * and comparing are done. Pure.
 */
#ifndef SLUICE_LOCALAWS_SQS_SETTINGS_H
#define SLUICE_LOCALAWS_SQS_SETTINGS_H

#include "base/strbuf.h"
#include "localaws/slice.h"
#include "localaws/sqs_error.h"

#include <stdint.h>

/* Values of DeduplicationScope and FifoThroughputLimit, in the order of the table's words. */
enum { SQS_SCOPE_QUEUE, SQS_SCOPE_GROUP };
enum { SQS_LIMIT_PER_QUEUE, SQS_LIMIT_PER_GROUP };
enum sqs_redrive_permission { SQS_REDRIVE_ALLOW_ALL, SQS_REDRIVE_DENY_ALL, SQS_REDRIVE_BY_QUEUE };

struct sqs_settings {
    int64_t visibility_timeout_s;
    int64_t delay_s;
    int64_t maximum_message_bytes;
    int64_t retention_s;
    int64_t receive_wait_s;

    /* RedrivePolicy; dead_letter_arn NULL: none */
    char *dead_letter_arn;
    int64_t max_receive_count;

    /* RedriveAllowPolicy */
    char *redrive_allow_policy; /* owned; as given, NULL: never given */
    enum sqs_redrive_permission redrive_permission;
    char *redrive_source_arns; /* owned; "\narn\narn\n", NULL: none */

    /* FIFO queues only */
    bool is_fifo; /* set when the queue is made */
    bool content_based_deduplication;
    int64_t deduplication_scope;
    int64_t throughput_limit; /* kept and shown, without effect here */

    /* kept and shown, without effect here */
    char *policy;
    char *kms_key_id;
    int64_t kms_reuse_s; /* 0: never given */
    bool sse_enabled;
};

void sqs_settings_init(struct sqs_settings *s);
void sqs_settings_clean_up(struct sqs_settings *s);
/* Deep copy into an uninitialised struct. */
void sqs_settings_copy(struct sqs_settings *to, const struct sqs_settings *from);

/* Sets one attribute from its text; those of FIFO queues are unknown to others. FifoQueue itself cannot be
 * changed. On failure the settings are unchanged. */
enum sqs_error sqs_settings_set(struct sqs_settings *s, struct slice name, struct slice value,
                                struct sqs_failure *failure);

/* What the attributes must be together: SQS_OK or an error. */
enum sqs_error sqs_settings_check(const struct sqs_settings *s, struct sqs_failure *failure);

enum { SQS_SETTINGS_COUNT = 15 };
/* Name of the attribute with this index, 0..SQS_SETTINGS_COUNT - 1. */
const char *sqs_settings_name(size_t index);
/* Appends its value as text; false when there is none to show. */
bool sqs_settings_get(const struct sqs_settings *s, size_t index, struct strbuf *out);

/* True when a queue may use `arn` as source under this queue's RedriveAllowPolicy. */
bool sqs_settings_allows_source(const struct sqs_settings *s, const char *arn);

#endif

/* What the files of the SQS module share; not for others. */
#ifndef SLUICE_AWS_SQS_INTERNAL_H
#define SLUICE_AWS_SQS_INTERNAL_H

#include "aws/digest.h"
#include "aws/json_reply.h"
#include "aws/sqs.h"
#include "base/jsonp.h"
#include "base/jsonw.h"

/* What is known of a message that was sent, to compare with the reply. */
struct sqs_digests {
    bool known; /* this OpenSSL has MD5 */
    bool has_attributes;
    uint8_t body[AWS_DIGEST_MD5_BYTES];
    uint8_t attributes[AWS_DIGEST_MD5_BYTES];
};

struct sqs_start {
    const char *target;    /* "AmazonSQS.DeleteQueue" */
    const char *queue_url; /* NULL: not about one queue */
    struct strbuf *body;   /* cleaned up by sqs_start() */
    int64_t poll_product_ms;
    bool long_poll;
};

/* Starts a call; arg is freed with free(). */
struct aws_call *sqs_start(struct aws_client *client, const struct sqs_start *start, aws_json_fn *fn,
                           void *arg);
/* As aws_client_refuse(); arg is freed with free(). */
struct aws_call *sqs_refuse(struct aws_client *client, const char *message, aws_json_fn *fn, void *arg);

/* MD5 of message attributes as SQS computes it; false when this OpenSSL has no MD5. */
bool sqs_attributes_md5(const struct sqs_message_attribute *attributes, size_t count,
                        uint8_t md5[static AWS_DIGEST_MD5_BYTES]);
void sqs_digests_of_entry(const struct sqs_send_entry *entry, struct sqs_digests *ret_digests);
/* Whether a hex digest of a reply (NULL: not given, which passes) is that of our bytes. */
bool sqs_md5_matches(const uint8_t md5[static AWS_DIGEST_MD5_BYTES], const char *hex);

/* Whether text can be a group, deduplication or attempt id: 1 to 128 letters, digits and punctuation of
 * ASCII (API reference of SendMessage and ReceiveMessage). */
bool sqs_is_token(const char *text);
/* NULL, or why an entry cannot be sent ("the body is not UTF-8"). */
const char *sqs_entry_problem(const struct sqs_send_entry *entry);
/* Writes MessageBody and what else the entry has into the open object. */
void sqs_write_entry(struct jsonw *w, const struct sqs_send_entry *entry);

/* A whole number written as text ("12"), -1 when it is none. */
int64_t sqs_parse_number(const char *text);

#endif

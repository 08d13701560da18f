/*
 * SNS envelopes. A topic without raw delivery wraps what was published into a JSON object with Type
 * "Notification"; the handler wants the payload. Pure.
 *
 * Source: SNS developer guide, "Parsing Amazon SNS message formats" (HTTP and SQS notification JSON).
 */
#ifndef SLUICE_WORKER_SNS_H
#define SLUICE_WORKER_SNS_H

#include "base/err.h"
#include "base/strbuf.h"
#include "worker/handler.h"

#include <stddef.h>

enum sns_mode {
    SNS_AUTO, /* unwrap what is an envelope, hand over the rest as it is */
    SNS_RAW,  /* never unwrap */
    SNS_ONLY, /* everything must be an envelope */
    SNS_MODE_MAX
};

extern const char *const SNS_MODE_NAMES[SNS_MODE_MAX + 1]; /* "auto", "raw", "sns", NULL */

/* Memory of one unwrapped message. Zero it before use; clean it up after the handler is done. */
struct sns_envelope {
    struct strbuf text;    /* a copy of the body, parsed in place */
    struct sluice_sns sns; /* points into text */
    const char *body;
    size_t body_len;
};

enum sns_result { SNS_PLAIN, SNS_UNWRAPPED, SNS_REFUSED };

/* SNS_UNWRAPPED fills the envelope; SNS_PLAIN leaves it empty: the body is the payload; SNS_REFUSED (mode
 * SNS_ONLY): err says what is missing. An envelope is an object with Type "Notification" and strings TopicArn
 * and Message. */
enum sns_result sns_unwrap(enum sns_mode mode, const char *body, size_t len,
                           struct sns_envelope *ret_envelope, struct err *err);

void sns_envelope_clean_up(struct sns_envelope *envelope);

#endif

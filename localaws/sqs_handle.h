/*
 * Receipt handles: 48 characters that carry queue, message, receive generation and time of the receive under
 * a keyed hash, so that a handle is judged without a table of handles and a made-up one is recognised. Pure.
 */
#ifndef SLUICE_LOCALAWS_SQS_HANDLE_H
#define SLUICE_LOCALAWS_SQS_HANDLE_H

#include "localaws/slice.h"

#include <stdint.h>

enum { SQS_HANDLE_CHARS = 48 };

struct sqs_handle {
    uint32_t queue_uid;
    uint32_t slot;
    uint64_t serial;
    uint32_t generation;
    int64_t received_ms;
};

/* `out` gets SQS_HANDLE_CHARS characters and a NUL. */
void sqs_handle_encode(const uint64_t key[static 2], const struct sqs_handle *handle,
                       char out[static SQS_HANDLE_CHARS + 1]);

/* False for anything that sqs_handle_encode() did not make with this key. */
bool sqs_handle_decode(const uint64_t key[static 2], struct slice text, struct sqs_handle *handle);

#endif

/* Receipt handles; see sqs_handle.h. */
#include "localaws/sqs_handle.h"

#include "base/base64.h"
#include "localaws/siphash.h"

enum { PLAIN_BYTES = 28, ALL_BYTES = 36 };

/* Field by field, so that no padding gets into the hash. */
static void pack(const struct sqs_handle *h, uint8_t out[static PLAIN_BYTES])
{
    memcpy(out, &h->queue_uid, 4);
    memcpy(out + 4, &h->slot, 4);
    memcpy(out + 8, &h->serial, 8);
    memcpy(out + 16, &h->generation, 4);
    memcpy(out + 20, &h->received_ms, 8);
}

void sqs_handle_encode(const uint64_t key[static 2], const struct sqs_handle *handle,
                       char out[static SQS_HANDLE_CHARS + 1])
{
    uint8_t bytes[ALL_BYTES];
    pack(handle, bytes);
    uint64_t hash = siphash(key, bytes, PLAIN_BYTES);
    memcpy(bytes + PLAIN_BYTES, &hash, sizeof hash);
    _Static_assert(BASE64_CHARS(ALL_BYTES) == SQS_HANDLE_CHARS, "a handle is as long as it says");
    base64_write(bytes, sizeof bytes, out);
}

bool sqs_handle_decode(const uint64_t key[static 2], struct slice text, struct sqs_handle *handle)
{
    uint8_t bytes[ALL_BYTES];
    uint64_t hash = 0;
    if (text.len != SQS_HANDLE_CHARS || base64_decode(text.at, text.len, bytes) != ALL_BYTES)
        return false;
    memcpy(&hash, bytes + PLAIN_BYTES, sizeof hash);
    if (hash != siphash(key, bytes, PLAIN_BYTES))
        return false;
    memcpy(&handle->queue_uid, bytes, 4);
    memcpy(&handle->slot, bytes + 4, 4);
    memcpy(&handle->serial, bytes + 8, 8);
    memcpy(&handle->generation, bytes + 16, 4);
    memcpy(&handle->received_ms, bytes + 20, 8);
    return true;
}

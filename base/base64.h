/* Base64 (RFC 4648 section 4, with padding). Pure. */
#ifndef SLUICE_BASE_BASE64_H
#define SLUICE_BASE_BASE64_H

#include "base/strbuf.h"

#include <stddef.h>
#include <sys/types.h>

/* Characters that `bytes` bytes become, without a NUL. */
#define BASE64_CHARS(bytes) (((bytes) + 2) / 3 * 4)

/* Writes the text of the bytes and a NUL: BASE64_CHARS(len) + 1 bytes, not overlapping the input. */
void base64_write(const void *bytes, size_t len, char *out);

/* Appends the text of the bytes. */
void base64_encode(const void *bytes, size_t len, struct strbuf *out);

/* Decodes into out, which has room for len / 4 * 3 bytes and may be `text` itself. Returns the number of
 * bytes, or -1, out spoilt, when the text is not padded base64. */
ssize_t base64_decode(const char *text, size_t len, void *out);

#endif

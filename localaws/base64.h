/* Base64 (RFC 4648, section 4, with padding). Pure. */
#ifndef SLUICE_LOCALAWS_BASE64_H
#define SLUICE_LOCALAWS_BASE64_H

#include "base/strbuf.h"

#include <stddef.h>
#include <sys/types.h>

void base64_encode(const void *bytes, size_t len, struct strbuf *out);
/* Decodes into out, which has room for len / 4 * 3 bytes and may be `text` itself. Returns the number of
 * bytes, or -1 when the text is not base64. */
ssize_t base64_decode(const char *text, size_t len, void *out);

#endif

/* Base64 (RFC 4648 section 4) of binary message attributes. Pure. */
#ifndef SLUICE_AWS_BASE64_H
#define SLUICE_AWS_BASE64_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends the padded text of the bytes. */
void aws_base64_encode(const void *bytes, size_t len, struct strbuf *out);

/* Decodes `len` characters in place. Returns false (text spoilt) when they are not padded base64. */
bool aws_base64_decode_in_place(char *text, size_t len, size_t *ret_len);

#endif

/* UTF-8 (RFC 3629): checking and writing it. Pure. */
#ifndef SLUICE_BASE_UTF8_H
#define SLUICE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length, 1 to 4, of the well-formed sequence that s starts with; 0 when there is none within its `left` >= 1
 * bytes. Overlong forms, surrogates and what lies beyond U+10FFFF are not well-formed. */
size_t utf8_len(const char *s, size_t left);

/* Whether all `len` bytes are well-formed. NULs are. */
bool utf8_valid(const char *text, size_t len);

/* Bytes from the start that are ASCII from space on, neither quote nor backslash: what JSON writes as it is,
 * and nearly all of most texts. Looks at eight bytes at a time. */
size_t utf8_plain_run(const char *text, size_t len);

/* Writes the code point, at most U+10FFFF, in 1 to 4 bytes; returns where the text goes on. */
char *utf8_put(char *to, uint32_t code);

#endif

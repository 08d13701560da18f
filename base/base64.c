/* Base64; see base64.h. */
#include "base/base64.h"

#include <stdint.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_write(const void *bytes, size_t len, char *out)
{
    const uint8_t *in = bytes;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)in[i] << 16;
        group |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        group |= left > 2 ? in[i + 2] : 0;
        *out++ = DIGITS[group >> 18];
        *out++ = DIGITS[(group >> 12) & 63];
        *out++ = left > 1 ? DIGITS[(group >> 6) & 63] : '=';
        *out++ = left > 2 ? DIGITS[group & 63] : '=';
    }
    *out = '\0';
}

void base64_encode(const void *bytes, size_t len, struct strbuf *out)
{
    base64_write(bytes, len, strbuf_reserve(out, BASE64_CHARS(len)));
    out->len += BASE64_CHARS(len);
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

ssize_t base64_decode(const char *text, size_t len, void *out)
{
    uint8_t *to = out;
    size_t padding = 0;
    if (len % 4 != 0)
        return -1;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t group = 0;
        size_t bytes = i + 4 == len ? 3 - padding : 3;
        for (size_t j = 0; j < 4; j++) {
            int value = j > bytes ? 0 : digit_value(text[i + j]);
            if (value < 0)
                return -1;
            group = group << 6 | (uint32_t)value;
        }
        for (size_t j = 0; j < bytes; j++)
            *to++ = (uint8_t)(group >> (16 - 8 * j));
    }
    return to - (uint8_t *)out;
}

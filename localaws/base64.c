/* Base64; see base64.h. */
#include "localaws/base64.h"

#include <stdint.h>
#include <string.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t len, struct strbuf *out)
{
    const unsigned char *from = bytes;
    char *to = strbuf_reserve(out, (len + 2) / 3 * 4);
    char *start = to;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t three = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                         (left > 2 ? from[i + 2] : 0);
        *to++ = DIGITS[three >> 18];
        *to++ = DIGITS[(three >> 12) & 63];
        *to++ = left > 1 ? DIGITS[(three >> 6) & 63] : '=';
        *to++ = left > 2 ? DIGITS[three & 63] : '=';
    }
    out->len += (size_t)(to - start);
    out->data[out->len] = '\0';
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t base64_decode(const char *text, size_t len, void *out)
{
    unsigned char *to = out;
    size_t count = 0;
    if (len % 4 != 0)
        return -1;
    for (size_t i = 0; i < len; i += 4) {
        int pad = i + 4 == len ? (text[i + 3] == '=') + (text[i + 2] == '=' && text[i + 3] == '=') : 0;
        uint32_t four = 0;
        for (int k = 0; k < 4; k++) {
            int digit = k >= 4 - pad ? 0 : digit_of(text[i + (size_t)k]);
            if (digit < 0)
                return -1;
            four = four << 6 | (uint32_t)digit;
        }
        for (int k = 0; k < 3 - pad; k++)
            to[count++] = (unsigned char)(four >> (16 - 8 * k));
    }
    return (ssize_t)count;
}

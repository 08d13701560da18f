/* Base64; see base64.h. */
#include "aws/base64.h"

#include <stdint.h>

void aws_base64_encode(const void *bytes, size_t len, struct strbuf *out)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    char *to = strbuf_reserve(out, (len + 2) / 3 * 4);
    size_t used = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)in[i] << 16;
        group |= i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0;
        group |= i + 2 < len ? in[i + 2] : 0;
        to[used++] = DIGITS[group >> 18];
        to[used++] = DIGITS[(group >> 12) & 63];
        to[used++] = i + 1 < len ? DIGITS[(group >> 6) & 63] : '=';
        to[used++] = i + 2 < len ? DIGITS[group & 63] : '=';
    }
    to[used] = '\0';
    out->len += used;
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

bool aws_base64_decode_in_place(char *text, size_t len, size_t *ret_len)
{
    size_t used = 0;
    if (len % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t group = 0;
        size_t bytes = i + 4 == len ? 3 - padding : 3;
        for (size_t j = 0; j < 4; j++) {
            int value = j > bytes ? 0 : digit_value(text[i + j]);
            if (value < 0)
                return false;
            group = group << 6 | (uint32_t)value;
        }
        for (size_t j = 0; j < bytes; j++)
            text[used++] = (char)(group >> (16 - 8 * j) & 0xFF);
    }
    *ret_len = used;
    return true;
}

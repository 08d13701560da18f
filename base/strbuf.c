/* Growing byte buffer. */
#include "base/strbuf.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_clean_up(struct strbuf *b)
{
    free(b->data);
    *b = (struct strbuf)STRBUF_INIT;
}

void strbuf_clear(struct strbuf *b)
{
    b->len = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

char *strbuf_reserve(struct strbuf *b, size_t more)
{
    size_t needed = b->len + more + 1;
    if (needed > b->capacity) {
        size_t capacity = b->capacity < 64 ? 64 : b->capacity;
        while (capacity < needed)
            capacity *= 2;
        b->data = xrealloc(b->data, capacity);
        b->capacity = capacity;
        b->data[b->len] = '\0'; /* new memory is text, too, when nothing gets added */
    }
    return b->data + b->len;
}

void strbuf_append(struct strbuf *b, const void *bytes, size_t len)
{
    char *to = strbuf_reserve(b, len);
    if (len > 0)
        memcpy(to, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void strbuf_append_str(struct strbuf *b, const char *text)
{
    strbuf_append(b, text, strlen(text));
}

void strbuf_append_char(struct strbuf *b, char c)
{
    strbuf_append(b, &c, 1);
}

void strbuf_vappendf(struct strbuf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len <= 0)
        return;
    char *to = strbuf_reserve(b, (size_t)len);
    (void)vsnprintf(to, (size_t)len + 1, fmt, args);
    b->len += (size_t)len;
}

void strbuf_appendf(struct strbuf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    strbuf_vappendf(b, fmt, args);
    va_end(args);
}

const char *strbuf_str(const struct strbuf *b)
{
    return b->data != NULL ? b->data : "";
}

char *strbuf_take(struct strbuf *b)
{
    char *data = b->data != NULL ? b->data : xstrdup("");
    *b = (struct strbuf)STRBUF_INIT;
    return data;
}

void strbuf_consume(struct strbuf *b, size_t len)
{
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
    b->data[b->len] = '\0';
}

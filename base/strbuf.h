/*
 * A growing byte buffer, always NUL-terminated, for building requests, replies and lines. Start with
 * `struct strbuf b = STRBUF_INIT;` and end with strbuf_clean_up(). Not shared between threads.
 */
#ifndef SLUICE_BASE_STRBUF_H
#define SLUICE_BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
    char *data; /* owned; NULL until the first byte */
    size_t len; /* bytes in use, the NUL not counted */
    size_t capacity;
};

#define STRBUF_INIT                                                                                          \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

void strbuf_clean_up(struct strbuf *b);
/* Empties the buffer and keeps its memory. */
void strbuf_clear(struct strbuf *b);
/* Makes room for `more` bytes beyond len and returns where they go; the caller then adds to len. */
char *strbuf_reserve(struct strbuf *b, size_t more);
void strbuf_append(struct strbuf *b, const void *bytes, size_t len);
void strbuf_append_str(struct strbuf *b, const char *text);
void strbuf_append_char(struct strbuf *b, char c);
void strbuf_appendf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vappendf(struct strbuf *b, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
/* The text so far: never NULL. Valid until the next change. */
const char *strbuf_str(const struct strbuf *b);
/* Hands the memory over to the caller, who frees it; the buffer is empty afterwards. Never NULL. */
char *strbuf_take(struct strbuf *b);
/* Drops the first `len` bytes (len <= b->len). */
void strbuf_consume(struct strbuf *b, size_t len);

#endif

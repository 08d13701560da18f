/*
 * Reads JSON of strangers without building a tree and without recursion: handler threads have small stacks,
 * and a message may be a megabyte of brackets. First jsonscan_validate() looks at the whole text; the walking
 * functions then rely on its verdict. Pure; a slice points into the text it came from.
 */
#ifndef SLUICE_WORKER_JSONSCAN_H
#define SLUICE_WORKER_JSONSCAN_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSONSCAN_DEPTH_MAX = 64 };

enum jsonscan_type {
    JSONSCAN_NONE, /* no value: member missing */
    JSONSCAN_OBJECT,
    JSONSCAN_ARRAY,
    JSONSCAN_STRING,
    JSONSCAN_NUMBER,
    JSONSCAN_TRUE,
    JSONSCAN_FALSE,
    JSONSCAN_NULL,
    JSONSCAN_TYPE_MAX
};

/* One value. Text is its raw form; of a string what stands between the quotes, escapes and all. */
struct jsonscan_slice {
    enum jsonscan_type type;
    const char *text;
    size_t len;
};

/* Whether text is exactly one JSON value (RFC 8259) nested at most JSONSCAN_DEPTH_MAX deep; fills *ret_root
 * then. Otherwise -1 with err "byte 17: want ',' or '}'". text[len] must be a NUL, as message bodies have it.
 */
int jsonscan_validate(const char *text, size_t len, struct jsonscan_slice *ret_root, struct err *err);

/* Walks the members of an object (or, with key NULL, the elements of an array): start with *cursor = NULL, go
 * on until it returns false. */
bool jsonscan_next(const struct jsonscan_slice *container, const char **cursor, struct jsonscan_slice *key,
                   struct jsonscan_slice *value);

/* Whether a string slice decodes to `literal` (ASCII). False for other types. */
bool jsonscan_equals(const struct jsonscan_slice *slice, const char *literal);

/* Appends the decoded bytes of a string slice; lone surrogates become U+FFFD. */
void jsonscan_decode(const struct jsonscan_slice *slice, struct strbuf *out);

/* A number slice that is an integer (no fraction, no exponent) in the range of int64_t. */
bool jsonscan_int64(const struct jsonscan_slice *slice, int64_t *ret_value);
/* Any number slice that is finite as a double. */
bool jsonscan_double(const struct jsonscan_slice *slice, double *ret_value);

#endif

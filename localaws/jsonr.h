/*
 * Pulls values out of JSON text without a tree and without allocating: strings are unescaped where they
 * stand, so the text is changed and must outlive the slices. A reader that met an error stays in it; every
 * call then returns false.
 *
 *   jsonr_object(&r);
 *   while (jsonr_key(&r, &key)) { if (slice_is(key, "n")) jsonr_int(&r, &n); else jsonr_skip(&r); }
 *   ok = jsonr_end(&r);
 */
#ifndef SLUICE_LOCALAWS_JSONR_H
#define SLUICE_LOCALAWS_JSONR_H

#include "localaws/slice.h"

#include <stdint.h>

enum { JSONR_DEPTH_MAX = 64 };

struct jsonr {
    char *at;
    char *end;
    const char *error; /* static text; NULL: none yet */
    bool fresh;        /* just behind an opening bracket: no comma wanted */
};

void jsonr_init(struct jsonr *r, char *text, size_t len);
/* Opens an object or an array. */
bool jsonr_object(struct jsonr *r);
bool jsonr_array(struct jsonr *r);
/* The next key of the object, or false at its end (or on an error). The value must be read or skipped next.
 */
bool jsonr_key(struct jsonr *r, struct slice *key);
/* True when the array has one more item, which must be read or skipped next. */
bool jsonr_item(struct jsonr *r);
bool jsonr_string(struct jsonr *r, struct slice *text);
/* A whole number within int64. */
bool jsonr_int(struct jsonr *r, int64_t *value);
bool jsonr_double(struct jsonr *r, double *value);
bool jsonr_bool(struct jsonr *r, bool *value);
/* Consumes `null` if that is next. */
bool jsonr_null(struct jsonr *r);
/* First character of the next value: one of { [ " t f n - 0..9, or 0. */
char jsonr_peek(struct jsonr *r);
bool jsonr_skip(struct jsonr *r);
/* True when all went well and nothing but white space follows. */
bool jsonr_end(struct jsonr *r);

#endif

/*
 * Writes JSON straight into a strbuf, without a tree. Commas and nesting are kept by the writer; keys are
 * ASCII literals of ours. Strings are escaped; bytes that are not UTF-8 are replaced by U+FFFD, so the output
 * is always valid.
 *
 *   struct jsonw w = JSONW_INIT(&buf);
 *   jsonw_object(&w);  jsonw_key(&w, "v"); jsonw_int(&w, 1);  jsonw_end_object(&w);
 */
#ifndef SLUICE_BASE_JSONW_H
#define SLUICE_BASE_JSONW_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

struct jsonw {
    struct strbuf *out; /* not owned */
    bool need_comma;
};

#define JSONW_INIT(buf)                                                                                      \
    {                                                                                                        \
        .out = (buf), .need_comma = false                                                                    \
    }

void jsonw_object(struct jsonw *w);
void jsonw_end_object(struct jsonw *w);
void jsonw_array(struct jsonw *w);
void jsonw_end_array(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key);
void jsonw_key_any(struct jsonw *w, const char *key); /* a key that is not ours: escaped as a string is */
void jsonw_str(struct jsonw *w, const char *text);    /* NULL writes null */
void jsonw_strn(struct jsonw *w, const char *text, size_t len);
void jsonw_int(struct jsonw *w, int64_t value);
void jsonw_double(struct jsonw *w,
                  double value); /* 17 digits, reads back bit for bit; NaN and infinity write null */
void jsonw_bool(struct jsonw *w, bool value);
void jsonw_null(struct jsonw *w);
/* Inserts text that is already one JSON value. */
void jsonw_raw(struct jsonw *w, const char *json, size_t len);

/* key and value in one call */
void jsonw_key_str(struct jsonw *w, const char *key, const char *text);
void jsonw_key_int(struct jsonw *w, const char *key, int64_t value);
void jsonw_key_double(struct jsonw *w, const char *key, double value);
void jsonw_key_bool(struct jsonw *w, const char *key, bool value);

#endif

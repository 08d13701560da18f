/*
 * A strict JSON pull parser (RFC 8259) that works in place: strings are unescaped where they stand and end
 * with a NUL, so their pointers live as long as the buffer. Nothing is allocated and nothing recurses, so a
 * small stack will do for any text. The caller asks for what it expects; the first error sticks, and every
 * later call fails.
 *
 *   struct jsonp p = jsonp_start(text, len);
 *   if (jsonp_object(&p))
 *       while (jsonp_next_key(&p, &key))
 *           if (strcmp(key, "Id") == 0) jsonp_string(&p, &id, &id_len); else jsonp_skip(&p);
 *   return jsonp_finish(&p);
 */
#ifndef SLUICE_BASE_JSONP_H
#define SLUICE_BASE_JSONP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JSONP_DEPTH_MAX = 64,
    JSONP_DOUBLE_CHARS_MAX = 400, /* longer numbers are no doubles that anybody means */
};

struct jsonp {
    char *start;
    char *at;
    char *end;
    int depth;           /* open objects and arrays */
    bool first;          /* the next element is the first of the innermost one */
    bool mends;          /* set by the caller: a lone surrogate becomes U+FFFD instead of an error */
    const char *problem; /* NULL: none so far */
};

enum jsonp_type {
    JSONP_NONE, /* error, end, or something that starts no value */
    JSONP_OBJECT,
    JSONP_ARRAY,
    JSONP_STRING,
    JSONP_NUMBER,
    JSONP_BOOL,
    JSONP_NULL,
};

/* The text needs no NUL at its end; one byte behind it is never written. */
struct jsonp jsonp_start(char *text, size_t len);

/* What the next value is; consumes only white space. */
enum jsonp_type jsonp_peek(struct jsonp *p);

/* Enter an object or array; false when the next value is none. */
bool jsonp_object(struct jsonp *p);
bool jsonp_array(struct jsonp *p);

/* The next key of the innermost object; its value must then be taken or skipped. False at the end (which is
 * consumed) and on errors, of which a NUL in the key is one. */
bool jsonp_next_key(struct jsonp *p, const char **ret_key);
/* Whether the innermost array has another element, to be taken or skipped; as above. */
bool jsonp_next_element(struct jsonp *p);

/* Values. They fail, and say so, when the next value is of another type. An int must be whole and fit; a
 * double must be finite and of at most JSONP_DOUBLE_CHARS_MAX characters. */
bool jsonp_string(struct jsonp *p, const char **ret_text, size_t *ret_len);
bool jsonp_int(struct jsonp *p, int64_t *ret_value);
bool jsonp_double(struct jsonp *p, double *ret_value);
bool jsonp_bool(struct jsonp *p, bool *ret_value);
/* Whether the next value is null, which is then consumed. Another one is no error. */
bool jsonp_null(struct jsonp *p);

/* Any one value, checked as strictly as the others. The text is left as it is, so it can be parsed again. */
bool jsonp_skip(struct jsonp *p);
/* The same, and hands out the value's own text, for a parser of its own. */
bool jsonp_raw(struct jsonp *p, char **ret_text, size_t *ret_len);

/* The caller's own objection to what it was given: sticks like the parser's if it is the first. `problem` is
 * kept, not copied. Returns false. */
bool jsonp_refuse(struct jsonp *p, const char *problem);

/* True when all went well and nothing but white space is left. */
bool jsonp_finish(struct jsonp *p);

/* The first problem, for error texts, and the byte where it was met. "" when none. */
const char *jsonp_problem(const struct jsonp *p, size_t *ret_offset);

#endif

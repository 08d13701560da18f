/* The in-place JSON pull parser; see jsonp.h. */
#include "base/jsonp.h"

#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct jsonp jsonp_start(char *text, size_t len)
{
    static char nothing[1];
    if (text == NULL)
        text = nothing; /* an empty buffer */
    return (struct jsonp){.start = text, .at = text, .end = text + len, .first = true};
}

bool jsonp_refuse(struct jsonp *p, const char *problem)
{
    if (p->problem == NULL)
        p->problem = problem;
    return false;
}

static void skip_space(struct jsonp *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

enum jsonp_type jsonp_peek(struct jsonp *p)
{
    if (p->problem != NULL)
        return JSONP_NONE;
    skip_space(p);
    if (p->at == p->end)
        return JSONP_NONE;
    switch (*p->at) {
    case '{':
        return JSONP_OBJECT;
    case '[':
        return JSONP_ARRAY;
    case '"':
        return JSONP_STRING;
    case 't':
    case 'f':
        return JSONP_BOOL;
    case 'n':
        return JSONP_NULL;
    default:
        return *p->at == '-' || (*p->at >= '0' && *p->at <= '9') ? JSONP_NUMBER : JSONP_NONE;
    }
}

static bool expect(struct jsonp *p, enum jsonp_type type, const char *problem)
{
    return jsonp_peek(p) == type || jsonp_refuse(p, problem);
}

static bool enter(struct jsonp *p)
{
    if (p->depth == JSONP_DEPTH_MAX)
        return jsonp_refuse(p, "nested too deep");
    p->depth++;
    p->at++;
    p->first = true;
    return true;
}

bool jsonp_object(struct jsonp *p)
{
    return expect(p, JSONP_OBJECT, "object expected") && enter(p);
}

bool jsonp_array(struct jsonp *p)
{
    return expect(p, JSONP_ARRAY, "array expected") && enter(p);
}

/* Goes to the next member of the innermost object or array; false at its end, which is consumed. */
static bool next_member(struct jsonp *p, char closing)
{
    if (p->problem != NULL)
        return false;
    skip_space(p);
    if (p->at < p->end && *p->at == closing) {
        p->at++;
        p->depth--;
        p->first = false;
        return false;
    }
    if (!p->first) {
        if (p->at == p->end || *p->at != ',')
            return jsonp_refuse(p, "comma or closing bracket expected");
        p->at++;
    }
    p->first = false;
    return true;
}

bool jsonp_next_element(struct jsonp *p)
{
    if (!next_member(p, ']'))
        return false;
    return jsonp_peek(p) != JSONP_NONE || jsonp_refuse(p, "value expected");
}

/* ---- strings ---- */

/* Four hex digits at p->at, which goes on behind them; -1 when they are not. */
static int32_t take_hex4(struct jsonp *p)
{
    int32_t value = 0;
    if (p->end - p->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p->at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    p->at += 4;
    return value;
}

/* Code point of the escape "uXXXX" whose digits p->at points at, with its second half; -1 when broken. */
static int32_t take_code_point(struct jsonp *p)
{
    int32_t lone = p->mends ? 0xFFFD : -1;
    int32_t high = take_hex4(p);
    if (high < 0xD800 || high > 0xDFFF)
        return high;
    if (high > 0xDBFF || p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
        return lone;
    char *second = p->at;
    p->at += 2;
    int32_t low = take_hex4(p);
    if (low >= 0xDC00 && low <= 0xDFFF)
        return 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
    p->at = second;
    return lone;
}

/* Undoes the escape that p->at points behind the backslash of; `into` has room for 4 bytes. Returns how many
 * it is, 0 when broken. */
static size_t take_escape(struct jsonp *p, char into[static 4])
{
    static const char FROM[] = "\"\\/bfnrt";
    static const char INTO[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end)
        return 0;
    char c = *p->at++;
    if (c == 'u') {
        int32_t code = take_code_point(p);
        return code < 0 ? 0 : (size_t)(utf8_put(into, (uint32_t)code) - into);
    }
    const char *found = c != '\0' ? strchr(FROM, c) : NULL;
    if (found == NULL)
        return 0;
    into[0] = INTO[found - FROM];
    return 1;
}

/* Bytes from p->at that stand for themselves; 0 at a quote, an escape, an error or the end. */
static size_t plain_bytes(struct jsonp *p)
{
    size_t left = (size_t)(p->end - p->at);
    size_t run = left > 0 && *p->at != '\\' ? utf8_plain_run(p->at, left) : 0;
    if (run > 0 || left == 0 || (unsigned char)*p->at < 0x80)
        return run;
    run = utf8_len(p->at, left);
    if (run == 0)
        (void)jsonp_refuse(p, "string is not UTF-8");
    return run;
}

/* memmove() towards the start. Between escapes runs are short, and a call would cost more than the bytes. */
static inline void move_back(char *to, const char *from, size_t len)
{
    if (len > 16) {
        memmove(to, from, len);
        return;
    }
    for (size_t i = 0; i < len; i++)
        to[i] = from[i];
}

/* Passes over a string. With ret_text it is unescaped where it stands, else left as it is. An escape is never
 * shorter than what it stands for, so writing stays behind reading. */
static bool take_string(struct jsonp *p, char **ret_text, size_t *ret_len)
{
    if (!expect(p, JSONP_STRING, "string expected"))
        return false;
    char *text = ++p->at;
    char *to = text;
    for (;;) {
        char unescaped[4];
        const char *from = p->at;
        size_t run = plain_bytes(p);
        p->at += run;
        if (run == 0) {
            if (p->at == p->end)
                return jsonp_refuse(p, "string without end");
            char c = *p->at++;
            if (c == '"')
                break;
            if (c != '\\')
                return jsonp_refuse(p, "control character in a string");
            from = unescaped;
            run = take_escape(p, unescaped);
            if (run == 0)
                return jsonp_refuse(p, "bad escape in a string");
        }
        if (ret_text != NULL && to != from)
            move_back(to, from, run);
        to += run;
    }
    if (ret_text == NULL)
        return true;
    *to = '\0'; /* at the closing quote or before it */
    *ret_text = text;
    *ret_len = (size_t)(to - text);
    return true;
}

bool jsonp_string(struct jsonp *p, const char **ret_text, size_t *ret_len)
{
    char *text = NULL;
    if (!take_string(p, &text, ret_len))
        return false;
    *ret_text = text;
    return true;
}

/* ---- keys ---- */

static bool take_colon(struct jsonp *p)
{
    skip_space(p);
    if (p->at == p->end || *p->at != ':')
        return jsonp_refuse(p, "colon expected");
    p->at++;
    return true;
}

bool jsonp_next_key(struct jsonp *p, const char **ret_key)
{
    char *key = NULL;
    size_t len = 0;
    if (!next_member(p, '}') || !take_string(p, &key, &len))
        return false;
    if (memchr(key, '\0', len) != NULL)
        return jsonp_refuse(p, "NUL in a key");
    *ret_key = key;
    return take_colon(p);
}

/* ---- other values ---- */

static bool is_digit(const struct jsonp *p)
{
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

static bool take_digits(struct jsonp *p)
{
    if (!is_digit(p))
        return false;
    while (is_digit(p))
        p->at++;
    return true;
}

/* Passes over a number; *ret_whole says that it has neither fraction nor exponent. */
static bool take_number(struct jsonp *p, bool *ret_whole)
{
    *ret_whole = true;
    p->at += *p->at == '-';
    bool zero = is_digit(p) && *p->at == '0';
    if (zero)
        p->at++;
    else if (!take_digits(p))
        return jsonp_refuse(p, "bad number");
    if (zero && is_digit(p))
        return jsonp_refuse(p, "number with leading zero");
    if (p->at < p->end && *p->at == '.') {
        p->at++;
        *ret_whole = false;
        if (!take_digits(p))
            return jsonp_refuse(p, "bad number");
    }
    if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
        p->at++;
        *ret_whole = false;
        if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
            p->at++;
        if (!take_digits(p))
            return jsonp_refuse(p, "bad number");
    }
    return true;
}

bool jsonp_int(struct jsonp *p, int64_t *ret_value)
{
    bool whole = false;
    if (!expect(p, JSONP_NUMBER, "number expected"))
        return false;
    const char *digit = p->at;
    if (!take_number(p, &whole))
        return false;
    if (!whole)
        return jsonp_refuse(p, "whole number expected");
    bool negative = *digit == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t value = 0;
    for (digit += negative; digit < p->at; digit++) {
        uint64_t d = (uint64_t)(*digit - '0');
        if (value > (limit - d) / 10)
            return jsonp_refuse(p, "number too large");
        value = value * 10 + d;
    }
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool jsonp_double(struct jsonp *p, double *ret_value)
{
    char digits[JSONP_DOUBLE_CHARS_MAX + 1];
    bool whole = false;
    if (!expect(p, JSONP_NUMBER, "number expected"))
        return false;
    const char *start = p->at;
    if (!take_number(p, &whole))
        return false;
    size_t len = (size_t)(p->at - start);
    if (len >= sizeof digits)
        return jsonp_refuse(p, "number too long");
    memcpy(digits, start, len);
    digits[len] = '\0';
    double value = strtod(digits, NULL);
    if (!isfinite(value))
        return jsonp_refuse(p, "number too large");
    *ret_value = value;
    return true;
}

static bool take_word(struct jsonp *p, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return jsonp_refuse(p, "bad word");
    p->at += len;
    return true;
}

bool jsonp_bool(struct jsonp *p, bool *ret_value)
{
    if (!expect(p, JSONP_BOOL, "true or false expected"))
        return false;
    bool value = *p->at == 't';
    if (!take_word(p, value ? "true" : "false"))
        return false;
    *ret_value = value;
    return true;
}

bool jsonp_null(struct jsonp *p)
{
    return jsonp_peek(p) == JSONP_NULL && take_word(p, "null");
}

static bool skip_scalar(struct jsonp *p)
{
    bool flag = false;
    switch (jsonp_peek(p)) {
    case JSONP_STRING:
        return take_string(p, NULL, NULL);
    case JSONP_NUMBER:
        return take_number(p, &flag);
    case JSONP_BOOL:
        return jsonp_bool(p, &flag);
    case JSONP_NULL:
        return take_word(p, "null");
    default:
        return jsonp_refuse(p, "value expected");
    }
}

/* Goes on to the next member of an object or array that is skipped, behind its key if it has one. */
static bool skip_to_member(struct jsonp *p, bool is_object)
{
    if (!is_object)
        return jsonp_next_element(p);
    return next_member(p, '}') && take_string(p, NULL, NULL) && take_colon(p);
}

bool jsonp_skip(struct jsonp *p)
{
    _Static_assert(JSONP_DEPTH_MAX <= 64, "one bit per level");
    uint64_t objects = 0; /* the lowest bit: the innermost open one is an object */
    int outside = p->depth;
    do {
        enum jsonp_type type = jsonp_peek(p);
        if (type != JSONP_OBJECT && type != JSONP_ARRAY) {
            (void)skip_scalar(p);
        } else if (enter(p)) {
            objects = objects << 1 | (type == JSONP_OBJECT);
        }
        while (p->depth > outside && !skip_to_member(p, (objects & 1) != 0)) {
            if (p->problem != NULL)
                return false;
            objects >>= 1;
        }
    } while (p->depth > outside && p->problem == NULL);
    return p->problem == NULL;
}

bool jsonp_raw(struct jsonp *p, char **ret_text, size_t *ret_len)
{
    skip_space(p);
    char *text = p->at;
    if (!jsonp_skip(p))
        return false;
    *ret_text = text;
    *ret_len = (size_t)(p->at - text);
    return true;
}

bool jsonp_finish(struct jsonp *p)
{
    if (p->problem != NULL)
        return false;
    skip_space(p);
    if (p->depth > 0)
        return jsonp_refuse(p, "object or array without end");
    return p->at == p->end || jsonp_refuse(p, "text behind the value");
}

const char *jsonp_problem(const struct jsonp *p, size_t *ret_offset)
{
    *ret_offset = (size_t)(p->at - p->start);
    return p->problem != NULL ? p->problem : "";
}

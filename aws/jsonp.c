/* The in-place JSON pull parser; see jsonp.h. */
#include "aws/jsonp.h"

#include <string.h>

struct jsonp jsonp_start(char *text, size_t len)
{
    static char nothing[1];
    if (text == NULL)
        text = nothing; /* an empty buffer */
    return (struct jsonp){.start = text, .at = text, .end = text + len, .first = true};
}

static bool fail(struct jsonp *p, const char *problem)
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
    return jsonp_peek(p) == type || fail(p, problem);
}

static bool enter(struct jsonp *p)
{
    if (p->depth == JSONP_DEPTH_MAX)
        return fail(p, "nested too deep");
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
            return fail(p, "comma or closing bracket expected");
        p->at++;
    }
    p->first = false;
    return true;
}

bool jsonp_next_element(struct jsonp *p)
{
    if (!next_member(p, ']'))
        return false;
    return jsonp_peek(p) != JSONP_NONE || fail(p, "value expected");
}

bool jsonp_next_key(struct jsonp *p, const char **ret_key)
{
    size_t len = 0;
    if (!next_member(p, '}') || !jsonp_string(p, ret_key, &len))
        return false;
    if (strlen(*ret_key) != len)
        return fail(p, "NUL in a key");
    skip_space(p);
    if (p->at == p->end || *p->at != ':')
        return fail(p, "colon expected");
    p->at++;
    return true;
}

/* ---- strings ---- */

/* Length of the well-formed UTF-8 sequence at s, which starts with a byte >= 0x80, or 0. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    size_t len = 0;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        len = 2;
    else if (s[0] >= 0xE0 && s[0] <= 0xEF)
        len = 3;
    else if (s[0] >= 0xF0 && s[0] <= 0xF4)
        len = 4;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool outside = (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
    return overlong || outside ? 0 : len;
}

/* Bytes from the start that are plain ASCII, neither quote, backslash nor control: eight at a time, since
 * nearly all of a reply is such text. */
static size_t plain_run(const char *text, size_t len)
{
    static const uint64_t ONES = 0x0101010101010101U;
    static const uint64_t HIGH = 0x8080808080808080U;
    size_t at = 0;
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        uint64_t quote = word ^ (ONES * '"');
        uint64_t slash = word ^ (ONES * '\\');
        uint64_t special = ((word - ONES * 0x20) | (quote - ONES) | (slash - ONES) | word) & HIGH;
        if (special == 0)
            continue;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        /* A subtraction borrows only from bytes that are special themselves, so the lowest mark is true. */
        return at + (size_t)__builtin_ctzll(special) / 8;
#else
        break;
#endif
    }
    while (at < len && (unsigned char)text[at] >= 0x20 && (unsigned char)text[at] < 0x80 && text[at] != '"' &&
           text[at] != '\\')
        at++;
    return at;
}

bool jsonp_is_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t run = plain_run(text + i, len - i);
        if (run == 0)
            run = (unsigned char)text[i] < 0x80 ? 1 : utf8_len((const unsigned char *)text + i, len - i);
        if (run == 0)
            return false;
        i += run;
    }
    return true;
}

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
    int32_t high = take_hex4(p);
    if (high < 0xD800 || high > 0xDFFF)
        return high;
    if (high > 0xDBFF || p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
        return -1;
    p->at += 2;
    int32_t low = take_hex4(p);
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    return 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | (code >> 6));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | (code >> 12));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | (code >> 18));
        *to++ = (char)(0x80 | ((code >> 12) & 0x3F));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

/* Undoes the escape that p->at points behind the backslash of. Returns where the text goes on, NULL when
 * broken. An escape is never shorter than what it stands for, so writing stays behind reading. */
static char *unescape(struct jsonp *p, char *to)
{
    static const char FROM[] = "\"\\/bfnrt";
    static const char INTO[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end)
        return NULL;
    char c = *p->at++;
    if (c == 'u') {
        int32_t code = take_code_point(p);
        return code < 0 ? NULL : put_utf8(to, (uint32_t)code);
    }
    const char *found = c != '\0' ? strchr(FROM, c) : NULL;
    if (found == NULL)
        return NULL;
    *to++ = INTO[found - FROM];
    return to;
}

bool jsonp_string(struct jsonp *p, const char **ret_text, size_t *ret_len)
{
    if (!expect(p, JSONP_STRING, "string expected"))
        return false;
    char *text = ++p->at;
    char *to = text;
    for (;;) {
        size_t left = (size_t)(p->end - p->at);
        size_t run = plain_run(p->at, left);
        if (run == 0 && left > 0 && (unsigned char)*p->at >= 0x80) {
            run = utf8_len((const unsigned char *)p->at, left);
            if (run == 0)
                return fail(p, "string is not UTF-8");
        }
        if (run > 0) {
            if (to != p->at)
                memmove(to, p->at, run);
            to += run;
            p->at += run;
            continue;
        }
        if (left == 0)
            return fail(p, "string without end");
        char c = *p->at++;
        if (c == '"')
            break;
        if (c != '\\')
            return fail(p, "control character in a string");
        to = unescape(p, to);
        if (to == NULL)
            return fail(p, "bad escape in a string");
    }
    *to = '\0'; /* at the closing quote or before it */
    *ret_text = text;
    *ret_len = (size_t)(to - text);
    return true;
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
        return fail(p, "bad number");
    if (zero && is_digit(p))
        return fail(p, "number with leading zero");
    if (p->at < p->end && *p->at == '.') {
        p->at++;
        *ret_whole = false;
        if (!take_digits(p))
            return fail(p, "bad number");
    }
    if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
        p->at++;
        *ret_whole = false;
        if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
            p->at++;
        if (!take_digits(p))
            return fail(p, "bad number");
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
        return fail(p, "whole number expected");
    bool negative = *digit == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t value = 0;
    for (digit += negative; digit < p->at; digit++) {
        uint64_t d = (uint64_t)(*digit - '0');
        if (value > (limit - d) / 10)
            return fail(p, "number too large");
        value = value * 10 + d;
    }
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static bool take_word(struct jsonp *p, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return fail(p, "bad word");
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

bool jsonp_skip(struct jsonp *p)
{
    const char *text = NULL;
    size_t len = 0;
    bool flag = false;
    switch (jsonp_peek(p)) {
    case JSONP_OBJECT:
        (void)jsonp_object(p);
        while (jsonp_next_key(p, &text))
            (void)jsonp_skip(p);
        return p->problem == NULL;
    case JSONP_ARRAY:
        (void)jsonp_array(p);
        while (jsonp_next_element(p))
            (void)jsonp_skip(p);
        return p->problem == NULL;
    case JSONP_STRING:
        return jsonp_string(p, &text, &len);
    case JSONP_NUMBER:
        return take_number(p, &flag);
    case JSONP_BOOL:
        return jsonp_bool(p, &flag);
    case JSONP_NULL:
        return take_word(p, "null");
    case JSONP_NONE:
        break;
    }
    return fail(p, "value expected");
}

bool jsonp_finish(struct jsonp *p)
{
    if (p->problem != NULL)
        return false;
    skip_space(p);
    if (p->depth > 0)
        return fail(p, "object or array without end");
    return p->at == p->end || fail(p, "text behind the value");
}

const char *jsonp_problem(const struct jsonp *p, size_t *ret_offset)
{
    *ret_offset = (size_t)(p->at - p->start);
    return p->problem != NULL ? p->problem : "";
}

/* JSON scanner for message bodies; see jsonscan.h. */
#include "worker/jsonscan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct scan {
    const char *start, *at, *end;
    struct err *err;
    char stack[JSONSCAN_DEPTH_MAX]; /* '{' or '[' of each open container */
    int depth;
};

static int wrong(const struct scan *s, const char *want)
{
    return err_set(s->err, "byte %zu: want %s", (size_t)(s->at - s->start), want);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && is_space(*s->at))
        s->at++;
}

static bool take(struct scan *s, char c)
{
    if (s->at >= s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static int scan_escape(struct scan *s)
{
    if (s->at >= s->end)
        return wrong(s, "an escape");
    char c = *s->at++;
    if (c != 'u')
        return strchr("\"\\/bfnrt", c) != NULL && c != '\0' ? 0 : wrong(s, "a known escape");
    for (int i = 0; i < 4; i++, s->at++)
        if (s->at >= s->end || !is_hex(*s->at))
            return wrong(s, "four hex digits");
    return 0;
}

static int scan_string(struct scan *s)
{
    if (!take(s, '"'))
        return wrong(s, "a string");
    while (s->at < s->end) {
        unsigned char c = (unsigned char)*s->at++;
        if (c == '"')
            return 0;
        if (c < 0x20)
            return wrong(s, "no control character in a string");
        if (c == '\\' && scan_escape(s) != 0)
            return -1;
    }
    return wrong(s, "the end of the string");
}

static int scan_digits(struct scan *s)
{
    if (s->at >= s->end || !is_digit(*s->at))
        return wrong(s, "a digit");
    while (s->at < s->end && is_digit(*s->at))
        s->at++;
    return 0;
}

static int scan_number(struct scan *s)
{
    (void)take(s, '-');
    if (!take(s, '0') && scan_digits(s) != 0)
        return -1;
    if (take(s, '.') && scan_digits(s) != 0)
        return -1;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            (void)take(s, '-');
        return scan_digits(s);
    }
    return 0;
}

static int scan_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return wrong(s, "a value");
    s->at += len;
    return 0;
}

static int scan_scalar(struct scan *s)
{
    switch (s->at < s->end ? *s->at : '\0') {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (s->at < s->end && (*s->at == '-' || is_digit(*s->at)))
            return scan_number(s);
        return wrong(s, "a value");
    }
}

static int scan_key(struct scan *s)
{
    skip_space(s);
    if (scan_string(s) != 0)
        return -1;
    skip_space(s);
    return take(s, ':') ? 0 : wrong(s, "':'");
}

/* Scans one value. A container is opened and 1 returned when it is not empty: its first value comes next. */
static int scan_value(struct scan *s)
{
    skip_space(s);
    char open = s->at < s->end ? *s->at : '\0';
    if (open != '{' && open != '[')
        return scan_scalar(s);
    if (s->depth == JSONSCAN_DEPTH_MAX)
        return wrong(s, "less nesting");
    s->at++;
    skip_space(s);
    if (take(s, open == '{' ? '}' : ']'))
        return 0;
    s->stack[s->depth++] = open;
    if (open == '{' && scan_key(s) != 0)
        return -1;
    return 1;
}

/* After a value: closes what ends here and moves to the next value (returns 1), or says that the text is over
 * (0). */
static int scan_after_value(struct scan *s)
{
    while (s->depth > 0) {
        bool object = s->stack[s->depth - 1] == '{';
        skip_space(s);
        if (take(s, ','))
            return object && scan_key(s) != 0 ? -1 : 1;
        if (!take(s, object ? '}' : ']'))
            return wrong(s, object ? "',' or '}'" : "',' or ']'");
        s->depth--;
    }
    return 0;
}

/* Of a validated value that starts at `at`: its slice, and where the text goes on. */
static const char *slice_value(const char *at, struct jsonscan_slice *value);

int jsonscan_validate(const char *text, size_t len, struct jsonscan_slice *ret_root, struct err *err)
{
    struct scan s = {.start = text, .at = text, .end = text + len, .err = err};
    int more = 1;
    while (more > 0) {
        more = scan_value(&s);
        if (more == 0)
            more = scan_after_value(&s);
    }
    if (more < 0)
        return -1;
    skip_space(&s);
    if (s.at != s.end)
        return wrong(&s, "nothing after the value");
    while (is_space(*text))
        text++;
    (void)slice_value(text, ret_root);
    return 0;
}

/* ---- walking validated text: no bounds to check, every construct is known to end ---- */

/* `at` is behind the opening quote; returns the closing one. */
static const char *string_end(const char *at)
{
    while (*at != '"')
        at += *at == '\\' ? 2 : 1;
    return at;
}

static const char *container_end(const char *at)
{
    int depth = 0;
    for (;; at++) {
        if (*at == '"')
            at = string_end(at + 1);
        else if (*at == '{' || *at == '[')
            depth++;
        else if ((*at == '}' || *at == ']') && --depth == 0)
            return at + 1;
    }
}

static enum jsonscan_type type_of(char first)
{
    switch (first) {
    case '{':
        return JSONSCAN_OBJECT;
    case '[':
        return JSONSCAN_ARRAY;
    case '"':
        return JSONSCAN_STRING;
    case 't':
        return JSONSCAN_TRUE;
    case 'f':
        return JSONSCAN_FALSE;
    case 'n':
        return JSONSCAN_NULL;
    default:
        return JSONSCAN_NUMBER;
    }
}

static const char *slice_value(const char *at, struct jsonscan_slice *value)
{
    const char *end = at;
    value->type = type_of(*at);
    value->text = at;
    if (value->type == JSONSCAN_STRING) {
        end = string_end(at + 1);
        value->text = at + 1;
        value->len = (size_t)(end - value->text);
        return end + 1;
    }
    if (value->type == JSONSCAN_OBJECT || value->type == JSONSCAN_ARRAY)
        end = container_end(at);
    else if (value->type == JSONSCAN_NUMBER)
        end += strspn(at, "+-.0123456789eE");
    else
        end += value->type == JSONSCAN_FALSE ? 5 : 4;
    value->len = (size_t)(end - at);
    return end;
}

static const char *after_space(const char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

bool jsonscan_next(const struct jsonscan_slice *container, const char **cursor, struct jsonscan_slice *key,
                   struct jsonscan_slice *value)
{
    const char *at = after_space(*cursor == NULL ? container->text + 1 : *cursor);
    if (*at == ',')
        at = after_space(at + 1);
    if (*at == '}' || *at == ']')
        return false;
    if (container->type == JSONSCAN_OBJECT) {
        struct jsonscan_slice name;
        at = after_space(slice_value(at, &name));
        at = after_space(at + 1); /* the colon */
        if (key != NULL)
            *key = name;
    }
    *cursor = slice_value(at, value);
    return true;
}

bool jsonscan_equals(const struct jsonscan_slice *slice, const char *literal)
{
    if (slice->type != JSONSCAN_STRING)
        return false;
    size_t len = strlen(literal);
    if (memchr(slice->text, '\\', slice->len) == NULL)
        return slice->len == len && memcmp(slice->text, literal, len) == 0;
    struct strbuf decoded = STRBUF_INIT;
    jsonscan_decode(slice, &decoded);
    bool same = decoded.len == len && memcmp(strbuf_str(&decoded), literal, len) == 0;
    strbuf_clean_up(&decoded);
    return same;
}

static unsigned hex4(const char *at)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        unsigned digit = (unsigned)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
        value = value * 16 + digit;
    }
    return value;
}

static void append_utf8(struct strbuf *out, unsigned code)
{
    if (code < 0x80) {
        strbuf_append_char(out, (char)code);
    } else if (code < 0x800) {
        strbuf_append_char(out, (char)(0xC0 | code >> 6));
        strbuf_append_char(out, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        strbuf_append_char(out, (char)(0xE0 | code >> 12));
        strbuf_append_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
        strbuf_append_char(out, (char)(0x80 | (code & 0x3F)));
    } else {
        strbuf_append_char(out, (char)(0xF0 | code >> 18));
        strbuf_append_char(out, (char)(0x80 | (code >> 12 & 0x3F)));
        strbuf_append_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
        strbuf_append_char(out, (char)(0x80 | (code & 0x3F)));
    }
}

/* `at` is behind "\u"; appends the character, pairs of surrogates joined, and returns where the text goes on.
 */
static const char *decode_unicode(const char *at, const char *end, struct strbuf *out)
{
    unsigned code = hex4(at);
    at += 4;
    bool high = code >= 0xD800 && code <= 0xDBFF;
    if (high && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        unsigned low = hex4(at + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            append_utf8(out, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
            return at + 6;
        }
    }
    append_utf8(out, code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code);
    return at;
}

void jsonscan_decode(const struct jsonscan_slice *slice, struct strbuf *out)
{
    static const char LETTERS[] = "bfnrt", BYTES[] = "\b\f\n\r\t";
    const char *at = slice->text, *end = slice->text + slice->len;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *stop = escape != NULL ? escape : end;
        strbuf_append(out, at, (size_t)(stop - at));
        if (escape == NULL)
            return;
        char c = escape[1];
        at = escape + 2;
        const char *known = strchr(LETTERS, c);
        if (c == 'u')
            at = decode_unicode(at, end, out);
        else
            strbuf_append_char(out, known != NULL ? BYTES[known - LETTERS] : c);
    }
}

bool jsonscan_int64(const struct jsonscan_slice *slice, int64_t *ret_value)
{
    char digits[24];
    if (slice->type != JSONSCAN_NUMBER || slice->len >= sizeof digits)
        return false;
    memcpy(digits, slice->text, slice->len);
    digits[slice->len] = '\0';
    if (strpbrk(digits, ".eE") != NULL)
        return false;
    errno = 0;
    long long value = strtoll(digits, NULL, 10);
    if (errno != 0)
        return false;
    *ret_value = value;
    return true;
}

bool jsonscan_double(const struct jsonscan_slice *slice, double *ret_value)
{
    char digits[400];
    if (slice->type != JSONSCAN_NUMBER || slice->len >= sizeof digits)
        return false;
    memcpy(digits, slice->text, slice->len);
    digits[slice->len] = '\0';
    double value = strtod(digits, NULL);
    if (!isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

/* In-place JSON pull reader (RFC 8259); see jsonr.h. */
#include "localaws/jsonr.h"

#include <errno.h>
#include <stdlib.h>

void jsonr_init(struct jsonr *r, char *text, size_t len)
{
    *r = (struct jsonr){.at = text, .end = text + len, .error = NULL, .fresh = false};
}

static bool fail(struct jsonr *r, const char *why)
{
    if (r->error == NULL)
        r->error = why;
    return false;
}

static void skip_space(struct jsonr *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

char jsonr_peek(struct jsonr *r)
{
    skip_space(r);
    return r->error == NULL && r->at < r->end ? *r->at : '\0';
}

static bool take(struct jsonr *r, char c, const char *why)
{
    if (jsonr_peek(r) != c)
        return fail(r, why);
    r->at++;
    return true;
}

bool jsonr_object(struct jsonr *r)
{
    r->fresh = true;
    return take(r, '{', "an object was expected");
}

bool jsonr_array(struct jsonr *r)
{
    r->fresh = true;
    return take(r, '[', "an array was expected");
}

/* Common part of keys and items: true when one more follows. */
static bool more(struct jsonr *r, char closing)
{
    char c = jsonr_peek(r);
    if (c == closing) {
        r->at++;
        r->fresh = false;
        return false;
    }
    if (!r->fresh && !take(r, ',', "a comma or a closing bracket was expected"))
        return false;
    r->fresh = false;
    return r->error == NULL;
}

bool jsonr_key(struct jsonr *r, struct slice *key)
{
    return more(r, '}') && jsonr_string(r, key) && take(r, ':', "a colon was expected");
}

bool jsonr_item(struct jsonr *r)
{
    return more(r, ']');
}

static int hex4(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *to, int code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xC0 | (code >> 6));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | (code >> 12));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3F));
    } else {
        *to++ = (char)(0xF0 | (code >> 18));
        *to++ = (char)(0x80 | ((code >> 12) & 0x3F));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3F));
    }
    *to++ = (char)(0x80 | (code & 0x3F));
    return to;
}

/* \uXXXX at r->at (behind the 'u'), surrogate pairs joined; returns the end of what was written or NULL. */
static char *unescape_unicode(struct jsonr *r, char *to)
{
    int code = hex4(r->at, r->end);
    if (code < 0)
        return NULL;
    r->at += 4;
    if (code >= 0xD800 && code <= 0xDFFF) {
        int low = r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u' ? hex4(r->at + 2, r->end) : -1;
        if (code > 0xDBFF || low < 0xDC00 || low > 0xDFFF)
            return NULL;
        r->at += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return put_utf8(to, code);
}

/* One escape at r->at (behind the backslash). */
static char *unescape(struct jsonr *r, char *to)
{
    static const char FROM[] = "\"\\/bfnrt";
    static const char INTO[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->end)
        return NULL;
    char c = *r->at++;
    if (c == 'u')
        return unescape_unicode(r, to);
    const char *found = c == '\0' ? NULL : strchr(FROM, c);
    if (found == NULL)
        return NULL;
    *to++ = INTO[found - FROM];
    return to;
}

bool jsonr_string(struct jsonr *r, struct slice *text)
{
    r->fresh = false;
    if (!take(r, '"', "a string was expected"))
        return false;
    char *start = r->at;
    char *to = start;
    while (r->at < r->end) {
        char c = *r->at++;
        if (c == '"') {
            *text = (struct slice){.at = start, .len = (size_t)(to - start)};
            *to = '\0'; /* over the quote or before it */
            return true;
        }
        if ((unsigned char)c < 0x20)
            return fail(r, "a control character stands unescaped in a string");
        if (c != '\\') {
            *to++ = c;
            continue;
        }
        to = unescape(r, to);
        if (to == NULL)
            return fail(r, "a string holds an escape that is none");
    }
    return fail(r, "a string does not end");
}

/* The number at r->at as text; the grammar is checked, since strtod() takes more than JSON allows. */
static bool number_text(struct jsonr *r, char out[static 48], bool *is_whole)
{
    size_t len = 0;
    *is_whole = true;
    (void)jsonr_peek(r);
    while (r->at + len < r->end && r->at[len] != '\0' && strchr("+-.0123456789eE", r->at[len]) != NULL) {
        if (strchr(".eE", r->at[len]) != NULL)
            *is_whole = false;
        len++;
    }
    size_t digits = len > 0 && r->at[0] == '-' ? 1 : 0;
    bool bad =
        len == 0 || len >= 48 || digits >= len || r->at[digits] < '0' || r->at[digits] > '9' ||
        (r->at[digits] == '0' && digits + 1 < len && r->at[digits + 1] >= '0' && r->at[digits + 1] <= '9') ||
        r->at[len - 1] < '0' || r->at[len - 1] > '9';
    if (bad)
        return fail(r, "a number was expected");
    memcpy(out, r->at, len);
    out[len] = '\0';
    r->at += len;
    return true;
}

bool jsonr_int(struct jsonr *r, int64_t *value)
{
    char text[48];
    bool is_whole = false;
    r->fresh = false;
    if (!number_text(r, text, &is_whole))
        return false;
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (!is_whole || errno != 0 || *end != '\0')
        return fail(r, "a whole number was expected");
    *value = number;
    return true;
}

bool jsonr_double(struct jsonr *r, double *value)
{
    char text[48];
    bool is_whole = false;
    r->fresh = false;
    if (!number_text(r, text, &is_whole))
        return false;
    char *end = NULL;
    double number = strtod(text, &end);
    if (*end != '\0')
        return fail(r, "a number was expected");
    *value = number;
    return true;
}

static bool word(struct jsonr *r, const char *text)
{
    size_t len = strlen(text);
    (void)jsonr_peek(r);
    if (r->error != NULL || (size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
        return false;
    r->at += len;
    r->fresh = false;
    return true;
}

bool jsonr_bool(struct jsonr *r, bool *value)
{
    *value = word(r, "true");
    return *value || word(r, "false") || fail(r, "true or false was expected");
}

bool jsonr_null(struct jsonr *r)
{
    return word(r, "null");
}

static bool skip_scalar(struct jsonr *r)
{
    struct slice ignored_text;
    double ignored_number = 0;
    bool ignored_flag = false;
    switch (jsonr_peek(r)) {
    case '"':
        return jsonr_string(r, &ignored_text);
    case 't':
    case 'f':
        return jsonr_bool(r, &ignored_flag);
    case 'n':
        return jsonr_null(r) || fail(r, "a value was expected");
    default:
        return jsonr_double(r, &ignored_number);
    }
}

static bool skip_value(struct jsonr *r, int depth)
{
    struct slice key;
    if (depth > JSONR_DEPTH_MAX)
        return fail(r, "values are nested too deep");
    if (jsonr_peek(r) == '{') {
        (void)jsonr_object(r);
        while (jsonr_key(r, &key))
            (void)skip_value(r, depth + 1);
        return r->error == NULL;
    }
    if (jsonr_peek(r) == '[') {
        (void)jsonr_array(r);
        while (jsonr_item(r))
            (void)skip_value(r, depth + 1);
        return r->error == NULL;
    }
    return skip_scalar(r);
}

bool jsonr_skip(struct jsonr *r)
{
    return skip_value(r, 0);
}

bool jsonr_end(struct jsonr *r)
{
    skip_space(r);
    if (r->error == NULL && r->at != r->end)
        return fail(r, "text follows the value");
    return r->error == NULL;
}

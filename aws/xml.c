/* Pull reader for the XML of Query services; see xml.h. */
#include "aws/xml.h"

#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

struct xml xml_start(char *text, size_t len)
{
    struct xml x = {.at = text, .end = text + len, .text = ""};
    if (len > XML_BYTES_MAX)
        x.problem = "the text is too long";
    else if (memchr(text, '\0', len) != NULL)
        x.problem = "a NUL in the text";
    return x;
}

static enum xml_event fail(struct xml *x, const char *problem)
{
    if (x->problem == NULL)
        x->problem = problem;
    return XML_ERROR;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_char(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
    return letter || (!first && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

static void skip_space(struct xml *x)
{
    while (x->at < x->end && is_space(*x->at))
        x->at++;
}

static bool take(struct xml *x, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(x->end - x->at) < len || memcmp(x->at, text, len) != 0)
        return false;
    x->at += len;
    return true;
}

static bool take_name(struct xml *x, struct xml_name *ret_name)
{
    const char *start = x->at;
    while (x->at < x->end && is_name_char(*x->at, x->at == start))
        x->at++;
    *ret_name = (struct xml_name){start, (size_t)(x->at - start)};
    return ret_name->len > 0;
}

/* ---- text ---- */

/* "#38" or "#x26"; 0 when it is no character that XML allows. */
static uint32_t reference_code(const char *text, size_t len)
{
    uint32_t base = len > 1 && text[1] == 'x' ? 16 : 10;
    uint32_t code = 0;
    size_t at = base == 16 ? 2 : 1;
    if (at >= len)
        return 0;
    for (; at < len; at++) {
        char c = text[at];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 99;
        if (digit >= base)
            return 0;
        code = code * base + digit;
        if (code > 0x10FFFF)
            return 0;
    }
    bool allowed = code >= 0x20 || code == '\t' || code == '\n' || code == '\r';
    return allowed && !(code >= 0xD800 && code <= 0xDFFF) ? code : 0;
}

/* The character of "&name;" or "&#code;"; 0: none. */
static uint32_t entity_code(const char *name, size_t len)
{
    static const struct {
        const char *name;
        uint32_t code;
    } NAMES[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    if (len > 0 && name[0] == '#')
        return reference_code(name, len);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strlen(NAMES[i].name) == len && memcmp(NAMES[i].name, name, len) == 0)
            return NAMES[i].code;
    return 0;
}

/* Resolves entities from start up to end, in place, and ends the text with a NUL (end is writable). A
 * reference is never shorter than its character. */
static bool resolve(char *start, char *end)
{
    char *to = start;
    for (char *from = start; from < end;) {
        if (*from != '&') {
            *to++ = *from++;
            continue;
        }
        char *semicolon = memchr(from, ';', (size_t)(end - from));
        uint32_t code = semicolon != NULL ? entity_code(from + 1, (size_t)(semicolon - from - 1)) : 0;
        if (code == 0)
            return false;
        to = utf8_put(to, code);
        from = semicolon + 1;
    }
    *to = '\0';
    return true;
}

/* ---- tags ---- */

/* ` name="value"` as often as it comes. */
static bool pass_attributes(struct xml *x)
{
    struct xml_name name;
    for (;;) {
        bool spaced = x->at < x->end && is_space(*x->at);
        skip_space(x);
        if (x->at >= x->end || *x->at == '>' || *x->at == '/')
            return true;
        if (!spaced || !take_name(x, &name))
            return false;
        skip_space(x);
        if (!take(x, "="))
            return false;
        skip_space(x);
        if (x->at >= x->end || (*x->at != '"' && *x->at != '\''))
            return false;
        char *close = memchr(x->at + 1, *x->at, (size_t)(x->end - x->at - 1));
        if (close == NULL || memchr(x->at, '<', (size_t)(close - x->at)) != NULL)
            return false;
        x->at = close + 1;
    }
}

/* Behind '<' of an opening tag. */
static enum xml_event open_tag(struct xml *x)
{
    struct xml_name name;
    if (x->depth == 0 && x->had_root)
        return fail(x, "more than one root element");
    if (x->depth == XML_DEPTH_MAX)
        return fail(x, "elements too deep");
    if (!take_name(x, &name) || !pass_attributes(x))
        return fail(x, "a tag that is none");
    x->empty_element = take(x, "/");
    if (!take(x, ">"))
        return fail(x, "a tag that is none");
    x->had_root = true;
    x->open[x->depth++] = name;
    x->text_start = x->at;
    return XML_OPEN;
}

static enum xml_event close_element(struct xml *x, char *text_end)
{
    x->text = "";
    if (x->text_start != NULL && x->text_start < text_end) {
        if (!resolve(x->text_start, text_end))
            return fail(x, "an entity that is none of XML's own");
        x->text = x->text_start;
    }
    x->text_start = NULL;
    x->closing = true;
    return XML_CLOSE;
}

/* Behind "</"; `tag` is where that stands. */
static enum xml_event close_tag(struct xml *x, char *tag)
{
    struct xml_name name;
    if (x->depth == 0 || !take_name(x, &name))
        return fail(x, "a closing tag that closes nothing");
    const struct xml_name *open = &x->open[x->depth - 1];
    if (name.len != open->len || memcmp(name.text, open->text, name.len) != 0)
        return fail(x, "a closing tag for another element");
    skip_space(x);
    if (!take(x, ">"))
        return fail(x, "a tag that is none");
    return close_element(x, tag);
}

enum xml_event xml_next(struct xml *x)
{
    if (x->problem != NULL)
        return XML_ERROR;
    if (x->closing) {
        x->closing = false;
        x->depth--;
    }
    if (x->empty_element) {
        x->empty_element = false;
        return close_element(x, x->text_start);
    }
    if (!x->had_root && take(x, "<?xml")) {
        char *close = memmem(x->at, (size_t)(x->end - x->at), "?>", 2);
        if (close == NULL)
            return fail(x, "an XML declaration without end");
        x->at = close + 2;
    }
    char *text = x->at;
    while (x->at < x->end && *x->at != '<')
        x->at++;
    if (x->text_start == NULL)
        for (; text < x->at; text++)
            if (!is_space(*text))
                return fail(x, "text between elements");
    if (x->at == x->end)
        return x->depth == 0 && x->had_root ? XML_END : fail(x, "the text is cut short");
    char *tag = x->at++;
    if (x->at < x->end && *x->at == '/') {
        x->at++;
        return close_tag(x, tag);
    }
    for (char *at = x->text_start; at != NULL && at < tag; at++)
        if (!is_space(*at))
            return fail(x, "text between elements");
    return open_tag(x);
}

bool xml_is(const struct xml *x, const char *parent, const char *name)
{
    const struct xml_name *n = x->depth > 0 ? &x->open[x->depth - 1] : NULL;
    const struct xml_name *p = x->depth > 1 ? &x->open[x->depth - 2] : NULL;
    if (n == NULL || strlen(name) != n->len || memcmp(name, n->text, n->len) != 0)
        return false;
    return parent == NULL || (p != NULL && strlen(parent) == p->len && memcmp(parent, p->text, p->len) == 0);
}

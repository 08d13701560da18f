/* Streaming JSON writer. */
#include "base/jsonw.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void before_value(struct jsonw *w)
{
    if (w->need_comma)
        strbuf_append_char(w->out, ',');
    w->need_comma = true;
}

static void open_with(struct jsonw *w, char bracket)
{
    before_value(w);
    strbuf_append_char(w->out, bracket);
    w->need_comma = false;
}

static void close_with(struct jsonw *w, char bracket)
{
    strbuf_append_char(w->out, bracket);
    w->need_comma = true;
}

void jsonw_object(struct jsonw *w)
{
    open_with(w, '{');
}

void jsonw_end_object(struct jsonw *w)
{
    close_with(w, '}');
}

void jsonw_array(struct jsonw *w)
{
    open_with(w, '[');
}

void jsonw_end_array(struct jsonw *w)
{
    close_with(w, ']');
}

void jsonw_key(struct jsonw *w, const char *key)
{
    before_value(w);
    strbuf_append_char(w->out, '"');
    strbuf_append_str(w->out, key);
    strbuf_append(w->out, "\":", 2);
    w->need_comma = false;
}

static void append_escape(struct strbuf *out, unsigned char c)
{
    static const char SHORT[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    for (size_t i = 0; SHORT[i] != '\0'; i += 2) {
        if ((unsigned char)SHORT[i] == c) {
            strbuf_append_char(out, '\\');
            strbuf_append_char(out, SHORT[i + 1]);
            return;
        }
    }
    strbuf_appendf(out, "\\u%04x", c);
}

void jsonw_strn(struct jsonw *w, const char *text, size_t len)
{
    before_value(w);
    strbuf_append_char(w->out, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        size_t run = utf8_plain_run(text + i, len - i);
        if (run == 0 && c >= 0x80)
            run = utf8_len(text + i, len - i);
        if (run > 0) {
            strbuf_append(w->out, text + i, run);
            i += run;
            continue;
        }
        if (c >= 0x80)
            strbuf_append(w->out, "\xEF\xBF\xBD", 3);
        else
            append_escape(w->out, c);
        i++;
    }
    strbuf_append_char(w->out, '"');
}

void jsonw_key_any(struct jsonw *w, const char *key)
{
    jsonw_str(w, key);
    strbuf_append_char(w->out, ':');
    w->need_comma = false;
}

void jsonw_str(struct jsonw *w, const char *text)
{
    if (text == NULL)
        jsonw_null(w);
    else
        jsonw_strn(w, text, strlen(text));
}

void jsonw_raw(struct jsonw *w, const char *json, size_t len)
{
    before_value(w);
    strbuf_append(w->out, json, len);
}

void jsonw_int(struct jsonw *w, int64_t value)
{
    before_value(w);
    strbuf_appendf(w->out, "%" PRId64, value);
}

void jsonw_double(struct jsonw *w, double value)
{
    if (!isfinite(value)) {
        jsonw_null(w);
        return;
    }
    before_value(w);
    strbuf_appendf(w->out, "%.17g", value);
}

void jsonw_bool(struct jsonw *w, bool value)
{
    before_value(w);
    strbuf_append_str(w->out, value ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
    before_value(w);
    strbuf_append_str(w->out, "null");
}

void jsonw_key_str(struct jsonw *w, const char *key, const char *text)
{
    jsonw_key(w, key);
    jsonw_str(w, text);
}

void jsonw_key_int(struct jsonw *w, const char *key, int64_t value)
{
    jsonw_key(w, key);
    jsonw_int(w, value);
}

void jsonw_key_double(struct jsonw *w, const char *key, double value)
{
    jsonw_key(w, key);
    jsonw_double(w, value);
}

void jsonw_key_bool(struct jsonw *w, const char *key, bool value)
{
    jsonw_key(w, key);
    jsonw_bool(w, value);
}

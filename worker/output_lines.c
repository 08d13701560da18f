/* Program output as log lines; see output_lines.h. */
#include "worker/output_lines.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- rate ---- */

void output_rate_init(struct output_rate *rate, int64_t per_s)
{
    *rate = (struct output_rate){.per_s = per_s};
    (void)pthread_mutex_init(&rate->lock, NULL);
}

void output_rate_clean_up(struct output_rate *rate)
{
    (void)pthread_mutex_destroy(&rate->lock);
}

bool output_rate_take(struct output_rate *rate, int64_t now_ms)
{
    (void)pthread_mutex_lock(&rate->lock);
    if (rate->second != now_ms / 1000) {
        rate->second = now_ms / 1000;
        rate->taken = 0;
    }
    bool free = rate->taken < rate->per_s;
    rate->taken += free;
    (void)pthread_mutex_unlock(&rate->lock);
    return free;
}

/* ---- text ---- */

void output_append_safe(struct strbuf *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)bytes[i];
        size_t run = utf8_len(bytes + i, len - i);
        bool c1 = run == 2 && c == 0xC2 && (unsigned char)bytes[i + 1] < 0xA0;
        if (c == '\t')
            strbuf_append_char(out, ' ');
        else if (run == 0 || c < ' ' || c == 0x7f || c1)
            strbuf_append_str(out, "\xEF\xBF\xBD");
        else
            strbuf_append(out, bytes + i, run);
        i += run > 0 ? run : 1;
    }
}

size_t output_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80)
        max--;
    return max;
}

/* ---- lines ---- */

static bool may_show(struct output_budget *budget, size_t len, int64_t now_ms)
{
    if (budget->lines_left <= 0 || budget->bytes_left < (int64_t)len)
        return false;
    if (budget->rate != NULL && !output_rate_take(budget->rate, now_ms))
        return false;
    budget->lines_left -= budget->lines_left != INT64_MAX;
    budget->bytes_left -= budget->bytes_left != INT64_MAX ? (int64_t)len : 0;
    return true;
}

void output_tell_hidden(struct output_stream *stream)
{
    char text[64];
    if (stream->budget->hidden == 0)
        return;
    (void)snprintf(text, sizeof text, "output: %" PRId64 " more lines, not shown", stream->budget->hidden);
    stream->budget->hidden = 0;
    stream->emit(stream->arg, text);
}

static void end_line(struct output_stream *stream, int64_t now_ms)
{
    struct strbuf shown = STRBUF_INIT;
    size_t len = stream->line.len;
    if (!stream->cut && len > 0 && stream->line.data[len - 1] == '\r')
        len--;
    strbuf_appendf(&shown, "%s: ", stream->label);
    size_t label_len = shown.len;
    output_append_safe(&shown, strbuf_str(&stream->line), len);
    if (stream->cut)
        strbuf_append_str(&shown, "...");
    if (len > 0) {
        strbuf_clear(&stream->last);
        strbuf_append(&stream->last, shown.data + label_len, shown.len - label_len);
    }
    if (may_show(stream->budget, shown.len, now_ms)) {
        output_tell_hidden(stream);
        stream->emit(stream->arg, strbuf_str(&shown));
    } else {
        stream->budget->hidden++;
    }
    strbuf_clean_up(&shown);
    strbuf_clear(&stream->line);
    stream->open = stream->cut = false;
}

/* Less than len when the last character is not whole. */
static size_t whole_characters(const char *text, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        if (((unsigned char)text[len - back] & 0xC0) == 0x80)
            continue;
        return utf8_len(text + len - back, back) == 0 ? len - back : len;
    }
    return len;
}

static void add_to_line(struct output_stream *stream, const char *bytes, size_t len)
{
    size_t room = OUTPUT_LINE_BYTES_MAX - stream->line.len;
    stream->open = true;
    if (!stream->cut && len > room) {
        /* A character of up to four bytes is kept whole or left out. */
        strbuf_append(&stream->line, bytes, room);
        stream->cut = true;
        stream->line.len = whole_characters(stream->line.data, stream->line.len);
        return;
    }
    if (!stream->cut)
        strbuf_append(&stream->line, bytes, len);
}

void output_stream_add(struct output_stream *stream, const char *bytes, size_t len, int64_t now_ms)
{
    while (len > 0) {
        const char *newline = memchr(bytes, '\n', len);
        size_t part = newline != NULL ? (size_t)(newline - bytes) : len;
        add_to_line(stream, bytes, part);
        if (newline == NULL)
            return;
        end_line(stream, now_ms);
        bytes += part + 1;
        len -= part + 1;
    }
}

void output_stream_end(struct output_stream *stream, int64_t now_ms)
{
    if (stream->open)
        end_line(stream, now_ms);
}

void output_stream_clean_up(struct output_stream *stream)
{
    strbuf_clean_up(&stream->line);
    strbuf_clean_up(&stream->last);
}

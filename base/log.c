/* Log lines; see log.h. A line is one write(2). */
#include "base/log.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/strbuf.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const LEVEL_NAMES[LOG_LEVEL_MAX] = {"debug", "info", "warning", "error"};
static const char *const FORMAT_NAMES[LOG_FORMAT_MAX] = {"plain", "json"};

/* Of a line, newline included: a pipe that has room at all takes so much in one piece (PIPE_BUF). */
enum { LINE_MAX_BYTES = 4096 };

/* Written by log_init() and log_set_context() before threads start, read-only afterwards. */
static struct {
    const char *program;
    enum log_level least;
    enum log_format format;
    char context_key[32];
    char context_value[96];
} g_log = {.program = "sluice", .least = LOG_INFO, .format = LOG_PLAIN};

static atomic_uint_fast64_t g_dropped;

/* Between asking whether there is room and using it no other thread may use it. */
static pthread_mutex_t g_write_mutex = PTHREAD_MUTEX_INITIALIZER;

void log_init(const char *program, enum log_level least, enum log_format format)
{
    g_log.program = program;
    g_log.least = least;
    g_log.format = format;
}

static int lookup(const char *const *names, int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

int log_init_from_env(const char *program, struct err *err)
{
    int level = LOG_INFO;
    int format = isatty(STDERR_FILENO) ? LOG_PLAIN : LOG_JSON;
    const char *text = getenv("SLUICE_LOG_LEVEL");
    if (text != NULL && *text != '\0' && (level = lookup(LEVEL_NAMES, LOG_LEVEL_MAX, text)) < 0)
        return err_set(err, "SLUICE_LOG_LEVEL=%s: want debug, info, warning or error", text);
    text = getenv("SLUICE_LOG_FORMAT");
    if (text != NULL && *text != '\0' && (format = lookup(FORMAT_NAMES, LOG_FORMAT_MAX, text)) < 0)
        return err_set(err, "SLUICE_LOG_FORMAT=%s: want plain or json", text);
    log_init(program, (enum log_level)level, (enum log_format)format);
    return 0;
}

void log_set_context(const char *key, const char *value)
{
    (void)snprintf(g_log.context_key, sizeof g_log.context_key, "%s", key);
    (void)snprintf(g_log.context_value, sizeof g_log.context_value, "%s", value);
}

bool log_enabled(enum log_level level)
{
    return level >= g_log.least;
}

/* Key and text, the text cut so that brace and newline still fit; nothing when not even that helps. */
static void json_text(struct jsonw *w, const char *key, const char *text)
{
    struct jsonw before = *w;
    size_t start = w->out->len;
    for (size_t len = strlen(text);; len /= 2) {
        jsonw_key(w, key);
        jsonw_strn(w, text, len);
        if (w->out->len + 2 <= LINE_MAX_BYTES)
            return;
        *w = before;
        w->out->len = start;
        if (len == 0)
            return;
    }
}

static void json_field(struct jsonw *w, const struct log_field *field)
{
    if (field->type == LOG_FIELD_STR && field->value.str != NULL) {
        json_text(w, field->key, field->value.str);
        return;
    }
    struct jsonw before = *w;
    size_t start = w->out->len;
    jsonw_key(w, field->key);
    switch (field->type) {
    case LOG_FIELD_INT:
        jsonw_int(w, field->value.integer);
        break;
    case LOG_FIELD_DOUBLE:
        jsonw_double(w, field->value.real);
        break;
    case LOG_FIELD_BOOL:
        jsonw_bool(w, field->value.boolean);
        break;
    case LOG_FIELD_STR:
    case LOG_FIELD_END:
        jsonw_null(w);
        break;
    }
    if (w->out->len + 2 > LINE_MAX_BYTES) {
        *w = before;
        w->out->len = start;
    }
}

static void format_json(struct strbuf *line, const char *stamp, enum log_level level, const char *message,
                        const struct log_field *fields)
{
    struct jsonw w = JSONW_INIT(line);
    jsonw_object(&w);
    jsonw_key_str(&w, "time", stamp);
    jsonw_key_str(&w, "level", LEVEL_NAMES[level]);
    jsonw_key_str(&w, "program", g_log.program);
    if (g_log.context_key[0] != '\0')
        jsonw_key_str(&w, g_log.context_key, g_log.context_value);
    json_text(&w, "message", message);
    for (; fields->key != NULL; fields++)
        json_field(&w, fields);
    jsonw_end_object(&w);
}

/* Bytes at the start of text that a terminal would obey and not show: C0, DEL, and C1 in UTF-8; 0 for none.
 */
static size_t control_len(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    if ((c[0] < ' ' && c[0] != '\0') || c[0] == 0x7f)
        return 1;
    return c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9f ? 2 : 0;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if (control_len(text) > 0)
            return true;
    return false;
}

/* What the JSON form lets through (DEL, C1), and a message's own controls: as JSON escapes. */
static void escape_controls(struct strbuf *line)
{
    if (!has_control(strbuf_str(line)))
        return;
    struct strbuf clean = STRBUF_INIT;
    for (const char *c = line->data; *c != '\0'; c++) {
        size_t len = control_len(c);
        if (len == 0) {
            strbuf_append_char(&clean, *c);
            continue;
        }
        c += len - 1;
        strbuf_appendf(&clean, "\\u%04x", (unsigned int)(unsigned char)*c);
    }
    strbuf_clean_up(line);
    *line = clean;
}

/* Text with spaces, quotes or control bytes is written as a JSON string, so that key=value stays readable by
 * a program and a terminal does what we say alone. */
static void plain_text(struct strbuf *line, const char *text)
{
    if (text == NULL) {
        strbuf_append_str(line, "-");
        return;
    }
    if (text[0] != '\0' && strpbrk(text, " \"\\=") == NULL && !has_control(text)) {
        strbuf_append_str(line, text);
        return;
    }
    struct jsonw w = JSONW_INIT(line);
    jsonw_str(&w, text);
}

static void plain_field(struct strbuf *line, const struct log_field *field)
{
    strbuf_appendf(line, " %s=", field->key);
    switch (field->type) {
    case LOG_FIELD_STR:
        plain_text(line, field->value.str);
        break;
    case LOG_FIELD_INT:
        strbuf_appendf(line, "%" PRId64, field->value.integer);
        break;
    case LOG_FIELD_DOUBLE:
        strbuf_appendf(line, "%g", field->value.real);
        break;
    case LOG_FIELD_BOOL:
        strbuf_append_str(line, field->value.boolean ? "true" : "false");
        break;
    case LOG_FIELD_END:
        break;
    }
}

static void format_plain(struct strbuf *line, const char *stamp, enum log_level level, const char *message,
                         const struct log_field *fields)
{
    strbuf_appendf(line, "%s %s %s", stamp, LEVEL_NAMES[level], g_log.program);
    if (g_log.context_key[0] != '\0')
        strbuf_appendf(line, "[%s]", g_log.context_value);
    strbuf_appendf(line, ": %s", message);
    for (; fields->key != NULL && line->len < LINE_MAX_BYTES; fields++)
        plain_field(line, fields);
    escape_controls(line);
    if (line->len < LINE_MAX_BYTES)
        return;
    line->len = LINE_MAX_BYTES - 1;
    while (line->len > 0 && ((unsigned char)line->data[line->len] & 0xC0) == 0x80)
        line->len--; /* no half of a character */
}

/* One write, if that can be without waiting. The description of fd 2 is shared with whoever started us, so
 * that it must not be made non-blocking. Another process that shares a pipe may take the room after we asked.
 */
static bool write_now(const struct strbuf *line)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0 &&
           write(STDERR_FILENO, line->data, line->len) == (ssize_t)line->len;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    if (!log_enabled(level))
        return;
    int saved_errno = errno;
    char stamp[25];
    struct strbuf line = STRBUF_INIT;
    clock_format_iso8601(clock_product_ms(), stamp);
    if (g_log.format == LOG_JSON)
        format_json(&line, stamp, level, message, fields);
    else
        format_plain(&line, stamp, level, message, fields);
    strbuf_append_char(&line, '\n');
    (void)pthread_mutex_lock(&g_write_mutex);
    bool written = write_now(&line);
    (void)pthread_mutex_unlock(&g_write_mutex);
    if (!written)
        atomic_fetch_add(&g_dropped, 1);
    strbuf_clean_up(&line);
    errno = saved_errno;
}

uint64_t log_dropped(void)
{
    return atomic_load(&g_dropped);
}

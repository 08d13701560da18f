/* Worker output into our log; see log_capture.h. */
#include "supervisor/log_capture.h"

#include "base/alloc.h"
#include "base/log.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 24, KEY_MAX_BYTES = 40 };

/* Set by our own log line, so not taken from the worker's. */
static const char *const HEADER_KEYS[] = {"time", "level", "program", "message", "worker"};

struct feeding {
    struct log_capture *capture;
    int64_t now_mono_ms;
};

bool log_budget_take(struct log_budget *budget, int64_t now_mono_ms)
{
    double most = (double)budget->lines_per_s;
    if (budget->filled_at_ms == 0)
        budget->tokens = most;
    else
        budget->tokens += (double)(now_mono_ms - budget->filled_at_ms) * most / 1000.0;
    budget->filled_at_ms = now_mono_ms;
    if (budget->tokens > most)
        budget->tokens = most;
    if (budget->tokens < 1.0) {
        budget->dropped++;
        return false;
    }
    budget->tokens -= 1.0;
    return true;
}

static bool is_header_key(const char *key)
{
    for (size_t i = 0; i < sizeof HEADER_KEYS / sizeof HEADER_KEYS[0]; i++)
        if (strcmp(HEADER_KEYS[i], key) == 0)
            return true;
    return false;
}

/* Keys go into our log unescaped, so only plain words may. */
static bool is_plain_key(const char *key)
{
    size_t len = strlen(key);
    if (len == 0 || len > KEY_MAX_BYTES)
        return false;
    for (const char *c = key; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-' && *c != '.')
            return false;
    return true;
}

static enum log_level level_of(const json_t *object)
{
    static const char *const NAMES[LOG_LEVEL_MAX] = {"debug", "info", "warning", "error"};
    const char *name = json_string_value(json_object_get(object, "level"));
    for (int i = 0; name != NULL && i < LOG_LEVEL_MAX; i++)
        if (strcmp(NAMES[i], name) == 0)
            return (enum log_level)i;
    return LOG_INFO;
}

/* *ret_nested is text to free when the value was an object or array. */
static struct log_field field_of(const char *key, const json_t *value, char **ret_nested)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return (struct log_field)LOG_STR(key, json_string_value(value));
    case JSON_INTEGER:
        return (struct log_field)LOG_INT(key, json_integer_value(value));
    case JSON_REAL:
        return (struct log_field)LOG_DBL(key, json_real_value(value));
    case JSON_TRUE:
    case JSON_FALSE:
        return (struct log_field)LOG_BOOL(key, json_is_true(value));
    case JSON_NULL:
        return (struct log_field)LOG_STR(key, NULL);
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    *ret_nested = json_dumps(value, JSON_COMPACT);
    return (struct log_field)LOG_STR(key, *ret_nested);
}

/* A message goes into plain log lines as it is: control bytes of the worker's must not move the terminal or
 * forge lines. */
static void clean(char *text)
{
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

/* Writes a JSON line with its fields; false when it is none that can be merged. */
static bool write_json(const struct log_capture *capture, const char *line, size_t len)
{
    if (len < 2 || line[0] != '{')
        return false;
    json_t *object = json_loadb(line, len, 0, NULL);
    const char *message = json_string_value(json_object_get(object, "message"));
    struct log_field fields[FIELDS_MAX + 2] = {LOG_STR("worker", capture->worker)};
    char *nested[FIELDS_MAX + 2] = {NULL};
    size_t used = 1;
    bool merged = message != NULL;
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(object, key, value)
    {
        merged = merged && is_plain_key(key);
        if (!merged)
            break;
        if (is_header_key(key) || used > FIELDS_MAX)
            continue;
        fields[used] = field_of(key, value, &nested[used]);
        used++;
    }
    fields[used] = (struct log_field){.key = NULL};
    if (merged) {
        char *text = xstrdup(message);
        clean(text);
        log_write(level_of(object), text, fields);
        free(text);
    }
    for (size_t i = 0; i < used; i++)
        free(nested[i]);
    json_decref(object);
    return merged;
}

static void on_line(void *arg, const char *line, size_t len, bool cut)
{
    const struct feeding *feeding = arg;
    struct log_capture *capture = feeding->capture;
    struct log_budget *budget = capture->budget;
    if (len == 0 || !log_budget_take(budget, feeding->now_mono_ms))
        return;
    if (budget->dropped > budget->dropped_said) {
        LOG(LOG_WARNING, "worker log lines dropped, it writes too many", LOG_STR("worker", capture->worker),
            LOG_INT("lines", budget->dropped - budget->dropped_said),
            LOG_INT("lines_per_s", budget->lines_per_s));
        budget->dropped_said = budget->dropped;
    }
    if (!cut && write_json(capture, line, len))
        return;
    char text[LOG_CAPTURE_LINE_MAX + 1];
    memcpy(text, line, len);
    text[len] = '\0';
    /* A NUL inside would end the text early. */
    for (char *nul = memchr(text, '\0', len); nul != NULL;
         nul = memchr(nul, '\0', len - (size_t)(nul - text)))
        *nul = ' ';
    clean(text);
    if (cut)
        LOG(LOG_INFO, text, LOG_STR("worker", capture->worker), LOG_STR("stream", capture->stream),
            LOG_BOOL("cut", true));
    else
        LOG(LOG_INFO, text, LOG_STR("worker", capture->worker), LOG_STR("stream", capture->stream));
}

void log_capture_init(struct log_capture *capture, const char *worker, const char *stream,
                      struct log_budget *budget)
{
    *capture = (struct log_capture){.worker = worker, .stream = stream, .budget = budget};
    capture->splitter.limit = LOG_CAPTURE_LINE_MAX;
}

void log_capture_feed(struct log_capture *capture, const char *bytes, size_t len, int64_t now_mono_ms)
{
    struct feeding feeding = {.capture = capture, .now_mono_ms = now_mono_ms};
    line_splitter_feed(&capture->splitter, bytes, len, on_line, &feeding);
}

void log_capture_finish(struct log_capture *capture, int64_t now_mono_ms)
{
    struct feeding feeding = {.capture = capture, .now_mono_ms = now_mono_ms};
    line_splitter_finish(&capture->splitter, on_line, &feeding);
}

void log_capture_clean_up(struct log_capture *capture)
{
    line_splitter_clean_up(&capture->splitter);
}

/*
 * Log lines on stderr: one line one fact, with key=value fields. Two forms: plain for people, JSON for
 * collectors. A line is formatted apart and written by one write(2), so that lines of threads never mix; a
 * line that cannot be written is dropped and counted, never waited for. Thread-safe after log_init().
 *
 *   LOG(LOG_INFO, "worker ready", LOG_STR("worker", name), LOG_INT("threads", n));
 *
 * Secrets are never passed here.
 */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_LEVEL_MAX };
enum log_format { LOG_PLAIN, LOG_JSON, LOG_FORMAT_MAX };
enum log_field_type { LOG_FIELD_END, LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_DOUBLE, LOG_FIELD_BOOL };

struct log_field {
    const char *key; /* ASCII word */
    enum log_field_type type;
    union {
        const char *str; /* NULL is written as null */
        int64_t integer;
        double real;
        bool boolean;
    } value;
};

#define LOG_STR(k, v)                                                                                        \
    {                                                                                                        \
        .key = (k), .type = LOG_FIELD_STR, .value.str = (v)                                                  \
    }
#define LOG_INT(k, v)                                                                                        \
    {                                                                                                        \
        .key = (k), .type = LOG_FIELD_INT, .value.integer = (int64_t)(v)                                     \
    }
#define LOG_DBL(k, v)                                                                                        \
    {                                                                                                        \
        .key = (k), .type = LOG_FIELD_DOUBLE, .value.real = (v)                                              \
    }
#define LOG_BOOL(k, v)                                                                                       \
    {                                                                                                        \
        .key = (k), .type = LOG_FIELD_BOOL, .value.boolean = (v)                                             \
    }

#define LOG_FIELDS_END                                                                                       \
    {                                                                                                        \
        .key = NULL                                                                                          \
    }
#define LOG(level, ...) LOG_WITH_END(level, __VA_ARGS__, LOG_FIELDS_END)
#define LOG_WITH_END(level, message, ...)                                                                    \
    log_write((level), (message), (const struct log_field[]){__VA_ARGS__})

/* Sets the program name shown in lines ("sluice", "sluice-worker"; not copied), the least level and the form.
 */
void log_init(const char *program, enum log_level least, enum log_format format);

/* Reads SLUICE_LOG_LEVEL (debug|info|warning|error, default info) and SLUICE_LOG_FORMAT (plain|json, default
 * plain on a terminal, else json). Returns 0, or -1 with err naming variable, value and what is allowed. */
int log_init_from_env(const char *program, struct err *err);

/* Adds one field to every later line of this process (such as worker=orders-7). Both copied; value may not
 * change. */
void log_set_context(const char *key, const char *value);

bool log_enabled(enum log_level level);

/* `fields` ends with a field whose key is NULL. A line has at most 4,096 bytes: texts are cut so that it
 * fits, fields that do not fit are left out. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

/* Lines dropped so far because stderr did not take them. */
uint64_t log_dropped(void);

#endif

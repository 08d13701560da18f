/*
 * What the drivers of AWS operations share: JSON lines in, the call is made and waited for, one JSON line out
 * ({kind, status, code, ...}). Endpoint, region and credentials come from the environment, as for every user
 * of the client.
 */
#ifndef SLUICE_TESTS_CONFORMANCE_DRIVER_H
#define SLUICE_TESTS_CONFORMANCE_DRIVER_H

#include "aws/client.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/loop.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct driver {
    struct event_base *base;
    struct aws_client *client;
    json_t *line;
    struct strbuf out;
    struct jsonw w;
};

static inline const char *text_of(const struct driver *d, const char *key)
{
    const char *text = json_string_value(json_object_get(d->line, key));
    return text != NULL ? text : "";
}

static inline int int_of(const struct driver *d, const char *key, int fallback)
{
    json_t *value = json_object_get(d->line, key);
    return json_is_integer(value) ? (int)json_integer_value(value) : fallback;
}

static inline void open_answer(struct driver *d, const struct aws_result *result)
{
    struct jsonw *w = &d->w;
    char text[768];
    jsonw_object(w);
    jsonw_key_str(w, "kind", aws_kind_name(result->kind));
    jsonw_key_int(w, "status", result->http_status);
    jsonw_key_str(w, "code", result->code);
    jsonw_key_str(w, "query_code", result->query_code);
    jsonw_key_str(w, "message", result->message);
    jsonw_key_str(w, "request_id", result->request_id);
    jsonw_key_int(w, "attempts", result->attempts);
    jsonw_key_str(w, "text", aws_result_text(result, text_of(d, "op"), text, sizeof text));
}

static inline void close_answer(struct driver *d)
{
    jsonw_end_object(&d->w);
    (void)event_base_loopbreak(d->base);
}

/* A table of these ends with op NULL. */
struct driver_operation {
    const char *op;
    void (*fn)(struct driver *d); /* starts the call; its callback opens and closes the answer */
};

static inline void run_line(struct driver *d, const char *program, const struct driver_operation *operations)
{
    for (const struct driver_operation *operation = operations; operation->op != NULL; operation++) {
        if (strcmp(operation->op, text_of(d, "op")) != 0)
            continue;
        strbuf_clear(&d->out);
        d->w = (struct jsonw)JSONW_INIT(&d->out);
        operation->fn(d);
        (void)event_base_dispatch(d->base);
        (void)puts(strbuf_str(&d->out));
        (void)fflush(stdout);
        return;
    }
    (void)fprintf(stderr, "%s: no operation \"%s\"\n", program, text_of(d, "op"));
    exit(EXIT_FAILURE);
}

static inline int driver_main(const char *program, const struct driver_operation *operations)
{
    struct err err = {""};
    struct driver d = {.out = STRBUF_INIT};
    char *text = NULL;
    size_t capacity = 0;
    if (clock_init(&err) != 0) {
        (void)fprintf(stderr, "%s: %s\n", program, err.text);
        return EXIT_FAILURE;
    }
    d.base = loop_base_new();
    d.client = aws_client_new(&(struct aws_client_options){.base = d.base}, &err);
    if (d.client == NULL) {
        (void)fprintf(stderr, "%s: %s\n", program, err.text);
        event_base_free(d.base);
        return EXIT_FAILURE;
    }
    while (getline(&text, &capacity, stdin) > 0) {
        json_error_t error;
        d.line = json_loads(text, JSON_ALLOW_NUL, &error);
        if (d.line == NULL) {
            (void)fprintf(stderr, "%s: %s\n", program, error.text);
            return EXIT_FAILURE;
        }
        run_line(&d, program, operations);
        json_decref(d.line);
    }
    free(text);
    aws_client_destroy(d.client);
    event_base_free(d.base);
    strbuf_clean_up(&d.out);
    return EXIT_SUCCESS;
}

#endif

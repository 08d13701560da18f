/* The worker's settings: option tables, environment, command line; see docs/worker.md. */
#ifndef SLUICE_WORKER_SETTINGS_H
#define SLUICE_WORKER_SETTINGS_H

#include "base/err.h"
#include "base/strbuf.h"
#include "worker/handler.h"
#include "worker/retry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SETTINGS_THREADS_MAX = 10000, SETTINGS_TELEMETRY_INTERVAL_MS = 2000 };

struct settings {
    char *handler_name;
    char *queue_url;
    int64_t threads;
    int64_t visibility_ms; /* whole seconds */
    int64_t wait_ms;       /* whole seconds */
    int64_t stop_grace_ms;
    int sns; /* enum sns_mode */
    char *stack_size;
    char *worker_name;
    int64_t telemetry_fd;                         /* -1: none */
    char *telemetry_url;                          /* NULL: none */
    char *telemetry_token, *telemetry_token_file; /* at most one of them */
    int64_t telemetry_interval_ms;
    char *region;
    char *endpoint_url;
    int64_t concurrency;        /* handlers at once at most, 0: as handler and threads allow */
    char *retry_delays;         /* list of durations, by receive count */
    char *dlq_url;              /* NULL: the queue's own redrive policy alone */
    int64_t max_receives;       /* a message that failed so often goes to dlq_url; 0: never for that */
    int64_t idempotency_window; /* finished ids remembered, 0: none */
    int64_t failure_brake;      /* percent of failures from which receiving slows, 0: never */
    char *metrics_listen;       /* HOST:PORT of the Prometheus text, NULL: none */
    bool emf;
    char *emf_namespace;
    int64_t emf_interval_ms;
    int task_protection;    /* enum settings_protection */
    char *ecs_agent_uri;    /* ECS_AGENT_URI, NULL: not on ECS */
    char *ecs_metadata_uri; /* ECS_CONTAINER_METADATA_URI_V4, NULL: not on ECS */

    /* derived */
    const struct handler *handler;
    void *handler_options; /* owned */
    size_t stack_bytes;
    struct retry_delays retry;
    bool fifo;              /* the queue is a FIFO queue; so is the DLQ then */
    char worker[64];        /* worker_name, or host-pid */
    const char **arguments; /* behind "--", NULL-terminated; array owned, texts are argv's */
    size_t argument_count;
};

enum settings_protection { SETTINGS_PROTECTION_AUTO, SETTINGS_PROTECTION_OFF };

enum settings_result { SETTINGS_OK, SETTINGS_HELP, SETTINGS_WRONG };

/* Environment first, command line over it, then the checks that need more than one value. Zero the struct
 * before and clean it up after, whatever comes back. SETTINGS_WRONG: err names setting, value and what is
 * allowed. */
enum settings_result settings_load(struct settings *settings, int argc, char **argv, struct err *err);
void settings_clean_up(struct settings *settings);

/* Options of the worker itself, and its environment variables (names in capitals, no prefix). */
extern const struct option_row SETTINGS_OPTIONS[];
extern const struct option_row SETTINGS_ENVIRONMENT[];

/* The --help text. */
void settings_help(struct strbuf *out);

/* "256KiB", "1MiB", "262144": bytes. Returns 0, or -1 when malformed or out of 64 KiB..64 MiB. */
int settings_parse_size(const char *text, size_t *ret_bytes);

#endif

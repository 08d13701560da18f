/*
 * What a message handler is to the worker: one versioned struct of facts and functions. Handlers are compiled
 * in today; nothing here needs the worker's insides, so that the same struct can come out of a shared object
 * later.
 *
 * Threads: open() and close() run on the I/O thread, handle() on many handler threads at once, never more
 * than limit() of them. A handler may block in handle(); the lease of its message is extended meanwhile.
 */
#ifndef SLUICE_WORKER_HANDLER_H
#define SLUICE_WORKER_HANDLER_H

#include "base/err.h"
#include "base/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HANDLER_ABI_VERSION = 1 };

enum handler_verdict {
    HANDLER_DONE,   /* handled: the message is deleted */
    HANDLER_FAILED, /* not handled: it becomes visible again after a delay and goes the DLQ's way */
    HANDLER_VERDICT_MAX
};

enum handler_flags {
    HANDLER_NONBLOCKING =
        1U << 0, /* handle() takes microseconds and never waits: few threads are woken for many */
    HANDLER_WANTS_ATTRIBUTES = 1U << 1, /* ask SQS for the message attributes too */
};

enum handler_log_level { HANDLER_LOG_DEBUG, HANDLER_LOG_INFO, HANDLER_LOG_WARNING, HANDLER_LOG_ERROR };

struct handler_attribute {
    const char *name;
    const char *data_type; /* "String", "Number", "Binary", with custom suffix */
    const char *value;     /* raw bytes for Binary */
    size_t value_len;
};

/* What the SNS envelope said. A member is NULL when the envelope did not have it. */
struct handler_sns {
    const char *topic_arn;
    const char *message_id; /* SNS's own, not SQS's */
    const char *subject;
    const char *timestamp; /* ISO 8601, as published */
};

/* A message as the handler sees it; all pointers are valid until handle() returns. */
struct handler_message {
    const char *id;   /* SQS MessageId: the key for idempotency */
    const char *body; /* payload, NUL-terminated; out of the SNS envelope when there was one */
    size_t body_len;
    int64_t receive_count; /* ApproximateReceiveCount, 0 unknown */
    int64_t sent_ms;       /* SentTimestamp, epoch ms, 0 unknown */
    const struct handler_attribute *attributes;
    size_t attribute_count;
    const struct handler_sns *sns; /* NULL: no envelope */
};

/* What the worker offers during one handle() call. */
struct handler_context {
    void *host; /* the worker's */
    /* Whether somebody else may have the message by now: what cannot be undone should not be done any more,
     * and a handler that gives up for it says HANDLER_FAILED. Cheap; poll it as often as you like. */
    bool (*lease_lost)(const struct handler_context *context);
    /* Says in words why the message failed; copied, shown in the log, cut at 200 bytes. */
    void (*set_reason)(const struct handler_context *context, const char *reason);
    /* One line in the worker's log, with the message's id beside it. */
    void (*log)(const struct handler_context *context, enum handler_log_level level, const char *text);
};

/* Facts of the process that a handler may want. */
struct handler_host {
    const char *worker; /* name, such as "orders-7" */
    int pid;
};

struct handler {
    uint32_t abi_version; /* HANDLER_ABI_VERSION */
    uint32_t flags;       /* enum handler_flags */
    const char *name;
    const char *help; /* one sentence */

    /* Command-line options and environment variables (names in capitals, no prefix) over one options struct.
     */
    const struct option_row *options;
    const struct option_row *environment;
    size_t options_size;

    /* Returns the handler's instance, or NULL with err. `options` and `host` outlive the instance. */
    void *(*open)(const void *options, const struct handler_host *host, struct err *err);
    /* How many handle() calls may run at once; 0: as many as there are threads. Constant for an instance. */
    int64_t (*limit)(const void *instance);
    enum handler_verdict (*handle)(void *instance, const struct handler_message *message,
                                   const struct handler_context *context);
    void (*close)(void *instance);
};

/* The built-in handler of that name, or NULL. */
const struct handler *handler_find(const char *name);
/* All built-in handlers, NULL-terminated. */
const struct handler *const *handler_all(void);

#endif

/*
 * Sluice's handler interface, version 1: what a shared object given to `sluice-worker --handler plugin
 * --plugin FILE` offers, and what it is offered. This header alone is needed; docs/handlers.md has a complete
 * example.
 *
 * The shared object exports one function, sluice_plugin(). handle() is called on many handler threads at
 * once, at most limit() of them; it may block, the message's visibility timeout is extended meanwhile. open()
 * and close() are called once each, on the main thread, while no handle() runs.
 *
 * Compatibility: a struct that crosses the border begins with its size. Members are only ever added at the
 * end, so a handler compiled against an older header works with a newer worker; the worker refuses one whose
 * abi_version it does not know. A member beyond `size` is not there.
 */
#ifndef SLUICE_HANDLER_H
#define SLUICE_HANDLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_HANDLER_ABI 1

/* On the exported function: it is visible whatever -fvisibility says. */
#if defined(__GNUC__)
#define SLUICE_HANDLER_EXPORT __attribute__((visibility("default")))
#else
#define SLUICE_HANDLER_EXPORT
#endif

/* What became of a message. Any other value counts as SLUICE_FAILED. */
enum sluice_verdict {
    SLUICE_DONE = 0,   /* handled: the message is deleted */
    SLUICE_FAILED = 1, /* not handled: visible again after a delay that grows with the receive count, unless
                          set_retry_delay() says another; goes the DLQ's way */
    SLUICE_RETRY =
        2, /* not now, nothing wrong with the message: visible again after set_retry_delay(), or after
              the delay of its receive count; not a failure, but the receive is counted:
              what comes more often than --max-receives is poison, however it ended */
    /* can never be handled: to the DLQ at once when the worker has one, else as SLUICE_FAILED */
    SLUICE_REJECT = 3
};

enum sluice_handler_flags {
    /* handle() takes microseconds and never waits: the thread that does all the I/O may call it */
    SLUICE_NONBLOCKING = 1U << 0,
    SLUICE_WANTS_ATTRIBUTES = 1U << 1, /* fetch the message attributes too */
    SLUICE_WANTS_ORIGIN = 1U << 2      /* fetch sender_id and first_receive_ms too */
};

enum sluice_log_level { SLUICE_LOG_DEBUG, SLUICE_LOG_INFO, SLUICE_LOG_WARNING, SLUICE_LOG_ERROR };

struct sluice_attribute {
    const char *name;
    const char *data_type; /* "String", "Number", "Binary", with custom suffix */
    const char *value;     /* raw bytes for Binary; NUL-terminated beyond value_len */
    size_t value_len;
};

/* What the SNS envelope said. A member is NULL when the envelope did not have it. */
struct sluice_sns {
    size_t size; /* of this struct, as the worker has it */
    const char *topic_arn;
    const char *message_id; /* SNS's own, not SQS's */
    const char *subject;
    const char *timestamp; /* ISO 8601, as published */
};

/* A message; all pointers are valid until handle() returns. */
struct sluice_message {
    size_t size;      /* of this struct, as the worker has it */
    const char *id;   /* SQS MessageId: the key for idempotency */
    const char *body; /* payload, NUL-terminated; out of the SNS envelope when there was one */
    size_t body_len;
    int64_t receive_count;                     /* ApproximateReceiveCount, 0 unknown */
    int64_t sent_ms;                           /* SentTimestamp, epoch ms, 0 unknown */
    const struct sluice_attribute *attributes; /* none unless SLUICE_WANTS_ATTRIBUTES */
    size_t attribute_count;
    const struct sluice_sns *sns; /* NULL: no envelope */
    const char *receipt_handle;   /* of the delivery that is handled */
    const char *group_id;         /* MessageGroupId; NULL: none */
    const char *deduplication_id; /* FIFO queues; else NULL */
    const char *sequence_number;  /* FIFO queues; else NULL */
    const char *sender_id;        /* NULL unless SLUICE_WANTS_ORIGIN */
    int64_t first_receive_ms; /* ApproximateFirstReceiveTimestamp, epoch ms; 0 unless SLUICE_WANTS_ORIGIN */
};

/* What the worker offers during one handle() call; use it on the thread of that call only. */
struct sluice_context {
    size_t size; /* of this struct, as the worker has it */
    void *host;  /* the worker's */
    /* Whether to stop: somebody else may have the message by now, or the worker has to leave. What cannot be
     * undone should not be done any more. Cheap; ask as often as you like. A handler that gives up for it
     * returns SLUICE_FAILED; the verdict is not counted against the message. */
    bool (*lease_lost)(const struct sluice_context *context);
    /* A descriptor to poll() beside others: readable when lease_lost() may have become true (ask it then, it
     * may also be a false alarm; do not read from it). Valid until handle() returns. -1: the system has no
     * descriptor left, ask lease_lost() now and then instead. */
    int (*cancel_fd)(const struct sluice_context *context);
    /* Says in words why the message failed; copied, shown in the log and in the DLQ, cut at 200 bytes. */
    void (*set_reason)(const struct sluice_context *context, const char *reason);
    /* For SLUICE_FAILED and SLUICE_RETRY: visible again after so many seconds, 0 to 43,200; cut to that. */
    void (*set_retry_delay)(const struct sluice_context *context, int64_t seconds);
    /* An exit code, an HTTP status or a code of your own that tells a failure's kind; shown in log and DLQ.
     */
    void (*set_status)(const struct sluice_context *context, int64_t status);
    /* One line in the worker's log, with the message's id beside it. */
    void (*log)(const struct sluice_context *context, enum sluice_log_level level, const char *text);
};

/* Facts of the process; outlives the handler. */
struct sluice_host {
    size_t size;        /* of this struct, as the worker has it */
    const char *worker; /* name, such as "orders-7" */
    int pid;
    int threads;           /* handler threads */
    const char *queue_url; /* the queue that is worked on */
    /* What stood behind "--" on the command line, NULL-terminated; arguments of the handler. */
    const char *const *arguments;
    size_t argument_count;
    /* One line in the worker's log, for what belongs to no message. On any thread, until close() returns. */
    void (*log)(enum sluice_log_level level, const char *text);
};

struct sluice_handler {
    uint32_t abi_version; /* SLUICE_HANDLER_ABI */
    uint32_t flags;       /* enum sluice_handler_flags */
    size_t size;          /* sizeof(struct sluice_handler) */
    const char *name;     /* one word, for the log */

    /* Returns the handler's instance, not NULL; or NULL after writing into error, of error_size bytes, why
     * not: the worker logs it and leaves with exit code 78. May be NULL: handle() and close() get NULL then.
     */
    void *(*open)(const struct sluice_host *host, char *error, size_t error_size);
    /* How many handle() calls may run at once; <= 0: as many as there are threads. May be NULL, which means
     * 0. */
    int64_t (*limit)(const void *instance);
    /* Handles one message. Required. */
    enum sluice_verdict (*handle)(void *instance, const struct sluice_message *message,
                                  const struct sluice_context *context);
    /* Frees the instance. May be NULL. Not called when a handle() did not come back within the stop grace. */
    void (*close)(void *instance);
};

/* The one exported function. Returns a struct that lives as long as the shared object, or NULL to be refused.
 */
SLUICE_HANDLER_EXPORT const struct sluice_handler *sluice_plugin(void);

#ifdef __cplusplus
}
#endif

#endif

/*
 * The worker's mind: what is held, when to poll, extend, delete and hand back, and how to drain. A state
 * machine on the I/O thread; it does no I/O and reads no clock. Calls go out through a table of functions,
 * their ends and the time come in as events, so a test drives it with a fake SQS and invented time.
 *
 * Times are product ms. Spans that physics or a peer fixes (retry pauses, the second an open poll gets when
 * draining) are real ones; they are multiplied by the clock's scale here.
 */
#ifndef SLUICE_WORKER_CORE_H
#define SLUICE_WORKER_CORE_H

#include "aws/sqs.h"
#include "base/telemetry.h"
#include "worker/acks.h"
#include "worker/brake.h"
#include "worker/core_sensors.h"
#include "worker/dispatch.h"
#include "worker/flow.h"
#include "worker/known.h"
#include "worker/retry.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CORE_POLL_LAST_MS = 1000,    /* real: what an open long poll gets when draining */
    CORE_GRACE_FLOOR_MS = 2000,  /* real: least grace */
    CORE_RELEASE_MS = 500,       /* real: part of the grace kept to hand back what did not finish */
    CORE_STARTUP_MS = 3000,      /* real: a queue may be not there yet for so long */
    CORE_BACKOFF_FIRST_MS = 100, /* real: after a failed receive, doubling ... */
    CORE_BACKOFF_MAX_MS = 10000, /* ... up to this */
    CORE_OVER_LIMIT_MS = 2000,   /* real: least pause when the queue has too many messages in flight */
    CORE_EMPTY_FIRST_MS = 50,    /* real: pause after an empty answer that did not wait, doubling ... */
    CORE_EMPTY_MAX_MS = 1000,    /* ... up to this */
    /* Real, beyond its wait: a poll that hangs does not keep others from being opened. Doubles with every one
     * that hangs in a row ... */
    CORE_POLL_OVERDUE_MS = 1000,
    CORE_POLL_OVERDUE_SHIFT_MAX = 4, /* ... up to 16 s */
    CORE_POLL_SUSPECT_S = 1,         /* longest wait asked for after one hung, until one is answered */
    CORE_QUARANTINE_ATTEMPTS = 8,    /* sends to the DLQ before a message is handed back */
};

enum { CORE_ATTEMPT_ID_BYTES = 33, CORE_ATTEMPTS_KEPT = 8 };

struct core_settings {
    int threads;       /* handler threads, >= 1 */
    int handler_limit; /* of the handler, 0: none */
    int concurrency;   /* messages handled at once until core_set_limit() says another, 0: any */
    int visibility_s;  /* 2..43,200 */
    int wait_s;        /* long poll, 0..20 */
    int64_t grace_ms;  /* product */
    struct retry_delays retry;
    bool fifo;              /* the queue is a FIFO queue */
    bool dlq;               /* there is a queue for ops->quarantine */
    bool dlq_fifo;          /* it is a FIFO queue */
    int max_receives;       /* a message that failed so often goes there; 0: never for that */
    int idempotency_window; /* finished ids remembered, 0: none */
    int brake_percent;      /* share of failures from which the brake works, 0: never */
    int scale;              /* of the clock, 1..20 */
    uint64_t seed;          /* of the jitter on retry pauses */
};

/* One ReceiveMessage on its way. */
struct core_poll {
    TAILQ_ENTRY(core_poll) link;
    int asked;  /* messages at most */
    int wait_s; /* 0 until a receive has been answered: a reply that lay in the socket while this process
                 * stood still is known by its Date then, which needs an earlier one */
    int64_t opened_ms;
    int64_t overdue_ms;                     /* an answer later than that is not counted on */
    bool hung;                              /* seen to be overdue */
    char attempt_id[CORE_ATTEMPT_ID_BYTES]; /* ReceiveRequestAttemptId, "": none */
    void *owner;                            /* for the ops, as is call */
    void *call;
};

/* A receive whose answer was lost. */
struct core_attempt {
    char id[CORE_ATTEMPT_ID_BYTES];
    int asked;
    int64_t until_ms; /* what it may have hidden is visible again then */
};

enum core_batch_kind { BATCH_DELETE, BATCH_RELEASE, BATCH_EXTEND, BATCH_QUARANTINE, BATCH_KIND_MAX };

/* One batch call on its way. handles and seconds are valid while ops->send runs. */
struct core_batch {
    TAILQ_ENTRY(core_batch) link;
    enum core_batch_kind kind;
    int count;
    const char *handles[SQS_BATCH_MAX];
    int seconds[SQS_BATCH_MAX]; /* RELEASE, EXTEND: VisibilityTimeout */
    struct message *messages[SQS_BATCH_MAX];
    int deliveries[SQS_BATCH_MAX]; /* which delivery's handle was sent */
    int64_t sent_ms;
    void *owner; /* for the ops */
};

/* What the core asks for. None of these may call back into the core. */
struct core_ops {
    void *arg;
    /* Starts a receive; ends in core_on_receive(). */
    void (*receive)(void *arg, struct core_poll *poll);
    /* Stops it: core_on_receive() will not come. */
    void (*cancel)(void *arg, struct core_poll *poll);
    /* Starts a batch; ends in core_on_batch(). */
    void (*send)(void *arg, struct core_batch *batch);
    /* Starts sending to the DLQ; ends in core_on_batch(). entries: batch->count of them, valid during this
     * call only. Never called without settings->dlq. */
    void (*quarantine)(void *arg, struct core_batch *batch, const struct sqs_send_entry *entries);
    /* Messages were added to the dispatch queue, or slots were. True: some were handled within the call. */
    bool (*wake)(void *arg);
    /* Frees a delivery. */
    void (*release)(struct sqs_message *message);
};

enum core_stage {
    CORE_RUNNING,
    CORE_DRAINING,  /* no new polls; what runs may finish */
    CORE_RELEASING, /* the grace is over: everything not finished is handed back */
    CORE_OVER,
    CORE_STAGE_MAX
};

TAILQ_HEAD(core_poll_list, core_poll);
TAILQ_HEAD(core_batch_list, core_batch);

/* To look at, not to change. */
struct core {
    struct core_settings settings;
    struct core_ops ops;
    struct dispatch *dispatch; /* not owned */
    struct lease_rules rules;
    enum core_stage stage;
    int exit_code;
    char reason[32]; /* of the end, for the bye line: "drained", "grace over" ... */

    int limit; /* --concurrency, then the control line's; INT_MAX: none */
    int capacity;
    struct brake brake;
    struct flow_pace pace;
    struct message_list all;
    struct message_list leased; /* HELD, QUARANTINING and DELETING ones: their leases are kept */
    int held_count;
    struct acks deletes, releases, quarantines;
    bool deletes_refused; /* SQS takes no deletes from us: what is fetched now would come again */
    int batch_failures, handler_failures, md5_failures; /* each in a row, for the log */
    struct known known;
    struct core_batch_list batches;
    int64_t lease_scan_ms; /* when the earliest lease wants attention */

    struct core_poll_list polls;
    int poll_count, polled; /* polled: messages they may bring together */
    int poll_target;
    int64_t poll_retry_ms; /* receives failed: none before this */
    int poll_failures;     /* in a row */
    int polls_hung;        /* since a receive was answered */
    struct core_attempt lost_attempts[CORE_ATTEMPTS_KEPT];
    int early_empties; /* empty answers before their wait was over, in a row */
    int ask_max;       /* messages a poll may ask for; less after a reply that was too large */
    bool ever_received;
    int64_t refused_since_ms; /* never worked and refused since then; 0: not */

    int64_t polls_end_ms, release_ms, end_ms; /* stages of the drain */
    uint64_t random;
    int64_t last_receive_ms;
    int64_t run_ms; /* time of the last event: what it found not due yet is what is to be waited for */
    struct telemetry_stats stats;
    struct core_sensors sensors;
    bool woken; /* ops.wake is owed */
};

/* dispatch is used, not owned; settings and ops are copied. Opens the first poll. */
void core_init(struct core *core, const struct core_settings *settings, const struct core_ops *ops,
               struct dispatch *dispatch, int64_t now_ms);
/* Frees everything, on the wire or not; no handler thread may be running. */
void core_clean_up(struct core *core);

/* ---- events ---- */

/* The end of a receive; takes over the messages. reply may be NULL unless result->kind is AWS_KIND_OK. */
void core_on_receive(struct core *core, struct core_poll *poll, int64_t now_ms,
                     const struct aws_result *result, const struct sqs_receive_reply *reply);
/* The end of a batch; results has batch->count entries. */
void core_on_batch(struct core *core, struct core_batch *batch, int64_t now_ms,
                   const struct aws_result *result, const struct sqs_entry_result *results);
/* Handler threads finished something, or core_due_ms() has come. */
void core_on_wakeup(struct core *core, int64_t now_ms);
/* Control line: at most so many slots, 0 pauses. What is held beyond is handed back. */
void core_set_limit(struct core *core, int64_t now_ms, int64_t limit);
/* Stop in order; once draining, further calls change nothing. reason: a word for the log. */
void core_drain(struct core *core, int64_t now_ms, const char *reason);
/* Leave at once: hand back what is held and end when SQS has answered, or half a real second later. */
void core_abandon(struct core *core, int64_t now_ms);

/* ---- questions ---- */

/* When core_on_wakeup() is wanted at the latest, maybe in the past; INT64_MAX: only when something happens.
 */
int64_t core_due_ms(const struct core *core);
bool core_is_over(const struct core *core);
void core_get_stats(struct core *core, int64_t now_ms, struct telemetry_stats *ret_stats);
/* Since the start; valid as long as the core, growing with every event. I/O thread. */
const struct core_sensors *core_get_sensors(const struct core *core);

#endif

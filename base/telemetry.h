/*
 * The worker contract's lines (ARCHITECTURE.md, "Contracts"): one UTF-8 JSON object a line, at most 4,096
 * bytes. Worker to supervisor: ready, stats, hist, bye. Supervisor to worker: limit. Encoding, parsing and
 * splitting a stream into lines; the fd belongs to the caller. Unknown keys and lines of unknown types are
 * ignored, a bad line is an error return and never fatal.
 */
#ifndef SLUICE_BASE_TELEMETRY_H
#define SLUICE_BASE_TELEMETRY_H

#include "base/err.h"
#include "base/histogram.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    TELEMETRY_VERSION = 1,
    TELEMETRY_LINE_MAX = 4096,
    TELEMETRY_TASK_BYTES = 400 /* an ARN with a cluster name of 255 characters fits */
};

enum telemetry_type {
    TELEMETRY_READY,
    TELEMETRY_STATS,
    TELEMETRY_BYE,
    TELEMETRY_LIMIT,
    TELEMETRY_HIST,
    TELEMETRY_TYPE_MAX, /* well formed, of a type of later days */
};
enum telemetry_state { TELEMETRY_RUNNING, TELEMETRY_DRAINING, TELEMETRY_STATE_MAX };

/* Largest values that are taken from a worker: of counters and times what any JSON reader holds exactly, of
 * other gauges more than any process can hold, so that sums over workers cannot overflow. */
#define TELEMETRY_COUNTER_MAX (INT64_C(1) << 53)
#define TELEMETRY_GAUGE_MAX INT64_C(1000000000)

/* Gauges are now; counters since start, never falling. */
#define TELEMETRY_GAUGES(X) X(busy) X(waiting) X(held) X(capacity) X(last_receive_age_ms)
/* clang-format does not agree with itself about this list. */
/* clang-format off */
#define TELEMETRY_COUNTERS(X) \
    X(received) X(completed) X(failed) X(deleted) X(returned) X(extended) X(lease_lost) X(redelivered) \
    X(receives) X(receives_full) X(receives_empty) X(handle_ms_sum) X(wait_ms_sum)
/* clang-format on */

/* Added later: a worker may leave them out, they count as 0 then. */
/* protects_itself: 1 when the worker asks for task scale-in protection itself, and is not refused it;
 * is_protected: 1 while it has it. */
#define TELEMETRY_MORE_GAUGES(X) X(brake_percent) X(oldest_held_ms) X(protects_itself) X(is_protected)
/* clang-format off */
#define TELEMETRY_MORE_COUNTERS(X) \
    X(retried) X(rejected) X(quarantined) X(duplicates) X(received_again) X(receives_failed) \
    X(receives_cancelled) X(extends_failed) X(stale_handles) X(calls)
/* clang-format on */

/* Histograms, cumulative since start: product ms in the handler; SentTimestamp to start of handling; what was
 * left of the lease when SQS confirmed the delete. */
#define TELEMETRY_HISTS(X) X(handle_ms) X(wait_ms) X(lease_margin_ms)
enum telemetry_hist {
#define X(name) TELEMETRY_HIST_##name,
    TELEMETRY_HISTS(X)
#undef X
        TELEMETRY_HIST_MAX
};

struct telemetry_stats {
    int64_t t_ms; /* product time */
    enum telemetry_state state;
#define X(name) int64_t name;
    TELEMETRY_GAUGES(X)
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_GAUGES(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
};

struct telemetry_line {
    enum telemetry_type type;
    /* ready */
    char worker[64];
    char task[TELEMETRY_TASK_BYTES]; /* ARN of the ECS task that it is, "": none */
    int64_t started_ms;              /* product: tells two processes of a name apart; 0: not told */
    pid_t pid;
    int64_t threads;
    int64_t capacity; /* ready, limit */
    /* stats */
    struct telemetry_stats stats;
    /* bye */
    char reason[32];
    int64_t returned;
    /* hist */
    enum telemetry_hist hist;
    struct histogram histogram;
};

/* Adds the counters of `more` to those of `sum`; a sum that would be too large stays at INT64_MAX. */
void telemetry_add_counters(struct telemetry_stats *sum, const struct telemetry_stats *more);

/* Appends one line, newline included, of at most TELEMETRY_LINE_MAX bytes before it. A histogram whose
 * buckets would not fit is told in coarser ones: "shift":n joins 2^n neighbours, counted from bucket 0, and
 * the index is the bucket's divided by 2^n. */
void telemetry_encode(const struct telemetry_line *line, struct strbuf *out);

/* Parses one line without its newline. Returns 0, or -1 with err (not JSON, wrong version, no type, too long,
 * a number of a known type that is missing, negative or too large, a histogram that contradicts itself). A
 * line of an unknown type is no error: its type is TELEMETRY_TYPE_MAX. What joined buckets held counts in the
 * highest of them. */
int telemetry_parse(const char *text, size_t len, struct telemetry_line *ret_line, struct err *err);

/* Takes complete lines out of a byte stream. A line above TELEMETRY_LINE_MAX is skipped to its end and
 * counted. */
struct telemetry_reader {
    struct strbuf pending;
    bool skipping;
    uint64_t bad_lines; /* overlong or unparsable */
};

/* Feeds bytes; calls fn(arg, line) for each good line of a known type. */
void telemetry_reader_feed(struct telemetry_reader *reader, const char *bytes, size_t len,
                           void (*fn)(void *arg, const struct telemetry_line *line), void *arg);
void telemetry_reader_clean_up(struct telemetry_reader *reader);

/* Writes one line to a non-blocking fd in one piece: a line that does not fit whole is dropped (or, when the
 * kernel took only a part, its rest is kept and goes first next time). Returns 0 sent, 1 dropped, -errno when
 * the peer is gone. */
struct telemetry_writer {
    struct strbuf rest; /* unsent tail of a line that was cut by the kernel */
    uint64_t dropped;
};
int telemetry_writer_send(struct telemetry_writer *writer, int fd, const struct telemetry_line *line);
void telemetry_writer_clean_up(struct telemetry_writer *writer);

#endif

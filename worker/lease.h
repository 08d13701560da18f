/*
 * The lease of one held message: how long SQS keeps it invisible for us, when to extend it, and when it is
 * lost. Pure, time is an argument (product ms). An extension sets the timeout anew from the moment SQS gets
 * it, it adds nothing; and no message stays in flight for more than 12 h from its receive.
 *
 * Source: SQS API reference, ChangeMessageVisibility; setting exactly 43,200 s after the receive is refused,
 * hence the margin.
 */
#ifndef SLUICE_WORKER_LEASE_H
#define SLUICE_WORKER_LEASE_H

#include <stdbool.h>
#include <stdint.h>

enum { LEASE_TOTAL_MAX_S = 43200, LEASE_TOTAL_MARGIN_S = 5 };

struct lease_rules {
    int visibility_s;    /* asked for in receives and extensions, 1..43,200 */
    int64_t patience_ms; /* an extension not answered for so long is sent again beside the first */
    int64_t backoff_ms;  /* pause after a failed extension, doubling */
};

struct lease {
    int64_t received_ms; /* the receive was answered: start of the 12 h */
    int64_t until_ms;    /* invisible at least until then, as far as we were told */
    int64_t extend_ms;   /* when the next extension is due; INT64_MAX: none is possible any more */
    int failures;        /* failed extensions in a row */
    bool lost;           /* ran out, or SQS refused the handle */
};

/* Rules for a visibility timeout, with spans of real time multiplied by the clock's scale. */
struct lease_rules lease_rules_of(int visibility_s, int scale);

void lease_start(struct lease *lease, const struct lease_rules *rules, int64_t now_ms);

/* Whether an extension should go now. With `gather`, also ones that are due within a quarter of the timeout:
 * they ride along when a batch goes anyway. */
bool lease_due(const struct lease *lease, const struct lease_rules *rules, int64_t now_ms, bool gather);

/* Seconds until SQS ends the receive whatever is asked for, less the margin; may be negative. */
int64_t lease_left_s(const struct lease *lease, int64_t now_ms);

/* Seconds to ask for: the visibility timeout, or less near the 12 h limit; 0: nothing left to extend. */
int lease_seconds(const struct lease *lease, const struct lease_rules *rules, int64_t now_ms);

/* An extension went out (the next try is due when it is not answered), was granted (counted from when it was
 * sent), or failed in a way that another try may mend. */
void lease_sent(struct lease *lease, const struct lease_rules *rules, int64_t now_ms);
void lease_extended(struct lease *lease, int64_t sent_ms, int seconds);
void lease_retry(struct lease *lease, const struct lease_rules *rules, int64_t now_ms);

/* Whether the time is over without an extension. */
bool lease_over(const struct lease *lease, int64_t now_ms);

/* When lease_due() or lease_over() may next change; INT64_MAX for a lost one. */
int64_t lease_next_ms(const struct lease *lease);

#endif

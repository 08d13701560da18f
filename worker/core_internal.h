/* What the files of the core (core.c, core_polls.c, core_verdicts.c, core_acks.c, core_quarantine.c,
 * core_groups.c, core_drain.c) share; nobody else includes this. */
#ifndef SLUICE_WORKER_CORE_INTERNAL_H
#define SLUICE_WORKER_CORE_INTERNAL_H

#include "worker/core.h"

/* ---- core.c ---- */

/* Everything that is due; ends every event. */
void core_run(struct core *core, int64_t now_ms);
/* Of a row of equal events the log tells the first ten and then ever fewer. */
static inline bool core_is_worth_logging(int in_a_row)
{
    return in_a_row <= 10 || (in_a_row & (in_a_row - 1)) == 0;
}

/* After the limit or the brake changed. */
void core_set_capacity(struct core *core);
/* Messages that may be handled at once, the brake apart. */
int core_ceiling(const struct core *core);

/* Its lease counts from start_ms. */
struct message *core_message_new(struct core *core, struct sqs_message *sqs, int64_t start_ms);
/* The one place where a message changes its phase: takes it out of the list of the old one and puts it into
 * the new one's. A message in an ack batch on the wire (acking) is in no list; its phase may change all the
 * same. */
void core_message_set_phase(struct core *core, struct message *message, enum message_phase phase,
                            int64_t now_ms);
/* Frees it when it is gone and nobody names it any more. */
void core_message_settle(struct core *core, struct message *message);
/* Its delete is over: remembers the id, as deleted for certain or not, and lets the message go. */
void core_message_end(struct core *core, struct message *message, bool confirmed, int64_t now_ms);
/* Hands it back: visible again after delay_s. */
void core_message_release(struct core *core, struct message *message, int delay_s, bool unstarted,
                          int64_t now_ms);

/* Somebody else may have it: nothing more is asked of SQS for it. */
void core_message_drop(struct core *core, struct message *message, int64_t now_ms);
/* To the handler threads. */
void core_message_hand_over(struct core *core, struct message *message);

/* The lease's times changed: tells the handler threads and the scan. */
void core_lease_changed(struct core *core, struct message *message);
/* Drops a waiting message, marks a running one. May free the message. */
void core_lease_lost(struct core *core, struct message *message, int64_t now_ms, const char *why);

/* An answered poll is no longer open. */
void core_poll_free(struct core *core, struct core_poll *poll);
/* Stops it without an answer. */
void core_poll_cancel(struct core *core, struct core_poll *poll);

/* Since when the oldest message is held that waits or is handled; 0: none is. */
int64_t core_oldest_held_ms(const struct core *core, int64_t now_ms);

/* Takes over a received message; start_ms: when SQS hid it, at the latest; hand_back: it is not to be
 * handled now. */
void core_message_accept(struct core *core, struct sqs_message *sqs, int64_t start_ms, bool hand_back,
                         int64_t now_ms);

/* ---- core_polls.c ---- */

struct flow_view core_flow_view(struct core *core, int64_t now_ms);
/* All that there is room for. */
void core_open_polls(struct core *core, int64_t now_ms);

/* ---- core_verdicts.c ---- */

/* Takes what the handler threads have finished. */
void core_collect(struct core *core, int64_t now_ms);

/* ---- core_acks.c ---- */

/* For the files that send: a batch is made, filled and sent in one go. */
struct core_batch *core_batch_new(struct core *core, enum core_batch_kind kind, int64_t now_ms);
void core_batch_put(struct core_batch *batch, struct message *message, int seconds);

void core_send_extensions(struct core *core, int64_t now_ms);
void core_send_acks(struct core *core, int64_t now_ms);

/* ---- core_quarantine.c ---- */

/* To the DLQ: needs settings.dlq. message->reason or, when that is NULL, `reason` goes with it. */
void core_message_quarantine(struct core *core, struct message *message, const char *reason, int64_t now_ms);
void core_send_quarantines(struct core *core, int64_t now_ms);
/* The end of its send. */
void core_quarantine_answered(struct core *core, struct message *message, enum acks_fate fate,
                              const char *code, int64_t now_ms);

/* ---- core_groups.c; nothing happens unless the queue is FIFO ---- */

/* Hands back, unstarted, what stands behind the message in its group; NULL: behind any message. */
void core_hand_back_behind(struct core *core, struct message *message, int64_t now_ms);
/* A message that was collected and is not done leaves its group, and nothing behind it may start. */
void core_group_stop(struct core *core, struct message *message, int64_t now_ms);
/* Gives a poll an attempt id; that of a receive whose answer was lost, if there is one it has room for. */
void core_attempt_begin(struct core *core, struct core_poll *poll, int64_t now_ms);
/* Nobody knows what the poll would have brought: its id is kept. */
void core_attempt_lost(struct core *core, const struct core_poll *poll, int64_t now_ms);

/* ---- core_drain.c ---- */

void core_drain_step(struct core *core, int64_t now_ms);
void core_drain_check_end(struct core *core, int64_t now_ms);
int64_t core_drain_due_ms(const struct core *core);

#endif

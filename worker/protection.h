/*
 * When to ask ECS for task scale-in protection, and when to give it back: a state machine without I/O or
 * clock. Protection is a courtesy of ECS, not what keeps messages safe: a task that is stopped unprotected
 * gets TERM and drains. So nothing here is ever waited for by a message, short work is not protected at all,
 * and calls go out on the edges between idle and busy only, far apart.
 *
 * Times are product ms (base/clock.h), as the expiry in minutes is that ECS keeps: on a scaled clock work,
 * hold and expiry keep their proportions. What a connection may take is the caller's business, in real time.
 *
 * Sources: Amazon ECS Developer Guide, "Protect your Amazon ECS tasks from being terminated by scale-in
 * events" (expiry 1 to 2,880 minutes, repeating the call starts it anew); amazon-ecs-agent,
 * handlers/agentapi/taskprotection.
 */
#ifndef SLUICE_WORKER_PROTECTION_H
#define SLUICE_WORKER_PROTECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROTECTION_SETTLE_MS = 1000,     /* busy for so long before protection is asked for */
    PROTECTION_LINGER_MS = 5000,     /* idle for so long before it is given back ... */
    PROTECTION_HOLD_MS = 30000,      /* ... and never sooner than this after it was asked for */
    PROTECTION_TRIES = 2,            /* of one call */
    PROTECTION_AGAIN_MS = 500,       /* between them */
    PROTECTION_PAUSE_MS = 30000,     /* after a miss, doubling ... */
    PROTECTION_PAUSE_MAX_MS = 300000 /* ... up to this */
};
#define PROTECTION_MARGIN_MINUTES 5
#define PROTECTION_MINUTES_MAX 2880

enum protection_ask { PROTECTION_NOTHING, PROTECTION_PROTECT, PROTECTION_RELEASE };

enum protection_outcome {
    PROTECTION_DONE,
    PROTECTION_REFUSED, /* ECS said no, with HTTP 200: DEPLOYMENT_BLOCKED, TASK_NOT_VALID ... */
    PROTECTION_DENIED,  /* another answer that a second try won't change: no task role, bad request */
    PROTECTION_FAILED   /* no answer, 429, 5xx: it may have worked, and may work now */
};

/* To look at, not to change. */
struct protection {
    int minutes; /* asked for */
    bool busy;
    bool draining;      /* no new protection; what there is is kept */
    int64_t edge_ms;    /* since when busy or idle */
    bool is_protected;  /* as ECS told us ... */
    int64_t granted_ms; /* ... when this call was sent */
    int64_t claimed_ms; /* last PROTECT that worked or may have */
    int64_t until_ms;   /* when what was claimed ends by itself; INT64_MIN: nothing is */
    bool on_wire;
    enum protection_ask asked; /* the call on the wire, or the last one */
    int64_t sent_ms;
    int tries; /* of the present call that failed */
    int64_t not_before_ms;
    int misses; /* calls that failed after all their tries, in a row */
    int64_t failures, refusals;
};

/* Minutes to ask for, for a worker whose messages stay with it for so long without a sign of life (visibility
 * timeout and stop grace): that and a margin. It is renewed while there is work, when half is gone. */
int protection_minutes(int64_t visibility_ms, int64_t stop_grace_ms);

void protection_init(struct protection *p, int minutes, int64_t now_ms);

/* ---- events ---- */

void protection_set_busy(struct protection *p, bool busy, int64_t now_ms);
void protection_drain(struct protection *p);
/* What to send now, if anything: it is on the wire from then on, until its reply. */
enum protection_ask protection_next(struct protection *p, int64_t now_ms);
void protection_on_reply(struct protection *p, enum protection_outcome outcome, int64_t now_ms);
/* The worker leaves; whatever was on the wire is cancelled. True when a last RELEASE should be tried, once.
 */
bool protection_end(struct protection *p, int64_t now_ms);

/* ---- questions ---- */

/* When protection_next() may want something; INT64_MAX: only after an event. */
int64_t protection_due_ms(const struct protection *p, int64_t now_ms);
bool protection_is_on(const struct protection *p, int64_t now_ms);

/* What the agent's reply means. body is changed by reading it. reason (may be ""): a word for the log. */
enum protection_outcome protection_read_reply(int http_status, char *body, size_t len, bool wanted,
                                              char *reason, size_t reason_size);

#endif

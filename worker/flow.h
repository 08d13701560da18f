/*
 * Flow control: when to open the next poll and for how many messages. Pure arithmetic; the core asks after
 * every event.
 *
 * Rules: held messages and what open polls may still bring never exceed capacity + prefetch. The prefetch is
 * what can be started within half of the visibility timeout at the handling time seen so far, and never more
 * than FLOW_PREFETCH_MAX: what would wait longer is better left to others. A poll is opened when a whole
 * batch fits; or when next to nothing waits for a slot and no other poll is under way, then for what fits.
 * The first rule keeps it at one receive per ten messages, the second keeps slots busy while a reply is on
 * its way.
 */
#ifndef SLUICE_WORKER_FLOW_H
#define SLUICE_WORKER_FLOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FLOW_BATCH = 10,        /* most messages a receive can bring */
    FLOW_PREFETCH_MAX = 10, /* messages held beyond the capacity, at most */
    FLOW_PACE_SAMPLES = 16, /* handling times that the mean goes back to, about */
    FLOW_LOW_WAITING = 1,   /* so few waiting messages count as "a slot will soon be free" */
};

struct flow_view {
    int capacity; /* slots; 0: paused */
    int prefetch; /* messages that may be fetched beyond the capacity, see flow_prefetch() */
    int keep;     /* messages beyond the capacity that are kept, >= prefetch */
    int held;     /* waiting for a slot or being handled */
    int waiting;  /* of these, waiting for a slot */
    int polls;    /* polls under way that may still be answered in time */
    int polled;   /* messages that all open polls together may bring, overdue ones included */
    int target;   /* polls wanted at most, see flow_target_after() */
    bool blocked; /* deletes pile up, receives back off, or the worker drains: no poll now */
};

/* Moving mean of handling times; a zeroed one knows nothing. */
struct flow_pace {
    double mean_ms;
    int samples; /* <= FLOW_PACE_SAMPLES */
};
void flow_pace_add(struct flow_pace *pace, int64_t handling_ms);

/* How many messages `capacity` slots can start within span_ms when handling one takes so long, 0 to
 * FLOW_PREFETCH_MAX. */
int flow_prefetch(int capacity, int64_t span_ms, double handling_ms);

/* Messages to ask for in a poll to be opened now, 1..10; 0: open none. */
int flow_next_poll(const struct flow_view *view);

/* Messages held beyond what capacity and keep allow (the capacity was lowered, or handling takes longer than
 * thought): to be handed back, newest first, as far as they only wait. */
int flow_excess(const struct flow_view *view);

/* Whether only polls that are overdue stand in the way of the next one: the oldest is to be given up. */
bool flow_must_give_up(const struct flow_view *view);

/* One answered poll. */
struct flow_answer {
    int capacity;
    int asked, got;
    bool slots_free; /* what it brought included */
    bool early;      /* long before its wait was over: there was something to fetch */
};

/* How many polls to have under way after that: doubles while they come back full, falls to one on an empty
 * one. SQS answers as soon as a message is there, so a partial one says nothing about the queue: the number
 * stays, and grows by one while slots are free and answers come early. An idle worker so has one long poll
 * open, a busy one as many as its room takes. */
int flow_target_after(int target, const struct flow_answer *answer);

#endif

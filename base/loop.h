/*
 * Event loop helpers over libevent: a base with precise timers, and one-shot timers that are armed in product
 * time or in real time, so that nobody else converts between the two. A base and its timers belong to one
 * thread.
 */
#ifndef SLUICE_BASE_LOOP_H
#define SLUICE_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event;
struct event_base;

/* New base with sub-millisecond timers and no locks (one thread). Aborts when the system refuses. Free it
 * with event_base_free(). */
struct event_base *loop_base_new(void);

struct loop_timer {
    struct event *event; /* owned */
    void (*fn)(void *arg);
    void *arg;
};

/* Prepares a one-shot timer; fn(arg) runs in the loop. May be re-armed from its own callback. */
void loop_timer_init(struct loop_timer *timer, struct event_base *base, void (*fn)(void *arg), void *arg);
/* Safe on a zeroed struct. Not from within event_base_free(). */
void loop_timer_clean_up(struct loop_timer *timer);

/* (Re)arm: fires once after the delay (<= 0: in the next loop turn). */
void loop_timer_arm_product_ms(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_arm_real_ms(struct loop_timer *timer, int64_t delay_ms);
/* As arm_product, but not sooner than real_floor_ms of real time (safety limits; see clock.h). */
void loop_timer_arm_product_floor_ms(struct loop_timer *timer, int64_t delay_ms, int64_t real_floor_ms);
void loop_timer_cancel(struct loop_timer *timer);
bool loop_timer_pending(const struct loop_timer *timer);

#endif

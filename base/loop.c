/* Event loop helpers; see loop.h. */
#include "base/loop.h"

#include "base/clock.h"

#include <event2/event.h>
#include <stdlib.h>

struct event_base *loop_base_new(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        abort();
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base == NULL)
        abort();
    return base;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop_timer *timer = arg;
    timer->fn(timer->arg);
}

void loop_timer_init(struct loop_timer *timer, struct event_base *base, void (*fn)(void *arg), void *arg)
{
    timer->fn = fn;
    timer->arg = arg;
    timer->event = event_new(base, -1, 0, on_timer, timer);
    if (timer->event == NULL)
        abort();
}

void loop_timer_clean_up(struct loop_timer *timer)
{
    if (timer->event != NULL)
        event_free(timer->event);
    timer->event = NULL;
}

static void arm_us(struct loop_timer *timer, int64_t delay_us)
{
    if (delay_us < 0)
        delay_us = 0;
    struct timeval delay = {.tv_sec = (time_t)(delay_us / 1000000),
                            .tv_usec = (suseconds_t)(delay_us % 1000000)};
    (void)event_add(timer->event, &delay);
}

void loop_timer_arm_product_ms(struct loop_timer *timer, int64_t delay_ms)
{
    arm_us(timer, clock_real_us_of_product_ms(delay_ms));
}

void loop_timer_arm_real_ms(struct loop_timer *timer, int64_t delay_ms)
{
    arm_us(timer, delay_ms * 1000);
}

void loop_timer_arm_product_floor_ms(struct loop_timer *timer, int64_t delay_ms, int64_t real_floor_ms)
{
    int64_t delay_us = clock_real_us_of_product_ms(delay_ms);
    arm_us(timer, delay_us > real_floor_ms * 1000 ? delay_us : real_floor_ms * 1000);
}

void loop_timer_cancel(struct loop_timer *timer)
{
    if (timer->event != NULL)
        (void)event_del(timer->event);
}

bool loop_timer_pending(const struct loop_timer *timer)
{
    return timer->event != NULL && event_pending(timer->event, EV_TIMEOUT, NULL) != 0;
}

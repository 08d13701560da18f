/*
 * The only module that reads the time. Two clocks:
 *
 * - product time: what is decided, shown or stored (polls, cooldowns, visibility, PAYMENT_TIME, telemetry,
 * journal). Epoch milliseconds. SLUICE_TIME_SCALE=<N>@<epoch ms> makes it run N times as fast from that
 * origin, in all processes alike; without it N is 1 and product time is the wall clock. The origin must lie
 * within 10 years of now: nanoseconds since then, times N, are to fit into an int64_t. Within a process it
 * never goes back: it is anchored at clock_init() to CLOCK_REALTIME and then follows CLOCK_BOOTTIME, which
 * goes on while the machine is suspended: leases run out meanwhile. (Timers of the loop come late after
 * that.)
 * - real time: what physics or a peer fixes (SigV4 dates, TLS, connect timeouts, API retry backoff, CPU
 * figures, floors under safety limits).
 *
 * All functions are thread-safe after clock_init().
 */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include "base/err.h"

#include <stdint.h>

enum { CLOCK_SCALE_MIN = 1, CLOCK_SCALE_MAX = 20, CLOCK_ORIGIN_YEARS_MAX = 10 };

/* Reads SLUICE_TIME_SCALE and anchors product time. Call once at the top of main(), before any thread.
 * Returns 0, or -1 with err naming the variable, its value and what is allowed. */
int clock_init(struct err *err);

/* Same from a given setting (NULL: scale 1); for tests and for clock_init(). */
int clock_init_from(const char *setting, struct err *err);

/* The scale N, 1..20. */
int clock_scale(void);

/* Product time now, epoch ms and epoch us: of one instant, the former is a thousandth of the latter, cut. */
int64_t clock_product_ms(void);
int64_t clock_product_us(void);

/* Wall clock (CLOCK_REALTIME), epoch ms, unscaled. May jump. */
int64_t clock_wall_ms(void);

/* CLOCK_MONOTONIC, ms and ns; only differences mean anything. */
int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);

/* CLOCK_BOOTTIME, ms; only differences mean anything. Goes on while the machine is suspended, in which a
 * lease that others watch runs out. */
int64_t clock_boot_ms(void);

/* Length of a product-time span in real microseconds (span / N, rounded up; negative spans give 0). */
int64_t clock_real_us_of_product_ms(int64_t span_ms);

/* Sleeps until product time `until_ms`. Blocks the calling thread; not for event loops. */
void clock_sleep_until_product_ms(int64_t until_ms);
/* Sleeps for a span of product time, never for less; 0 and below return at once. */
void clock_sleep_product_ms(int64_t span_ms);

/* "2026-11-23T09:20:00.123Z" for epoch ms, into out (>= 25 bytes). Returns out. */
char *clock_format_iso8601(int64_t epoch_ms, char out[static 25]);

#endif

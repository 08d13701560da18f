/* Product and real time; see clock.h for which is for what. */
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const int64_t NS_PER_MS = 1000000;
static const int64_t MS_PER_YEAR = (int64_t)36525 * 24 * 36 * 1000; /* of 365.25 days */

/* Written once by clock_init_from() before any thread exists. */
static int g_scale = 1;
static int64_t g_anchor_product_ns; /* product epoch ns at the anchor */
static int64_t g_anchor_boot_ns;    /* 0: not anchored yet; it goes on while the machine is suspended */

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int parse_setting(const char *setting, int64_t *ret_scale, int64_t *ret_origin_ms)
{
    char *end = NULL;
    errno = 0;
    long long scale = strtoll(setting, &end, 10);
    if (errno != 0 || end == setting || scale < CLOCK_SCALE_MIN || scale > CLOCK_SCALE_MAX || *end != '@')
        return -1;
    const char *origin_text = end + 1;
    long long origin = strtoll(origin_text, &end, 10);
    if (errno != 0 || end == origin_text || *end != '\0' || origin < 0)
        return -1;
    *ret_scale = scale;
    *ret_origin_ms = origin;
    return 0;
}

/* Farther away, nanoseconds since the origin times the scale would not fit into an int64_t. */
static int check_origin(const char *setting, int64_t origin_ms, int64_t wall_ms, struct err *err)
{
    int64_t far_ms = CLOCK_ORIGIN_YEARS_MAX * MS_PER_YEAR;
    if (origin_ms >= wall_ms - far_ms && origin_ms <= wall_ms + far_ms)
        return 0;
    return err_set(
        err,
        "SLUICE_TIME_SCALE=%s: want an origin of at most %d years before or after now, which is %" PRId64,
        setting, CLOCK_ORIGIN_YEARS_MAX, wall_ms);
}

int clock_init_from(const char *setting, struct err *err)
{
    int64_t wall_ns = read_ns(CLOCK_REALTIME);
    int64_t scale = 1;
    int64_t origin_ms = wall_ns / NS_PER_MS;
    if (setting != NULL && setting[0] != '\0') {
        if (parse_setting(setting, &scale, &origin_ms) != 0)
            return err_set(err, "SLUICE_TIME_SCALE=%s: want <N>@<epoch ms> with N from %d to %d", setting,
                           CLOCK_SCALE_MIN, CLOCK_SCALE_MAX);
        if (check_origin(setting, origin_ms, wall_ns / NS_PER_MS, err) != 0)
            return -1;
    }
    int64_t origin_ns = origin_ms * NS_PER_MS;
    g_scale = (int)scale;
    g_anchor_boot_ns = read_ns(CLOCK_BOOTTIME);
    g_anchor_product_ns = origin_ns + (wall_ns - origin_ns) * scale;
    if (scale == 1)
        g_anchor_product_ns = wall_ns;
    return 0;
}

int clock_init(struct err *err)
{
    return clock_init_from(getenv("SLUICE_TIME_SCALE"), err);
}

int clock_scale(void)
{
    return g_scale;
}

static int64_t product_ns(void)
{
    int64_t since_ns = read_ns(CLOCK_BOOTTIME) - g_anchor_boot_ns;
    return g_anchor_product_ns + since_ns * g_scale;
}

int64_t clock_product_ms(void)
{
    return product_ns() / NS_PER_MS;
}

int64_t clock_product_us(void)
{
    return product_ns() / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / NS_PER_MS;
}

int64_t clock_boot_ms(void)
{
    return read_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

int64_t clock_real_us_of_product_ms(int64_t span_ms)
{
    if (span_ms <= 0)
        return 0;
    return (span_ms * 1000 + g_scale - 1) / g_scale;
}

static void sleep_until_boot_ns(int64_t wake_ns)
{
    struct timespec wake = {.tv_sec = (time_t)(wake_ns / 1000000000),
                            .tv_nsec = (long)(wake_ns % 1000000000)};
    if (wake_ns <= 0)
        return;
    while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &wake, NULL) == EINTR)
        continue;
}

void clock_sleep_until_product_ms(int64_t until_ms)
{
    int64_t span_ns = until_ms * NS_PER_MS - g_anchor_product_ns;
    sleep_until_boot_ns(g_anchor_boot_ns + (span_ns + g_scale - 1) / g_scale);
}

void clock_sleep_product_ms(int64_t span_ms)
{
    if (span_ms > 0)
        sleep_until_boot_ns(read_ns(CLOCK_BOOTTIME) + (span_ms * NS_PER_MS + g_scale - 1) / g_scale);
}

char *clock_format_iso8601(int64_t epoch_ms, char out[static 25])
{
    time_t seconds = (time_t)(epoch_ms / 1000);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    char day[24];
    (void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out, 25, "%.19s.%03dZ", day, (int)(epoch_ms % 1000));
    return out;
}

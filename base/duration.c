/* Durations as text. */
#include "base/duration.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
    const char *name;
    int64_t ms;
} UNITS[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

enum { UNIT_COUNT = sizeof UNITS / sizeof UNITS[0] };
static const int64_t LONGEST_MS = (int64_t)3650 * 86400000;

/* Index of the unit that text starts with (its letters end at a digit or the end), or -1. */
static int unit_at(const char *text, size_t *ret_len)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    for (int i = 0; i < UNIT_COUNT; i++) {
        if (strlen(UNITS[i].name) == len && strncmp(text, UNITS[i].name, len) == 0) {
            *ret_len = len;
            return i;
        }
    }
    return -1;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
    int64_t total = 0;
    int last_unit = -1;
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    if (*text == '\0')
        return -1;
    while (*text != '\0') {
        int64_t number = 0;
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 15)
            return -1;
        for (size_t i = 0; i < digits; i++)
            number = number * 10 + (text[i] - '0');
        text += digits;
        size_t unit_len = 0;
        int unit = unit_at(text, &unit_len);
        if (unit <= last_unit || number > LONGEST_MS / UNITS[unit].ms)
            return -1;
        total += number * UNITS[unit].ms;
        if (total > LONGEST_MS)
            return -1;
        last_unit = unit;
        text += unit_len;
    }
    *ret_ms = total;
    return 0;
}

char *duration_format(int64_t ms, char out[static 48])
{
    size_t used = 0;
    if (ms <= 0) {
        (void)snprintf(out, 48, "0");
        return out;
    }
    for (int i = 0; i < UNIT_COUNT; i++) {
        int64_t count = ms / UNITS[i].ms;
        if (count == 0)
            continue;
        used += (size_t)snprintf(out + used, 48 - used, "%lld%s", (long long)count, UNITS[i].name);
        ms -= count * UNITS[i].ms;
    }
    return out;
}

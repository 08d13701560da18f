/*
 * Durations as text with units: "500ms", "60s", "5m", "1h30m", "2d". Pure.
 */
#ifndef SLUICE_BASE_DURATION_H
#define SLUICE_BASE_DURATION_H

#include <stdint.h>

/* Parses text into ms. Whole numbers with unit ms, s, m, h or d, several parts allowed, largest unit first
 * ("1h30m"); "0" needs no unit. Returns 0, or -1 when malformed or above 10 years; *ret_ms is untouched then.
 */
int duration_parse(const char *text, int64_t *ret_ms);

/* Shortest exact text of ms >= 0 that duration_parse() reads back ("90s" gives "1m30s"). Returns out. */
char *duration_format(int64_t ms, char out[static 48]);

#endif

/*
 * A map from texts to values that are each forgotten a fixed time after they were put in, for the windows of
 * five minutes that FIFO queues have. Forgetting costs O(1) for each value and happens when the map is used.
 * Pure; one thread.
 */
#ifndef SLUICE_LOCALAWS_RECENT_H
#define SLUICE_LOCALAWS_RECENT_H

#include "localaws/strmap.h"

#include <stdint.h>

struct recent_entry;

struct recent {
    struct strmap map;                    /* key -> struct recent_entry */
    struct recent_entry *oldest, *newest; /* owned; all of them, also those that a later one replaced */
};

void recent_clean_up(struct recent *recent);
/* The value that was put in under this key at most `keep_ms` ago (excluded), or NULL. */
void *recent_get(struct recent *recent, struct slice key, int64_t now_ms, int64_t keep_ms);
/* Puts in a value of `size` zeroed bytes, replaces an older one of this key, and returns it. It lives until
 * it is forgotten. */
void *recent_put(struct recent *recent, struct slice key, size_t size, int64_t now_ms);

#endif

/* A hash map from names to pointers, for queues and the like. Values are not owned. Pure; one thread. */
#ifndef SLUICE_LOCALAWS_STRMAP_H
#define SLUICE_LOCALAWS_STRMAP_H

#include "localaws/slice.h"

#include <stdint.h>

struct strmap_entry {
    char *key; /* owned; NULL: free place */
    size_t len;
    uint32_t hash;
    void *value;
};

struct strmap {
    struct strmap_entry *entries; /* owned; a power of two of places, linear probing */
    size_t count;
    size_t capacity;
};

void strmap_clean_up(struct strmap *map);
/* Adds or replaces. The key is copied. */
void strmap_put(struct strmap *map, struct slice key, void *value);
/* NULL when the name is not there. */
void *strmap_get(const struct strmap *map, struct slice key);
/* Returns the value that was there, or NULL. */
void *strmap_remove(struct strmap *map, struct slice key);
/* Walks in no order: start with *position 0; NULL at the end. The map must not change in between. */
void *strmap_next(const struct strmap *map, size_t *position);

#endif

/* Open-addressing hash map with backward-shift deletion; see strmap.h. */
#include "localaws/strmap.h"

#include "base/alloc.h"

#include <stdlib.h>

void strmap_clean_up(struct strmap *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        free(map->entries[i].key);
    free(map->entries);
    *map = (struct strmap){.entries = NULL};
}

static uint32_t hash_of(struct slice key)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * 16777619U;
    return hash;
}

/* The place of the key, or the free place where it would go. The map is never full. */
static size_t find(const struct strmap *map, struct slice key, uint32_t hash)
{
    size_t mask = map->capacity - 1;
    size_t i = hash & mask;
    while (map->entries[i].key != NULL) {
        const struct strmap_entry *e = &map->entries[i];
        if (e->hash == hash && e->len == key.len && memcmp(e->key, key.at, key.len) == 0)
            break;
        i = (i + 1) & mask;
    }
    return i;
}

static void grow(struct strmap *map)
{
    struct strmap old = *map;
    map->capacity = old.capacity == 0 ? 16 : old.capacity * 2;
    map->entries = xcalloc(map->capacity, sizeof *map->entries);
    for (size_t i = 0; i < old.capacity; i++) {
        struct strmap_entry *e = &old.entries[i];
        if (e->key != NULL)
            map->entries[find(map, (struct slice){e->key, e->len}, e->hash)] = *e;
    }
    free(old.entries);
}

void strmap_put(struct strmap *map, struct slice key, void *value)
{
    if ((map->count + 1) * 2 > map->capacity)
        grow(map);
    uint32_t hash = hash_of(key);
    struct strmap_entry *e = &map->entries[find(map, key, hash)];
    if (e->key == NULL) {
        *e = (struct strmap_entry){.key = xstrndup(key.at, key.len), .len = key.len, .hash = hash};
        map->count++;
    }
    e->value = value;
}

void *strmap_get(const struct strmap *map, struct slice key)
{
    if (map->count == 0 || key.at == NULL)
        return NULL;
    return map->entries[find(map, key, hash_of(key))].value;
}

void *strmap_remove(struct strmap *map, struct slice key)
{
    if (map->count == 0)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t hole = find(map, key, hash_of(key));
    if (map->entries[hole].key == NULL)
        return NULL;
    void *value = map->entries[hole].value;
    free(map->entries[hole].key);
    map->count--;
    /* Close the gap, so that no probe sequence is cut. */
    for (size_t i = (hole + 1) & mask; map->entries[i].key != NULL; i = (i + 1) & mask) {
        size_t home = map->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->entries[hole] = map->entries[i];
            hole = i;
        }
    }
    map->entries[hole] = (struct strmap_entry){.key = NULL};
    return value;
}

void *strmap_next(const struct strmap *map, size_t *position)
{
    while (*position < map->capacity) {
        const struct strmap_entry *e = &map->entries[(*position)++];
        if (e->key != NULL)
            return e->value;
    }
    return NULL;
}

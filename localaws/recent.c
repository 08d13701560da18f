/* Values that are forgotten after a time; see recent.h. */
#include "localaws/recent.h"

#include "base/alloc.h"

#include <stddef.h>
#include <stdlib.h>

struct recent_entry {
    struct recent_entry *next; /* put in later */
    int64_t put_ms;
    char *key; /* owned */
    size_t key_len;
    _Alignas(max_align_t) char value[];
};

static void drop_oldest(struct recent *recent)
{
    struct recent_entry *e = recent->oldest;
    struct slice key = {e->key, e->key_len};
    recent->oldest = e->next;
    if (e->next == NULL)
        recent->newest = NULL;
    if (strmap_get(&recent->map, key) == e) /* else a later one took its place */
        (void)strmap_remove(&recent->map, key);
    free(e->key);
    free(e);
}

void recent_clean_up(struct recent *recent)
{
    while (recent->oldest != NULL)
        drop_oldest(recent);
    strmap_clean_up(&recent->map);
}

void *recent_get(struct recent *recent, struct slice key, int64_t now_ms, int64_t keep_ms)
{
    while (recent->oldest != NULL && now_ms - recent->oldest->put_ms >= keep_ms)
        drop_oldest(recent);
    struct recent_entry *e = strmap_get(&recent->map, key);
    return e == NULL ? NULL : e->value;
}

void *recent_put(struct recent *recent, struct slice key, size_t size, int64_t now_ms)
{
    struct recent_entry *e = xcalloc(1, sizeof *e + size);
    e->put_ms = now_ms;
    e->key = xstrndup(key.at, key.len);
    e->key_len = key.len;
    if (recent->newest != NULL)
        recent->newest->next = e;
    else
        recent->oldest = e;
    recent->newest = e;
    strmap_put(&recent->map, key, e);
    return e->value;
}

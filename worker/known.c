/* Memory of message ids; see known.h. */
#include "worker/known.h"

#include "base/alloc.h"
#include "worker/text_hash.h"

#include <stdlib.h>
#include <string.h>

void known_init(struct known *known, size_t finished_max)
{
    *known = (struct known){.finished_max = finished_max, .bucket_count = 256};
    while (known->bucket_count < finished_max && known->bucket_count < 1U << 20)
        known->bucket_count *= 2;
    known->buckets = xcalloc(known->bucket_count, sizeof(struct known_entry *));
    for (int i = 0; i < KNOWN_STATE_MAX; i++)
        TAILQ_INIT(&known->lists[i]);
}

void known_clean_up(struct known *known)
{
    for (int i = 0; known->buckets != NULL && i < KNOWN_STATE_MAX; i++) {
        struct known_entry *entry = NULL;
        while ((entry = TAILQ_FIRST(&known->lists[i])) != NULL) {
            TAILQ_REMOVE(&known->lists[i], entry, order);
            free(entry);
        }
    }
    free(known->buckets);
    *known = (struct known){.buckets = NULL};
}

struct known_entry *known_find(const struct known *known, const char *id)
{
    unsigned hash = text_hash(id);
    struct known_entry *entry = known->buckets[hash & (known->bucket_count - 1)];
    while (entry != NULL && (entry->hash != hash || strcmp(entry->id, id) != 0))
        entry = entry->chain;
    return entry;
}

struct known_entry *known_add(struct known *known, const char *id, struct message *message)
{
    size_t len = strlen(id);
    struct known_entry *entry = xcalloc(1, sizeof *entry + len + 1);
    memcpy(entry->id, id, len + 1);
    entry->hash = text_hash(id);
    entry->message = message;
    entry->state = KNOWN_HELD;
    struct known_entry **bucket = &known->buckets[entry->hash & (known->bucket_count - 1)];
    entry->chain = *bucket;
    *bucket = entry;
    TAILQ_INSERT_TAIL(&known->lists[KNOWN_HELD], entry, order);
    known->counts[KNOWN_HELD]++;
    return entry;
}

void known_forget(struct known *known, struct known_entry *entry)
{
    struct known_entry **link = &known->buckets[entry->hash & (known->bucket_count - 1)];
    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    TAILQ_REMOVE(&known->lists[entry->state], entry, order);
    known->counts[entry->state]--;
    free(entry);
}

static void forget_oldest_finished(struct known *known, const struct known_entry *keep)
{
    static const enum known_state ORDER[] = {KNOWN_CONFIRMED, KNOWN_UNCONFIRMED};
    for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++) {
        struct known_entry *oldest = TAILQ_FIRST(&known->lists[ORDER[i]]);
        if (oldest != NULL && oldest != keep) {
            known_forget(known, oldest);
            return;
        }
    }
}

void known_set_state(struct known *known, struct known_entry *entry, enum known_state state,
                     struct message *message)
{
    TAILQ_REMOVE(&known->lists[entry->state], entry, order);
    known->counts[entry->state]--;
    entry->state = state;
    entry->message = message;
    TAILQ_INSERT_TAIL(&known->lists[state], entry, order);
    known->counts[state]++;
    if (state != KNOWN_HELD &&
        known->counts[KNOWN_CONFIRMED] + known->counts[KNOWN_UNCONFIRMED] > known->finished_max)
        forget_oldest_finished(known, entry);
}

/*
 * Memory of message ids: those held now and the last few thousand that were finished. SQS delivers at least
 * once; a message that comes again while we hold it, or after its delete was not confirmed (or confirmed and
 * yet undone), is recognised here and not handled twice by this process.
 *
 * A hash table of exact ids; I/O thread only. Held entries stay; finished ones are bounded, and the ones
 * whose delete was confirmed are forgotten first.
 */
#ifndef SLUICE_WORKER_KNOWN_H
#define SLUICE_WORKER_KNOWN_H

#include "base/list.h"

#include <stddef.h>

struct message;

enum known_state {
    KNOWN_HELD,        /* waiting, being handled, or its delete pending: entry->message is set */
    KNOWN_UNCONFIRMED, /* handled; SQS never confirmed the delete, or its lease was lost before */
    KNOWN_CONFIRMED,   /* handled and deleted */
    KNOWN_STATE_MAX
};

struct known_entry {
    TAILQ_ENTRY(known_entry) order; /* in the list of its state, oldest first */
    struct known_entry *chain;
    struct message *message; /* KNOWN_HELD: whose entry it is */
    enum known_state state;
    unsigned hash;
    char id[];
};

TAILQ_HEAD(known_list, known_entry);

struct known {
    struct known_entry **buckets;
    unsigned bucket_count; /* power of two */
    struct known_list lists[KNOWN_STATE_MAX];
    size_t counts[KNOWN_STATE_MAX];
    size_t finished_max;
};

/* finished_max: how many finished ids to remember, >= 1. */
void known_init(struct known *known, size_t finished_max);
void known_clean_up(struct known *known);

/* The entry of that id, or NULL. */
struct known_entry *known_find(const struct known *known, const char *id);

/* Adds an id that is not there yet, as held by message. The entry lives until known_forget() or until it is
 * finished and pushed out by later ones. */
struct known_entry *known_add(struct known *known, const char *id, struct message *message);

/* Held again (message set), or finished (message NULL). May free other finished entries, never this one. */
void known_set_state(struct known *known, struct known_entry *entry, enum known_state state,
                     struct message *message);

/* Drops an entry: its message may come again and be handled. */
void known_forget(struct known *known, struct known_entry *entry);

#endif

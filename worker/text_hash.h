/* A hash of ids for tables in memory. */
#ifndef SLUICE_WORKER_TEXT_HASH_H
#define SLUICE_WORKER_TEXT_HASH_H

/* FNV-1a. No defence against keys that are chosen to collide: ids of messages come from SQS and are random
 * already; those of groups are chosen by senders, but of one account, and the number held is bounded. */
static inline unsigned text_hash(const char *text)
{
    unsigned hash = 2166136261U;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

#endif

/* Groups as lists in a hash table; see groups.h. */
#include "worker/groups.h"

#include "base/alloc.h"
#include "worker/text_hash.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 }; /* a power of two; a worker holds some hundred groups at most */

struct group {
    struct group *chain;
    struct message_list members; /* in the order of their arrival */
    unsigned hash;
    char id[];
};

void groups_clean_up(struct groups *groups)
{
    for (size_t i = 0; groups->buckets != NULL && i < BUCKETS; i++) {
        struct group *next = NULL;
        for (struct group *group = groups->buckets[i]; group != NULL; group = next) {
            next = group->chain;
            free(group);
        }
    }
    free(groups->buckets);
    *groups = (struct groups){.buckets = NULL};
}

static struct group *find(struct groups *groups, const char *id, unsigned hash)
{
    struct group *group = groups->buckets[hash & (BUCKETS - 1)];
    while (group != NULL && (group->hash != hash || strcmp(group->id, id) != 0))
        group = group->chain;
    return group;
}

static struct group *add(struct groups *groups, const char *id, unsigned hash)
{
    size_t len = strlen(id);
    struct group **bucket = &groups->buckets[hash & (BUCKETS - 1)];
    struct group *group = xcalloc(1, sizeof *group + len + 1);
    memcpy(group->id, id, len + 1);
    group->hash = hash;
    TAILQ_INIT(&group->members);
    group->chain = *bucket;
    *bucket = group;
    groups->count++;
    return group;
}

static void drop(struct groups *groups, struct group *group)
{
    struct group **link = &groups->buckets[group->hash & (BUCKETS - 1)];
    while (*link != group)
        link = &(*link)->chain;
    *link = group->chain;
    groups->count--;
    free(group);
}

bool groups_join(struct groups *groups, struct message *message)
{
    unsigned hash = text_hash(message->group_id);
    if (groups->buckets == NULL)
        groups->buckets = xcalloc(BUCKETS, sizeof(struct group *));
    struct group *group = find(groups, message->group_id, hash);
    if (group == NULL)
        group = add(groups, message->group_id, hash);
    TAILQ_INSERT_TAIL(&group->members, message, grouped);
    message->group = group;
    return TAILQ_FIRST(&group->members) == message;
}

struct message *groups_leave(struct groups *groups, struct message *message)
{
    struct group *group = message->group;
    if (group == NULL)
        return NULL;
    bool was_first = TAILQ_FIRST(&group->members) == message;
    TAILQ_REMOVE(&group->members, message, grouped);
    message->group = NULL;
    struct message *first = TAILQ_FIRST(&group->members);
    if (first == NULL)
        drop(groups, group);
    return was_first ? first : NULL;
}

struct message *groups_last_behind(const struct message *message)
{
    if (message->group == NULL)
        return NULL;
    struct message *last = TAILQ_LAST(&message->group->members, message_list);
    return last == message ? NULL : last;
}

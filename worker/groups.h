/*
 * Message groups of a FIFO queue: which of the held messages of a group may be handled now. Only the first
 * one may; the next one when that has left. Pure; the dispatch queue calls under its lock.
 *
 * Source: SQS developer guide, "FIFO queue delivery logic": a receive may bring several messages of one
 * group, in order, and brings no more of it while one of them is in flight. So at most ten of a group are
 * held, unless some came again.
 */
#ifndef SLUICE_WORKER_GROUPS_H
#define SLUICE_WORKER_GROUPS_H

#include "worker/message.h"

struct group;

struct groups {
    struct group **buckets; /* owned; NULL until the first message */
    int count;              /* of groups with members */
};

/* A zeroed struct is empty and ready. Members are not freed. */
void groups_clean_up(struct groups *groups);

/* Puts a message with a group id, in no group yet, behind all others of its group. True: it is the first,
 * and may be handled. */
bool groups_join(struct groups *groups, struct message *message);
/* Takes it out. Returns the message that is now first of the group and was not before, else NULL. A message
 * in no group: NULL. */
struct message *groups_leave(struct groups *groups, struct message *message);
/* The last of the message's group if it stands behind it, else NULL. */
struct message *groups_last_behind(const struct message *message);

#endif

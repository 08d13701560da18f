/*
 * Temporary credentials that were handed out here (STS, container endpoint, instance metadata) and end at a
 * time. Real time, as all of signatures and credentials. Pure but for random numbers; one thread.
 */
#ifndef SLUICE_LOCALAWS_SESSIONS_H
#define SLUICE_LOCALAWS_SESSIONS_H

#include "localaws/slice.h"

#include <stdint.h>

enum { SESSIONS_MAX = 1024 }; /* the oldest are forgotten, and their keys unknown */

struct session {
    uint64_t number; /* 0: free; never used again */
    int64_t end_ms;  /* wall */
    char access_key[21];
    char secret_key[41];
    char token[129];
    char role[65], name[65]; /* arn:aws:sts::account:assumed-role/role/name */
};

struct sessions {
    struct session *list; /* owned; SESSIONS_MAX places, NULL: none yet */
    uint64_t last_number;
};

void sessions_clean_up(struct sessions *sessions);
/* Makes keys of a role (cut to 64 bytes, like the session's name). The result stays until it is the oldest.
 */
const struct session *sessions_issue(struct sessions *sessions, struct slice role, struct slice name,
                                     int64_t end_ms);
/* NULL when there is none. */
const struct session *sessions_find(const struct sessions *sessions, struct slice access_key);
const struct session *sessions_by_number(const struct sessions *sessions, uint64_t number);

#endif

/*
 * A lease that one of several holds at a time, kept in a record that all can read and write on condition
 * (DynamoDB): a pure state machine. Time is an argument, real ms of a clock that counts suspension
 * (clock_boot_ms()); what to do goes out, what came of it comes in. No two clocks are ever compared:
 *
 * - Every write gives the record a new version number (rvn), on condition that it still has the one that the
 *   writer knows. A holder renews on condition of its own name, too.
 * - A follower watches the record. Only when one and the same version has stood for a whole lease, on the
 *   follower's own clock and from when it first saw it, it takes the record over. The lease is the longer one
 *   of its own and of that which the holder wrote down. A record that was given back is taken at once. One
 *   that is not there (the table is new, or somebody deleted it under a holder) is made, with LEASE_NOBODY as
 *   its owner, and watched like any other.
 * - A leader may act until `margin` before a lease has passed since its last good renewal was *sent*, when
 *   nobody can have seen that version yet. So a leader that cannot renew stops before a follower can begin,
 *   as long as clocks of two hosts do not run more than the margin apart within a lease.
 * - The version with which a leadership began is its token: it rises from leader to leader, and fences the
 *   shared state against writes of an earlier one that come late.
 *
 * A write without an answer may have been done or not. The holder asks again with the same version; when that
 * is refused, it reads the record and sees.
 *
 * Source of the protocol: AWS's lock client for DynamoDB ("Building Distributed Locks with the DynamoDB Lock
 * Client", AWS Database Blog), but for the missing record, which that client takes at once. Not thread-safe.
 */
#ifndef SLUICE_SUPERVISOR_LEASE_H
#define SLUICE_SUPERVISOR_LEASE_H

#include <stdbool.h>
#include <stdint.h>

enum { LEASE_OWNER_BYTES = 128, LEASE_RELEASE_TRIES = 3 };

/* Real ms. */
struct lease_rules {
    int64_t lease_ms;     /* at least 3 heartbeats */
    int64_t heartbeat_ms; /* between two renewals, and between two looks of a follower */
    int64_t margin_ms;    /* how long before the end of its lease a leader stops; below lease - heartbeat */
    int64_t retry_ms;     /* wait after a call without an answer */
};

/* LEASE_MARGIN_PART of the lease is the margin: it covers clock rates that differ, and writes to AWS that
 * were sent just before. */
enum { LEASE_MARGIN_PART = 4, LEASE_RETRY_PART = 4 };
struct lease_rules lease_rules_of(int64_t lease_ms, int64_t heartbeat_ms);

#define LEASE_NOBODY "nobody"

struct lease_record {
    bool exists;
    char owner[LEASE_OWNER_BYTES]; /* "": given back */
    int64_t rvn;
    int64_t lease_ms; /* the holder's; 0: not told */
};

enum lease_role {
    LEASE_FOLLOWER,
    LEASE_CANDIDATE, /* its takeover is under way */
    LEASE_LEADER,
    LEASE_LEAVING, /* gives the lease back if it holds it */
    LEASE_OVER,
};
const char *lease_role_name(enum lease_role role); /* "follower" ... */

enum lease_deed {
    LEASE_WAIT,
    LEASE_READ,
    LEASE_MAKE,    /* on condition that there is no record: one whose owner is LEASE_NOBODY */
    LEASE_TAKE,    /* on condition that the rvn is `rvn` */
    LEASE_RENEW,   /* on condition of the owner and `rvn` */
    LEASE_RELEASE, /* on condition of the owner: no owner from then on */
};

struct lease_action {
    enum lease_deed what;
    int64_t rvn;     /* of the condition */
    int64_t new_rvn; /* to be written */
    int64_t wake_ms; /* call lease_next() again after so long though nothing has happened; -1: no need */
};

enum lease_answer {
    LEASE_DONE,
    LEASE_REFUSED, /* the condition does not hold */
    LEASE_FAILED,  /* no answer or an error: it may have been done or not */
};

struct lease {
    struct lease_rules rules;
    char owner[LEASE_OWNER_BYTES]; /* ours: of this process alone */
    enum lease_role role;
    bool ready;            /* may become a candidate */
    enum lease_deed doing; /* the call under way; LEASE_WAIT: none */
    int64_t sent_ms;       /* when it went out */
    int64_t next_ms;       /* nothing is begun before */
    int64_t since_ms;      /* of the role */
    int64_t floor;         /* highest rvn or fence ever seen */
    int release_tries;

    bool known; /* record is what was read last, and stands unchanged since watch_ms */
    struct lease_record record;
    int64_t watch_ms;
    int64_t take_ms; /* no takeover before: one was just tried */

    int64_t rvn;            /* leader: of our last write that is known to be done */
    int64_t try_rvn;        /* of the one that is under way or in doubt */
    int64_t try_ms;         /* when that was first sent */
    bool in_doubt;          /* a renewal was refused: read to see why */
    int64_t valid_until_ms; /* leader: acts before that */
    int64_t token;          /* of the leadership */

    uint64_t takeovers, losses, renewals, failures;
    char why[160]; /* the last loss */
};

/* first_rvn: at least 1; of a record that we make (the wall clock's ms will do: a record that was deleted and
 * made anew then goes on rising). */
void lease_init(struct lease *lease, const struct lease_rules *rules, const char *owner, int64_t first_rvn,
                int64_t now_ms);

/* Whether to take the lease when it is to be had; false at first. */
void lease_set_ready(struct lease *lease, bool ready);

/* What to do now. A deed other than LEASE_WAIT counts as sent at now_ms, and must be answered; none comes
 * before that. Call it after every other function here, and when wake_ms is over. */
struct lease_action lease_next(struct lease *lease, int64_t now_ms);

/* What came of the deed under way; record (of LEASE_READ done, else NULL) is what was read. */
void lease_answer(struct lease *lease, enum lease_answer answer, const struct lease_record *record,
                  int64_t now_ms);

/* Whether we lead and may act at this moment. */
bool lease_valid(const struct lease *lease, int64_t now_ms);

/* Something else shows that another leads: a write to the shared state was refused (floor 0), or has a fence
 * (floor) above our token. */
void lease_fenced(struct lease *lease, int64_t floor, int64_t now_ms);

/* Ends our part: gives the lease back if we hold it; LEASE_OVER when that is done, or does not work. Nothing
 * is valid from now on. */
void lease_retire(struct lease *lease, int64_t now_ms);

#endif

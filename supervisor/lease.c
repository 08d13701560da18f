/* The rules of the lease; see lease.h. */
#include "supervisor/lease.h"

#include <stdio.h>
#include <string.h>

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

const char *lease_role_name(enum lease_role role)
{
    static const char *const NAMES[] = {"follower", "candidate", "leader", "leaving", "over"};
    return NAMES[role];
}

struct lease_rules lease_rules_of(int64_t lease_ms, int64_t heartbeat_ms)
{
    return (struct lease_rules){.lease_ms = lease_ms,
                                .heartbeat_ms = heartbeat_ms,
                                .margin_ms = lease_ms / LEASE_MARGIN_PART,
                                .retry_ms = max_of(heartbeat_ms / LEASE_RETRY_PART, 1)};
}

void lease_init(struct lease *lease, const struct lease_rules *rules, const char *owner, int64_t first_rvn,
                int64_t now_ms)
{
    *lease = (struct lease){
        .rules = *rules, .floor = first_rvn - 1, .next_ms = now_ms, .take_ms = now_ms, .since_ms = now_ms};
    (void)snprintf(lease->owner, sizeof lease->owner, "%s", owner);
}

void lease_set_ready(struct lease *lease, bool ready)
{
    lease->ready = ready;
}

/* ---- roles ---- */

static void set_role(struct lease *lease, enum lease_role role, int64_t now_ms)
{
    if (lease->role != role)
        lease->since_ms = now_ms;
    lease->role = role;
}

/* A leader that is none any more. The record is looked at anew, and watched from then on. */
static void lose(struct lease *lease, const char *why, int64_t now_ms)
{
    set_role(lease, LEASE_FOLLOWER, now_ms);
    (void)snprintf(lease->why, sizeof lease->why, "%s", why);
    lease->losses++;
    lease->ready = false; /* until what we led has come to rest */
    lease->known = false;
    lease->next_ms = now_ms;
}

/* A version of ours stands since sent_ms or later. */
static void hold(struct lease *lease, int64_t rvn, int64_t sent_ms)
{
    lease->rvn = rvn;
    lease->floor = max_of(lease->floor, rvn);
    lease->valid_until_ms =
        max_of(lease->valid_until_ms, sent_ms + lease->rules.lease_ms - lease->rules.margin_ms);
    lease->next_ms = sent_ms + lease->rules.heartbeat_ms;
}

bool lease_valid(const struct lease *lease, int64_t now_ms)
{
    return lease->role == LEASE_LEADER && now_ms < lease->valid_until_ms;
}

static void watch_end(struct lease *lease, int64_t now_ms)
{
    if (lease->role == LEASE_LEADER && now_ms >= lease->valid_until_ms)
        lose(lease, "the lease could not be renewed in time", now_ms);
}

/* ---- what to do ---- */

/* When the record that we watch may be taken. */
static int64_t free_ms(const struct lease *lease)
{
    const struct lease_record *record = &lease->record;
    if (record->owner[0] == '\0' || strcmp(record->owner, lease->owner) == 0)
        return lease->watch_ms; /* given back; or ours, of a leadership that is over */
    return lease->watch_ms + max_of(lease->rules.lease_ms, record->lease_ms);
}

static struct lease_action begin(struct lease *lease, struct lease_action action, int64_t now_ms)
{
    lease->doing = action.what;
    lease->sent_ms = now_ms;
    if (action.what == LEASE_TAKE || action.what == LEASE_RENEW) {
        bool again = lease->role == LEASE_LEADER && lease->try_rvn == action.new_rvn;
        lease->try_ms = again ? lease->try_ms : now_ms;
        lease->try_rvn = action.new_rvn;
    }
    action.wake_ms = lease->role == LEASE_LEADER ? max_of(lease->valid_until_ms - now_ms, 0) : -1;
    return action;
}

static struct lease_action wait_until(int64_t until_ms, int64_t now_ms)
{
    return (struct lease_action){.what = LEASE_WAIT, .wake_ms = max_of(until_ms - now_ms, 0)};
}

static struct lease_action next_of_leader(struct lease *lease, int64_t now_ms)
{
    if (now_ms < lease->next_ms)
        return wait_until(min_of(lease->next_ms, lease->valid_until_ms), now_ms);
    if (lease->in_doubt)
        return begin(lease, (struct lease_action){.what = LEASE_READ}, now_ms);
    struct lease_action renew = {.what = LEASE_RENEW, .rvn = lease->rvn, .new_rvn = lease->rvn + 1};
    return begin(lease, renew, now_ms);
}

static struct lease_action next_of_follower(struct lease *lease, int64_t now_ms)
{
    int64_t take_ms = max_of(lease->take_ms, free_ms(lease));
    bool may_take = lease->known && lease->record.exists && lease->ready;
    if (lease->known && !lease->record.exists && now_ms >= lease->take_ms)
        return begin(lease, (struct lease_action){.what = LEASE_MAKE, .new_rvn = lease->floor + 1}, now_ms);
    if (may_take && now_ms >= take_ms) {
        struct lease_action take = {.what = LEASE_TAKE,
                                    .rvn = lease->record.rvn,
                                    .new_rvn = max_of(lease->floor, lease->record.rvn) + 1};
        set_role(lease, LEASE_CANDIDATE, now_ms);
        return begin(lease, take, now_ms);
    }
    if (now_ms >= lease->next_ms)
        return begin(lease, (struct lease_action){.what = LEASE_READ}, now_ms);
    return wait_until(may_take ? min_of(lease->next_ms, take_ms) : lease->next_ms, now_ms);
}

/* Above every version of ours that may still come to stand. */
static struct lease_action next_of_leaving(struct lease *lease, int64_t now_ms)
{
    if (now_ms < lease->next_ms)
        return wait_until(lease->next_ms, now_ms);
    lease->release_tries++;
    struct lease_action release = {.what = LEASE_RELEASE,
                                   .new_rvn = max_of(max_of(lease->rvn, lease->try_rvn), lease->floor) + 1};
    return begin(lease, release, now_ms);
}

struct lease_action lease_next(struct lease *lease, int64_t now_ms)
{
    watch_end(lease, now_ms);
    if (lease->doing != LEASE_WAIT)
        return (struct lease_action){
            .wake_ms = lease->role == LEASE_LEADER ? max_of(lease->valid_until_ms - now_ms, 0) : -1};
    switch (lease->role) {
    case LEASE_LEADER:
        return next_of_leader(lease, now_ms);
    case LEASE_FOLLOWER:
    case LEASE_CANDIDATE:
        return next_of_follower(lease, now_ms);
    case LEASE_LEAVING:
        return next_of_leaving(lease, now_ms);
    case LEASE_OVER:
        break;
    }
    return (struct lease_action){.wake_ms = -1};
}

/* ---- what came of it ---- */

static bool same_record(const struct lease_record *a, const struct lease_record *b)
{
    return a->exists == b->exists && (!a->exists || (a->rvn == b->rvn && strcmp(a->owner, b->owner) == 0));
}

static void watch_record(struct lease *lease, const struct lease_record *record, int64_t now_ms)
{
    if (!lease->known || !same_record(&lease->record, record))
        lease->watch_ms = now_ms; /* it may have been written a moment before it was read: never earlier */
    lease->record = *record;
    lease->known = true;
    lease->next_ms = now_ms + lease->rules.heartbeat_ms;
}

/* Why a renewal was refused. */
static void settle_doubt(struct lease *lease, const struct lease_record *record, int64_t now_ms)
{
    char why[160];
    bool ours = record->exists && strcmp(record->owner, lease->owner) == 0;
    lease->in_doubt = false;
    if (ours && record->rvn == lease->try_rvn) {
        hold(lease, record->rvn, lease->try_ms); /* an earlier try was done after all, its answer was lost */
        return;
    }
    if (ours && record->rvn == lease->rvn)
        return; /* none was: it is due again */
    if (!record->exists)
        (void)snprintf(why, sizeof why, "somebody deleted the lease");
    else
        (void)snprintf(why, sizeof why, "%.100s has the lease", record->owner[0] ? record->owner : "nobody");
    lose(lease, why, now_ms);
}

static void answer_read(struct lease *lease, enum lease_answer answer, const struct lease_record *record,
                        int64_t now_ms)
{
    if (answer != LEASE_DONE) {
        lease->next_ms = now_ms + lease->rules.retry_ms;
        return;
    }
    if (record->exists)
        lease->floor = max_of(lease->floor, record->rvn);
    if (lease->role == LEASE_LEADER)
        settle_doubt(lease, record, now_ms);
    else
        watch_record(lease, record, now_ms);
}

static void answer_make(struct lease *lease, enum lease_answer answer, int64_t now_ms)
{
    lease->known = false; /* ours or another's: it is read, and watched from then on */
    lease->next_ms = now_ms + (answer == LEASE_FAILED ? lease->rules.retry_ms : 0);
}

static void answer_take(struct lease *lease, enum lease_answer answer, int64_t now_ms)
{
    set_role(lease, LEASE_FOLLOWER, now_ms);
    if (answer == LEASE_FAILED) {
        lease->take_ms = now_ms + lease->rules.retry_ms;
        return;
    }
    lease->known = false;
    lease->next_ms = now_ms;
    if (answer == LEASE_REFUSED)
        return;
    lease->valid_until_ms = INT64_MIN;
    hold(lease, lease->try_rvn, lease->sent_ms);
    if (now_ms >= lease->valid_until_ms)
        return; /* the answer came too late: it is ours, to be taken again */
    lease->token = lease->rvn;
    lease->in_doubt = false;
    lease->takeovers++;
    set_role(lease, LEASE_LEADER, now_ms);
}

static void answer_renew(struct lease *lease, enum lease_answer answer, int64_t now_ms)
{
    if (lease->role != LEASE_LEADER)
        return; /* too late: whatever came of it is read */
    if (answer == LEASE_DONE) {
        lease->renewals++;
        hold(lease, lease->try_rvn, lease->sent_ms);
    } else if (answer == LEASE_REFUSED) {
        lease->in_doubt = true;
        lease->next_ms = now_ms;
    } else {
        lease->next_ms = now_ms + lease->rules.retry_ms;
    }
}

static void answer_release(struct lease *lease, enum lease_answer answer, int64_t now_ms)
{
    lease->next_ms = now_ms + lease->rules.retry_ms;
    if (answer != LEASE_FAILED || lease->release_tries >= LEASE_RELEASE_TRIES)
        set_role(lease, LEASE_OVER, now_ms);
}

void lease_answer(struct lease *lease, enum lease_answer answer, const struct lease_record *record,
                  int64_t now_ms)
{
    enum lease_deed done = lease->doing;
    lease->doing = LEASE_WAIT;
    lease->failures += answer == LEASE_FAILED;
    watch_end(lease, now_ms);
    if (lease->role == LEASE_LEAVING && done != LEASE_RELEASE) {
        lease->next_ms = now_ms;
        return;
    }
    switch (done) {
    case LEASE_READ:
        answer_read(lease, answer, record, now_ms);
        break;
    case LEASE_MAKE:
        answer_make(lease, answer, now_ms);
        break;
    case LEASE_TAKE:
        answer_take(lease, answer, now_ms);
        break;
    case LEASE_RENEW:
        answer_renew(lease, answer, now_ms);
        break;
    case LEASE_RELEASE:
        answer_release(lease, answer, now_ms);
        break;
    case LEASE_WAIT:
        break;
    }
}

void lease_fenced(struct lease *lease, int64_t floor, int64_t now_ms)
{
    lease->floor = max_of(lease->floor, floor);
    if (lease->role == LEASE_LEADER && (floor == 0 || floor > lease->token))
        lose(lease, "a later leader has fenced the shared state", now_ms);
}

void lease_retire(struct lease *lease, int64_t now_ms)
{
    bool may_hold = lease->role != LEASE_FOLLOWER || lease->takeovers > 0;
    if (lease->role == LEASE_LEAVING || lease->role == LEASE_OVER)
        return;
    lease->next_ms = now_ms;
    set_role(lease, may_hold ? LEASE_LEAVING : LEASE_OVER, now_ms);
}

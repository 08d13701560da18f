/* When credentials are fetched anew; see credentials_refresh.h. */
#include "aws/credentials_refresh.h"

enum { SOON_MS = 1000 };

static bool has_ended(const struct credentials_refresh *r, int64_t now_ms)
{
    return r->expires_ms != 0 && now_ms >= r->expires_ms;
}

bool credentials_refresh_usable(const struct credentials_refresh *r, int64_t now_ms)
{
    return r->have && !r->refused && (r->stable || !has_ended(r, now_ms));
}

/* A clock that was set back by more than any pause does not prolong one. */
static bool may_fetch(const struct credentials_refresh *r, int64_t now_ms)
{
    return now_ms >= r->retry_ms || r->retry_ms - now_ms > CREDENTIALS_RETRY_MAX_MS;
}

enum credentials_verdict credentials_refresh_ask(const struct credentials_refresh *r, int64_t now_ms)
{
    bool usable = credentials_refresh_usable(r, now_ms);
    bool due = !usable || (r->expires_ms != 0 && now_ms >= r->advisory_ms);
    if (!due)
        return CREDENTIALS_USE;
    if (!may_fetch(r, now_ms))
        return usable ? CREDENTIALS_USE : CREDENTIALS_FAIL;
    /* A set that outlives its end is no reason to make anybody wait behind it. */
    bool wait = !usable || (now_ms >= r->mandatory_ms && !has_ended(r, now_ms));
    return wait ? CREDENTIALS_WAIT : CREDENTIALS_USE_AND_FETCH;
}

void credentials_refresh_fetched(struct credentials_refresh *r, int64_t now_ms, int64_t expires_ms,
                                 bool stable, bool same, double random)
{
    int64_t left_ms = expires_ms - now_ms;
    int64_t ahead_ms = left_ms / 2 < CREDENTIALS_AHEAD_MS ? left_ms / 2 : CREDENTIALS_AHEAD_MS;
    bool forced = r->refused && same;
    ahead_ms -= (int64_t)(random * (double)ahead_ms / 4);
    *r = (struct credentials_refresh){.have = true, .stable = stable, .forced = forced};
    if (forced)
        r->retry_ms = now_ms + CREDENTIALS_RETRY_MS;
    r->expires_ms = expires_ms;
    if (expires_ms == 0)
        return;
    if (left_ms <= 0) {
        r->stable = true;
        r->retry_ms = now_ms + CREDENTIALS_RETRY_MS + (int64_t)(random * CREDENTIALS_RETRY_MS);
        return;
    }
    r->advisory_ms = expires_ms - ahead_ms;
    if (r->advisory_ms < now_ms + SOON_MS)
        r->advisory_ms = now_ms + SOON_MS;
    r->mandatory_ms = expires_ms - ahead_ms / 3;
    if (r->mandatory_ms < r->advisory_ms)
        r->mandatory_ms = r->advisory_ms;
}

/* Doubles from first to most; the upper half of it is random. */
static int64_t pause_ms(int failures, int64_t first_ms, int64_t most_ms, double random)
{
    int64_t span_ms = first_ms;
    for (int i = 1; i < failures && span_ms < most_ms; i++)
        span_ms *= 2;
    if (span_ms > most_ms)
        span_ms = most_ms;
    return span_ms / 2 + (int64_t)(random * (double)span_ms / 2);
}

void credentials_refresh_failed(struct credentials_refresh *r, int64_t now_ms, double random)
{
    if (r->failures < 30)
        r->failures++;
    if (!credentials_refresh_usable(r, now_ms)) {
        r->retry_ms =
            now_ms + pause_ms(r->failures, CREDENTIALS_NONE_RETRY_MS, CREDENTIALS_NONE_RETRY_MAX_MS, random);
        return;
    }
    int64_t wait_ms = pause_ms(r->failures, CREDENTIALS_RETRY_MS, CREDENTIALS_RETRY_MAX_MS, random);
    int64_t left_ms = r->expires_ms - now_ms;
    if (r->expires_ms != 0 && left_ms > 0 && wait_ms > left_ms / 4)
        wait_ms = left_ms / 4 > SOON_MS ? left_ms / 4 : SOON_MS;
    r->retry_ms = now_ms + wait_ms;
}

void credentials_refresh_refused(struct credentials_refresh *r, int64_t now_ms)
{
    if (!r->have || (r->forced && !may_fetch(r, now_ms)))
        return; /* asked a moment ago: there is no other set yet */
    r->refused = true;
    r->forced = false;
    r->retry_ms = 0;
}

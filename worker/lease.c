/* Lease of a held message; see lease.h. */
#include "worker/lease.h"

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct lease_rules lease_rules_of(int visibility_s, int scale)
{
    int64_t visibility_ms = (int64_t)visibility_s * 1000;
    return (struct lease_rules){
        .visibility_s = visibility_s,
        .patience_ms = min_ms(visibility_ms / 6, (int64_t)5000 * scale),
        .backoff_ms = min_ms(visibility_ms / 16, (int64_t)100 * scale),
    };
}

void lease_start(struct lease *lease, const struct lease_rules *rules, int64_t now_ms)
{
    *lease = (struct lease){.received_ms = now_ms};
    lease_extended(lease, now_ms, rules->visibility_s);
}

bool lease_due(const struct lease *lease, const struct lease_rules *rules, int64_t now_ms, bool gather)
{
    int64_t early_ms = gather ? (int64_t)rules->visibility_s * 1000 / 4 : 0;
    if (lease->lost || lease->extend_ms == INT64_MAX)
        return false;
    /* One that waits for an answer or backs off has its own pace: riding along would double its calls. */
    if (early_ms > 0 && lease->failures > 0)
        early_ms = 0;
    return lease->extend_ms - early_ms <= now_ms;
}

int64_t lease_left_s(const struct lease *lease, int64_t now_ms)
{
    int64_t age_s = (now_ms - lease->received_ms + 999) / 1000;
    return LEASE_TOTAL_MAX_S - age_s - LEASE_TOTAL_MARGIN_S;
}

int lease_seconds(const struct lease *lease, const struct lease_rules *rules, int64_t now_ms)
{
    int64_t left_s = lease_left_s(lease, now_ms);
    if (left_s <= 0)
        return 0;
    return left_s < rules->visibility_s ? (int)left_s : rules->visibility_s;
}

void lease_sent(struct lease *lease, const struct lease_rules *rules, int64_t now_ms)
{
    lease->extend_ms = now_ms + rules->patience_ms;
    lease->failures++;
}

void lease_extended(struct lease *lease, int64_t sent_ms, int seconds)
{
    int64_t until_ms = sent_ms + (int64_t)seconds * 1000;
    lease->failures = 0;
    if (until_ms > lease->until_ms)
        lease->until_ms = until_ms;
    lease->extend_ms = sent_ms + (int64_t)seconds * 500;
    lease->lost = false;
    /* The last extension before the 12 h limit can't be followed by a longer one. */
    if (lease->until_ms >=
        lease->received_ms + (int64_t)(LEASE_TOTAL_MAX_S - LEASE_TOTAL_MARGIN_S - 1) * 1000)
        lease->extend_ms = INT64_MAX;
}

void lease_retry(struct lease *lease, const struct lease_rules *rules, int64_t now_ms)
{
    int shift = lease->failures > 6 ? 6 : lease->failures > 0 ? lease->failures - 1 : 0;
    int64_t again_ms = now_ms + (rules->backoff_ms << shift);
    lease->extend_ms = min_ms(lease->extend_ms, again_ms);
    if (lease->failures == 0)
        lease->failures = 1;
}

bool lease_over(const struct lease *lease, int64_t now_ms)
{
    return now_ms >= lease->until_ms;
}

int64_t lease_next_ms(const struct lease *lease)
{
    return lease->lost ? INT64_MAX : min_ms(lease->extend_ms, lease->until_ms);
}

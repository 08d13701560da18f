/* The token bucket of a group of API calls; see api_limit.h. */
#include "supervisor/api_limit.h"

#include <math.h>

void api_limit_init(struct api_limit *limit, double burst, double per_s, int64_t now_ms)
{
    *limit = (struct api_limit){
        .burst = burst, .full_per_s = per_s, .per_s = per_s, .tokens = burst, .at_ms = now_ms};
}

static void refill(struct api_limit *limit, int64_t now_ms)
{
    if (now_ms > limit->at_ms)
        limit->tokens =
            fmin(limit->burst, limit->tokens + (double)(now_ms - limit->at_ms) * limit->per_s / 1000);
    limit->at_ms = now_ms;
}

int64_t api_limit_wait_ms(struct api_limit *limit, int64_t now_ms)
{
    refill(limit, now_ms);
    if (limit->tokens >= 1)
        return 0;
    int64_t wait_ms = (int64_t)ceil((1 - limit->tokens) * 1000 / limit->per_s);
    return wait_ms > 1 ? wait_ms : 1;
}

bool api_limit_take(struct api_limit *limit, int64_t now_ms, int64_t *ret_wait_ms)
{
    int64_t wait_ms = api_limit_wait_ms(limit, now_ms);
    if (wait_ms > 0) {
        *ret_wait_ms = wait_ms;
        return false;
    }
    limit->tokens -= 1;
    limit->taken++;
    return true;
}

void api_limit_owe(struct api_limit *limit, int64_t now_ms)
{
    refill(limit, now_ms);
    limit->tokens -= 1;
    limit->taken++;
}

void api_limit_tell(struct api_limit *limit, bool throttled, int64_t now_ms)
{
    refill(limit, now_ms);
    if (throttled) {
        limit->throttled++;
        limit->per_s = fmax(API_LIMIT_LEAST_PER_S, limit->per_s / 2);
        limit->tokens = fmin(limit->tokens, 0);
    } else {
        limit->per_s = fmin(limit->full_per_s, limit->per_s + limit->full_per_s / 20);
    }
}

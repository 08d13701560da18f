/* Token bucket and stretching; see poll_budget.h. */
#include "policies/poll_budget.h"

#include <math.h>

#define MINUTE_MS 60000.0
#define BURST_MIN 10.0     /* minutes' worth */
#define BURST_LEAST 2.0    /* calls */
#define QUIET_RESERVE 0.1  /* of the budget, for the quiet ones */
#define QUIET_BEGIN 0.6    /* level below which the quiet ones stretch */
#define URGENT_BEGIN 0.35  /* and the urgent ones */
#define BAND 0.2           /* levels over which the stretch grows to its full size: ends above URGENT_SHARE */
#define URGENT_SHARE 0.05  /* of the bucket: the quiet ones leave it */
#define STRETCH_MAX 1000.0 /* the plan's ceiling is far below that */

void poll_budget_init(struct poll_budget *budget, double per_min, int64_t now_ms)
{
    double burst = fmax(per_min * BURST_MIN, BURST_LEAST);
    *budget = (struct poll_budget){.per_min = per_min, .burst = burst, .tokens = burst, .at_ms = now_ms};
}

static void refill(struct poll_budget *budget, int64_t now_ms)
{
    if (now_ms > budget->at_ms)
        budget->tokens = fmin(budget->burst, budget->tokens + (double)(now_ms - budget->at_ms) *
                                                                  budget->per_min / MINUTE_MS);
    budget->at_ms = now_ms;
}

void poll_budget_want(struct poll_budget *budget, struct poll_share *share, bool urgent, double per_min)
{
    budget->demand[share->urgent] = fmax(budget->demand[share->urgent] - share->per_min, 0);
    *share = (struct poll_share){.urgent = urgent, .per_min = per_min};
    budget->demand[urgent] += per_min;
}

double poll_budget_level(struct poll_budget *budget, int64_t now_ms)
{
    refill(budget, now_ms);
    return fmax(budget->tokens, 0) / budget->burst;
}

/* The factor at which a class takes just what it may have. */
static double full_stretch(const struct poll_budget *budget, bool urgent)
{
    double reserve = fmin(budget->per_min * QUIET_RESERVE, budget->demand[0]);
    double room = urgent ? budget->per_min - reserve : fmax(budget->per_min - budget->demand[1], reserve);
    double factor = room > 0 ? budget->demand[urgent] / room : 1;
    return fmin(fmax(factor, 1), STRETCH_MAX);
}

double poll_budget_stretch(struct poll_budget *budget, bool urgent, int64_t now_ms)
{
    if (budget->per_min <= 0)
        return 1;
    double level = poll_budget_level(budget, now_ms);
    double begin = urgent ? URGENT_BEGIN : QUIET_BEGIN;
    double part = fmin(fmax((begin - level) / BAND, 0), 1);
    return 1 + (full_stretch(budget, urgent) - 1) * part;
}

bool poll_budget_take(struct poll_budget *budget, bool urgent, bool must, int64_t now_ms,
                      int64_t *ret_wait_ms)
{
    double needed = urgent ? 1 : 1 + budget->burst * URGENT_SHARE;
    if (budget->per_min <= 0)
        return true;
    refill(budget, now_ms);
    if (budget->tokens >= needed || must) {
        budget->overdrawn += budget->tokens < 1;
        poll_budget_spend(budget, 1, now_ms);
        budget->taken++;
        return true;
    }
    budget->deferred++;
    budget->waiting++;
    /* Behind those who wait already. */
    double lacking = needed - budget->tokens + budget->waiting - 1;
    *ret_wait_ms = (int64_t)ceil(fmin(lacking * MINUTE_MS / budget->per_min, 1e9));
    if (*ret_wait_ms < 1)
        *ret_wait_ms = 1;
    return false;
}

void poll_budget_resume(struct poll_budget *budget)
{
    budget->waiting -= budget->waiting > 0;
}

void poll_budget_spend(struct poll_budget *budget, double calls, int64_t now_ms)
{
    if (budget->per_min <= 0)
        return;
    refill(budget, now_ms);
    budget->tokens = fmax(budget->tokens - calls, -budget->burst);
}

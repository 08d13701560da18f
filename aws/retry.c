/* The standard retry algorithm; see retry.h. */
#include "aws/retry.h"

int64_t retry_delay_ms(enum retry_class why, int i, int64_t hint_ms, double random)
{
    int64_t ceiling_ms = why == RETRY_THROTTLED ? RETRY_BASE_THROTTLED_MS : RETRY_BASE_TRANSIENT_MS;
    for (; i > 0 && ceiling_ms < RETRY_DELAY_MAX_MS; i--)
        ceiling_ms *= 2;
    if (ceiling_ms > RETRY_DELAY_MAX_MS)
        ceiling_ms = RETRY_DELAY_MAX_MS;
    int64_t delay_ms = (int64_t)(random * (double)ceiling_ms);
    if (hint_ms < 0)
        return delay_ms;
    int64_t most_ms = delay_ms + RETRY_HINT_EXTRA_MS;
    int64_t hinted_ms = hint_ms < most_ms ? hint_ms : most_ms;
    return hinted_ms > delay_ms ? hinted_ms : delay_ms;
}

struct retry_answer retry_decide(struct retry_quota *quota, struct retry_state *state,
                                 const struct retry_question *question)
{
    struct retry_answer answer = {.retry = false, .delay_ms = 0};
    if (question->why == RETRY_NEVER || question->attempt >= question->max_attempts)
        return answer;
    int64_t delay_ms = retry_delay_ms(question->why, state->retries, question->hint_ms, question->random);
    int cost = question->why == RETRY_THROTTLED ? RETRY_COST_THROTTLED : RETRY_COST_TRANSIENT;
    if (quota->tokens < cost) {
        /* A poll loop that failed at once would spin for as long as the quota is empty. */
        answer.delay_ms = question->long_poll ? delay_ms : 0;
        return answer;
    }
    quota->tokens -= cost;
    state->retries++;
    state->last_cost = cost;
    answer.retry = true;
    answer.delay_ms = delay_ms;
    return answer;
}

void retry_succeeded(struct retry_quota *quota, const struct retry_state *state)
{
    quota->tokens += state->last_cost > 0 ? state->last_cost : 1;
    if (quota->tokens > RETRY_QUOTA_FULL)
        quota->tokens = RETRY_QUOTA_FULL;
}

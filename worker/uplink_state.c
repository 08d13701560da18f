/* When telemetry is POSTed; see uplink_state.h. */
#include "worker/uplink_state.h"

enum uplink_outcome uplink_outcome_of(int http_status)
{
    if (http_status >= 200 && http_status < 300)
        return UPLINK_TAKEN;
    if (http_status == 429 || http_status >= 500 || http_status < 200)
        return UPLINK_FAILED;
    return UPLINK_REFUSED;
}

bool uplink_state_begin(struct uplink_state *state)
{
    if (state->on_wire || state->ended)
        return false;
    state->on_wire = true;
    return true;
}

static int64_t pause_ms(const struct uplink_state *state, enum uplink_outcome outcome)
{
    int64_t pause = outcome == UPLINK_REFUSED ? UPLINK_PAUSE_MAX_MS : UPLINK_PAUSE_MS;
    for (int i = 0; i < state->misses && pause < UPLINK_PAUSE_MAX_MS; i++)
        pause *= 2;
    return pause < UPLINK_PAUSE_MAX_MS ? pause : UPLINK_PAUSE_MAX_MS;
}

struct uplink_wait uplink_state_done(struct uplink_state *state, enum uplink_outcome outcome,
                                     int64_t retry_after_ms, double jitter)
{
    state->on_wire = false;
    state->is_told = outcome == UPLINK_TAKEN;
    if (outcome == UPLINK_TAKEN) {
        state->taken++;
        state->misses = 0;
        return (struct uplink_wait){.is_interval = true};
    }
    state->failed += outcome == UPLINK_FAILED;
    state->refused += outcome == UPLINK_REFUSED;
    int64_t pause = pause_ms(state, outcome);
    int64_t real_ms = pause / 2 + (int64_t)((double)pause / 2 * jitter);
    if (retry_after_ms > UPLINK_RETRY_AFTER_MAX_MS)
        retry_after_ms = UPLINK_RETRY_AFTER_MAX_MS;
    state->misses++;
    return (struct uplink_wait){.real_ms = retry_after_ms > real_ms ? retry_after_ms : real_ms};
}

bool uplink_state_end(struct uplink_state *state)
{
    bool worth_it = state->is_told && !state->ended;
    state->ended = true;
    state->on_wire = worth_it;
    return worth_it;
}

/* Plan, budgets and count of a fleet's polls; see fleet_polls.h. */
#include "supervisor/fleet_polls.h"

#include "base/options.h"

#include <math.h>

/* Calls a minute that a configured budget allows; 0: any number. */
static double budget_per_min(const struct prices *prices, const struct config_budget *budget, bool is_fifo)
{
    double by_calls = budget->calls_per_minute;
    double by_usd = prices_sqs_month_rate(prices, is_fifo, budget->usd_per_month);
    return by_calls > 0 && by_usd > 0 ? fmin(by_calls, by_usd) : fmax(by_calls, by_usd);
}

/* ---- what all share ---- */

void polls_shared_init(struct polls_shared *shared, const struct config *config, int64_t now_ms)
{
    bool is_fifo = false; /* the dearer price holds for all as soon as one pays it */
    *shared = (struct polls_shared){.budget = {.per_min = 0}};
    options_set_defaults(PRICES_ROWS, &shared->prices);
    for (size_t i = 0; i < config->fleet_count; i++)
        is_fifo = is_fifo || config_queue_is_fifo(&config->fleets[i].queue);
    poll_budget_init(&shared->budget, budget_per_min(&shared->prices, &config->api_budget, is_fifo), now_ms);
}

void polls_shared_clean_up(struct polls_shared *shared)
{
    options_clean_up(PRICES_ROWS, &shared->prices);
}

/* Writes the value of "budget", null when there is none. */
static void write_budget(const struct poll_budget *budget, int64_t now_ms, struct jsonw *w)
{
    struct poll_budget now = *budget;
    jsonw_key(w, "budget");
    if (budget->per_min <= 0) {
        jsonw_null(w);
        return;
    }
    jsonw_object(w);
    jsonw_key_double(w, "calls_per_min", budget->per_min);
    jsonw_key_double(w, "level", poll_budget_level(&now, now_ms));
    jsonw_key_int(w, "deferred", (int64_t)budget->deferred);
    jsonw_key_int(w, "overdrawn", (int64_t)budget->overdrawn);
    jsonw_end_object(w);
}

void polls_shared_write_status(const struct polls_shared *shared, int64_t now_ms, struct jsonw *w)
{
    double standard = call_meter_per_min(&shared->meters[0], now_ms);
    double fifo = call_meter_per_min(&shared->meters[1], now_ms);
    jsonw_object(w);
    jsonw_key_int(w, "calls", (int64_t)(shared->meters[0].total + shared->meters[1].total));
    jsonw_key_double(w, "calls_per_min", standard + fifo);
    jsonw_key_double(w, "usd_per_month",
                     prices_sqs_rate_month_usd(&shared->prices, false, standard) +
                         prices_sqs_rate_month_usd(&shared->prices, true, fifo));
    jsonw_key_str(w, "prices_as_of", shared->prices.as_of);
    write_budget(&shared->budget, now_ms, w);
    jsonw_end_object(w);
}

/* ---- a fleet ---- */

void fleet_polls_init(struct fleet_polls *polls, struct polls_shared *shared,
                      const struct config_fleet *fleet, int64_t now_ms)
{
    *polls = (struct fleet_polls){
        .shared = shared,
        .config = poll_plan_config_make(&fleet->controller, fleet->queue.poll_max_ms),
        .stretch = 1,
        .is_fifo = config_queue_is_fifo(&fleet->queue),
    };
    polls->want = (struct poll_want){.interval_ms = fleet->queue.poll_ms, .reason = POLL_STARTED};
    poll_budget_init(&polls->budget, budget_per_min(&shared->prices, &fleet->api_budget, polls->is_fifo),
                     now_ms);
}

void fleet_polls_observe(const struct fleet_polls *polls, int64_t now_ms, struct observation *obs)
{
    int64_t basis_ms = poll_plan_basis_ms(&polls->state);
    if (basis_ms > polls->config.poll_ms)
        reading_set(&obs->poll_interval, basis_ms, now_ms);
}

int64_t fleet_polls_plan(struct fleet_polls *polls, const struct decision *decision, int64_t now_ms)
{
    struct poll_budget *shared = &polls->shared->budget;
    polls->want = poll_plan_want(&polls->config, &polls->state, decision);
    bool urgent = polls->want.urgent;
    double per_min = 60000.0 / (double)polls->want.interval_ms;
    poll_budget_want(&polls->budget, &polls->own_share, urgent, per_min);
    double own = poll_budget_stretch(&polls->budget, urgent, now_ms);
    poll_budget_want(shared, &polls->shared_share, urgent, per_min / own);
    polls->stretch = own * poll_budget_stretch(shared, urgent, now_ms);
    return poll_plan_settle(&polls->config, &polls->state, &polls->want, polls->stretch);
}

bool fleet_polls_may(struct fleet_polls *polls, int64_t last_ms, int64_t now_ms, int64_t *ret_wait_ms)
{
    struct poll_budget *shared = &polls->shared->budget;
    int64_t must_ms = last_ms + 2 * polls->state.interval_ms;
    bool must = now_ms >= must_ms;
    if (polls->waits_for != NULL)
        poll_budget_resume(polls->waits_for);
    polls->waits_for = NULL;
    if (!poll_budget_take(&polls->budget, polls->want.urgent, must, now_ms, ret_wait_ms)) {
        polls->waits_for = &polls->budget;
    } else if (!poll_budget_take(shared, polls->want.urgent, must, now_ms, ret_wait_ms)) {
        poll_budget_spend(&polls->budget, -1, now_ms);
        polls->waits_for = shared;
    }
    if (polls->waits_for != NULL && *ret_wait_ms > must_ms - now_ms)
        *ret_wait_ms = must_ms - now_ms;
    return polls->waits_for == NULL;
}

void fleet_polls_note(struct fleet_polls *polls, int requests, int64_t now_ms)
{
    if (requests < 1)
        return; /* it failed before anything was sent */
    call_meter_note(&polls->meter, (uint32_t)requests, now_ms);
    call_meter_note(&polls->shared->meters[polls->is_fifo], (uint32_t)requests, now_ms);
    poll_budget_spend(&polls->budget, requests - 1, now_ms);
    poll_budget_spend(&polls->shared->budget, requests - 1, now_ms);
}

void fleet_polls_stop(struct fleet_polls *polls)
{
    if (polls->waits_for != NULL)
        poll_budget_resume(polls->waits_for);
    polls->waits_for = NULL;
    poll_budget_want(&polls->shared->budget, &polls->shared_share, false, 0);
}

void fleet_polls_write_status(const struct fleet_polls *polls, int64_t now_ms, struct jsonw *w)
{
    double per_min = call_meter_per_min(&polls->meter, now_ms);
    jsonw_object(w);
    jsonw_key_int(w, "interval_ms",
                  polls->state.interval_ms > 0 ? polls->state.interval_ms : polls->config.poll_ms);
    jsonw_key_str(w, "reason", poll_reason_name(polls->want.reason));
    jsonw_key_str(w, "reason_text", poll_reason_sentence(polls->want.reason));
    jsonw_key_double(w, "stretch", polls->stretch);
    jsonw_key_int(w, "calls", (int64_t)polls->meter.total);
    jsonw_key_double(w, "calls_per_min", per_min);
    jsonw_key_double(w, "usd_per_month",
                     prices_sqs_rate_month_usd(&polls->shared->prices, polls->is_fifo, per_min));
    write_budget(&polls->budget, now_ms, w);
    jsonw_end_object(w);
}

/* A controller under test with an observation that is all quiet and known; each test turns what it is about.
 */
#ifndef SLUICE_TESTS_UNIT_POLICIES_FLEET_H
#define SLUICE_TESTS_UNIT_POLICIES_FLEET_H

#include "tests/unit/unit.h"

#include "base/strbuf.h"
#include "policies/controller.h"

#include <jansson.h>
#include <stdint.h>

enum { FLEET_POLL_MS = 5000 };
static const int64_t FLEET_START_MS = 1795426800000; /* any epoch ms */

struct fleet {
    struct controller *ctl;
    struct observation obs;
    struct decision last;
    int64_t now_ms;
};

static inline json_t *fleet_json(const char *text)
{
    json_error_t error;
    if (text == NULL)
        return NULL;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    ck_assert_msg(json != NULL, "test's own JSON is bad: %s: %s", error.text, text);
    return json;
}

static inline int fleet_parse_config(const char *capacity, const char *policy, struct controller_config *ret,
                                     struct err *err)
{
    json_t *capacity_json = fleet_json(capacity);
    json_t *policy_json = fleet_json(policy);
    int rc = controller_config_parse(capacity_json, policy_json, FLEET_POLL_MS, "fleets[0]", ret, err);
    json_decref(capacity_json);
    json_decref(policy_json);
    return rc;
}

/* NULL: all defaults. min 2, target 25, max 30 unless told otherwise. */
static inline struct fleet fleet_open(const char *capacity, const char *policy)
{
    struct controller_config config = {.params = NULL};
    struct fleet fleet = {.now_ms = FLEET_START_MS};
    struct err err = {""};
    const char *usual = "{\"min\":2,\"target\":25,\"max\":30}";
    int rc = fleet_parse_config(capacity != NULL ? capacity : usual, policy, &config, &err);
    if (rc != 0)
        ck_abort_msg("%s", err.text);
    fleet.ctl = controller_new(&config);
    controller_config_clean_up(&config);
    observation_init(&fleet.obs);
    return fleet;
}

static inline void fleet_close(struct fleet *fleet)
{
    controller_destroy(fleet->ctl);
    fleet->ctl = NULL;
}

/* A sample of everything, taken now: `visible` waiting, nothing busy. Other fields keep what the test set. */
static inline void fleet_sample(struct fleet *fleet, int64_t visible)
{
    reading_set(&fleet->obs.visible, visible, fleet->now_ms);
    reading_set(&fleet->obs.in_flight, 0, fleet->now_ms);
    reading_set(&fleet->obs.busy, 0, fleet->now_ms);
    reading_set(&fleet->obs.worker_capacity, 5, fleet->now_ms);
}

static inline int64_t fleet_step(struct fleet *fleet)
{
    controller_step(fleet->ctl, &fleet->obs, fleet->now_ms, &fleet->last);
    return fleet->last.to;
}

/* Samples and steps at the present time, without moving it. */
static inline int64_t fleet_see(struct fleet *fleet, int64_t visible)
{
    fleet_sample(fleet, visible);
    return fleet_step(fleet);
}

/* One poll later: sample and step. */
static inline int64_t fleet_poll(struct fleet *fleet, int64_t visible)
{
    fleet->now_ms += FLEET_POLL_MS;
    return fleet_see(fleet, visible);
}

/* Polls every 5 s with the same depth until `ms` have passed. */
static inline int64_t fleet_poll_for(struct fleet *fleet, int64_t visible, int64_t ms)
{
    int64_t to = controller_desired(fleet->ctl);
    for (int64_t until = fleet->now_ms + ms; fleet->now_ms < until;)
        to = fleet_poll(fleet, visible);
    return to;
}

static inline void fleet_text(const struct decision *decision, struct strbuf *out)
{
    strbuf_clear(out);
    decision_text(decision, out);
}

#define ck_assert_why(fleet, expected)                                                                       \
    ck_assert_str_eq(decision_why_name((fleet)->last.why), decision_why_name(expected))

#endif

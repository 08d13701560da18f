/*
 * The decision record: what one controller step saw, what the policy wanted, what was clamped, which waits
 * are open, and the result with its reason, or why nothing changed. Journal, `explain`, status and replay all
 * stand on it. Plain data, copied by assignment; pure; thread-safe.
 */
#ifndef SLUICE_POLICIES_DECISION_H
#define SLUICE_POLICIES_DECISION_H

#include "base/err.h"
#include "base/jsonw.h"
#include "base/strbuf.h"
#include "policies/observation.h"
#include "policies/override.h"
#include "policies/policy.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { DECISION_VERSION = 1 };

/* X(ENUMERATOR, name, sentence): why the result is what it is. The name is what the journal says. */
#define DECISION_WHYS(X)                                                                                     \
    /* changes */                                                                                            \
    X(POLICY, policy, "the policy asked for it")                                                             \
    X(FALLBACK, fallback, "no fresh depth for fallback_after: the configured fallback")                      \
    X(SCALED, scaled, "an operator ordered this number")                                                     \
    /* holds: why not */                                                                                     \
    X(PINNED, pinned, "an operator ordered this number")                                                     \
    X(PAUSED, paused, "an operator paused the policy: it changes nothing")                                   \
    X(SATISFIED, satisfied, "the policy wants what is there")                                                \
    X(AT_MAX, at_max, "the policy wants more, but max is reached")                                           \
    X(AT_MIN, at_min, "the policy wants fewer, but min is reached")                                          \
    X(SCALE_OUT_COOLDOWN, scale_out_cooldown, "growth waits for the scale-out cooldown")                     \
    X(SCALE_IN_COOLDOWN, scale_in_cooldown, "a shrink waits for the scale-in cooldown")                      \
    X(SAME_SAMPLE, same_sample, "this sample has been acted upon: the next one decides")                     \
    X(ONE_SAMPLE, one_sample, "one sample never shrinks a fleet")                                            \
    X(BUSY, busy, "the workers that would go are busy")                                                      \
    X(BUSY_UNKNOWN, busy_unknown, "how busy the workers are is unknown, so none is taken away")              \
    X(SHRINK_HELD, shrink_held,                                                                              \
      "shrinks are held for a while after an order or a start without usable state")                         \
    X(ROLLOUT, rollout, "a rollout is in progress: nothing is taken away")                                   \
    X(TASKS_FAIL, tasks_fail, "what was ordered does not start: no further growth")                          \
    X(FLEET_UNKNOWN, fleet_unknown, "what the fleet has is unknown or too old: hold")                        \
    X(FLEET_REFUSED, fleet_refused, "this fleet cannot be scaled, see its status")                           \
    X(DEPTH_COARSE, depth_coarse, "a depth that is minutes old grows a fleet, but never shrinks it")         \
    X(QUEUE_EMPTY, queue_empty, "the workers find the queue empty: no fallback")                             \
    X(VISIBLE_UNKNOWN, visible_unknown, "the queue's depth is unknown: hold")                                \
    X(VISIBLE_STALE, visible_stale, "the queue's depth is stale: hold")

enum decision_why {
#define X(upper, name, sentence) DECISION_WHY_##upper,
    DECISION_WHYS(X)
#undef X
        DECISION_WHY_COUNT
};

/* X(ENUMERATOR, name, sentence): a value of the policy that the controller cut, in the order in which they
 * apply. */
#define DECISION_CLAMPS(X)                                                                                   \
    X(MAX, max, "limited to max")                                                                            \
    X(MIN, min, "limited to min")                                                                            \
    X(BUSY_FLOOR, busy_floor, "kept at what is busy")

enum decision_clamp_kind {
#define X(upper, name, sentence) DECISION_CLAMP_##upper,
    DECISION_CLAMPS(X)
#undef X
        DECISION_CLAMP_COUNT
};

struct decision_clamp {
    enum decision_clamp_kind kind;
    int64_t from, to;
};

/* The waits that the controller keeps; ms left, 0 = not running. The policy's own are in proposal.timers. */
#define DECISION_TIMERS(X)                                                                                   \
    X(scale_out_cooldown) X(scale_in_cooldown) X(shrink_hold) X(stale_after) X(fallback_after)

struct decision_timers {
#define X(name) int64_t name##_ms;
    DECISION_TIMERS(X)
#undef X
};

/* The operator's order that was in force; kind OVERRIDE_NONE when there was none. */
struct decision_override {
    enum override_kind kind;
    int64_t desired; /* SCALE only */
    int64_t left_ms;
};

struct decision {
    int64_t seq;  /* counts this controller's steps from 1, over restarts when state is restored */
    int64_t t_ms; /* product time of the step */
    char policy[POLICY_NAME_MAX];
    struct observation obs;
    struct proposal proposal;
    struct decision_clamp clamps[DECISION_CLAMP_COUNT];
    int clamp_count;
    struct decision_timers timers;
    struct decision_override override;
    int64_t busy_floor; /* workers that are needed for what is busy; -1 when off or unknown */
    int64_t from, to;
    enum decision_why why;
};

/* "scale_out_cooldown" and its sentence. */
const char *decision_why_name(enum decision_why why);
const char *decision_why_sentence(enum decision_why why);

/* Writes the journal's record as one JSON object value without newline:
 * {"v":1,"seq":..,"t_ms":..,"policy":"threshold","obs":{"visible":{"value":412,"age_ms":12},"delayed":null,..},
 *  "proposal":{"desired":25,"reason":"step","rank":2,"leans_in":false,"terms":{..},"timers_ms":{..}},
 *  "clamps":[{"kind":"max","from":32,"to":30}],"timers_ms":{"scale_out_cooldown":60000,..},"busy_floor":null,
 *  "from":2,"to":25,"why":"policy"}. Doubles have 17 digits. Under an operator's order there is a member
 *  "override":{"kind":"scale","desired":12,"left_ms":7140000} besides. */
void decision_encode_json(const struct decision *decision, struct jsonw *w);

/* Reads such a record. Returns 0; or -1 with err, *ret_decision untouched, when it is none or of a newer
 * version. */
int decision_parse_json(const json_t *record, struct decision *ret_decision, struct err *err)
    __attribute__((warn_unused_result));

/* Appends the decision in plain words, one line without newline: "visible 412 > 200: to target 25 (was 2)",
 * "hold at 30: 3 of 300 s low, 297 s to go". */
void decision_text(const struct decision *decision, struct strbuf *out);

#endif

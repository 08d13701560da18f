/*
 * The controller of one fleet: asks the policy, and enforces what must hold whatever the policy says: limits,
 * freshness, cooldowns, two samples before a shrink, the busy floor, fallback when the queue stays silent,
 * and operators' orders that stand above the policy for a while. Each step yields one decision record
 * (decision.h). A pure state machine: daemon, simulator, replay and tests drive the very same code.
 *
 *   struct controller_config config;
 *   if (controller_config_parse(capacity_json, policy_json, 5000, "fleets[0]", &config, &err) != 0) ...
 *   struct controller *ctl = controller_new(&config);
 *   controller_restore(ctl, saved_json, &err);                   (or, when that fails,
 * controller_hold_shrink()) controller_step(ctl, &obs, clock_product_ms(), &decision);   (every poll; more
 * often does no harm) fleet: make ready + starting equal to decision.to
 *
 * Not thread-safe; one controller belongs to one thread. All times are product time, epoch ms, given by the
 * caller; a time that goes backwards or jumps does no harm: no wait ever grows beyond its configured length,
 * and a shrink's evidence begins anew.
 */
#ifndef SLUICE_POLICIES_CONTROLLER_H
#define SLUICE_POLICIES_CONTROLLER_H

#include "base/err.h"
#include "base/jsonw.h"
#include "base/options.h"
#include "policies/decision.h"
#include "policies/observation.h"
#include "policies/override.h"
#include "policies/policy.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { CONTROLLER_STATE_VERSION = 1, CONTROLLER_STALE_AFTER_POLLS = 3 };

/* A number of workers as configured: a word or a number ("fallback": "target", "fallback": 10). */
enum count_kind { COUNT_HOLD, COUNT_MIN, COUNT_TARGET, COUNT_MAX, COUNT_NUMBER };
struct count_choice {
    enum count_kind kind;
    int64_t number; /* COUNT_NUMBER only; within the limits */
};

/* Complete, checked configuration. Plain apart from `params`. */
struct controller_config {
    struct capacity capacity;
    int64_t poll_ms; /* of the queue; from "queue", default of stale_after_ms */

    /* From the object "policy", for every policy alike (CONTROLLER_ROWS). */
    int64_t stale_after_ms; /* default 3 polls; at least one poll */
    /* It was not given: where polls come more slowly (the observation's poll_interval) it is 3 of those. */
    bool stale_after_follows;
    int64_t fallback_after_ms;  /* 0: never; default 10 min. Counted from the last fresh sample */
    double scale_in_busy_share; /* 0 (off) to 1, three decimals count; default 0.8 */
    struct count_choice
        fallback; /* default hold. Only ever grows the fleet: rule 1 forbids a shrink on stale data */

    const struct policy *policy;
    void *params; /* owned; policy->params_size bytes */
};

/* Rows of the "policy" object that belong to the controller: stale_after, fallback_after,
 * scale_in_busy_share. For help and the reference page; "type", "fallback" and the policy's own rows come on
 * top. */
extern const struct option_row CONTROLLER_ROWS[];
/* Rows of the "capacity" object: min, target, max. */
extern const struct option_row CAPACITY_ROWS[];

/* Builds a configuration from a fleet's "capacity" and "policy" objects (each may be NULL: all defaults;
 * target defaults to max) and its poll interval (1 ms .. 1 day). `path` stands before the keys in errors
 * ("fleets[0]"): "fleets[0].policy.scale_in_below: value 30: want a whole number from 1 to 20
 * (scale_out_above)". Returns 0, and the caller cleans up; or -1 with err, *ret_config untouched. */
int controller_config_parse(const json_t *capacity, const json_t *policy, int64_t poll_ms, const char *path,
                            struct controller_config *ret_config, struct err *err)
    __attribute__((warn_unused_result));
void controller_config_copy(struct controller_config *to, const struct controller_config *from);
void controller_config_clean_up(struct controller_config *config); /* safe on a zeroed struct, idempotent */
/* Writes {"poll_ms":..,"stale_after_follows":..,"capacity":{..},"policy":{..}}, every value given;
 * controller_config_parse() of its members gives the same configuration, but for stale_after_follows, which
 * the reader sets. */
void controller_config_dump(const struct controller_config *config, struct jsonw *w);

struct controller;

/* A new controller with a deep copy of config. It starts at capacity.min: set another start with
 * controller_adopt() or controller_restore(). Never NULL. */
struct controller *controller_new(const struct controller_config *config);
void controller_destroy(struct controller *ctl); /* NULL is fine */

/* One step. Never fails. Fills *out completely; out->to is what the fleet should now have (ready + starting),
 * and out->to != out->from tells a change. The caller asks for the change once and need not confirm: ordered
 * capacity counts from then on. */
void controller_step(struct controller *ctl, const struct observation *obs, int64_t now_ms,
                     struct decision *out);

/* What is ordered now: always within the limits. */
int64_t controller_desired(const struct controller *ctl);
const struct controller_config *controller_config(const struct controller *ctl);

/* The base comes from elsewhere (ECS's desiredCount at start, a foreign writer that is adopted, an operator):
 * clamped to the limits, no cooldown stamped, a shrink's evidence begins anew. Returns the clamped value. The
 * caller writes a config record to the journal afterwards, so that a replay knows. */
int64_t controller_adopt(struct controller *ctl, int64_t desired);

/* An operator's order, in place of the one that is in force, if any. Nothing but a step changes desired: take
 * one at once, the last sample will do. While it is in force
 *  - scale: every step wants order->desired, whatever the policy wants and however old the depth is; the
 * limits, and what the fleet itself has against a change (a rollout ...), still hold;
 *  - pause: no step changes desired, the fallback included.
 * When it ends, by its time or by a resume (kind NONE), the policy goes on from where the fleet is, and no
 * shrink comes before it has been patient: they are held for scale_in_after, and their evidence begins anew.
 * The caller writes an override record to the journal (controller_encode_override_record()), so that a replay
 * knows. Returns 0, *ret_override (may be NULL) tells the order with its times; or -1 with err, nothing
 * changed, when the order is not sound or asks for a number outside of the limits. */
int controller_override(struct controller *ctl, const struct override_order *order, int64_t now_ms,
                        struct override *ret_override, struct err *err) __attribute__((warn_unused_result));

/* The order that is in force at now_ms; kind OVERRIDE_NONE when there is none. Valid until the next step or
 * order. */
const struct override *controller_get_override(const struct controller *ctl, int64_t now_ms);

/* No shrink before now_ms + hold_ms; a later hold wins, an earlier one changes nothing. For a start without
 * usable state: hold_ms = controller_timing(ctl).scale_in_after_ms. */
void controller_hold_shrink(struct controller *ctl, int64_t now_ms, int64_t hold_ms);
struct policy_timing controller_timing(const struct controller *ctl);
/* How old a reading may be and still count, given the interval of polls in the observation. */
int64_t controller_stale_after_ms(const struct controller_config *config, const struct observation *obs);

/* Complete state as one JSON object value
 * {"version":1,"policy":..,"desired":..,deadlines..,"override":{..},"policy_state":{..}} for the state file;
 * deadlines are epoch ms; "override" is there while there is one. */
void controller_save(const struct controller *ctl, struct jsonw *w);

/* Puts back what controller_save() wrote, whole or not at all; desired is clamped to the limits that hold
 * now. When the state is another policy's (the configuration changed), that policy's part is dropped and its
 * waits begin anew; the rest is taken. Returns 0; or -1 with err, ctl unchanged, when the version is newer
 * than CONTROLLER_STATE_VERSION or anything is missing or malformed: the caller keeps the file aside and
 * calls controller_hold_shrink(). */
int controller_restore(struct controller *ctl, const json_t *state, struct err *err)
    __attribute__((warn_unused_result));

/* The record that opens each journal file, as one JSON object value without newline:
 * {"v":1,"t_ms":..,"fleet":name,"config":{controller_config_dump()},"state":{controller_save()}}. */
void controller_encode_config_record(const struct controller *ctl, const char *fleet, int64_t now_ms,
                                     struct jsonw *w);

/* The record of an operator's order, as one JSON object value without newline:
 * {"v":1,"t_ms":..,"fleet":name,"override":{override_encode_json()}}. */
void controller_encode_override_record(const struct override *override, const char *fleet, int64_t now_ms,
                                       struct jsonw *w);

/* Gives the controller the order of such a record at the record's time. Returns 0, or -1 with err, ctl
 * unchanged. */
int controller_replay_override(struct controller *ctl, const json_t *record, struct err *err)
    __attribute__((warn_unused_result));

/* A controller exactly as it was when the record was written: feeding it the observations of the decision
 * records that follow (decision_parse_json(), then controller_step(ctl, &d.obs, d.t_ms, ..)) and the orders
 * among them (controller_replay_override()) yields the same decisions bit for bit. Returns it, to be
 * destroyed by the caller, or NULL with err. */
struct controller *controller_new_from_record(const json_t *record, struct err *err)
    __attribute__((warn_unused_result));

#endif

/*
 * A policy looks at what is known and says how many workers it would like, and why. One policy is one file: a
 * table of parameters, a state struct with its table, a function, and one line in the registry. What must
 * hold whatever a policy says (limits, freshness, cooldowns, the busy floor) is the controller's business;
 * see controller.h. Pure: no I/O, no clock, no threads, no globals; the same inputs give the same proposal to
 * the last bit.
 */
#ifndef SLUICE_POLICIES_POLICY_H
#define SLUICE_POLICIES_POLICY_H

#include "base/err.h"
#include "base/jsonw.h"
#include "base/options.h"
#include "base/strbuf.h"
#include "policies/observation.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLICY_TERMS_MAX = 12, POLICY_TIMERS_MAX = 4, POLICY_NAME_MAX = 32, POLICY_LINES_MAX = 24 };
/* No fleet is larger: a guard against typing errors and overflow, not a promise. */
enum { CAPACITY_LIMIT = 100000 };

/* Limits of one fleet: 1 <= min <= target <= max <= CAPACITY_LIMIT workers. */
struct capacity {
    int64_t min;
    int64_t target; /* what "to target" steps go to */
    int64_t max;
};

/* What a policy may look at. */
struct policy_input {
    const struct observation *obs;
    struct capacity capacity;
    int64_t desired;        /* the base: what is ordered now, ready or not (rule 6: never what is ready) */
    int64_t now_ms;         /* product time, epoch ms */
    int64_t stale_after_ms; /* longest age of a reading, and longest gap between two, that still counts */
    bool visible_fresh;     /* obs->visible is known and not stale */
    bool may_shrink;        /* false: this depth is good enough to grow on, and not to shrink on */
    /* A wait that has at most this left counts as over. Polls jitter by some ms; without it a wait of 12
     * polls would often last 13. */
    int64_t slack_ms;
};

/* A number that a formula used, for the decision record. */
struct proposal_term {
    char name[POLICY_NAME_MAX];
    double value;
};

/* Time that the policy still waits for, ms >= 0. */
struct proposal_timer {
    char name[POLICY_NAME_MAX];
    int64_t left_ms;
};

struct proposal {
    int64_t desired;              /* may lie outside of the limits: the controller clamps and says so */
    char reason[POLICY_NAME_MAX]; /* code, one of the policy's own: "step", "low_depth", "between" */
    /* Urgency of a growth, >= 0: inside the scale-out cooldown only a higher rank than that of the last
     * growth acts. */
    int rank;
    /* This sample speaks for fewer workers, even if the policy still waits. The controller shrinks only after
     * two samples in a row that did (rule 5: one sample never shrinks a fleet). */
    bool leans_in;
    struct proposal_term terms[POLICY_TERMS_MAX];
    int term_count;
    struct proposal_timer timers[POLICY_TIMERS_MAX];
    int timer_count;
};

/* Waits that the controller keeps on behalf of every policy; all ms >= 0. */
struct policy_timing {
    int64_t scale_out_cooldown_ms;
    int64_t scale_in_cooldown_ms;
    int64_t scale_in_after_ms; /* how long low need must last before the first shrink; also the hold after a
                                  lost state */
};

struct policy {
    const char *name;
    const char *help; /* one sentence: the rule */

    /* Rows of the JSON object "policy", apart from the controller's own. Params and state are plain data
     * without pointers (no OPTION_STRING): a copy is a memcpy. */
    const struct option_row *params;
    size_t params_size;
    const struct option_row
        *state; /* rows for the state file; INT, DOUBLE and BOOL only; times are epoch ms as INT */
    size_t state_size;

    /* Keys of "policy" that finish_params() reads itself because they are no scalars; NULL-terminated, may be
     * NULL. */
    const char *const *extra_params;
    /* Completes params after the table was read: defaults that depend on other parameters, lists. `object` is
     * the whole "policy" object (NULL: defaults only). Errors as in options_json.h. May be NULL. Returns 0 or
     * -1 with err. */
    int (*finish_params)(void *params, const json_t *object, const char *path, struct err *err);
    /* Writes the members of extra_params into the object that w is in. May be NULL. */
    void (*dump_params)(const void *params, struct jsonw *w);

    /* Cross checks of complete parameters against the limits. Returns 0 or -1 with err "path.key: value ..:
     * want ..". */
    int (*check)(const void *params, const struct capacity *capacity, const char *path, struct err *err);
    struct policy_timing (*timing)(const void *params);
    /* Depths (visible messages) at which the rule changes its mind, in any order: polls are quick near them.
     * Writes up to `room` (POLICY_LINES_MAX), returns how many. NULL: there are none. */
    int (*depth_lines)(const void *params, int64_t *ret_lines, int room);

    /* Sets a zeroed state to the beginning. */
    void (*init)(const void *params, void *state);
    /* Fills *proposal (zeroed by the caller) and updates state. */
    void (*decide)(const void *params, void *state, const struct policy_input *input,
                   struct proposal *proposal);
    /* Appends what the proposal means in words, from its terms alone (so that a journal line can be
     * explained): "visible 412 > 200: to target 25". */
    void (*describe)(const struct proposal *proposal, struct strbuf *out);
};

/* The policy called `name`, or NULL. */
const struct policy *policy_find(const char *name);

/* All policies, NULL-terminated; the first is the default. */
const struct policy *const *policy_list(void);

/* Fills in reason; texts longer than POLICY_NAME_MAX - 1 are our bug and are cut. */
void proposal_set_reason(struct proposal *proposal, const char *reason);
/* Adds a term or timer; silently ignored when the proposal is full (tests check that none is). */
void proposal_add_term(struct proposal *proposal, const char *name, double value);
void proposal_add_timer(struct proposal *proposal, const char *name, int64_t left_ms);
/* The term's value, or `fallback` when there is none of that name. */
double proposal_get_term(const struct proposal *proposal, const char *name, double fallback);

#endif

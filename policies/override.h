/*
 * An operator's order that stands above the policy for a while: `scale` pins desired at a number, `pause`
 * lets the policy change nothing, `resume` ends either. Every order has an end: nobody remembers in a month
 * that a fleet was pinned. What the controller makes of it is controller.h's business. Plain data, copied by
 * assignment; pure; thread-safe.
 */
#ifndef SLUICE_POLICIES_OVERRIDE_H
#define SLUICE_POLICIES_OVERRIDE_H

#include "base/err.h"
#include "base/jsonw.h"
#include "policies/policy.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    OVERRIDE_REASON_MAX = 200, /* bytes */
    OVERRIDE_FOR_MIN_MS = 1000,
    OVERRIDE_FOR_MAX_MS = 7 * 86400000,
    OVERRIDE_PAUSE_DEFAULT_MS = 3600000,
};

enum override_kind {
    OVERRIDE_NONE,  /* nothing; as an order: resume */
    OVERRIDE_SCALE, /* desired is pinned */
    OVERRIDE_PAUSE, /* the policy changes nothing */
};

/* What was asked for. */
struct override_order {
    enum override_kind kind;
    int64_t desired;                      /* SCALE only, 0 otherwise */
    int64_t for_ms;                       /* SCALE and PAUSE; OVERRIDE_FOR_MIN_MS .. OVERRIDE_FOR_MAX_MS */
    int64_t uid, pid;                     /* who asked, as the kernel says (SO_PEERCRED); -1: unknown */
    char reason[OVERRIDE_REASON_MAX + 1]; /* one line of UTF-8; "" is for resume alone */
};

/* An order and its time: product time, epoch ms. For a resume both times are that of the order. */
struct override {
    struct override_order order;
    int64_t since_ms, until_ms;
};

/* "scale", "pause", "resume": of the command, of the admin socket's path and of the journal. */
const char *override_action(enum override_kind kind);

/* Whether it still holds at now_ms. */
bool override_in_force(const struct override *override, int64_t now_ms);

/* Whether the order is sound by itself and fits the limits. Returns 0; or -1 with err
 * "desired: 40: want a whole number from 2 to 30 (capacity of the fleet)". */
int override_order_check(const struct override_order *order, const struct capacity *capacity, struct err *err)
    __attribute__((warn_unused_result));

/* Reads what an operator sent, {"desired":12,"for":"2h","reason":"..."}: scale wants all three; pause wants a
 * reason, and takes an hour without "for"; resume takes a reason only. Unknown keys are errors. The limits of
 * the fleet are not looked at. Returns 0, and uid and pid are -1; or -1 with err "KEY: VALUE: want ...",
 * *ret_order untouched. */
int override_order_parse(enum override_kind kind, const json_t *body, struct override_order *ret_order,
                         struct err *err) __attribute__((warn_unused_result));

/* Writes {"action":"scale","desired":12,"for":"2h","reason":..,"uid":..,"pid":..,"since_ms":..,"until_ms":..}
 * as one JSON object value, for the state file and the journal; and reads it. Returns 0; or -1 with err,
 * *ret_override untouched. */
void override_encode_json(const struct override *override, struct jsonw *w);
int override_parse_json(const json_t *json, struct override *ret_override, struct err *err)
    __attribute__((warn_unused_result));

#endif

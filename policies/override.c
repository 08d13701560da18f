/* Operators' orders: checks, JSON in and out. Pure; see override.h. */
#include "policies/override.h"

#include "base/options_json.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The largest whole number that a double, and so any JSON reader, holds exactly. */
#define WHOLE_MAX 9007199254740992.0

static const char *const ACTIONS[] = {
    [OVERRIDE_NONE] = "resume", [OVERRIDE_SCALE] = "scale", [OVERRIDE_PAUSE] = "pause"};
enum { ACTION_COUNT = sizeof ACTIONS / sizeof ACTIONS[0] };

/* What the rows below fill in. */
struct fields {
    int64_t desired, for_ms, uid, pid, since_ms, until_ms;
    char *reason;
};

#define FIELD(name) offsetof(struct fields, name)
#define DESIRED_ROW                                                                                          \
    {                                                                                                        \
        .name = "desired", .type = OPTION_INT, .offset = FIELD(desired), .min = 1, .max = CAPACITY_LIMIT,    \
        .help = "workers"                                                                                    \
    }
#define FOR_ROW                                                                                              \
    {                                                                                                        \
        .name = "for", .type = OPTION_DURATION, .offset = FIELD(for_ms), .min = OVERRIDE_FOR_MIN_MS,         \
        .max = OVERRIDE_FOR_MAX_MS, .help = "how long"                                                       \
    }
#define REASON_ROW                                                                                           \
    {                                                                                                        \
        .name = "reason", .type = OPTION_STRING, .offset = FIELD(reason), .help = "why"                      \
    }
#define WHOLE_ROW(field, low)                                                                                \
    {                                                                                                        \
        .name = #field, .type = OPTION_INT, .offset = FIELD(field), .min = (low), .max = WHOLE_MAX,          \
        .help = #field                                                                                       \
    }
#define RECORD_ROWS                                                                                          \
    WHOLE_ROW(uid, -1), WHOLE_ROW(pid, -1), WHOLE_ROW(since_ms, -WHOLE_MAX), WHOLE_ROW(until_ms, -WHOLE_MAX)

/* By kind: what an operator sends, and what a record has besides. */
static const struct option_row SENT_ROWS[ACTION_COUNT][4] = {
    [OVERRIDE_NONE] = {REASON_ROW, OPTION_END},
    [OVERRIDE_SCALE] = {DESIRED_ROW, FOR_ROW, REASON_ROW, OPTION_END},
    [OVERRIDE_PAUSE] = {FOR_ROW, REASON_ROW, OPTION_END},
};
static const struct option_row RECORDED_ROWS[ACTION_COUNT][8] = {
    [OVERRIDE_NONE] = {REASON_ROW, RECORD_ROWS, OPTION_END},
    [OVERRIDE_SCALE] = {DESIRED_ROW, FOR_ROW, REASON_ROW, RECORD_ROWS, OPTION_END},
    [OVERRIDE_PAUSE] = {FOR_ROW, REASON_ROW, RECORD_ROWS, OPTION_END},
};
#undef FIELD

const char *override_action(enum override_kind kind)
{
    return ACTIONS[kind];
}

bool override_in_force(const struct override *override, int64_t now_ms)
{
    return override->order.kind != OVERRIDE_NONE && now_ms < override->until_ms;
}

/* One line for people: a reason goes to the log, to terminals and to the journal as it is. */
static int check_reason(const char *reason, bool required, struct err *err)
{
    size_t len = strlen(reason);
    bool is_line = utf8_valid(reason, len);
    bool blank = true;
    for (size_t i = 0; i < len; i++) {
        is_line = is_line && (unsigned char)reason[i] >= ' ' && reason[i] != 0x7f;
        blank = blank && reason[i] == ' ';
    }
    if (is_line && len <= OVERRIDE_REASON_MAX && !(blank && required))
        return 0;
    return err_set(err, "reason: %s: want one line of %d to %d bytes",
                   len > OVERRIDE_REASON_MAX ? "too long"
                   : !is_line                ? "has control characters or is no UTF-8"
                                             : "empty",
                   required ? 1 : 0, OVERRIDE_REASON_MAX);
}

static int check_alone(const struct override_order *order, struct err *err)
{
    if (order->kind != OVERRIDE_NONE &&
        (order->for_ms < OVERRIDE_FOR_MIN_MS || order->for_ms > OVERRIDE_FOR_MAX_MS))
        return err_set(err, "for: %" PRId64 " ms: want a duration from 1s to 7d", order->for_ms);
    return check_reason(order->reason, order->kind != OVERRIDE_NONE, err);
}

int override_order_check(const struct override_order *order, const struct capacity *capacity, struct err *err)
{
    if (order->kind == OVERRIDE_SCALE && (order->desired < capacity->min || order->desired > capacity->max))
        return err_set(err,
                       "desired: %" PRId64 ": want a whole number from %" PRId64 " to %" PRId64
                       " (capacity of the fleet)",
                       order->desired, capacity->min, capacity->max);
    return check_alone(order, err);
}

static int require(const struct option_row *rows, const json_t *object, const char *path, struct err *err)
{
    for (const struct option_row *row = rows; row->name != NULL; row++)
        if (json_object_get(object, row->name) == NULL) {
            struct strbuf want = STRBUF_INIT;
            options_describe_range(row, &want);
            (void)err_set(err, "%s%s: missing: want %s", path, row->name, strbuf_str(&want));
            strbuf_clean_up(&want);
            return -1;
        }
    return 0;
}

static int take_order(enum override_kind kind, const struct fields *fields, struct override_order *ret,
                      struct err *err)
{
    const char *reason = fields->reason != NULL ? fields->reason : "";
    struct override_order order = {.kind = kind,
                                   .desired = fields->desired,
                                   .for_ms = fields->for_ms,
                                   .uid = fields->uid,
                                   .pid = fields->pid};
    if (check_reason(reason, kind != OVERRIDE_NONE, err) != 0)
        return -1;
    (void)snprintf(order.reason, sizeof order.reason, "%s", reason);
    if (check_alone(&order, err) != 0)
        return -1;
    *ret = order;
    return 0;
}

int override_order_parse(enum override_kind kind, const json_t *body, struct override_order *ret_order,
                         struct err *err)
{
    const struct option_row *rows = SENT_ROWS[kind];
    /* What may be left out: of a pause its length, of a resume all. */
    const struct option_row *required = kind == OVERRIDE_PAUSE ? rows + 1 : rows;
    struct fields fields = {.for_ms = kind == OVERRIDE_PAUSE ? OVERRIDE_PAUSE_DEFAULT_MS : 0};
    int rc = -1;
    if (options_set_json(rows, &fields, body, "", NULL, err) == 0 &&
        (kind == OVERRIDE_NONE || require(required, body, "", err) == 0)) {
        fields.uid = fields.pid = -1;
        rc = take_order(kind, &fields, ret_order, err);
    }
    options_clean_up(rows, &fields);
    return rc;
}

/* ---- records ---- */

void override_encode_json(const struct override *override, struct jsonw *w)
{
    const struct override_order *order = &override->order;
    struct fields fields = {.desired = order->desired,
                            .for_ms = order->for_ms,
                            .uid = order->uid,
                            .pid = order->pid,
                            .since_ms = override->since_ms,
                            .until_ms = override->until_ms,
                            .reason = (char *)(uintptr_t)order->reason};
    jsonw_object(w);
    jsonw_key_str(w, "action", ACTIONS[order->kind]);
    options_dump(RECORDED_ROWS[order->kind], &fields, w);
    jsonw_end_object(w);
}

int override_parse_json(const json_t *json, struct override *ret_override, struct err *err)
{
    static const char *const ALSO_KNOWN[] = {"action", NULL};
    const char *action = json_string_value(json_object_get(json, "action"));
    struct fields fields = {.desired = 0};
    struct override override = {.since_ms = 0};
    int kind = 0;
    while (action != NULL && kind < ACTION_COUNT && strcmp(ACTIONS[kind], action) != 0)
        kind++;
    if (action == NULL || kind == ACTION_COUNT)
        return err_set(err, "override.action: want \"scale\", \"pause\" or \"resume\"");
    const struct option_row *rows = RECORDED_ROWS[kind];
    int rc = -1;
    if (options_set_json(rows, &fields, json, "override", ALSO_KNOWN, err) == 0 &&
        require(rows, json, "override.", err) == 0) {
        rc = take_order((enum override_kind)kind, &fields, &override.order, err);
        if (rc != 0)
            (void)err_prefix(err, "override");
    }
    options_clean_up(rows, &fields);
    if (rc != 0)
        return -1;
    override.since_ms = fields.since_ms;
    override.until_ms = fields.until_ms;
    *ret_override = override;
    return 0;
}

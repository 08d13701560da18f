/* Decision records: names, JSON out and in, and plain words. Pure. */
#include "policies/decision.h"

#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *sentence;
} WHYS[] =
    {
#define X(upper, name, sentence) {#name, sentence},
        DECISION_WHYS(X)
#undef X
},
  CLAMPS[] = {
#define X(upper, name, sentence) {#name, sentence},
      DECISION_CLAMPS(X)
#undef X
};

static const struct timer_row {
    const char *name;
    size_t offset;
} TIMERS[] = {
#define X(name) {#name, offsetof(struct decision_timers, name##_ms)},
    DECISION_TIMERS(X)
#undef X
};
enum { TIMER_COUNT = sizeof TIMERS / sizeof TIMERS[0] };

const char *decision_why_name(enum decision_why why)
{
    return WHYS[why].name;
}

const char *decision_why_sentence(enum decision_why why)
{
    return WHYS[why].sentence;
}

/* ---- JSON out ---- */

static void encode_proposal(const struct proposal *proposal, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "desired", proposal->desired);
    jsonw_key_str(w, "reason", proposal->reason);
    jsonw_key_int(w, "rank", proposal->rank);
    jsonw_key_bool(w, "leans_in", proposal->leans_in);
    jsonw_key(w, "terms");
    jsonw_object(w);
    for (int i = 0; i < proposal->term_count; i++)
        jsonw_key_double(w, proposal->terms[i].name, proposal->terms[i].value);
    jsonw_end_object(w);
    jsonw_key(w, "timers_ms");
    jsonw_object(w);
    for (int i = 0; i < proposal->timer_count; i++)
        jsonw_key_int(w, proposal->timers[i].name, proposal->timers[i].left_ms);
    jsonw_end_object(w);
    jsonw_end_object(w);
}

static void encode_clamps(const struct decision *decision, struct jsonw *w)
{
    jsonw_array(w);
    for (int i = 0; i < decision->clamp_count; i++) {
        const struct decision_clamp *clamp = &decision->clamps[i];
        jsonw_object(w);
        jsonw_key_str(w, "kind", CLAMPS[clamp->kind].name);
        jsonw_key_int(w, "from", clamp->from);
        jsonw_key_int(w, "to", clamp->to);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void encode_timers(const struct decision_timers *timers, struct jsonw *w)
{
    jsonw_object(w);
    for (size_t i = 0; i < TIMER_COUNT; i++)
        jsonw_key_int(w, TIMERS[i].name,
                      *(const int64_t *)(const void *)((const char *)timers + TIMERS[i].offset));
    jsonw_end_object(w);
}

static void encode_override(const struct decision_override *override, struct jsonw *w)
{
    jsonw_key(w, "override");
    jsonw_object(w);
    jsonw_key_str(w, "kind", override_action(override->kind));
    if (override->kind == OVERRIDE_SCALE)
        jsonw_key_int(w, "desired", override->desired);
    jsonw_key_int(w, "left_ms", override->left_ms);
    jsonw_end_object(w);
}

void decision_encode_json(const struct decision *decision, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "v", DECISION_VERSION);
    jsonw_key_int(w, "seq", decision->seq);
    jsonw_key_int(w, "t_ms", decision->t_ms);
    jsonw_key_str(w, "policy", decision->policy);
    jsonw_key(w, "obs");
    observation_encode_json(&decision->obs, decision->t_ms, w);
    jsonw_key(w, "proposal");
    encode_proposal(&decision->proposal, w);
    jsonw_key(w, "clamps");
    encode_clamps(decision, w);
    jsonw_key(w, "timers_ms");
    encode_timers(&decision->timers, w);
    jsonw_key(w, "busy_floor");
    if (decision->busy_floor < 0)
        jsonw_null(w);
    else
        jsonw_int(w, decision->busy_floor);
    if (decision->override.kind != OVERRIDE_NONE)
        encode_override(&decision->override, w);
    jsonw_key_int(w, "from", decision->from);
    jsonw_key_int(w, "to", decision->to);
    jsonw_key_str(w, "why", decision_why_name(decision->why));
    jsonw_end_object(w);
}

/* ---- JSON in ---- */

static int get_int(const json_t *object, const char *key, int64_t *ret, struct err *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        return err_set(err, "%s: want a whole number", key);
    *ret = json_integer_value(value);
    return 0;
}

/* A text that fits POLICY_NAME_MAX. */
static int get_name(const json_t *object, const char *key, char out[static POLICY_NAME_MAX], struct err *err)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL || strlen(text) >= POLICY_NAME_MAX)
        return err_set(err, "%s: want a text of at most %d characters", key, POLICY_NAME_MAX - 1);
    (void)snprintf(out, POLICY_NAME_MAX, "%s", text);
    return 0;
}

static int parse_terms(const json_t *terms, struct proposal *proposal, struct err *err)
{
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_object(terms) || json_object_size(terms) > POLICY_TERMS_MAX)
        return err_set(err, "proposal.terms: want an object of at most %d numbers", POLICY_TERMS_MAX);
    json_object_foreach((json_t *)(uintptr_t)terms, name, value)
    {
        if (!json_is_number(value) || strlen(name) >= POLICY_NAME_MAX)
            return err_set(err, "proposal.terms.%.40s: want a number", name);
        proposal_add_term(proposal, name, json_number_value(value));
    }
    return 0;
}

static int parse_proposal_timers(const json_t *timers, struct proposal *proposal, struct err *err)
{
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_object(timers) || json_object_size(timers) > POLICY_TIMERS_MAX)
        return err_set(err, "proposal.timers_ms: want an object of at most %d numbers", POLICY_TIMERS_MAX);
    json_object_foreach((json_t *)(uintptr_t)timers, name, value)
    {
        if (!json_is_integer(value) || strlen(name) >= POLICY_NAME_MAX)
            return err_set(err, "proposal.timers_ms.%.40s: want a whole number", name);
        proposal_add_timer(proposal, name, json_integer_value(value));
    }
    return 0;
}

static int parse_proposal(const json_t *json, struct proposal *proposal, struct err *err)
{
    int64_t rank = 0;
    if (!json_is_object(json))
        return err_set(err, "proposal: want an object");
    if (get_int(json, "desired", &proposal->desired, err) != 0 || get_int(json, "rank", &rank, err) != 0 ||
        get_name(json, "reason", proposal->reason, err) != 0)
        return err_prefix(err, "proposal");
    proposal->rank = (int)rank;
    proposal->leans_in = json_is_true(json_object_get(json, "leans_in"));
    if (parse_terms(json_object_get(json, "terms"), proposal, err) != 0)
        return -1;
    return parse_proposal_timers(json_object_get(json, "timers_ms"), proposal, err);
}

static int parse_clamp(const json_t *json, struct decision_clamp *clamp, struct err *err)
{
    char kind[POLICY_NAME_MAX];
    if (!json_is_object(json) || get_name(json, "kind", kind, err) != 0 ||
        get_int(json, "from", &clamp->from, err) != 0 || get_int(json, "to", &clamp->to, err) != 0)
        return err_set(err, "clamps: want objects with kind, from and to");
    for (int i = 0; i < DECISION_CLAMP_COUNT; i++) {
        if (strcmp(CLAMPS[i].name, kind) == 0) {
            clamp->kind = (enum decision_clamp_kind)i;
            return 0;
        }
    }
    return err_set(err, "clamps: unknown kind %s", kind);
}

static int parse_clamps(const json_t *list, struct decision *decision, struct err *err)
{
    if (!json_is_array(list) || json_array_size(list) > DECISION_CLAMP_COUNT)
        return err_set(err, "clamps: want a list of at most %d", DECISION_CLAMP_COUNT);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (parse_clamp(json_array_get(list, i), &decision->clamps[decision->clamp_count++], err) != 0)
            return -1;
    return 0;
}

static int parse_timers(const json_t *json, struct decision_timers *timers, struct err *err)
{
    if (!json_is_object(json))
        return err_set(err, "timers_ms: want an object");
    for (size_t i = 0; i < TIMER_COUNT; i++)
        if (get_int(json, TIMERS[i].name, (int64_t *)(void *)((char *)timers + TIMERS[i].offset), err) != 0)
            return err_prefix(err, "timers_ms");
    return 0;
}

static int parse_why(const json_t *json, enum decision_why *ret, struct err *err)
{
    const char *text = json_string_value(json);
    for (int i = 0; text != NULL && i < DECISION_WHY_COUNT; i++) {
        if (strcmp(WHYS[i].name, text) == 0) {
            *ret = (enum decision_why)i;
            return 0;
        }
    }
    return err_set(err, "why: unknown reason %.40s", text != NULL ? text : "(none)");
}

static int parse_override(const json_t *json, struct decision_override *ret, struct err *err)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    if (json == NULL)
        return 0; /* none, or an older writer */
    if (kind != NULL && strcmp(kind, override_action(OVERRIDE_SCALE)) == 0)
        ret->kind = OVERRIDE_SCALE;
    else if (kind != NULL && strcmp(kind, override_action(OVERRIDE_PAUSE)) == 0)
        ret->kind = OVERRIDE_PAUSE;
    else
        return err_set(err, "override.kind: want \"scale\" or \"pause\"");
    if (get_int(json, "left_ms", &ret->left_ms, err) != 0 ||
        (ret->kind == OVERRIDE_SCALE && get_int(json, "desired", &ret->desired, err) != 0))
        return err_prefix(err, "override");
    return 0;
}

static int parse_result(const json_t *record, struct decision *decision, struct err *err)
{
    const json_t *busy_floor = json_object_get(record, "busy_floor");
    decision->busy_floor = json_is_integer(busy_floor) ? json_integer_value(busy_floor) : -1;
    if (get_int(record, "from", &decision->from, err) != 0 || get_int(record, "to", &decision->to, err) != 0)
        return -1;
    return parse_why(json_object_get(record, "why"), &decision->why, err);
}

int decision_parse_json(const json_t *record, struct decision *ret_decision, struct err *err)
{
    struct decision decision = {.seq = 0};
    int64_t version = 0;
    if (!json_is_object(record) || get_int(record, "v", &version, err) != 0 || version < 1)
        return err_set(err, "not a decision record");
    if (version > DECISION_VERSION)
        return err_set(err, "v: %" PRId64 ": this program reads decision records up to version %d", version,
                       DECISION_VERSION);
    if (get_int(record, "seq", &decision.seq, err) != 0 ||
        get_int(record, "t_ms", &decision.t_ms, err) != 0 ||
        get_name(record, "policy", decision.policy, err) != 0 ||
        observation_parse_json(json_object_get(record, "obs"), decision.t_ms, &decision.obs, err) != 0 ||
        parse_proposal(json_object_get(record, "proposal"), &decision.proposal, err) != 0 ||
        parse_clamps(json_object_get(record, "clamps"), &decision, err) != 0 ||
        parse_timers(json_object_get(record, "timers_ms"), &decision.timers, err) != 0 ||
        parse_override(json_object_get(record, "override"), &decision.override, err) != 0 ||
        parse_result(record, &decision, err) != 0)
        return -1;
    *ret_decision = decision;
    return 0;
}

/* ---- words ---- */

static void append_clamps(const struct decision *decision, struct strbuf *out)
{
    for (int i = 0; i < decision->clamp_count; i++)
        strbuf_appendf(out, ", %s %" PRId64, CLAMPS[decision->clamps[i].kind].sentence,
                       decision->clamps[i].to);
}

static void append_wait(const char *words, int64_t left_ms, struct strbuf *out)
{
    strbuf_appendf(out, "%s, %" PRId64 " s to go", words, left_ms / 1000 + (left_ms % 1000 > 0));
}

/* What a silent queue looks like: how old the last known depth is, and when the fallback comes. */
static void append_blind(const struct decision *decision, struct strbuf *out)
{
    const struct reading *visible = &decision->obs.visible;
    if (!visible->known)
        strbuf_append_str(out, "depth unknown");
    else
        strbuf_appendf(out, "depth stale (%" PRId64 " s old)",
                       reading_age_ms(visible, decision->t_ms) / 1000);
    if (decision->timers.fallback_after_ms > 0)
        append_wait(", fallback", decision->timers.fallback_after_ms, out);
}

/* What the workers say of a queue whose depth nobody tells. */
static void append_hint(const struct decision *decision, struct strbuf *out)
{
    const struct reading *hint = &decision->obs.queue_hint;
    if (hint->known && hint->value == QUEUE_HINT_MORE)
        strbuf_append_str(out, "; the workers' batches are full: there is more");
    else if (hint->known && hint->value == QUEUE_HINT_EMPTY)
        strbuf_append_str(out, "; the workers find it empty");
}

/* Who told a depth that SQS did not. */
static void append_source(const struct decision *decision, struct strbuf *out)
{
    const struct observation *obs = &decision->obs;
    if (obs->depth_source.known && obs->depth_source.value == DEPTH_SOURCE_CLOUDWATCH && obs->visible.known)
        strbuf_appendf(out, " (by CloudWatch, %" PRId64 " s old)",
                       reading_age_ms(&obs->visible, decision->t_ms) / 1000);
}

static void append_why_not(const struct decision *decision, struct strbuf *out)
{
    switch (decision->why) {
    case DECISION_WHY_SCALE_OUT_COOLDOWN:
        append_wait("; scale-out cooldown", decision->timers.scale_out_cooldown_ms, out);
        break;
    case DECISION_WHY_SCALE_IN_COOLDOWN:
        append_wait("; scale-in cooldown", decision->timers.scale_in_cooldown_ms, out);
        break;
    case DECISION_WHY_SHRINK_HELD:
        append_wait("; shrinks are held", decision->timers.shrink_hold_ms, out);
        break;
    case DECISION_WHY_BUSY:
        strbuf_appendf(out, "; %" PRId64 " workers are needed for what is busy", decision->busy_floor);
        break;
    case DECISION_WHY_AT_MAX:
    case DECISION_WHY_AT_MIN:
        append_clamps(decision, out);
        break;
    case DECISION_WHY_SATISFIED:
        break;
    default:
        strbuf_appendf(out, "; %s", decision_why_sentence(decision->why));
    }
}

static void append_policy_words(const struct decision *decision, struct strbuf *out)
{
    const struct policy *policy = policy_find(decision->policy);
    if (policy != NULL)
        policy->describe(&decision->proposal, out);
    else
        strbuf_append_str(out, decision->proposal.reason);
}

/* What an operator's order makes of the step, and what the policy wanted meanwhile. */
static void append_override(const struct decision *decision, struct strbuf *out)
{
    const struct decision_override *override = &decision->override;
    char left[48];
    (void)duration_format((override->left_ms + 999) / 1000 * 1000, left);
    if (decision->to != decision->from) {
        strbuf_appendf(out, "scaled to %" PRId64 " by an operator, for %s", decision->to, left);
        append_clamps(decision, out);
        strbuf_appendf(out, " (was %" PRId64 ")", decision->from);
        return;
    }
    strbuf_appendf(out, "hold at %" PRId64 ": ", decision->to);
    if (override->kind == OVERRIDE_PAUSE)
        strbuf_appendf(out, "paused by an operator, %s to go", left);
    else
        strbuf_appendf(out, "scale to %" PRId64 " by an operator, %s to go", override->desired, left);
    append_clamps(decision, out);
    if (decision->why != DECISION_WHY_PAUSED && decision->why != DECISION_WHY_PINNED)
        strbuf_appendf(out, "; %s", decision_why_sentence(decision->why));
    strbuf_append_str(out, "; the policy says: ");
    if (decision->timers.stale_after_ms > 0) {
        append_policy_words(decision, out);
        append_source(decision, out);
    } else {
        append_blind(decision, out);
        append_hint(decision, out);
    }
}

void decision_text(const struct decision *decision, struct strbuf *out)
{
    bool blind = decision->why == DECISION_WHY_VISIBLE_UNKNOWN ||
                 decision->why == DECISION_WHY_VISIBLE_STALE || decision->why == DECISION_WHY_QUEUE_EMPTY;
    if (decision->override.kind != OVERRIDE_NONE) {
        append_override(decision, out);
        return;
    }
    if (decision->to == decision->from) {
        strbuf_appendf(out, "hold at %" PRId64 ": ", decision->to);
        if (blind) {
            append_blind(decision, out);
            append_hint(decision, out);
            return;
        }
        append_policy_words(decision, out);
        append_source(decision, out);
        append_why_not(decision, out);
        return;
    }
    if (decision->why == DECISION_WHY_FALLBACK) {
        append_blind(decision, out);
        strbuf_appendf(out, ": fallback to %" PRId64, decision->to);
    } else {
        append_policy_words(decision, out);
        append_source(decision, out);
        append_clamps(decision, out);
    }
    strbuf_appendf(out, " (was %" PRId64 ")", decision->from);
}

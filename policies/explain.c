/* Decisions in words; see explain.h. Pure. */
#include "policies/explain.h"

#include <inttypes.h>
#include <string.h>

void explain_span(int64_t ms, struct strbuf *out)
{
    double seconds = (double)ms / 1000.0;
    if (ms < 100)
        strbuf_appendf(out, "%" PRId64 " ms", ms);
    else if (seconds < 60)
        strbuf_appendf(out, "%.1f s", seconds);
    else if (seconds < 7200)
        strbuf_appendf(out, "%.1f min", seconds / 60);
    else
        strbuf_appendf(out, "%.1f h", seconds / 3600);
}

/* A line in the making: its label comes with its first item. */
struct line {
    const char *indent, *label;
    struct strbuf *out;
    bool begun;
};

static void next_item(struct line *line)
{
    if (line->begun)
        strbuf_append_str(line->out, ", ");
    else
        strbuf_appendf(line->out, "%s%-8s ", line->indent, line->label);
    line->begun = true;
}

static void end_line(const struct line *line)
{
    if (line->begun)
        strbuf_append_char(line->out, '\n');
}

/* A name with blanks instead of underscores. */
static void append_name(const char *name, struct strbuf *out)
{
    for (; *name != '\0'; name++)
        strbuf_append_char(out, *name == '_' ? ' ' : *name);
}

static const struct reading *reading_of(const struct decision *decision, size_t i)
{
    const char *at = (const char *)&decision->obs + OBSERVATION_TABLE[i].offset;
    return (const struct reading *)(const void *)at;
}

/* What the codes of a reading mean. */
static const struct {
    const char *field;
    const char *words[5];
} CODES[] = {
    {"scale_out_hold",
     {[FLEET_HOLD_NONE] = "none",
      [FLEET_HOLD_ROLLOUT] = "rollout",
      [FLEET_HOLD_TASKS_FAIL] = "tasks fail",
      [FLEET_HOLD_UNKNOWN] = "fleet unknown",
      [FLEET_HOLD_REFUSED] = "refused"}},
    {"scale_in_hold",
     {[FLEET_HOLD_NONE] = "none",
      [FLEET_HOLD_ROLLOUT] = "rollout",
      [FLEET_HOLD_TASKS_FAIL] = "tasks fail",
      [FLEET_HOLD_UNKNOWN] = "fleet unknown",
      [FLEET_HOLD_REFUSED] = "refused"}},
    {"depth_source",
     {[DEPTH_SOURCE_NONE] = "nobody",
      [DEPTH_SOURCE_SQS] = "SQS",
      [DEPTH_SOURCE_CLOUDWATCH] = "CloudWatch",
      [DEPTH_SOURCE_WORKERS] = "workers"}},
    {"queue_hint",
     {[QUEUE_HINT_NONE] = "none", [QUEUE_HINT_MORE] = "there is more", [QUEUE_HINT_EMPTY] = "empty"}},
};

static void append_value(const struct observation_field *field, int64_t value, struct strbuf *out)
{
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++)
        if (strcmp(CODES[i].field, field->name) == 0 && value >= 0 && value < 5 &&
            CODES[i].words[value] != NULL) {
            strbuf_append_str(out, CODES[i].words[value]);
            return;
        }
    strbuf_appendf(out, "%" PRId64 "%s", value, strcmp(field->unit, "ms") == 0 ? " ms" : "");
}

/* Readings from `first` up to, not including, `end` (NULL: to the last) of the table, with their ages. */
static void explain_readings(const struct decision *decision, struct line line, const char *first,
                             const char *end)
{
    bool in = false;
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++) {
        const struct observation_field *field = &OBSERVATION_TABLE[i];
        const struct reading *reading = reading_of(decision, i);
        in = (in || strcmp(field->name, first) == 0) && !(end != NULL && strcmp(field->name, end) == 0);
        if (!in || !reading->known)
            continue;
        next_item(&line);
        append_name(field->name, line.out);
        strbuf_append_char(line.out, ' ');
        append_value(field, reading->value, line.out);
        strbuf_append_str(line.out, " (");
        explain_span(reading_age_ms(reading, decision->t_ms), line.out);
        strbuf_append_str(line.out, " old)");
    }
    end_line(&line);
}

static void explain_unknown(const struct decision *decision, struct line line)
{
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++) {
        if (reading_of(decision, i)->known)
            continue;
        next_item(&line);
        append_name(OBSERVATION_TABLE[i].name, line.out);
    }
    end_line(&line);
}

static void explain_proposal(const struct decision *decision, struct line line)
{
    const struct proposal *proposal = &decision->proposal;
    const struct policy *policy = policy_find(decision->policy);
    line.label = "policy";
    next_item(&line);
    strbuf_appendf(line.out, "%s wants %" PRId64 " (%s)", decision->policy, proposal->desired,
                   proposal->reason);
    struct strbuf words = STRBUF_INIT;
    if (policy != NULL)
        policy->describe(proposal, &words);
    if (words.len > 0)
        strbuf_appendf(line.out, ": %s", strbuf_str(&words));
    strbuf_clean_up(&words);
    end_line(&line);
    line.begun = false;
    line.label = "terms";
    for (int i = 0; i < proposal->term_count; i++) {
        next_item(&line);
        append_name(proposal->terms[i].name, line.out);
        strbuf_appendf(line.out, " %.6g", proposal->terms[i].value);
    }
    end_line(&line);
}

static void explain_limits(const struct decision *decision, struct line line)
{
    line.label = "limited";
    for (int i = 0; i < decision->clamp_count; i++) {
        const struct decision_clamp *clamp = &decision->clamps[i];
        next_item(&line);
        strbuf_appendf(line.out, "%" PRId64 " to %" PRId64 " by %s", clamp->from, clamp->to,
                       clamp->kind == DECISION_CLAMP_MAX   ? "max"
                       : clamp->kind == DECISION_CLAMP_MIN ? "min"
                                                           : "what is busy");
    }
    end_line(&line);
    line.begun = false;
    line.label = "busy";
    if (decision->busy_floor >= 0) {
        next_item(&line);
        strbuf_appendf(line.out, "%" PRId64 " workers are needed for what is busy", decision->busy_floor);
    }
    end_line(&line);
}

static void explain_wait(struct line *line, const char *name, int64_t left_ms)
{
    if (left_ms <= 0)
        return;
    next_item(line);
    append_name(name, line->out);
    strbuf_append_char(line->out, ' ');
    explain_span(left_ms, line->out);
    strbuf_append_str(line->out, " left");
}

static void explain_waits(const struct decision *decision, struct line line)
{
#define X(name) explain_wait(&line, #name, decision->timers.name##_ms);
    DECISION_TIMERS(X)
#undef X
    for (int i = 0; i < decision->proposal.timer_count; i++)
        explain_wait(&line, decision->proposal.timers[i].name, decision->proposal.timers[i].left_ms);
    explain_wait(&line, "the operator's order", decision->override.left_ms);
    end_line(&line);
}

void decision_explain(const struct decision *decision, const char *indent, struct strbuf *out)
{
    struct line line = {.indent = indent, .out = out, .label = "result"};
    next_item(&line);
    decision_text(decision, out);
    strbuf_append_char(out, '\n');
    line.begun = false;
    line.label = decision->to == decision->from ? "why not" : "why";
    next_item(&line);
    strbuf_appendf(out, "%s\n", decision_why_sentence(decision->why));
    line.begun = false;
    line.label = "queue";
    explain_readings(decision, line, "visible", "ready");
    line.label = "workers";
    explain_readings(decision, line, "ready", "completed_total");
    line.label = "counts";
    explain_readings(decision, line, "completed_total", "scale_out_hold");
    line.label = "holds";
    explain_readings(decision, line, "scale_out_hold", "depth_source");
    line.label = "source";
    explain_readings(decision, line, "depth_source", NULL);
    line.label = "unknown";
    explain_unknown(decision, line);
    explain_proposal(decision, line);
    explain_limits(decision, line);
    line.label = "waits";
    explain_waits(decision, line);
}

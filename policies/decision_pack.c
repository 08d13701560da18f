/*
 * Packing of decisions: whole numbers as zigzag varints (7 bits a byte, low ones first, the sign in bit 0),
 * times as distances from the decision's own, unknown readings as one bit each. Pure; see decision_pack.h.
 */
#include "policies/decision_pack.h"

#include <stdio.h>
#include <string.h>

/* ---- out ---- */

static void put_number(struct strbuf *out, int64_t value)
{
    uint64_t bits = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
    for (; bits > 0x7f; bits >>= 7)
        strbuf_append_char(out, (char)(0x80 | (bits & 0x7f)));
    strbuf_append_char(out, (char)bits);
}

/* Modulo 2^64, so that no two times are too far apart. */
static void put_time(struct strbuf *out, int64_t base_ms, int64_t at_ms)
{
    put_number(out, (int64_t)((uint64_t)base_ms - (uint64_t)at_ms));
}

static void put_name(struct strbuf *out, const char name[static POLICY_NAME_MAX])
{
    strbuf_append(out, name, strlen(name) + 1);
}

static const struct reading *reading_at(const struct observation *obs, size_t i)
{
    return (const struct reading *)(const void *)((const char *)obs + OBSERVATION_TABLE[i].offset);
}

static void put_observation(struct strbuf *out, const struct decision *decision)
{
    uint64_t known = 0;
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++)
        known |= (uint64_t)reading_at(&decision->obs, i)->known << i;
    put_number(out, (int64_t)known);
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++) {
        const struct reading *reading = reading_at(&decision->obs, i);
        if (!reading->known)
            continue;
        put_number(out, reading->value);
        put_time(out, decision->t_ms, reading->at_ms);
    }
}

static void put_proposal(struct strbuf *out, const struct proposal *proposal)
{
    put_number(out, proposal->desired);
    put_name(out, proposal->reason);
    put_number(out, proposal->rank);
    put_number(out, proposal->leans_in);
    put_number(out, proposal->term_count);
    for (int i = 0; i < proposal->term_count; i++) {
        put_name(out, proposal->terms[i].name);
        strbuf_append(out, &proposal->terms[i].value, sizeof proposal->terms[i].value);
    }
    put_number(out, proposal->timer_count);
    for (int i = 0; i < proposal->timer_count; i++) {
        put_name(out, proposal->timers[i].name);
        put_number(out, proposal->timers[i].left_ms);
    }
}

void decision_pack(const struct decision *decision, struct strbuf *out)
{
    put_number(out, decision->seq);
    put_number(out, decision->t_ms);
    put_name(out, decision->policy);
    put_observation(out, decision);
    put_proposal(out, &decision->proposal);
    put_number(out, decision->clamp_count);
    for (int i = 0; i < decision->clamp_count; i++) {
        put_number(out, decision->clamps[i].kind);
        put_number(out, decision->clamps[i].from);
        put_number(out, decision->clamps[i].to);
    }
#define X(name) put_number(out, decision->timers.name##_ms);
    DECISION_TIMERS(X)
#undef X
    put_number(out, decision->override.kind);
    put_number(out, decision->override.desired);
    put_number(out, decision->override.left_ms);
    put_number(out, decision->busy_floor);
    put_number(out, decision->from);
    put_number(out, decision->to);
    put_number(out, decision->why);
}

/* ---- in ---- */

struct source {
    const unsigned char *at, *end;
    bool bad;
};

static int64_t get_number(struct source *source)
{
    uint64_t bits = 0;
    for (unsigned shift = 0; source->at < source->end && shift < 64; shift += 7) {
        unsigned char byte = *source->at++;
        bits |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return (int64_t)((bits >> 1) ^ (UINT64_MAX * (bits & 1)));
    }
    source->bad = true;
    return 0;
}

/* A number from 0 to max. */
static int get_small(struct source *source, int max)
{
    int64_t value = get_number(source);
    source->bad = source->bad || value < 0 || value > max;
    return source->bad ? 0 : (int)value;
}

static int64_t get_time(struct source *source, int64_t base_ms)
{
    return (int64_t)((uint64_t)base_ms - (uint64_t)get_number(source));
}

static void get_name(struct source *source, char name[static POLICY_NAME_MAX])
{
    size_t left = (size_t)(source->end - source->at);
    const unsigned char *nul = memchr(source->at, '\0', left < POLICY_NAME_MAX ? left : POLICY_NAME_MAX);
    name[0] = '\0';
    if (nul == NULL) {
        source->bad = true;
        return;
    }
    memcpy(name, source->at, (size_t)(nul - source->at) + 1);
    source->at = nul + 1;
}

static double get_double(struct source *source)
{
    double value = 0;
    if ((size_t)(source->end - source->at) < sizeof value) {
        source->bad = true;
        return 0;
    }
    memcpy(&value, source->at, sizeof value);
    source->at += sizeof value;
    return value;
}

static void get_observation(struct source *source, struct decision *decision)
{
    uint64_t known = (uint64_t)get_number(source);
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++) {
        if ((known >> i & 1) == 0)
            continue;
        struct reading *reading = (struct reading *)(uintptr_t)reading_at(&decision->obs, i);
        int64_t value = get_number(source);
        reading_set(reading, value, get_time(source, decision->t_ms));
    }
}

static void get_proposal(struct source *source, struct proposal *proposal)
{
    proposal->desired = get_number(source);
    get_name(source, proposal->reason);
    proposal->rank = (int)get_number(source);
    proposal->leans_in = get_small(source, 1) != 0;
    proposal->term_count = get_small(source, POLICY_TERMS_MAX);
    for (int i = 0; i < proposal->term_count; i++) {
        get_name(source, proposal->terms[i].name);
        proposal->terms[i].value = get_double(source);
    }
    proposal->timer_count = get_small(source, POLICY_TIMERS_MAX);
    for (int i = 0; i < proposal->timer_count; i++) {
        get_name(source, proposal->timers[i].name);
        proposal->timers[i].left_ms = get_number(source);
    }
}

int decision_unpack(const void *bytes, size_t len, struct decision *ret_decision)
{
    struct source source = {.at = bytes, .end = (const unsigned char *)bytes + len};
    struct decision *decision = ret_decision;
    *decision = (struct decision){.seq = get_number(&source)};
    decision->t_ms = get_number(&source);
    get_name(&source, decision->policy);
    get_observation(&source, decision);
    get_proposal(&source, &decision->proposal);
    decision->clamp_count = get_small(&source, DECISION_CLAMP_COUNT);
    for (int i = 0; i < decision->clamp_count; i++) {
        decision->clamps[i].kind = (enum decision_clamp_kind)get_small(&source, DECISION_CLAMP_COUNT - 1);
        decision->clamps[i].from = get_number(&source);
        decision->clamps[i].to = get_number(&source);
    }
#define X(name) decision->timers.name##_ms = get_number(&source);
    DECISION_TIMERS(X)
#undef X
    decision->override.kind = (enum override_kind)get_small(&source, OVERRIDE_PAUSE);
    decision->override.desired = get_number(&source);
    decision->override.left_ms = get_number(&source);
    decision->busy_floor = get_number(&source);
    decision->from = get_number(&source);
    decision->to = get_number(&source);
    decision->why = (enum decision_why)get_small(&source, DECISION_WHY_COUNT - 1);
    return source.bad || source.at != source.end ? -1 : 0;
}

/*
 * Faults to be injected: rules that a test posts to /_localaws/faults, and the dice. Pure but for the JSON
 * library; service.c makes the faults happen. Which kind means what for which operation: docs/localaws.md.
 */
#ifndef SLUICE_LOCALAWS_FAULTS_H
#define SLUICE_LOCALAWS_FAULTS_H

#include "base/err.h"
#include "base/jsonw.h"
#include "localaws/api.h"

#include <stdint.h>

enum fault_kind {
    FAULT_ERROR,
    FAULT_THROTTLE,
    FAULT_HANG,
    FAULT_RESET,
    FAULT_TRUNCATE,
    FAULT_DUPLICATE,
    FAULT_ENTRY_ERROR,
    FAULT_GAP,
    FAULT_EXPIRED,
    FAULT_LATENCY, /* from here on: combine with everything */
    FAULT_STALE_COUNTS,
    FAULT_NOISY_COUNTS,
    FAULT_KIND_MAX,
};

struct fault_rule {
    enum fault_kind kind;
    int op;         /* see api.h; API_OP_MAX: any */
    char queue[81]; /* "": any */
    double probability;
    uint64_t seed;
    int64_t count; /* firings left; -1: no end */
    bool after;    /* happens after the operation took effect */
    int status;    /* 0: that of the code */
    char code[80]; /* "": that of the kind */
    char message[256];
    int64_t latency_ms; /* real */
    int64_t hold_ms;    /* product; how long counts stay stale or noisy */
    double noise;
    double entry_probability;

    uint64_t random; /* state of the dice */
    uint64_t fired[API_OP_MAX];
    uint64_t fired_total;
};

struct faults {
    struct fault_rule *rules; /* owned */
    size_t count;
};

/* What shall happen to one request. Rules are copies, so that they may be cleared meanwhile. */
struct fault_plan {
    bool is_needed; /* anything at all */
    int64_t latency_before_ms, latency_after_ms;
    bool has_main;
    struct fault_rule main; /* one of the kinds that exclude each other */
    bool has_stale, has_noisy;
    struct fault_rule stale, noisy;
};

void faults_clean_up(struct faults *faults);
/* Adds the rules of a JSON text: one object or an array of them. All or none; returns 0 or -1 with err naming
 * rule, key and what is allowed. */
int faults_add(struct faults *faults, const char *json, size_t len, struct err *err);
/* Throws the dice for a request on `queue` (absent: none). */
void faults_plan(struct faults *faults, int op, struct slice queue, struct fault_plan *plan);
/* One more throw of a rule's dice: true with the probability `p`. */
bool faults_throw(struct fault_rule *rule, double p);
/* The rules with their counts, as a JSON object. */
void faults_write(const struct faults *faults, struct jsonw *w);
const char *fault_kind_name(enum fault_kind kind);

#endif

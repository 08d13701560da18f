/*
 * The calls that "sluice doctor" makes, one for each permission that a configuration needs: chosen so that
 * nothing is changed, and how their answers are read. Pure.
 *
 * A call that only reads is made as it is. One that writes is made so that it is authorized like the real one
 * and then has nothing to do: an UpdateService that names no change, a DeleteMessage of a handle that was
 * never given, an UpdateItem whose condition cannot hold. AWS says who may not before it says what is wrong
 * with the request, so any answer but "denied" to such a call shows that it is allowed.
 */
#ifndef SLUICE_SUPERVISOR_DOCTOR_PROBES_H
#define SLUICE_SUPERVISOR_DOCTOR_PROBES_H

#include "aws/client.h"
#include "base/jsonw.h"
#include "supervisor/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a probe is about; fleet is NULL for probes of what the whole supervisor does. */
struct doctor_subject {
    const struct config *config;
    const struct config_fleet *fleet;
    const char *queue_url; /* of the fleet; NULL: not known */
    int64_t now_ms;        /* product time, epoch ms */
};

struct doctor_probe {
    const char *action;  /* as IAM calls it: "sqs:GetQueueAttributes" */
    const char *service; /* signing name */
    const char *target;
    const char *content_type;
    const char *purpose; /* why it is needed, in a few words */
    /* Error codes that come only to those who may, separated by spaces; NULL: only success shows it. */
    const char *proofs;
    bool optional;       /* denied is a warning: Sluice does without */
    bool on_queue;       /* the queue's URL decides the endpoint, and must be known */
    const char *untried; /* why it cannot be tried without doing something; NULL: it can */
    bool (*applies)(const struct doctor_subject *subject);
    void (*write_body)(const struct doctor_subject *subject, struct jsonw *w); /* members of the object */
};

extern const struct doctor_probe DOCTOR_PROBES[];
extern const size_t DOCTOR_PROBE_COUNT;

enum doctor_outcome { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_FAILED, DOCTOR_SKIPPED };

/* "ok", "warning", "failed", "skipped" */
const char *doctor_outcome_name(enum doctor_outcome outcome);

/* What an answer to a probe says; the text in words, without the action's name, goes to `text`. */
enum doctor_outcome doctor_judge(const struct doctor_probe *probe, const struct aws_result *result,
                                 char *text, size_t size);

/* What the difference of the clocks says (ours behind the server's is positive). */
enum doctor_outcome doctor_judge_skew(int64_t skew_ms, char *text, size_t size);

#endif

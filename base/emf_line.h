/*
 * The frame of a CloudWatch embedded metric line: one JSON object a line, whose "_aws" says which of its
 * members are metrics. Pure; used by worker and supervisor, each with its own table of metrics.
 *
 * Source: "Specification: Embedded metric format", Amazon CloudWatch User Guide: at most 100 metrics a
 * directive, 30 dimensions a set, 1 MB a line. Each combination of dimensions is a metric that is billed.
 */
#ifndef SLUICE_BASE_EMF_LINE_H
#define SLUICE_BASE_EMF_LINE_H

#include "base/err.h"
#include "base/jsonw.h"

#include <stdint.h>

enum { EMF_NAMESPACE_MAX = 255 };

/* Opens the line's object and its "_aws" up to the list of metrics, with one dimension, whose value the
 * caller writes as a member of that name later. at_ms: epoch ms. */
void emf_line_open(struct jsonw *w, const char *name_space, const char *dimension, int64_t at_ms);
/* One metric of the list; unit is CloudWatch's word: "Count", "Milliseconds", "Percent" ... */
void emf_line_metric(struct jsonw *w, const char *name, const char *unit);
/* Ends the list and "_aws". The caller writes the members, then ends the object and the line. */
void emf_line_values(struct jsonw *w);

/* Whether CloudWatch takes such a namespace for metrics that are not AWS's. Returns 0, or -1 with err
 * that begins with the label and the text: "--emf-namespace AWS/SQS: want ...". */
int emf_check_namespace(const char *label, const char *text, struct err *err);

#endif

/*
 * "sluice doctor": which credentials, region, endpoints and permissions this host has for a configuration.
 * Asks, one call after the other, and changes nothing (doctor_probes.h). Blocking, with the AWS client's own
 * timeouts and retries. No text has a secret in it.
 */
#ifndef SLUICE_SUPERVISOR_DOCTOR_H
#define SLUICE_SUPERVISOR_DOCTOR_H

#include "supervisor/config.h"
#include "supervisor/doctor_probes.h"

#include <stddef.h>

struct doctor_line {
    const char *area;  /* "credentials", "identity", "region", "endpoint", "clock", "permission" */
    const char *fleet; /* NULL: of the whole; not owned */
    char name[64];     /* of an endpoint its service, of a permission its action; else "" */
    enum doctor_outcome outcome;
    char *text; /* owned */
};

struct doctor_report {
    struct doctor_line *lines; /* owned */
    size_t count;
};

/* config: NULL: only what needs none, that is credentials, identity, region and clock. `only`: the one fleet
 * to look at; NULL: all of them. The lines come in the order in which they were found out. */
void doctor_run(const struct config *config, const struct config_fleet *only,
                struct doctor_report *ret_report);

/* How many lines have this outcome. */
size_t doctor_count(const struct doctor_report *report, enum doctor_outcome outcome);

void doctor_report_clean_up(struct doctor_report *report);

#endif

/*
 * What "sluice check" asks of an ECS service: is it there, can it be scaled, does anybody else scale it?
 * Blocking, with the AWS client's own timeouts and retries; nothing is changed.
 */
#ifndef SLUICE_SUPERVISOR_ECS_CHECK_H
#define SLUICE_SUPERVISOR_ECS_CHECK_H

#include "base/err.h"
#include "supervisor/config.h"
#include "supervisor/ecs_state.h"
#include "supervisor/preflight.h"

struct ecs_check {
    bool described; /* facts are filled in */
    struct ecs_facts facts;
    bool has_target; /* Application Auto Scaling scales the service, too */
};

/* Asks, and judges: warnings of what could not be asked or is odd, refusals of what "sluice run" would not
 * scale. */
void ecs_check_service(const struct config *config, const struct config_fleet *fleet,
                       struct ecs_check *ret_check, struct warnings *warnings, struct warnings *refusals);

#endif

/*
 * The part of the admin API that is about one fleet:
 *   POST /v1/fleets/NAME/scale   {"desired":12,"for":"2h","reason":"..."}
 *   POST /v1/fleets/NAME/pause   {"for":"1h","reason":"..."}
 *   POST /v1/fleets/NAME/resume  {"reason":"..."} or nothing
 *   GET  /v1/explain?fleet=NAME&last=N
 * Answers: 200; 400 for a body or a query that is wrong, 404 for a fleet or an action that does not exist,
 * 409 when the fleet refuses. Belongs to the loop's thread. docs/overrides.md tells of it.
 */
#ifndef SLUICE_SUPERVISOR_FLEET_API_H
#define SLUICE_SUPERVISOR_FLEET_API_H

#include "base/status_server.h"
#include "supervisor/config.h"
#include "supervisor/fleet_control.h"

enum { FLEET_API_BODY_MAX = 4096 };

/* For a POST route "/v1/fleets/" with that body_max. fleets: those of the configuration, in its order. */
void fleet_api_order(const struct config *config, struct fleet_control *const *fleets,
                     const struct status_request *request, struct status_reply *reply);
/* For the GET route "/v1/explain". */
void fleet_api_explain(const struct config *config, struct fleet_control *const *fleets,
                       const struct status_request *request, struct status_reply *reply);

#endif

/* The one rule that ties a configuration to the product clock: time may run faster on loopback only. */
#ifndef SLUICE_SUPERVISOR_ENDPOINT_RULE_H
#define SLUICE_SUPERVISOR_ENDPOINT_RULE_H

#include "base/err.h"
#include "supervisor/config.h"

struct aws_client;

/* Returns 0; or -1 with err when SLUICE_TIME_SCALE is in force and the fleet's calls would go anywhere else.
 */
int endpoint_rule_check(const struct aws_client *client, const struct config_fleet *fleet, struct err *err);

#endif

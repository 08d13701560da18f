/*
 * What one fleet knows of its queue beyond what SQS itself tells: CloudWatch's metrics, the workers' hint,
 * and which of them supplies the depth (sensor_ladder.h). Tells each change of the source in the log, and all
 * of it in status. Belongs to the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_FLEET_SENSORS_H
#define SLUICE_SUPERVISOR_FLEET_SENSORS_H

#include "base/jsonw.h"
#include "policies/observation.h"
#include "supervisor/config.h"

#include <stdint.h>

struct cw_pool;
struct fleet_sensors;

struct fleet_sensors_options {
    const char *fleet;                /* for the log */
    const struct config_queue *queue; /* outlives the sensors, as does fleet */
    struct cw_pool *pool;             /* NULL: CloudWatch is off */
};

struct fleet_sensors *fleet_sensors_new(const struct fleet_sensors_options *options);
void fleet_sensors_destroy(struct fleet_sensors *sensors); /* accepts NULL */

/* The queue's URL is known: CloudWatch can be asked. */
void fleet_sensors_set_url(struct fleet_sensors *sensors, const char *queue_url);

/* Takes an observation with what SQS and the workers told, and completes it: depth_source and, as that says,
 * visible and in_flight; oldest age and rates. sqs_error: why the queue cannot be read now, "" when it can;
 * sqs_max_age_ms: how old what it told may be and still count. */
void fleet_sensors_observe(struct fleet_sensors *sensors, const char *sqs_error, int64_t sqs_max_age_ms,
                           int64_t now_ms, struct observation *obs);

/* Writes the value of "sensors": the source, since when, why those above it do not serve, CloudWatch. */
void fleet_sensors_write_status(const struct fleet_sensors *sensors, int64_t now_ms, struct jsonw *w);

#endif

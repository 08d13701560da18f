/*
 * Reads a queue's counts with GetQueueAttributes, once an interval of product time, on time whatever the
 * replies do: at most one request is under way, and a tick that finds one still open (or waiting for a place
 * at the gate) counts as late and starts none. One that the budgets defer comes later. Belongs to the loop's
 * thread.
 */
#ifndef SLUICE_SUPERVISOR_SQS_SENSOR_H
#define SLUICE_SUPERVISOR_SQS_SENSOR_H

#include "base/jsonw.h"
#include "policies/observation.h"
#include "supervisor/call_gate.h"
#include "supervisor/config.h"
#include "supervisor/fleet_polls.h"

#include <stdint.h>

struct aws_client;
struct event_base;
struct sqs_sensor;

struct sqs_sensor_options {
    struct event_base *base;
    struct aws_client *client;        /* not owned, as is the next */
    struct call_gate *gate;           /* of that client */
    const struct config_queue *queue; /* outlives the sensor */
    const char *fleet;                /* for the log */
    struct fleet_polls *polls; /* says whether a poll may go, is told what it took; outlives the sensor */
    /* Product: how long after the first request the regular ones begin, 1 ms .. poll. Many fleets get
     * different ones, so that their requests do not come in bursts. */
    int64_t phase_ms;
    /* The queue's URL is known: at once for a configured one (from sqs_sensor_start()), else when GetQueueUrl
     * answered. */
    void (*on_url)(void *arg, const char *queue_url);
    /* There is something to decide on: a reading, a failure, or a tick without either. */
    void (*on_poll)(void *arg);
    void *arg;
};

struct sqs_sensor *sqs_sensor_new(const struct sqs_sensor_options *options);
void sqs_sensor_destroy(struct sqs_sensor *sensor); /* accepts NULL */

/* Starts polling: the first request goes out now. */
void sqs_sensor_start(struct sqs_sensor *sensor);
void sqs_sensor_stop(struct sqs_sensor *sensor);
/* From the last poll on; product ms, >= 1. At first it is the queue's poll. */
void sqs_sensor_set_interval(struct sqs_sensor *sensor, int64_t interval_ms);

/* Fills in visible, in_flight, delayed and api_errors. The counts are those of the last reply, as old as it
 * is; unknown while the last request failed, or before the first one was answered. */
void sqs_sensor_observe(const struct sqs_sensor *sensor, int64_t now_ms, struct observation *obs);

/* Why the queue cannot be read now; "" when it can, or nothing is known yet. */
const char *sqs_sensor_error(const struct sqs_sensor *sensor);

/* Writes the value of "queue": URL, last good counts with their ages, polls, errors. */
void sqs_sensor_write_status(const struct sqs_sensor *sensor, int64_t now_ms, struct jsonw *w);

#endif

/*
 * Distributions that the core records beside its counters (base/telemetry.h): how long handling takes, how
 * long messages waited for it, and how close to the end of their leases they were deleted. Product ms.
 */
#ifndef SLUICE_WORKER_CORE_SENSORS_H
#define SLUICE_WORKER_CORE_SENSORS_H

#include "base/histogram.h"

struct core_sensors {
    struct histogram handle_ms; /* in handle(), whatever its verdict */
    struct histogram wait_ms; /* SentTimestamp to the start of handle(); a message without one is left out */
    /* Lease left when SQS confirmed the delete, by when the delete was sent; 0: it was over. */
    struct histogram lease_margin_ms;
};

#endif

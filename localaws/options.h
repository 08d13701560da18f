/* The command-line options of sluice-localaws. */
#ifndef SLUICE_LOCALAWS_OPTIONS_H
#define SLUICE_LOCALAWS_OPTIONS_H

#include "base/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct localaws_options {
    char *listen;
    char *region;
    char *account;
    char *create_queue;
    bool verify_signatures;
    char *access_key;
    char *secret_key;
    int redelivery; /* index into REDELIVERY */
    bool allow_remote;
    int ecs_tasks;                /* index into ECS_TASKS: enum ecs_tasks */
    int64_t ecs_start_latency_ms; /* product */
    int64_t ecs_visible_after_ms; /* product */
    int ecs_scale_in;             /* index into ECS_SCALE_IN: enum ecs_victims */
    char *ecs_task_logs;
    int64_t cloudwatch_delay_ms;  /* product */
    int64_t cloudwatch_active_ms; /* product */
    double cloudwatch_gaps;
    char *container_credentials;
    char *container_token_file;
    char *imds;
    int64_t credentials_life_ms; /* real, like the next one */
    int64_t sts_life_max_ms;
    bool version;
};

/* Rows over struct localaws_options. */
extern const struct option_row LOCALAWS_OPTIONS[];

#endif

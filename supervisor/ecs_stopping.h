/*
 * How many tasks of a service were told to stop and have not stopped yet: DescribeServices does not count
 * them (runningCount leaves them out). ListTasks with desiredStatus STOPPED, then DescribeTasks, a page at a
 * time. On the way it notes why the last failed task stopped. Belongs to the loop's thread.
 */
#ifndef SLUICE_SUPERVISOR_ECS_STOPPING_H
#define SLUICE_SUPERVISOR_ECS_STOPPING_H

#include "supervisor/ecs_pool.h"

#include <stdbool.h>
#include <stdint.h>

struct ecs_stopping {
    struct ecs_pool *pool;
    const char *cluster, *service;

    struct aws_call *call; /* under way */
    struct ecs_turn turn;  /* waits for the limiter */
    bool running;
    int pages;
    int64_t begun_ms;
    int64_t counted; /* so far */
    char token[1024];

    bool known;
    int64_t count;      /* of the last complete one */
    int64_t at_ms;      /* product: when it began */
    char failure[256];  /* why the last task that failed did, "" none */
    int64_t failure_ms; /* epoch ms */
    char error[256];    /* of the last call that failed, "" after success */
};

void ecs_stopping_init(struct ecs_stopping *stopping, struct ecs_pool *pool, const char *cluster,
                       const char *service);
void ecs_stopping_clean_up(struct ecs_stopping *stopping);

/* Begins a count unless one is under way; what it brings stands in the struct. */
void ecs_stopping_count(struct ecs_stopping *stopping);

#endif

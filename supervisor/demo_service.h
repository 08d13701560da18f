/*
 * The ECS service of `sluice demo --ecs`: set up through the API as an operator would (cluster, task
 * definition, service), looked at once a sample, brought to 0 and deleted at the end. What the supervisor
 * says of the service is never asked here. Runs in the demo's loop, one job at a time.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_SERVICE_H
#define SLUICE_SUPERVISOR_DEMO_SERVICE_H

#include "aws/client.h"
#include "aws/ecs.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEMO_SERVICE_CLUSTER "flash-sale"
#define DEMO_SERVICE_NAME "order-processor-workers"

/* stopTimeout of the tasks: the most that Fargate allows, and what docs/worker.md recommends. */
enum { DEMO_SERVICE_STOP_TIMEOUT_S = 120 };

struct demo_variable {
    const char *name, *value;
};

/* What a task is; copied by the call that takes it. */
struct demo_task_plan {
    const char *const *command; /* NULL-terminated */
    const struct demo_variable *variables;
    size_t variable_count;
};

/* As DescribeServices said last. */
struct demo_service_facts {
    int64_t desired, running, pending;
    int64_t failed_tasks; /* starts in a row that failed; -1 not told */
    char event[256];      /* the newest, "" none */
};

struct demo_service {
    struct aws_client *client; /* borrowed */
    bool exists;               /* CreateService was sent: there is something to remove */
    bool removed;
    int64_t tasks; /* that it is created with */
    struct demo_service_facts facts;
    int64_t exited;        /* tasks that ended without having been told to, counted when it is removed */
    int pages;             /* of that count */
    char token[1024];      /* of its next page */
    struct aws_call *call; /* NULL: idle */
    char *definition;      /* owned: body of RegisterTaskDefinition; NULL: none */
    /* err is NULL when the job was done. */
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

void demo_service_init(struct demo_service *service, struct aws_client *client);
void demo_service_clean_up(struct demo_service *service); /* safe on a zeroed struct */

/* CreateCluster, RegisterTaskDefinition, CreateService with so many tasks. */
void demo_service_create(struct demo_service *service, const struct demo_task_plan *plan, int64_t tasks,
                         void (*done)(void *arg, const struct err *err), void *arg);

/* DescribeServices; then service->facts are of now. */
void demo_service_look(struct demo_service *service, void (*done)(void *arg, const struct err *err),
                       void *arg);

/* Counts what has exited, sets the desired count to 0 and deletes the service, which stops protected tasks,
 * too. The tasks' processes end after that, each in its own time. A job under way is dropped. */
void demo_service_remove(struct demo_service *service, void (*done)(void *arg, const struct err *err),
                         void *arg);

/* Drops the job under way, if any; done is not called. */
void demo_service_cancel(struct demo_service *service);

#endif

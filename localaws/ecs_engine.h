/*
 * ECS in memory: clusters, task definitions, services with their deployments, tasks, and the service
 * scheduler. Pure of I/O and of clocks: time (product, epoch ms) is an argument, processes are started and
 * signalled through a table of functions, so that tests run it with invented time and invented processes. One
 * thread.
 *
 * Changes only note what is to be done; ecs_engine_settle() then does what is due: call it before and after
 * every operation, and when the time ecs_engine_next_ms() has come.
 */
#ifndef SLUICE_LOCALAWS_ECS_ENGINE_H
#define SLUICE_LOCALAWS_ECS_ENGINE_H

#include "base/list.h"
#include "localaws/ecs_error.h"
#include "localaws/heap.h"
#include "localaws/strmap.h"

#include <jansson.h>
#include <stdint.h>

enum {
    ECS_ID_BYTES = 33,   /* 32 hex digits and NUL: task ids */
    ECS_UUID_BYTES = 37, /* event ids */
    ECS_EVENTS_MAX = 100,
    ECS_TASKS_MAX = 5000,            /* of a service: the default quota of ECS */
    ECS_STOP_TIMEOUT_MS = 30 * 1000, /* default of ECS */
    ECS_STOPPED_SHOWN_MS = 3600 * 1000,
    ECS_PROTECTION_DEFAULT_MIN = 120, /* minutes */
    ECS_PROTECTION_MAX_MIN = 2880,
    /* Waits between starts that fail. ECS documents the longest one only; the first and the doubling are
     * ours. */
    ECS_THROTTLE_FROM = 3, /* so many failures in a row: waits begin */
    ECS_THROTTLE_FIRST_MS = 10 * 1000,
    ECS_THROTTLE_MAX_MS = 27 * 60 * 1000,
    /* Circuit breaker: half of desiredCount, within these (ECS developer guide). */
    ECS_BREAKER_MIN = 3,
    ECS_BREAKER_MAX = 200,
};

struct ecs_engine;
struct ecs_service;

struct ecs_cluster {
    char *name, *arn; /* owned */
    json_t *extras;   /* owned: tags, settings and such, as they were given */
    struct strmap services;
    TAILQ_HEAD(ecs_service_order, ecs_service) service_order;
    TAILQ_HEAD(ecs_cluster_tasks, ecs_task) tasks; /* all, stopped ones too, in the order of their start */
    TAILQ_ENTRY(ecs_cluster) entry;
};

struct ecs_task_definition {
    char *family, *arn; /* owned */
    int revision;
    json_t *document; /* owned: taskDefinition as DescribeTaskDefinition shows it */
    bool is_active;
    int64_t stop_timeout_ms;
    TAILQ_ENTRY(ecs_task_definition) entry;
};

enum ecs_rollout { ECS_IN_PROGRESS, ECS_COMPLETED, ECS_FAILED };

struct ecs_deployment {
    char id[32]; /* "ecs-svc/<19 digits>" */
    struct ecs_task_definition *definition;
    int64_t created_ms, updated_ms;
    enum ecs_rollout rollout;
    int failed_tasks; /* in a row, until one has run */
    bool has_run;     /* a task of it has reached RUNNING */
    TAILQ_ENTRY(ecs_deployment) entry;

    /* counted anew at each step of the scheduler */
    int live, running;
};

struct ecs_event {
    char id[ECS_UUID_BYTES];
    int64_t created_ms;
    char *message; /* owned */
};

enum ecs_service_status { ECS_SERVICE_ACTIVE, ECS_SERVICE_DRAINING, ECS_SERVICE_INACTIVE };

struct ecs_service {
    char *name, *arn; /* owned */
    struct ecs_engine *engine;
    struct ecs_cluster *cluster;
    enum ecs_service_status status;
    uint64_t number; /* of creation, for lists in pages */
    int64_t created_ms;
    int desired;
    int minimum_percent, maximum_percent;
    bool breaker, rollback;
    json_t *extras; /* owned: what was given and has no effect here */
    /* The first is PRIMARY, older ones follow, the latest of them first. */
    TAILQ_HEAD(ecs_deployments, ecs_deployment) deployments;
    struct ecs_task_definition *last_completed;    /* for rollbacks; NULL: none yet */
    TAILQ_HEAD(ecs_service_tasks, ecs_task) tasks; /* those not STOPPED */
    struct ecs_event events[ECS_EVENTS_MAX];       /* a ring */
    size_t event_count, event_next;
    bool is_steady;
    bool is_stuck; /* a rollout that its percents leave no room for */
    int blocked;   /* tasks that would have been stopped, were they not protected */
    int failures;  /* starts that failed in a row */
    int64_t next_start_ms;
    struct heap_node due; /* when next_start_ms has come and something is to be started */
    bool is_dirty;
    TAILQ_ENTRY(ecs_service) entry;       /* in its cluster */
    TAILQ_ENTRY(ecs_service) dirty_entry; /* the scheduler is to look at it */
};

enum ecs_status { ECS_PROVISIONING, ECS_PENDING, ECS_ACTIVATING, ECS_RUNNING, ECS_STOPPING, ECS_STOPPED };

struct ecs_task {
    char id[ECS_ID_BYTES];
    char *arn; /* owned */
    uint64_t number;
    struct ecs_engine *engine;
    struct ecs_cluster *cluster;
    struct ecs_service *service;       /* NULL: of RunTask */
    struct ecs_deployment *deployment; /* NULL also when it was told to stop */
    struct ecs_task_definition *definition;
    char *started_by, *group; /* owned; may be NULL */
    json_t *overrides;        /* owned; may be NULL */
    enum ecs_status status;
    bool wants_stop; /* desiredStatus STOPPED */
    bool has_process;
    bool has_run;
    void *process;                                           /* the runner's; valid while has_process */
    int exit_code;                                           /* -1: none */
    int64_t created_ms, started_ms, stopping_ms, stopped_ms; /* 0: not yet */
    int64_t protected_until_ms;                              /* 0: not protected */
    const char *stop_code;                                   /* NULL: none */
    char stop_reason[256];
    char container_reason[256];
    int version;
    struct heap_node due;
    TAILQ_ENTRY(ecs_task) entry;         /* in its cluster */
    TAILQ_ENTRY(ecs_task) service_entry; /* in its service, until STOPPED */
};

/* How tasks are run. */
struct ecs_processes {
    /* Starts the task's process and sets task->process. Returns 0, or -1 with a text. The end of the process
     * is told with ecs_engine_exited(), never from within these functions. */
    int (*start)(void *arg, struct ecs_task *task, char *reason, size_t reason_size);
    /* To the whole group. */
    void (*signal)(void *arg, struct ecs_task *task, int number);
    void *arg;
};

enum ecs_victims { ECS_VICTIMS_NEWEST, ECS_VICTIMS_OLDEST };

struct ecs_settings {
    const char *region, *account; /* not owned */
    bool has_tasks;               /* else whatever needs a task is refused */
    struct ecs_processes processes;
    int64_t start_latency_ms; /* from PROVISIONING to RUNNING */
    int64_t stop_floor_ms;    /* least product time between TERM and KILL */
    int64_t visible_after_ms; /* DescribeServices answers MISSING so long after CreateService */
    enum ecs_victims victims;
    uint64_t seed;
};

struct ecs_stats {
    uint64_t started, ran, exited, killed, failed_to_start;
};

struct ecs_engine {
    struct ecs_settings settings;
    struct strmap clusters;    /* by name */
    struct strmap definitions; /* by "family:revision" */
    struct strmap tasks;       /* by id */
    TAILQ_HEAD(ecs_clusters, ecs_cluster) cluster_order;
    TAILQ_HEAD(ecs_task_definitions, ecs_task_definition) definition_order;
    TAILQ_HEAD(ecs_dirty_services, ecs_service) dirty;
    struct heap tasks_due, services_due;
    json_t *scaling; /* owned: targets of Application Auto Scaling, by their ResourceId */
    struct ecs_stats stats;
    uint64_t random, numbers;
    size_t processes; /* that have been started and have not ended */
    bool is_closing;  /* nothing is started any more */
};

/* With one cluster, "default". */
struct ecs_engine *ecs_engine_new(const struct ecs_settings *settings);
/* Processes are left as they are: stop them before. */
void ecs_engine_free(struct ecs_engine *engine);

/* Does all that is due at now_ms. */
void ecs_engine_settle(struct ecs_engine *engine, int64_t now_ms);
/* When it is to be called next; INT64_MAX: when something happens. */
int64_t ecs_engine_next_ms(const struct ecs_engine *engine);
/* The task's process, and its whole group, has ended: with an exit code, or by a signal (then code is 128 +
 * number, as containers report it). Settle afterwards. */
void ecs_engine_exited(struct ecs_task *task, int exit_code, int64_t now_ms);

/* Stops all tasks, as ecs_task_stop() does, and starts none from now on. engine->processes tells how many are
 * left. */
void ecs_engine_close(struct ecs_engine *engine, int64_t now_ms);

/* ---- clusters and task definitions ---- */

/* An existing one, or a new one. extras: a new reference is taken. */
struct ecs_cluster *ecs_engine_create_cluster(struct ecs_engine *engine, struct slice name, json_t *extras);
/* By name or ARN (absent: "default"); NULL when there is none. */
struct ecs_cluster *ecs_engine_cluster(const struct ecs_engine *engine, struct slice name);
/* A new revision of the family; document (a new reference is taken) gets ARN, revision and status. */
struct ecs_task_definition *ecs_engine_register(struct ecs_engine *engine, const char *family,
                                                json_t *document, int64_t stop_timeout_ms, int64_t now_ms);
/* By "family", "family:revision" or ARN; a family alone gives its latest active revision. */
struct ecs_task_definition *ecs_engine_definition(const struct ecs_engine *engine, struct slice name);

/* ---- services ---- */

struct ecs_service *ecs_cluster_service(const struct ecs_cluster *cluster, struct slice name_or_arn);
/* A new service of this name, which no ACTIVE or DRAINING one may have; settings are defaults. */
struct ecs_service *ecs_service_create(struct ecs_engine *engine, struct ecs_cluster *cluster,
                                       struct slice name, struct ecs_task_definition *definition, int desired,
                                       int64_t now_ms);
void ecs_service_set_desired(struct ecs_service *service, int desired, int64_t now_ms);
/* Starts a new PRIMARY deployment. */
void ecs_service_deploy(struct ecs_service *service, struct ecs_task_definition *definition, int64_t now_ms);
/* An update by the user: starts that failed are forgotten. */
void ecs_service_forget_failures(struct ecs_service *service);
/* DRAINING, then INACTIVE. */
void ecs_service_delete(struct ecs_service *service);
void ecs_service_say(struct ecs_service *service, int64_t now_ms, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The scheduler shall look at it at the next settle. */
void ecs_service_touch(struct ecs_service *service);
/* Counts live and running tasks of all deployments. */
void ecs_service_count(struct ecs_service *service);
/* One step of the scheduler (ecs_scheduler.c). */
void ecs_scheduler_step(struct ecs_service *service, int64_t now_ms);
/* A task of the service ended without having reached RUNNING; a task has reached it. */
void ecs_scheduler_on_failure(struct ecs_service *service, struct ecs_deployment *deployment, int64_t now_ms);
void ecs_scheduler_on_running(struct ecs_service *service, struct ecs_deployment *deployment);

/* ---- tasks ---- */

/* service and deployment NULL: of RunTask. Settle afterwards. */
struct ecs_task *ecs_task_new(struct ecs_engine *engine, struct ecs_cluster *cluster,
                              struct ecs_service *service, struct ecs_deployment *deployment,
                              struct ecs_task_definition *definition, int64_t now_ms);
/* Tells a task to stop: TERM, and KILL after stopTimeout. `code` is a literal. */
void ecs_task_stop(struct ecs_task *task, const char *code, const char *reason, int64_t now_ms);
/* until_ms 0: gives the protection back. */
void ecs_task_protect(struct ecs_task *task, int64_t until_ms);
bool ecs_task_is_protected(const struct ecs_task *task, int64_t now_ms);
/* What is due for it (ecs_task.c). */
void ecs_task_step(struct ecs_task *task, int64_t now_ms);
void ecs_task_free(struct ecs_task *task);
/* By id or ARN, in this cluster. */
struct ecs_task *ecs_cluster_task(const struct ecs_cluster *cluster, const struct ecs_engine *engine,
                                  struct slice id_or_arn);

/* ---- ids ---- */

void ecs_engine_hex(struct ecs_engine *engine, char out[static ECS_ID_BYTES]);
void ecs_engine_uuid(struct ecs_engine *engine, char out[static ECS_UUID_BYTES]);

#endif

/* Counting the tasks that stop; see ecs_stopping.h. */
#include "supervisor/ecs_stopping.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* Stopped tasks stay listed for an hour or more: what is stopping now is among 1,000 of them, or is too much
 * to count. */
enum { PAGES_MAX = 10 };

static void go_on(void *arg);

void ecs_stopping_init(struct ecs_stopping *stopping, struct ecs_pool *pool, const char *cluster,
                       const char *service)
{
    *stopping = (struct ecs_stopping){
        .pool = pool, .cluster = cluster, .service = service, .turn = {.fn = go_on, .arg = stopping}};
}

void ecs_stopping_clean_up(struct ecs_stopping *stopping)
{
    aws_call_cancel(stopping->call);
    stopping->call = NULL;
    ecs_pool_leave_turn(stopping->pool, &stopping->turn);
}

static void end(struct ecs_stopping *stopping, bool good)
{
    stopping->running = false;
    if (good) {
        stopping->known = true;
        stopping->count = stopping->counted;
        stopping->at_ms = stopping->begun_ms;
        stopping->error[0] = '\0';
    }
}

/* Whether the call went well; otherwise the count is over. */
static bool check(struct ecs_stopping *stopping, const struct aws_result *result, const char *operation)
{
    stopping->call = NULL;
    ecs_pool_tell(stopping->pool, ECS_API_CLUSTER_READ, result);
    if (result->kind == AWS_KIND_OK)
        return true;
    (void)aws_result_text(result, operation, stopping->error, sizeof stopping->error);
    end(stopping, false);
    return false;
}

static void note_failure(struct ecs_stopping *stopping, const struct ecs_task *task)
{
    bool failed = strcmp(task->stop_code, "TaskFailedToStart") == 0 ||
                  strcmp(task->stop_code, "EssentialContainerExited") == 0;
    if (!failed || task->stopped_ms < stopping->failure_ms)
        return;
    stopping->failure_ms = task->stopped_ms;
    (void)snprintf(stopping->failure, sizeof stopping->failure, "%s: %s", task->stop_code,
                   task->stopped_reason);
}

/* A page may be empty though it is not the last. */
static void end_page(struct ecs_stopping *stopping)
{
    if (stopping->token[0] == '\0' || ++stopping->pages == PAGES_MAX)
        end(stopping, true);
    else
        go_on(stopping);
}

static void on_tasks(void *arg, const struct aws_result *result, const struct ecs_task *tasks, size_t count,
                     const struct ecs_failure *failures, size_t failure_count)
{
    struct ecs_stopping *stopping = arg;
    (void)failures; /* gone since they were listed */
    (void)failure_count;
    if (!check(stopping, result, "DescribeTasks"))
        return;
    for (size_t i = 0; i < count; i++) {
        stopping->counted += strcmp(tasks[i].last_status, "STOPPED") != 0;
        note_failure(stopping, &tasks[i]);
    }
    end_page(stopping);
}

static void on_list(void *arg, const struct aws_result *result, const char *const *arns, size_t count,
                    const char *next_token)
{
    struct ecs_stopping *stopping = arg;
    if (!check(stopping, result, "ListTasks"))
        return;
    /* A token that does not fit ends the list: better too few than a wrong one. */
    (void)snprintf(stopping->token, sizeof stopping->token, "%s",
                   strlen(next_token) < sizeof stopping->token ? next_token : "");
    if (count == 0) {
        end_page(stopping);
        return;
    }
    ecs_pool_owe(stopping->pool, ECS_API_CLUSTER_READ); /* these tasks are soon others */
    stopping->call = ecs_describe_tasks(ecs_pool_client(stopping->pool), stopping->cluster, arns, count,
                                        on_tasks, stopping);
}

/* The next page, as soon as the limiter lets it. */
static void go_on(void *arg)
{
    struct ecs_stopping *stopping = arg;
    if (!ecs_pool_take_in_turn(stopping->pool, ECS_API_CLUSTER_READ, &stopping->turn))
        return;
    stopping->call = ecs_list_tasks(ecs_pool_client(stopping->pool), stopping->cluster, stopping->service,
                                    ECS_TASKS_STOPPED, stopping->token[0] != '\0' ? stopping->token : NULL,
                                    on_list, stopping);
}

void ecs_stopping_count(struct ecs_stopping *stopping)
{
    if (stopping->running)
        return;
    stopping->running = true;
    stopping->pages = 0;
    stopping->counted = 0;
    stopping->begun_ms = clock_product_ms();
    stopping->token[0] = '\0';
    go_on(stopping);
}

/* Requests by operation and outcome; see operation_stats.h. */
#include "aws/operation_stats.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const AWS_OUTCOME_NAMES[AWS_OUTCOME_MAX] = {
#define X(name) #name,
    AWS_OUTCOMES(X)
#undef X
};

static struct aws_operation_stats *get(struct aws_operation_stats **list, const char *service,
                                       const char *name, size_t len)
{
    struct aws_operation_stats **at = list;
    for (; *at != NULL; at = &(*at)->next)
        if (strcmp((*at)->service, service) == 0 && strlen((*at)->operation) == len &&
            memcmp((*at)->operation, name, len) == 0)
            return *at;
    *at = xcalloc(1, sizeof **at);
    (*at)->service = service;
    memcpy((*at)->operation, name, len);
    return *at;
}

struct aws_operation_stats *aws_operation_stats_get(struct aws_operation_stats **list, const char *service,
                                                    const char *target, const char *form)
{
    static const char ACTION[] = "Action=";
    const char *name = "unknown";
    size_t len = strlen(name);
    if (target != NULL) {
        const char *dot = strrchr(target, '.');
        name = dot != NULL ? dot + 1 : target;
        len = strlen(name);
    } else if (form != NULL && strncmp(form, ACTION, sizeof ACTION - 1) == 0) {
        name = form + sizeof ACTION - 1;
        len = strcspn(name, "&");
    }
    size_t room = sizeof((struct aws_operation_stats *)0)->operation - 1;
    return get(list, service, name, len < room ? len : room);
}

void aws_operation_stats_record(struct aws_operation_stats *stats, enum aws_outcome outcome,
                                int64_t latency_ms)
{
    stats->outcomes[outcome]++;
    if (latency_ms >= 0)
        histogram_record(&stats->latency_ms, latency_ms);
}

void aws_operation_stats_merge(struct aws_operation_stats **sums, const struct aws_operation_stats *more)
{
    for (; more != NULL; more = more->next) {
        struct aws_operation_stats *sum = get(sums, more->service, more->operation, strlen(more->operation));
        for (int i = 0; i < AWS_OUTCOME_MAX; i++)
            sum->outcomes[i] += more->outcomes[i];
        histogram_merge(&sum->latency_ms, &more->latency_ms);
    }
}

void aws_operation_stats_free(struct aws_operation_stats *list)
{
    while (list != NULL) {
        struct aws_operation_stats *next = list->next;
        free(list);
        list = next;
    }
}

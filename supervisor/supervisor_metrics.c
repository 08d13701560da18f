/* The supervisor's Prometheus text; see supervisor_metrics.h. */
#include "supervisor/supervisor_metrics.h"

#include "aws/operation_stats.h"
#include "base/clock.h"
#include "base/version.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define AT(field) offsetof(struct fleet_facts, field)

/* clang-format off */
const struct fleet_metric FLEET_METRICS[] = {
    {"sluice_fleet_visible", "Messages that wait in the queue (ApproximateNumberOfMessages)", PROM_GAUGE, PROM_COUNT, AT(visible), "Visible"},
    {"sluice_fleet_in_flight", "Messages received and not yet deleted (ApproximateNumberOfMessagesNotVisible)", PROM_GAUGE, PROM_COUNT, AT(in_flight), "InFlight"},
    {"sluice_fleet_delayed", "Messages that are not visible yet (ApproximateNumberOfMessagesDelayed)", PROM_GAUGE, PROM_COUNT, AT(delayed), NULL},
    {"sluice_fleet_oldest_age_seconds", "Age of the oldest message", PROM_GAUGE, PROM_MS, AT(oldest_age_ms), "OldestMessageAge"},
    {"sluice_fleet_sensor_age_seconds", "Age of the newest reading of the queue", PROM_GAUGE, PROM_MS, AT(data_age_ms), NULL},
    {"sluice_fleet_sensor_errors_total", "Readings of the queue that failed", PROM_COUNTER, PROM_COUNT, AT(sensor_errors), NULL},
    {"sluice_fleet_desired", "Workers that shall run", PROM_GAUGE, PROM_COUNT, AT(desired), "Desired"},
    {"sluice_fleet_ready", "Workers that said ready and are not stopping", PROM_GAUGE, PROM_COUNT, AT(ready), "Ready"},
    {"sluice_fleet_starting", "Workers ordered and not yet ready", PROM_GAUGE, PROM_COUNT, AT(starting), "Starting"},
    {"sluice_fleet_stopping", "Workers that drain, on top of the limits", PROM_GAUGE, PROM_COUNT, AT(stopping), "Stopping"},
    {"sluice_fleet_orphans", "Workers of an earlier supervisor that still drain", PROM_GAUGE, PROM_COUNT, AT(orphans), NULL},
    {"sluice_fleet_busy", "Messages being handled by workers that are not stopping", PROM_GAUGE, PROM_COUNT, AT(busy), "Busy"},
    {"sluice_fleet_waiting", "Messages held by those workers that wait for a slot", PROM_GAUGE, PROM_COUNT, AT(waiting), NULL},
    {"sluice_fleet_min", "Least workers allowed", PROM_GAUGE, PROM_COUNT, AT(min), NULL},
    {"sluice_fleet_target", "Workers that the policy goes to under load", PROM_GAUGE, PROM_COUNT, AT(target), NULL},
    {"sluice_fleet_max", "Most workers allowed", PROM_GAUGE, PROM_COUNT, AT(max), NULL},
    {"sluice_fleet_completed_total", "Messages handled with success by all workers that ever ran", PROM_COUNTER, PROM_COUNT, AT(completed), NULL},
    {"sluice_fleet_failed_total", "Messages whose handling failed in any worker that ever ran", PROM_COUNTER, PROM_COUNT, AT(failed), NULL},
    {"sluice_fleet_grown_total", "Decisions that raised the desired workers", PROM_COUNTER, PROM_COUNT, AT(grown), NULL},
    {"sluice_fleet_shrunk_total", "Decisions that lowered the desired workers", PROM_COUNTER, PROM_COUNT, AT(shrunk), NULL},
    {"sluice_fleet_scale_out_held", "1 while the fleet itself is against growing, such as when its tasks do not start", PROM_GAUGE, PROM_COUNT, AT(out_held), NULL},
    {"sluice_fleet_scale_in_held", "1 while the fleet itself is against shrinking, such as in a rollout", PROM_GAUGE, PROM_COUNT, AT(in_held), NULL},
    {"sluice_fleet_overridden", "1 while an operator's order stands above the policy", PROM_GAUGE, PROM_COUNT, AT(overridden), NULL},
    {"sluice_fleet_journal_failures_total", "Records of the journal that could not be written", PROM_COUNTER, PROM_COUNT, AT(journal_failures), NULL},
    {"sluice_fleet_state_failures_total", "Saves of the state file that failed", PROM_COUNTER, PROM_COUNT, AT(state_failures), NULL},
    {NULL, NULL, PROM_GAUGE, PROM_COUNT, 0, NULL},
};
/* clang-format on */

static void put(struct prom *p, const char *name, enum prom_type type, enum prom_unit unit, int64_t value,
                const char *help)
{
    prom_family(p, name, type, help);
    prom_open(p, "");
    prom_close(p, unit, value);
}

/* ---- fleets ---- */

static void put_fleets(struct prom *p, const struct supervisor_facts *facts)
{
    for (const struct fleet_metric *metric = FLEET_METRICS; metric->name != NULL; metric++) {
        prom_family(p, metric->name, metric->type, metric->help);
        for (size_t i = 0; i < facts->fleet_count; i++) {
            const void *at = (const char *)&facts->fleets[i] + metric->offset;
            int64_t value = *(const int64_t *)at;
            if (value == FACT_UNKNOWN)
                continue;
            prom_open(p, "");
            prom_label(p, "fleet", facts->fleets[i].name);
            prom_close(p, metric->unit, value);
        }
    }
}

/* Reasons that never were are left out, but for one: a fleet that never changed shall have a zero. */
static void put_decisions(struct prom *p, const struct supervisor_facts *facts)
{
    prom_family(p, "sluice_fleet_decisions_total", PROM_COUNTER,
                "Decisions by reason: policy and fallback change the fleet, all others say why not");
    for (size_t i = 0; i < facts->fleet_count; i++)
        for (int why = 0; why < DECISION_WHY_COUNT; why++) {
            uint64_t count = facts->fleets[i].whys[why];
            if (count == 0 && why != DECISION_WHY_POLICY)
                continue;
            prom_open(p, "");
            prom_label(p, "fleet", facts->fleets[i].name);
            prom_label(p, "reason", decision_why_name((enum decision_why)why));
            prom_close(p, PROM_COUNT, (int64_t)count);
        }
}

/* ---- AWS ---- */

static void put_operation(struct prom *p, void *arg)
{
    const struct aws_operation_stats *stats = arg;
    prom_label(p, "service", stats->service);
    prom_label(p, "operation", stats->operation);
}

static void put_requests(struct prom *p, struct aws_operation_stats *all)
{
    prom_family(p, "sluice_aws_requests_total", PROM_COUNTER,
                "Requests to AWS by operation and outcome, every attempt counted");
    for (struct aws_operation_stats *stats = all; stats != NULL; stats = stats->next)
        for (int outcome = 0; outcome < AWS_OUTCOME_MAX; outcome++) {
            prom_open(p, "");
            put_operation(p, stats);
            prom_label(p, "outcome", AWS_OUTCOME_NAMES[outcome]);
            prom_close(p, PROM_COUNT, (int64_t)stats->outcomes[outcome]);
        }
    prom_family(p, "sluice_aws_request_seconds", PROM_HISTOGRAM,
                "Real time of requests to AWS that were answered");
    for (struct aws_operation_stats *stats = all; stats != NULL; stats = stats->next)
        prom_histogram_ms(p, &stats->latency_ms, put_operation, stats);
}

/* ---- the process ---- */

static int64_t resident_bytes(void)
{
    long long size = 0;
    long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return FACT_UNKNOWN;
    int got = fscanf(file, "%lld %lld", &size, &resident);
    (void)fclose(file);
    return got == 2 ? (int64_t)resident * sysconf(_SC_PAGESIZE) : FACT_UNKNOWN;
}

static int64_t open_files(void)
{
    int64_t count = -3; /* ".", ".." and the folder itself */
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return FACT_UNKNOWN;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

static int64_t ms_of(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000 + time->tv_usec / 1000;
}

static void put_process(struct prom *p, const struct supervisor_facts *facts)
{
    struct rusage usage;
    int64_t resident = resident_bytes();
    int64_t files = open_files();
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        put(p, "process_cpu_seconds_total", PROM_COUNTER, PROM_MS,
            ms_of(&usage.ru_utime) + ms_of(&usage.ru_stime), "Processor time of the supervisor");
    if (resident != FACT_UNKNOWN)
        put(p, "process_resident_memory_bytes", PROM_GAUGE, PROM_COUNT, resident,
            "Resident memory of the supervisor");
    if (files != FACT_UNKNOWN)
        put(p, "process_open_fds", PROM_GAUGE, PROM_COUNT, files, "Open files of the supervisor");
    put(p, "process_start_time_seconds", PROM_GAUGE, PROM_MS, facts->started_wall_ms,
        "When the supervisor started, since the epoch");
}

static void put_supervisor(struct prom *p, const struct supervisor_facts *facts)
{
    prom_family(p, "sluice_build_info", PROM_GAUGE, "Version of the supervisor");
    prom_open(p, "");
    prom_label(p, "version", SLUICE_VERSION);
    prom_close(p, PROM_COUNT, 1);
    put(p, "sluice_leader", PROM_GAUGE, PROM_COUNT, facts->role == SUPERVISOR_LEADER,
        "1 while this supervisor leads");
    put(p, "sluice_draining", PROM_GAUGE, PROM_COUNT, facts->draining, "1 once the supervisor drains");
    put(p, "sluice_fleets", PROM_GAUGE, PROM_COUNT, (int64_t)facts->fleet_count,
        "Fleets that are supervised");
    put(p, "sluice_heartbeat_age_seconds", PROM_GAUGE, PROM_MS, facts->heartbeat_age_ms,
        "Since the event loop last ran its timers");
    put(p, "sluice_strangers_reaped_total", PROM_COUNTER, PROM_COUNT, facts->strangers_reaped,
        "Processes reaped that the supervisor did not start");
    put(p, "sluice_state_dir_losses_total", PROM_COUNTER, PROM_COUNT, facts->state_dir_losses,
        "Times the state folder was deleted or replaced");
    put(p, "sluice_log_lines_dropped_total", PROM_COUNTER, PROM_COUNT, facts->log_dropped,
        "Log lines that standard error did not take");
}

void supervisor_metrics_render(const struct supervisor_facts *facts, struct strbuf *out)
{
    struct prom p = PROM_INIT(out);
    put_supervisor(&p, facts);
    put_fleets(&p, facts);
    put_decisions(&p, facts);
    put_requests(&p, facts->operations);
    put_process(&p, facts);
}

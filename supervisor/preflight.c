/* Judging whether host and queue fit the configuration; see preflight.h. */
#include "supervisor/preflight.h"

#include "base/alloc.h"
#include "supervisor/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NUM_WORKERS_DEFAULT = 100,
    THREADS_BESIDE_HANDLERS = 8, /* event loop, resolver and the like, generously */
    STACK_KIB = 256,             /* of a worker's thread, unless it is set otherwise */
    FDS_A_WORKER = 3,            /* telemetry, stdout, stderr */
    FDS_OF_OUR_OWN = 64,         /* log, lock, journals, sockets, connections */
    RECEIVES_WANTED = 5,
};

void warnings_add(struct warnings *warnings, const char *code, const char *fleet, const char *fmt, ...)
{
    struct strbuf text = STRBUF_INIT;
    struct warning warning = {.fleet = fleet};
    va_list args;
    va_start(args, fmt);
    strbuf_vappendf(&text, fmt, args);
    va_end(args);
    (void)snprintf(warning.code, sizeof warning.code, "%s", code);
    warning.text = strbuf_take(&text);
    warnings->list = xrealloc(warnings->list, (warnings->count + 1) * sizeof *warnings->list);
    warnings->list[warnings->count++] = warning;
}

void warnings_clean_up(struct warnings *warnings)
{
    for (size_t i = 0; i < warnings->count; i++)
        free(warnings->list[i].text);
    free(warnings->list);
    *warnings = (struct warnings){.list = NULL};
}

int64_t preflight_num_workers(const struct config_fleet *fleet)
{
    const char *text = config_fleet_env(fleet, "NUM_WORKERS");
    if (text == NULL)
        text = getenv("NUM_WORKERS");
    char *end = NULL;
    errno = 0;
    long long value = text != NULL ? strtoll(text, &end, 10) : 0;
    if (text == NULL || errno != 0 || end == text || *end != '\0' || value < 1 || value > 100000)
        return NUM_WORKERS_DEFAULT;
    return value;
}

/* What all fleets need at their max. */
struct needs {
    int64_t workers;
    int64_t threads;
    struct strbuf sum; /* "30 workers x (100 + 8) threads", joined by " + " */
};

static void add_needs(struct needs *needs, const struct config_fleet *fleet)
{
    int64_t max = fleet->controller.capacity.max;
    int64_t handlers = preflight_num_workers(fleet);
    needs->workers += max;
    needs->threads += max * (handlers + THREADS_BESIDE_HANDLERS);
    strbuf_appendf(&needs->sum, "%s%" PRId64 " workers x (%" PRId64 " + %d) threads",
                   needs->sum.len > 0 ? " + " : "", max, handlers, THREADS_BESIDE_HANDLERS);
}

static void judge_memory(const struct needs *needs, const char *code, const char *what, int64_t limit,
                         struct warnings *warnings)
{
    int64_t need_kib = needs->threads * STACK_KIB;
    if (limit >= 0 && need_kib > limit / 1024)
        warnings_add(warnings, code, NULL,
                     "%s is %" PRId64 " MiB; %s x %d KiB of stack = %" PRId64
                     " MiB if every stack is used to its end",
                     what, limit / 1024 / 1024, strbuf_str(&needs->sum), STACK_KIB, need_kib / 1024);
}

static void judge_count(const struct needs *needs, const char *code, const char *what, int64_t limit,
                        struct warnings *warnings)
{
    if (limit >= 0 && needs->threads > limit)
        warnings_add(warnings, code, NULL, "%s is %" PRId64 "; %s = %" PRId64, what, limit,
                     strbuf_str(&needs->sum), needs->threads);
}

void preflight_host(const struct config *config, const struct host_facts *facts, struct warnings *warnings)
{
    struct needs needs = {.sum = STRBUF_INIT};
    for (size_t i = 0; i < config->fleet_count; i++)
        if (config->fleets[i].type == FLEET_LOCAL)
            add_needs(&needs, &config->fleets[i]);
    judge_count(&needs, "nproc", "the limit of processes and threads (RLIMIT_NPROC, ulimit -u)", facts->nproc,
                warnings);
    judge_count(&needs, "pids_max", "the control group's pids.max", facts->pids_max, warnings);
    judge_memory(&needs, "memory_max", "the control group's memory.max", facts->memory_max, warnings);
    judge_memory(&needs, "memory", "available memory (MemAvailable)", facts->mem_available, warnings);
    /* While a fleet shrinks and grows again, as many workers may drain as run. */
    int64_t fds = needs.workers * 2 * FDS_A_WORKER + FDS_OF_OUR_OWN;
    if (facts->nofile >= 0 && fds > facts->nofile)
        warnings_add(warnings, "nofile", NULL,
                     "the limit of open files (RLIMIT_NOFILE, ulimit -n) is %" PRId64 "; 2 x %" PRId64
                     " workers, running and draining, x %d files + %d of the supervisor = %" PRId64,
                     facts->nofile, needs.workers, FDS_A_WORKER, FDS_OF_OUR_OWN, fds);
    strbuf_clean_up(&needs.sum);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_queue(const struct config *config, const struct config_fleet *a,
                       const struct config_fleet *b)
{
    return same_text(a->queue.url, b->queue.url) && same_text(a->queue.name, b->queue.name) &&
           same_text(config_fleet_region(config, a), config_fleet_region(config, b)) &&
           same_text(config_fleet_endpoint(config, a), config_fleet_endpoint(config, b));
}

void preflight_shared_queues(const struct config *config, struct warnings *warnings)
{
    for (size_t i = 1; i < config->fleet_count; i++) {
        const struct config_fleet *fleet = &config->fleets[i];
        for (size_t j = 0; j < i; j++) {
            if (!same_queue(config, &config->fleets[j], fleet))
                continue;
            warnings_add(warnings, "shared_queue", fleet->name,
                         "fleet %s has the same queue: both grow for the same messages",
                         config->fleets[j].name);
            break;
        }
    }
}

static bool is_executable(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* As execvp() looks. */
static bool is_in_path(const char *name)
{
    const char *path = getenv("PATH");
    bool found = false;
    if (path == NULL || *path == '\0')
        path = "/usr/local/bin:/usr/bin:/bin";
    while (!found && *path != '\0') {
        struct strbuf full = STRBUF_INIT;
        size_t len = strcspn(path, ":");
        strbuf_append(&full, len > 0 ? path : ".", len > 0 ? len : 1);
        strbuf_appendf(&full, "/%s", name);
        found = is_executable(strbuf_str(&full));
        strbuf_clean_up(&full);
        path += len + (path[len] == ':');
    }
    return found;
}

void preflight_command(const struct config_fleet *fleet, struct warnings *warnings)
{
    if (fleet->type != FLEET_LOCAL)
        return;
    const char *program = fleet->local.command[0];
    if (strchr(program, '/') == NULL) {
        if (!is_in_path(program))
            warnings_add(warnings, "command", fleet->name, "command %s: not found in PATH", program);
    } else if (access(program, F_OK) != 0) {
        warnings_add(warnings, "command", fleet->name, "command %s: %s", program, strerror(errno));
    } else if (!is_executable(program)) {
        warnings_add(warnings, "command", fleet->name, "command %s: not an executable file", program);
    }
}

int64_t preflight_journal_bytes_a_day(const struct config_fleet *fleet)
{
    static const int64_t DAY_MS = INT64_C(24) * 60 * 60 * 1000;
    struct strbuf line = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&line);
    struct observation obs;
    struct decision decision;
    int64_t now_ms = INT64_C(1800000000000);
    /* Measured on a real step, with numbers of a usual length. */
    struct controller *controller = controller_new(&fleet->controller);
    observation_init(&obs);
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++) {
        struct reading *reading = (struct reading *)(void *)((char *)&obs + OBSERVATION_TABLE[i].offset);
        reading_set(reading, 1234, now_ms - 12);
    }
    controller_step(controller, &obs, now_ms, &decision);
    decision_encode_json(&decision, &w);
    int64_t bytes = (int64_t)line.len * (DAY_MS / fleet->queue.poll_ms);
    controller_destroy(controller);
    strbuf_clean_up(&line);
    return bytes;
}

void preflight_queue(const struct config_fleet *fleet, const struct queue_facts *facts,
                     struct warnings *warnings)
{
    if (facts->dead_letter_arn[0] == '\0') {
        warnings_add(
            warnings, "no_dead_letter_queue", fleet->name,
            "the queue has no dead-letter queue: a message that always fails comes back until it expires");
        return;
    }
    if (facts->max_receive_count >= 0 && facts->max_receive_count < RECEIVES_WANTED)
        warnings_add(warnings, "max_receive_count", fleet->name,
                     "the queue's maxReceiveCount is %" PRId64
                     ", want %d or more: every hand-back of a draining or killed "
                     "worker counts as a receive, so good messages would go to the dead-letter queue",
                     facts->max_receive_count, RECEIVES_WANTED);
    if (facts->dead_letter_error[0] != '\0')
        warnings_add(warnings, "dead_letter_queue", fleet->name,
                     "the dead-letter queue %s cannot be asked: %s", facts->dead_letter_arn,
                     facts->dead_letter_error);
    if (facts->dead_letter_retention_s >= 0 && facts->retention_s >= 0 &&
        facts->dead_letter_retention_s <= facts->retention_s)
        warnings_add(warnings, "dead_letter_retention", fleet->name,
                     "the dead-letter queue keeps messages for %" PRId64 " s, the queue for %" PRId64
                     " s: their age counts from the first send, so they may expire there unseen; want more",
                     facts->dead_letter_retention_s, facts->retention_s);
}

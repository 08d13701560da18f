/*
 * Whether this host and the queue fit a configuration: the warnings of "sluice check". Reading facts and
 * judging them are apart, so that tests judge invented facts. Warnings say what is needed, what there is, and
 * the arithmetic.
 */
#ifndef SLUICE_SUPERVISOR_PREFLIGHT_H
#define SLUICE_SUPERVISOR_PREFLIGHT_H

#include "base/err.h"
#include "base/strbuf.h"
#include "supervisor/config.h"

#include <stddef.h>
#include <stdint.h>

struct warning {
    char code[32];     /* "nproc", "pids_max", "memory", ... for programs */
    const char *fleet; /* NULL: of the whole file; not owned */
    char *text;        /* owned */
};

struct warnings {
    struct warning *list; /* owned */
    size_t count;
};

void warnings_add(struct warnings *warnings, const char *code, const char *fleet, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void warnings_clean_up(struct warnings *warnings);

/* ---- the host ---- */

/* Limits; -1: none, or not known. Bytes and counts. */
struct host_facts {
    int64_t nproc;         /* RLIMIT_NPROC, soft; -1 for root, to whom the kernel does not apply it */
    int64_t nofile;        /* RLIMIT_NOFILE, hard: "sluice run" raises the soft one to it */
    int64_t pids_max;      /* least pids.max of our cgroup and those above it */
    int64_t memory_max;    /* least memory.max of our cgroup and those above it */
    int64_t mem_available; /* MemAvailable of /proc/meminfo */
};

void host_facts_read(struct host_facts *ret_facts);

/* Handler threads of a fleet's workers: NUM_WORKERS of its env, else of ours, else 100. */
int64_t preflight_num_workers(const struct config_fleet *fleet);

/* Can the host hold every fleet of its own at its max? ECS fleets live elsewhere. */
void preflight_host(const struct config *config, const struct host_facts *facts, struct warnings *warnings);

/* Does each fleet have a queue of its own? Two on one queue work against each other: each takes its depth for
 * its own. */
void preflight_shared_queues(const struct config *config, struct warnings *warnings);

/* Can the command be found and executed? An ECS fleet has none. */
void preflight_command(const struct config_fleet *fleet, struct warnings *warnings);

/* Bytes that a fleet's journal grows by in a day of product time, when every poll is written. */
int64_t preflight_journal_bytes_a_day(const struct config_fleet *fleet);

/* ---- the queue ---- */

/* What GetQueueAttributes said; -1 and "" where it did not. */
struct queue_facts {
    int64_t max_receive_count;
    int64_t retention_s;
    char dead_letter_arn[256];
    int64_t dead_letter_retention_s; /* -1: not asked, or no answer */
    char dead_letter_error[256];
};

void preflight_queue(const struct config_fleet *fleet, const struct queue_facts *facts,
                     struct warnings *warnings);

/* Asks the queue and its dead-letter queue. Blocking, with the AWS client's own timeouts and retries. Returns
 * 0, or -1 with err. */
int queue_facts_read(const struct config *config, const struct config_fleet *fleet,
                     struct queue_facts *ret_facts, struct err *err);

#endif

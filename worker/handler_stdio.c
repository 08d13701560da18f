/*
 * The stdio handler: a pool of long-lived co-processes, one JSON line a message in, one a result out. Options
 * only; stdio_pool.c does the work. See docs/handlers.md.
 */
#include "worker/handlers.h"

#include "base/alloc.h"
#include "base/exitcode.h"
#include "worker/stdio_pool.h"

#include <sched.h>
#include <stdlib.h>

struct stdio_options {
    int64_t processes;
    int64_t in_flight;
    int64_t timeout_ms;
    int64_t kill_after_ms;
};

#define AT(field) offsetof(struct stdio_options, field)

static const struct option_row OPTIONS[] = {
    {"stdio_processes", OPTION_INT, AT(processes), "0", 0, 1000, NULL, "N",
     "co-processes, 0 for as many as processors"},
    {"stdio_in_flight", OPTION_INT, AT(in_flight), "1", 1, 1000, NULL, "N",
     "messages in one co-process at once"},
    {"stdio_timeout", OPTION_DURATION, AT(timeout_ms), "30s", 100, 43200000, NULL, "TIME",
     "what a co-process gets for a message before it is restarted"},
    {"stdio_kill_after", OPTION_DURATION, AT(kill_after_ms), "5s", 0, 3600000, NULL, "TIME",
     "from TERM to KILL"},
    OPTION_END,
};

static const struct option_row NO_ENVIRONMENT[] = {OPTION_END};

struct stdio {
    struct stdio_pool *pool; /* owned */
    int64_t limit;
};

static int stdio_check(const void *options, const char *const *arguments, size_t argument_count,
                       struct err *err)
{
    (void)options;
    if (argument_count == 0 || arguments[0][0] == '\0')
        return err_set(err, "--handler stdio: want the program to run: -- PROGRAM [ARG]...");
    return 0;
}

/* Those that we may run on, which may be fewer than there are. */
static int processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

static void *stdio_open(const void *options, const struct sluice_host *host, struct err *err)
{
    const struct stdio_options *chosen = options;
    struct stdio_pool_options pool = {.argv = host->arguments,
                                      .queue_url = host->queue_url,
                                      .processes =
                                          chosen->processes > 0 ? (int)chosen->processes : processors(),
                                      .in_flight = (int)chosen->in_flight,
                                      .timeout_ms = chosen->timeout_ms,
                                      .kill_after_ms = chosen->kill_after_ms};
    struct stdio *stdio = xcalloc(1, sizeof *stdio);
    stdio->limit = (int64_t)pool.processes * pool.in_flight;
    stdio->pool = stdio_pool_new(&pool, err);
    if (stdio->pool != NULL)
        return stdio;
    free(stdio);
    return NULL;
}

static int64_t stdio_limit(const void *instance)
{
    const struct stdio *stdio = instance;
    return stdio->limit;
}

static enum sluice_verdict stdio_handle(void *instance, const struct sluice_message *message,
                                        const struct sluice_context *context)
{
    struct stdio *stdio = instance;
    return stdio_pool_handle(stdio->pool, message, context);
}

static void stdio_abandon(void *instance)
{
    struct stdio *stdio = instance;
    stdio_pool_abandon(stdio->pool);
}

static void stdio_close(void *instance)
{
    struct stdio *stdio = instance;
    stdio_pool_destroy(stdio->pool);
    free(stdio);
}

const struct handler HANDLER_STDIO = {
    .flags = SLUICE_WANTS_ATTRIBUTES | HANDLER_TAKES_ARGUMENTS,
    .name = "stdio",
    .help = "gives messages to long-lived programs, a JSON line each: -- PROGRAM [ARG]...",
    .options = OPTIONS,
    .environment = NO_ENVIRONMENT,
    .options_size = sizeof(struct stdio_options),
    .check = stdio_check,
    .open = stdio_open,
    .limit = stdio_limit,
    .handle = stdio_handle,
    .close = stdio_close,
    .abandon = stdio_abandon,
    .open_exit_code = EXIT_CODE_CONFIG,
};

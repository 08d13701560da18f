/* The list of built-in handlers and the smallest of them: noop, which measures the worker itself. */
#include "worker/handlers.h"

#include "base/exitcode.h"

#include <string.h>

static const struct option_row NO_OPTIONS[] = {OPTION_END};

static void *noop_open(const void *options, const struct sluice_host *host, struct err *err)
{
    static char instance;
    (void)options;
    (void)host;
    (void)err;
    return &instance;
}

static int64_t noop_limit(const void *instance)
{
    (void)instance;
    return 0;
}

static enum sluice_verdict noop_handle(void *instance, const struct sluice_message *message,
                                       const struct sluice_context *context)
{
    (void)instance;
    (void)message;
    (void)context;
    return SLUICE_DONE;
}

static void noop_close(void *instance)
{
    (void)instance;
}

const struct handler HANDLER_NOOP = {
    .flags = SLUICE_NONBLOCKING,
    .name = "noop",
    .help = "does nothing and succeeds; for measuring",
    .options = NO_OPTIONS,
    .environment = NO_OPTIONS,
    .options_size = 0,
    .open = noop_open,
    .limit = noop_limit,
    .handle = noop_handle,
    .close = noop_close,
    .open_exit_code = EXIT_CODE_CONFIG,
};

static const struct handler *const ALL[] = {&HANDLER_PAYMENT, &HANDLER_NOOP, &HANDLER_EXEC, NULL};

const struct handler *const *handler_all(void)
{
    return ALL;
}

const struct handler *handler_find(const char *name)
{
    for (const struct handler *const *handler = ALL; *handler != NULL; handler++)
        if (strcmp((*handler)->name, name) == 0)
            return *handler;
    return NULL;
}

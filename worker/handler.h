/*
 * What a built-in handler is to the worker: the public handler interface (include/sluice/handler.h) with
 * option tables instead of bare arguments. Messages, contexts, verdicts and flags are those of the public
 * header; a plugin is one more built-in handler, which passes on.
 *
 * Threads: open(), close() and abandon() run on the I/O thread, handle() on many handler threads at once,
 * never more than limit() of them. A handler may block in handle(); the lease of its message is extended
 * meanwhile.
 */
#ifndef SLUICE_WORKER_HANDLER_H
#define SLUICE_WORKER_HANDLER_H

#include "base/err.h"
#include "base/options.h"
#include "worker/include/sluice/handler.h"

/* Beyond the public flags. */
enum handler_flags {
    HANDLER_TAKES_ARGUMENTS = 1U << 16, /* what stands behind "--" is the handler's; else it is an error */
};

struct handler {
    uint32_t flags; /* enum sluice_handler_flags and enum handler_flags */
    const char *name;
    const char *help; /* one sentence */

    /* Command-line options and environment variables (names in capitals, no prefix) over one options struct.
     */
    const struct option_row *options;
    const struct option_row *environment;
    size_t options_size;

    /* Checks of options and arguments that need more than one value; 0, or -1 with err: a usage error. NULL:
     * none. */
    int (*check)(const void *options, const char *const *arguments, size_t argument_count, struct err *err);
    /* Returns the handler's instance, or NULL with err. `options` and `host` outlive the instance. */
    void *(*open)(const void *options, const struct sluice_host *host, struct err *err);
    /* How many handle() calls may run at once; 0: as many as there are threads. Constant for an instance. */
    int64_t (*limit)(const void *instance);
    /* Flags that only an instance knows (a plugin's), added to `flags`. NULL: none. */
    uint32_t (*instance_flags)(const void *instance);
    enum sluice_verdict (*handle)(void *instance, const struct sluice_message *message,
                                  const struct sluice_context *context);
    void (*close)(void *instance);
    /* The worker leaves by _exit() while handle() calls still run: end what would outlive it (child
     * processes). NULL: nothing. */
    void (*abandon)(void *instance);
    int open_exit_code; /* when open() fails */
};

/* The built-in handler of that name, or NULL. */
const struct handler *handler_find(const char *name);
/* All built-in handlers, NULL-terminated. */
const struct handler *const *handler_all(void);

#endif

/* The list of built-in handlers. */
#include "worker/handlers.h"

#include <string.h>

static const struct handler *const ALL[] = {&HANDLER_PAYMENT, &HANDLER_NOOP,   &HANDLER_EXEC, &HANDLER_STDIO,
                                            &HANDLER_HTTP,    &HANDLER_PLUGIN, NULL};

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

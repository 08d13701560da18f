/* What a shared object offers; see plugin.h. */
#include "worker/plugin.h"

#include <stdalign.h>
#include <stddef.h>
#include <string.h>

enum { KNOWN_FLAGS = SLUICE_NONBLOCKING | SLUICE_WANTS_ATTRIBUTES | SLUICE_WANTS_ORIGIN };

/* Up to the last member that must be there. */
static const size_t SIZE_MIN = offsetof(struct sluice_handler, handle) + sizeof(void *);

int plugin_accept(const struct sluice_handler *given, struct sluice_handler *ret_handler, struct err *err)
{
    struct sluice_handler handler = {.size = 0};
    if (given == NULL)
        return err_set(err, "sluice_plugin() returned NULL: the handler does not want to run here");
    /* The version stands first in every version; nothing else may be read before it is known. */
    if (given->abi_version != SLUICE_HANDLER_ABI)
        return err_set(err,
                       "abi_version is %u, this worker knows %u: compile it against this worker's "
                       "sluice/handler.h",
                       (unsigned)given->abi_version, (unsigned)SLUICE_HANDLER_ABI);
    if (given->size < SIZE_MIN || given->size % alignof(struct sluice_handler) != 0)
        return err_set(err, "size is %zu: want sizeof(struct sluice_handler), at least %zu", given->size,
                       SIZE_MIN);
    memcpy(&handler, given, given->size < sizeof handler ? given->size : sizeof handler);
    if (handler.handle == NULL)
        return err_set(err, "handle is NULL: it is the one function that must be there");
    handler.flags &= KNOWN_FLAGS;
    *ret_handler = handler;
    return 0;
}

/*
 * Handlers as shared objects: whether what one offers can be worked with. The rule for structs that cross the
 * border is in include/sluice/handler.h. Pure.
 */
#ifndef SLUICE_WORKER_PLUGIN_H
#define SLUICE_WORKER_PLUGIN_H

#include "base/err.h"
#include "worker/include/sluice/handler.h"

/* Copies what a shared object's sluice_plugin() returned, as far as both sides know it: members beyond
 * given->size become zero, members that only the shared object knows are left out; so do flags that this
 * worker does not know. Returns 0, or -1 with err when it is NULL, of another ABI version, too small, or has
 * no handle(). */
int plugin_accept(const struct sluice_handler *given, struct sluice_handler *ret_handler, struct err *err);

#endif
